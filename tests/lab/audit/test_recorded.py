"""Records read once: what counts, what is left out and said, and that frames that say the same are counted together."""

from __future__ import annotations

from pathlib import Path

import cards
import pytest
from cards import Card, Frame

from lbreplay.lab.audit.recorded import Recorded, counted, read


def written(folder: Path, frames: list[Frame], interfaces: int = 1) -> Recorded:
    return read(cards.record(folder / "in.pcapng", frames, interfaces))


def test_every_received_frame_counts(tmp_path: Path) -> None:
    """Queues of all, hashes of those that have one."""
    card = Card(hashed="tcp-only")
    found = written(tmp_path, card.received)
    assert (found.frames, found.queue, found.hash) == (300, 300, sum(f.hash is not None for f in card.received))
    assert not found.left_out and sum(int(rows.frames.sum()) for rows in found.rows.values()) == 300


@pytest.mark.parametrize(
    ("odd", "sentence"),
    [
        ({"flags": 2}, "sent, so no card chose their queue"),
        ({"interface": 1}, "received on another interface"),
        ({"queue": None, "hash": None}, "with neither queue nor hash"),
        ({"queue": None, "hash": None, "more": cards.option(6, b"\0")}, "with an option of the wrong length"),
        ({"hash": None, "more": cards.option(3, b"\2abcd")}, "with a hash that is not Toeplitz"),
    ],
)
def test_what_does_not_count_is_said(tmp_path: Path, odd: dict[str, object], sentence: str) -> None:
    """Sent frames, other interfaces, odd options: counted by the reason."""
    card = Card(frames=20)
    for frame in card.received[:3]:
        for name, value in odd.items():
            setattr(frame, name, value)
    found = written(tmp_path, card.received, 2)
    assert found.left_out == {sentence: 3}
    assert found.queue == (20 if "not Toeplitz" in sentence else 17)


def test_a_capture_without_options_has_nothing_to_hold(tmp_path: Path) -> None:
    """It is false."""
    assert not written(tmp_path, [Frame(Card(frames=1).received[0].data, None, None, flags=0)])


def test_the_busiest_interface_is_looked_at(tmp_path: Path) -> None:
    """Not the first one."""
    card = Card(frames=20)
    for frame in card.received[5:]:
        frame.interface = 1
    found = written(tmp_path, card.received, 2)
    assert (found.interface, found.queue) == (1, 15)


def test_frames_that_say_the_same_are_one_row(tmp_path: Path) -> None:
    """With the number of the first, and how many they are."""
    card = Card(frames=3)
    (rows,) = written(tmp_path, card.received * 4).rows.values()
    assert rows.frames.tolist() == [4, 4, 4] and rows.n.tolist() == [1, 2, 3]
    assert counted(rows).n.tolist() == [1, 2, 3]
