"""The connection tracker beside IPVS: entries, and TCP's states and windows (RFC 793, recorded).

An entry knows a connection by two tuples, what its first packet had and what an answer will have; IPVS changes the
second to the real server's while the entry is not yet in the table. It gets there when its first packet leaves
(`confirm`), unless a tuple of it is taken. What the tracker calls invalid belongs to no entry, and is looked at again
after it was translated (`tracking.py`).

TABLE is netfilter's: a row for each direction and kind of segment, a column for the state before; `.` keeps the state.

    NO none      SS syn_sent  SR syn_recv   ES established  FW fin_wait   CW close_wait
    LA last_ack  TW time_wait CL close      S2 syn_sent on both sides (simultaneous open)
    IV the segment is invalid             IG it is let go, for the tracker may be the one that is wrong

Windows, per direction, from the segments that were valid: `end` the highest sequence number sent, `most` up to where
the other side allowed, `window` the largest window it offered. A segment is in the window if it begins at or before
`most`, ends no further back than the receiver's window from `end`, and acknowledges nothing beyond what the other side
sent nor further back than 66000 or the own window. A connection whose beginning was not seen is not tested.

A SYN on TIME_WAIT or CLOSE begins a new entry if somebody had sent a FIN or the last segment was a RST of the same
side; else it is let go on the old one. A RST that is the only answer ends the entry at once.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum
from typing import NamedTuple

from lbreplay.ipvs.ends import Ends
from lbreplay.model import NANOSECOND
from lbreplay.wire.packet import ACK, FIN, RST, SYN

URG = 32
STATES = ("NO", "SS", "SR", "ES", "FW", "CW", "LA", "TW", "CL", "S2")
SEGMENTS = ("syn", "synack", "fin", "ack", "rst", "none")
TABLE = """
               NO  SS  SR  ES  FW  CW  LA  TW  CL  S2
