"""What rows leave with -> bytes: MACs, ends, sequence numbers, options, checksums (D 5.4-5.6, D 12.3).

Rows that keep their length are rewritten where they stand. Rows that grow (the client-address option) or shrink
(padding) move to the end of a larger buffer first, so that afterwards every row is rewritten the same way. Whatever is
too odd for columns (an option that has no room) gets its bytes from the functions of the plain path, row by row.

Checksums of complete packets are computed from the bytes that leave, whatever came in (D 5.5).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from lbreplay.burst import I64, PAD, RECORD, U8, Bool, Burst, distinct
from lbreplay.model import Endpoint
from lbreplay.wire import options
from lbreplay.wire.fields import overlay
from lbreplay.wire.packet import ACK, RST, SYN, TCP

OUT = 1
FULL_TCP = 1
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


def rewrite(burst: Burst, leaving: Leaving) -> None:
    """Rewrite the rows that leave in place."""
    rows = np.flatnonzero(burst.leaving)
    if not len(rows):
        return
    _shrink(burst, rows)
    full = burst.full[rows] == FULL_TCP
    side = burst.handle[rows] & 1
    if full.any():
        _edit_options(burst, rows[full], side[full])
        if leaving.toa:
            _insert_toa(burst, rows[full & (side == 0)], leaving)
    _put_ends(burst, rows, leaving)
    _move_numbers(burst, rows[full], side[full])
    _sum(burst, rows)


def _shrink(burst: Burst, rows: I64) -> None:
    """Take Ethernet padding off, captured or not."""
    wanted = burst.l3_length[rows] + 14
    padded = rows[(burst.caplen[rows] != wanted) | (burst.sent[rows] != wanted)]
    if len(padded):
        _set_size(burst, padded, burst.l3_length[padded].astype(np.int64) + 14)


def _set_size(burst: Burst, rows: I64, size: I64) -> None:
    """Give *rows* their new size, in the columns and in the record headers."""
    burst.caplen[rows] = burst.sent[rows] = size
    header = np.empty((len(rows), 2), "<u4")
    header[:, 0] = header[:, 1] = size
    overlay(burst.buffer, 8)[burst.at[rows] - 8] = header.view("V8").ravel()


# --- options ---------------------------------------------------------------------------------------------------


def _edit_options(burst: Burst, rows: I64, side: I64) -> None:
    """What full NAT does to options in place: timestamp of a SYN, MSS of a SYN|ACK, edges of SACK (D 5.4, 5.5)."""
    optioned = burst.header[rows] > 20
    rows, out = rows[optioned], side[optioned] == OUT
    if not len(rows):
        return
    kind, buffer = burst.flags[rows] & (SYN | ACK), burst.buffer
    at = _find_option(burst, rows[~out & (kind == SYN)], options.TIMESTAMP, 10)
    overlay(buffer, 10)[at] = np.void(bytes((options.NOP,)) * 10)
    answers = rows[out & (kind == SYN | ACK)]
    for family, by in MSS_LOWERED.items():
        at = _find_option(burst, answers[burst.family[answers] == family], options.MSS, 4)
        mss = (buffer[at + 2].astype(np.uint16) << 8 | buffer[at + 3]) - np.uint16(by)
        buffer[at + 2], buffer[at + 3] = (mss >> 8).astype(np.uint8), (mss & 0xFF).astype(np.uint8)
    _shift_sack(burst, rows[out & ~burst.answer[rows]])


def _find_option(burst: Burst, rows: I64, kind: int, length: int) -> I64:
    """Where in the buffer the first option of *kind* and *length* (0: whole blocks of 8) begins, of the rows that
    have one.

    All rows walk their options side by side, one option a step; a walk ends where `options.walk` does.
    """
    buffer, found = burst.buffer, []
    at = burst.at[rows] + burst.l4[rows] + 20
    end = at + burst.header[rows] - 20
    while len(at):
        here = buffer[at]
        long = here != options.NOP
        size = np.where(long, buffer[at + 1], 1).astype(np.int64)
        sound = (here != options.EOL) & (~long | ((at + 1 < end) & (size >= 2) & (at + size <= end)))
        hit = sound & (here == kind) & ((size == length) if length else (size >= 10) & (size % 8 == 2))
        found.append(at[hit])
        at, end = (at + size)[sound & ~hit], end[sound & ~hit]
        at, end = at[at < end], end[at < end]
    return np.concatenate(found) if found else at


def _shift_sack(burst: Burst, rows: I64) -> None:
    """Edges of the first SACK option move with the acknowledgement; behind the aligned timestamp none is looked for."""
    tcp = burst.at[rows] + burst.l4[rows]
    start = overlay(burst.buffer, 4)[tcp + 20].view(np.uint8).reshape(-1, 4)
    aligned = (burst.header[rows] == 32) & (start == np.frombuffer(options.ALIGNED_TIMESTAMP, np.uint8)).all(1)
    rows = rows[~aligned]
    for place in _find_option(burst, rows, options.SACK, 0).tolist():  # rare
        row = rows[np.searchsorted(burst.at[rows], place) - 1]
        edges = burst.buffer[place + 2 : place + int(burst.buffer[place + 1])].view(">u4")
        edges -= burst.delta[row]


def _insert_toa(burst: Burst, rows: I64, leaving: Leaving) -> None:
    """The client's address in segments until the first answer byte is acknowledged (D 5.6)."""
    flags = burst.flags[rows]
    due = (burst.ack[rows] == burst.fdata[rows]) & (flags & (SYN | RST) == 0)
    if leaving.toa_in_syn:
        due |= flags & (SYN | ACK) == SYN
    rows = rows[due]
    if not len(rows):
        return
    size = np.where(burst.family[rows] == 4, TOA_SIZE[4], TOA_SIZE[6])
    fits = (burst.header[rows] + size <= 60) & (burst.l3_length[rows] + size <= leaving.mtu)
    for family in (4, 6):
        same = burst.family[rows] == family
        _grow(burst, rows[fits & same], TOA_SIZE[family])
    for row in rows[~fits].tolist():
        _insert_oddly(burst, row, leaving)


