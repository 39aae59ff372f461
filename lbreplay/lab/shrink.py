"""The smallest case that still shows something: delta debugging of a capture and its configuration.

    the frame that shows it is the last one: nothing behind it matters
    whole flows go first, those that spoke last are guessed to be enough
    then frames, then bytes of payload, then settings of the configuration
    then the pauses, where no timer needs them

Each step keeps what it gets away with, `reduce.least` says when no part can go. Steps are repeated until none of them
finds anything, so that no frame of the result can be taken away. A search that is interrupted has its best so far.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from lbreplay.config.found import Found
from lbreplay.config.keypath import assign
from lbreplay.config.kinds import Refused
from lbreplay.config.load import parse
from lbreplay.config.prune import parts, without
from lbreplay.edge import pace
from lbreplay.edge.output import write_text
from lbreplay.errors import ConfigError, LbreplayError
from lbreplay.lab import trim
from lbreplay.lab.case_folder import Content, write_capture
from lbreplay.lab.fields import Frame, frames
from lbreplay.lab.reduce import guessed, least, smallest
from lbreplay.lab.shows import Condition, Load
from lbreplay.lab.trim import Cut, Numbers

DEEPEST = 5  # steps below the root of a configuration


class Enough(Exception):
    """The time that a search may take is over."""


class Best(NamedTuple):
    """The smallest case so far."""

    frames: Sequence[Frame]
    document: dict[str, Any] | None  # of the configuration; None: its text, untouched


class Asked(NamedTuple):
    """A capture and its configuration, as they are given. `base`: the folder of its lists."""

    capture: Path
    text: str
    base: Path
    args: tuple[str, ...] = ()  # KEY=VALUE, as of --set

    def document(self) -> dict[str, Any]:
        """The raw configuration with the assignments carried out. ConfigError."""
        found = parse("lb.toml", self.text)
        for text in self.args:
            try:
                assign(found, text, str(self.base))
            except Refused as refused:
                raise ConfigError(f"--set {text}: {refused}") from None
        return found


class Search:
    """One search, in a *folder* of its own, where `in.pcap` and `lb.toml` are what is tried."""

    def __init__(self, asked: Asked, folder: Path, load: Load, seconds: float | None = None) -> None:
        self.asked, self._load = asked, load
        self._capture, self._config = folder / "in.pcap", folder / "lb.toml"
        self._start, self._seconds = time.monotonic(), seconds
        self.interrupted = False
        self.tries = 0
        self.total = 0
        self._document = asked.document()
        self._configure(self._document if asked.args else None)
        self.best: Best | None = None

    def configured(self) -> Path:
        """The configuration as it is given, in a file."""
        return self._config

    def _configure(self, document: dict[str, Any] | None) -> None:
        write_text(str(self._config), self.asked.text if document is None else spelled(document))

    def run(self, condition: Condition) -> Content:
        """Search; the content of the smallest case found. ConfigError where the condition does not hold at once."""
        with pace.phase("shrinking" if self._seconds else "shrinking, tries") as self._tell:
            return self._run(condition)

    def _run(self, condition: Condition) -> Content:
        self._condition = condition
        cut = Cut(self.asked.capture)
        self.total, self._info = cut.size, cut.info
        numbers = self._at_start(cut)
        try:
            numbers = self._fewer_flows(cut, numbers)
            cut.write(numbers, self._capture)
            kept = [f._replace(n=int(n)) for n, f in zip(numbers, frames(str(self._capture)), strict=True)]
            self.best = Best(kept, self._document if self.asked.args else None)
            self._smaller()
        except (KeyboardInterrupt, Enough) as stopped:
            self.interrupted = isinstance(stopped, KeyboardInterrupt)
            if self.best is None:
                cut.write(self._numbers, self._capture)
                self.best = Best(list(frames(str(self._capture))), self._document if self.asked.args else None)
        return self._content(cut)

    def _content(self, cut: Cut) -> Content:
        assert self.best is not None, "the search had a start"
        kept = [frame._replace(n=n) for n, frame in enumerate(self.best.frames, 1)]
        text = self.asked.text if self.best.document is None else spelled(self.best.document)
        told = f"{self._condition.sentence} {len(kept)} of {self.total} frames are left."
        return Content(cut.info, kept, text, self.asked.base, told)

    # --- by number -------------------------------------------------------------------------------------------

    def _at_start(self, cut: Cut) -> Numbers:
        """All frames up to the one that shows it."""
        self._numbers: Numbers = np.arange(1, cut.size + 1)
        self._load(self._config)  # a configuration that is refused is the user's to know
        if not self._holds_by_number(cut, self._numbers):
            raise ConfigError(f"{self.asked.capture}: not shown at the start: {self._condition.sentence}")
        return self._numbers

    def _fewer_flows(self, cut: Cut, numbers: Numbers) -> Numbers:
        """Guess how many of the flows that spoke last are enough, then take flows away."""
        flows = cut.recent(numbers)
        does = self._of_flows(cut)
        few = guessed(flows, (flows[: 1 << n] for n in range(len(flows).bit_length())), does)
        least(list(few), does)
        return self._numbers

    def _of_flows(self, cut: Cut) -> Callable[[Sequence[int]], bool]:
        def does(flows: Sequence[int]) -> bool:
            return self._holds_by_number(cut, cut.of_flows(flows, self._numbers))

        return does

    def _holds_by_number(self, cut: Cut, numbers: Numbers) -> bool:
        """Whether these frames show it; if so they are the best so far, without what comes behind."""
        if not len(numbers) or (self._condition.needs and self._condition.needs not in numbers):
            return False
        self._count()
        cut.write(numbers, self._capture)
        shown = self._condition.shown(self._capture, self._config, numbers)
        if shown is not None:
            self._numbers = numbers[:shown] if shown else numbers
        return shown is not None

    # --- frame by frame --------------------------------------------------------------------------------------

    def _smaller(self) -> None:
        """All steps, until none finds anything more."""
        size = None
        while size != (size := self._size()):
            self._fewer_frames()
            self._less_payload()
            self._fewer_settings()
            self._shorter_pauses()

    def _size(self) -> tuple[int, int, str]:
        best = self._now
        return len(best.frames), sum(len(f.data) for f in best.frames), str(best.document)

    @property
    def _now(self) -> Best:
        assert self.best is not None, "there is one by now"
        return self.best

    def _fewer_frames(self) -> None:
        least(list(self._now.frames), lambda kept: self._holds(self._now._replace(frames=kept)))

    def _less_payload(self) -> None:
        """Of all frames, then of some, then a part of what is left of each."""
        at = [n for n, frame in enumerate(self._now.frames) if trim.payload_size(frame)]
        given = list(self._now.frames)

        def emptied(kept: Sequence[int]) -> bool:
            gone = set(at) - set(kept)
            return self._holds_shorter([trim.shortened(f, 0) if n in gone else f for n, f in enumerate(given)])

        if at and not emptied([]):
            at = least(at, emptied)
            for n in at:
                self._less_of(n)

    def _less_of(self, n: int) -> None:
        """The shortest payload of frame *n* that still does, as far as halving finds it."""
        whole = self._now.frames[n]

        def does(keep: int) -> bool:
            rest = list(self._now.frames)
            return self._holds_shorter([*rest[:n], trim.shortened(whole, keep), *rest[n + 1 :]])

        smallest(trim.payload_size(whole), does)

    def _holds_shorter(self, kept: list[Frame]) -> bool:
        return self._holds(self._now._replace(frames=kept))

    def _fewer_settings(self) -> None:
        """Tables first, then what is in them."""
        for depth in range(1, DEEPEST + 1) if self._condition.settings else ():
            given = self._document if self._now.document is None else self._now.document
            paths = parts(given, depth)
            if paths and not self._holds_without(given, paths, ()):
                least(paths, lambda kept, given=given, paths=paths: self._holds_without(given, paths, kept))  # type: ignore[misc]

    def _holds_without(self, given: dict[str, Any], paths: Sequence[Any], kept: Sequence[Any]) -> bool:
        return self._holds(self._now._replace(document=without(given, set(paths) - set(kept))))

    def _shorter_pauses(self) -> None:
        given = list(self._now.frames)
        at = trim.pauses(given)

        def does(kept: Sequence[int]) -> bool:
            return self._holds(self._now._replace(frames=trim.hurried(given, kept)))

        if at and not does([]):
            least(at, does)

    def _holds(self, tried: Best) -> bool:
        """Whether *tried* shows it; if so it is the best so far."""
        needs = self._condition.needs
        numbers = np.array([frame.n for frame in tried.frames], np.int64)
        if needs and needs not in numbers:
            return False
        self._count()
        try:
            self._configure(tried.document)
            self._load(self._config)
            write_capture(self._capture, self._info, tried.frames)
            shown = self._condition.shown(self._capture, self._config, numbers)
        except LbreplayError:
            return False  # what cannot be replayed shows nothing
        if shown is not None:
            self.best = tried
        return shown is not None

    def _count(self) -> None:
        """One more try. How many there will be nobody knows, but how many seconds it may take."""
        self.tries += 1
        took = time.monotonic() - self._start
        self._tell(self.tries, None) if self._seconds is None else self._tell(int(took), int(self._seconds))
        if self._seconds is not None and self.tries > 1 and took > self._seconds:
            raise Enough


def spelled(document: dict[str, Any]) -> str:
    """A raw configuration as TOML."""
    found = Found()
    found.document = document
    return found.text()
