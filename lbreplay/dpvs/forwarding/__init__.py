"""Forwarding modes: as what does the first packet leave? (D 2.2, D 12.1)

A mode binds a new connection: it fills the four ends and the keys of both sides. Everything after that follows from
the keys, for every mode: **a packet leaves as the reverse of the other side's key.** What a mode does beyond that is
data here: who may take the fast path, what is done to L4, which key other workers find the owner by.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from lbreplay.verdict import Verdict

if TYPE_CHECKING:
    from lbreplay.dpvs.conn import Conn
    from lbreplay.dpvs.machine import Lcore, Machine
    from lbreplay.wire.packet import Packet


class Mode(NamedTuple):
    """A forwarding mode.

    bind            fills the connection's ends, or names why it can't
    release         gives back what bind took
    fast            families whose packets may take the fast path (D 12.3)
    full            full NAT: sequence numbers, options, client addresses (D 5.4-5.6)
    rewrites        whether addresses and ports change at all
    answers         whether answers pass the balancer
    redirected_side key of the redirect entry: "out", "in" or "" (D 4.4)
    binds_first     takes its local end before the connection exists, so a refusal moves a port to the pool's end
    """

    name: str
    bind: Callable[[Machine, Lcore, Conn, Packet], Verdict | None]
    release: Callable[[Machine, Conn], None]
    fast: tuple[int, ...]
    full: bool = False
    rewrites: bool = True
    answers: bool = True
    redirected_side: str = "out"
    binds_first: bool = False


def _modes() -> dict[str, Mode]:
    from lbreplay.dpvs.forwarding import direct, fnat, nat, snat

    return {
        "fnat": Mode("fnat", fnat.bind, fnat.release, fast=(4, 6), full=True),
        "nat": Mode("nat", nat.bind, nat.release, fast=(4,)),
        "snat": Mode("snat", snat.bind, snat.release, fast=(), redirected_side="in", binds_first=True),
        **{
            name: Mode(name, direct.bind, direct.release, (), rewrites=False, answers=False, redirected_side="")
            for name in ("dr", "tunnel")
        },
    }


MODES = _modes()
