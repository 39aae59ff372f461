"""SNAT: inside hosts reach outside through one address and ports of its pool (D 2.2, D 9.2, D 11.3).

The first packet goes *out*: its source is the connection's real server, its destination the client. An ICMP flow
takes no port; its identifier stands for the inside port, type and code for the outside one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lbreplay.model import Endpoint
from lbreplay.verdict import Verdict
from lbreplay.wire.packet import ICMP, ICMPV6

if TYPE_CHECKING:
    from lbreplay.dpvs.conn import Conn
    from lbreplay.dpvs.machine import Lcore, Machine
    from lbreplay.wire.packet import Packet


def bind(machine: Machine, lcore: Lcore, conn: Conn, packet: Packet) -> Verdict | None:
    """Take a port of the SNAT address towards the remote host."""
    remote, inside = Endpoint(packet.dst, packet.dport), Endpoint(packet.src, packet.sport)
    port = inside.port
    if conn.proto not in (ICMP, ICMPV6):
        pool = lcore.pools.get(conn.dest.address)
        if pool is None:
            return Verdict.SNAT_ADDR_WITHOUT_POOL
        taken = pool.fetch(remote)
        if taken is None:
            return Verdict.SNAT_PORT_EXHAUSTED
        port = taken
    conn.take_snat(remote, Endpoint(conn.dest.address, port), inside)
    return None


def release(machine: Machine, conn: Conn) -> None:
    """Give the port back."""
    if conn.proto not in (ICMP, ICMPV6):
        machine.lcores[conn.rank].pools[conn.virtual.address].release(conn.virtual.port, conn.client)
