"""Answers that a capture of clients shows before the balancer can have them (interface 3).

Behind a SYN proxy the real server is asked only when the client has proved real. A capture of clients and servers
without a balancer has the server's SYN|ACK first, then the client's ACK. Such an answer is kept by the client's key and
comes in as soon as the ACK has opened the connection and the SYN has left: so the connection lives on as captured.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from lbreplay.model import NANOSECOND

if TYPE_CHECKING:
    from lbreplay.dpvs.conn import Conn
    from lbreplay.wire.packet import Packet

KEPT = 240 * NANOSECOND  # as long as a cookie is valid (D 6.1)


class EarlyAnswers:
    """The SYN|ACKs that are kept, oldest first. *turn* makes of one what the real server sent, or None where the NIC
    gives it to a worker that has nothing to do with the connection."""

    def __init__(self, turn: Callable[[Conn, Packet], Packet | None]) -> None:
        self._turn = turn
        self._kept: dict[bytes, Packet] = {}

    def keep(self, key: bytes, packet: Packet) -> None:
        """Keep the answer to the client whose packets have *key*; forget what nobody asked for in time."""
        self._kept.pop(key, None)
        self._kept[key] = packet
        while (oldest := next(iter(self._kept))) != key and self._kept[oldest].time_ns + KEPT < packet.time_ns:
            del self._kept[oldest]

    def answered(self, conn: Conn, ack: int) -> bool:
        """Whether a client that acknowledges *ack* was answered by one of them."""
        kept = self._kept.get(conn.in_key)
        return kept is not None and (kept.seq + 1) & 0xFFFFFFFF == ack

    def take(self, conn: Conn) -> Packet | None:
        """The answer as the real server sent it; it is kept no longer."""
        return self._turn(conn, self._kept.pop(conn.in_key))
