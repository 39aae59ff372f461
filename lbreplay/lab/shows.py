"""What a capture under a configuration may show: conditions that a search holds on to.

A condition looks at a capture whose frames are some of another one's, and says which of them shows it: the number of a
frame, 0 where no single one does, None where it is not shown. `sentence` says it for the description of a case.
"""

from __future__ import annotations

import difflib
import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import numpy as np

from lbreplay.burst import Burst
from lbreplay.errors import ConfigError
from lbreplay.journey import Replay, replay
from lbreplay.lab.check import check, chosen
from lbreplay.lab.diff import EXACT, compare
from lbreplay.lab.fields import frames
from lbreplay.lab.golden import cause
from lbreplay.lab.probe import Probe
from lbreplay.lab.trim import Numbers
from lbreplay.model import Setup
from lbreplay.verdict import NAMES
from lbreplay.wire.capture import open_capture

Load = Callable[[Path], Setup]  # a configuration file -> the setup, with the view of the search
STILL_BAD = 1  # exit status of a command


class Condition(Protocol):
    """See the head comment. `needs`: the frame that has to stay, 0: none. `settings`: whether settings may go."""

    needs: int
    settings: bool

    @property
    def sentence(self) -> str: ...

    def shown(self, capture: Path, config: Path, numbers: Numbers) -> int | None:
        """Where *capture*, whose frames had *numbers* before, shows it under *config*."""


class Verdict:
    """Some frame ends with this verdict."""

    needs, settings = 0, True

    def __init__(self, name: str, load: Load) -> None:
        if name not in NAMES:
            near = difflib.get_close_matches(name, NAMES, 1)
            raise ConfigError(
                f"--verdict: a verdict expected, got {name!r}" + (f"; nearest is {near[0]!r}" if near else "")
            )
        self._name, self._code, self._load = name, NAMES.index(name), load

    @property
    def sentence(self) -> str:
        """See `Condition`."""
        return f"A frame that ends as {self._name}."

    def shown(self, capture: Path, config: Path, numbers: Numbers) -> int | None:
        """See `Condition`."""
        with open_capture(str(capture)) as source:
            setup = self._load(config)
            run = Replay(setup, source, None, None)
            run.rewriting = False
            for burst in source.bursts(setup.burst_size):
                run.journey(burst)
                rows = np.flatnonzero(burst.verdict == self._code)
                if rows.size:
                    return burst.first + int(rows[0])
        return None


class Broken:
    """A property of `lbreplay check` does not hold."""

    needs, settings = 0, True

    def __init__(self, name: str, load: Load) -> None:
        (self._name,) = chosen([name])
        self._load = load

    @property
    def sentence(self) -> str:
        """See `Condition`."""
        return f"The property {self._name} does not hold."

    def shown(self, capture: Path, config: Path, numbers: Numbers) -> int | None:
        """See `Condition`."""
        (judgement,) = check(self._load(config), str(capture), [self._name]).judgements
        return judgement.failure.first if judgement.failure is not None else None


class SameFrame:
    """A frame ends with the same verdict, and what leaves because of it are the same bytes."""

    def __init__(self, number: int, capture: Path, config: Path, load: Load, why: str = "") -> None:
        self.needs, self.settings, self._load = number, True, load
        self._wanted = self._end(capture, config, number)
        self._why = why

    @property
    def sentence(self) -> str:
        """See `Condition`."""
        verdict, left = self._wanted
        return f"{self._why}A frame that ends as {verdict}, and {len(left)} that leave because of it."

    def shown(self, capture: Path, config: Path, numbers: Numbers) -> int | None:
        """See `Condition`."""
        at = int(np.searchsorted(numbers, self.needs)) + 1
        return at if self._end(capture, config, at) == self._wanted else None

    def _end(self, capture: Path, config: Path, number: int) -> tuple[str, tuple[bytes, ...]]:
        with Probe(self._load(config), str(capture)) as probe:
            shot = probe.shoot(number)
        return NAMES[int(shot.burst.verdict[0])], tuple(left.frame for left in shot.left)


class Differs:
    """Something leaves otherwise, or ends otherwise, under another configuration. Without settings one of both would
    differ for nothing: they stay."""

    needs, settings = 0, False

    def __init__(self, other: Path, load: Load) -> None:
        self._other, self._load = load(other), load
        self._name = other.name

    @property
    def sentence(self) -> str:
        """See `Condition`."""
        return f"Something leaves or ends otherwise under {self._name}."

    def shown(self, capture: Path, config: Path, numbers: Numbers) -> int | None:
        """See `Condition`."""
        setup = self._load(config)
        with open_capture(str(capture)) as one, open_capture(str(capture)) as two:
            runs = Replay(setup, one, None, None), Replay(self._other, two, None, None)
            size = setup.burst_size
            for a, b in zip(one.bursts(size), two.bursts(size), strict=True):
                runs[0].journey(a)
                runs[1].journey(b)
                if row := _first_difference(a, b):
                    return a.first + row - 1
        return None


def _first_difference(a: Burst, b: Burst) -> int:
    """The first row (from 1) of the same frames in two replays that ends or leaves otherwise; 0: none."""
    rows = (a.verdict != b.verdict) | (a.leaving != b.leaving)
    if not np.array_equal(a.buffer, b.buffer):
        rows |= np.array([a.leaving[row] and a.frame(row) != b.frame(row) for row in range(a.size)], np.bool_)
    first = int(np.flatnonzero(rows)[0]) + 1 if rows.any() else 0
    others = [one.row + 1 for one, two in zip(a.made, b.made, strict=False) if one != two]
    if len(a.made) != len(b.made):
        longer = max(a.made, b.made, key=len)
        others.append(longer[min(len(a.made), len(b.made))].row + 1)
    return min(filter(None, (first, *others)), default=0)


class Command:
    """A command, run in a folder with `in.pcap` and `lb.toml`, leaves with exit status 1."""

    needs, settings = 0, True

    def __init__(self, command: str) -> None:
        self._command = command

    @property
    def sentence(self) -> str:
        """See `Condition`."""
        return f"Exit status 1 of: {self._command}"

    def shown(self, capture: Path, config: Path, numbers: Numbers) -> int | None:
        """See `Condition`. The search keeps both files in one folder."""
        try:
            done = subprocess.run(
                ["/bin/sh", "-c", self._command], cwd=capture.parent, stdin=subprocess.DEVNULL, capture_output=True
            )
        except OSError as error:
            raise ConfigError(f"--exec: {shlex.quote(self._command)}: {error.strerror or error}") from None
        return 0 if done.returncode == STILL_BAD else None


def against(old: Path, capture: Path, config: Path, load: Load, folder: Path) -> SameFrame:
    """The first frame whose packets an older OUT does not have: it is to leave as it does now. ConfigError if none."""
    out, trace = folder / "new.pcap", folder / "trace.jsonl"
    replay(load(config), str(capture), str(out), trace=str(trace))
    found = compare(list(frames(str(old))), list(frames(str(out))), EXACT)
    numbers = (cause(difference.b.n, trace) for difference in found.differences if difference.b is not None)
    first = next(filter(None, numbers), None)
    if first is None:
        raise ConfigError(f"{old}: everything leaves as it did there")
    return SameFrame(first, capture, config, load, f"Not as in {old.name}: ")
