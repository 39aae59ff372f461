"""Which connection a packet belongs to: handles by the tuple of arriving packets, for columns of rows and one by one.

One array of *places*, open addressing: a tuple hashes to a place, and stands there or in one of the next ones before an
empty place. So a miss is a fact, as a dict's would be, and many tuples are looked up, or entered, side by side: a round
a step of the walk, each round on the rows that are still walking. A tuple is two 64-bit words by handle: of IPv4 the
tuple itself (addresses; ports, protocol), of IPv6 a mix of the addresses, which are compared in full besides (`wide`).
What is forgotten keeps its place, where nothing equals it any more, until the places are made anew.

The same tuple may stand here for several connections (of several workers, or one behind the other): a look-up by
columns gives any of them, and whoever asks looks whether it is his own.

Measured, with openings in columns: half the time of a flood of them and a third of the memory of a connection, against
dicts of bytes.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from struct import unpack, unpack_from
from typing import TYPE_CHECKING, Any

import numpy as np

from lbreplay.burst import I32, I64, U8

if TYPE_CHECKING:
    from lbreplay.vs.conn import ConnTable

NONE = -1
BORN, UNBORN = 1, 2  # column `alive` of the connection table
# by what a hash mixes: odd, and others in each run, so that no capture can be made whose tuples meet at one place
WORD0, WORD1, *MIX = (word | 1 for word in unpack("6Q", os.urandom(48)))
FULL = 0xFFFFFFFFFFFFFFFF
DEAD = np.uint64(1 << 63)  # in word 1: equals no tuple any more
SIX = 6 << 40  # in word 1 of an IPv6 tuple
SPARSE = 3  # places for each tuple, at least


class ConnIndex:
    """Handles by tuple. `words` is u8[handles, 2] and `wide` u8[handles, 4], empty before the first IPv6 tuple."""

    def __init__(self) -> None:
        self._pending: dict[int, bytes] = {}  # handle -> key, entered since the last `flush`
        self.words: Any = np.zeros((0, 2), np.uint64)
        self.wide: Any = np.zeros((0, 4), np.uint64)
        self._used = 0  # handles below this one have words
        self._taken = 0  # places, those of forgotten tuples too
        self._room(1024)
        self._replace(4096)

    # --- one by one ----------------------------------------------------------------------------------------------

    def enter(self, handle: int, key: bytes) -> None:
        """*key*, a `flow_key` without more to it, belongs to *handle* from the next `flush` on."""
        if len(key) in (13, 37):
            self._pending[handle] = key

    def forget(self, slot: int) -> None:
        """Neither side of a connection is found any more."""
        for handle in (2 * slot, 2 * slot + 1):
            self._pending.pop(handle, None)
            if handle < self._used:
                self.words[handle, 1] |= DEAD

    def candidates(self, key: bytes) -> Iterator[int]:
        """The handles that stand for *key*; pending ones are not among them."""
        word0, word1 = _words(key)
        mixed = word0 * WORD0 + word1 * WORD1 & FULL
        at = ((mixed ^ mixed >> 29) * WORD1 & FULL) >> int(self._shift)
        places, words = self._places.data, self.words
        while (handle := places[at]) >= 0:
            if words[handle, 1] == word1 and words[handle, 0] == word0 and (len(key) == 13 or self.key(handle) == key):
                yield handle
            at = (at + 1) & self._last

    def key(self, handle: int) -> bytes:
        """The key that *handle* is found by."""
        if handle in self._pending:
            return self._pending[handle]
        word0, word1 = (int(word) for word in self.words[handle])
        ends = self.wide[handle].tobytes() if word1 & SIX else word0.to_bytes(8, "little")
        return bytes((word1 >> 32 & 0xFF,)) + ends + (word1 & 0xFFFFFFFF).to_bytes(4, "little")

    # --- many at once --------------------------------------------------------------------------------------------

    def flush(self) -> None:
        """Take in what was entered one by one."""
        if not self._pending:
            return
        for width in (13, 37):
            some = [(handle, key) for handle, key in self._pending.items() if len(key) == width]
            if some:
                keys = np.frombuffer(b"".join(key for _, key in some), np.uint8).reshape(-1, width)
                flows = np.ascontiguousarray(keys[:, 1:])
                self.insert(np.array([handle for handle, _ in some]), *tuple_words(flows, keys[:, 0]))
        self._pending.clear()

    def insert(self, handles: I64, word0: Any, word1: Any, wide: Any = None) -> None:
        """Each tuple belongs to its handle; the words as of `tuple_words`."""
        top = int(handles.max()) + 1
        self._room(top)
        self.words[self._used : top, 1] = DEAD
        self._used = max(self._used, top)
        self.words[handles, 0], self.words[handles, 1] = word0, word1
        if wide is not None:
            if not len(self.wide):
                self.wide = np.zeros((len(self.words), 4), np.uint64)
            self.wide[handles] = wide
        if (self._taken + len(handles)) * SPARSE > len(self._places):
            live = np.flatnonzero(self.words[: self._used, 1] < DEAD)
            self._replace(2 * SPARSE * len(live))
            handles, word0, word1 = live, self.words[live, 0], self.words[live, 1]
        self._put(handles.astype(np.int32), self._place(word0, word1))

    def _put(self, handles: I32, at: I64) -> None:
        places = self._places
        self._taken += len(handles)
        while len(handles):
            free = places[at] < 0
            places[at[free]] = handles[free]
            lost = places[at] != handles  # the place was taken, or another of these took it
            handles, at = handles[lost], (at[lost] + 1) & self._last

    def forget_many(self, slots: I64) -> None:
        """`forget` for many that `flush` has taken in."""
        self.words[2 * slots, 1] |= DEAD
        self.words[2 * slots + 1, 1] |= DEAD

    def find(self, word0: Any, word1: Any, wide: Any = None) -> I32:
        """A handle for each tuple, or NONE. *wide*: the tuples are IPv6."""
        at = self._place(word0, word1)
        handles = self._places[at]
        hit = self._same(handles, word0, word1, wide)
        found = np.where(hit, handles, np.int32(NONE))
        rows = np.flatnonzero(~hit & (handles >= 0))
        at = at[rows]
        while len(rows):
            at = (at + 1) & self._last
            handles = self._places[at]
            hit = self._same(handles, word0[rows], word1[rows], None if wide is None else wide[rows])
            found[rows[hit]] = handles[hit]
            on = ~hit & (handles >= 0)
            rows, at = rows[on], at[on]
        return found

    def _same(self, handles: I32, word0: Any, word1: Any, wide: Any) -> Any:
        there = self.words.take(handles, 0, mode="wrap")
        same = (there[:, 0] == word0) & (there[:, 1] == word1)
        if wide is not None:
            same &= len(self.wide) > 0 and (self.wide.take(handles, 0, mode="wrap") == wide).all(1)
        return same

    def ends(self, handles: I32, family: int) -> U8:
        """The tuples that packets of *handles* leave with, the reverse of the other side's: u1[n, 12], of IPv6 [n, 36].

        Of NONE, or of a handle of the other family, anything.
        """
        there = self.words.take(handles ^ 1, 0, mode="wrap").view(np.uint32)
        ports = there[:, 2:3]
        if family == 4:
            made = np.concatenate([there[:, 1::-1], ports << 16 | ports >> 16], 1)
        else:
            wide = self.wide if len(self.wide) else np.zeros((1, 4), np.uint64)
            ends = wide.take(handles ^ 1, 0, mode="wrap").view(np.uint32)
            made = np.concatenate([ends[:, 4:], ends[:, :4], ports << 16 | ports >> 16], 1)
        return made.view(np.uint8)

    def ports(self, handles: I64) -> I64:
        """The ports that tuples of *handles* go to."""
        ports: I64 = (self.words[handles, 1] >> np.uint64(16)).astype("<u2").view(">u2").astype(np.int64)
        return ports

    # --- room ----------------------------------------------------------------------------------------------------

    def _room(self, handles: int) -> None:
        """Room for *handles*, and a last row that is nobody's, where NONE looks."""
        if handles < len(self.words):
            return
        words = np.empty((8 * handles + 1, 2), np.uint64)  # memory that is not used yet is not touched
        words[: self._used], words[-1] = self.words[: self._used], FULL
        self.words = words
        if len(self.wide):
            wide = np.zeros((len(words), 4), np.uint64)
            wide[: self._used] = self.wide[: self._used]
            self.wide = wide

    def _replace(self, size: int) -> None:
        """Empty places, at least *size*."""
        bits = max(size - 1, 1 << 12).bit_length()
        self._places: I32 = np.full(1 << bits, NONE, np.int32)
        self._shift, self._last, self._taken = np.uint64(64 - bits), (1 << bits) - 1, 0

    def _place(self, word0: Any, word1: Any) -> I64:
        mixed = word0 * np.uint64(WORD0) + word1 * np.uint64(WORD1)
        place: I64 = ((mixed ^ (mixed >> np.uint64(29))) * np.uint64(WORD1) >> self._shift).view(np.int64)
        return place


