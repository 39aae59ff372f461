"""Frames to columns: what the NIC and the balancer need to know of each row, for all rows at once.

Nothing is judged here but one thing: which rows are *simple*. A simple row is complete TCP or UDP over IPv4 without
options or IPv6 without extension headers that passes every input check of D 1.3 and D 1.4, so that
only its connection decides what becomes of it. Every other row takes the plain path (`wire/packet.py`, `stack/`),
which judges in DPVS's order and finds the name for what is wrong.

Columns filled here, one entry a row unless said:

    family u1   4, 6, 0            kind u1    KIND_*: what the NIC's hash sees (S 1.4)
    proto u1    L4 protocol        flags u1   TCP flags
    l3_length i4, l4 i2 (offset of L4 in the frame, 34 or 54 for simple rows), header u1 (TCP header bytes, 8 of UDP)
    seq ack u4
    flow4 u1[n,12]   src, dst, sport, dport as on the wire (IPv4 rows)
    rows6 i8[m], flow6 u1[m,36]    the IPv6 rows and theirs
    simple bool
    ours bool        sent to this host's MAC address
"""

from __future__ import annotations

from typing import Any

import numpy as np

from lbreplay.burst import (
    I32,
    I64,
    KIND_FRAGMENT,
    KIND_NONE,
    KIND_OTHER,
    KIND_SCTP,
    KIND_TCP,
    KIND_UDP,
    U8,
    Bool,
    Burst,
)
from lbreplay.wire.fields import HEADER, be16, be32, overlay

TCP, UDP, SCTP = 6, 17, 132
KIND_OF = np.full(256, KIND_OTHER, np.uint8)
KIND_OF[[TCP, UDP, SCTP]] = KIND_TCP, KIND_UDP, KIND_SCTP
NEEDED = np.zeros(256, np.int32)  # bytes of L4 header that carry the ports, and SCTP's verification tag
NEEDED[[TCP, UDP, SCTP]] = 4, 4, 8


def parse(burst: Burst, mac: bytes | None, check_ip_checksum: bool) -> None:
    """Fill the columns of *burst*. *mac*: of the port, None where every unicast frame is ours (interface 2)."""
    head = overlay(burst.buffer, HEADER)[burst.at].view(np.uint8).reshape(burst.size, HEADER)
    ours = (head[:, 0] & 1) == 0 if mac is None else (head[:, 0:6] == np.frombuffer(mac, np.uint8)).all(1)
    shift = _skip_tag(burst, head)
    there = burst.caplen - shift - 14  # captured bytes from L3 on
    ethertype = be16(head, 12)
    v4 = (ethertype == 0x0800) & (there >= 20) & (head[:, 14] >> 4 == 4) & (head[:, 14] & 15 >= 5)
    v6 = (ethertype == 0x86DD) & (there >= 40) & (head[:, 14] >> 4 == 6)
    burst.family = np.where(v4, 4, np.where(v6, 6, 0)).astype(np.uint8)
    burst.proto = np.where(v4, head[:, 23], np.where(v6, head[:, 20], 0)).astype(np.uint8)
    burst.l3_length = np.where(v6, be16(head, 18).astype(np.int32) + 40, be16(head, 16))
    l4 = np.where(v6, 54, 14 + (head[:, 14] & 15).astype(np.int32) * 4)
    burst.kind = _kind(burst, head, v4, v6, there + 14 - l4)
    _flows(burst, head, l4, shift)
    plain_header = (head[:, 14] == 0x45) | v6
    burst.l4 = l4
    _transport(burst, head, v6)
    burst.ours = ours
    burst.simple = plain_header & (shift == 0) & _sound(burst, head, v4, v6)
    if check_ip_checksum:
        burst.simple &= v6 | (_header_sum(head) == 0xFFFF)


def _skip_tag(burst: Burst, head: U8) -> I64:
    """Bytes of the 802.1Q tag per row (0 or 4); *head* is read again behind it."""
    tagged = (head[:, 12] == 0x81) & (head[:, 13] == 0)
    shift = np.zeros(burst.size, np.int64)
    rows = np.flatnonzero(tagged)
    if rows.size:
        shift[rows] = 4
        head[rows] = overlay(burst.buffer, HEADER)[burst.at[rows] + 4].view(np.uint8).reshape(rows.size, HEADER)
    return shift


def _kind(burst: Burst, head: U8, v4: Bool, v6: Bool, l4_there: I64) -> U8:
    """What the NIC takes each row for. Without ports to read a TCP or UDP packet is other IP."""
    kind = KIND_OF[burst.proto]
    kind[l4_there < NEEDED[burst.proto]] = KIND_OTHER
    kind[v4 & (be16(head, 20) & 0x3FFF != 0)] = KIND_FRAGMENT
    kind[~(v4 | v6)] = KIND_NONE
    return kind


def _flows(burst: Burst, head: U8, l4: I32, shift: I64) -> None:
    """Addresses and ports as they stand in the packet; ports 0 where the NIC sees none."""
    ported = burst.kind >= KIND_TCP
    burst.flow4 = np.ascontiguousarray(head[:, 26:38])
    burst.rows6 = np.flatnonzero(burst.family == 6)
    burst.flow6 = np.ascontiguousarray(head[burst.rows6, 22:58])
    burst.flow4[~ported, 8:] = 0
    burst.flow6[~ported[burst.rows6], 32:] = 0
    odd = np.flatnonzero(ported & (burst.family == 4) & (l4 != 34))
    if odd.size:  # IPv4 options before the ports
        ports = overlay(burst.buffer, 4)[burst.at[odd] + shift[odd] + l4[odd]]
        burst.flow4[odd, 8:] = ports.view(np.uint8).reshape(-1, 4)


def _transport(burst: Burst, head: U8, v6: Bool) -> None:
    """TCP fields of simple rows (meaningless on others)."""
    burst.seq, burst.ack = be32(head, 38), be32(head, 42)
    burst.flags = head[:, 47].copy()
    data_offset = head[:, 46] >> 4
    burst.udp_length = be16(head, 38).astype(np.int32)
    rows = burst.rows6
    if rows.size:
        wide = head[rows]
        burst.seq[rows], burst.ack[rows] = be32(wide, 58), be32(wide, 62)
        burst.flags[rows] = wide[:, 67]
        data_offset[rows] = wide[:, 66] >> 4
        burst.udp_length[rows] = be16(wide, 58)
    tcp = burst.proto == TCP
    burst.flags[~tcp] = 0
    burst.header = np.where(tcp, data_offset.astype(np.int32) * 4, 8)


def _sound(burst: Burst, head: U8, v4: Bool, v6: Bool) -> Any:
    """Rows whose lengths fit, whose addresses are ordinary, and whose L4 header is whole."""
    body = burst.l3_length - (burst.l4 - 14)
    tcp = (burst.kind == KIND_TCP) & (burst.header >= 20)
    udp = (burst.kind == KIND_UDP) & (burst.udp_length == body)
    whole = (burst.l3_length + 14 <= burst.caplen) & (burst.header <= body)
    ordinary = np.where(v6, (head[:, 22] != 0) & (head[:, 22] != 0xFF) & (head[:, 38] != 0) & (head[:, 38] != 0xFF), v4)
    return (tcp | udp) & whole & ordinary


def _header_sum(head: U8) -> Any:
    """Ones' complement sum of the 20-byte IPv4 headers: 0xffff where the checksum is right."""
    total = np.ascontiguousarray(head[:, 14:34]).view(">u2").sum(1, dtype=np.uint32)
    total = (total & 0xFFFF) + (total >> 16)
    return (total & 0xFFFF) + (total >> 16)
