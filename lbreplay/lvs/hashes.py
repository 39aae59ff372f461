"""The hash functions whose values show in packets: which port bucket, which real server. Vectors: D 18.

Words are read as an x86 machine reads memory: a 32-bit field in network order taken as little endian (`native_words`).
Where DPVS converts to host order first, `fold` gives the number as written.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from struct import unpack

from lbreplay.loop.hashed import stirred

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


def ring_keys(name: str, count: int) -> array[int]:
    """conhash's H (D 10.3; loop/hashed.py) of NAME-000, NAME-001 and so on, *count* of them."""
    from hashlib import md5  # 3 ms to load

    text = name.encode() + b"-%03d"
    digests = (md5(text % number, usedforsecurity=False).digest() for number in range(count))
    return array("q", [stirred(sum(unpack("<4I", digest))) for digest in digests])
