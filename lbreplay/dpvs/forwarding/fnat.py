"""Full NAT: (laddr, lport) to the real server; the answers come to laddr:lport (D 2.2, D 11.1)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lbreplay.verdict import Verdict
from lbreplay.wire.packet import SCTP, TCP, UDP

if TYPE_CHECKING:
    from lbreplay.dpvs.conn import Conn
    from lbreplay.dpvs.machine import Lcore, Machine
    from lbreplay.wire.packet import Packet


def bind(machine: Machine, lcore: Lcore, conn: Conn, packet: Packet) -> Verdict | None:
    """Take a local address and port of this worker towards the real server."""
    if conn.proto not in (TCP, UDP, SCTP):
        return Verdict.LADDR_PROTO_UNSUPPORTED
    if not conn.server.service.laddr:
        return Verdict.LADDR_NONE
    bound = conn.server.laddrs.bind(lcore.pools, conn.real)
    if bound is None:
        return Verdict.LADDR_PORT_EXHAUSTED
    conn.take_local(*bound)
    return None


def release(machine: Machine, conn: Conn) -> None:
    """Give the port back to the pool it came from, and its place in the service's count."""
    laddr, lport = conn.local
    machine.lcores[conn.rank].pools[laddr].release(lport, conn.real)
    conn.server.laddrs.release(laddr)
