"""Rows of a burst, as both ordered loops read them: their columns, the tuple at hand, and who is picked for it.

A tuple stands in words as loop/table.py has it: `word0`, `word1` (and `ports`, the low half of it), and its addresses
as loop/ends.py has them: a and b are the source, c and d the destination.
"""

from __future__ import annotations

from struct import pack
from typing import Any

from lbreplay.loop import octets
from lbreplay.loop.names import DONE, M32, SIX
from lbreplay.loop.table import Table
from lbreplay.loop.turn import Picker

ETH_VLAN, TAG_SIZE = 0x8100, 4  # ethertype and bytes of a tag


class Rows:
    """What `run` of a loop says (`why`, `reason`), and what it reads. *host* is asked about what takes words to say."""

    def __init__(self, host: Any, table: Any) -> None:
        self.host, self.table = host, table
        self.why, self.reason = DONE, 0
        self.six = False
        self.word0 = self.word1 = self.a = self.b = self.c = self.d = self.ports = 0  # the tuple at hand
        self.room: Any = None  # of the columns that are bound
        self.zones: Any = None  # where, among IPv4 addresses as numbers, another zone begins
        self.wide_zones: Any = None  # the same of IPv6: two numbers of 64 bits each

    def bind(self, burst: Any) -> None:
        """The columns of *burst*; what is ordinary fills them."""
        self.buffer = burst.data
        if burst.room is not self.room:
            self.room = burst.room
            self._move_in(burst.room.flat)

    def _move_in(self, of: Any) -> None:
        """The columns of another room."""
        self.at, self.time_ns, self.tag = of["at"], of["time_ns"], of["tag"]
        self.family, self.proto, self.flags = of["family"], of["proto"], of["flags"]
        self.simple, self.ours, self.l3_length = of["simple"], of["ours"], of["l3_length"]
        self.flow4, self.wide, self.mac, self.answer = of["flow4"], of["wide"], of["mac"], of["answer"]
        self.verdict, self.lookup, self.worker_index = of["verdict"], of["lookup"], of["worker_index"]
        self.leaving, self.before, self.after = of["leaving"], of["before"], of["after"]
        self.service_of, self.reason_of = of["service"], of["reason"]

    def _plain(self, reason: int) -> bool:
        """The row takes the plain path, for *reason*."""
        self.reason = reason
        return False

    # --- the tuple ---------------------------------------------------------------------------------------------------

    def _read(self, row: int, proto: int) -> None:
        """The tuple of a row."""
        self.six = self.family[row] == 6
        word1 = proto
        if not self.six:
            source, dest, ports = self.flow4[3 * row], self.flow4[3 * row + 1], self.flow4[3 * row + 2]
            self.a, self.b, self.c, self.d, self.ports = source, 0, dest, 0, ports
            self.word0, self.word1 = dest << 32 | source, word1 << 32 | ports
            return
        at = 9 * row
        self.a, self.b, self.c, self.d = self._wide(at), self._wide(at + 2), self._wide(at + 4), self._wide(at + 6)
        self.ports = self.wide[at + 8]
        self.word0, self.word1 = self.table.mix(self.a, self.b, self.c, self.d), word1 << 32 | self.ports | SIX

    def _wide(self, at: int) -> int:
        high = self.wide[at + 1]
        return high << 32 | self.wide[at]

    def _turned(self) -> int:
        """The newest handle of the tuple at hand turned about: of the client that an answer goes to; or NONE."""
        word0, word1 = self._turned0(), self._turned1()
        return self.table.first(word0, word1, self.c, self.d, self.a, self.b)

    def _turned0(self) -> int:
        if self.six:
            return self.table.mix(self.c, self.d, self.a, self.b)
        return self.word0 >> 32 | (self.word0 & M32) << 32

    def _turned1(self) -> int:
        return (self.word1 >> 32) << 32 | self.ports >> 16 | (self.ports & 0xFFFF) << 16

    def table_key(self, row: int) -> bytes:
        """The key of a row, as the plain path has it (wire.packet.flow_key)."""
        at, width = self._inside(row) + (22 if self.six else 26), 36 if self.six else 12
        return octets.taken(self.proto, row, 1) + octets.taken(self.buffer, at, width)

    def _inside(self, row: int) -> int:
        """Where a frame would begin if it had no tag."""
        return self.at[row] + (TAG_SIZE if self.tag[row] else 0)

    def _macs(self, row: int) -> bytes:
        """Of a frame, with its tag as the MACs that are learned have it (dpvs/xmit.py)."""
        at, tag = self.at[row], self.tag[row]
        macs = octets.taken(self.buffer, at, 12)
        return macs + pack(">HH", ETH_VLAN, tag - 1) if tag else macs

    def _zone(self, low: int, high: int) -> int:
        """The number of the zone of an address: those of IPv6 stand behind those of IPv4."""
        return 1 << 31 | self._wide_zone(low, high) if self.six else self._zone_of(low)

    def _zone_of(self, word: int) -> int:
        """The number of the zone of an IPv4 address."""
        address = octets.swapped(word)
        low, high = 0, len(self.zones)
        while low < high:
            middle = (low + high) >> 1
            if self.zones[middle] <= address:
                low = middle + 1
            else:
                high = middle
        return low

    def _wide_zone(self, address: int, more: int) -> int:
        first, second = octets.swapped64(address), octets.swapped64(more)
        low, high = 0, len(self.wide_zones) >> 1
        while low < high:
            middle = (low + high) >> 1
            begin = self.wide_zones[2 * middle]
            if begin < first or (begin == first and self.wide_zones[2 * middle + 1] <= second):
                low = middle + 1
            else:
                high = middle
        return low

    def _client_words(self, picker: Picker, templates: Table) -> tuple[int, int, int, int]:
        """The first words of the tuple that a template of the client at hand has: of its network, and of no port."""
        word1 = (self.word1 >> 16) << 16
        if not self.six:
            return self.c << 32 | self.a & picker.mask, word1, 0, 0
        a, b = self.a & picker.mask, self.b & picker.wide_mask
        return templates.mix(a, b, self.c, self.d), word1, a, b

    # --- who is picked -----------------------------------------------------------------------------------------------

    def _pick(self, row: int, picker: Picker) -> int:
        """The position of the real server that is picked for the row, or NONE."""
        choice = picker.choice
        if choice is None:
            place: int = self.host.pick(picker, self.table_key(row))
            return place
        source, dest = self.a, self.c
        if self.six:
            source, dest = self.a ^ self.b, self.c ^ self.d
            source, dest = (source ^ source >> 32) & M32, (dest ^ dest >> 32) & M32
        source, dest, port = octets.swapped(source), octets.swapped(dest), octets.swapped16(self.ports & 0xFFFF)
        return choice.pick(picker.dests, source, dest, port)
