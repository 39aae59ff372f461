"""A burst: some thousand frames of a capture as a table, one row a frame, one column a fact.

A stage reads some columns and fills others; a column has one writer. `data` has the bytes, which are rewritten in
place. It is laid out as the records of a little-endian classic pcap in the resolution of the output (16 bytes of record
header, then the frame), so that runs of unchanged neighbours are written as slices.

What is done to every frame reads columns as they stand in memory, `flat`, and `data`. Who works on many rows at once
has a column by its name, and `buffer`, as arrays of numpy, which is loaded by whoever asks for one first.

Columns stand in a `Room`. Bursts of one capture are lent the same one after another, bytes and all, so that a stage
binds its columns once and nothing is allocated on the way; whoever keeps a burst has a `copy` of it.

    filled by the reader   data at caplen length time_ns, and told where somebody asks
    loop/parse             family proto l3 l4 flags simple ... (see Columns there)
    nic/steer              queue worker by hash reta
    dpvs/balancer          handle conn verdict owner translation
    loop/rewrite           the bytes of rows that leave; and `made` for frames that are not their row's bytes in place
"""

from __future__ import annotations

import copy
from itertools import accumulate
from typing import TYPE_CHECKING, Any, NamedTuple

from lbreplay import memory
from lbreplay.verdict import PENDING

if TYPE_CHECKING:
    from lbreplay.arrays import I16, I32, I64, U8, U16, U32, Bool

RECORD = 16  # bytes of a pcap record header, before each frame in `buffer`
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


# column: its type and how many numbers a row (memory.py), the value that rows begin with (None: that of whoever fills
# it), and what it is read as by name, where that is another type
COLUMNS: tuple[tuple[str, memory.Kind, int, int | None, str], ...] = (
    # the reader
    ("at", "q", 1, None, ""), ("caplen", "q", 1, None, ""), ("length", "q", 1, None, ""), ("sent", "q", 1, None, ""),
    ("time_ns", "q", 1, None, ""),
    # loop/parse
    ("family", "B", 1, None, ""), ("proto", "B", 1, None, ""), ("kind", "B", 1, None, ""), ("flags", "B", 1, None, ""),
    ("simple", "B", 1, None, "?"), ("ours", "B", 1, None, "?"), ("l3_length", "i", 1, None, ""),
    ("l4", "i", 1, None, ""), ("header", "i", 1, None, ""), ("seq", "I", 1, None, ""), ("ack", "I", 1, None, ""),
    ("tag", "H", 1, None, ""), ("flow4", "I", 3, None, "B"), ("wide", "I", 9, None, "B"),
    # nic/steer
    ("queue", "h", 1, None, ""), ("worker", "h", 1, None, ""), ("by", "B", 1, None, ""), ("hash", "I", 1, None, ""),
    ("reta", "h", 1, None, ""), ("rule", "i", 1, None, ""),
    # dpvs/balancer, ipvs/director
    ("verdict", "B", 1, PENDING, ""), ("leaving", "B", 1, 0, "?"), ("own", "B", 1, 0, "?"),
    ("worker_index", "h", 1, 0, ""), ("lookup", "B", 1, 0, ""), ("owner", "h", 1, None, ""),
    ("wrong_worker", "B", 1, 0, "?"), ("redirected", "h", 1, -1, ""), ("handle", "i", 1, -1, ""),
    ("answer", "B", 1, 0, "?"), ("opened", "B", 1, 0, "?"), ("conn", "q", 1, 0, ""), ("course", "i", 1, 0, ""),
    ("ident", "i", 1, 0, ""), ("mac", "i", 1, 0, ""), ("fdata", "I", 1, 0, ""), ("delta", "I", 1, 0, ""),
    ("full", "B", 1, 0, ""), ("moved", "I", 1, 0, ""), ("scales", "B", 1, 0, ""), ("before", "B", 1, 0, ""),
    ("after", "B", 1, None, ""), ("service", "i", 1, None, ""), ("reason", "B", 1, 0, ""),
)  # fmt: skip
KINDS = {name: (kind, width, read_as or kind) for name, kind, width, _, read_as in COLUMNS}
# columns that begin with a value: they stand in one piece, the widest first, so that each has its numbers aligned
BEGUN = sorted(
    ((name, kind, value) for name, kind, _, value, _ in COLUMNS if value is not None),
    key=lambda one: -memory.WIDTHS[one[1]],
)


