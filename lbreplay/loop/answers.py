"""Answers, in a capture of clients: whose they are, and on which worker they come in (interface 3; dpvs/view.py); and
whom the redirect table names as the owner of a tuple (D 4.4)."""

from __future__ import annotations

from typing import Any

from lbreplay.loop.names import DIRECT, M32, NONE, SNAT
from lbreplay.loop.unwanted import Unwanted
from lbreplay.loop.ways import Way

KERNEL, UNASKED = Way.KERNEL, Way.UNASKED


class Answers(Unwanted):
    """What virtual addresses say."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.redirects = False  # a worker that misses hands on to the owner (D 4.4)
        self.marked = 0  # by which `table` foresaw the row at hand

    def _asked(self) -> int:
        """The handle, IN, of the client that an answer goes to: of the first worker that has one (dpvs/view.py)."""
        handle = self.table.at(self.marked, self._turned0(), self._turned1(), self.c, self.d, self.a, self.b)
        if handle >= 0 and self.table.behind(handle) >= 0:
            return self._asked_of_many(handle)
        return NONE if handle & 1 else handle

    def _asked_of_many(self, handle: int) -> int:
        """Each worker is asked for its newest; of a shared table all give the same."""
        newest: dict[int, int] = {}
        while handle >= 0:
            newest.setdefault(0 if self.table.shared else self.slots.rank[handle >> 1], handle)
            handle = self.table.behind(handle)
        for rank in sorted(newest):
            if not newest[rank] & 1:
                return newest[rank]
        return NONE

    def _unasked(self, row: int, verdict: int) -> bool:
        """An answer that belongs to no connection, or does not pass here: it was not received (interface 3)."""
        if not self.strays or self._is_local(self.c, self.d):
            return self._plain(UNASKED)
        self.handle[row], self.verdict[row], self.worker_index[row] = NONE, verdict, NONE
        return True

    def _refused_answer(self, row: int, handle: int) -> bool:
        """The same of an answer, as its real server sends it: a white list may shut out packets to any place."""
        table, lists, word1 = self.table, self.lists, self.table.word(handle, 1)
        port, proto = word1 >> 16 & 0xFFFF, word1 >> 32 & 0xFF
        if self.six:
            low, high = table.wide_word(handle, 0), table.wide_word(handle, 1)
            dest0, dest1 = table.wide_word(handle, 2), table.wide_word(handle, 3)
            return self._dropped(row, lists.refusal(low, high, dest0, dest1, port, proto, True))
        word0 = table.word(handle, 0)
        return self._dropped(row, lists.refusal(word0 & M32, 0, word0 >> 32, 0, port, proto, False))

    def _found(self, handle: int) -> int:
        """What the worker that answers of *handle* come in on finds for them, itself or by their owner (D 4.4)."""
        home = self.homes[self._home(handle >> 1) + 1]
        found = self.table.found(handle, home) if home >= 0 else NONE
        if found < 0 and home >= 0 and self.redirects:
            rank = self._owner(self.table.newest(handle))
            if rank >= 0 and rank != home:
                found = self.table.found(handle, rank)
        return found

    def _owner(self, handle: int) -> int:
        """The worker that the redirect table names for a tuple, *handle* the newest that has it, or NONE: whose mode
        enters that side of its connections."""
        while handle >= 0:
            full = self.slots.full[handle >> 1]
            if full < DIRECT and (handle & 1) != (full == SNAT):
                return self.slots.rank[handle >> 1]
            handle = self.table.behind(handle)
        return NONE

    def _strayed(self, row: int, handle: int, proto: int) -> bool:
        """An answer that comes in on a worker that knows nothing of its connection: it is for nobody here."""
        table, slot = self.table, handle >> 1
        home = self.homes[self._home(slot) + 1]
        if home < 0 or self.ports >> 16 == 0:
            return self._plain(KERNEL)
        self.word0, self.word1 = table.word(handle, 0), table.word(handle, 1)
        self.ports = self.word1 & M32
        if self.six:
            self.a, self.b = table.wide_word(handle, 0), table.wide_word(handle, 1)
            self.c, self.d = table.wide_word(handle, 2), table.wide_word(handle, 3)
        else:
            self.a, self.c = self.word0 & M32, self.word0 >> 32
        return self._nobody(row, home, proto, 0, True)
