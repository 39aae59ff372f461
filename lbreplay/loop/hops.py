"""With what rows leave: entries of MACs (dpvs/links.py), learned of frames or found by routes, each asked for once.

What is learned of many is kept by where they are: answers of a zone that came with the same MACs go back the same way
(`_ways_back`), packets in transit to an address too (`_transits`).
"""

from __future__ import annotations

from typing import Any

from lbreplay.loop import octets
from lbreplay.loop.addressed import Addressed
from lbreplay.loop.memo import UNKNOWN_NUMBER, Memo
from lbreplay.loop.names import AWAY, BARE, FULL_UDP, HOME, M32, MET, NONE, TELLING, TRAILS, UDP
from lbreplay.loop.opener import Opener, Pair
from lbreplay.loop.real import Dest
from lbreplay.loop.steer import Steerer

UNKNOWN = UNKNOWN_NUMBER


class Hops(Addressed):
    """Ways out, of connections and of packets in transit."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.alike = False  # all of a zone have one way
        self.version = 0  # of what is known about next hops
        self._ways_back = Memo()  # entries by zone and entry that was told, `_way_back`
        self._transits = Memo()  # entries of MACs by the address that packets in transit go to
        self.card: Any = None  # loop.steer.Steerer, of answers; None: of several the host is asked
        self._homes = Memo()  # where answers come in (`homes`) by entry of the table and number of the rule
        self.hands_on = False  # an answer that comes in elsewhere gets to its owner (dpvs/links.py)
        self.dests: list[Any] = []  # by id
        self.all_pairs: list[Any] = []  # by number
        self._head = self._tail = self._tag = 0  # the MACs that came last, and their entry
        self._client_entry = NONE

    def link(self, fast: Any, homes: Any) -> None:
        """Whether entries of MACs are of the fast path; where answers come in, HOME numbers each."""
        self.is_fast, self.homes = fast, homes
        self.entries, self.home_entries = len(fast), len(homes) // HOME

    def forget_hops(self) -> None:
        """A neighbour's MAC, or anything else that an event can, has changed."""
        self.version += 1
        self._ways_back.clear()
        self._transits.clear()
        self._client_entry = NONE

    def _dest(self, slot: int) -> Dest:
        dest: Dest = self.dests[self.slots.dest[slot]]
        return dest

    def _way_on(self, row: int) -> int:
        """With what leaves by the route to where a row goes, of whom nothing is known."""
        entry = self._transits.get(self.c, self.d)
        if entry == UNKNOWN:
            entry = self.host.transit(self.table_key(row))
            self._transits.put(self.c, self.d, entry)
        return entry

    def _way_back(self, row: int, told: int) -> int:
        """By route and neighbour towards the row's source: the same for all of a zone that came with these MACs, unless
        each is a next hop of its own, with a MAC that somebody knows."""
        place = self._zone(self.a, self.b) | told << 32
        way = self._ways_back.get(place, 0)
        if way == UNKNOWN:
            way = self.host.way_back(self.table_key(row), told)
            if self.alike:
                self._ways_back.put(place, 0, way)
        return way

    def _client(self, row: int) -> int:
        """With what goes back to where the row came from: most come from the same."""
        at = self.at[row]
        head, tail = octets.word64(self.buffer, at), octets.word32(self.buffer, at + 8)
        if self._client_entry < 0 or head != self._head or tail != self._tail or self.tag[row] != self._tag:
            self._head, self._tail, self._tag = head, tail, self.tag[row]
            self._client_entry = self.host.answering(self._macs(row))
        return self._client_entry

    def _link_back(self, row: int, slot: int, opener: Opener, pair: Pair) -> None:
        """With what answers leave: with the MACs that the client's frame told, or on the slow path by their route."""
        slots, told = self.slots, self.slots.client[slot] - 1
        if not self._at_home(slot, pair):
            slots.met[slot] = AWAY
        if opener.fast and not opener.trail:
            slots.mac[2 * slot + 1], slots.back[slot] = told, told + 1
            return
        slots.mac[2 * slot + 1] = self._way_back(row, told)
        if opener.trail:
            slots.met[slot] |= TRAILS
            slots.trail[slot] = opener.trail

    def _at_home(self, slot: int, pair: Pair) -> bool:
        """Whether answers come in on the worker that has the connection; where, is remembered."""
        if not self.client_view:
            return True
        if pair.home >= 0:
            self.slots.home[slot] = pair.home
            return pair.at_home
        if self.card is not None:
            return self._steered_home(slot)
        home: bool = self.host.comes_home(slot)
        return home

    def _steered_home(self, slot: int) -> bool:
        """The same where the answers to each port, or client, come in elsewhere: by the NIC's rules and its RSS."""
        table, card, handle = self.table, self.card, 2 * slot + 1
        word0, word1 = table.word(handle, 0), table.word(handle, 1)
        a, b, c, d = word0 & M32, word0 >> 32, 0, 0
        if self.six:
            a, b = table.wide_word(handle, 0), table.wide_word(handle, 1)
            c, d = table.wide_word(handle, 2), table.wide_word(handle, 3)
        card.one(a, b, c, d, word1 & M32, word1 >> 32 & 0xFF == UDP, self.six)
        self.slots.home[slot] = self._home_of(card)
        self.slots.home_hash[slot] = card.code if card.met < 0 else 0
        return card.polled == self.slots.rank[slot] or (self.hands_on and card.polled >= 0)

    def _home(self, slot: int) -> int:
        """Where in `homes` it stands where answers to a connection come in."""
        home = self.slots.home[slot]
        if home >= self.home_entries:
            self.host.relink()
        return HOME * home

    def _home_of(self, card: Steerer) -> int:
        """The entry of where a packet was steered: a queue, and a worker, follow from what steered it."""
        home = self._homes.get(card.index + 1, card.met + 1)
        if home == UNKNOWN:
            home = self.host.home_of(card.to, card.polled, card.way, card.index, card.met)
            self._homes.put(card.index + 1, card.met + 1, home)
        return home

    def _meet(self, row: int, slot: int, answer: bool) -> None:
        """The first packet of the real server's side: its MACs are those the client's packets leave with (D 12.3)."""
        slots = self.slots
        if slots.pair[slot] == 0 or (slots.made and slot in slots.made):
            self.host.meet(slot, self._macs(row), answer)
            return
        at, dest, pair = self.at[row], self._dest(slot), self.all_pairs[slots.pair[slot]]
        head, tail = octets.word64(self.buffer, at), octets.word32(self.buffer, at + 8)
        version = (2 * self.version + answer) << 13 | self.tag[row]
        if self._is_news(dest, version, head, tail):
            self._ask_towards(slot, dest, self._macs(row), answer)
        if dest.met_told < 0:
            self.host.meet(slot, self._macs(row), answer)
            return
        first = not slots.server[slot]
        if first:
            slots.server[slot] = dest.met_told + 1
        if pair.opener.fast and not slots.met[slot] & TRAILS:
            slots.mac[2 * slot], slots.forth[slot] = dest.met_told, dest.met_told + 1
        elif first:
            slots.mac[2 * slot] = dest.met_way
        slots.met[slot] |= MET

    def _hear(self, slot: int, dest: Dest, head: int, tail: int, frame: bytes) -> None:
        """The same of an answer that the client saw long before: its MACs begin *frame*, `dest.met_*` has the rest."""
        if self._is_news(dest, (2 * self.version + 1) << 13, head, tail):
            self._ask_towards(slot, dest, frame[:12], True)

    def _is_news(self, dest: Dest, version: int, head: int, tail: int) -> bool:
        """Whether the MACs of a real server are others than were last heard of; these are from now on."""
        news: bool = dest.met_version != version or dest.met_head != head or dest.met_tail != tail
        dest.met_version, dest.met_head, dest.met_tail = version, head, tail
        return news

    def _ask_towards(self, slot: int, dest: Dest, macs: bytes, answer: bool) -> None:
        """With what packets leave to a real server, as its frames tell, and by its route."""
        dest.met_told = self.host.towards(slot, macs, answer)
        dest.met_way = self.host.way(slot, dest.met_told) if dest.met_told >= 0 else dest.met_told

    def _meet_remote(self, row: int, slot: int) -> None:
        """The first answer from outside tells where packets of SNAT go (interface 2)."""
        slots = self.slots
        slots.met[slot] &= ~BARE
        if slots.made and slot in slots.made:
            self.host.meet_remote(slot, self._macs(row))
            return
        slots.client[slot] = self._client(row) + 1
        slots.mac[2 * slot + 1] = self._way_back(row, slots.client[slot] - 1)

    def _trail(self, row: int, slot: int) -> int:
        """The first datagrams of a client tell its address (D 7.4); the one after the last may be the last slow one,
        and the next one the first that tells its MACs."""
        slots = self.slots
        if slots.met[slot] & BARE:
            slots.mac[2 * slot + 1] = self._client(row)
            slots.back[slot] = slots.mac[2 * slot + 1] + 1
            slots.met[slot] &= ~BARE
            return FULL_UDP
        pair: Pair = self.all_pairs[slots.pair[slot]]
        slots.trail[slot] -= 1
        if slots.trail[slot]:
            return TELLING if pair.opener.growth else FULL_UDP
        slots.met[slot] &= ~TRAILS
        if pair.opener.fast:
            slots.met[slot] = slots.met[slot] & AWAY | BARE
        return FULL_UDP
