"""Connection tracking beside IPVS, as far as it shows (L 4.2 row 5, L 12, recorded).

It is in use in the namespace when a firewall rule looks at it, or a NAT real server serves FTP. A connection takes part
when `conntrack` is set or a helper is bound to it. Two things show: the first SYN after a real server's RST is dropped
with the old entry, and a connection that would look like another one behind the director is dropped when it would be
confirmed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lbreplay.ipvs.conn import NFCT, ONE_PACKET, Conn
from lbreplay.ipvs.states import CLOSE
from lbreplay.wire.packet import FIN, RST, TCP, Packet

if TYPE_CHECKING:
    from lbreplay.ipvs.edition import Edition
    from lbreplay.ipvs.service import Services
    from lbreplay.ipvs.skb import Skb
    from lbreplay.ipvs.sysctl import Sysctls
    from lbreplay.model import Endpoint, Setup

FTP = 21


class Entry:
    """What the tracker remembers of a connection: who closed it."""

    __slots__ = ("client_reset_last", "server_closed")

    def __init__(self) -> None:
        self.server_closed = self.client_reset_last = False


class Tracking:
    def __init__(self, setup: Setup, edition: Edition, sysctls: Sysctls, services: Services) -> None:
        self._asked = bool(setup.ipvs.get("tracking"))
        self._known = edition.sysctls != "2.6"
        self._sysctls, self._services = sysctls, services
        self._confirmed: dict[tuple[int, Endpoint, Endpoint], Conn] = {}

    @property
    def in_use(self) -> bool:
        return self._asked or (self._known and self._services.has_nat_ftp)

    def joins(self, conn: Conn) -> None:
        """A new connection takes part, or not."""
        if self._known and self.in_use and (self._sysctls["conntrack"] or conn.app is not None):
            conn.flags |= NFCT

    def confirmed(self, conn: Conn, skb: Skb) -> bool:
        """The packet leaves: its connection is known from now on. False: another looks the same, the packet dies."""
        if not conn.flags & NFCT or conn.flags & ONE_PACKET:
            return True
        key = conn.proto, conn.client, conn.real
        if self._confirmed.setdefault(key, conn) is not conn:
            return False
        conn.tracked = conn.tracked or Entry()
        return True

    def saw(self, conn: Conn, packet: Packet, out: bool) -> None:
        """A segment of a tracked connection."""
        if conn.tracked is not None and packet.proto == TCP:
            conn.tracked.server_closed |= out and bool(packet.flags & FIN)
            conn.tracked.client_reset_last = not out and bool(packet.flags & RST)

    def holds_old(self, conn: Conn) -> bool:
        """Whether a SYN on *conn* meets its confirmed entry. The tracker itself gives up an entry in TIME_WAIT."""
        entry = conn.tracked
        if entry is None or conn.proto != TCP:
            return entry is not None
        return conn.state == CLOSE and not entry.server_closed and not entry.client_reset_last

    def forget(self, conn: Conn) -> None:
        """A connection ended, and its entry with it."""
        key = conn.proto, conn.client, conn.real
        if self._confirmed.get(key) is conn:
            del self._confirmed[key]
