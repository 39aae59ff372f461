"""What rows leave with -> bytes: MACs, ends, sequence numbers, options, checksums (D 5.4-5.6, D 12.3).

Rows are rewritten where they stand. Where some grow (the client-address option), all are laid out again first, with
room for that. Whatever is too odd for columns (an option that has no room) gets its bytes from the functions of the
plain path, row by row.

Checksums of complete packets are computed from the bytes that leave, whatever came in (D 5.5).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from lbreplay.burst import I32, I64, PAD, RECORD, U8, Bool, Burst
from lbreplay.model import Endpoint
from lbreplay.wire import options
from lbreplay.wire.capture.layout import copy_rows
from lbreplay.wire.fields import overlay
from lbreplay.wire.packet import ACK, RST, SYN, TCP, UDP

Rows = I64 | slice

OUT = 1
FULL_TCP, DIRECT = 1, 3  # column `full`, as in loop/names.py
TOA_SIZE = {4: 8, 6: 20}
MSS_LOWERED = {4: 8, 6: 20}


class Leaving(NamedTuple):
    """What the rows of a burst leave with."""

    heads: U8  # u1[n, 12], a row each: MACs
    mirrored: Bool  # a row each: the source is the MAC that the row came to
    ends4: U8  # u1[n, 12], a row each; of those over IPv4
    ends6: U8  # u1[len(rows6), 36], an IPv6 row each
    toa: bool
    toa_in_syn: bool
    prune: bool
    mtu: int  # what an option must fit into


class Shape(NamedTuple):
    """Where things stand in frames of a family and protocol; those that leave in place have no IP options."""

    family: int
    proto: int
    size: int  # bytes up to the end of the base L4 header
    l4_size: int  # of that header
    fields: np.dtype[Any]  # of a header as a record


def _shape(family: int, proto: int, l4_size: int) -> Shape:
    """`words` are what is summed: of IPv4 the IP header, of IPv6 the addresses, and the base L4 header."""
    l4, ends, words = (34, 26, 14) if family == 4 else (54, 22, 22)
    size = l4 + l4_size
    fields: dict[str, tuple[Any, int]] = {
        "macs": ("V12", 0),
        "source": ("V6", 6),
        "ip_sum": ("<u2", 24),  # of IPv4
        "words": (("<u4", ((size - words) // 4,)), words),
        "length": (">u2", 16 if family == 4 else 18),
        "client": (f"V{(l4 - ends) // 2}", ends),
        "port": ("V2", l4),
        "ends": (f"V{l4 + 4 - ends}", ends),
        "seq": (">u4", l4 + 4),
        "ack": (">u4", l4 + 8),
        "offset": ("u1", l4 + 12),
        "sum": ("<u2", l4 + (16 if proto == TCP else 6)),
    }
    if proto == UDP:
        del fields["seq"], fields["ack"], fields["offset"]
    formats, offsets = zip(*fields.values(), strict=True)
    dtype = np.dtype({"names": [*fields], "formats": formats, "offsets": offsets, "itemsize": size})
    return Shape(family, proto, size, l4_size, dtype)


SHORT = 64  # bytes behind the headers, at most PAD
MASKS = np.tri(SHORT + 1, SHORT, -1, np.uint8) * np.uint8(255)  # row n: n bytes to keep
SHAPES = (_shape(4, TCP, 20), _shape(4, UDP, 8), _shape(6, TCP, 20), _shape(6, UDP, 8))


def rewrite(burst: Burst, leaving: Leaving) -> None:
    """Rewrite the rows that leave in place."""
    if not burst.leaving.any():
        return
    _shrink(burst)
    full = burst.leaving & (burst.full == FULL_TCP)
    out = (burst.handle & 1).astype(np.bool_)
    _edit_options(burst, full, out)
    if leaving.toa:
        _insert_toa(burst, full & ~out, leaving)
    for shape, rows in _shapes(burst):
        _put_headers(burst, rows, shape, leaving)
    _put_macs_alone(burst, np.flatnonzero(burst.leaving & (burst.full == DIRECT)), leaving)


def _put_macs_alone(burst: Burst, rows: I64, leaving: Leaving) -> None:
    """Direct routing: what leaves is what came, but for its MACs (D 12.1)."""
    if len(rows):
        shape = SHAPES[1]  # any: all begin with the MACs, and none is shorter than this
        at, place = burst.at[rows], overlay(burst.buffer, shape.size)
        head = place[at].view(shape.fields)
        _put_macs(burst, rows, head, leaving)
        place[at] = head.view(place.dtype)


def _shrink(burst: Burst) -> None:
    """Take Ethernet padding off, captured or not."""
    size = burst.l3_length + 14
    padded = np.flatnonzero(burst.leaving & ((burst.caplen != size) | (burst.sent != size)))
    if len(padded):
        _set_size(burst, padded, size[padded])


def _set_size(burst: Burst, rows: I64, size: I64 | I32) -> None:
    """Give *rows* their new size, in the columns and in the record headers."""
    burst.caplen[rows] = burst.sent[rows] = size
    header = np.empty((len(rows), 2), "<u4")
    header[:, 0] = header[:, 1] = size
    overlay(burst.buffer, 8)[burst.at[rows] - 8] = header.view("V8").ravel()


# --- options ---------------------------------------------------------------------------------------------------


def _edit_options(burst: Burst, full: Bool, out: Bool) -> None:
    """What full NAT does to options in place: timestamp of a SYN, MSS of a SYN|ACK, edges of SACK (D 5.4, 5.5)."""
    rows = np.flatnonzero(full & (burst.header > 20))
    if not len(rows):
        return
    out = out[rows]
    kind, buffer = burst.flags[rows] & (SYN | ACK), burst.buffer
    at = _find_option(burst, rows[~out & (kind == SYN)], options.TIMESTAMP, 10)
    overlay(buffer, 10)[at] = np.void(bytes((options.NOP,)) * 10)
    answers = rows[out & (kind == SYN | ACK)]
    for family, by in MSS_LOWERED.items():
        at = _find_option(burst, answers[burst.family[answers] == family], options.MSS, 4) + 2
        mss = overlay(buffer, 2)[at].view(">u2") - np.uint16(by)
        overlay(buffer, 2)[at] = mss.astype(">u2").view("V2")
    _shift_sack(burst, rows[out & ~burst.answer[rows]])


def _find_option(burst: Burst, rows: I64, kind: int, length: int) -> I64:
    """Where in the buffer the first option of *kind* and *length* (0: whole blocks of 8) begins, of the rows that
    have one.

    All rows walk their options side by side, one option a step; a walk ends where `options.walk` does.
    """
    buffer, found = burst.buffer, [rows[:0]]
    at = burst.at[rows] + burst.l4[rows] + 20
    end = at + burst.header[rows] - 20
    while len(at):
        here = buffer[at]
        long = here != options.NOP
        size = np.where(long, buffer[at + 1], 1)
        behind = at + size
        sound = (here != options.EOL) & (size > long) & (behind <= end)
        hit = sound & (here == kind) & ((size == length) if length else (size >= 10) & (size % 8 == 2))
        found.append(at[hit])
        more = sound & ~hit & (behind < end)
        at, end = behind[more], end[more]
    return np.concatenate(found)


def _shift_sack(burst: Burst, rows: I64) -> None:
    """Edges of the first SACK option move with the acknowledgement; behind the aligned timestamp none is looked for."""
    start = overlay(burst.buffer, 4)[burst.at[rows] + burst.l4[rows] + 20].view("<u4")
    aligned = (burst.header[rows] == 32) & (start == int.from_bytes(options.ALIGNED_TIMESTAMP, "little"))
    rows = rows[~aligned]
    for place in _find_option(burst, rows, options.SACK, 0).tolist():  # rare
        row = rows[np.searchsorted(burst.at[rows], place) - 1]
        edges = burst.buffer[place + 2 : place + int(burst.buffer[place + 1])].view(">u4")
        edges -= burst.delta[row]


def _insert_toa(burst: Burst, inward: Bool, leaving: Leaving) -> None:
    """The client's address in segments until the first answer byte is acknowledged (D 5.6)."""
    due = inward & (burst.ack == burst.fdata) & (burst.flags & (SYN | RST) == 0)
    if leaving.toa_in_syn:
        due |= inward & (burst.flags & (SYN | ACK) == SYN)
    rows = np.flatnonzero(due)
    if not len(rows):
        return
    size = np.where(burst.family[rows] == 4, TOA_SIZE[4], TOA_SIZE[6])
    fits = (burst.header[rows] + size <= 60) & (burst.l3_length[rows] + size <= leaving.mtu)
    odd = {row: _with_odd_toa(burst, row, leaving) for row in rows[~fits].tolist()}
    growth = np.zeros(burst.size, np.int64)
    growth[rows[fits]] = size[fits]
    growth[[*odd]] = [len(frame) - burst.caplen[row] for row, frame in odd.items()]
    old, old_at = burst.buffer, burst.at
    _spread(burst, growth)
    for row, frame in odd.items():
        burst.buffer[burst.at[row] : burst.at[row] + len(frame)] = np.frombuffer(frame, np.uint8)
    for shape in SHAPES:
        grown = rows[fits & (burst.family[rows] == shape.family)]
        if shape.proto == TCP and len(grown):
            _put_toa(burst, grown, shape, old, old_at[grown])


