"""What a pcapng OUT says beside each frame (interface 4): worker, queue, hash, verdict, and a comment for people.

    #17 worker 2 (flow director, port 1026 & 3 = 2) conn 5 out -> client: forwarded_fast

The comment reads from what came in to what left: the frame of IN, the worker that received it and why, its connection
and the direction, its verdict. A received frame has the same line, with `as received`. `explain` and `check` use the
line, less the verdict, for one frame. Rows that the loop took are annotated by their columns (loop/notes.py).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from lbreplay.arrays import U32, parted
from lbreplay.burst import BY_FLOW_DIRECTOR, BY_RSS, QUEUE_BITS, Burst, Made, Received
from lbreplay.dpvs.balancer import Balancer
from lbreplay.loop.notes import Notes
from lbreplay.nic.steer import Nic
from lbreplay.verdict import NAMES
from lbreplay.wire.capture import Note

if TYPE_CHECKING:
    from lbreplay.nic.ports import Ports

DIRECTIONS = ("in -> real server", "out -> client")  # by side
WORDS = (
    "#", " handed to worker ", " conn ", " new conn ", *(f" {direction}: " for direction in DIRECTIONS), " ",
    "; another worker has its connection", " not received", "worker ", "kernel worker", " (default queue", " (RSS 0x",
    " (flow director, port ", ", table entry ", ")",
)  # fmt: skip


class Told(NamedTuple):
    """What a comment says of a row beyond its columns. `port`: what the NIC's rules compared."""

    conn: int | None = None
    side: int = 0
    new: bool = False
    owner: int = -1  # that it was handed to
    port: int = 0
    hash: int | None = None  # where the column does not have it


class Annotator:
    """Annotates the frames that a replay writes; `attach` it to the engine before the first burst."""

    def attach(self, nic: Nic | Ports, balancer: Any) -> None:
        """Look on at *balancer*, the engine of either profile, which keeps the stories of odd rows from now on."""
        self._nic, self._balancer = nic, balancer
        if balancer.stories is None:
            balancer.stories = {}
        self._notes = self._learned()

    def _learned(self) -> Notes:
        """What writes rows of the loop, with the pieces that the setup says."""
        notes, nic = Notes(self._balancer.ends_table), self._nic
        notes.words, notes.verdicts = notes.learn(_encoded(WORDS)), notes.learn(_encoded(NAMES))
        notes.rules = notes.learn(_encoded(f" & {rule.mask} = {rule.value}" for rule in nic.rules))
        if not isinstance(nic, Nic):
            notes.ports = notes.learn(_encoded(f"{_arrived(nic, n << QUEUE_BITS)} " for n in range(len(nic.cards))))
        return notes

    def rows(self, burst: Burst) -> tuple[Notes, Collection[int]]:
        """What writes the rows of *burst*, and those that it does not: each of them is called for."""
        owner = np.maximum(burst.owner, 0).astype(np.int64)
        if not isinstance(self._nic, Nic):
            owner += self._nic.leave_by(burst) * len(self._nic.setup.forwarding_workers)
        self._notes.begin()
        self._notes.bind(burst, self._hashes(burst), owner)
        return self._notes, self._balancer.stories

    def _hashes(self, burst: Burst) -> U32:
        """The hash of each row; of answers that the client saw, as the balancer received them."""
        hashes: U32 = burst.hash.copy()
        rows = np.flatnonzero(burst.answer & (burst.handle >= 0)) if isinstance(self._balancer, Balancer) else ()
        if not len(rows):
            return hashes
        for queue, some in parted(np.maximum(burst.queue[rows].astype(np.int64) >> QUEUE_BITS, 0)):
            rss = self._nic.card(queue << QUEUE_BITS).rss
            for wide, flows in self._balancer.came_as_rows(burst.handle[rows[some]] | 1):
                hashes[rows[some][wide]] = rss.hash_column(burst.kind[rows[some][wide]], flows)
        return hashes

    def __call__(self, burst: Burst, what: int | Made) -> Note:
        """The note of row *what* of *burst*, or of a frame that was made."""
        if isinstance(what, int):
            return self._row(burst, what, int(burst.owner[what]), burst.frame(what))
        row = what.cause - burst.first
        if isinstance(what, Received):
            note = self._row(burst, row, what.worker, None)
            return note._replace(comment=f"{note.comment}, as received")
        if not what.cause:
            return Note(self._interface(what.worker, what.frame), comment=f"worker {what.worker} by itself")
        if not what.own:
            return self._row(burst, row, what.worker, what.frame)
        because = f"worker {what.worker} because of #{what.cause}"
        return Note(self._interface(what.worker, what.frame), comment=because)

    def interface(self, number: int) -> str:
        """The name of an interface: of the worker that sends, before it the port where there are several."""
        if isinstance(self._nic, Nic):
            return f"worker{number}"
        setup = self._nic.setup
        port, worker = divmod(number, len(setup.forwarding_workers))
        return f"{setup.devices[port].name}:worker{worker}"

    def _interface(self, worker: int, frame: bytes | None, port: int = 0) -> int:
        """The number of the interface that *worker* sends *frame* by, or has received on *port*."""
        if isinstance(self._nic, Nic):
            return max(worker, 0)
        port = port if frame is None else self._nic.leaves_by(frame)
        return port * len(self._nic.setup.forwarding_workers) + max(worker, 0)

    def _row(self, burst: Burst, row: int, sender: int, sent: bytes | None) -> Note:
        """Of what *sender* sent because of *row*; None: as it was received."""
        said, queue = self._told(burst, row), int(burst.queue[row])
        port = int(self._nic.ports[queue >> QUEUE_BITS]) if not isinstance(self._nic, Nic) else 0
        return Note(
            worker=self._interface(sender, sent, port),
            queue=queue & (1 << QUEUE_BITS) - 1,
            hash=int(burst.hash[row]) if said.hash is None else said.hash,
            verdict=NAMES[burst.verdict[row]],
            comment=comment(burst, row, said, self._nic) + _ending(burst, row, said),
        )

    def _told(self, burst: Burst, row: int) -> Told:
        """From the story of a row, where it has one, else from what the columns know."""
        story = self._balancer.stories.get(row)
        return told(story) if story is not None else self._columns(burst, row)

    def _columns(self, burst: Burst, row: int) -> Told:
        """A row that the loop took."""
        handle, wide = int(burst.handle[row]), burst.family[row] == 6
        said = Told(int(burst.conn[row]) or None, handle & 1, bool(burst.opened[row]), int(burst.redirected[row]))
        if not (burst.answer[row] and isinstance(self._balancer, Balancer)):
            flow = burst.wide[row] if wide else burst.flow4[row]
            return said._replace(port=int.from_bytes(flow[-2:].tobytes()))
        ends = self._balancer.came_as(handle | 1)[1:]
        hashed = self._hash(int(burst.queue[row]), int(burst.kind[row]), ends)
        return said._replace(port=int.from_bytes(ends[-2:]), hash=hashed)

    def _hash(self, queue: int, kind: int, ends: bytes) -> int:
        """Of an answer that came in as *ends*: source, destination, both ports."""
        width, ports = (len(ends) - 4) // 2, (int.from_bytes(ends[-4:-2]), int.from_bytes(ends[-2:]))
        return self._nic.card(queue).rss.hash_flow(kind, ends[:width], ports[0], ends[width : 2 * width], ports[1]) or 0


