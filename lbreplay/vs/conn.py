"""Connections: what one holds (D 2.2), and the table of all of them.

A connection has two sides: 0 (IN) is what arrives from the client, 1 (OUT) what arrives from the real server. A
**handle** is `2 * slot + side`; each worker's dict finds it by the key of an arriving packet (D 2.1). A `Conn` holds
what the plain path needs. What the columns need of every connection stands in numpy arrays by slot or handle, with
memoryviews of the same memory for the ordered loop, which reads single numbers.

The route cache is one array from a hash of the tuple to a handle. It may be stale or overwritten at any time: a row
believes it only after comparing its own tuple with the connection's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from lbreplay.burst import I64, U8, Bool
from lbreplay.model import Endpoint
from lbreplay.wire.packet import flow_key

if TYPE_CHECKING:
    from lbreplay.vs.forwarding import Mode
    from lbreplay.vs.server import Dest, VirtualServer

IN, OUT = 0, 1

# flags (D 2.3)
SYNPROXY, EXPIRE_QUIESCENT, INACTIVE, TEMPLATE, ONE_PACKET, NOFASTXMIT = 0x10, 0x20, 0x200, 0x400, 0x800, 0x4000

Macs = tuple[bytes, bytes]  # destination, source


class Conn:
    """One connection (D 2.2). Its state, timeout and last use are in the table's columns."""

    __slots__ = (
        "client",
        "control",
        "controlled",
        "delta",
        "dest",
        "fdata",
        "flags",
        "fraction_ns",
        "has_isn",
        "in_key",
        "in_macs",
        "in_seen",
        "isn",
        "local",
        "mode",
        "number",
        "out_key",
        "out_macs",
        "out_seen",
        "proto",
        "proxy",
        "rank",
        "real",
        "reply",
        "server",
        "slot",
        "sp_delta",
        "uoa_left",
        "virtual",
    )

    def __init__(self, proto: int, rank: int, server: VirtualServer, dest: Dest, mode: Mode, flags: int) -> None:
        self.slot = -1
        self.number = 0  # 1 for the first connection of the run
        self.proto = proto
        self.rank = rank  # of the worker that owns it
        self.server = server
        self.dest = dest
        self.mode = mode
        self.flags = flags | INACTIVE
        self.client = self.virtual = self.local = self.real = Endpoint(b"", 0)
        self.in_key = self.out_key = b""
        self.fraction_ns = 0  # the part of its timeouts below a second (D 2.5)
        self.isn = self.delta = self.fdata = self.sp_delta = 0
        self.has_isn = False
        self.in_macs: Macs | None = None  # with which IN packets leave on the fast path: learned from OUT packets
        self.out_macs: Macs | None = None
        self.in_seen: Macs | None = None  # the same for the slow path where no neighbour is configured (interface 2)
        self.out_seen: Macs | None = None
        self.uoa_left = -1  # datagrams that still carry the client's address; -1: none was due, or all is done
        self.control: Conn | None = None  # the template that chose its real server
        self.controlled = 0  # a template: connections it has
        self.proxy: Any = None  # SYN-proxy's or proxy protocol's own data
        self.reply: Any = None  # where the NIC sends its answers: nic.Steered, client view only

    def take_local(self, address: bytes, port: int) -> None:
        """Bind the local end; with the other three ends known this makes the keys of both sides."""
        self.local = Endpoint(address, port)
        self.in_key = key_of(self.proto, self.client, self.virtual)
        self.out_key = key_of(self.proto, self.real, self.local)

    def take_snat(self, remote: Endpoint, outside: Endpoint, inside: Endpoint) -> None:
        """Bind the ends of SNAT: its first packet goes out from *inside* to *remote*, and leaves as *outside*."""
        self.client = self.local = remote
        self.virtual, self.real = outside, inside
        self.in_key = key_of(self.proto, remote, outside)
        self.out_key = key_of(self.proto, inside, remote)

    def count(self, side: int, length: int) -> None:
        """A packet of *length* bytes of L3, as received; a real server with a rate limit counts nothing (D 13.1)."""
        dest = self.dest
        if not dest.available or 0 < self.server.service.limit_proportion < 100:
            return
        if side == IN:
            dest.inpkts += 1
            dest.inbytes += length
        else:
            dest.outpkts += 1
            dest.outbytes += length


def key_of(proto: int, source: Endpoint, dest: Endpoint) -> bytes:
    return flow_key(proto, source.address, source.port, dest.address, dest.port)


class ConnTable:
    """Slots of connections with their columns, grown by doubling.

    by slot    state u1, timeout i8 (ns), last_use i8 (ns), armed i8 (order of last use), rank i2, dest i4, number i8
    by handle  word0 word1 u8 (the IPv4 tuple, or two hashes of the IPv6 one), translation i4 (-1: plain path)
    """

    def __init__(self) -> None:
        self.conns: list[Conn | None] = []
        self._free: list[int] = []
        self.live = 0
        self.created = 0
        self._resize(1024)

    def _resize(self, capacity: int) -> None:
        def grown(name: str, size: int, dtype: Any, fill: int) -> Any:
            column = np.full(size, fill, dtype)
            old = getattr(self, name, None)
            if old is not None:
                column[: len(old)] = old
            return column

        self.capacity = capacity
        self.states: U8 = grown("states", capacity, np.uint8, 0)
        self.timeouts: I64 = grown("timeouts", capacity, np.int64, 0)
        self.last_uses: I64 = grown("last_uses", capacity, np.int64, 0)
        self.armeds: I64 = grown("armeds", capacity, np.int64, 0)
        self.ranks = grown("ranks", capacity, np.int16, -1)
        self.dests = grown("dests", capacity, np.int32, -1)
        self.numbers: I64 = grown("numbers", capacity, np.int64, 0)
        self.word0 = grown("word0", 2 * capacity, np.uint64, 0)
        self.word1 = grown("word1", 2 * capacity, np.uint64, 0)
        self.translations = grown("translations", 2 * capacity, np.int32, -1)
        self.mark: I64 = grown("mark", capacity, np.int64, 0)
        self.rs_seqs = grown("rs_seqs", capacity, np.uint32, 0)
        self.rs_acks = grown("rs_acks", capacity, np.uint32, 0)
        self.state, self.timeout = memoryview(self.states), memoryview(self.timeouts)
        self.last_use, self.armed = memoryview(self.last_uses), memoryview(self.armeds)
        self.translation = memoryview(self.translations)
        self.rs_seq, self.rs_ack = memoryview(self.rs_seqs), memoryview(self.rs_acks)
        self.cache = np.zeros(1 << max(16, (8 * capacity).bit_length()), np.int32)
        self._cache_bits = self.cache.size.bit_length() - 1

    def add(self, conn: Conn) -> int:
        """Give *conn* a slot and a number; its columns are fresh."""
        self.created += 1
        conn.number = self.created
        if self._free:
            slot = self._free.pop()
            self.conns[slot] = conn
        else:
            slot = len(self.conns)
            if slot == self.capacity:
                self._resize(2 * slot)
            self.conns.append(conn)
        self.live += 1
        conn.slot = slot
        self.state[slot] = self.rs_seq[slot] = self.rs_ack[slot] = 0
        self.ranks[slot] = conn.rank
        self.dests[slot] = conn.dest.id
        self.numbers[slot] = conn.number
        return slot

    def free(self, conn: Conn) -> None:
        """Take *conn* out of its slot."""
        slot = conn.slot
        self.conns[slot] = None
        self.ranks[slot] = -1
        self.translation[2 * slot] = self.translation[2 * slot + 1] = -1
        self._free.append(slot)
        self.live -= 1
