"""How a mode binds a new connection: as what does the first packet leave? (D 2.2, D 12.1)

Binding fills the four ends and the keys of both sides. What else a mode is, is data: `dpvs/modes.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from lbreplay.dpvs.forwarding import direct, fnat, nat, snat

if TYPE_CHECKING:
    from lbreplay.dpvs.conn import Conn
    from lbreplay.dpvs.machine import Lcore, Machine
    from lbreplay.verdict import Verdict
    from lbreplay.wire.packet import Packet


class Binding(NamedTuple):
    """*bind* fills a connection's ends, or names why it can't; *release* gives back what it took."""

    bind: Callable[[Machine, Lcore, Conn, Packet], Verdict | None]
    release: Callable[[Machine, Conn], None]


BINDINGS = {
    "fnat": Binding(fnat.bind, fnat.release),
    "nat": Binding(nat.bind, nat.release),
    "snat": Binding(snat.bind, snat.release),
    "dr": Binding(direct.bind, direct.release),
    "tunnel": Binding(direct.bind, direct.release),
}
