"""The TCP, UDP or SCTP rows of one family as columns: what a survey of a capture looks at.

Endpoints are numbers of 64 bits (exact for IPv4, mixed for IPv6), so that sets of them are dicts of ints.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lbreplay.arrays import I64, U8, U16, Bool
from lbreplay.burst import KIND_SCTP, KIND_TCP, KIND_UDP, Burst
from lbreplay.wire.fields import overlay
from lbreplay.wire.packet import ACK, SCTP, SYN, TCP, UDP

U64 = NDArray[np.uint64]
Sort = tuple[int, int]  # family and protocol
SORTS: tuple[Sort, ...] = tuple(
    (family, proto) for family in (6, 4) for proto in (TCP, UDP, SCTP)
)  # NAT64: clients first
KINDS = {TCP: KIND_TCP, UDP: KIND_UDP, SCTP: KIND_SCTP}
INIT = 1  # the first chunk of an association
ODD = 0x9E3779B97F4A7C15


class Rows(NamedTuple):
    """One entry a row of the sort."""

    sort: Sort
    number: I64  # row of the burst
    src: U8
    dst: U8
    sport: U16
    dport: U16
    src_key: U64
    dst_key: U64
    flags: U8
    length: I64  # of the frame on the wire
    at: I64  # of the L3 header in the buffer
    l4: I64  # of the L4 header in the buffer
    second: I64  # of its time
    mark: U64  # what NAT keeps: identification (of IPv6 the flow label), TTL, window of TCP, first payload of UDP


def rows_of(burst: Burst, sort: Sort) -> Rows:
    """The rows of *burst* of one *sort*."""
    family, proto = sort
    wanted = (burst.proto == proto) & (burst.kind == KINDS[proto]) & (burst.family == family)
    number = np.flatnonzero(wanted)
    flow, width = (burst.flow4[number], 4) if family == 4 else (burst.wide[number], 16)
    src, dst = flow[:, :width], flow[:, width : 2 * width]
    ports = np.ascontiguousarray(flow[:, 2 * width :]).view(">u2").reshape(-1, 2).astype(np.uint16)
    src_key, dst_key = (keys(address, ports[:, n]) for n, address in enumerate((src, dst)))
    at = burst.at[number] + 14
    at += 4 * ((burst.buffer[at - 2] == 0x81) & (burst.buffer[at - 1] == 0))  # behind a VLAN tag
    mark, l4 = _mark(burst, at, number, sort)
    flags, length, second = burst.flags[number], burst.length[number], burst.time_ns[number] // 10**9
    return Rows(sort, number, src, dst, ports[:, 0], ports[:, 1], src_key, dst_key, flags, length, at, l4, second, mark)


def _mark(burst: Burst, at: I64, number: I64, sort: Sort) -> tuple[U64, I64]:
    """(mark, offset of L4) of frames whose L3 header is at *at*."""
    head = overlay(burst.buffer, 9)[at].view(np.uint8).reshape(-1, 9).astype(np.uint64)
    if sort[0] == 4:
        l4 = at + (head[:, 0] & np.uint64(15)).astype(np.int64) * 4
        words = [head[:, 4], head[:, 5], head[:, 8]]
    else:
        l4 = at + 40
        words = [head[:, 1] & np.uint64(15), head[:, 2], head[:, 3], head[:, 7]]
    mark = np.zeros(len(at), np.uint64)
    for word in words:
        mark = mark << np.uint64(8) | word
    mixed: U64 = mark * np.uint64(ODD) ^ _inside(burst, l4, number, sort[1] == TCP)
    return mixed, l4


def _inside(burst: Burst, l4: I64, number: I64, tcp: bool) -> U64:
    """The window of TCP, the first eight bytes that UDP carries (0 where there are fewer)."""
    if tcp:
        return overlay(burst.buffer, 2)[l4 + 14].view(">u2").astype(np.uint64)
    payload: U64 = overlay(burst.buffer, 8)[l4 + 8].view(">u8").astype(np.uint64)
    payload[l4 + 16 > burst.at[number] + burst.caplen[number]] = 0
    return payload


def opens(burst: Burst, rows: Rows) -> Bool:
    """Rows that open a connection: a SYN of TCP, an INIT of SCTP; of UDP none says so."""
    if rows.sort[1] == TCP:
        opening: Bool = rows.flags & (SYN | ACK) == SYN
        return opening
    there = rows.l4 + 12 < burst.at[rows.number] + burst.caplen[rows.number]
    init: Bool = (burst.buffer[rows.l4 + 12] == INIT) & there & (rows.sort[1] == SCTP)
    return init


def keys(address: U8, port: NDArray[np.integer]) -> U64:
    """Endpoints as 64-bit numbers."""
    words = np.ascontiguousarray(address).view(">u4").astype(np.uint64)
    mixed = words[:, 0]
    for n in range(1, words.shape[1]):
        mixed = mixed * np.uint64(ODD) + words[:, n]
    mixed = mixed << np.uint64(16) if words.shape[1] == 1 else mixed * np.uint64(ODD)
    key: U64 = np.bitwise_xor(mixed, port.astype(np.uint64), dtype=np.uint64)
    return key
