"""The trace: one JSON object a line for every frame (interface 6), and for what the balancer sends by itself."""

from __future__ import annotations

import json
from collections.abc import Iterator
from types import TracebackType
from typing import Any

from lbreplay.burst import Burst, Received
from lbreplay.dpvs.balancer import Balancer
from lbreplay.dpvs.story import Story
from lbreplay.edge.output import Output
from lbreplay.model import Setup
from lbreplay.nic.steer import Nic
from lbreplay.verdict import ENTRIES, NAMES

Line = dict[str, Any]
STEERED = ("default", "rss", "flow_director")


class Trace:
    """Writes the trace of a run into a file."""

    def __init__(self, path: str, setup: Setup) -> None:
        self._told = Told(setup)
        self._output = Output(path)

    def __enter__(self) -> Trace:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._output.__exit__(kind, error, _)

    def write(self, burst: Burst, balancer: Balancer, nic: Nic) -> None:
        """A line for each row, in order, and before it one for whatever was sent without a cause."""
        lines = "".join(json.dumps(line) + "\n" for line in self._told.lines(burst, balancer, nic))
        self._output.write(lines.encode())


class Kept:
    """Keeps the lines of the last burst, for who takes them out of `lines`."""

    def __init__(self, setup: Setup) -> None:
        self._told = Told(setup)
        self.lines: list[Line] = []

    def write(self, burst: Burst, balancer: Balancer, nic: Nic) -> None:
        """The same lines as those of a Trace."""
        self.lines = list(self._told.lines(burst, balancer, nic))


class Told:
    """The lines of a run, burst by burst."""

    def __init__(self, setup: Setup, written: int = 0) -> None:
        self._setup = setup
        self._written = written  # frames in the output before the present burst

    def lines(self, burst: Burst, balancer: Balancer, nic: Nic) -> Iterator[Line]:
        """One for each row, in order, and before it one for whatever was sent without a cause."""
        stories = balancer.stories
        assert stories is not None and len(stories) == burst.size, "every row has its story"
        numbers = self._numbers(burst)
        for row, story in enumerate(stories):
            for out, time_ns in numbers.pop(-1 - row, ()):
                yield {"n": None, "t_ns": time_ns, "out": [out]}
            yield self._frame(burst, row, story, [out for out, _ in numbers.get(row, ())], balancer, nic)

    def _numbers(self, burst: Burst) -> dict[int, list[tuple[int, int]]]:
        """Output numbers and times by the row that caused them; by -1 - row for what nothing caused."""
        found: dict[int, list[tuple[int, int]]] = {}
        for row, cause, time_ns in self._order(burst):
            key = cause - burst.first if cause else -1 - row
            found.setdefault(key, []).append((self._written, time_ns))
        return found

    def _order(self, burst: Burst) -> Iterator[tuple[int, int, int]]:
        """Row, cause and time of what was sent, in order; the number of the last frame written stays up to date."""
        made = iter(burst.made)
        waiting = next(made, None)
        for row in range(burst.size):
            while waiting is not None and waiting.row == row:
                self._written += 1
                if not isinstance(waiting, Received):
                    yield row, waiting.cause, waiting.time_ns
                waiting = next(made, None)
            if burst.leaving[row]:
                self._written += 1
                yield row, burst.first + row, int(burst.time_ns[row])

    def _frame(self, burst: Burst, row: int, story: Story, out: list[int], balancer: Balancer, nic: Nic) -> Line:
        verdict = int(burst.verdict[row])
        entry = ENTRIES[verdict]
        index = int(burst.worker_index[row])
        received = index >= 0
        line: Line = {
            "n": burst.first + row,
            "t_ns": int(burst.time_ns[row]),
            "worker": self._setup.workers[index].rank if received else None,
            "queue": int(burst.queue[row]) if received else None,
            "steer": _steer(burst, row, nic) if received else None,
            "lookup": story.lookup or None,
        }
        if story.owner >= 0:
            line["owner"] = story.owner
        line |= balancer.connection(story)
        if story.reasons:
            line["reason"] = story.reasons
        line |= {"verdict": NAMES[verdict], "fate": entry.fate.label, "out": out, "why": entry.sentence}
        return line


def _steer(burst: Burst, row: int, nic: Nic) -> dict[str, Any]:
    by = STEERED[burst.by[row]]
    if by == "rss":
        return {"by": by, "hash": f"0x{int(burst.hash[row]):08x}", "reta": int(burst.reta[row])}
    if by == "flow_director":
        return {"by": by, "rule": str(nic.rules[burst.rule[row]])}
    return {"by": by}
