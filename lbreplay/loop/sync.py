"""Which packets would be sent to a backup by a master's sync daemon (L 15). Counted only: a replay has no backup."""

from __future__ import annotations

from collections.abc import Mapping

from lbreplay.loop.clock import Clock
from lbreplay.loop.entry import Conn
from lbreplay.loop.flags import CLOSING, ONE_PACKET, STEADY, SYNCED, TEMPLATE
from lbreplay.model import NANOSECOND

LEAST_REFRESH = 10 * NANOSECOND
TCP, SCTP = 6, 132


class Sync:
    """What would have been sent: conns, templates, deferrals (an expiry that was put off).

    tcp sctp   bits by state
    """

    def __init__(self, clock: Clock, modern: bool, tcp: bytes, sctp: bytes) -> None:
        self.clock, self.modern = clock, modern
        self._tcp, self._sctp = tcp, sctp
        self.conns = self.templates = self.deferrals = 0
        self.threshold, self.period, self.refresh, self.spares = 3, 50, 0, False

    def settle(self, threshold: tuple[int, int], values: Mapping[str, int]) -> None:
        """The sysctls that it minds have these values now."""
        self.threshold, self.period = threshold
        self.refresh = values["sync_refresh_period"] * NANOSECOND
        self.spares = values["sync_persist_mode"] != 0

    @property
    def counters(self) -> dict[str, int]:
        """By what is counted."""
        return {"conns": self.conns, "templates": self.templates, "deferred": self.deferrals}

    def packet(self, conn: Conn, pkts: int) -> None:
        """The request packet number *pkts* of *conn* was handled."""
        if self.modern and (conn.flags & ONE_PACKET or self._left_out(conn)):
            return
        due = self._due(conn, pkts)
        if due:
            self._told(conn)
            self.conns += 1
        if conn.control is not None and (due or self.modern):
            self._parent(conn.control)
        if due or not self.modern:
            conn.old_state = conn.state

    def deferred(self, conn: Conn) -> None:
        """The end of *conn* was put off."""
        if self.modern:
            self._told(conn)
            self.deferrals += 1

    def _left_out(self, conn: Conn) -> bool:
        return self.spares and conn.control is not None and conn.control.flags & TEMPLATE != 0

    def _parent(self, parent: Conn) -> None:
        """Templates are told of with their connections, in 6.1 at each packet."""
        if not self.modern:
            self._told(parent)
            self.templates += 1
        elif parent.flags & TEMPLATE:
            parent.in_pkts += 1
            if (self.period or parent.in_pkts == self.threshold) and self._refreshed(parent):
                self._told(parent)
                self.templates += 1
        elif self._due(parent, self.threshold):
            self._told(parent)
            self.conns += 1

    def _told(self, conn: Conn) -> None:
        conn.synced = self.clock.now + conn.timeout

    def _due(self, conn: Conn, pkts: int) -> bool:
        """Whether packet number *pkts* makes a message."""
        if conn.proto == TCP:
            kind = self._tcp[conn.state]
        elif conn.proto == SCTP:
            kind = self._sctp[conn.state]
        else:
            kind = SYNCED | STEADY
        if not kind & SYNCED:
            return False
        if kind & CLOSING and conn.state != conn.old_state:
            return True
        return kind & STEADY != 0 and self._regular(pkts) and (not self.modern or self._refreshed(conn))

    def _regular(self, pkts: int) -> bool:
        return (pkts % self.period if self.period else pkts) == self.threshold

    def _refreshed(self, conn: Conn) -> bool:
        """Whether the expiry moved enough since it was told (`sync_refresh_period`)."""
        if not self.refresh:
            return True
        half = conn.timeout // 2
        least = half if half > LEAST_REFRESH else LEAST_REFRESH
        moved = self.clock.now + conn.timeout - conn.synced
        return (moved if moved >= 0 else -moved) >= (least if least < self.refresh else self.refresh)
