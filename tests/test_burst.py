"""A burst begins with nothing decided, and gives a frame's bytes as they are now."""

from __future__ import annotations

import numpy as np
import pytest

from lbreplay import memory
from lbreplay.burst import KINDS, RECORD, Burst, Made, Received, Room
from lbreplay.verdict import PENDING


def burst() -> Burst:
    """Two frames, of 3 and 5 bytes, behind their record headers."""
    buffer = np.frombuffer(bytearray(bytes(RECORD) + b"abc" + bytes(RECORD) + b"vwxyz" + bytes(8)), np.uint8)
    at, caplen = np.array([RECORD, 2 * RECORD + 3]), np.array([3, 5])
    return Burst.of(10, buffer, at, caplen, np.array([3, 500]), np.array([7, 8]))


def test_nothing_is_decided_yet() -> None:
    """No verdict, nothing leaves, and what would leave has the length that came."""
    fresh = burst()
    assert fresh.size == 2 and fresh.verdict.tolist() == [PENDING] * 2
    assert not fresh.leaving.any() and fresh.made == [] and fresh.sent.tolist() == [3, 500]


def test_what_leaves_has_a_length_of_its_own() -> None:
    """Columns of the reader stay as they are."""
    changed = burst()
    changed.sent += 8
    assert changed.length.tolist() == [3, 500]


def test_a_frame_is_its_bytes_now() -> None:
    """As far as the capture has them."""
    changed = burst()
    assert [changed.frame(row) for row in (0, 1)] == [b"abc", b"vwxyz"]
    changed.buffer[changed.at[1]] = ord("V")
    assert changed.frame(1) == b"Vwxyz"


def test_a_received_frame_is_told_from_what_is_sent() -> None:
    """It takes the place of a made one, and is not equal in kind."""
    one = Received(0, 7, b"abc", 3, 10, 1, False)
    assert isinstance(one, Made) and one._replace(row=1).row == 1
    assert not isinstance(Made(*one), Received)


def test_a_copy_stays_as_it_is() -> None:
    """Bytes, columns and what was made are its own, whatever becomes of the room of the other."""
    one = burst()
    one.mac[:], one.made = 5, [Made(0, 7, b"abc", 3, 10, 1, True)]
    same = one.copy()
    one.mac[:], one.buffer[:] = 6, 0
    one.made.clear()
    one.room.begin()
    assert same.mac.tolist() == [5, 5] and [same.frame(row) for row in (0, 1)] == [b"abc", b"vwxyz"]
    assert len(same.made) == 1 and same.room is not one.room and same.first == 10


def test_a_room_begins_anew() -> None:
    """Whatever was there; a column stands as the loop reads it, and there is room for a row at least."""
    room = Room(4)
    for name in ("redirected", "mac", "conn", "verdict"):
        room.flat[name][1] = 3
    room.begin()
    assert room.flat["redirected"].tolist() == [-1] * 4 and room.flat["verdict"].tolist() == [PENDING] * 4
    assert not any(room.flat["mac"]) and not any(room.flat["conn"])
    assert room.flat["wide"].format == "I" and len(room.flat["wide"]) == 36
    assert Room(0).rows == len(Room(0).flat["at"]) == 1


def test_a_column_is_cut_when_it_is_asked_for() -> None:
    """To the rows of the burst, in its room, as an array of its type; what is no column is none."""
    nothing, room = np.zeros(2, np.int64), Room(5)
    some = Burst.of(1, np.zeros(0, np.uint8), nothing, nothing, nothing, nothing, room)
    some.wide[1], some.leaving[1] = 7, True
    assert some.wide is some.wide and some.wide.shape == (2, 36) and room.flat["wide"][9:18].tobytes() == b"\7" * 36
    assert some.leaving.dtype == np.bool_ and room.flat["leaving"].tolist() == [0, 1, 0, 0, 0]
    assert Burst.of(1, np.zeros(0, np.uint8), *(nothing[:0],) * 4).wide.shape == (0, 36)
    assert not hasattr(some, "told") and not hasattr(some, "nothing")


@pytest.mark.parametrize("name", KINDS)
def test_every_column_has_memory_of_its_own(name: str) -> None:
    """What is written to one is in no other, in a room of any size."""
    for rows in (1, 3, 64):
        room = Room(rows)
        before = {other: column.tobytes() for other, column in room.flat.items() if other != name}
        room.flat[name][:] = memory.full(KINDS[name][0], rows * KINDS[name][1], 77)
        assert {other: column.tobytes() for other, column in room.flat.items() if other != name} == before


def test_memory_for_bytes_is_never_that_which_was_given_last() -> None:
    """A burst is laid out again from one piece into another."""
    room = Room(1)
    one, two = room.bytes(100), room.bytes(3000)
    one[:], two[:] = b"1" * 100, b"2" * 3000
    assert one.tobytes() == b"1" * 100 and two.tobytes() == b"2" * 3000
    room.bytes(50)[:] = b"3" * 50
    assert one[:50].tobytes() == b"3" * 50
