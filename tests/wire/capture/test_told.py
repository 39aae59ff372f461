"""What pcapng says beside frames of queue and hash: read where it is asked for, odd options counted, none guessed."""

from __future__ import annotations

import struct
from contextlib import ExitStack
from pathlib import Path

import cards
import numpy as np
import pytest

from lbreplay.burst import ODD_ALGORITHM, ODD_LENGTH, Told
from lbreplay.wire.capture import open_capture
from lbreplay.wire.capture.sink import Note, open_sink

FRAME = cards.packet(b"\1\2\3\4", b"\5\6\7\10", 6, 1, 2)


def told(path: str) -> Told:
    with open_capture(path, telling=True) as source:
        (burst,) = source.bursts(1 << 20)
    return burst.told


def one(path: Path, more: bytes, **said: object) -> Told:
    return told(cards.record(path / "in.pcapng", [cards.Frame(FRAME, None, None, more, **said)]))  # type: ignore[arg-type]


def test_queues_and_hashes_are_those_that_were_recorded(tmp_path: Path) -> None:
    """Frames of different lengths, some without a hash."""
    card = cards.Card(hashed="tcp-only")
    found = told(card.record(tmp_path / "in.pcapng"))
    assert found.queue.tolist() == [f.queue for f in card.received]
    assert found.hash.tolist() == [-1 if f.hash is None else f.hash for f in card.received]
    assert set(found.direction.tolist()) == {1} and not found.odd.any()


def test_nothing_is_read_unless_asked_for(tmp_path: Path) -> None:
    """An ordinary run pays nothing for options."""
    with open_capture(cards.Card(frames=3).record(tmp_path / "in.pcapng")) as source:
        (burst,) = source.bursts(8)
    assert not hasattr(burst, "told")


def test_big_endian_numbers_are_the_hosts(tmp_path: Path) -> None:
    """Hash and queue are in the byte order of the section."""
    shb = struct.pack(">IIIHHqI", 0x0A0D0D0A, 28, 0x1A2B3C4D, 1, 0, -1, 28)
    idb = struct.pack(">IIHHII", 1, 20, 1, 0, 0, 20)
    said = struct.pack(">HHIHHBIxxx", 6, 4, 7, 3, 5, 5, 0x01020304)
    size = 32 + 16 + len(said)
    epb = struct.pack(">IIIIIII", 6, size, 0, 0, 0, 14, 14) + bytes(16) + said + struct.pack(">I", size)
    (tmp_path / "in.pcapng").write_bytes(shb + idb + epb)
    found = told(str(tmp_path / "in.pcapng"))
    assert (found.queue[0], found.hash[0]) == (7, 0x01020304)


@pytest.mark.parametrize("value", [b"", b"\1", b"\1\0\0\0\0", bytes(64)])
@pytest.mark.parametrize("code", [2, 6])
def test_an_option_of_the_wrong_length_says_nothing(tmp_path: Path, code: int, value: bytes) -> None:
    """And is counted."""
    found = one(tmp_path, cards.option(code, value), flags=0)
    assert (found.queue[0], found.direction[0], found.odd[0]) == (-1, 0, ODD_LENGTH)


@pytest.mark.parametrize(
    ("value", "odd"),
    [
        (b"", ODD_LENGTH),
        (b"\5", ODD_LENGTH),
        (b"\5abcde", ODD_LENGTH),
        (b"\2abcd", ODD_ALGORITHM),
        (b"\4" + bytes(20), 2),
    ],
)
def test_a_hash_that_is_not_toeplitz_says_nothing(tmp_path: Path, value: bytes, odd: int) -> None:
    """CRC32 and the like, and Toeplitz of the wrong length."""
    found = one(tmp_path, cards.option(3, value))
    assert (found.hash[0], found.odd[0]) == (-1, odd)


def test_of_several_hashes_the_one_that_is_toeplitz_counts(tmp_path: Path) -> None:
    """A frame may have one of every algorithm."""
    found = one(
        tmp_path, cards.option(3, b"\2abcd") + cards.option(3, b"\5\1\0\0\0") + cards.option(3, b"\4" + bytes(20))
    )
    assert (found.hash[0], found.odd[0]) == (1, 0)


def test_options_that_run_over_the_end_and_those_behind_the_end_are_not_read(tmp_path: Path) -> None:
    """An option is what its length says, within its block."""
    found = one(tmp_path, struct.pack("<HH", 6, 400) + bytes(8))
    assert found.queue[0] == -1
    assert one(tmp_path, bytes(4) + cards.option(6, b"\1\0\0\0")).queue[0] == -1


def test_many_options_are_passed_over(tmp_path: Path) -> None:
    """Comments and unknown ones before and behind."""
    more = b"".join(cards.option(1, b"x" * n) for n in range(50)) + cards.option(6, b"\3\0\0\0")
    assert one(tmp_path, more).queue[0] == 3


def test_interfaces_of_several_sections_have_numbers_of_their_own(tmp_path: Path) -> None:
    """Also where sections share a chunk, with frames between."""
    card = cards.Card(frames=3)
    both = Path(card.record(tmp_path / "a.pcapng")).read_bytes() * 2
    (tmp_path / "in.pcapng").write_bytes(both)
    found = told(str(tmp_path / "in.pcapng"))
    assert found.interface.tolist() == [0, 0, 0, 1, 1, 1]
    assert found.queue.tolist() == [f.queue for f in card.received] * 2


def test_bursts_have_their_rows(tmp_path: Path) -> None:
    """Cut anywhere."""
    card = cards.Card(frames=50)
    with open_capture(card.record(tmp_path / "in.pcapng"), telling=True) as source:
        queues = np.concatenate([burst.told.queue for burst in source.bursts(7)])
    assert queues.tolist() == [f.queue for f in card.received]


def test_what_lbreplay_writes_it_reads(tmp_path: Path) -> None:
    """Queue and hash of an annotated OUT."""
    source_path, target = cards.Card(frames=5).record(tmp_path / "in.pcapng"), str(tmp_path / "out.pcapng")
    with open_capture(source_path) as source, ExitStack() as stack:
        sink = stack.enter_context(open_sink(target, source.info, lambda burst, row: Note(0, 9, 0xABCDEF01)))
        for burst in source.bursts(8):
            burst.leaving[:] = True
            sink.write(burst)
    found = told(target)
    assert found.queue.tolist() == [9] * 5 and found.hash.tolist() == [0xABCDEF01] * 5
