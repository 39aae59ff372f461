"""Which slave of a bond a frame takes: DPDK's transmit policies (S 3.7; drivers/net/bonding, burst_xmit_*_hash).

    layer2      the two MAC addresses
    layer2+3    those and the two IP addresses
    layer3+4    IP addresses, and the ports of unfragmented TCP and UDP

Everything is XORed, as words of a little-endian machine, and folded; the rest of a division by the number of slaves is
the slave's place. DPVS asks for none, so layer2 is what it has. A switch on the other side is taken to do the same.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lbreplay.arrays import I64, U8
from lbreplay.burst import KIND_TCP, KIND_UDP, Burst
from lbreplay.model import Bond

IN_TURN, ACTIVE_BACKUP, BALANCE, BROADCAST, LACP, BY_LOAD, BY_LOAD_BOTH = range(7)
HASHED = (BALANCE, LACP)
FLOW4 = 12  # bytes of addresses and ports


def link_hash(macs: U8) -> I64:
    """Of rows of the two MAC addresses (u1[n, 12]): their 16-bit words, XORed."""
    words = np.ascontiguousarray(macs).view("<u2")
    return _xored(words)


def address_hash(flow: U8) -> I64:
    """Of rows of source, destination and both ports (12 or 36 bytes): the 32-bit words of the addresses, XORed."""
    words = np.ascontiguousarray(flow[:, :-4]).view("<u4")
    return _xored(words)


def port_hash(flow: U8) -> I64:
    """Of the same rows: the two ports, XORed."""
    return _xored(np.ascontiguousarray(flow[:, -4:]).view("<u2"))


def _xored(words: NDArray[Any]) -> I64:
    return np.asarray(np.bitwise_xor.reduce(words, axis=1), np.int64)


def folded(code: I64, slaves: int, policy: str) -> I64:
    """The place of a slave for each hash."""
    if policy != "layer2":
        code = code ^ (code >> 16)
    return (code ^ (code >> 8)) % slaves


def slaves_of(bond: Bond, macs: U8, kind: U8, flow4: U8, rows6: I64, flow6: U8) -> I64:
    """The slave that each row takes by the policy; *flow4* has a row for each, *flow6* one for each of *rows6*."""
    code = link_hash(macs) if bond.hash != "layer3+4" else np.zeros(len(macs), np.int64)
    if bond.hash != "layer2":
        three = address_hash(flow4)
        three[rows6] = address_hash(flow6)
        code ^= three
    if bond.hash == "layer3+4":
        four = port_hash(flow4)
        four[rows6] = port_hash(flow6)
        code ^= np.where((kind == KIND_TCP) | (kind == KIND_UDP), four, 0)
    return folded(code, len(bond.cards), bond.hash)


def received_by(bond: Bond, burst: Burst, rows: I64, macs: U8) -> I64:
    """The slave that each of *rows* comes in on: in mode 1 the primary alone receives."""
    if bond.mode == ACTIVE_BACKUP:
        return np.full(len(rows), bond.primary, np.int64)
    wide = np.flatnonzero(burst.family[rows] == 6)
    flow6 = burst.wide[rows[wide]]
    return slaves_of(bond, macs, burst.kind[rows], burst.flow4[rows], wide, flow6)


def slave_of(bond: Bond, macs: bytes, kind: int, flow: bytes) -> int:
    """The slave that one frame takes by the policy, or the primary where it alone receives."""
    if bond.mode == ACTIVE_BACKUP:
        return bond.primary
    row = np.frombuffer(flow, np.uint8)[None, :]
    six = len(flow) != FLOW4
    four, wide = np.zeros((1, FLOW4), np.uint8) if six else row, np.zeros(int(six), np.int64)
    link = np.frombuffer(macs, np.uint8)[None, :]
    found = slaves_of(bond, link, np.array([kind], np.uint8), four, wide, row[: int(six)])
    return int(found[0])
