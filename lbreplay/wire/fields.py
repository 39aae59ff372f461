"""Header fields by offset: gather from rows of bytes, put back.

An *overlay* reads the buffer as overlapping records of `size` bytes, one at every offset, so that gathering and
scattering a block of each frame is one fancy index: 6 ns a row for 70 bytes, where an index matrix takes 80 to 100.
The buffer's padding (`burst.PAD`) makes reading past a short frame safe; lengths are tested before bytes are trusted.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lbreplay.burst import U8, U16, U32

HEADER = 74  # Ethernet, IPv6 and a TCP header


def overlay(buffer: U8, size: int) -> NDArray[Any]:
    """*buffer* as records of *size* bytes at every offset; index it with offsets, assign through it to put back."""
    return np.ndarray((len(buffer) - size + 1,), np.dtype((np.void, size)), buffer, strides=(1,))


def be16(head: U8, at: int) -> U16:
    """Big-endian 16-bit field at column *at* of rows of bytes, as native integers."""
    wide: Any = head[:, at].astype(np.uint16)
    return np.asarray((wide << 8) | head[:, at + 1])


def be32(head: U8, at: int) -> U32:
    """Big-endian 32-bit field at column *at* of rows of bytes, as native integers."""
    high: Any = be16(head, at).astype(np.uint32)
    return np.asarray((high << 16) | be16(head, at + 2))
