"""A buffer that grows, and pieces that are put into it by number; what rows say is tested where it is put."""

from __future__ import annotations

from lbreplay.loop.pen import Pen


def test_what_is_written_stands_behind_what_was() -> None:
    """Any length, also beyond the room that there is."""
    pen, said = Pen(), [bytes([n % 256]) * (n * n) for n in range(60)]
    for words in said:
        pen.write(words)
    assert bytes(pen.written()) == b"".join(said)
    pen.begin()
    assert bytes(pen.written()) == b""


def test_pieces_are_numbered_as_they_come() -> None:
    """A group begins where the one before it ended; empty ones take none."""
    pen = Pen()
    assert [pen.learn([b"a", b"", b"long piece"]), pen.learn([]), pen.learn([b"b"])] == [0, 3, 3]
    assert pen.known == 4 and pen.longest >= len(b"long piece") + len(b"b")
