"""A golden case being written: its capture, its configuration with the lists it names, its case.toml, expectations.

Shared by whatever makes cases: `new_case` trims a capture, `shrink` searches one, `gen` makes one up. Nothing is
overwritten, and nothing is left behind where a case cannot be made. A case that is anonymised is replayed both ways, to
see that it shows the same.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from lbreplay.burst import Burst, Made
from lbreplay.edge.folder import empty, filling
from lbreplay.edge.output import write_text
from lbreplay.edge.scratch import scratch
from lbreplay.errors import ConfigError
from lbreplay.lab.anonymize import Anonymizer
from lbreplay.lab.fields import Frame
from lbreplay.lab.golden import How, Outcome, Run, run_case
from lbreplay.wire.capture import CaptureInfo, open_sink

LIST = re.compile(r"""["']@([^"']+)["']""")  # a list in a file of its own


@dataclass(frozen=True)
class Content:
    """What a case is made of. `stories`: what became of each frame is expected too."""

    info: CaptureInfo
    frames: Sequence[Frame]
    config: str  # text of the configuration
    base: Path  # the folder that its "@file" lists are relative to
    description: str = ""
    view: str = "client"
    args: tuple[str, ...] = ()
    stories: bool = False


Shown = Callable[[Path], Any]  # a case's folder -> what it shows


def make(folder: Path, content: Content, run: Run) -> Outcome:
    """Make the case *folder* and record its expectations. ConfigError, CaptureError; nothing is left behind then."""
    with filling(str(folder)) as place:
        return _recorded(Path(place), content, run, None)


def make_hidden(
    folder: Path, content: Content, run: Run, keys: Sequence[bytes], shown: Shown, strict: bool = False
) -> Outcome:
    """The same, anonymised by the first of *keys* that keeps what is *shown*.

    Where none does, the last one's case stands, and a note of the outcome says what changed; *strict*: ConfigError.
    """
    with filling(str(folder)) as place:
        before, after = _plain(content, run, shown), None
        for key in keys:
            empty(place)
            outcome = _recorded(Path(place), hidden(content, key), run, key)
            after = shown(Path(place))
            if after == before:
                return outcome
        changed = f"anonymised, the case shows {_told(after)}; before {_told(before)}"
        if strict:
            raise ConfigError(f"{folder}: {changed}; another --key may keep it")
        outcome.warnings.append(changed)
        return outcome


def hidden(content: Content, key: bytes) -> Content:
    """*content* anonymised; the lists that its configuration names are hidden when they are written."""
    hide = Anonymizer(key)
    frames = [frame._replace(data=hide.frame(frame.data, frame.length)) for frame in content.frames]
    args = tuple(hide.text(arg).rstrip("\n") for arg in content.args)
    return replace(content, frames=frames, args=args, config=hide.text(content.config))


def _recorded(folder: Path, content: Content, run: Run, key: bytes | None) -> Outcome:
    """Write the case into the empty *folder* and run it."""
    write(folder, content, key)
    outcome = run_case(folder.name, folder, run, How(update=True))
    if not outcome.holds:
        raise ConfigError(f"{folder}: {outcome.problems[0]}")
    return outcome


def write(folder: Path, content: Content, key: bytes | None = None) -> None:
    """The files of a case, without expectations. *key* hides the lists."""
    hide = None if key is None else Anonymizer(key)
    text = content.config
    for number, name in enumerate(dict.fromkeys(LIST.findall(text)), 1):
        listed = (content.base / name).read_text(encoding="utf-8")
        write_text(str(folder / f"list{number}.txt"), hide.text(listed) if hide else listed)
        text = text.replace(f"@{name}", f"@list{number}.txt")
    write_text(str(folder / "lb.toml"), text)
    said: dict[str, Any] = {"description": content.description, "view": content.view, "time_tolerance_ms": 0}
    said |= {"args": list(content.args)} if content.args else {}
    said |= {"stories": True} if content.stories else {}
    lines = [f"{name} = {json.dumps(value, ensure_ascii=False)}" for name, value in said.items()]
    write_text(str(folder / "case.toml"), "\n".join(lines) + "\n")
    write_capture(folder / "in.pcap", content.info, content.frames)


def write_capture(path: Path, info: CaptureInfo, frames: Iterable[Frame]) -> None:
    """*frames* as a pcap."""
    nothing = np.zeros(0, np.int64)
    burst = Burst.of(1, np.zeros(0, np.uint8), nothing, nothing, nothing, nothing)
    burst.made = [Made(0, frame.time_ns, frame.data, frame.length, 0, 0, False) for frame in frames]
    with open_sink(str(path), info) as sink:
        sink.write(burst)


def _plain(content: Content, run: Run, shown: Shown) -> Any:
    """What the case shows as it is."""
    with scratch() as temporary:
        folder = Path(temporary) / "case"
        folder.mkdir()
        _recorded(folder, content, run, None)
        return shown(folder)


def verdicts(folder: Path) -> dict[str, int]:
    """What a recorded case shows: its verdicts, and how often."""
    stats = json.loads((folder / "expected" / "stats.json").read_text(encoding="utf-8"))
    found: dict[str, int] = stats["totals"]["verdicts"]
    return found


def _told(shown: Any) -> str:
    return ", ".join(f"{name} {count}" for name, count in shown.items()) if isinstance(shown, dict) else str(shown)