class Finder:
    """One worker's connections by key: those entered one by one and to stay so (`own`), those of this burst that the
    index has not taken in yet (`fresh`), and whatever is in the index and born. *rank* None: whoever has it (a shared
    table)."""

    def __init__(self, index: ConnIndex, table: ConnTable, rank: int | None) -> None:
        self.own: dict[bytes, int] = {}
        self.fresh: dict[bytes, int] = {}
        self._index, self._table, self._rank = index, table, rank

    def get(self, key: bytes) -> int | None:
        """The handle of *key*, the newest where several have it."""
        alive = self._table.alive
        for entered in (self.own, self.fresh):
            handle = entered.get(key)
            if handle is not None and alive[handle >> 1] == BORN:
                return handle
        return self._indexed(key) if len(key) in (13, 37) else None

    def _indexed(self, key: bytes) -> int | None:
        alive, ranks = self._table.alive, self._table.rank
        for handle in self._index.candidates(key):
            if alive[handle >> 1] == BORN and (self._rank is None or ranks[handle >> 1] == self._rank):
                return handle
        return None

    def __contains__(self, key: bytes) -> bool:
        return self.get(key) is not None


def tuple_words(flows: U8, proto: U8) -> tuple[Any, ...]:
    """The words of rows of (src, dst, sport, dport) in one piece: word 0, word 1, and of IPv6 the addresses."""
    if flows.shape[1] == 12:
        return words4(flows, proto)
    wide = np.ascontiguousarray(flows[:, :32]).view(np.uint64)
    mixed = (wide * np.array(MIX, np.uint64)).sum(1, dtype=np.uint64)
    ports = np.ascontiguousarray(flows[:, 32:]).view(np.uint32)[:, 0]
    return mixed, ports.astype(np.uint64) | (proto.astype(np.uint64) << np.uint64(32)) | np.uint64(SIX), wide


