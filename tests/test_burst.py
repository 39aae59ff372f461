"""A burst begins with nothing decided, and gives a frame's bytes as they are now."""

from __future__ import annotations

import numpy as np

from lbreplay.burst import RECORD, Burst, Made, Received, Room
from lbreplay.verdict import PENDING


def burst() -> Burst:
    """Two frames, of 3 and 5 bytes, behind their record headers."""
    buffer = np.frombuffer(bytearray(bytes(RECORD) + b"abc" + bytes(RECORD) + b"vwxyz" + bytes(8)), np.uint8)
    at, caplen = np.array([RECORD, 2 * RECORD + 3]), np.array([3, 5])
    return Burst(10, buffer, at, caplen, np.array([3, 500]), np.array([7, 8]))


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
    one.room.begin(1)
    assert same.mac.tolist() == [5, 5] and [same.frame(row) for row in (0, 1)] == [b"abc", b"vwxyz"]
    assert len(same.made) == 1 and same.room is not one.room and same.first == 10


def test_a_room_begins_anew() -> None:
    """For as many rows as are asked for, whatever was there; the whole of a column is as the loop reads it."""
    room = Room(4)
    room.columns["redirected"][:] = room.columns["mac"][:] = 3
    room.begin(2)
    assert room.columns["redirected"].tolist() == [-1, -1, 3, 3] and not room.columns["mac"][:2].any()
    assert room.flat["wide"].format == "I" and len(room.flat["wide"]) == 36 and room.columns["wide"].shape == (4, 36)


def test_a_column_is_cut_when_it_is_asked_for() -> None:
    """To the rows of the burst, in its room; what is no column is none."""
    nothing, room = np.zeros(2, np.int64), Room(5)
    some = Burst(1, np.zeros(0, np.uint8), nothing, nothing, nothing, nothing, room)
    some.wide[1] = 7
    assert some.wide is some.wide and some.wide.shape == (2, 36) and room.columns["wide"][1].tolist() == [7] * 36
    assert not hasattr(some, "told") and not hasattr(some, "nothing")


def test_memory_for_bytes_is_never_that_which_was_given_last() -> None:
    """A burst is laid out again from one piece into another."""
    room = Room(1)
    one, two = room.bytes(100), room.bytes(3000)
    one[:], two[:] = 1, 2
    assert len(one) == 100 and one.all() and len(two) == 3000 and not (one == 2).any()
    assert room.bytes(50).base is one.base
