"""NAT: only the destination changes towards the real server, only the source on the way back (D 2.2)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lbreplay.verdict import Verdict

if TYPE_CHECKING:
    from lbreplay.dpvs.conn import Conn
    from lbreplay.dpvs.machine import Lcore, Machine
    from lbreplay.wire.packet import Packet


def bind(machine: Machine, lcore: Lcore, conn: Conn, packet: Packet) -> Verdict | None:
    """The local end is the client itself."""
    conn.take_local(*conn.client)
    return None


def release(machine: Machine, conn: Conn) -> None:
    """Nothing was taken."""
