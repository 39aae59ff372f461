"""The options of pcapng's packet blocks that say where a card put a frame: flags, hash, queue.

Written by dpdk-dumpcap and xdpdump, and by lbreplay itself. Options are read in lockstep, the first of all blocks, then
the second of all: most captures have the same ones beside each frame. Reference: draft-ietf-opsawg-pcapng 4.3
(epb_flags, epb_hash, epb_queue); DPDK's pcapng library for how it fills them.
"""

from __future__ import annotations

import numpy as np

from lbreplay.arrays import I64, U8
from lbreplay.burst import ODD_ALGORITHM, ODD_LENGTH, Told
from lbreplay.wire.fields import overlay

FLAGS, HASH, QUEUE = 2, 3, 6
SIZES = {FLAGS: 4, HASH: 5, QUEUE: 4}  # bytes of their values; other hashes are longer
TOEPLITZ = 5
DIRECTION = 3  # the bits of the flags that say received (1) or sent (2)
NEEDED = 12  # bytes read of an option: code, size, and as much of its value as any of them has


def read_told(chunk: U8, begins: I64, ends: I64, order: str, interface: I64) -> Told:
    """What the options between *begins* and *ends* of each block say. Of an option twice, the last counts."""
    count = len(begins)
    told = Told(
        np.full(count, -1, np.int64),
        np.full(count, -1, np.int64),
        np.zeros(count, np.uint8),
        interface,
        np.zeros(count, np.uint8),
    )
    view, at, rows = overlay(chunk, NEEDED), begins.copy(), np.flatnonzero(begins + 4 <= ends)
    while rows.size:
        option = view[at[rows]].view(np.uint8).reshape(-1, NEEDED)
        head = option[:, :4].view(order + "u2").astype(np.int64)
        code, size = head[:, 0], head[:, 1]
        whole = (code != 0) & (at[rows] + 4 + size <= ends[rows])
        _note(told, rows, option, np.where(whole, code, 0), size, order)
        at[rows] += 4 + (size + 3 & ~3)
        rows = rows[whole & (at[rows] + 4 <= ends[rows])]
    told.odd[told.hash >= 0] &= ~np.uint8(ODD_ALGORITHM)
    return told


def _note(told: Told, rows: I64, option: U8, code: I64, size: I64, order: str) -> None:
    """One option of each of *rows*; `code` 0 is none."""
    for known, right in SIZES.items():
        some = code == known
        if not some.any():
            continue
        fits = some & (size == right)
        if known == HASH:
            other = some & (size > 0) & (option[:, 4] != TOEPLITZ)
            told.odd[rows[other]] |= ODD_ALGORITHM
            fits, some = fits & ~other, some & ~other
            told.hash[rows[fits]] = option[fits, 5:9].view(order + "u4")[:, 0]
        else:
            value = option[fits, 4:8].view(order + "u4")[:, 0]
            if known == QUEUE:
                told.queue[rows[fits]] = value
            else:
                told.direction[rows[fits]] = value & DIRECTION
        told.odd[rows[some & ~fits]] |= ODD_LENGTH


def join_told(parts: list[Told]) -> Told | None:
    """The rows of several parts of a chunk."""
    return Told._make(np.concatenate(column) for column in zip(*parts, strict=True)) if parts else None
