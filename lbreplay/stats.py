"""What was counted: `Counters` reads the columns of each burst once, `Result` is what a replay returns.

Interface 4 and 5. Verdicts, fates, lookups and received frames count on the worker that received the frame, transmitted
ones on the worker that sends them. Whatever is a state of the engine rather than a fact about frames (live connections,
free ports, the counters of services and real servers) comes in at the end as *gauges*, plain dicts of interface 5:

    workers   by rank, a dict each: "conns" {"created", "expired", "active", "peak"}, "sa_pool" {"used", "free", "miss"}
    services  the finished entries of interface 5: "service", "scheduler", ..., "reals", "laddrs"
    warnings  sentences
    kernel    profile ipvs: figures of its own, the entry "ipvs" of the document
    plain     frames that took the plain path, by reason (loop/ways.py)
    ports     with several: the finished entries of interface 5 (nic/tally.py)
    listing   profile ipvs: a function that gives what ipvsadm would list (report/ipvsadm.py)

Each of them may be missing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from lbreplay import __version__, memory
from lbreplay.burst import Burst, Made
from lbreplay.errors import CaptureError
from lbreplay.loop.count import Count
from lbreplay.loop.names import CODES
from lbreplay.model import Setup, Worker
from lbreplay.verdict import NAMES, Fate, Verdict

if TYPE_CHECKING:
    from lbreplay.nic.flow_director import Imagined

SCHEMA = 1
ALIKE = ("rr", "dh")  # schedulers that look at no weight above 0 (D 10.3, L 13)
UNEVEN = ("fo", "ovf", "lblc", "lblcr")  # those that are to load real servers unlike their weights
STEERED = ("default", "rss", "flow_director")  # the codes of column `by`
LOOKUP = ("none", "in", "out", "miss")  # the codes of column `lookup`

Table = dict[str, Any]  # a part of the statistics document

_FATE = [verdict.fate for verdict in Verdict]


class Counters:
    """Counts bursts. Every table has a row a worker of `setup.workers`, and one more for frames without a worker."""

    def __init__(self, setup: Setup) -> None:
        self.setup = setup
        rows = len(setup.workers) + 1
        self.verdict, self.steered = memory.zeros("q", rows * CODES), memory.zeros("q", rows * len(STEERED))
        self.lookup, sums = memory.zeros("q", rows * len(LOOKUP)), [memory.zeros("q", rows) for _ in range(6)]
        self.ibytes, self.opackets, self.obytes, self.wrong_worker, self.redirected_in, self.redirected_out = sums
        self.generated = [0] * rows
        self.first_wrong = 0  # the first frame on a wrong worker
        self._index = {w.rank: i for i, w in enumerate(setup.workers) if w.rank >= 0}
        of_rank = [self._index.get(rank, rows - 1) for rank in range(max(self._index, default=-1) + 1)] + [rows - 1]
        self._rows = Count(self.verdict, self.steered, self.lookup, sums, memory.listed("q", of_rank))

    def add(self, burst: Burst) -> None:
        """Count the rows of *burst* and the frames it made. `worker_index` are indices into `setup.workers`, -1:
        ignored."""
        self._rows.add(burst)
        if self._rows.first_wrong >= 0:
            self.first_wrong = self.first_wrong or burst.first + self._rows.first_wrong
        self.made(burst.made)

    def made(self, made: Sequence[Made]) -> None:
        """Count frames that leave without a row of a burst (timers fired at the end of one)."""
        for frame in made:
            worker = self._index.get(frame.worker, len(self.setup.workers))
            self.opackets[worker] += 1
            self.obytes[worker] += frame.length
            self.generated[worker] += frame.own

    def result(self, gauges: Mapping[str, Any], capture: Mapping[str, Any]) -> Result:
        """The statistics; *gauges* as in the head comment, *capture* the table of interface 5."""
        verdicts = [self._of(index) for index in range(len(self.generated))]
        assert not any(any(row[len(NAMES) :]) for row in verdicts), "a frame ended without a verdict"
        by_rank = gauges.get("workers", ())
        workers = [self._worker(i, w, by_rank) for i, w in enumerate(self.setup.workers)]
        return Result(
            capture=dict(capture),
            setup=_setup_table(self.setup),
            totals=self._totals([sum(column) for column in zip(*verdicts, strict=True)]),
            workers=workers,
            services=list(gauges.get("services", ())),
            warnings=list(gauges.get("warnings", ())),
            kernel=dict(gauges.get("kernel", {})),
            listing=gauges.get("listing"),
            plain=dict(gauges.get("plain", {})),
            first_wrong=self.first_wrong,
            ports=list(gauges.get("ports", ())),
        )

    def _of(self, index: int) -> list[int]:
        """The frames of a worker by verdict."""
        return _row(self.verdict, index, CODES)

    def _totals(self, verdicts: list[int]) -> Table:
        fates, frames = {fate.label: _fated(verdicts, fate) for fate in Fate}, sum(verdicts)
        return {
            "frames": frames,
            "received": frames - fates["ignored"],
            **{name: fates[name] for name in ("transmitted", "to_kernel", "dropped", "held", "consumed", "ignored")},
            "generated": sum(self.generated),
            "written": sum(self.opackets),
            "verdicts": _named(verdicts),
        }

    def _worker(self, index: int, worker: Worker, by_rank: Sequence[Mapping[str, Any]]) -> Table:
        verdicts = self._of(index)
        gauge = by_rank[worker.rank] if 0 <= worker.rank < len(by_rank) else {}
        steered, lookup = _row(self.steered, index, len(STEERED)), _row(self.lookup, index, len(LOOKUP))
        return {
            "worker": worker.rank if worker.rank >= 0 else None,
            "cpu_id": worker.cpu_id,
            "queues": list(worker.queues),
            **self._polls(worker),
            "ipackets": sum(verdicts),
            "ibytes": self.ibytes[index],
            "opackets": self.opackets[index],
            "obytes": self.obytes[index],
            "steered": {"flow_director": steered[2], "rss": steered[1], "default": steered[0]},
            "lookup": dict(zip(LOOKUP[1:], lookup[1:], strict=True)),
            "wrong_worker": self.wrong_worker[index],
            "conns": dict(gauge.get("conns", dict.fromkeys(("created", "expired", "active", "peak"), 0))),
            "sa_pool": dict(gauge.get("sa_pool", dict.fromkeys(("used", "free", "miss"), 0))),
            "redirected": {"in": self.redirected_in[index], "out": self.redirected_out[index]},
            "generated": self.generated[index],
            "to_kernel": _fated(verdicts, Fate.TO_KERNEL),
            "dropped": _fated(verdicts, Fate.DROPPED),
            "verdicts": _named(verdicts),
        }

    def _polls(self, worker: Worker) -> Table:
        """With several ports, its queues of each."""
        devices = self.setup.devices
        if len(devices) == 1:
            return {}
        return {"polls": {device.name: list(worker.polls(port)) for port, device in enumerate(devices)}}


class Result(NamedTuple):
    """What a replay counted, as the tables of interface 5, and the warnings it has to say."""

    capture: Table
    setup: Table
    totals: Table
    workers: list[Table]
    services: list[Table]
    warnings: list[str]
    kernel: Table  # profile ipvs: figures of its own
    listing: Callable[[], Table] | None  # profile ipvs: what ipvsadm would list
    imagined: Imagined | None = None  # rules taken as installed that the NIC would refuse
    plain: Mapping[str, int] = MappingProxyType({})  # frames that took the plain path, by reason; not in the document
    damage: CaptureError | None = None  # why the capture was not read to its end
    first_wrong: int = 0  # the first frame that reached a worker without its connection, 0: none did
    ports: Sequence[Table] = ()  # of several; empty: one
    notes: Sequence[str] = ()  # sentences that nobody needs to worry about

    def document(self) -> Table:
        """The statistics document of interface 5, ready for `json.dumps`."""
        return {
            "schema": SCHEMA,
            "tool": f"lbreplay {__version__}",
            "capture": self.capture,
            "setup": self.setup,
            "totals": self.totals,
            "workers": self.workers,
            "services": self.services,
            **({"ports": list(self.ports)} if self.ports else {}),
            **({"ipvs": self.kernel} if self.kernel else {}),
        }


def due(service: Table) -> list[float]:
    """The share of its service that each real server is due by its weight, in the order of the table; rr and dh look at
    no weight above 0. Where nobody has a weight nothing is due."""
    alike = service["scheduler"] in ALIKE
    weights = [float(real["weight"] > 0) if alike else float(real["weight"]) for real in service["reals"]]
    whole = sum(weights)
    return [weight / whole if whole else 0.0 for weight in weights]


def shares(service: Table, what: str) -> list[float]:
    """The share of *what*, a counter, that each real server of a service has; 0 where there is none of it."""
    whole = sum(real[what] for real in service["reals"])
    return [real[what] / whole if whole else 0.0 for real in service["reals"]]


def find(tree: Any, path: str) -> Any:
    """What stands at *path* of a statistics document; entries of lists go by `service`, `address` or `worker`.

    Names may hold dots: the longest that fits is taken (interface 7). Raises KeyError with the part that is not there.
    """
    while path:
        if isinstance(tree, list):
            tree = {_name(entry): entry for entry in tree}
        if not isinstance(tree, dict):
            raise KeyError(path)
        fits = [key for key in tree if path == key or path.startswith(f"{key}.")]
        if not fits:
            raise KeyError(path)
        name = max(fits, key=len)
        tree, path = tree[name], path[len(name) + 1 :]
    return tree


def _name(entry: Mapping[str, Any]) -> str:
    return str(next((entry[key] for key in ("service", "address", "worker", "port", "slave") if key in entry), None))


def _row(table: memoryview, index: int, width: int) -> list[int]:
    """A row of *table*."""
    return table[index * width : (index + 1) * width].tolist()


def _fated(verdicts: list[int], fate: Fate) -> int:
    """Of so many frames by verdict, those with a fate."""
    return sum(count for count, its in zip(verdicts, _FATE, strict=False) if its == fate)


def _named(verdicts: list[int]) -> dict[str, int]:
    return {NAMES[code]: count for code, count in enumerate(verdicts) if count}


def _setup_table(setup: Setup) -> Table:
    rss = setup.device.rss
    mask = setup.flow_director.dst_port_mask
    return {
        "workers": len(setup.forwarding_workers),
        "driver": setup.device.driver,
        "rss": "all" if rss == {"ip", "tcp", "udp"} else "|".join(sorted(rss)) or "off",
        "strategy": setup.flow_director.strategy,
        "dst_port_mask": setup.port_mask if mask is None else mask,
        "seed": setup.seed,
        "view": setup.view,
    }
