"""The trace: one JSON object a line for every frame (interface 6), and for what the balancer sends by itself.

Rows that the loop took are told by their columns (loop/lines.py), those of the plain path by their stories.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from functools import cache
from types import TracebackType
from typing import TYPE_CHECKING, Any, NamedTuple

from lbreplay import memory
from lbreplay.burst import QUEUE_BITS, Burst, Received
from lbreplay.dpvs.balancer import Balancer
from lbreplay.dpvs.story import Story
from lbreplay.edge.output import Output
from lbreplay.loop.lines import Lines, numbered
from lbreplay.model import Setup
from lbreplay.nic.steer import Nic
from lbreplay.verdict import ENTRIES, NAMES, Verdict

if TYPE_CHECKING:
    from lbreplay.nic.ports import Ports

Line = dict[str, Any]
STEERED = ("default", "rss", "flow_director")
LOOKUPS = (None, "in", "out", "miss")  # by code of column `lookup`
LAST_QUEUE = (1 << QUEUE_BITS) - 1
WORDS = (
    '{"n": ', ', "t_ns": ', ', "owner": ', '", "reta": ', "}",
    ', "conn": null, "new": false, "state": null, "service": null, "real": null, "laddr": null',
    ', "conn": ', ', "new": false, "state": ', ', "new": true, "state": ', '", "laddr": null', '", "laddr": "', '"',
    '], "out_port": [',
)  # fmt: skip
STEERS = (', "steer": {"by": "default"}', ', "steer": {"by": "rss", "hash": "0x')  # by code, before the rules


class Sent(NamedTuple):
    """A frame that left: its number in the output."""

    number: int
    time_ns: int
    frame: bytes


class Trace:
    """Writes the trace of a run into a file."""

    def __init__(self, path: str, setup: Setup) -> None:
        self._told = Told(setup)
        self._output = Output(path)

    def __enter__(self) -> Trace:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._output.__exit__(kind, error, _)

    def write(self, burst: Burst, balancer: Balancer, nic: Nic | Ports) -> None:
        """A line for each row, in order, and before it one for whatever was sent without a cause."""
        self._output.write(self._told.text(burst, balancer, nic))


class Kept:
    """Keeps the lines of the last burst, for who takes them out of `lines`."""

    def __init__(self, setup: Setup) -> None:
        self._told = Told(setup)
        self.lines: list[Line] = []

    def write(self, burst: Burst, balancer: Balancer, nic: Nic | Ports) -> None:
        """The same lines as those of a Trace."""
        self.lines = list(self._told.lines(burst, balancer, nic))


class Told:
    """The lines of a run, burst by burst."""

    def __init__(self, setup: Setup, written: int = 0) -> None:
        self._setup = setup
        self._written = written  # frames in the output so far
        self._numbers = memory.zeros("q", 0)  # of rows of the present burst in the output, 0: they do not leave
        self._lines: Lines | None = None

    def lines(self, burst: Burst, balancer: Balancer, nic: Nic | Ports) -> Iterator[Line]:
        """One for each row, in order, and before it one for whatever was sent without a cause."""
        return map(json.loads, bytes(self.text(burst, balancer, nic)).splitlines())

    def text(self, burst: Burst, balancer: Balancer, nic: Nic | Ports) -> memoryview:
        """The same, as a file has them; the view holds until the next burst."""
        if self._lines is None:
            self._lines, self._port = _lines(self._setup, balancer, nic)
        lines, stories, row = self._lines, balancer.stories, 0
        assert stories is not None, "somebody looks on"
        lines.begin()
        sent = self._begin(lines, burst, balancer, nic)
        for odd in sorted(stories.keys() | (-1 - key for key in sent if key < 0)):
            lines.tell(row, odd)
            for one in sent.get(-1 - odd, ()):
                lines.write(_dumped({"n": None, "t_ns": one.time_ns, **_out([one], nic)}))
            row = odd
            if odd in stories:
                out = sorted(sent.get(odd, []) + self._own(burst, odd))
                lines.write(_dumped(self._frame(burst, odd, stories[odd], out, balancer, nic)))
                row += 1
        lines.tell(row, burst.size)
        return memoryview(lines.written())

    # --- the output's numbers ----------------------------------------------------------------------------------------

    def _begin(self, lines: Lines, burst: Burst, balancer: Balancer, nic: Nic | Ports) -> dict[int, list[Sent]]:
        """Have *lines* told of *burst*; what was made, as `_made` has it."""
        stories, self._numbers = balancer.stories or {}, memory.zeros("q", burst.size)
        made = numbered(self._numbers, burst.flat["leaving"], [one.row for one in burst.made], self._written)
        self._written += len(made) + burst.flat["leaving"][: burst.size].tobytes().count(1)
        sent = self._made(burst, made)
        told = memory.grown(self._numbers, burst.size)
        lines.more.clear()
        for row in sent:
            if row >= 0 and row not in stories:
                out = _out(sorted(sent[row] + self._own(burst, row)), nic)
                lines.more[row] = _within(out["out"]), _within(out.get("out_port", []))
                told[row] = -1
        ends, reasons = lines.told()
        lines.know([_end(*end) for end in balancer.ends(ends)], list(map(_reason, balancer.reasons[reasons:])))
        lines.bind(burst, told, self._leaves(burst, nic))
        return sent

    def _made(self, burst: Burst, numbers: list[int]) -> dict[int, list[Sent]]:
        """What was made, by the row that caused it; by -1 - row what no row of *burst* caused, and left before it."""
        found: dict[int, list[Sent]] = {}
        for made, number in zip(burst.made, numbers, strict=True):
            if not isinstance(made, Received):
                key = made.cause - burst.first if made.cause >= burst.first else -1 - made.row
                found.setdefault(key, []).append(Sent(number, made.time_ns, made.frame))
        return found

    def _own(self, burst: Burst, row: int) -> list[Sent]:
        """A row's own frame, if it leaves in place."""
        number = self._numbers[row]
        return [Sent(number, burst.flat["time_ns"][row], burst.frame(row))] if number else []

    def _leaves(self, burst: Burst, nic: Nic | Ports) -> memoryview | None:
        """The piece of the port that each row leaves by; None where there is but one."""
        return None if isinstance(nic, Nic) else (self._port + nic.leave_by(burst)).data

    def _frame(
        self, burst: Burst, row: int, story: Story, out: list[Sent], balancer: Balancer, nic: Nic | Ports
    ) -> Line:
        of, verdict = burst.flat, burst.flat["verdict"][row]
        entry, index, queue = ENTRIES[verdict], of["worker_index"][row], of["queue"][row]
        received = index >= 0
        line: Line = {
            "n": burst.first + row,
            "t_ns": of["time_ns"][row],
            "worker": self._setup.workers[index].rank if received else None,
            "queue": queue & LAST_QUEUE if received else None,
            "steer": _steer(burst, row, nic) if received else None,
            "lookup": story.lookup or None,
        }
        if received and not isinstance(nic, Nic):
            port, slave = nic.arrived(queue)
            line |= {"port": port} | ({"slave": slave} if slave else {})
        if story.owner >= 0:
            line["owner"] = story.owner
        line |= balancer.connection(story)
        if story.reasons:
            line["reason"] = story.reasons
        line |= {"verdict": NAMES[verdict], "fate": entry.fate.label, **_out(out, nic), "why": entry.sentence}
        return line


