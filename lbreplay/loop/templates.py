"""Templates: the real server that a client keeps, for all its connections to a persistent service (D 2.7)."""

from __future__ import annotations

from typing import Any

from lbreplay.loop.making import Making
from lbreplay.loop.names import NONE, TEMPLATE
from lbreplay.loop.opener import Opener, Pair
from lbreplay.loop.real import Dest
from lbreplay.loop.slots import Slots
from lbreplay.loop.ways import Way

PERSISTENT = Way.PERSISTENT


class Templates(Making):
    """Connections to whom the client's template names."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.templates: Any = None  # loop.table.Table of their slots
        self.master: Any = None  # the census that draws for templates

    def _open_by_template(self, row: int, opener: Opener, now: int) -> bool:
        """A connection to the real server that the client's template names; templates are of all workers, their real
        servers of the one that made them."""
        slot = self._template(row, opener)
        if slot >= 0 and self.slots.pair[slot] == 0:
            return self._plain(PERSISTENT)
        if slot < 0 and not self._make_template(row, opener, now):
            return True
        if slot >= 0:
            self._touch(slot, row, now)
        slot = self._template(row, opener)
        pair: Pair = self.all_pairs[self.slots.pair[slot]]
        if pair.opener is not opener:
            opener = opener.lent.get(pair.opener.rank) or self.host.lend(opener, pair.opener)
        if not opener.ready:
            self.host.ready(opener)
        if pair.dest.is_full():
            pair.dest.overload = True
            return self._refuse(row, self.max_conn)
        self.template = slot
        done = self._bind(row, opener, pair.dest, pair.dest.place * opener.width, now)
        self.template = NONE
        return done

    def _template(self, row: int, opener: Opener) -> int:
        """The slot of the client's template, if it may be used, or NONE."""
        word0, word1, a, b = self._client_words(opener, self.templates)
        slot = self.templates.first(word0, word1, a, b, self.c, self.d)
        if slot >= 0:
            dest = self._dest(slot)
            if not dest.available or not (opener.lenient or dest.weight):
                return NONE
        return slot

    def _make_template(self, row: int, opener: Opener, now: int) -> bool:
        """A template for a client that has none; False: there is none, and the packet is lost."""
        at = self._pick(row, opener)
        if at < 0:
            self._refuse(row, self.no_dest)
            return False
        dest: Dest = opener.dests[at]
        if dest.is_full():
            dest.overload = True
            self._refuse(row, self.no_template)
            return False
        slots, pair = self.slots, self.all_pairs[opener.pairs[at * opener.width].number]
        slot = Slots.take(slots, dest.id, NONE)
        fraction = self._fraction(opener)
        slots.pair[slot], slots.full[slot], slots.fraction[slot] = pair.number, TEMPLATE, fraction
        slots.timeout[slot] = opener.template_timeout + fraction
        dest.persistconns += 1
        self._enter_template(slot, opener)
        self._touch(slot, row, now)
        return True

    def _enter_template(self, slot: int, opener: Opener) -> None:
        """What was found by its key before is found no more."""
        word0, word1, a, b = self._client_words(opener, self.templates)
        older = self.templates.first(word0, word1, a, b, self.c, self.d)
        if older >= 0:
            self.templates.remove(older)
            self.slots.control[older] = -1
        self.templates.reach(slot)
        self.templates.enter(slot, word0, word1, a, b, self.c, self.d)

    def _touch(self, slot: int, row: int, now: int) -> None:
        """It is used: its timer starts anew."""
        self.slots.last_use[slot], self.slots.armed[slot] = now, self._order(row)
        self.timers.arm(slot, now + self.slots.timeout[slot])

    def _end_template(self, slot: int, pair: Pair) -> bool:
        """Its time is up; False: it has connections still, and lives on."""
        if self.slots.controlled[slot]:
            return False
        if pair.opener.jitter is not None:
            self.master.passed += 1
        if not self.slots.control[slot]:
            self.templates.remove(slot)
        pair.dest.persistconns -= 1
        pair.dest.admit()
        Slots.free_slot(self.slots, slot)
        return True
