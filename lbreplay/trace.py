"""The trace: one JSON object a line for every frame (interface 6), and for what the balancer sends by itself."""

from __future__ import annotations

import json
from collections.abc import Iterator
from types import TracebackType
from typing import Any, NamedTuple

from lbreplay.burst import QUEUE_BITS, Burst, Received
from lbreplay.dpvs.balancer import Balancer
from lbreplay.dpvs.story import Story
from lbreplay.edge.output import Output
from lbreplay.model import Setup
from lbreplay.nic.ports import Ports
from lbreplay.nic.steer import Nic
from lbreplay.verdict import ENTRIES, NAMES

Line = dict[str, Any]
STEERED = ("default", "rss", "flow_director")
LAST_QUEUE = (1 << QUEUE_BITS) - 1


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
        lines = "".join(json.dumps(line) + "\n" for line in self._told.lines(burst, balancer, nic))
        self._output.write(lines.encode())


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
        self._written = written  # frames in the output before the present burst

    def lines(self, burst: Burst, balancer: Balancer, nic: Nic | Ports) -> Iterator[Line]:
        """One for each row, in order, and before it one for whatever was sent without a cause."""
        stories = balancer.stories
        assert stories is not None and len(stories) == burst.size, "every row has its story"
        numbers = self._numbers(burst)
        for row, story in enumerate(stories):
            for sent in numbers.pop(-1 - row, ()):
                yield {"n": None, "t_ns": sent.time_ns, **_out([sent], nic)}
            yield self._frame(burst, row, story, numbers.get(row, []), balancer, nic)

    def _numbers(self, burst: Burst) -> dict[int, list[Sent]]:
        """What was sent by the row that caused it; by -1 - row what nothing caused."""
        found: dict[int, list[Sent]] = {}
        for row, cause, sent in self._order(burst):
            key = cause - burst.first if cause else -1 - row
            found.setdefault(key, []).append(sent)
        return found

    def _order(self, burst: Burst) -> Iterator[tuple[int, int, Sent]]:
        """Row and cause of what was sent, in order; the number of the last frame written stays up to date."""
        made = iter(burst.made)
        waiting = next(made, None)
        for row in range(burst.size):
            while waiting is not None and waiting.row == row:
                self._written += 1
                if not isinstance(waiting, Received):
                    yield row, waiting.cause, Sent(self._written, waiting.time_ns, waiting.frame)
                waiting = next(made, None)
            if burst.leaving[row]:
                self._written += 1
                yield row, burst.first + row, Sent(self._written, int(burst.time_ns[row]), burst.frame(row))

    def _frame(
        self, burst: Burst, row: int, story: Story, out: list[Sent], balancer: Balancer, nic: Nic | Ports
    ) -> Line:
        verdict = int(burst.verdict[row])
        entry = ENTRIES[verdict]
        index = int(burst.worker_index[row])
        received = index >= 0
        line: Line = {
            "n": burst.first + row,
            "t_ns": int(burst.time_ns[row]),
            "worker": self._setup.workers[index].rank if received else None,
            "queue": int(burst.queue[row]) & LAST_QUEUE if received else None,
            "steer": _steer(burst, row, nic) if received else None,
            "lookup": story.lookup or None,
        }
        if received and isinstance(nic, Ports):
            port, slave = nic.arrived(int(burst.queue[row]))
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
    if isinstance(nic, Ports):
        out["out_port"] = [nic.setup.devices[nic.leaves_by(one.frame)].name for one in sent]
    return out


def _steer(burst: Burst, row: int, nic: Nic | Ports) -> dict[str, Any]:
    by = STEERED[burst.by[row]]
    if by == "rss":
        return {"by": by, "hash": f"0x{int(burst.hash[row]):08x}", "reta": int(burst.reta[row])}
    if by == "flow_director":
        return {"by": by, "rule": str(nic.rules[burst.rule[row]])}
    return {"by": by}
