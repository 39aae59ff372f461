"""The index of connections by tuple: a dict of keys is the judge, for columns of rows and one by one."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest
from made_server import address, endpoint

from lbreplay.vs.conn import ConnTable, key_of
from lbreplay.vs.index import BORN, FULL, MIX, NONE, ConnIndex, Finder, tuple_words, turned4
from lbreplay.wire.packet import TCP, UDP, flow_key, reverse_key

CLIENTS = {False: address("172.16.0.0"), True: address("2001:db8:c::")}
VIPS = {False: address("10.0.0.100"), True: address("2001:db8:1::100")}


def key(number: int, six: bool = False, proto: int = TCP) -> bytes:
    """The key of a client's packet, one a *number* below 2**24."""
    client = CLIENTS[six][:-1] + bytes((number >> 16,))
    return flow_key(proto, client, number & 0xFFFF, VIPS[six], 80)


def words(keys: list[bytes]) -> tuple[Any, ...]:
    """Keys of one family as the columns have them."""
    rows = np.frombuffer(b"".join(keys), np.uint8).reshape(len(keys), -1)
    return tuple_words(np.ascontiguousarray(rows[:, 1:]), rows[:, 0])


def find(index: ConnIndex, keys: list[bytes]) -> list[int]:
    """The handle of each key; families one after the other, as the columns do it."""
    found: dict[bytes, int] = {}
    for width in (13, 37):
        some = [one for one in keys if len(one) == width]
        if some:
            found |= zip(some, index.find(*words(some)).tolist(), strict=True)
    return [found[one] for one in keys]


def insert(index: ConnIndex, entries: dict[int, bytes]) -> None:
    """Keys by handle, many at once."""
    for width in (13, 37):
        some = {handle: one for handle, one in entries.items() if len(one) == width}
        if some:
            index.insert(np.array(list(some)), *words(list(some.values())))


class Twin:
    """An index, and the dict of what it should know: keys by handle."""

    def __init__(self, seed: int, numbers: int) -> None:
        self.chance, self.numbers = random.Random(seed), numbers
        self.index, self.keys = ConnIndex(), dict[int, bytes]()
        self.free: list[int] = []  # slots, to be used again
        self.slots = 0
        self.gone: list[bytes] = []

    def enter(self, count: int) -> None:
        """Both sides of new connections, one by one or at once; some tuples belong to somebody already."""
        made: dict[int, bytes] = {}
        for _ in range(count):
            inside = key(self.chance.randrange(self.numbers), self.chance.random() < 0.3)
            slot = self.free.pop() if self.free else self.slots
            self.slots = max(self.slots, slot + 1)
            made |= {2 * slot: inside, 2 * slot + 1: b"\x11" + reverse_key(inside)[1:]}
        self.keys |= made
        if self.chance.random() < 0.5:
            return insert(self.index, made)
        for handle, one in made.items():
            self.index.enter(handle, one)

    def forget(self, count: int) -> None:
        """Connections that end, before or behind the `flush` of what was entered."""
        slots = self.chance.sample(sorted({handle >> 1 for handle in self.keys}), count)
        if self.chance.random() < 0.5:
            self.index.flush()
            self.index.forget_many(np.array(slots, np.int64))
        else:
            for slot in slots:
                self.index.forget(slot)
        self.gone += [self.keys.pop(handle) for slot in slots for handle in (2 * slot, 2 * slot + 1)]
        self.free += slots

    def check(self) -> None:
        """Every tuple is found, and nobody else's handle; what is forgotten, or never was, is not."""
        owners: dict[bytes, set[int]] = {}
        for handle, one in self.keys.items():
            owners.setdefault(one, set()).add(handle)
        asked = [*owners, *self.gone, *(key(self.numbers + n, n % 2 > 0) for n in range(64))]
        self.chance.shuffle(asked)
        for one, handle in zip(asked, find(self.index, asked), strict=True):
            assert handle in owners.get(one, {NONE})
        for one in self.chance.sample(asked, min(len(asked), 64)):
            assert set(self.index.candidates(one)) == owners.get(one, set())