def _with_odd_toa(burst: Burst, row: int, leaving: Leaving) -> bytes:
    """The frame with an option without room, or beyond the MTU: as the plain path does it."""
    frame, l4_at = burst.frame(row), int(burst.l4[row]) - 14
    l3 = frame[14:]
    client = l3[12:16] if burst.family[row] == 4 else l3[8:24]
    port = int.from_bytes(l3[l4_at : l4_at + 2])
    made, _ = options.insert_toa(l3, l4_at, Endpoint(client, port), leaving.mtu, prune=leaving.prune)
    return frame[:14] + made


def _spread(burst: Burst, growth: I64) -> None:
    """Lay all rows out again, with room for *growth* before what each has now: one piece for the sink."""
    size = burst.caplen + RECORD
    after = np.cumsum(size + growth)
    end, rows, gone = int(after[-1]), np.flatnonzero(growth), np.maximum(-growth, 0)
    buffer = np.empty(end + PAD, np.uint8)
    buffer[end:] = 0
    copy_rows(burst.buffer, burst.at - RECORD + gone, size - gone, buffer, after - size + gone)
    at = after - burst.caplen - growth
    overlay(buffer, RECORD)[at[rows] - RECORD] = overlay(burst.buffer, RECORD)[burst.at[rows] - RECORD]
    burst.buffer, burst.at = buffer, at
    burst.l3_length += growth
    _set_size(burst, rows, burst.caplen[rows] + growth[rows])


