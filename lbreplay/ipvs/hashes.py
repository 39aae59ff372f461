"""The hash of the kernel's connection table: client address, client port, protocol (L 6.1, vectors L 19)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from lbreplay.arrays import U64
from lbreplay.lvs.hashes import M32, jhash, native_port, native_words

GOLDEN = 0x9E3779B9


def lookup2(words: Sequence[int], seed: int = 0) -> int:
    """Bob Jenkins's hash of 1996 over three *words*, as kernels before 2.6.37 have it."""
    a, b, c = words[0] + GOLDEN & M32, words[1] + GOLDEN & M32, words[2] + seed & M32
    for first, second, third in ((13, 8, 13), (12, 16, 5), (3, 10, 15)):
        a = (a - b - c & M32) ^ c >> first
        b = (b - c - a & M32) ^ a << second & M32
        c = (c - a - b & M32) ^ b >> third
    return c


FUNCTIONS = {"lookup2": lookup2, "lookup3": jhash}


def conn_hash(proto: int, client: bytes, port: int, function: str, seed: int = 0) -> int:
    """The 32 bits from which a bucket is taken. An IPv6 address is hashed first, down to a word."""
    return FUNCTIONS[function]((client_word(client, seed), native_port(port), proto), seed)


def client_word(client: bytes, seed: int = 0) -> int:
    """What stands for a client's address in the hash."""
    words = native_words(client)
    return words[0] if len(words) == 1 else jhash(words, seed)


def conn_hashes(clients: U64, function: str) -> U64:
    """`conn_hash` of many, as `Entries.clients` has them. The functions are sums and shifts of 32 bits, which columns
    of 64 do as well."""
    low, high, port, proto, six = clients.T
    word, wide = low.copy(), np.flatnonzero(six)
    if wide.size:
        quarters: Any = [half[wide] >> shift & M32 for half in (low, high) for shift in (0, 32)]
        word[wide] = jhash(quarters)
    columns: Any = (word, port, proto)
    return np.asarray(FUNCTIONS[function](columns), np.uint64)
