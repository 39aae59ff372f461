"""Connections: what one holds (D 2.2), and the table of all of them.

A connection has two sides: 0 (IN) is what arrives from the client, 1 (OUT) what arrives from the real server. A
**handle** is `2 * slot + side`; it is found by the key of an arriving packet (loop/table.py, D 2.1). A `Conn` holds
what the plain path needs. What the loop needs of every connection stands in columns by slot or handle.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from lbreplay import memory
from lbreplay.loop.names import ANYBODY
from lbreplay.loop.slots import Slots
from lbreplay.loop.syn import Proxied
from lbreplay.loop.table import Table
from lbreplay.loop.ways import Way
from lbreplay.model import Endpoint
from lbreplay.wire.packet import flow_key

if TYPE_CHECKING:
    from lbreplay.dpvs.modes import Mode
    from lbreplay.dpvs.server import VirtualServer
    from lbreplay.loop.real import Dest

IN, OUT = 0, 1

# flags (D 2.3)
SYNPROXY, EXPIRE_QUIESCENT, INACTIVE, TEMPLATE, ONE_PACKET, NOFASTXMIT = 0x10, 0x20, 0x200, 0x400, 0x800, 0x4000

Macs = tuple[bytes, bytes]  # destination, source
NOBODY: Endpoint = Endpoint(b"", 0)


class Conn:
    """One connection (D 2.2). Its state, timeout and last use are in the table's columns."""

    __slots__ = (
        "client",
        "control",
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
        self.virtual = self.local = NOBODY
        self.client: Endpoint = NOBODY
        self.real: Endpoint = NOBODY
        self.in_key = self.out_key = b""
        self.isn = self.delta = self.fdata = 0
        self.has_isn = False
        self.in_macs: Macs | None = None  # with which IN packets leave on the fast path: learned from OUT packets
        self.out_macs: Macs | None = None
        self.in_seen: Macs | None = None  # the same for the slow path where no neighbour is configured (interface 2)
        self.out_seen: Macs | None = None
        self.uoa_left = -1  # datagrams that still carry the client's address; -1: none was due, or all is done
        self.control = False  # a template chose its real server
        self.proxy: Proxied | None = None  # SYN-proxy's own data
        self.reply: Any = None  # where the NIC sends its answers: nic.Steered, client view only

    @property
    def sp_delta(self) -> int:
        """By how much a SYN proxy moves the real server's numbers (D 6.3)."""
        return 0 if self.proxy is None else self.proxy.delta

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


MANY = 1 << 20  # slots


def key_of(proto: int, source: Endpoint, dest: Endpoint) -> bytes:
    return flow_key(proto, source.address, source.port, dest.address, dest.port)


Record = tuple[tuple[str, memory.Kind], ...]  # numbers one behind the other, by name, each aligned

# A connection's record, two cache lines: a line a side, which begins with the tuple of that side's packets (two words,
# loop/table.py) and an entry of MACs to leave with. The client's packets mostly ask for nothing of the second line.
RECORD: Record = (
    ("in_word0", "Q"), ("in_word1", "Q"), ("in_mac", "i"),
    ("dest", "i"), ("last_use", "q"), ("armed", "q"), ("number", "q"),
    ("fdata", "I"), ("delta", "I"), ("rank", "h"), ("limit", "h"),
    ("state", "B"), ("full", "B"), ("met", "B"), ("alive", "B"),
    ("out_word0", "Q"), ("out_word1", "Q"), ("out_mac", "i"),
    ("pair", "i"), ("rs_seq", "I"), ("rs_ack", "I"), ("timeout", "q"), ("look", "q"),
    ("home", "i"), ("home_hash", "I"), ("fraction", "i"), ("trail", "h"), ("spare", "h"),
)  # fmt: skip
MAC, LINE = 4, 16  # where among a line's 32-bit words the entry of MACs stands; how many there are
# What few packets ask for, or few connections have.
RARE: Record = (
    ("client", "i"), ("server", "i"), ("back", "i"), ("forth", "i"),
    ("control", "i"), ("controlled", "i"), ("isn", "I"),
)  # fmt: skip


def _width(record: Record) -> int:
    """Its 32-bit words."""
    return sum(memory.WIDTHS[kind] for _, kind in record) // 4


def _columns(records: memoryview, record: Record) -> dict[str, memoryview]:
    """Each number of *records*, by name."""
    octets, size, at = records.cast("B"), 4 * _width(record), 0
    columns = {}
    for name, kind in record:
        width = memory.WIDTHS[kind]
        columns[name] = octets.cast(kind)[at // width :: size // width]
        at += width
    return columns


class Templates:
    """Persistence templates by key (D 2.7): handles of the table are their slots, the newest of a key is the only one
    that is found."""

    def __init__(self, slots: ConnTable) -> None:
        self.table, self._slots = Table(shared=True), slots

    def get(self, key: bytes) -> Conn | None:
        """The template of *key*."""
        slot = self.table.get(key, ANYBODY)
        return None if slot is None else self._slots.conns[slot]

    def put(self, key: bytes, template: Conn) -> None:
        """*template* is found by *key* from now on, and what was found before no more."""
        older = self.table.get(key, ANYBODY)
        if older is not None:
            self.table.take(older, key)
            self._slots.control[older] = -1
        self.table.reach(template.slot)
        self.table.put(template.slot, key)

    def end(self, template: Conn) -> None:
        """*template* is over."""
        if self._slots.control[template.slot] == 0:
            self.table.take(template.slot, template.in_key)


class ConnTable(Slots):
    """Slots of connections with their columns (loop/slots.py), grown in steps.

    The columns are views of records: a packet of one of a million connections finds all of it in two neighbouring cache
    lines, which are fetched before its turn comes; columns by themselves took a line each. A connection is 156 bytes,
    with its places (loop/table.py) and its note (loop/timers.py) some 200. Records that no connection had yet are no
    memory yet, so there is room for a million once there are many: what is moved to a larger room costs.
    """

    def __init__(self, table: Table) -> None:
        super().__init__()
        self.conns = Conns(self)
        self.table = table  # of tuples
        self.revive: Callable[[int], Conn] = _nobody  # makes the Conn of a slot that the loop opened
        self.columns: dict[str, memoryview] = {}
        self._lines, self._rare = memory.zeros("I", 0), memory.zeros("I", 0)
        self._resize(1024)

    def grow(self) -> None:
        steps = 32 if self.capacity < MANY else 4
        self._resize(max(steps * self.capacity, self.used))

    def _resize(self, capacity: int) -> None:
        """Room for *capacity* slots."""
        lines = memory.grown(self._lines, 2 * LINE * capacity, memory.scattered)
        rare = memory.grown(self._rare, _width(RARE) * capacity)
        self._lines, self._rare, self.capacity = lines, rare, capacity
        self.columns = _columns(lines, RECORD) | _columns(rare, RARE) | {"mac": lines.cast("B").cast("i")[MAC::LINE]}
        for name, column in self.columns.items():
            setattr(self, name, column)
        self.point(self.columns)
        self.table.point(self.columns["rank"], lines.cast("B").cast("Q"), LINE // 2)

    def add(self, conn: Conn) -> int:
        """Give *conn* a slot and a number."""
        slot = self.take(conn.dest.id, conn.rank)
        conn.slot, conn.number = slot, self.created
        self.made[slot] = conn
        self.full[slot] = conn.mode.kind
        self.mac[2 * slot] = self.mac[2 * slot + 1] = -Way.UNLEARNED  # till `Links.refresh`
        return slot

    def free(self, conn: Conn) -> None:
        """Take *conn* out of its slot."""
        self.free_slot(conn.slot)

    def recycle(self) -> None:
        """The last burst has left: freed slots may be used again, with fresh columns."""
        if not self._freed.size:
            return
        self._freed.clear(self._lines, 2 * LINE)
        self._freed.clear(self._rare, _width(RARE))
        self._free.take(self._freed)


def _nobody(slot: int) -> Conn:
    raise AssertionError("the plain path opened every connection")


class Conns:
    """The connections by slot, as the plain path wants them; None where a slot is free."""

    def __init__(self, table: ConnTable) -> None:
        self._table = table

    def __getitem__(self, slot: int) -> Conn | None:
        table = self._table
        conn: Conn | None = table.made.get(slot)
        if conn is None and slot < table.used and table.alive[slot]:
            conn = table.made[slot] = table.revive(slot)
        return conn

    def __iter__(self) -> Iterator[Conn | None]:
        return (self[slot] for slot in range(self._table.used))
