"""Answers that a capture of clients shows before the balancer can have them (interface 3).

Behind a SYN proxy the real server is asked only when the client has proved real. A capture of clients and servers
without a balancer has the server's SYN|ACK first, then the client's ACK. Such an answer is kept by the client's key and
comes in as soon as the ACK has opened the connection and the SYN has left: so the connection lives on as captured.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from lbreplay.loop.syn import Early, Waiting
from lbreplay.wire.packet import Packet

if TYPE_CHECKING:
    from lbreplay.dpvs.conn import Conn


class EarlyAnswers:
    """The SYN|ACKs that are kept, oldest first. *turn* makes of one what the real server sent, or None where the NIC
    gives it to a worker that has nothing to do with the connection."""

    def __init__(self, turn: Callable[[Conn, Packet], Packet | None]) -> None:
        self._turn = turn
        self.kept = Early()

    def keep(self, key: bytes, packet: Packet) -> None:
        """Keep the answer to the client whose packets have *key*; forget what nobody asked for in time."""
        self.kept.keep(key, waiting(packet))

    def answered(self, conn: Conn, ack: int) -> bool:
        """Whether a client that acknowledges *ack* was answered by one of them."""
        return self.kept.find(conn.in_key, ack) is not None

    def take(self, conn: Conn) -> Packet | None:
        """The answer as the real server sent it; it is kept no longer."""
        return self._turn(conn, packet_of(self.kept.take(conn.in_key)))


def waiting(packet: Packet) -> Waiting:
    """A packet of the plain path that waits."""
    made = Waiting(packet.frame, packet.length, packet.time_ns, packet.n, packet.worker, packet.port)
    made.seq = packet.seq
    return made


def packet_of(kept: Waiting) -> Packet:
    """A packet that waited, as the plain path wants it."""
    return Packet(kept.frame, kept.length, kept.time_ns, kept.n, 0, kept.worker, kept.port).within()
