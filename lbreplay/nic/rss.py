"""Receive-side scaling: the Toeplitz hash and the indirection table (S 1.1, S 1.4, S 1.5).

The hash is linear over XOR, so a tuple is hashed by table look-ups, their results XORed: one table for every input byte
(the rows of a burst, loop/steer.py; one packet in plain Python, which is a microsecond or two), or for every two (a
column of tuples). A packet hashed over its addresses only is one whose ports are taken as 0.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from lbreplay.burst import KIND_NONE, KIND_SCTP
from lbreplay.model import Setup
from lbreplay.nic.profiles import PAIR, PROFILES, TAGGED, rss_key

if TYPE_CHECKING:
    from lbreplay.arrays import U8, U32

WIDTH4, WIDTH6 = 12, 36  # bytes of addresses and ports
TAG = 4  # bytes of an SCTP verification tag
KINDS = range(KIND_NONE, KIND_SCTP + 1)


def toeplitz(key: bytes, data: bytes) -> int:
    """The hash of *data* under *key*, bit by bit: the definition (S 1.1), for tests and for explaining."""
    bits = int.from_bytes(key + bytes(max(0, len(data) + 4 - len(key))))
    length = 8 * max(len(key), len(data) + 4)
    result = 0
    for i in range(8 * len(data)):
        if data[i // 8] >> (7 - i % 8) & 1:
            result ^= bits >> (length - 32 - i) & 0xFFFFFFFF
    return result


@lru_cache(maxsize=8)
def byte_tables(key: bytes, width: int) -> list[list[int]]:
    """The hash of every value of each of *width* input bytes; that of a tuple is its bytes' XOR."""
    bits, length = int.from_bytes(key + bytes(max(0, width + 4 - len(key)))), 8 * max(len(key), width + 4)
    of_bit = [bits >> (length - 32 - i) & 0xFFFFFFFF for i in range(8 * width)]  # of one that is set
    tables = []
    for byte in range(width):
        table = [0]
        for bit in reversed(of_bit[8 * byte : 8 * byte + 8]):
            table += [code ^ bit for code in table]
        tables.append(table)
    return tables


@lru_cache(maxsize=8)
def word_tables(key: bytes, width: int) -> list[U32]:
    """The same for pairs of bytes, indexed by the pair read as a little-endian word."""
    import numpy as np

    single = np.array(byte_tables(key, width), np.uint32)
    return [(single[i + 1][:, None] ^ single[i][None, :]).ravel() for i in range(0, width, 2)]


class Rss:
    """A port's RSS as configured: `inputs` by kind of packet, 0: it is not hashed; `reta`; hashes."""

    def __init__(self, setup: Setup) -> None:
        device = setup.device
        self.key = rss_key(device.driver, device.rss_key, setup.seed)
        self.reta = indirection(setup)
        classes = PROFILES[device.driver].inputs
        self.inputs = tuple(
            next((form for name, form in classes.get(kind, ()) if name in device.rss), 0) for kind in KINDS
        )
        self.tagged = self.inputs[KIND_SCTP] == TAGGED

    def hash_column(self, kind: U8, flow: U8) -> U32:
        """The hash of each row of *flow* (src, dst, sport, dport: 12 or 36 bytes in one piece), 0 for no hash."""
        import numpy as np

        words, inputs = flow.view("<u2"), np.array(self.inputs).take(kind)
        tables = word_tables(self.key, flow.shape[1])
        result = np.take(tables[-2], words[:, -2]) ^ np.take(tables[-1], words[:, -1])
        result *= inputs > PAIR
        for table, column in zip(tables[:-2], words.T, strict=False):
            result ^= np.take(table, column)
        result *= inputs > 0
        return result

    def hash_tag(self, width: int, tag: bytes) -> int:
        """What *tag*, behind *width* bytes of addresses and ports, adds to the hash of an SCTP packet."""
        result = 0
        for table, byte in zip(byte_tables(self.key, width + TAG)[width:], tag, strict=False):
            result ^= table[byte]
        return result

    def hash_flow(self, kind: int, src: bytes, sport: int, dst: bytes, dport: int) -> int | None:
        """The hash of one packet, None where the NIC computes none; an SCTP packet's without its tag."""
        form = self.inputs[kind]
        if not form:
            return None
        data = src + dst if form == PAIR else b"%b%b%b%b" % (src, dst, sport.to_bytes(2), dport.to_bytes(2))
        result = 0
        for table, byte in zip(byte_tables(self.key, 2 * len(src) + 4), data, strict=False):
            result ^= table[byte]
        return result


def indirection(setup: Setup) -> tuple[int, ...]:
    """The table: the configured queues repeated to its size, else the forwarding workers' queues in turn (S 1.5)."""
    queues = setup.device.reta or tuple(q for worker in setup.forwarding_workers for q in worker.queues) or (0,)
    return tuple(queues[i % len(queues)] for i in range(setup.device.reta_size))
