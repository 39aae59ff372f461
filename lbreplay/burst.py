"""A burst: some thousand frames of a capture as a table, one row a frame, one numpy column a fact.

A stage reads some columns and fills others; a column has one writer. `buffer` has the bytes, which are rewritten in
place. It is laid out as the records of a little-endian classic pcap in the resolution of the output (16 bytes of record
header, then the frame), so that runs of unchanged neighbours are written as slices.

Columns stand in a `Room`. Bursts of one capture are lent the same one after another, bytes and all, so that a stage
binds its columns once and nothing is allocated on the way; whoever keeps a burst has a `copy` of it.

    filled by the reader   buffer at caplen length time_ns, and told where somebody asks
    loop/parse             family proto l3 l4 flags simple ... (see Columns there)
    nic/steer              queue worker by hash reta
    dpvs/balancer          handle conn verdict owner translation
    loop/rewrite           the bytes of rows that leave; and `made` for frames that are not their row's bytes in place
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lbreplay.verdict import PENDING

RECORD = 16  # bytes of a pcap record header, before each frame in `buffer`
ROW_BITS = 20  # that number the rows of a burst
QUEUE_BITS = 8  # of a queue's number within its card: above them stands the card's, in column `queue`
PAD = 256  # bytes behind the last frame of `buffer`, of no meaning: an overlay of headers may read past a short frame

# What a NIC makes of a frame (S 1.4): the values of the column `kind`, filled by loop/parse, read by nic.
KIND_NONE = 0  # ARP, other ethertypes, double-tagged: not hashable
KIND_OTHER = 1  # other IP; IPv6 with any extension header too
KIND_FRAGMENT = 2  # of IPv4, the first one included
KIND_TCP = 3
KIND_UDP = 4
KIND_SCTP = 5

# By what a queue was chosen: the values of the column `by`, filled by nic/steer.
BY_DEFAULT = 0
BY_RSS = 1
BY_FLOW_DIRECTOR = 2

# What is wrong with the options beside a frame: bits of `Told.odd`.
ODD_LENGTH = 1  # one of them has not the length of its kind
ODD_ALGORITHM = 2  # a hash, and none of it is Toeplitz

U8 = NDArray[np.uint8]
U16 = NDArray[np.uint16]
U32 = NDArray[np.uint32]
U64 = NDArray[np.uint64]
I16 = NDArray[np.int16]
I32 = NDArray[np.int32]
I64 = NDArray[np.int64]
Bool = NDArray[np.bool_]


def distinct(column: NDArray[Any]) -> list[int]:
    """The different values of *column*, ascending: np.unique, which is slower and loads the masked arrays (6 ms)."""
    ordered = np.sort(column)
    found: list[int] = ordered[:1].tolist() + ordered[1:][ordered[1:] != ordered[:-1]].tolist()
    return found


def ascending(column: NDArray[Any]) -> I64:
    """The rows of a column of numbers from 0 to 2**40, by number and then by row: a stable argsort at a fifth of its
    cost, since numbers with their rows behind them are sorted as they are."""
    if len(column) >> ROW_BITS:
        return np.argsort(column, kind="stable")
    marked = column.astype(np.int64) << ROW_BITS | np.arange(len(column))
    marked.sort()
    return marked & ((1 << ROW_BITS) - 1)


def groups(column: NDArray[Any]) -> tuple[I64, I64]:
    """Of a column of numbers: the first row of each different one, ascending by number, and each row's place among
    them."""
    order = ascending(column)
    new = np.append(True, column[order[1:]] != column[order[:-1]])[: len(column)]
    place = np.empty(len(column), np.int64)
    place[order] = np.cumsum(new) - 1
    return order[new], place


def parted(column: NDArray[Any]) -> list[tuple[int, I64]]:
    """The different numbers of a column of small ones, ascending, each with its rows, ascending."""
    order, counts = ascending(column), np.bincount(column)
    numbers = np.flatnonzero(counts)
    stops = np.cumsum(counts[numbers]).tolist()
    starts = [0, *stops[:-1]]
    return [(number, order[at:stop]) for number, at, stop in zip(numbers.tolist(), starts, stops, strict=True)]


class Made(NamedTuple):
    """A frame that leaves and is not a row's bytes in place: rewritten in length, or the balancer's own.

    It is written before the row's own frame, in list order. `cause` is the number of the frame that made it leave,
    0 for what the balancer sends by itself. `worker` is the rank that sends it. `own`: counts as `generated`.
    """

    row: int
    time_ns: int
    frame: bytes
    length: int  # on the wire; larger than len(frame) where the capture cut it
    cause: int
    worker: int
    own: bool


class Received(Made):
    """A received frame as it came, written besides what leaves (`also.py`). It is nothing that anybody sends."""


class Told(NamedTuple):
    """What the capture itself says of received frames: the queue a card put them in, and its hash. One entry a row.

    -1 where it is not said. `direction` is 1 for received, 2 for sent, 0 where it is not said; `odd` has ODD_* bits.
    """

    queue: I64
    hash: I64
    direction: U8
    interface: I64  # a number for each interface of the file
    odd: U8

    def rows(self, some: slice | I64) -> Told:
        return Told._make(column[some] for column in self)


# column: its type, entries a row, the value that rows begin with (None: that of whoever fills it), and what its entries
# are read as by the loop, where that is another type
COLUMNS: tuple[tuple[str, Any, int, int | None, Any], ...] = (
    # the reader
    ("at", np.int64, 1, None, None), ("caplen", np.int64, 1, None, None), ("length", np.int64, 1, None, None),
    ("sent", np.int64, 1, None, None), ("time_ns", np.int64, 1, None, None),
    # loop/parse
    ("family", np.uint8, 1, None, None), ("proto", np.uint8, 1, None, None), ("kind", np.uint8, 1, None, None),
    ("flags", np.uint8, 1, None, None), ("simple", np.bool_, 1, None, np.uint8), ("ours", np.bool_, 1, None, np.uint8),
    ("l3_length", np.int32, 1, None, None), ("l4", np.int32, 1, None, None), ("header", np.int32, 1, None, None),
    ("seq", np.uint32, 1, None, None), ("ack", np.uint32, 1, None, None), ("tag", np.uint16, 1, None, None),
    ("flow4", np.uint8, 12, None, np.uint32), ("wide", np.uint8, 36, None, np.uint32),
    # nic/steer
    ("queue", np.int16, 1, None, None), ("worker", np.int16, 1, None, None), ("by", np.uint8, 1, None, None),
    ("hash", np.uint32, 1, None, None), ("reta", np.int16, 1, None, None), ("rule", np.int32, 1, None, None),
    # dpvs/balancer, ipvs/director
    ("verdict", np.uint8, 1, PENDING, None), ("leaving", np.bool_, 1, 0, np.uint8), ("own", np.bool_, 1, 0, np.uint8),
    ("worker_index", np.int16, 1, 0, None), ("lookup", np.uint8, 1, 0, None), ("owner", np.int16, 1, None, None),
    ("wrong_worker", np.bool_, 1, 0, np.uint8), ("redirected", np.int16, 1, -1, None),
    ("handle", np.int32, 1, -1, None), ("answer", np.bool_, 1, 0, np.uint8), ("opened", np.bool_, 1, 0, np.uint8),
    ("conn", np.int64, 1, 0, None), ("course", np.int32, 1, 0, None), ("ident", np.int32, 1, 0, None),
    ("mac", np.int32, 1, 0, None), ("fdata", np.uint32, 1, 0, None), ("delta", np.uint32, 1, 0, None),
    ("full", np.uint8, 1, 0, None), ("moved", np.uint32, 1, 0, None), ("scales", np.uint8, 1, 0, None),
    ("before", np.uint8, 1, 0, None), ("after", np.uint8, 1, None, None),
    ("service", np.int32, 1, None, None), ("reason", np.uint8, 1, 0, None),
)  # fmt: skip
NAMES = frozenset(name for name, *_ in COLUMNS)
# columns that begin with 0, and bytes of an entry: they stand in one piece, the widest first
ZEROS = {name: np.dtype(kind).itemsize for name, kind, _, value, _ in COLUMNS if value == 0}
ZEROS = dict(sorted(ZEROS.items(), key=lambda one: -one[1]))


class Room:
    """Memory for the columns of bursts of at most *rows* rows: `columns`, and `flat` has each as the loop reads it."""

    def __init__(self, rows: int) -> None:
        self.rows = rows
        self.flat: dict[str, memoryview] = {}
        self.columns: dict[str, NDArray[Any]] = {}
        self._zeros = np.empty(rows * sum(ZEROS.values()), np.uint8)
        at = dict(zip(ZEROS, np.cumsum([0, *ZEROS.values()]) * rows, strict=False))
        for name, kind, width, _, read_as in COLUMNS:
            zeros = self._zeros[at[name] : at[name] + rows * ZEROS[name]].view(kind) if name in ZEROS else None
            column = np.empty(rows * width, kind) if zeros is None else zeros
            self.flat[name] = column.view(read_as or kind).data
            self.columns[name] = column.reshape(rows, width) if width > 1 else column
        self._begun = [(self.columns[name], value) for name, _, _, value, _ in COLUMNS if value]
        self._bytes = [np.empty(0, np.uint8), np.empty(0, np.uint8)]

    def begin(self, size: int) -> None:
        """The first *size* rows of every column, if not more, are as rows begin."""
        self._zeros.fill(0)
        for column, value in self._begun:
            column[:size].fill(value)

    def bytes(self, size: int) -> U8:
        """Memory for the bytes of a burst, another one than was given last."""
        self._bytes.reverse()
        if len(self._bytes[0]) < size:
            self._bytes[0] = np.empty(size + size // 8, np.uint8)
        return self._bytes[0][:size]


class Burst:
    """Rows of consecutive frames; `first` is the number of row 0 in the capture, counted from 1.

    Columns have one entry a row unless said otherwise.
    """

    at: I64  # offset of each frame's first byte in buffer; its record header is the RECORD bytes before
    caplen: I64  # bytes that are there
    length: I64  # bytes on the wire
    sent: I64  # bytes on the wire of what leaves in place
    time_ns: I64  # never decreasing, over the whole capture
    verdict: U8
    leaving: Bool  # rows whose bytes leave in place

    # the reader, where it is asked to
    told: Told
    interface: I64  # of the capture, by number
    # loop/parse
    family: U8  # 4, 6 or 0
    proto: U8
    kind: U8  # KIND_*: what the NIC takes the packet for
    flags: U8  # of TCP
    l3_length: I32  # by the IP header
    l4: I32  # offset of the L4 header in the frame
    header: I32  # bytes of the TCP header, 8 of UDP
    seq: U32
    ack: U32
    flow4: U8  # [n, 12]: src, dst, sport, dport as on the wire
    wide: U8  # [n, 36] of IPv6: the same
    simple: Bool  # ordinary TCP or UDP: only its connection decides (loop/parse)
    ours: Bool  # sent to this host's MAC address
    tag: U16  # 1 + id of its VLAN device, 0: none
    # nic/steer
    queue: I16  # of several cards: with the card's number above it, -1: no way tells (nic/ports.py)
    worker: I16  # rank that received it, -1: a kernel worker's queue
    by: U8  # BY_*
    hash: U32
    reta: I16
    rule: I32
    # dpvs/balancer
    own: Bool  # the balancer sent it itself (view `lb`)
    worker_index: I16  # into setup.workers, -1: not received
    lookup: U8  # 0 none, 1 in, 2 out, 3 miss
    wrong_worker: Bool
    redirected: I16  # rank it was handed to, or -1
    owner: I16  # rank that handled it
    handle: I32  # connection and side of ordinary rows, -1: plain path
    answer: Bool  # of a virtual address, taken for its real server's (client view)
    opened: Bool  # ordinary rows that opened their connection
    conn: I64  # numbers of ordinary rows' connections
    course: I32  # profile ipvs: number and side of the course that they take (loop/entry.py)
    ident: I32  # profile ipvs: identification of the outer header that they get
    mac: I32  # what they leave with: entry of dpvs/links, ipvs/compile
    fdata: U32  # acknowledgement that asks for the client's address (D 5.4)
    delta: U32  # what sequence numbers move by
    full: U8  # dpvs/conn FULL_*
    moved: U32  # by how much a SYN proxy moves the real server's numbers
    scales: U8  # of windows behind it, of the real server << 4 | of what the client was told; 0: as they are
    # for who looks on: of connections' rows that the loop took
    before: U8  # states of their connections, before and behind them
    after: U8
    service: I32  # index into setup.services; profile ipvs: number of their course
    reason: U8  # number of what is told beside the verdict (Balancer.reasons)

    def __init__(
        self, first: int, buffer: U8, at: I64, caplen: I64, length: I64, time_ns: I64, room: Room | None = None
    ) -> None:
        """*room*: that the burst is lent, until the next one is."""
        self.first, self.buffer, self.size = first, buffer, len(at)
        self.room = Room(self.size) if room is None else room
        self.made: list[Made] = []  # by row, ascending
        self.room.begin(self.size)
        self.at[:], self.caplen[:], self.length[:], self.time_ns[:] = at, caplen, length, time_ns
        self.sent[:] = length

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> NDArray[Any]:
            """A column, cut out of the room when it is first asked for."""
            if name not in NAMES:
                raise AttributeError(name, name=name, obj=self)
            column = vars(self)[name] = self.room.columns[name][: self.size]
            return column

    @property
    def rows6(self) -> I64:
        """The IPv6 rows."""
        return np.flatnonzero(self.family == 6)

    @property
    def flow6(self) -> U8:
        """[len(rows6), 36] of IPv6: src, dst, sport, dport as on the wire."""
        return self.wide.take(self.rows6, 0)

    def copy(self) -> Burst:
        """The same, with memory of its own."""
        same = copy.copy(self)
        same.room, same.buffer, same.made = Room(self.size), self.buffer.copy(), self.made.copy()
        for name in NAMES:
            same.room.columns[name][:] = getattr(self, name)
            vars(same).pop(name, None)
        return same

    def wider(self, grown: int) -> U8:
        """Memory for all rows, each behind its record header, with *grown* bytes more in all; PAD behind."""
        return self.room.bytes(int(self.caplen.sum()) + RECORD * self.size + grown + PAD)

    def frame(self, row: int) -> bytes:
        """The captured bytes of *row* as they are in the buffer now."""
        at = int(self.at[row])
        return self.buffer[at : at + int(self.caplen[row])].tobytes()
