"""What a replay did over time, kept small however long the capture is: the data behind the page of `--html`.

A journal looks on burst by burst. Frames are counted in a cube: a cell a way that frames took (class, steering, queue,
worker, look-up, service, verdict), each with frames and bytes by bin of time. Bins are as wide as it takes for at most
BINS of them: when the capture runs past the last one, neighbours are joined and bins become twice as wide. So memory
depends on neither length nor duration, and any range of time can be summed afterwards. States (live connections, ports,
counters of services) are sampled, some SAMPLES times.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from lbreplay.arrays import I64
from lbreplay.burst import KIND_FRAGMENT, KIND_NONE, KIND_OTHER, KIND_SCTP, KIND_TCP, KIND_UDP, Burst
from lbreplay.config.rows import keys
from lbreplay.journey import Replay
from lbreplay.model import Endpoint, Setup
from lbreplay.stats import LOOKUP, STEERED
from lbreplay.verdict import ENTRIES

BINS = 120  # of time, at most
CELLS = 240  # ways kept apart; what comes later goes into one way a verdict
SAMPLES = 60  # of states, at most twice as many
REALS, LADDRS = 200, 100  # whose counters are sampled, the first of the configuration
FIRST_WIDTH = 1_000  # nanoseconds a bin covers at first
CLASSES = {
    KIND_NONE: "not IP",
    KIND_OTHER: "other IP",
    KIND_FRAGMENT: "fragment",
    KIND_TCP: "TCP",
    KIND_UDP: "UDP",
    KIND_SCTP: "SCTP",
}
Document = dict[str, Any]


@dataclass
class Cell:
    """One way: frames and bytes by bin, and the first frame that took it."""

    first: int
    frames: I64 = field(default_factory=lambda: np.zeros(BINS, np.int64))
    octets: I64 = field(default_factory=lambda: np.zeros(BINS, np.int64))


# --- keys: a way as one number, so that a burst is counted by one sort --------------------------------------------

# (name, values it can have), the least significant first
FIELDS = (
    ("verdict", 256),
    ("lookup", 4),
    ("strayed", 3),  # 0 no, 1 another worker has the connection, 2 and it was handed there
    ("by", 3),
    ("worker", 1 << 10),  # index into setup.workers, and 1: not received is 0
    ("queue", 1 << 10),
    ("kind", 8),
    ("wide", 2),  # IPv6
    ("service", 1 << 14),  # index into setup.services, and 1
)
Way = dict[str, int]


def _packed(columns: Mapping[str, Any]) -> I64:
    key = np.zeros(len(columns["verdict"]), np.int64)
    for name, size in reversed(FIELDS):
        key = key * size + columns[name]
    return key


def _unpacked(key: int) -> Way:
    way = {}
    for name, size in FIELDS:
        key, way[name] = divmod(key, size)
    return way


class Services:
    """Which service a frame is about: by the virtual address or the real server that it goes to or comes from."""

    def __init__(self, setup: Setup) -> None:
        self._ends: dict[tuple[int, int], dict[int, int]] = {}  # (protocol, width of an address): key -> service
        for number, service in enumerate(setup.services[: (1 << 14) - 1], 1):
            if service.vip is not None:
                self._add(service.protocol, service.vip, number)
            for real in service.reals:
                self._add(service.protocol, real.endpoint, number)
        self._tables = {sort: _table(ends) for sort, ends in self._ends.items()}

    def _add(self, protocol: int, end: Endpoint, number: int) -> None:
        """A real server of several services is counted to none."""
        known, key = self._ends.setdefault((protocol, len(end.address)), {}), _key(end)
        known[key] = number if known.get(key, number) == number else 0

    def column(self, burst: Burst) -> I64:
        """Number of the service of every row, 0: none that is known."""
        found = np.zeros(burst.size, np.int64)
        for (protocol, width), (ends, numbers) in self._tables.items():
            rows = np.flatnonzero((burst.proto == protocol) & (burst.family == (4 if width == 4 else 6)))
            if len(rows):
                flow = burst.flow4[rows] if width == 4 else burst.wide[rows]
                found[rows] = _looked_up(flow, width, ends, numbers)
        return found


def _looked_up(flow: Any, width: int, ends: Any, numbers: I64) -> I64:
    """The service of each tuple, by its destination, else by its source."""
    ports = np.ascontiguousarray(flow[:, 2 * width :]).view(">u2").reshape(-1, 2)
    found = np.zeros(len(flow), np.int64)
    for side in (0, 1):  # source, then destination, which counts more
        key = keys(flow[:, side * width : (side + 1) * width], ports[:, side].astype(np.uint16))
        at = np.minimum(np.searchsorted(ends, key), len(ends) - 1)
        found = np.where((ends[at] == key) & (numbers[at] > 0), numbers[at], found)
    return found


def _table(ends: Mapping[int, int]) -> tuple[Any, I64]:
    ordered = sorted(ends)
    return np.array(ordered, np.uint64), np.array([ends[key] for key in ordered], np.int64)


def _key(end: Endpoint) -> int:
    address = np.frombuffer(end.address, np.uint8).reshape(1, -1)
    return int(keys(address, np.array([end.port], np.uint16))[0])


# --- the journal ---------------------------------------------------------------------------------------------------


class Journal:
    """Looks on at a replay that it is attached to: `see` each burst behind its journey, then `document` once."""

    def attach(self, run: Replay) -> None:
        """Look on at *run*, before its first burst."""
        self._run, self._setup = run, run.setup
        self._services = Services(run.setup)
        self._start, self._width = -1, FIRST_WIDTH
        self._cells: dict[int, Cell] = {}
        self._samples: list[tuple[int, Document]] = []  # (time, gauges)
        self._reta: I64 = np.zeros(len(run.nic.rss.reta), np.int64)
        self._rules: I64 = np.zeros(len(run.nic.rules), np.int64)

    def see(self, burst: Burst) -> None:
        """Count *burst*."""
        if self._start < 0:
            self._start = int(burst.time_ns[0])
        last = int(burst.time_ns[-1]) - self._start
        while last >= self._width * BINS:
            self._widen()
        self._count(burst, (burst.time_ns - self._start) // self._width)
        self._reta += np.bincount(burst.reta[burst.reta >= 0], minlength=len(self._reta))
        self._rules += np.bincount(burst.rule[burst.rule >= 0], minlength=len(self._rules))
        if not self._samples or last * SAMPLES // (self._width * BINS) > self._sampled():
            self._sample(self._start + last)

    def _sampled(self) -> int:
        """The part of the time that bins cover, in SAMPLES parts, that the last sample is of."""
        return (self._samples[-1][0] - self._start) * SAMPLES // (self._width * BINS)

    def _widen(self) -> None:
        """Join neighbouring bins; every other sample goes."""
        self._width *= 2
        for cell in self._cells.values():
            cell.frames, cell.octets = _joined(cell.frames), _joined(cell.octets)
        if len(self._samples) > SAMPLES // 2:
            self._samples = self._samples[::2]

    def _count(self, burst: Burst, bins: I64) -> None:
        keys = _packed(self._columns(burst)) * BINS + bins
        different, first, place = np.unique(keys, return_index=True, return_inverse=True)
        frames, octets = np.bincount(place), np.bincount(place, burst.length)
        for at, key in enumerate(different.tolist()):
            way, bin_ = divmod(key, BINS)
            number = burst.first + int(first[at])
            cell = self._cell(way, number)
            cell.first = min(cell.first, number)
            cell.frames[bin_] += frames[at]
            cell.octets[bin_] += int(octets[at])

    def _cell(self, way: int, number: int) -> Cell:
        """That of *way*; where there are too many already, one for all of its verdict."""
        known = self._cells.get(way)
        if known is None and len(self._cells) >= CELLS:
            rest = dict.fromkeys((name for name, _ in FIELDS), 0) | {"verdict": _unpacked(way)["verdict"]}
            way = int(_packed({name: np.array([value]) for name, value in rest.items()})[0]) | 1 << 62
            known = self._cells.get(way)
        if known is None:
            known = self._cells[way] = Cell(number)
        return known

    def _columns(self, burst: Burst) -> dict[str, Any]:
        strayed = burst.wrong_worker + (burst.redirected >= 0) * 1
        return {
            "verdict": burst.verdict,
            "lookup": burst.lookup,
            "strayed": np.minimum(strayed, 2),
            "by": burst.by,
            "worker": burst.worker_index.astype(np.int64) + 1,
            "queue": np.maximum(burst.queue, 0),
            "kind": burst.kind,
            "wide": burst.family == 6,
            "service": self._services.column(burst),
        }

    def _sample(self, time_ns: int) -> None:
        self._samples.append((time_ns, self._run.balancer.gauges()))

    def document(self) -> Document:
        """Plain lists and dicts, ready for JSON; times in seconds after the first frame."""
        if self._start >= 0:
            self._sample_end()
        return {
            "start_ns": max(self._start, 0),
            "bin_s": self._width / 1e9,
            "bins": self._used_bins(),
            "ways": list(self._ways()),
            "samples": _sampled([((t - self._start) / 1e9, gauges) for t, gauges in self._samples]),
            "reta": {"queues": [int(q) for q in self._run.nic.rss.reta], "hits": self._reta.tolist()},
            "rules": list(self._told_rules()),
        }

    def _sample_end(self) -> None:
        """The last state, in place of the last sample where that is of the same bin."""
        self._sample(max(self._samples[-1][0], self._run.source.last_ns))

    def _used_bins(self) -> int:
        used = [int(np.flatnonzero(cell.frames)[-1]) + 1 for cell in self._cells.values()]
        return max(used, default=0)

    def _ways(self) -> Iterator[Document]:
        bins = self._used_bins()
        for key, cell in sorted(self._cells.items(), key=lambda item: -int(item[1].frames.sum())):
            yield {
                **self._told(_unpacked(key & ~(1 << 62)), bool(key >> 62)),
                "first": cell.first,
                "frames": _sparse(cell.frames[:bins]),
                "bytes": _sparse(cell.octets[:bins]),
            }

    def _told(self, way: Way, rest: bool) -> Document:
        """A way in the words of the contract; *rest*: of ways that are not kept apart only the verdict is known."""
        verdict = ENTRIES[way["verdict"]]
        told: Document = {"verdict": verdict.name.lower(), "fate": verdict.fate.label, "rest": rest}
        if rest:
            return told
        index, service = way["worker"] - 1, way["service"]
        workers, services = self._setup.workers, self._setup.services
        named = services[service - 1] if service else None
        return told | {
            "class": CLASSES[way["kind"]] + ("/IPv6" if way["wide"] else ""),
            "by": STEERED[way["by"]] if index >= 0 else None,
            "queue": way["queue"] if index >= 0 else None,
            "worker": workers[index].rank if index >= 0 else None,
            "lookup": LOOKUP[way["lookup"]],
            "strayed": ("", "another worker has the connection", "handed to the worker that has it")[way["strayed"]],
            "service": named.name if named else None,
            "mode": named.mode if named else None,
        }

    def _told_rules(self) -> Iterator[Document]:
        for rule, hits in zip(self._run.nic.rules, self._rules.tolist(), strict=True):
            yield {"rule": str(rule), "queue": rule.queue, "worker": rule.rank, "hits": hits}


def _joined(column: I64) -> I64:
    half = column.reshape(-1, 2).sum(1)
    return np.concatenate([half, np.zeros(BINS - len(half), np.int64)])


def _sparse(column: I64) -> list[list[int]]:
    """[bin, number] of the bins that are not zero."""
    return [[at, int(column[at])] for at in np.flatnonzero(column).tolist()]


# --- samples as series -----------------------------------------------------------------------------------------------

WORKER = (("conns", "created"), ("conns", "active"), ("sa_pool", "used"), ("sa_pool", "free"), ("sa_pool", "miss"))


def _sampled(samples: list[tuple[float, Document]]) -> Document:
    """States over time: a list a thing, an entry a sample; null where the thing was not there."""
    workers = [[[w[part][name] for part, name in WORKER] for w in g.get("workers", ())] for _, g in samples]
    return {
        "s": [round(s, 9) for s, _ in samples],
        "workers": [list(column) for column in zip(*workers, strict=False)],
        "reals": list(_series(samples, "reals", _real, REALS)),
        "laddrs": list(_series(samples, "laddrs", _laddr, LADDRS)),
    }


def _real(found: Document) -> list[int]:
    return [found["conns"], found["inbytes"] + found["outbytes"]]


def _laddr(found: Document) -> list[int]:
    return [found["used"], found["free"], found["miss"]]


def _series(samples: list[tuple[float, Document]], part: str, told: Any, most: int) -> Iterator[Document]:
    """Of each entry of *part* of each service what *told* says of it, sample by sample."""
    series: dict[tuple[str, str], Document] = {}
    for at, (_, gauges) in enumerate(samples):
        for service in gauges.get("services", ()):
            for entry in service[part]:
                key = service["service"], entry["address"]
                if key not in series and len(series) >= most:
                    continue
                known = series.setdefault(key, {"service": key[0], "address": key[1], "at": [None] * len(samples)})
                known["at"][at], known["weight"] = told(entry), entry.get("weight")
    yield from series.values()