@pytest.mark.parametrize("numbers", [60, 4_000, 1 << 22], ids=["many equal", "some equal", "hardly any equal"])
def test_against_a_dict(numbers: int) -> None:
    """Entered, forgotten, slots used again for other tuples, over several sizes of the array."""
    twin = Twin(numbers, numbers)
    for size in (1, 5, 40, 300, 900, 2000, 400, 1, 700):
        twin.enter(size)
        twin.forget(twin.chance.randrange(1 + len(twin.keys) // (4 if size > 300 else 2)))
        twin.index.flush()
        twin.check()
        twin.gone = twin.gone[-500:]


def test_the_same_slots_again_and_again() -> None:
    """What is forgotten fills no places for good: they are made anew, no more of them than live tuples ask for."""
    index, keys = ConnIndex(), [key(n) for n in range(40_000)]
    for start in range(0, len(keys), 1000):
        insert(index, {2 * n: one for n, one in enumerate(keys[start : start + 1000])})
        assert find(index, keys[start : start + 1000]) == list(range(0, 2000, 2))
        assert find(index, keys[start + 1000 : start + 1100]) == [NONE] * len(keys[start + 1000 : start + 1100])
        index.forget_many(np.arange(1000))
    assert len(index._places) <= 1 << 13


def test_handles_between_others_are_nobodys() -> None:
    """They had no tuple yet: when places are made anew they get none."""
    index, keys = ConnIndex(), [key(n) for n in range(5000)]
    for start in (0, 1000):
        insert(index, {100_000 * (n % 2) + n: keys[n] for n in range(start, start + 4000, 2 if start else 1)})
    assert find(index, [bytes(13), keys[4999]]) == [NONE, NONE] and len(index._places) <= 1 << 15


@pytest.mark.parametrize("six", [False, True])
def test_what_was_entered_is_found_after_a_flush(six: bool) -> None:
    """Both sides of a connection, and nothing that ended, nor another protocol's."""
    index, keys = ConnIndex(), [key(n, six) for n in range(50)]
    for slot, one in enumerate(keys):
        index.enter(2 * slot, one)
        index.enter(2 * slot + 1, reverse_key(one))
    assert find(index, keys) == [NONE] * 50 and index.key(7) == reverse_key(keys[3])
    index.forget(4)
    index.flush()
    assert find(index, keys[:6]) == [0, 2, 4, 6, NONE, 10]
    assert find(index, [reverse_key(one) for one in keys[:6]]) == [1, 3, 5, 7, NONE, 11]
    assert find(index, [bytes((UDP,)) + keys[0][1:], key(51, six)]) == [NONE, NONE]
    index.forget(3)
    assert find(index, keys[2:5]) == [4, NONE, NONE] and list(index.candidates(keys[3])) == []


def test_who_never_was_entered_may_be_forgotten() -> None:
    """A datagram's connection, a template, a slot beyond all that have words: it takes nothing from others."""
    index = ConnIndex()
    index.enter(0, key(1))
    for length in (5, 12, 14, 36, 38):
        index.enter(2, bytes(length))
    index.flush()
    for slot in (1, 1023, 1024, 10**6):
        index.forget(slot)
    assert find(index, [key(1)]) == [0] and index.key(0) == key(1)
    insert(index, {2048: key(2), 3000: key(3)})
    assert find(index, [key(1), key(2), key(3), key(4)]) == [0, 2048, 3000, NONE]


def test_addresses_that_mix_alike_are_told_apart() -> None:
    """IPv6 addresses are compared in full, by columns and one by one."""
    one = key(7, six=True)
    first, second = (int.from_bytes(one[at : at + 8], "little") for at in (1, 9))
    moved = [((first + n * MIX[1]) & FULL, (second - n * MIX[0]) & FULL) for n in range(6)]
    alike = [one[:1] + a.to_bytes(8, "little") + b.to_bytes(8, "little") + one[17:] for a, b in moved]
    assert len(set(words(alike)[0].tolist())) == 1 and len(set(alike)) == 6
    index = ConnIndex()
    insert(index, dict(enumerate(alike[:2])))
    assert find(index, alike) == [0, 1] + [NONE] * 4
    for handle, entered in enumerate(alike[2:4], 2):
        index.enter(handle, entered)
    index.flush()
    index.forget(0)
    assert find(index, alike) == [NONE, NONE, 2, 3, NONE, NONE]
    assert [list(index.candidates(entered)) for entered in alike] == [[], [], [2], [3], [], []]


@pytest.mark.parametrize("six", [False, True])
def test_many_at_one_place(six: bool) -> None:
    """Tuples that differ in their addresses alone, and hash alike: a walk over what was forgotten as well."""
    chance, index = random.Random(6), ConnIndex()
    many = [b"\x06" + chance.randbytes(32 if six else 8) + bytes(4) for _ in range(60_000)]
    places = index._place(*words(many)[:2])
    alike = [many[at] for at in np.flatnonzero(places == np.bincount(places).argmax()).tolist()]
    assert len(alike) > 15
    insert(index, dict(enumerate(alike[:8])))
    for handle, one in enumerate(alike[8:14], 8):
        index.enter(handle, one)
        index.flush()
    index.forget(0)
    index.forget_many(np.array([4, 5]))
    right = [NONE, NONE, *range(2, 8), *[NONE] * 4, 12, 13, *[NONE] * (len(alike) - 14)]
    assert find(index, alike) == right
    assert [next(index.candidates(one), NONE) for one in alike] == right


def test_four_bytes_are_not_sixteen() -> None:
    """An IPv6 tuple whose words look like an IPv4 one's is nobody's, before and after the first IPv6 entry."""
    index, four, six = ConnIndex(), key(1), key(1, six=True)
    insert(index, {0: four})
    assert find(index, [six]) == [NONE]
    word0, word1, wide = words([six])
    index.insert(np.array([2]), word0, word1 & np.uint64(0xFFFFFFFFFF))  # as IPv4: its words, without the family
    assert find(index, [six]) == [NONE] and list(index.candidates(six)) == []
    insert(index, {4: six})
    assert find(index, [four, six]) == [0, 4] and wide.tobytes() == six[1:33]


@pytest.mark.parametrize("six", [False, True])
def test_keys_come_back(six: bool) -> None:
    """As they were entered, pending or not, whatever the protocol; and the ports that they go to."""
    chance, index = random.Random(3), ConnIndex()
    ends = [chance.randbytes(36 if six else 12) for _ in range(40)]
    keys = {handle: bytes((chance.choice((TCP, UDP)),)) + one for handle, one in enumerate(ends)}
    insert(index, {handle: one for handle, one in keys.items() if handle < 20})
    for handle in range(20, 40):
        index.enter(handle, keys[handle])
    assert [index.key(handle) for handle in keys] == list(keys.values())
    index.flush()
    assert [index.key(handle) for handle in keys] == list(keys.values())
    order = np.array(chance.sample(range(40), 40))
    assert index.ports(order).tolist() == [int.from_bytes(keys[handle][-2:]) for handle in order.tolist()]


@pytest.mark.parametrize("six", [False, True])
def test_what_sides_leave_with_is_the_other_side_turned(six: bool) -> None:
    """IN leaves from the local address to the real server: the reverse of the key of the answers."""
    chance, index = random.Random(4), ConnIndex()
    keys = {handle: bytes((TCP,)) + chance.randbytes(36 if six else 12) for handle in range(60)}
    insert(index, keys)
    handles = np.array([chance.randrange(60) for _ in range(100)], np.int32)
    ends = index.ends(handles, 6 if six else 4)
    assert [one.tobytes() for one in ends] == [reverse_key(keys[handle ^ 1])[1:] for handle in handles.tolist()]


def test_words_of_rows_with_their_ends_exchanged() -> None:
    """Those of the tuples that leave in the opposite direction."""
    chance = random.Random(8)
    keys = [bytes((chance.choice((TCP, UDP)),)) + chance.randbytes(12) for _ in range(60)]
    turned, right = turned4(*words(keys)), words([reverse_key(one) for one in keys])
    assert [word.tolist() for word in turned] == [word.tolist() for word in right]


def test_rows_of_nobody_have_ends_too() -> None:
    """They mean nothing, but take no row's place; so do those of the other family."""
    index = ConnIndex()
    nobody = np.array([NONE, NONE], np.int32)
    assert (index.ends(nobody, 4).shape, index.ends(nobody, 6).shape) == ((2, 12), (2, 36))
    insert(index, {0: key(1), 1: reverse_key(key(1)), 2: key(2, six=True), 3: reverse_key(key(2, six=True))})
    four, six = (index.ends(np.array([NONE, 0, 2, NONE, 0], np.int32), family) for family in (4, 6))
    assert four[1].tobytes() == four[4].tobytes() == key(1)[1:] and four.shape == (5, 12)
    assert six[2].tobytes() == key(2, six=True)[1:] and six.shape == (5, 36)


def test_translated_families_have_a_side_each() -> None:
    """NAT64: the client's side is IPv6, the real server's IPv4; each is found by its own."""
    index, inside = ConnIndex(), key_of(TCP, endpoint("192.168.100.2", 8080), endpoint("192.168.100.200", 1025))
    index.enter(0, key(1, six=True))
    index.enter(1, inside)
    index.flush()
    assert find(index, [key(1, six=True), inside, key(1)]) == [0, 1, NONE]
    assert (index.key(0), index.key(1)) == (key(1, six=True), inside)


class Workers:
    """Two workers' finders over one table and index, as the machine has them, and one that is for both."""

    def __init__(self) -> None:
        self.table, self.index = ConnTable(), ConnIndex()
        self.finds = [Finder(self.index, self.table, rank) for rank in (0, 1)]
        self.shared = Finder(self.index, self.table, None)

    def open(self, rank: int, one: bytes, indexed: bool = True) -> int:
        handle = 2 * self.table.take(0, rank)
        if indexed:
            self.index.enter(handle, one)
            self.index.enter(handle + 1, reverse_key(one))
        return handle


def test_rows_at_once_are_rows_one_by_one() -> None:
    """Random tuples of two workers, some of both: columns find one of them, each worker his own."""
    chance, workers = random.Random(5), Workers()
    owners: dict[bytes, dict[int, int]] = {}
    for _ in range(3000):
        one, rank = key(chance.randrange(4000), chance.random() < 0.2), chance.randrange(2)
        if rank not in owners.get(one, {}):
            handle = workers.open(rank, one)
            owners.setdefault(one, {})[rank] = handle
            owners.setdefault(reverse_key(one), {})[rank] = handle + 1
    workers.index.flush()
    assert sum(len(ranks) == 2 for ranks in owners.values()) > 500
    asked = [*owners, *(key(n, n % 5 == 0) for n in range(4000, 4500))]
    for one, handle in zip(asked, find(workers.index, asked), strict=True):
        ranks = owners.get(one, {})
        assert [finder.get(one) for finder in workers.finds] == [ranks.get(0), ranks.get(1)]
        assert handle in (ranks.values() or [NONE])
        assert workers.shared.get(one) in (ranks.values() or [None])
        assert (one in workers.shared) == bool(ranks)


def test_nobody_is_found_before_his_birth_nor_after_his_end() -> None:
    """Rows in front of the one that opens a connection do not see it, however it was entered."""
    workers = Workers()
    (slot,) = workers.table.take_many(1).tolist()
    insert(workers.index, {2 * slot: key(1)})
    find, table = workers.finds[0], workers.table
    for entered in ({}, find.own, find.fresh):
        entered[key(1)] = 2 * slot
        assert find.get(key(1)) is None and key(1) not in find
        table.bear(slot)
        assert table.alive[slot] == BORN and find.get(key(1)) == 2 * slot and key(1) in find
        table.alive[slot] = 0
        assert find.get(key(1)) is None
        entered.clear()
        table.alive[slot] = 2


def test_what_was_entered_to_stay_goes_first() -> None:
    """Then what this burst entered, then the index."""
    workers = Workers()
    find = workers.finds[0]
    indexed, fresh, own = workers.open(0, key(1)), workers.open(0, key(1), False), workers.open(0, key(1), False)
    workers.index.flush()
    assert find.get(key(1)) == indexed
    find.fresh[key(1)] = fresh
    assert find.get(key(1)) == fresh
    find.own[key(1)] = own
    assert find.get(key(1)) == own and workers.finds[1].get(key(1)) is None
    workers.table.alive[own >> 1] = 0
    assert find.get(key(1)) == fresh
    find.own.clear()
    find.fresh.clear()
    assert find.get(key(1)) == indexed


def test_keys_with_more_to_them_are_kept_one_by_one() -> None:
    """The index knows tuples of addresses and ports; others are a finder's own."""
    workers = Workers()
    long = key(1) + b"\x05"
    assert workers.finds[0].get(long) is None
    workers.finds[0].own[long] = handle = workers.open(0, long)
    workers.index.flush()
    assert workers.finds[0].get(long) == handle and workers.shared.get(long) is None
