"""Connections: what one holds (D 2.2), and the table of all of them.

A connection has two sides: 0 (IN) is what arrives from the client, 1 (OUT) what arrives from the real server. A
**handle** is `2 * slot + side`; each worker's dict finds it by the key of an arriving packet (D 2.1). A `Conn` holds
what the plain path needs. What the columns need of every connection stands in numpy arrays by slot or handle, with
memoryviews of the same memory for the ordered loop, which reads single numbers.

The *route cache* is one array from a hash of a tuple to a handle. It may be stale or overwritten at any time: a row
believes it only after comparing its own tuple with the connection's, and asks the dict otherwise.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from lbreplay.burst import I32, I64, U8
from lbreplay.model import Endpoint
from lbreplay.wire.packet import flow_key

if TYPE_CHECKING:
    from lbreplay.vs.forwarding import Mode
    from lbreplay.vs.opener import Opener
    from lbreplay.vs.server import Dest, VirtualServer

IN, OUT = 0, 1

# flags (D 2.3)
SYNPROXY, EXPIRE_QUIESCENT, INACTIVE, TEMPLATE, ONE_PACKET, NOFASTXMIT = 0x10, 0x20, 0x200, 0x400, 0x800, 0x4000

Macs = tuple[bytes, bytes]  # destination, source
OTHER, FULL_TCP, FULL_UDP = 0, 1, 2  # column `full`: full NAT, whose tuples are unique while it lives


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
        self.client = self.virtual = self.local = self.real = NOBODY
        self.in_key = self.out_key = b""
        self.isn = self.delta = self.fdata = self.sp_delta = 0
        self.has_isn = False
        self.in_macs: Macs | None = None  # with which IN packets leave on the fast path: learned from OUT packets
        self.out_macs: Macs | None = None
        self.in_seen: Macs | None = None  # the same for the slow path where no neighbour is configured (interface 2)
        self.out_seen: Macs | None = None
        self.uoa_left = -1  # datagrams that still carry the client's address; -1: none was due, or all is done
        self.control: Conn | None = None  # the template that chose its real server
        self.controlled = 0  # a template: connections it has
        self.proxy: Any = None  # SYN-proxy's own data
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
        if not 0 < self.server.service.limit_proportion < 100:
            self.dest.count(side, 1, length)


NOBODY = Endpoint(b"", 0)


def key_of(proto: int, source: Endpoint, dest: Endpoint) -> bytes:
    return flow_key(proto, source.address, source.port, dest.address, dest.port)


class ConnTable:
    """Slots of connections with their columns, grown by doubling. A freed slot is used again after its burst only.

    by slot      state u1, timeout i8 (ns), last_use i8 (ns), armed i8 (order of last use), rank i2, dest i4, number i8,
                 delta u4, fdata u4 (sequence delta, first data byte: D 5.4), full u1 (FULL_*),
                 met u1 (the real server's side was heard of), rs_seq rs_ack u4 (D 5.5 a),
                 watched u1 (its service counts active connections: changes of state stay in order),
                 limit i2 (row of the machine's table of timeouts),
                 fraction i8 (ns of its timeouts below a second, D 2.5),
                 mark i4 (segment in which rows of it waited), still i4 (the same, of one watched that keeps its state),
                 client i4 (entry of vs/links that the client's frames told; connections without a Conn),
                 home i4, home_hash u4 (where the NIC sends its answers: entry of vs/links; client view)
    by handle    mac i4 (entry of the link table the side's packets leave with; -1: plain path)
    """

    COLUMNS = (
        ("state", 1, np.uint8),
        ("timeout", 1, np.int64),
        ("last_use", 1, np.int64),
        ("armed", 1, np.int64),
        ("rank", 1, np.int16),
        ("dest", 1, np.int32),
        ("number", 1, np.int64),
        ("delta", 1, np.uint32),
        ("fdata", 1, np.uint32),
        ("full", 1, np.uint8),
        ("met", 1, np.uint8),
        ("watched", 1, np.uint8),
        ("limit", 1, np.int16),
        ("mark", 1, np.int32),
        ("still", 1, np.int32),
        ("fraction", 1, np.int64),
        ("rs_seq", 1, np.uint32),
        ("rs_ack", 1, np.uint32),
        ("client", 1, np.int32),
        ("home", 1, np.int32),
        ("home_hash", 1, np.uint32),
        ("mac", 2, np.int32),
    )

    state: Any
    timeout: Any
    last_use: Any
    armed: Any
    rank: Any
    dest: Any
    number: Any
    delta: Any
    fdata: Any
    full: Any
    met: Any
    watched: Any
    limit: Any
    mark: Any
    still: Any
    fraction: Any
    rs_seq: Any
    rs_ack: Any
    client: Any
    home: Any
    home_hash: Any
    mac: Any

    def __init__(self) -> None:
        self.conns = Conns(self)
        self.made: list[Conn | None] = []
        self.openers: list[Opener | None] = []  # by slot: who opened it, where nobody asked for a Conn yet
        self.in_keys: list[bytes] = []
        self.out_keys: list[bytes] = []
        self.alive = bytearray()
        self.columns: dict[str, Any] = {}  # the arrays; the attributes are memoryviews of them
        self._free: list[int] = []
        self._freed: list[int] = []
        self.live = 0
        self.created = 0
        self.capacity = 0
        self._grow(1024)

    def _grow(self, capacity: int) -> None:
        for name, width, dtype in self.COLUMNS:
            column: Any = np.zeros(capacity * width, dtype)
            if self.capacity:
                column[: self.capacity * width] = self.columns[name]
            self.columns[name] = column
            setattr(self, name, memoryview(column))
        self.capacity = capacity

    def take(self, opener: Opener | None, in_key: bytes, out_key: bytes, dest: int, rank: int) -> int:
        """A slot and a number for a new connection; its other columns are 0."""
        self.created += 1
        self.live += 1
        if self._free:
            slot = self._free.pop()
            self.alive[slot] = 1
            self.openers[slot], self.in_keys[slot], self.out_keys[slot] = opener, in_key, out_key
        else:
            slot = len(self.alive)
            if slot == self.capacity:
                self._grow(2 * slot)
            self.alive.append(1)
            self.openers.append(opener)
            self.made.append(None)
            self.in_keys.append(in_key)
            self.out_keys.append(out_key)
        self.dest[slot], self.rank[slot], self.number[slot] = dest, rank, self.created
        return slot

    def take_many(self, opener: Opener, in_keys: list[bytes], out_keys: list[bytes]) -> I64:
        """Slots for new connections, which get their numbers when they are entered."""
        count = len(in_keys)
        self.live += count
        again = min(count, len(self._free))
        slots = [self._free.pop() for _ in range(again)]
        for slot, in_key, out_key in zip(slots, in_keys, out_keys, strict=False):
            self.alive[slot] = 1
            self.openers[slot], self.in_keys[slot], self.out_keys[slot] = opener, in_key, out_key
        start, more = len(self.alive), count - again
        while start + more > self.capacity:
            self._grow(2 * self.capacity)
        self.alive.extend(b"\1" * more)
        self.openers.extend([opener] * more)
        self.made.extend([None] * more)
        self.in_keys.extend(in_keys[again:])
        self.out_keys.extend(out_keys[again:])
        return np.array([*slots, *range(start, start + more)], np.int64)

    def number_slot(self, slot: int) -> None:
        """The next number for a connection that is entered now."""
        self.created += 1
        self.number[slot] = self.created

    def add(self, conn: Conn) -> int:
        """Give *conn* a slot and a number."""
        slot = self.take(None, conn.in_key, conn.out_key, conn.dest.id, conn.rank)
        conn.slot, conn.number = slot, self.created
        self.made[slot] = conn
        self.mac[2 * slot] = self.mac[2 * slot + 1] = -1
        return slot

    def free(self, conn: Conn) -> None:
        """Take *conn* out of its slot."""
        self.free_slot(conn.slot)

    def free_slot(self, slot: int) -> None:
        """Empty a slot. Its columns stay as they are until the burst is over: rows refer to them."""
        self.alive[slot] = 0
        self.made[slot] = self.openers[slot] = None
        self._freed.append(slot)
        self.live -= 1

    def recycle(self) -> None:
        """The burst is over: freed slots may be used again, with fresh columns."""
        if not self._freed:
            return
        freed = np.array(self._freed)
        for name, width, _ in self.COLUMNS:
            for side in range(width):
                self.columns[name][freed * width + side] = 0
        self._free.extend(self._freed)
        self._freed.clear()


class Conns:
    """The connections by slot, as the plain path wants them; None where a slot is free."""

    def __init__(self, table: ConnTable) -> None:
        self._table = table

    def __getitem__(self, slot: int) -> Conn | None:
        table = self._table
        conn = table.made[slot]
        if conn is None and table.alive[slot]:
            opener = table.openers[slot]
            assert opener is not None, "a live slot has a Conn or an opener"
            conn = table.made[slot] = opener.revive(slot)
        return conn

    def __iter__(self) -> Iterator[Conn | None]:
        return (self[slot] for slot in range(len(self._table.alive)))


class RouteCache:
    """Finds handles for many rows at once; see the head comment.

    A row's tuple is two 64-bit words: of IPv4 the tuple itself (addresses; ports, protocol), of IPv6 a mix of the
    addresses, which are compared in full besides (`wide`).
    """

    WORD0, WORD1 = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xC2B2AE3D27D4EB4F)
    MIX = np.array([0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB, 0xD6E8FEB86659FD93], np.uint64)
    DEAD = np.uint64(0xFFFFFFFFFFFFFFFF)

    def __init__(self) -> None:
        self._slots: list[int] = []  # of connections to take in at the next flush
        self._in_keys: list[bytes] = []
        self._out_keys: list[bytes] = []
        self._dead: list[int] = []
        self.word0 = self.word1 = np.zeros(0, np.uint64)
        self.ends: U8 = np.zeros((0, 12), np.uint8)  # the IPv4 tuple the side's packets leave with
        self.wide = np.zeros((0, 4), np.uint64)  # the IPv6 addresses it is found by
        self.ends6: U8 = np.zeros((0, 36), np.uint8)
        self._resize(2048)

    def _resize(self, handles: int) -> None:
        """Room for *handles*, and a cache with some two to four places for each."""
        self.word0, self.word1 = _grown(self.word0, handles, self.DEAD), _grown(self.word1, handles, self.DEAD)
        self.ends = _grown(self.ends, handles)
        if len(self.wide):
            self.wide, self.ends6 = _grown(self.wide, handles), _grown(self.ends6, handles)
        bits = max(16, (2 * handles).bit_length())
        self._shift = np.uint64(64 - bits)
        self._cache: I32 = np.zeros(1 << bits, np.int32)
        live = np.flatnonzero(self.word1 != self.DEAD)
        self._cache[self._place(self.word0[live], self.word1[live])] = live

    def enter(self, slot: int, in_key: bytes, out_key: bytes) -> None:
        """Remember a new connection; it is found from the next `flush` on. NAT64 is not: it never takes the columns."""
        if len(in_key) == len(out_key):
            self._slots.append(slot)
            self._in_keys.append(in_key)
            self._out_keys.append(out_key)

    def enter_many(self, slots: I64, in_keys: list[bytes], out_keys: list[bytes]) -> None:
        """`enter` for many."""
        self._slots += slots.tolist()
        self._in_keys += in_keys
        self._out_keys += out_keys

    def forget(self, slot: int) -> None:
        """Forget a connection at the next `flush`."""
        self._dead.append(slot)

    def flush(self) -> None:
        """Take in what was entered since, forget what ended."""
        if self._slots:
            slots, in_keys, out_keys = np.array(self._slots), self._in_keys, self._out_keys
            long = np.array([len(key) for key in in_keys])
            for width in (13, 37):
                same = np.flatnonzero(long == width)
                if len(same) == len(slots):
                    self._take(slots, in_keys, out_keys, width)
                elif len(same):
                    self._take(slots[same], [in_keys[i] for i in same], [out_keys[i] for i in same], width)
            self._slots, self._in_keys, self._out_keys = [], [], []
        if self._dead:
            dead = np.array(self._dead)
            dead = dead[2 * dead < len(self.word1)]
            self.word1[2 * dead] = self.word1[2 * dead + 1] = self.DEAD
            self._dead.clear()

    def _take(self, slots: I64, in_keys: list[bytes], out_keys: list[bytes], width: int) -> None:
        handles = np.concatenate([2 * slots, 2 * slots + 1])
        keys = np.frombuffer(b"".join(in_keys) + b"".join(out_keys), np.uint8).reshape(-1, width)
        if int(handles.max()) >= len(self.word0):
            self._resize(max(2 * len(self.word0), 2 << int(handles.max()).bit_length()))
        flows = np.ascontiguousarray(keys[:, 1:])
        leaving = np.roll(reversed_flows(flows), len(slots), 0)  # as the reverse of the other side
        if width == 13:
            word0, word1 = words4(flows, keys[:, 0])
            self.ends[handles] = leaving
        else:
            if not len(self.wide):  # the first IPv6 connection
                self.wide, self.ends6 = _grown(self.wide, len(self.word0)), _grown(self.ends6, len(self.word0))
            wide, word0, word1 = words6(flows, keys[:, 0])
            self.wide[handles], self.ends6[handles] = wide, leaving
        self.word0[handles], self.word1[handles] = word0, word1
        self._cache[self._place(word0, word1)] = handles

    def ends_of(self, handles: I32, family: int) -> U8:
        """The tuples that packets of *handles* leave with; of -1, or another family, anything."""
        ends = self.ends if family == 4 else self.ends6
        if not len(ends):  # no IPv6 connection yet
            return np.zeros((len(handles), ends.shape[1]), np.uint8)
        return ends.view(f"V{ends.shape[1]}")[handles].view(np.uint8)

    def _place(self, word0: Any, word1: Any) -> Any:
        mixed = word0 * self.WORD0 + word1 * self.WORD1
        return (mixed ^ (mixed >> np.uint64(29))) * self.WORD1 >> self._shift

    def find(self, flow4: U8, proto: U8, rows6: I64, flow6: U8) -> I32:
        """A handle for each row, or -1; *flow4* has a row for each, *flow6* one for each of *rows6*."""
        word0, word1 = words4(flow4, proto)
        if len(rows6):
            wide, word0[rows6], word1[rows6] = words6(flow6, proto[rows6])
        handles = self._cache[self._place(word0, word1)]
        known = (self.word0[handles] == word0) & (self.word1[handles] == word1)
        if len(rows6):
            known[rows6] &= len(self.wide) > 0 and (self.wide[handles[rows6]] == wide).all(1)
        return np.where(known, handles, np.int32(-1))


def _grown(column: Any, rows: int, fill: Any = 0) -> Any:
    """*column* with room for *rows*."""
    new = np.full((rows, *column.shape[1:]), fill, column.dtype)
    new[: len(column)] = column
    return new


def reversed_flows(flows: U8) -> U8:
    """Rows of (src, dst, sport, dport) with both ends exchanged."""
    width = (flows.shape[1] - 4) // 2
    return np.concatenate([flows[:, width:-4], flows[:, :width], flows[:, -2:], flows[:, -4:-2]], 1)


def words4(flow4: U8, proto: U8) -> tuple[Any, Any]:
    """The two words of IPv4 rows: their addresses; their ports and protocol."""
    words = flow4.view(np.uint32)
    word0 = words[:, 0].astype(np.uint64) | (words[:, 1].astype(np.uint64) << np.uint64(32))
    return word0, words[:, 2].astype(np.uint64) | (proto.astype(np.uint64) << np.uint64(32))


def words6(flow6: U8, proto: U8) -> tuple[Any, Any, Any]:
    """The addresses of IPv6 rows as four words, and their two words."""
    wide = np.ascontiguousarray(flow6[:, :32]).view(np.uint64)
    mixed = (wide * RouteCache.MIX).sum(1, dtype=np.uint64)
    ports = np.ascontiguousarray(flow6[:, 32:]).view(np.uint32)[:, 0]
    return wide, mixed, ports.astype(np.uint64) | (proto.astype(np.uint64) << np.uint64(32)) | np.uint64(6 << 40)
