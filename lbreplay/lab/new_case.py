"""A golden case from a capture: its frames, trimmed to those asked for, its configuration, and a case.toml."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from lbreplay.edge.output import write_text
from lbreplay.edge.scratch import scratch
from lbreplay.errors import ConfigError
from lbreplay.lab import case_folder
from lbreplay.lab.case_folder import Content
from lbreplay.lab.fields import Frame, endpoints, frames
from lbreplay.lab.golden import Outcome, Run
from lbreplay.wire.capture import open_capture

Span = tuple[int, int]  # frame numbers, both included


@dataclass(frozen=True)
class Wish:
    """What a case is made of. Without flows and spans: every frame."""

    capture: str
    config: str  # text of the configuration
    base: Path  # the folder its "@file" lists are relative to
    view: str = "client"
    args: tuple[str, ...] = ()
    flows: tuple[frozenset[str], ...] = ()
    spans: tuple[Span, ...] = ()
    keys: tuple[bytes, ...] = ()  # of the anonymizer, tried in turn; none: nothing is hidden


def flow_of(text: str) -> frozenset[str]:
    """The ends of `10.0.0.5:4000 > 192.0.2.10:80`, either way round. ConfigError."""
    ends = [part.strip() for part in re.split(r"\s*(?:<?>|<)\s*|\s+-\s+", text)]
    if len(ends) != 2 or not all(ends):
        raise ConfigError(f'--flow: "ADDRESS:PORT > ADDRESS:PORT" expected, got {text!r}')
    return frozenset(ends)


def spans_of(text: str) -> list[Span]:
    """The frame numbers of `1-200,305`. ConfigError."""
    spans = []
    for part in text.split(","):
        found = re.fullmatch(r"\s*(\d+)(?:-(\d+))?\s*", part)
        if not found or int(found[1]) < 1 or int(found[2] or found[1]) < int(found[1]):
            raise ConfigError(f"-n: frame numbers like 1-200,305 expected, got {text!r}")
        spans.append((int(found[1]), int(found[2] or found[1])))
    return spans


def make(folder: Path, wish: Wish, run: Run) -> Outcome:
    """Make the case *folder* and record its expectations. ConfigError, CaptureError; nothing is left behind then."""
    if folder.exists():
        raise ConfigError(f"{folder}: there already; a new folder expected")
    chosen = _chosen(wish, run)
    with open_capture(wish.capture) as source:
        info = source.info
    kept = [frame for frame in frames(wish.capture) if chosen(frame)]
    if not kept:
        raise ConfigError(f"{wish.capture}: no frame is of the flows and numbers asked for")
    content = Content(info, kept, wish.config, wish.base, view=wish.view, args=wish.args)
    if wish.keys:
        return case_folder.make_hidden(folder, content, run, wish.keys, case_folder.verdicts)
    return case_folder.make(folder, content, run)


def _chosen(wish: Wish, run: Run) -> Callable[[Frame], bool]:
    """Which frames stay: of the spans, and of the connections that the flows belong to."""
    numbers = _of_flows(wish, run) if wish.flows else None

    def chosen(frame: Frame) -> bool:
        spanned = not wish.spans or any(low <= frame.n <= high for low, high in wish.spans)
        return spanned and (numbers is None or frame.n in numbers)

    return chosen


def _of_flows(wish: Wish, run: Run) -> set[int]:
    """Numbers of the frames of the flows, and of whatever else is of their connections (a real server's side)."""
    numbers = {frame.n for frame in frames(wish.capture) if _is_of(frame, wish.flows)}
    stories = list(_stories(wish, run))
    conns = {conn for n, conn in stories if n in numbers and conn is not None}
    return numbers | {n for n, conn in stories if conn in conns}


def _is_of(frame: Frame, flows: Sequence[frozenset[str]]) -> bool:
    ends = endpoints(frame)
    return any(ends == wanted or {end.rsplit(":", 1)[0].strip("[]") for end in ends} == wanted for wanted in flows)


def _stories(wish: Wish, run: Run) -> Iterator[tuple[int, int | None]]:
    """(frame, connection) of every frame, from a replay of the whole capture."""
    with scratch() as folder:
        config, trace = Path(folder) / "lb.toml", Path(folder) / "trace.jsonl"
        text = wish.config.replace("@", f"@{wish.base.resolve()}/") if '"@' in wish.config else wish.config
        write_text(str(config), text)
        given = ["run", wish.capture, "-c", str(config), "-q", "--view", wish.view, "--trace", str(trace), *wish.args]
        code, said = run(given)
        if code:
            raise ConfigError(said.strip().replace(str(config), "lb.toml"))
        for line in trace.read_text(encoding="utf-8").splitlines():
            story = json.loads(line)
            if story["n"] is not None:
                yield story["n"], story["conn"]
