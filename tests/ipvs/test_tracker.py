"""The connection tracker: TCP's states and windows (recorded)."""

from __future__ import annotations

from struct import pack

import pytest

from lbreplay.ipvs.tracker import BACK, OUT, SECONDS, STATES, TCP, Entry, Reply, Tracker, segment
from lbreplay.model import Endpoint

FLAGS = {"F": 1, "S": 2, "R": 4, "P": 8, "A": 16, "U": 32}
CLIENT, VIRTUAL = Endpoint(bytes((198, 51, 100, 1)), 4000), Endpoint(bytes((10, 0, 0, 100)), 80)
TUPLES = ((6, CLIENT, VIRTUAL), (6, VIRTUAL, CLIENT))
SECOND = 10**9


def tcp(flags: str, seq: int = 0, ack: int = 0, data: int = 0, window: int = 8192, options: bytes = b"") -> bytes:
    bits = sum(FLAGS[flag] for flag in flags)
    return pack(">HHIIBBHHH", 1, 2, seq, ack, 5 + len(options) // 4 << 4, bits, window, 0, 0) + options + bytes(data)


class Talk:
    """An entry and what is said on it: `c` by the client, `s` by the server."""

    def __init__(self, first: bytes = b"") -> None:
        self.entry, self.now = Entry(TUPLES), 0
        raw = first or tcp("S", 1000)
        seg = segment(raw, len(raw))
        assert seg is not None and self.entry.begin(seg)
        self.c(raw)

    def c(self, raw: bytes) -> Reply:
        return self._see(OUT, raw)

    def s(self, raw: bytes) -> Reply:
        return self._see(BACK, raw)

    def _see(self, direction: int, raw: bytes) -> Reply:
        seg = segment(raw, len(raw))
        if seg is None:
            return Reply.INVALID
        said = self.entry.see(direction, seg, self.now)
        self.entry.answered |= direction == BACK and said in (Reply.VALID, Reply.IGNORED)
        return said

    def open(self) -> Talk:
        assert self.s(tcp("SA", 5000, 1001)) == self.c(tcp("A", 1001, 5001)) == Reply.VALID
        return self


def test_the_table_is_whole() -> None:
    """Cells are states or say that a segment does not fit; what a state lasts is known."""
    assert set(TCP.values()) <= {*STATES, "IV", "IG"}
    assert set(SECONDS) == set(STATES) - {"NO"}


def test_a_life() -> None:
    """Handshake, data, both FINs; in TIME_WAIT a SYN asks for a new entry."""
    talk = Talk().open()
    assert (talk.entry.state, talk.entry.assured) == ("ES", True)
    talk.c(tcp("PA", 1001, 5001, 10)), talk.s(tcp("A", 5001, 1011))
    states = []
    for speak, raw in ((talk.s, tcp("FA", 5001, 1011)), (talk.c, tcp("A", 1011, 5002)), (talk.c, tcp("FA", 1011, 5002)),
                       (talk.s, tcp("A", 5002, 1012))):  # fmt: skip
        assert speak(raw) == Reply.VALID
        states.append(talk.entry.state)
    assert states == ["FW", "CW", "LA", "TW"]
    assert talk.c(tcp("S", 2000)) == Reply.AGAIN


def test_a_syn_before_the_last_ack_is_let_go() -> None:
    """The tracker stays in LAST_ACK; after a SYN|ACK that fits it is in step again."""
    talk = Talk().open()
    talk.s(tcp("FA", 5001, 1001)), talk.c(tcp("FA", 1001, 5002))
    assert (talk.entry.state, talk.c(tcp("S", 9000))) == ("LA", Reply.IGNORED)
    assert talk.s(tcp("SA", 7000, 9001)) == Reply.VALID
    assert (talk.entry.state, talk.c(tcp("A", 9001, 7001))) == ("SR", Reply.VALID)


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (tcp("PA", 1001, 5001, 100), Reply.VALID),
        (tcp("PA", 1001 + 8192, 5001, 1), Reply.VALID),
        (tcp("PA", 1002 + 8192, 5001, 1), Reply.INVALID),
        (tcp("A", 1001, 5002), Reply.INVALID),
        (tcp("A", 1001, 5001 - 66000 & 0xFFFFFFFF), Reply.VALID),
        (tcp("A", 1001, 5000 - 66000 & 0xFFFFFFFF), Reply.INVALID),
        (tcp("SA", 1001, 5001), Reply.INVALID),
        (tcp("F", 1001), Reply.INVALID),
        (tcp("SF", 1001), Reply.INVALID),
        (tcp("", 1001), Reply.INVALID),
        (tcp("UA", 1001, 5001), Reply.VALID),
        (tcp("A", 1001, 5001)[:19], Reply.INVALID),
    ],
)
def test_windows_and_flags(raw: bytes, said: Reply) -> None:
    """Beyond what was allowed, sent, or sent long ago; combinations that nobody sends."""
    assert Talk().open().c(raw) == said


def test_window_scale() -> None:
    """It counts when both sides offer it."""
    for back, said in ((b"\3\3\7\1", Reply.VALID), (b"", Reply.INVALID)):
        talk = Talk(tcp("S", 1000, options=b"\3\3\7\1"))
        talk.s(tcp("SA", 5000, 1001, options=back)), talk.c(tcp("A", 1001, 5001)), talk.s(tcp("A", 5001, 1001))
        assert talk.c(tcp("PA", 1001 + 100_000, 5001, 1)) == said


def test_an_ack_before_the_answer_is_invalid() -> None:
    """And picked up from the middle, everything is in the window."""
    assert Talk().c(tcp("A", 1001, 5001)) == Reply.INVALID
    assert Talk(tcp("A", 1, 1)).c(tcp("PA", 900_000_000, 77, 1)) == Reply.VALID


def test_resets() -> None:
    """The only answer ends the entry; of an open one it must be the next to come, else it changes nothing."""
    refused = Talk()
    assert refused.s(tcp("RA", 0, 1001)) == Reply.VALID and refused.entry.dead
    talk = Talk().open()
    assert talk.s(tcp("R", 4000)) == Reply.INVALID
    assert (talk.s(tcp("R", 5003)), talk.entry.state) == (Reply.VALID, "ES")
    assert (talk.s(tcp("R", 5001)), talk.entry.state, talk.entry.expires) == (Reply.VALID, "CL", 10 * SECOND)
    assert talk.c(tcp("S", 2000)) == Reply.IGNORED
    own = Talk().open()
    own.c(tcp("R", 1001))
    assert own.c(tcp("S", 2000)) == Reply.AGAIN


def test_the_table_of_entries() -> None:
    """Both tuples find an entry until it expires or is killed; nobody else can have one of them."""
    tracker, entry, other = Tracker(), Entry(TUPLES), Entry((TUPLES[1], TUPLES[0]))
    entry.expires = SECOND
    assert tracker.confirm(entry, 0) and not tracker.confirm(other, 0)
    assert [tracker.find(ends, 0) for ends in TUPLES] == [(entry, OUT), (entry, BACK)]
    assert tracker.find(TUPLES[0], SECOND) is None and len(tracker) == 0
    assert tracker.confirm(other, 0)