out  syn       SS  .   IG  IG  IG  IG  IG  SS  SS  .
out  synack    IV  IV  .   IV  IV  IV  IV  IV  IV  SR
out  fin       IV  IV  FW  FW  LA  LA  .   .   .   IV
out  ack       ES  IV  ES  .   CW  .   TW  .   .   IV
out  rst       IV  CL  CL  CL  CL  CL  CL  CL  .   CL
out  none      IV  IV  IV  IV  IV  IV  IV  IV  IV  IV
back syn       IV  S2  IV  IV  IV  IV  IV  SS  IV  .
back synack    IV  SR  IG  IG  IG  IG  IG  IG  IG  SR
back fin       IV  IV  FW  FW  LA  LA  .   .   .   IV
back ack       IV  IG  .   .   CW  .   TW  .   .   IG
back rst       IV  CL  CL  CL  CL  CL  CL  CL  .   CL
back none      IV  IV  IV  IV  IV  IV  IV  IV  IV  IV
"""
SECONDS = {  # how long an entry lives after a segment, by the state it leads to (nf_conntrack_tcp_timeout_*)
    "SS": 120, "SR": 60, "ES": 432000, "FW": 120, "CW": 60, "LA": 30, "TW": 120, "CL": 10, "S2": 120,
}  # fmt: skip
UNACKNOWLEDGED = 300  # at most, while data wait for an acknowledgement
UDP_SECONDS, STREAM_SECONDS, OTHER_SECONDS = 30, 120, 600  # UDP: one way, both; all other protocols
STREAM_AFTER = 2 * NANOSECOND
FLAGS = {  # combinations that are valid, PSH, ECE and CWR aside
    SYN, SYN | URG, SYN | ACK, RST, RST | ACK, FIN | ACK, FIN | ACK | URG, ACK, ACK | URG,
}  # fmt: skip
TESTED = FIN | SYN | RST | ACK | URG
ACK_WINDOW = 66000
WINDOW_SCALE, SACK_PERMITTED, SACK, MOST_SCALE = 3, 4, 5, 14  # kinds of TCP options
OUT, BACK = 0, 1  # directions: of the first packet, of the answers
M32 = 0xFFFFFFFF


class Segment(NamedTuple):
    """What the tracker looks at of a TCP segment; `end` is the sequence number behind it."""

    flags: int
    seq: int
    ack: int
    window: int
    end: int
    scale: int | None
    sack_permitted: bool
    sacked: tuple[int, ...]  # right edges

    @property
    def kind(self) -> str:
        if self.flags & RST:
            return "rst"
        if self.flags & SYN:
            return "synack" if self.flags & ACK else "syn"
        return "fin" if self.flags & FIN else "ack" if self.flags & ACK else "none"


def segment(l4: bytes, length: int) -> Segment | None:
    """The segment *l4* of *length* bytes on the wire; None: it cannot be one."""
    header = (l4[12] >> 4) * 4 if len(l4) >= 20 else 0
    if header < 20 or length < header or l4[13] & TESTED not in FLAGS:
        return None
    seq, ack, flags = int.from_bytes(l4[4:8]), int.from_bytes(l4[8:12]), l4[13]
    scale, permitted, sacked = _options(l4[20:header])
    end = seq + length - header + bool(flags & SYN) + bool(flags & FIN) & M32
    return Segment(flags, seq, ack, int.from_bytes(l4[14:16]), end, scale, permitted, sacked)


def _options(options: bytes) -> tuple[int | None, bool, tuple[int, ...]]:
    """Window scale, whether SACK is permitted, right edges of SACK blocks."""
    scale: int | None = None
    permitted, at = False, 0
    sacked: tuple[int, ...] = ()
    while at < len(options) and options[at] != 0:
        size = 1 if options[at] == 1 else options[at + 1] if at + 1 < len(options) else 0
        if size == 0 or (options[at] != 1 and size < 2) or at + size > len(options):
            break
        kind, body = options[at], options[at + 2 : at + size]
        if kind == WINDOW_SCALE and len(body) == 1:
            scale = min(body[0], MOST_SCALE)
        elif kind == SACK_PERMITTED and not body:
            permitted = True
        elif kind == SACK and len(body) % 8 == 0:
            sacked = tuple(int.from_bytes(body[n + 4 : n + 8]) for n in range(0, len(body), 8))
        at += size
    return scale, permitted, sacked


def _after(one: int, other: int) -> bool:
    """Whether the sequence number *one* lies after *other*."""
    return 0 < (one - other & M32) < 0x80000000


class Side:
    """What one direction has sent (see above)."""

    __slots__ = ("closes", "end", "liberal", "most", "sack", "scale", "scaled", "top_ack", "unacknowledged", "window")

    def __init__(self) -> None:
        self.end = self.most = self.window = self.scale = 0
        self.top_ack: int | None = None  # the highest it acknowledged
        self.scaled = self.sack = self.liberal = self.unacknowledged = False
        self.closes = False  # its FIN was the first

    def begin(self, seg: Segment) -> None:
        """A SYN of this side."""
        self.end = self.most = seg.end
        self.window = seg.window or 1
        self.scale, self.scaled, self.sack = seg.scale or 0, seg.scale is not None, seg.sack_permitted


class Reply(IntEnum):
    """What the tracker says of a segment: it belongs to the entry, it is let go on it, invalid, or of a new one."""

    VALID, IGNORED, INVALID, AGAIN = range(4)


class Entry:
    """A tracked connection. `tuples`: of its packets, and of the answers it expects."""

    __slots__ = ("answered", "assured", "confirmed", "dead", "expires", "last", "last_dir", "sides", "since", "state",
                 "tuples", "unshifted")  # fmt: skip

    def __init__(self, tuples: tuple[Ends, Ends]) -> None:
        self.tuples = tuples
        self.state = "NO"
        self.sides = (Side(), Side())
        self.answered = self.assured = self.confirmed = self.dead = False
        self.last: Segment | None = None  # the last that was valid or let go, and its direction
        self.last_dir = OUT
        self.expires = self.since = 0
        self.unshifted: Callable[[int], int] | None = None  # a client's ack as the server meant it (FTP helper)

    # --- TCP -------------------------------------------------------------------------------------------------

    def begin(self, seg: Segment) -> bool:
        """The first segment; False: no connection begins so."""
        if TCP[OUT, seg.kind, "NO"] == "IV":
            return False
        first, second = self.sides
        first.begin(seg)
        if seg.kind != "syn":
            first.most = first.end + first.window
            for side in (first, second):
                side.liberal = side.sack = True
        return True

    def see(self, direction: int, seg: Segment, now: int) -> Reply:
        """A segment of *direction* at *now*."""
        old = self.state
        new = TCP[direction, seg.kind, old]
        if new == "SS" and old in ("TW", "CL"):
            if any(side.closes for side in self.sides) or self._last_was("rst", direction):
                return Reply.AGAIN
            new = "IG"
        if new == "IG" and not self._back_in_step(direction, seg):
            self.last, self.last_dir = seg, direction
            return Reply.IGNORED
        if new == "IV":
            return Reply.INVALID
        new = "SR" if new == "IG" else new
        judged = True
        if new == "CL" and seg.kind == "rst":
            new, judged = self._reset(direction, seg, old)
            if new == "IV":
                return Reply.INVALID
        if judged and not self._in_window(direction, seg):
            return Reply.INVALID
        self._move(direction, seg, old, new, now)
        return Reply.VALID

    def _last_was(self, kind: str, direction: int) -> bool:
        return self.last is not None and self.last.kind == kind and self.last_dir == direction

    def _back_in_step(self, direction: int, seg: Segment) -> bool:
        """A SYN|ACK of a SYN that was let go: both ends agree, the tracker follows them."""
        syn = self.last
        if seg.kind != "synack" or not self._last_was("syn", 1 - direction) or syn is None or seg.ack != syn.end:
            return False
        self.sides = (Side(), Side())
        self.sides[1 - direction].begin(syn)
        self.state = "SS"
        return True

    def _reset(self, direction: int, seg: Segment, old: str) -> tuple[str, bool]:
        """What a RST makes of the entry ("IV": it is invalid), and whether the window is still to be looked at."""
        expected, last, new = self.sides[1 - direction].top_ack, self.last, "CL"
        if expected is not None:
            if seg.seq == 0 and old != "ES":
                return new, True
            if _after(expected, seg.seq):
                return "IV", False
            in_train = last is not None and self._last_was("ack", direction) and seg.seq == last.end
            if old != "ES" or seg.seq == expected or in_train:
                return new, True
            new = old  # not exactly the next one: whoever gets it may answer with an ACK
        return new, last is None or not self._refuses(last, seg, old)

    def _refuses(self, last: Segment, seg: Segment, old: str) -> bool:
        """Whether a RST answers a SYN or ACK that was let go."""
        if old == "SS" and self._last_was("ack", BACK) and last.ack == seg.seq:
            return True
        let_go = (self.answered and last.kind == "syn") or (not self.assured and last.kind == "ack")
        return let_go and seg.ack == last.end

    def _in_window(self, direction: int, seg: Segment) -> bool:
        sender, receiver = self.sides[direction], self.sides[1 - direction]
        ack = self.unshifted(seg.ack) if self.unshifted is not None and direction == OUT else seg.ack
        sack = ack
        for edge in seg.sacked if receiver.sack else ():
            sack = edge if _after(edge, sack) else sack
        if self._begins(sender, receiver, seg, sack):
            return True
        if not seg.flags & ACK or (seg.flags & RST and seg.ack == 0):
            ack = sack = receiver.end
        answers_syn = seg.flags & RST and seg.seq == 0 and self.state == "SS"
        seq, end = (sender.end, sender.end) if answers_syn else (seg.seq, seg.end)
        fits = (
            not _after(seq, sender.most)
            and (not receiver.window or not _after(sender.end - receiver.window & M32, end))
            and not _after(sack, receiver.end)
            and not _after(receiver.end - max(sender.window, ACK_WINDOW) & M32, sack)
        )
        if fits:
            _take(sender, receiver, seg, end, ack, sack)
        return fits or sender.liberal

    def _begins(self, sender: Side, receiver: Side, seg: Segment, sack: int) -> bool:
        """Begin or begin anew what this side sent, where the segment says so. True: that is all there is to look at."""
        if sender.window == 0 and seg.flags & SYN:
            sender.begin(seg)
            if not (sender.scaled and receiver.scaled):
                sender.scale = receiver.scale = 0
            return not seg.flags & ACK
        if sender.window == 0:
            sender.end = seg.end
            sender.window = (seg.window << sender.scale) or 1
            sender.most = seg.end + sender.window & M32
            if receiver.window == 0:
                receiver.end = receiver.most = sack
            elif sack == receiver.end + 1 & M32:
                receiver.end = sack
        elif seg.flags & SYN and _after(seg.end, sender.end) and self.state in ("SS", "SR"):
            sender.begin(seg)
        return False

    def _move(self, direction: int, seg: Segment, old: str, new: str, now: int) -> None:
        """The segment counts: state, and how long the entry lives from now on."""
        self.last, self.last_dir, self.state = seg, direction, new
        if new == "FW" and old != new:
            self.sides[direction].closes = True
        seconds = SECONDS[new]
        if seg.kind == "rst":
            seconds = SECONDS["CL"]
        elif any(side.unacknowledged for side in self.sides) or seg.window == 0:
            seconds = min(seconds, UNACKNOWLEDGED)
        if not self.answered:
            if seg.kind == "rst":
                self.dead = True
                return
            if seg.kind == "syn" and old == "SS":
                return
            seconds = min(seconds, UNACKNOWLEDGED) if new == "ES" else seconds
        elif new == "ES" and old in ("SR", "ES"):
            self.assured = True
        self.expires = now + seconds * NANOSECOND

    # --- others ----------------------------------------------------------------------------------------------

    def refresh(self, now: int, udp: bool) -> None:
        """A packet of a protocol without states."""
        self.since = self.since or now
        stream = self.answered and now > self.since + STREAM_AFTER
        seconds = (STREAM_SECONDS if stream else UDP_SECONDS) if udp else OTHER_SECONDS
        self.expires = now + seconds * NANOSECOND


def _take(sender: Side, receiver: Side, seg: Segment, end: int, ack: int, sack: int) -> None:
    """What a segment in the window tells of both sides."""
    window = seg.window if seg.flags & SYN else seg.window << sender.scale
    sender.window = max(sender.window, window + (sack - ack & M32))
    if _after(end, sender.end):
        sender.end, sender.unacknowledged = end, True
    if seg.flags & ACK and (sender.top_ack is None or _after(ack, sender.top_ack)):
        sender.top_ack = ack
    if receiver.window and _after(end, sender.most):
        receiver.window += end - sender.most & M32
    if not _after(receiver.most, sack + window & M32):
        receiver.most = sack + (window or 1) & M32
    if ack == receiver.end:
        receiver.unacknowledged = False


def _read(text: str) -> dict[tuple[int, str, str], str]:
    """The table: (direction, kind of segment, state) -> next state, IV or IG."""
    head, *rows = (line.split() for line in text.strip().splitlines())
    assert tuple(head) == STATES, "a column for each state"
    cells = {
        ({"out": OUT, "back": BACK}[way], kind, state): state if cell == "." else cell
        for way, kind, *row in rows
        for state, cell in zip(STATES, row, strict=True)
    }
    assert len(cells) == 2 * len(SEGMENTS) * len(STATES), "a row for each direction and kind"
    return cells


TCP = _read(TABLE)


class Tracker:
    """The table of confirmed entries, by both tuples."""

    def __init__(self) -> None:
        self._entries: dict[Ends, tuple[Entry, int]] = {}
        self.rival: Entry | None = None  # what stood in the way of the last entry that was to be put in

    def find(self, ends: Ends, now: int) -> tuple[Entry, int] | None:
        """The entry that *ends* belong to, and in which direction."""
        found = self._entries.get(ends)
        if found is not None and found[0].expires <= now:
            self.kill(found[0])
            return None
        return found

    def confirm(self, entry: Entry, now: int) -> bool:
        """Put an entry into the table. False: one of its tuples is another's."""
        found = [self.find(ends, now) for ends in entry.tuples]
        self.rival = next((one[0] for one in found if one is not None), None)
        if self.rival is not None:
            return False
        entry.confirmed = True
        for direction, ends in enumerate(entry.tuples):
            self._entries[ends] = entry, direction
        return True

    def kill(self, entry: Entry) -> None:
        """Take an entry out."""
        entry.dead = True
        for ends in entry.tuples:
            if self._entries.get(ends, (None,))[0] is entry:
                del self._entries[ends]

    def __len__(self) -> int:
        return len({id(entry) for entry, _ in self._entries.values()})
