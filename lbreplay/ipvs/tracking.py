"""Connection tracking beside IPVS: when it looks, and what shows of it (L 4.2 row 5, L 12, recorded).

It is in use in the namespace when a firewall rule looks at it, or a NAT real server serves FTP, for IPv4; editions
before 5.9 take it as in use wherever `conntrack` is set and nothing else is said. A connection of IPVS takes part when
`conntrack` is set or a helper is bound to it; packets of others are untracked as soon as IPVS has them. What belongs to
no entry of the tracker (`tracker.py`) when it arrives, because it is invalid, is looked at again when it leaves for a
real server, as the packet it is by then: under NAT it begins a connection of its own there, whose answers would look
like those of the real one, and dies. Three things show:

    a SYN that reuses a connection is dropped, and the connection ends, while the tracker counts it to its old entry
    what is invalid on its way to a NAT real server dies
    what would look like another connection behind the director dies: one client port with two virtual addresses, or
    with a real server that said something before

Answers leave whatever the tracker says of them. What reaches the director's own stack is not entered.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lbreplay.ipvs.ends import Ends
from lbreplay.ipvs.skb import Seen, Skb
from lbreplay.ipvs.tracker import BACK, OUT, Entry, Reply, Segment, Tracker, segment
from lbreplay.loop.entry import Conn
from lbreplay.loop.flags import NFCT, ONE_PACKET
from lbreplay.wire import checksum
from lbreplay.wire.packet import SCTP, TCP, UDP

if TYPE_CHECKING:
    from lbreplay.ipvs.edition import Edition
    from lbreplay.ipvs.service import Services
    from lbreplay.ipvs.sysctl import Sysctls
    from lbreplay.loop.clock import Clock
    from lbreplay.model import Setup

FTP = 21
TRACKED = (TCP, UDP, SCTP)


class Tracking:
    def __init__(self, setup: Setup, edition: Edition, sysctls: Sysctls, services: Services, clock: Clock) -> None:
        self._asked = setup.ipvs.get("tracking")  # None: nothing is said
        self._by_sysctl = edition.tracking == "conntrack"
        self._drops_any = edition.conntrack_drops == "any"
        self._known = edition.sysctls != "2.6"
        self._sysctls, self._services, self._clock = sysctls, services, clock
        self.tracker = Tracker()

    @property
    def in_use(self) -> bool:
        return bool(self._asked or self.taken_for_granted or (self._known and self._services.has_nat_ftp))

    @property
    def taken_for_granted(self) -> bool:
        """In use because `conntrack` is set, where the configuration does not say."""
        return self._asked is None and self._by_sysctl and bool(self._sysctls["conntrack"])

    def joins(self, conn: Conn) -> None:
        """A new connection takes part, or not."""
        if self._known and self.in_use and (self._sysctls["conntrack"] or conn.app is not None):
            conn.flags |= NFCT

    # --- on arrival ------------------------------------------------------------------------------------------

    def arrives(self, skb: Skb) -> None:
        """A packet came: which entry it belongs to, or that it begins one."""
        packet = skb.packet
        if self.in_use and packet.family == 4 and packet.proto in TRACKED and skb.ends is not None and _sound(skb):
            skb.seen = self._look(skb, skb.ends)

    def _look(self, skb: Skb, ends: Ends) -> Seen | None:
        """The entry of a packet between *ends*; None: it is invalid."""
        now, seg = self._clock.now, _segment(skb) if ends[0] == TCP else None
        if ends[0] == TCP and seg is None:
            return None
        found = self.tracker.find(ends, now)
        if found is not None:
            said = self._said(*found, seg)
            if said != Reply.AGAIN:
                return None if said == Reply.INVALID else found
            self.tracker.kill(found[0])
        entry = Entry((ends, (ends[0], ends[2], ends[1])))
        if seg is not None and not entry.begin(seg):
            return None
        return None if self._said(entry, OUT, seg) == Reply.INVALID else (entry, OUT)

    def _said(self, entry: Entry, direction: int, seg: Segment | None) -> Reply:
        now = self._clock.now
        if seg is None:
            entry.refresh(now, entry.tuples[OUT][0] == UDP)
            said = Reply.VALID
        else:
            said = entry.see(direction, seg, now)
        if said in (Reply.VALID, Reply.IGNORED) and direction == BACK:
            entry.answered = True
        if entry.dead:
            self.tracker.kill(entry)
        return said

    # --- on the way out --------------------------------------------------------------------------------------

    def leaves(self, conn: Conn, skb: Skb) -> bool:
        """A request goes to its real server, translated already. False: it dies there."""
        if not conn.flags & NFCT or skb.packet.family != 4 or not self.in_use:
            return True
        nat = conn.method == "nat"
        if nat:
            self._alter(conn, skb, BACK, (conn.proto, conn.real, conn.client))
        if skb.seen is None and skb.packet.proto == conn.proto in TRACKED and conn.method != "tunnel":
            skb.seen = self._look(skb, (conn.proto, conn.client, conn.real if nat else conn.virtual))
        return self._confirmed(skb)

    def answers(self, conn: Conn, skb: Skb) -> None:
        """An answer was translated, or left alone."""
        if not conn.flags & NFCT:
            skb.seen = None
        elif conn.method == "nat":
            self._alter(conn, skb, BACK, (conn.proto, conn.client, conn.virtual))

    def passes(self, skb: Skb) -> bool:
        """A packet leaves that went through the director. False: it dies there."""
        return self._confirmed(skb)

    def _alter(self, conn: Conn, skb: Skb, which: int, ends: Ends) -> None:
        """What the connection's other packets will look like, told while the entry is not in the table."""
        if skb.seen is None or skb.seen[1] != OUT or skb.seen[0].confirmed or conn.flags & ONE_PACKET:
            return
        entry = skb.seen[0]
        entry.tuples = (entry.tuples[OUT], ends)
        if conn.app is not None:
            sequence = conn.app.sequence
            entry.unshifted = lambda ack: ack - sequence.acknowledged(ack, True) & 0xFFFFFFFF

    def _confirmed(self, skb: Skb) -> bool:
        entry = skb.seen[0] if skb.seen is not None else None
        return entry is None or entry.confirmed or entry.dead or self.tracker.confirm(entry, self._clock.now)

    # --- connections of IPVS ---------------------------------------------------------------------------------

    def holds_old(self, conn: Conn, skb: Skb) -> bool:
        """Whether a first packet on *conn* belongs to an entry that was there; else its end leaves the entry alone.

        Before Linux 5.9 any entry did, the new one of this packet too.
        """
        entry = skb.seen[0] if conn.flags & NFCT and skb.seen is not None else None
        old = entry is not None and (self._drops_any or entry.confirmed)
        if not old:
            conn.flags &= ~NFCT
        return old

    def forget(self, conn: Conn) -> None:
        """A connection ended, and its entry with it."""
        found = (
            self.tracker.find((conn.proto, conn.client, conn.virtual), self._clock.now) if conn.flags & NFCT else None
        )
        if found is not None:
            self.tracker.kill(found[0])


def _segment(skb: Skb) -> Segment | None:
    packet = skb.packet
    return segment(packet.l3[packet.l4_at :], packet.l3_length - packet.l4_at)


def _sound(skb: Skb) -> bool:
    """Whether header and checksum can be right; of what the capture cut nobody knows the sum."""
    packet = skb.packet
    if packet.proto == UDP and (packet.l4_there < 8 or not 8 <= _udp_length(skb) <= packet.l3_length - packet.l4_at):
        return False
    return not packet.complete or packet.l4_there < 8 or checksum.verify_l4(packet.l3, packet.l4_at, packet.proto)


def _udp_length(skb: Skb) -> int:
    at = skb.packet.l4_at
    return int.from_bytes(skb.packet.l3[at + 4 : at + 6])