def _put_toa(burst: Burst, rows: I64, shape: Shape, old: U8, old_at: I64) -> None:
    """The headers of rows, *old_at* in *old*, before the option: it stands behind the base TCP header."""
    size, at = TOA_SIZE[shape.family], burst.at[rows]
    head = overlay(old, shape.size)[old_at].view(shape.fields)
    option = np.zeros(len(rows), [("kind", "u1"), ("size", "u1"), ("port", "V2"), ("client", f"V{size - 4}")])
    option["kind"], option["size"], option["port"], option["client"] = options.TOA, size, head["port"], head["client"]
    head["offset"] += np.uint8(size // 4 << 4)
    head["length"] = burst.l3_length[rows] - (40 if shape.family == 6 else 0)
    overlay(burst.buffer, shape.size)[at] = head.view(f"V{shape.size}")
    overlay(burst.buffer, size)[at + shape.size] = option.view(f"V{size}")


# --- headers and checksums -------------------------------------------------------------------------------------
#
# The headers of all rows of a shape are gathered, edited as columns and put back at once: a gather or a scatter costs
# 3 ns a row whatever its width, an edit of a column 0.4. Words are summed in the machine's order: that only swaps the
# bytes of a ones' complement sum, and so the sum stands right when it is stored (RFC 1071, 2 B).


def _shapes(burst: Burst) -> Iterator[tuple[Shape, Rows]]:
    """The shapes of the rows that leave, and which rows have them."""
    moving = burst.leaving & (burst.full != DIRECT)
    left = int(np.count_nonzero(moving))
    for shape in SHAPES:
        if left:
            same = moving & (burst.proto == shape.proto) & (burst.family == shape.family)
            rows = np.flatnonzero(same)
            left -= len(rows)
            if len(rows):
                yield shape, slice(None) if len(rows) == burst.size else rows  # a slice gathers no column


def _put_headers(burst: Burst, rows: Rows, shape: Shape, leaving: Leaving) -> None:
    """MACs, ends, numbers and checksums."""
    at, place = burst.at[rows], overlay(burst.buffer, shape.size)
    head = place[at].view(shape.fields)
    _put_macs(burst, rows, head, leaving)
    if shape.family == 4:
        head["ends"] = leaving.ends4.view("V12")[rows, 0]
    else:
        head["ends"] = leaving.ends6.view("V36")[np.searchsorted(burst.rows6, np.arange(burst.size)[rows]), 0]
    if shape.proto == TCP:
        _move_numbers(burst, rows, head)
    behind = burst.l3_length[rows] - (shape.size - 14)
    _put_sums(head, shape, behind, _tails(burst.buffer, at + shape.size, behind))
    place[at] = head.view(place.dtype)


def _put_macs(burst: Burst, rows: Rows, head: Any, leaving: Leaving) -> None:
    mirrored = np.flatnonzero(leaving.mirrored[rows])
    came = head["macs"][mirrored].view("V6").reshape(-1, 2)
    head["macs"] = leaving.heads.view("V12")[rows, 0]
    if len(mirrored):
        answers = burst.answer[rows][mirrored]
        head["source"][mirrored[~answers]] = came[~answers, 0]
        head["source"][mirrored[answers]] = came[answers, 1]


def _move_numbers(burst: Burst, rows: Rows, head: Any) -> None:
    """IN: seq + delta. OUT: ack - delta; an answer that the client saw already has it that way."""
    delta = burst.delta[rows] * (burst.full[rows] == FULL_TCP)
    out = (burst.handle[rows] & 1).astype(np.bool_)
    head["seq"] = burst.seq[rows] + delta * ~out
    head["ack"] = burst.ack[rows] - delta * (out & ~burst.answer[rows])


def _put_sums(head: Any, shape: Shape, behind: Any, tails: Any) -> None:
    """IPv4 header and L4 checksums, from the bytes that leave: *behind* the headers so many, whose sums are *tails*."""
    v4 = shape.family == 4
    head["sum"] = 0
    if v4:
        head["ip_sum"] = 0
    words = head["words"].T.astype(np.uint64, order="C")
    if v4:
        head["ip_sum"] = _checksum(words[:5].sum(0))
        words = words[3:]
    pseudo = (behind + (shape.l4_size + shape.proto)).astype(np.uint64) << 8
    total = _checksum(words.sum(0) + pseudo + tails)
    if shape.proto == UDP:
        total[total == 0] = 0xFFFF  # 0 would say that there is none (RFC 768)
    head["sum"] = total


def _checksum(total: Any) -> Any:
    """Of sums below 2**48."""
    total = ((total & 0xFFFF) + (total >> 16)).astype(np.uint32)
    total = (total & 0xFFFF) + (total >> 16)
    total = (total & 0xFFFF) + (total >> 16)
    return ~total.astype(np.uint16)


def _tails(buffer: U8, start: Any, length: Any) -> Any:
    """Sums of the words of byte ranges, ascending and maybe empty, as if each began at an even offset."""
    total, some = np.zeros(len(start), np.uint64), np.flatnonzero(length)
    if len(some) and length.max() <= SHORT:
        return _short_ranges(buffer, start, length)
    if len(some):
        total[some] = _ranges(buffer, start[some], length[some])
    return total


def _short_ranges(buffer: U8, start: Any, length: Any) -> Any:
    """All are gathered as wide as the longest, and what is behind them is masked: 10 ns a row, not 30."""
    width = -(-int(length.max()) // 4) * 4
    mask = np.ascontiguousarray(MASKS[:, :width]).view(f"V{width}")[length, 0]
    words = overlay(buffer, width)[start].view("<u4") & mask.view("<u4")
    return words.reshape(-1, width // 4).T.astype(np.uint64, order="C").sum(0)


def _ranges(buffer: U8, start: Any, length: Any) -> Any:
    """Of ranges that are not empty. Words are read at even offsets: at the ends a byte too many may be in them."""
    end = start + length
    bounds = np.empty(2 * len(start), np.int64)
    bounds[0::2], bounds[1::2] = start >> 1, (end + 1) >> 1
    total = np.add.reduceat(buffer[: len(buffer) & ~1].view("<u2"), bounds, dtype=np.uint32)[0::2]
    odd = (start & 1).astype(np.uint32)
    total = total - buffer[start - 1] * odd - (buffer[end] * (end & 1).astype(np.uint32) << 8)
    return ((total & 0xFFFF) + (total >> 16)) << (odd << 3)  # from an odd offset on, bytes have each other's places