class Room:
    """Memory for the columns of bursts of at most *rows* rows: `flat` has each as compiled code reads it."""

    def __init__(self, rows: int) -> None:
        self.rows = max(rows, 1)
        self.flat: dict[str, memoryview] = {
            name: memory.zeros(kind, self.rows * width) for name, kind, width, value, _ in COLUMNS if value is None
        }
        self._new = b"".join(memory.full(kind, self.rows, value).tobytes() for _, kind, value in BEGUN)
        self._begun = memory.zeros("B", len(self._new))
        ends = accumulate(self.rows * memory.WIDTHS[kind] for _, kind, _ in BEGUN)
        for (name, kind, _), end in zip(BEGUN, ends, strict=True):
            self.flat[name] = self._begun[end - self.rows * memory.WIDTHS[kind] : end].cast(kind)
        self._bytes = [memory.zeros("B", 0), memory.zeros("B", 0)]

    def begin(self) -> None:
        """Every column is as rows begin."""
        self._begun[:] = self._new

    def bytes(self, size: int) -> memoryview:
        """Memory for the bytes of a burst, another one than was given last."""
        self._bytes.reverse()
        if len(self._bytes[0]) < size:
            self._bytes[0] = memory.zeros("B", size + size // 8)
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

    def __init__(self, first: int, data: memoryview, size: int, room: Room) -> None:
        """*size* rows in *room*, which the burst is lent until the next one is. Whoever makes it fills the reader's
        columns."""
        self.first, self.data, self.size, self.room = first, data, size, room
        self.flat = room.flat
        self.made: list[Made] = []  # by row, ascending
        room.begin()

    @classmethod
    def of(
        cls, first: int, buffer: U8, at: I64, caplen: I64, length: I64, time_ns: I64, room: Room | None = None
    ) -> Burst:
        """One of arrays."""
        made = cls(first, buffer.data, len(at), Room(len(at)) if room is None else room)
        made.at[:], made.caplen[:], made.length[:], made.time_ns[:] = at, caplen, length, time_ns
        made.sent[:] = length
        return made

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            """A column as an array, when it is first asked for."""
            if name not in KINDS:
                raise AttributeError(name, name=name, obj=self)
            import numpy as np

            kind, width, read_as = KINDS[name]
            column = np.asarray(self.flat[name])[: width * self.size].view(read_as)
            vars(self)[name] = column.reshape(self.size, width * memory.WIDTHS[kind]) if width > 1 else column
            return vars(self)[name]

    @property
    def buffer(self) -> U8:
        """`data` as an array."""
        import numpy as np

        return np.asarray(self.data)

    @property
    def rows6(self) -> I64:
        """The IPv6 rows."""
        import numpy as np

        return np.flatnonzero(self.family == 6)

    @property
    def flow6(self) -> U8:
        """[len(rows6), 36] of IPv6: src, dst, sport, dport as on the wire."""
        return self.wide.take(self.rows6, 0)

    def copy(self) -> Burst:
        """The same, with memory of its own."""
        same = copy.copy(self)
        same.room, same.data, same.made = Room(self.size), memoryview(bytearray(self.data)), self.made.copy()
        same.flat = same.room.flat
        for name, (_, width, _) in KINDS.items():
            same.flat[name][: width * self.size] = self.flat[name][: width * self.size]
            vars(same).pop(name, None)
        return same

    def wider(self, grown: int) -> memoryview:
        """Memory for all rows, each behind its record header, with *grown* bytes more in all; PAD behind."""
        return self.room.bytes(len(self.data) + grown)

    def frame(self, row: int) -> bytes:
        """The captured bytes of *row* as they are now."""
        at = self.flat["at"][row]
        return self.data[at : at + self.flat["caplen"][row]].tobytes()