def _grow(burst: Burst, rows: I64, size: int) -> None:
    """Move *rows* to new room with *size* bytes of option behind the base TCP header."""
    if not len(rows):
        return
    old_at, old_size = burst.at[rows].copy(), burst.caplen[rows].copy()
    new_at = _room(burst, old_size + size)
    split = burst.l4[rows].astype(np.int64) + 20
    _copy(burst.buffer, old_at - RECORD, new_at - RECORD, split + RECORD)
    _copy(burst.buffer, old_at + split, new_at + split + size, old_size - split)
    l4 = burst.l4[rows]
    ports = overlay(burst.buffer, 2)[old_at + l4].view(np.uint8).reshape(-1, 2)
    width = size - 4
    client = overlay(burst.buffer, width)[old_at + (26 if width == 4 else 22)].view(np.uint8).reshape(-1, width)
    option = np.empty((len(rows), size), np.uint8)
    option[:, 0], option[:, 1], option[:, 2:4], option[:, 4:] = options.TOA, size, ports, client
    overlay(burst.buffer, size)[new_at + split] = option.view(f"V{size}").ravel()
    burst.buffer[new_at + l4 + 12] += np.uint8(size // 4 << 4)
    burst.at[rows] = new_at
    burst.l3_length[rows] += size
    burst.header[rows] += size
    _set_size(burst, rows, old_size + size)
    _set_ip_length(burst, rows)


def _set_ip_length(burst: Burst, rows: I64) -> None:
    v6 = burst.family[rows] == 6
    field = burst.l3_length[rows] - np.where(v6, 40, 0)
    at = burst.at[rows] + np.where(v6, 18, 16)
    burst.buffer[at], burst.buffer[at + 1] = (field >> 8).astype(np.uint8), (field & 0xFF).astype(np.uint8)


def _room(burst: Burst, sizes: I64) -> I64:
    """Offsets of new frames of *sizes* at the end of a larger buffer, each behind room for its record header."""
    used = len(burst.buffer) - PAD
    ends = used + np.cumsum(sizes + RECORD)
    burst.buffer = np.concatenate([burst.buffer[:used], np.zeros(int(ends[-1]) - used + PAD, np.uint8)])
    return np.asarray(ends - sizes)


def _copy(buffer: U8, source: I64, target: I64, sizes: I64) -> None:
    """Copy byte ranges within *buffer*: by the size of the range, since many rows share one."""
    for size in distinct(sizes):
        if size:
            same = sizes == size
            view = overlay(buffer, size)
            view[target[same]] = view[source[same]]


def _insert_oddly(burst: Burst, row: int, leaving: Leaving) -> None:
    """An option without room, or beyond the MTU: as the plain path does it."""
    at, l4_at = int(burst.at[row]), int(burst.l4[row]) - 14
    l3 = burst.buffer[at + 14 : at + 14 + int(burst.l3_length[row])].tobytes()
    client = l3[12:16] if burst.family[row] == 4 else l3[8:24]
    port = int.from_bytes(l3[l4_at : l4_at + 2])
    made, _ = options.insert_toa(l3, l4_at, Endpoint(client, port), leaving.mtu, prune=leaving.prune)
    head = burst.buffer[at - RECORD : at + 14].tobytes()
    new_at = _room(burst, np.array([len(made) + 14]))
    start = int(new_at[0])
    whole = np.frombuffer(head + bytes(made), np.uint8)
    burst.buffer[start - RECORD : start - RECORD + len(whole)] = whole
    burst.at[row], burst.l3_length[row] = start, len(made)
    burst.header[row] = (made[l4_at + 12] >> 4) * 4
    _set_size(burst, np.array([row]), np.array([len(made) + 14]))


# --- addresses and numbers -------------------------------------------------------------------------------------


def _put_ends(burst: Burst, rows: I64, leaving: Leaving) -> None:
    """MACs, and the other side's ends reversed."""
    at = burst.at[rows]
    heads = leaving.heads.view("V12").ravel()[rows]
    mirrored = np.flatnonzero(leaving.mirrored[rows])
    if len(mirrored):
        came_to = at[mirrored] + np.where(burst.answer[rows[mirrored]], 6, 0)
        sources = overlay(burst.buffer, 6)[came_to].view(np.uint8).reshape(-1, 6)
        heads.view(np.uint8).reshape(-1, 12)[mirrored, 6:] = sources
    overlay(burst.buffer, 12)[at] = heads
    v4 = burst.family[rows] == 4
    if v4.all():
        overlay(burst.buffer, 12)[at + 26] = leaving.ends4.view("V12").ravel()[rows]
        return
    four, six = rows[v4], rows[~v4]
    overlay(burst.buffer, 12)[burst.at[four] + 26] = leaving.ends4.view("V12").ravel()[four]
    places = np.searchsorted(burst.rows6, six)
    overlay(burst.buffer, 36)[burst.at[six] + 22] = leaving.ends6.view("V36").ravel()[places]


def _move_numbers(burst: Burst, rows: I64, side: I64) -> None:
    """IN: seq + delta. OUT: ack - delta; an answer that the client saw already has it that way."""
    if not len(rows):
        return
    l4 = burst.at[rows] + burst.l4[rows]
    field = overlay(burst.buffer, 4)
    inward = side == 0
    seq = (burst.seq[rows] + burst.delta[rows])[inward].astype(">u4")
    field[l4[inward] + 4] = seq.view("V4")
    outward = ~inward & ~burst.answer[rows]
    ack = (burst.ack[rows] - burst.delta[rows])[outward].astype(">u4")
    field[l4[outward] + 8] = ack.view("V4")


# --- checksums -------------------------------------------------------------------------------------------------


def _sum(burst: Burst, rows: I64) -> None:
    """IPv4 header and L4 checksums, from the bytes that leave."""
    at = burst.at[rows]
    v4 = burst.family[rows] == 4
    _sum_ip(burst.buffer, at if v4.all() else at[v4])
    l4 = at + burst.l4[rows]
    length = burst.l3_length[rows] - burst.l4[rows] + 14
    tcp = burst.proto[rows] == TCP
    field = l4 + np.where(tcp, 16, 6)
    burst.buffer[field] = burst.buffer[field + 1] = 0
    total = _ranges(burst.buffer, l4, length) + _addresses(burst.buffer, at, v4)
    total += length + burst.proto[rows]
    total = (total & 0xFFFF) + (total >> 16)
    total = ~((total & 0xFFFF) + (total >> 16)) & 0xFFFF
    total[(total == 0) & ~tcp] = 0xFFFF
    burst.buffer[field], burst.buffer[field + 1] = (total >> 8).astype(np.uint8), (total & 0xFF).astype(np.uint8)


def _sum_ip(buffer: U8, at: I64) -> None:
    if not len(at):
        return
    buffer[at + 24] = buffer[at + 25] = 0
    header = overlay(buffer, 20)[at + 14].view(">u2").reshape(-1, 10)
    total = header.sum(1, dtype=np.uint32)
    total = (total & 0xFFFF) + (total >> 16)
    total = ~((total & 0xFFFF) + (total >> 16)) & 0xFFFF
    buffer[at + 24], buffer[at + 25] = (total >> 8).astype(np.uint8), (total & 0xFF).astype(np.uint8)


def _addresses(buffer: U8, at: I64, v4: Bool) -> Any:
    """Sum of the addresses of the pseudo header."""
    if v4.all():
        return overlay(buffer, 8)[at + 26].view(">u2").reshape(-1, 4).sum(1, dtype=np.int64)
    total = np.zeros(len(at), np.int64)
    total[v4] = overlay(buffer, 8)[at[v4] + 26].view(">u2").reshape(-1, 4).sum(1, dtype=np.int64)
    total[~v4] = overlay(buffer, 32)[at[~v4] + 22].view(">u2").reshape(-1, 16).sum(1, dtype=np.int64)
    return total


def _ranges(buffer: U8, start: I64, length: I64) -> Any:
    """Sum of the big-endian words of byte ranges, an odd last byte padded with 0; not folded to the end.

    Words are read where the machine has them, at even offsets and in its own order: a range that begins at an odd
    offset, and the order of the machine, only swap the bytes of the folded sum (RFC 1071, 2 B).
    """
    order = np.argsort(start, kind="stable")  # rows that moved stand behind all others
    total = np.empty(len(start), np.int64)
    total[order] = _sorted_ranges(buffer, start[order], length[order])
    return total


def _sorted_ranges(buffer: U8, start: I64, length: I64) -> Any:
    end = start + length
    words = buffer[: len(buffer) & ~1].view("<u2")
    bounds = np.empty(2 * len(start), np.int64)
    bounds[0::2], bounds[1::2] = start >> 1, (end + 1) >> 1
    total = np.add.reduceat(words, bounds, dtype=np.uint32)[0::2].astype(np.int64)
    total[length == 0] = 0
    odd_start, odd_end = start & 1 == 1, end & 1 == 1
    total -= np.where(odd_start, buffer[start - 1], 0)
    total -= np.where(odd_end, buffer[end].astype(np.int64) << 8, 0)
    total = (total & 0xFFFF) + (total >> 16)
    total = (total & 0xFFFF) + (total >> 16)
    return np.where(odd_start, total, (total >> 8) | ((total & 0xFF) << 8))