def _out(sent: list[Sent], nic: Nic | Ports) -> dict[str, Any]:
    """Numbers in the output, and of several ports those that they leave by."""
    out: dict[str, Any] = {"out": [one.number for one in sent]}
    if not isinstance(nic, Nic):
        out["out_port"] = [nic.setup.devices[nic.leaves_by(one.frame)].name for one in sent]
    return out


def _steer(burst: Burst, row: int, nic: Nic | Ports) -> dict[str, Any]:
    of, by = burst.flat, STEERED[burst.flat["by"][row]]
    if by == "rss":
        return {"by": by, "hash": f"0x{of['hash'][row]:08x}", "reta": of["reta"][row]}
    if by == "flow_director":
        return {"by": by, "rule": str(nic.rules[of["rule"][row]])}
    return {"by": by}


def _dumped(line: Line) -> bytes:
    return json.dumps(line).encode() + b"\n"


# --- the pieces of lines ---------------------------------------------------------------------------------------------


def _lines(setup: Setup, balancer: Any, nic: Nic | Ports) -> tuple[Lines, int]:
    """Lines with the pieces that *setup* says; and the first piece of ports' names."""
    lines = Lines(balancer.ends_table)
    lines.words, lines.workers = lines.learn(_encoded(WORDS)), lines.learn(_encoded(_workers(setup)))
    lines.steers = lines.learn(_encoded((*STEERS, *map(_rule, nic.rules))))
    lines.lookups = lines.learn(_encoded(f', "lookup": {json.dumps(lookup)}' for lookup in LOOKUPS))
    lines.states = lines.learn([_state(before, after) for before, after in balancer.states()])
    lines.verdicts = lines.learn(list(map(_verdict, ENTRIES)))
    lines.whys = lines.learn(list(map(_why, ENTRIES)))
    if isinstance(nic, Nic):
        return lines, 0
    cards = (nic.arrived(card << QUEUE_BITS) for card in range(len(nic.cards)))
    lines.cards = lines.learn(_encoded(map(_card, cards)))
    return lines, lines.learn(_encoded(json.dumps(device.name) for device in setup.devices))


def _encoded(pieces: Iterable[str]) -> list[bytes]:
    return [piece.encode() for piece in pieces]


# the same in every run, and a suite of golden cases has hundreds


@cache
def _state(before: str, after: str) -> bytes:
    return json.dumps([before, after]).encode()


@cache
def _verdict(entry: Verdict) -> bytes:
    return f', "verdict": "{entry.name.lower()}", "fate": "{entry.fate.label}", "out": ['.encode()


@cache
def _why(entry: Verdict) -> bytes:
    return f'], "why": {json.dumps(entry.sentence)}}}\n'.encode()


def _workers(setup: Setup) -> Iterator[str]:
    """Who received a row, by index of the worker, and before them nobody."""
    yield ', "worker": null, "queue": null, "steer": null'
    yield from (f', "worker": {json.dumps(worker.rank)}, "queue": ' for worker in setup.workers)


def _rule(rule: object) -> str:
    return f', "steer": {json.dumps({"by": "flow_director", "rule": str(rule)})}'


def _card(arrived: tuple[str, str | None]) -> str:
    port, slave = map(json.dumps, arrived)
    return f', "port": {port}' + (f', "slave": {slave}' if arrived[1] else "")


def _end(service: str, real: str | None) -> bytes:
    """A connection's service and real server; None: its end stands in the table, and maybe a local one."""
    said = f', "service": {json.dumps(service)}, "real": '
    return (said + ('"' if real is None else f'{json.dumps(real)}, "laddr": null')).encode()


def _reason(reasons: list[str]) -> bytes:
    return f', "reason": {json.dumps(reasons)}'.encode() if reasons else b""


def _within(values: list[Any]) -> bytes:
    """What stands between the brackets of a list."""
    return json.dumps(values)[1:-1].encode()
