"""Which packets would be sent to a backup by a master's sync daemon (L 15). Counted only: a replay has no backup."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from lbreplay.ipvs.conn import ONE_PACKET, Conn
from lbreplay.ipvs.states import ESTABLISHED, NAMES, SCTP_CLOSED, TCP_NAMES
from lbreplay.model import NANOSECOND
from lbreplay.wire.packet import SCTP, TCP

if TYPE_CHECKING:
    from lbreplay.ipvs.clock import Clock
    from lbreplay.ipvs.edition import Edition
    from lbreplay.ipvs.sysctl import Sysctls

CLOSING = frozenset(TCP_NAMES.index(name) for name in ("FIN_WAIT", "CLOSE_WAIT", "TIME_WAIT"))
SYNCED = CLOSING | {ESTABLISHED, TCP_NAMES.index("CLOSE")}
SHUT_ACK = NAMES[SCTP].index("S-ACK-SENT")
LEAST_REFRESH = 10 * NANOSECOND


class Sync:
    """`counters`: messages that would have been sent: conns, templates, deferred (an expiry that was put off)."""

    def __init__(self, edition: Edition, sysctls: Sysctls, clock: Clock) -> None:
        self._sysctls, self._clock = sysctls, clock
        self.counters: Counter[str] = Counter()
        self._due = {"2.6": self._due_26, "6.1": self._due_61}[edition.sync]
        self._modern = edition.sync == "6.1"

    def packet(self, conn: Conn, pkts: int) -> None:
        """The request packet number *pkts* of *conn* was handled."""
        if self._modern and (conn.flags & ONE_PACKET or self._left_out(conn)):
            return
        due = self._due(conn, pkts)
        if due:
            self._send(conn, "conns")
        if conn.control is not None and (due or self._modern):
            self._parent(conn.control, due)
        if due or not self._modern:
            conn.old_state = conn.state

    def deferred(self, conn: Conn) -> None:
        """The end of *conn* was put off."""
        if self._modern:
            self._send(conn, "deferred")

    def _left_out(self, conn: Conn) -> bool:
        return bool(self._sysctls["sync_persist_mode"]) and conn.control is not None and conn.control.is_template

    def _parent(self, parent: Conn, due: bool) -> None:
        """Templates are told of with their connections, in 6.1 at each packet."""
        if not self._modern:
            self._send(parent, "templates")
        elif parent.is_template:
            parent.in_pkts += 1
            exact = self._sysctls.period == 0
            if (not exact or parent.in_pkts == self._sysctls.threshold) and self._refreshed(parent):
                self._send(parent, "templates")
        elif self._due_61(parent, self._sysctls.threshold):
            self._send(parent, "conns")

    def _send(self, conn: Conn, what: str) -> None:
        conn.synced = self._clock.now + conn.timeout
        self.counters[what] += 1

    def _regular(self, pkts: int) -> bool:
        threshold, period = self._sysctls.threshold, self._sysctls.period
        return pkts % period == threshold if period else pkts == threshold

    def _due_26(self, conn: Conn, pkts: int) -> bool:
        changed = conn.state != conn.old_state
        if conn.proto == SCTP and changed and conn.state in (SCTP_CLOSED, SHUT_ACK):
            return True
        if conn.proto == TCP and changed and conn.state in CLOSING:
            return True
        return (conn.proto != TCP or conn.state == ESTABLISHED) and self._regular(pkts)

    def _due_61(self, conn: Conn, pkts: int) -> bool:
        if conn.proto == TCP and conn.state not in SYNCED:
            return False
        if conn.proto == TCP and conn.state != conn.old_state and conn.state != ESTABLISHED:
            return True
        return self._regular(pkts) and self._refreshed(conn)

    def _refreshed(self, conn: Conn) -> bool:
        """Whether the expiry moved enough since it was told (`sync_refresh_period`)."""
        period = self._sysctls["sync_refresh_period"] * NANOSECOND
        if not period:
            return True
        least = min(period, max(conn.timeout // 2, LEAST_REFRESH))
        return abs(self._clock.now + conn.timeout - conn.synced) >= least
