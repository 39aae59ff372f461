"""The hash functions whose values show in packets: which port bucket, which real server. Vectors: D 18.

Words are read as an x86 machine reads memory: a 32-bit field in network order taken as little endian (`native_words`).
Where DPVS converts to host order first, `fold` gives the number as written.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from struct import unpack
from typing import Any

import numpy as np

from lbreplay.burst import I64
from lbreplay.loop.hashed import MD5_ADDED, MD5_START, MD5_TURNS, MD5_WORDS

M32, M64 = 0xFFFFFFFF, 0xFFFFFFFFFFFFFFFF


def native_words(address: bytes) -> tuple[int, ...]:
    """The 32-bit words of *address* (4 or 16 bytes) as a little-endian machine loads them."""
    return unpack(f"<{len(address) // 4}I", address)


def native_port(port: int) -> int:
    """*port* in network order, loaded as a little-endian 16-bit number: 80 gives 20480."""
    return (port & 0xFF) << 8 | port >> 8


def xor(words: Iterable[int]) -> int:
    """All *words* combined by exclusive or."""
    result = 0
    for word in words:
        result ^= word
    return result


def fold(address: bytes) -> int:
    """An address as one 32-bit number in host order: the IPv4 word, or the XOR of the four IPv6 words (D 10.1)."""
    return xor(unpack(f">{len(address) // 4}I", address))


def _rotate32(value: int, count: int) -> int:
    return (value << count | value >> 32 - count) & M32


def _jhash_mix(a: int, b: int, c: int) -> tuple[int, int, int]:
    for count in (4, 6, 8, 16, 19, 4):
        a = (a - c & M32) ^ _rotate32(c, count)
        c = c + b & M32
        a, b, c = b, c, a
    return a, b, c


def _jhash_final(a: int, b: int, c: int) -> int:
    for count in (14, 11, 25, 16, 4, 14, 24):
        c = (c ^ b) - _rotate32(b, count) & M32
        a, b, c = b, c, a
    return b


def jhash(words: Sequence[int], seed: int = 0) -> int:
    """Bob Jenkins's lookup3 over 32-bit *words* (D 2.1); three words or less take only the final mix."""
    a = b = c = 0xDEADBEEF + 4 * len(words) + seed & M32
    at = 0
    while len(words) - at > 3:
        a, b, c = _jhash_mix(a + words[at] & M32, b + words[at + 1] & M32, c + words[at + 2] & M32)
        at += 3
    x, y, z = (*words[at:], 0, 0, 0)[:3]
    return _jhash_final(a + x & M32, b + y & M32, c + z & M32)


def conn_hash(src: bytes, sport: int, dst: bytes, dport: int, seed: int = 0) -> int:
    """The hash of a connection's bucket (D 2.1). IPv4 puts the ports last, IPv6 first."""
    ports = (native_port(sport) << 16 | native_port(dport),)
    words = native_words(src) + native_words(dst)
    return jhash(words + ports if len(src) == 4 else ports + words, seed)


def ring_keys(name: str, count: int) -> I64:
    """conhash's H (D 10.3; loop/hashed.py) of NAME-000, NAME-001 and so on, *count* of them, by columns: a
    weight of 32767 makes five million, in a second instead of fifteen."""
    parts = [_stirred(_md5_sums(words)).view(np.int64) for words in _numbered(name.encode() + b"-", count)]
    return np.concatenate(parts) if parts else np.zeros(0, np.int64)


def _stirred(a: Any) -> Any:
    """The mixing of H, of a column of the sums of the four words of an MD5; step by step as loop/hashed.py has it."""
    a = a + 0x7ED55D16 + (a << 12) & M64
    a = a ^ 0xC761C23C ^ a >> 19
    a = a + 0x165667B1 + (a << 5) & M64
    a = (a + 0xD3A2646C ^ a << 9) & M64
    a = a + 0xFD7046C5 + (a << 3) & M64
    a = a ^ 0xB55A4F09 ^ a >> 16
    return a * 3221225473 & M64


# MD5 by columns, of messages of one block: 64 steps, in four rounds of another function each.
BLOCKS = 1 << 14  # at once: what they need stays in the cache
MD5_MIXED: tuple[Any, ...] = (
    lambda b, c, d: ((c ^ d) & b) ^ d,
    lambda b, c, d: ((b ^ c) & d) ^ c,
    lambda b, c, d: b ^ c ^ d,
    lambda b, c, d: c ^ (b | ~d),
)


def _numbered(text: bytes, count: int) -> Iterator[Any]:
    """MD5's blocks of *text* and a number of at least three digits, from 0, as rows of sixteen words."""
    start = 0
    while start < count:
        digits = max(3, len(str(start)))
        stop = min(count, start + BLOCKS, 10**digits)
        blocks = np.zeros((stop - start, 64), np.uint8)
        size = len(text) + digits
        blocks[:, : len(text)] = np.frombuffer(text, np.uint8)
        for place in range(digits):
            blocks[:, size - 1 - place] = np.arange(start, stop) // 10**place % 10 + ord("0")
        blocks[:, size] = 0x80
        blocks[:, 56:58] = np.frombuffer((8 * size).to_bytes(2, "little"), np.uint8)
        yield np.ascontiguousarray(blocks.view("<u4").T)
        start = stop


def _md5_sums(words: Any) -> Any:
    """The sums of the four words of the MD5s of some blocks."""
    a, b, c, d = (np.full(words.shape[1], word, np.uint32) for word in MD5_START)
    for step, added in enumerate(map(np.uint32, MD5_ADDED)):
        factor, offset = MD5_WORDS[step // 16]
        turn = MD5_TURNS[step // 16][step % 4]
        mixed = MD5_MIXED[step // 16](b, c, d) + (a + words[(factor * step + offset) % 16] + added)
        a, b, c, d = d, b + (mixed << np.uint32(turn) | mixed >> np.uint32(32 - turn)), b, c
    ends = zip((a, b, c, d), MD5_START, strict=True)
    return sum((word + np.uint32(start)).astype(np.uint64) for word, start in ends)
