"""Who is counted: a real server as one worker has it, and a worker's connections.

These classes have heirs in Python. Compiled callers write `Dest.count(dest, ...)`, for `dest.count(...)` would look for
an heir's own method at each call first, which costs a thousand instructions; no heir has one of those in the `.pxd`.
"""

from __future__ import annotations

from lbreplay.model import RealServer

WEIGHT_BITS = 16  # of the signed number that DPVS keeps a weight in (D 10.2; recorded)


def kept_weight(weight: int) -> int:
    """A weight of 0 to 65535 as DPVS keeps it, a signed 16-bit number: 65535 is -1 (recorded)."""
    return weight - (1 << WEIGHT_BITS) if weight >> (WEIGHT_BITS - 1) else weight


class Dest:
    """A real server of one virtual server on one worker.

    id         unique over the workers of a replay
    place      its position in the list of its service; dpvs/opener keeps it
    weight     as DPVS keeps it: 32768 and more are negative, so that it is never picked (`kept_weight`)
    max_conn   this worker's share of the limit, rounded down; 0: none (D 2.8)
    actconns inactconns persistconns    live connections; conns counts the connections opened
    met_*      the MACs that were last heard of towards it, for the loop
    """

    def __init__(self, number: int, real: RealServer, workers: int) -> None:
        self.id = number
        self.place = -1
        self.real = real
        self.endpoint = real.endpoint
        self.address, self.port = real.endpoint
        self.weight = kept_weight(real.weight)
        self.max_conn = real.max_conn // workers
        self.available, self.overload, self.inhibited = True, False, False
        self.actconns = self.inactconns = self.persistconns = self.conns = 0
        self.inpkts = self.inbytes = self.outpkts = self.outbytes = 0
        self.met_version, self.met_told, self.met_way, self.met_head, self.met_tail = -1, 0, 0, 0, 0

    @property
    def valid(self) -> bool:
        """True when a scheduler may pick it."""
        return self.may_be_picked()

    def may_be_picked(self) -> bool:
        """`valid`, as the loop asks."""
        return self.weight > 0 and self.available and not self.overload and not self.inhibited

    @property
    def filling_weight(self) -> int:
        """The weight by which tables of hashes are filled."""
        return self.weight

    def activate(self, count: int) -> None:
        """So many inactive connections became active; below 0: the other way."""
        self.actconns += count
        self.inactconns -= count

    def admit(self) -> None:
        """A place may be free: then it may be chosen again (D 2.8)."""
        if not self.is_full():
            self.overload = False

    def count(self, side: int, packets: int, octets: int) -> None:
        """Packets and bytes of L3 from the client (side 0) or the real server; one removed counts nothing (D 13.1)."""
        if not self.available:
            return
        if side == 0:
            self.inpkts += packets
            self.inbytes += octets
        else:
            self.outpkts += packets
            self.outbytes += octets

    @property
    def full(self) -> bool:
        """True when this worker's share of max_conn is reached."""
        return self.is_full()

    def is_full(self) -> bool:
        """`full`, as the loop asks."""
        return 0 < self.max_conn <= self.actconns + self.inactconns


class Census:
    """The connections of a worker. `passed`: draws that nobody needed, of connections that ended in silence."""

    def __init__(self) -> None:
        self.created = self.expired = self.active = self.peak = self.passed = 0

    def opened(self) -> None:
        """Count a new connection."""
        self.created += 1
        self.active += 1
        if self.active > self.peak:
            self.peak = self.active

    def closed(self) -> None:
        """Count an end."""
        self.expired += 1
        self.active -= 1