def _ending(burst: Burst, row: int, said: Told) -> str:
    """What a comment says last: the verdict, or why the verdict in it is no good one."""
    if said.conn is not None:
        return f": {NAMES[burst.verdict[row]]}"
    return "; another worker has its connection" if burst.wrong_worker[row] else ""


def told(story: Any) -> Told:
    """Of the story of a row, of either profile."""
    conn, packet = story.conn, story.packet
    port = 0 if packet is None else packet.dport
    return Told(conn.number if conn is not None else None, story.side, story.new, story.owner, port)


def comment(burst: Burst, row: int, said: Told, nic: Nic | Ports) -> str:
    """The story of *row* in a line."""
    words = [f"#{burst.first + row}", received_by(burst, row, said, nic)]
    if said.owner >= 0:
        words.append(f"handed to worker {said.owner}")
    if said.conn is None:
        return " ".join((*words, NAMES[burst.verdict[row]]))
    words += [f"{'new ' if said.new else ''}conn {said.conn}", DIRECTIONS[said.side]]
    return " ".join(words)


def received_by(burst: Burst, row: int, said: Told, nic: Nic | Ports) -> str:
    """`worker 2 (flow director, port 1026 & 3 = 2)`; a frame that nobody received: `not received`."""
    if burst.worker_index[row] < 0:
        return "not received"
    rank = int(burst.worker[row])
    who = f"worker {rank}" if rank >= 0 else "kernel worker"
    if not isinstance(nic, Nic):
        who = f"{_arrived(nic, int(burst.queue[row]))} {who}"
    return f"{who} ({steered_by(burst, row, said, nic)})"


def _arrived(nic: Ports, queue: int) -> str:
    """The port that has a queue, and of a bond the slave."""
    port, slave = nic.arrived(queue)
    return f"{port}{f' ({slave})' if slave else ''}"


def _encoded(pieces: Iterable[str]) -> list[bytes]:
    return [piece.encode() for piece in pieces]


def steered_by(burst: Burst, row: int, said: Told, nic: Nic | Ports) -> str:
    """Why the NIC chose the queue of *row*."""
    if burst.by[row] == BY_FLOW_DIRECTOR:
        rule = nic.rules[burst.rule[row]]
        return f"flow director, port {said.port} & {rule.mask} = {rule.value}"
    if burst.by[row] == BY_RSS:
        return f"RSS {int(burst.hash[row]):#010x}, table entry {int(burst.reta[row])}"
    return "default queue"
