"""Defences against floods: drop_packet before scheduling, drop_entry once a second (L 14). Chance comes from `seed`."""

from __future__ import annotations

from collections.abc import Iterable
from random import Random
from typing import TYPE_CHECKING

from lbreplay.ipvs.conn import Connections
from lbreplay.ipvs.states import NAMES
from lbreplay.loop.clock import Timed
from lbreplay.loop.entry import Conn
from lbreplay.model import NANOSECOND
from lbreplay.wire.packet import SCTP, TCP

if TYPE_CHECKING:
    from lbreplay.ipvs.edition import Edition
    from lbreplay.ipvs.sysctl import Sysctls
    from lbreplay.loop.clock import Clock

SHARE = 32  # one of so many buckets is looked at each second
IDLE = 60 * NANOSECOND  # a connection used since is spared
MOST_PACKETS = 8  # and one with more packets than this
OF_STATE = {  # "drop", "chance" (todrop) or spared
    (TCP, "SYN_RECV"): "drop",
    (TCP, "SYNACK"): "drop",
    (TCP, "ESTABLISHED"): "chance",
    (SCTP, "INIT1"): "drop",
    (SCTP, "INIT"): "drop",
    (SCTP, "ESTABLISHED"): "chance",
}


class Defence(Timed):
    def __init__(self, seed: int, edition: Edition, sysctls: Sysctls, clock: Clock, conns: Connections) -> None:
        super().__init__()
        self._edition, self._sysctls, self._clock, self._conns = edition, sysctls, clock, conns
        self._started = clock.now
        self._chance = Random(f"{seed}:drop_entry")
        self._until_drop = 0  # of drop_packet: one counter for everybody
        self._rates = [0] * (MOST_PACKETS + 1)
        self.dropped_entries = 0

    def start(self) -> None:
        """The first frame is here: seconds count from now."""
        self._started = self._clock.now

    def wake(self) -> None:
        """There is something to look at: the second hand runs while drop_entry is on and connections are there."""
        if self.slot < 0 and self._sysctls.always("drop_entry") and len(self._conns):
            seconds = (self._clock.now - self._started) // NANOSECOND + 1
            self._clock.arm(self, self._started + seconds * NANOSECOND)

    def drops(self) -> bool:
        """Whether drop_packet takes the new connection at hand: the first, then every `am_droprate`-th."""
        if not self._sysctls.always("drop_packet"):
            return False
        self._until_drop -= 1
        if self._until_drop > 0:
            return False
        self._until_drop = self._sysctls["am_droprate"]
        return True

    def fire(self) -> None:
        """A second is over."""
        if not self._sysctls.always("drop_entry"):
            return
        buckets: dict[int, list[Conn]] = {}
        for conn in self._conns:
            buckets.setdefault(self._conns.bucket(conn), []).append(conn)
        for _ in range(self._conns.size // SHARE):
            self._thin(reversed(buckets.get(self._chance.randrange(self._conns.size), ())))
        self.wake()

    def _thin(self, chain: Iterable[Conn]) -> None:
        for conn in list(chain):
            ending = not conn.hashed or conn.due <= self._clock.now
            if not ending and self._takes(conn):
                self.dropped_entries += 1
                self._conns.delete(conn)

    def _takes(self, conn: Conn) -> bool:
        modern = self._edition.drop_entry == "6.1"
        if conn.is_template:
            return modern and not conn.n_control and self._takes_template(conn)
        if modern and conn.n_control:
            return False
        if conn.proto == TCP or (modern and conn.proto == SCTP):
            said = OF_STATE.get((conn.proto, NAMES[conn.proto][conn.state]))
            return said == "drop" or (said == "chance" and self._todrop(conn))
        return self._todrop(conn)

    def _takes_template(self, conn: Conn) -> bool:
        """Of 6.1: those of one-packet services by chance, others unless ASSURED."""
        if conn.service is not None and conn.service.service.one_packet:
            return self._todrop(conn)
        return not conn.assured

    def _todrop(self, conn: Conn) -> bool:
        """Idle for a minute and with few packets: of those with n packets the first, then one of n."""
        last_use = conn.due - conn.timeout
        n = conn.in_pkts
        if self._clock.now - last_use < IDLE or not 0 < n <= MOST_PACKETS:
            return False
        self._rates[n] -= 1
        if self._rates[n] > 0:
            return False
        self._rates[n] = n
        return True