def words4(flow4: U8, proto: U8) -> tuple[Any, Any]:
    """The two words of IPv4 rows: their addresses; their ports and protocol."""
    words = flow4.view(np.uint32)
    word0 = words[:, 0].astype(np.uint64) | (words[:, 1].astype(np.uint64) << np.uint64(32))
    return word0, words[:, 2].astype(np.uint64) | (proto.astype(np.uint64) << np.uint64(32))


def endpoints(addresses: Any, ports: Any, proto: U8) -> Any:
    """IPv4 ends as one number each: addresses and ports as words have them, protocols."""
    place = addresses.astype(np.uint64) | ports.astype(np.uint64) << np.uint64(32)
    return place | proto.astype(np.uint64) << np.uint64(48)


def endpoint(proto: int, address: bytes, port: int) -> int:
    """The same of one."""
    return int.from_bytes(address + port.to_bytes(2), "little") | proto << 48


def turned4(word0: Any, word1: Any) -> tuple[Any, Any]:
    """The words of the same rows with both ends exchanged."""
    half, port, ports = np.uint64(32), np.uint64(16), np.uint64(0xFFFFFFFF)
    there = word1 & ports
    return word0 << half | word0 >> half, word1 & ~ports | there >> port | there << port & ports


def _words(key: bytes) -> tuple[int, int]:
    """The words of one key."""
    ports = int.from_bytes(key[-4:], "little") | key[0] << 32
    if len(key) == 13:
        return int.from_bytes(key[1:9], "little"), ports
    mixed = sum(word * by for word, by in zip(unpack_from("<4Q", key, 1), MIX, strict=True)) & FULL
    return mixed, ports | SIX
