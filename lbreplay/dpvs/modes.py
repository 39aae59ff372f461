"""Forwarding modes: what each does to the packets of its connections (D 2.2, D 12.1).

Everything after a connection is bound follows from the keys of its two sides, for every mode: **a packet leaves as the
reverse of the other side's key.** What a mode does beyond that is data here: who may take the fast path, what is done
to L4, which key other workers find the owner by. How one binds a local end is code: `dpvs/forwarding`.
"""

from __future__ import annotations

from typing import NamedTuple

from lbreplay.loop.names import DIRECT, OTHER, SNAT, TUNNEL


class Mode(NamedTuple):
    """A forwarding mode.

    fast            families whose packets may take the fast path (D 12.3)
    full            full NAT: sequence numbers, options, client addresses (D 5.4-5.6)
    rewrites        whether addresses and ports change at all
    answers         whether answers pass the balancer
    kind            what the loop knows its connections by (column `full`), full NAT apart; so also who is asked for
                    their packets that came to another worker (D 4.4)
    binds_first     takes its local end before the connection exists, so a refusal moves a port to the pool's end
    """

    name: str
    fast: tuple[int, ...]
    full: bool = False
    rewrites: bool = True
    answers: bool = True
    kind: int = OTHER
    binds_first: bool = False


MODES = {
    "fnat": Mode("fnat", fast=(4, 6), full=True),
    "nat": Mode("nat", fast=(4,)),
    "snat": Mode("snat", fast=(), kind=SNAT, binds_first=True),
    "dr": Mode("dr", fast=(), rewrites=False, answers=False, kind=DIRECT),
    "tunnel": Mode("tunnel", fast=(), rewrites=False, answers=False, kind=TUNNEL),
}
