"""Connections: what one holds (D 2.2), and the table of all of them.

A connection has two sides: 0 (IN) is what arrives from the client, 1 (OUT) what arrives from the real server. A
**handle** is `2 * slot + side`; it is found by the key of an arriving packet (`index.py`, D 2.1). A `Conn` holds
what the plain path needs. What the columns need of every connection stands in numpy arrays by slot or handle, with
memoryviews of the same memory for the ordered loop, which reads single numbers.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from lbreplay.burst import I64, Bool
from lbreplay.model import Endpoint
from lbreplay.vs.index import BORN, UNBORN
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


LINE = 64  # bytes of a cache line
NOBODY = Endpoint(b"", 0)


def key_of(proto: int, source: Endpoint, dest: Endpoint) -> bytes:
    return flow_key(proto, source.address, source.port, dest.address, dest.port)


COLUMNS: tuple[tuple[str, Any], ...] = (
    # what every packet asks for: one cache line
    ("last_use", np.int64), ("timeout", np.int64), ("armed", np.int64),
    ("dest", np.int32), ("home", np.int32), ("fdata", np.uint32), ("delta", np.uint32),
    ("rs_seq", np.uint32), ("rs_ack", np.uint32), ("mark", np.int32), ("rank", np.int16), ("limit", np.int16),
    ("state", np.uint8), ("full", np.uint8), ("met", np.uint8), ("watched", np.uint8), ("alive", np.uint8),
    # the rest: another
    ("number", np.int64), ("opener", np.int32), ("fraction", np.int32), ("client", np.int32),
    ("still", np.int32), ("home_hash", np.uint32),
)  # fmt: skip
PACKED = np.dtype(list(COLUMNS), align=True)
RECORD = np.dtype([("columns", PACKED), ("rest", np.void, -PACKED.itemsize % LINE)])


class ConnTable:
    """Slots of connections with their columns, grown in steps. A freed slot is used again after its burst only.

    The columns are strided views of one array of records: a packet of one of a million connections finds all of it in
    one cache line, where columns by themselves took a line each (0.50 to 0.39 microseconds a frame).

    by slot      alive u1 (0 free, BORN, UNBORN: its row is still to come), state u1, timeout last_use i8 (ns),
                 armed i8 (order of last use), rank i2, dest i4, number i8, opener i4 (its number; 0: the plain path),
                 delta u4, fdata u4 (sequence delta, first data byte: D 5.4), full u1 (FULL_*),
                 met u1 (the real server's side was heard of), rs_seq rs_ack u4 (D 5.5 a),
                 watched u1 (its service counts active connections: changes of state stay in order),
                 limit i2 (row of the machine's table of timeouts),
                 fraction i4 (ns of its timeouts below a second, D 2.5),
                 mark i4 (segment in which rows of it waited), still i4 (the same, of one watched that keeps its state),
                 client i4 (entry of vs/links that the client's frames told; connections without a Conn),
                 home i4, home_hash u4 (where the NIC sends its answers: entry of vs/links; client view)
    by handle    mac i4 (entry of the link table the side's packets leave with; -1: plain path)

    `made` has the Conn of each slot that somebody asked for one. `openers` are by number.
    """

    alive: Any
    state: Any
    timeout: Any
    last_use: Any
    armed: Any
    rank: Any
    dest: Any
    number: Any
    opener: Any
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
        self.made: dict[int, Conn] = {}
        self.openers: list[Opener | None] = [None]
        self.columns: dict[str, Any] = {"mac": np.zeros(0, np.int32)}  # the attributes are memoryviews of them
        self._records = _records(0)
        self._free: list[int] = []
        self._freed: list[int] = []
        self.used = 0  # slots that ever had a connection
        self.live = 0
        self.created = 0
        self.capacity = 0
        self._grow(1024)

    def _grow(self, capacity: int) -> None:
        """Room for *capacity* slots."""
        records, macs = _records(capacity), np.zeros(2 * capacity, np.int32)
        records[: self.capacity], macs[: 2 * self.capacity] = self._records, self.columns["mac"]
        self._records, self.capacity = records, capacity
        self.columns = {name: records.view(RECORD)["columns"][name] for name, _ in COLUMNS} | {"mac": macs}
        for name, column in self.columns.items():
            setattr(self, name, memoryview(column))

    def take(self, dest: int, rank: int) -> int:
        """A slot and a number for a new connection; its other columns are 0."""
        slot = self._free.pop() if self._free else int(self._fresh(1)[0])
        self.live += 1
        self.created += 1
        self.alive[slot], self.dest[slot], self.rank[slot], self.number[slot] = BORN, dest, rank, self.created
        return slot

    def take_many(self, count: int, **columns: Any) -> I64:
        """Slots for new connections with these columns, all at once: half the time of column by column.

        They are born, and get their numbers, when they are entered.
        """
        self.live += count
        again = min(count, len(self._free))
        slots = np.array(self._free[len(self._free) - again :], np.int64)
        del self._free[len(self._free) - again :]
        slots = np.concatenate([slots, self._fresh(count - again)])
        made = np.zeros(count, RECORD)
        for name, values in (columns | {"alive": UNBORN}).items():
            made["columns"][name] = values
        self._records[slots] = made.view(self._records.dtype)
        return slots

    def _fresh(self, count: int) -> I64:
        """Slots that nobody had."""
        start, self.used = self.used, self.used + count
        if self.used > self.capacity:
            self._grow(max(8 * self.capacity, self.used))  # what is not used is not touched
        return np.arange(start, self.used)

    def bear(self, slot: int) -> None:
        """A connection is entered now: it is found, and has the next number."""
        self.created += 1
        self.alive[slot], self.number[slot] = BORN, self.created

    def bear_many(self, slots: I64) -> None:
        """The same for many, in their order."""
        self.columns["alive"][slots] = BORN
        self.columns["number"][slots] = np.arange(self.created + 1, self.created + 1 + len(slots))
        self.created += len(slots)

    def deadlines(self, slots: Any) -> I64:
        """When connections expire, if nothing comes: last use and timeout, in ns."""
        return np.asarray(self.columns["last_use"][slots] + self.columns["timeout"][slots])

    def opener_of(self, slot: int) -> Opener:
        """Who opened a connection that nobody asked for a Conn yet."""
        opener: Opener | None = self.openers[self.opener[slot]]
        assert opener is not None, "a live slot has a Conn or an opener"
        return opener

    def bare(self, slots: Any) -> Bool:
        """Which of *slots* have no Conn, as most have none."""
        made = self.made
        return np.array([slot not in made for slot in slots.tolist()], np.bool_) if made else np.ones(len(slots), bool)

    def add(self, conn: Conn) -> int:
        """Give *conn* a slot and a number."""
        slot = self.take(conn.dest.id, conn.rank)
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
        self.made.pop(slot, None)
        self._freed.append(slot)
        self.live -= 1

    def free_many(self, slots: I64) -> None:
        """The same for slots without a Conn."""
        self.columns["alive"][slots] = 0
        self._freed += slots.tolist()
        self.live -= len(slots)

    def recycle(self) -> None:
        """The burst is over: freed slots may be used again, with fresh columns."""
        if not self._freed:
            return
        freed = np.array(self._freed)
        self._records[freed] = np.void(bytes(RECORD.itemsize))
        self.columns["mac"][2 * freed] = self.columns["mac"][2 * freed + 1] = 0
        self._free.extend(self._freed)
        self._freed.clear()


def _records(count: int) -> Any:
    """As many records, all 0, each in cache lines of its own."""
    memory = np.zeros(count * RECORD.itemsize + LINE, np.uint8)
    start = -memory.ctypes.data % LINE
    return memory[start : start + count * RECORD.itemsize].view((np.void, RECORD.itemsize))


class Conns:
    """The connections by slot, as the plain path wants them; None where a slot is free."""

    def __init__(self, table: ConnTable) -> None:
        self._table = table

    def __getitem__(self, slot: int) -> Conn | None:
        table = self._table
        conn = table.made.get(slot)
        if conn is None and slot < table.used and table.alive[slot]:
            conn = table.made[slot] = table.opener_of(slot).revive(slot)
        return conn

    def __iter__(self) -> Iterator[Conn | None]:
        return (self[slot] for slot in range(self._table.used))
