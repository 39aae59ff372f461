"""Recorded queue and hash beside what a configuration's NIC gives, frame by frame (interface 9).

Counted by class of packet and by the way its queue was chosen. The first frame that does not agree comes with the
reason that the model had; where an entry of the table was recorded with several queues, with the first frame of each.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from lbreplay.arrays import I64
from lbreplay.burst import BY_DEFAULT, BY_FLOW_DIRECTOR, BY_RSS, KIND_NONE, KIND_TCP, Burst
from lbreplay.lab.audit.recorded import received
from lbreplay.lab.steering import CLASSES, INPUTS
from lbreplay.loop.parse import parse
from lbreplay.model import Setup
from lbreplay.nic.cards import of_interface, seen_by
from lbreplay.nic.steer import Nic
from lbreplay.wire.capture import open_capture

WAYS = {BY_FLOW_DIRECTOR: "rule", BY_RSS: "RSS", BY_DEFAULT: "default"}
NAMED = 16  # frames that are named of those that do not agree
TAG = 0x8100


class Agreement(NamedTuple):
    """Received frames of one class or way: those with a queue, how many agree, the same of hashes."""

    queue: int = 0
    same_queue: int = 0
    hash: int = 0
    same_hash: int = 0

    def plus(self, *more: int) -> Agreement:
        return Agreement(*(a + b for a, b in zip(self, more, strict=True)))

    def document(self) -> dict[str, int]:
        return {"queue": self.queue, "queue_agree": self.same_queue, "hash": self.hash, "hash_agree": self.same_hash}


NOTHING = Agreement()


class Departure(NamedTuple):
    """A frame whose record is not what the model says."""

    n: int
    recorded: int | str
    modelled: int | str | None
    why: str

    def document(self) -> dict[str, Any]:
        return self._asdict()


@dataclass
class Holding:
    """How a capture and a configuration agree. `beyond`: frames in queues that no worker of it polls."""

    all: Agreement = NOTHING
    by_class: dict[str, Agreement] = field(default_factory=dict)
    by_way: dict[str, Agreement] = field(default_factory=dict)
    first: Departure | None = None
    named: list[int] = field(default_factory=list)
    beyond: int = 0

    @property
    def agrees(self) -> bool:
        return self.all.same_queue == self.all.queue and self.all.same_hash == self.all.hash

    @property
    def share(self) -> float:
        """Of recorded queues, those that the model has too; 1 where none is recorded."""
        return self.all.same_queue / self.all.queue if self.all.queue else 1.0


class Holder:
    """Add the bursts of a capture, whose options were read; `found` says how they agree with *setup*."""

    def __init__(self, setup: Setup, interface: int) -> None:
        self.found = Holding()
        self._setup, self._interface, self._nic = setup, interface, Nic(setup)
        self._polled = np.array(sorted({queue for worker in setup.workers for queue in worker.queues}))
        size = len(self._nic.rss.reta)
        self._first = np.zeros((size, int(self._polled.max(initial=0)) + 2), np.int64)  # frame by entry and queue

    def add(self, burst: Burst) -> None:
        told = getattr(burst, "told", None)
        if told is None:
            return
        rows = np.flatnonzero(received(told, self._interface))
        if not rows.size:
            return
        device = self._setup.device
        parse(burst, device.mac, not device.rx_ip_checksum_offload)
        self._nic.steer(burst)
        queue, code = told.queue[rows], told.hash[rows]
        hashed = np.array(self._nic.rss.inputs)[burst.kind[rows]] > 0
        figures = np.column_stack(
            (
                queue >= 0,
                (queue >= 0) & (queue == burst.queue[rows]),
                code >= 0,
                (code >= 0) & hashed & (code == burst.hash[rows]),
            )
        )
        self._count(burst, rows, figures)
        self._remember(burst, rows, queue)
        wrong = rows[(figures[:, 0] != figures[:, 1]) | (figures[:, 2] != figures[:, 3])]
        self._name(burst, wrong)

    def _count(self, burst: Burst, rows: I64, figures: Any) -> None:
        found = self.found
        found.all = found.all.plus(*figures.sum(0).tolist())
        found.beyond += int(np.count_nonzero(figures[:, 0] & ~np.isin(burst.told.queue[rows], self._polled)))
        tagged = _tagged(burst, rows)
        sorts = burst.kind[rows] * 4 + (burst.family[rows] == 6) * 2 + tagged
        for sort in np.unique(sorts).tolist():
            name = class_name(sort >> 2, bool(sort & 2), bool(sort & 1))
            counted = figures[sorts == sort].sum(0).tolist()
            found.by_class[name] = found.by_class.get(name, Agreement()).plus(*counted)
        for by in np.unique(burst.by[rows]).tolist():
            counted = figures[burst.by[rows] == by].sum(0).tolist()
            found.by_way[WAYS[by]] = found.by_way.get(WAYS[by], Agreement()).plus(*counted)

    def _remember(self, burst: Burst, rows: I64, queue: I64) -> None:
        """The first frame of each queue in each entry of the table."""
        last = self._first.shape[1] - 1
        some = np.flatnonzero((burst.reta[rows] >= 0) & (queue >= 0))[::-1]
        place = burst.reta[rows[some]], np.minimum(queue[some], last)
        earlier = self._first[place]
        self._first[place] = np.where(earlier > 0, earlier, burst.first + rows[some])

    def _name(self, burst: Burst, wrong: I64) -> None:
        if not wrong.size:
            return
        if self.found.first is None:
            self.found.first = self._departure(burst, int(wrong[0]))
        room = NAMED - len(self.found.named)
        self.found.named += (burst.first + wrong[:room]).tolist()

    def _departure(self, burst: Burst, row: int) -> Departure:
        n, queue, modelled = burst.first + row, int(burst.told.queue[row]), int(burst.queue[row])
        if queue >= 0 and queue != modelled:
            return Departure(n, queue, modelled, self._why(burst, row))
        form = self._nic.rss.inputs[burst.kind[row]]
        code = f"{int(burst.told.hash[row]):#010x}"
        if not form:
            return Departure(n, code, None, f"no hash for {CLASSES[burst.kind[row]]} with these settings")
        why = f"hash over {INPUTS.get(form, 'addresses, ports and tag')} under key {self._nic.rss.key.hex()}"
        return Departure(n, code, f"{int(burst.hash[row]):#010x}", why)

    def _why(self, burst: Burst, row: int) -> str:
        """Why the model has another queue than the record."""
        queue, by = int(burst.told.queue[row]), int(burst.by[row])
        beyond = "" if queue in self._polled else f"; no worker polls queue {queue}"
        if by == BY_FLOW_DIRECTOR:
            return f"rule {self._nic.rules[burst.rule[row]]}{beyond}"
        if by == BY_DEFAULT:
            return f"default queue: no hash for {CLASSES[burst.kind[row]]}{beyond}"
        entry = int(burst.reta[row])
        others = self._others(entry, queue, burst.first + row)
        return f"RSS {int(burst.hash[row]):#010x}, table entry {entry}{beyond}{others}"

    def _others(self, entry: int, queue: int, n: int) -> str:
        """The first frames that were recorded with other queues in the same entry."""
        seen = self._first[entry]
        others = [f"frame {seen[q]} queue {q}" for q in np.flatnonzero(seen).tolist() if q != queue and seen[q] != n]
        return f"; {' and '.join(others)} in the same entry" if others else ""


def hold(setup: Setup, path: str, interface: int = 0) -> Holding:
    """Hold the records of *path* against *setup*, of several ports the one that *interface* is named after, else the
    first. Raises CaptureError."""
    holder: Holder | None = None
    with open_capture(path, telling=True) as source:
        for burst in source.bursts(4 * 4096):
            if holder is None:
                name = source.names[interface] if interface < len(source.names) else ""
                seen = of_interface(setup, name) or seen_by(setup, 0, setup.device.cards[0])
                holder = Holder(seen, interface)
            holder.add(burst)
    return Holding() if holder is None else holder.found


def class_name(kind: int, six: bool, tagged: bool) -> str:
    """`TCP`, `UDP over IPv6, tagged`."""
    name = CLASSES[kind] if kind >= KIND_TCP or kind == KIND_NONE or not six else CLASSES[kind].replace("IP", "IPv6")
    return f"{name}{' over IPv6' if six and kind >= KIND_TCP else ''}{', tagged' if tagged else ''}"


def _tagged(burst: Burst, rows: I64) -> Any:
    """Which of *rows* carry an 802.1Q tag."""
    at = burst.at[rows] + 12
    return (burst.buffer[at].astype(np.int64) << 8 | burst.buffer[at + 1]) == TAG
