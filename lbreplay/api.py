"""The library: what `import lbreplay` gives. These names keep their meaning; every other module is private.

    >>> import lbreplay
    >>> setup = lbreplay.load("samples/web.toml", sets=["workers=2"])
    >>> result = lbreplay.replay(setup, "samples/web.pcap")
    >>> result.totals["frames"], result.totals["transmitted"], result.damage
    (1293, 1292, None)

What became of every frame, one after the other, however long the capture is:

    >>> answers = [story for story in lbreplay.stories(setup, "samples/web.pcap") if story["lookup"] == "out"]
    >>> len(answers), answers[0]["worker"], answers[0]["steer"]["by"]
    (551, 1, 'flow_director')

Properties, and what another setting changes:

    >>> narrow = lbreplay.load("samples/web.toml", sets=["flow_director.dst_port_mask=1"])
    >>> broken = [each for each in lbreplay.check(narrow, "samples/web.pcap").judgements if each.holds is False]
    >>> broken[0].name, broken[0].failure.first
    ('home', 11)
    >>> shift = lbreplay.diff("samples/web.pcap", setup, narrow)
    >>> bool(shift), shift.changed_frames > 0
    (True, True)

What is wrong is an LbreplayError, whose text is the line that the program would print:

    >>> lbreplay.load(text="workers = 0")
    Traceback (most recent call last):
    lbreplay.errors.ConfigError: configuration:1:11: workers: 1 to 64 or a list of tables expected, got 0
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, overload

from lbreplay.errors import CaptureError, ConfigError, LbreplayError, OutputError
from lbreplay.model import Setup
from lbreplay.stats import Result

if TYPE_CHECKING:
    import pandas

    from lbreplay.lab.check import Checked
    from lbreplay.lab.diff import Comparison, Shift

__all__ = [
    "CaptureError",
    "ConfigError",
    "LbreplayError",
    "OutputError",
    "Result",
    "Setup",
    "check",
    "diff",
    "draft",
    "load",
    "replay",
    "stories",
    "table",
]

File = str | os.PathLike[str]
Story = dict[str, Any]


def load(path: File | None = None, *, text: str | None = None, sets: Sequence[str] = (), view: str = "client") -> Setup:
    """The setup that the configuration in the file *path*, or in *text*, makes, with *sets* above it.

    *sets* are `KEY=VALUE` as behind `--set`. *view* says where captures were taken: `client`, `lb` or `rx`. Raises
    ConfigError, a line for everything that is wrong.
    """
    from lbreplay.config.load import load as loaded

    if (path is None) == (text is None):
        raise ConfigError("load: a path or a text expected, one of them")
    if view not in VIEWS:
        raise ConfigError(f"load: view: {', '.join(VIEWS)} expected, got {view!r}")
    return loaded(os.fspath(path or "configuration"), _several(sets, "load: sets"), view=view, text=text)


VIEWS = ("client", "lb", "rx")


def draft(capture: File, *, profile: str = "dpvs", sets: Sequence[str] = (), view: str = "client") -> Setup:
    """The setup that `lbreplay init` drafts from *capture*. *profile* is `dpvs` or `ipvs`.

    Raises CaptureError, ConfigError.
    """
    from lbreplay.config.draft import drafted

    return load(text=drafted(os.fspath(capture), profile), sets=sets, view=view)._replace(drafted=True)


def replay(setup: Setup, capture: File, out: File | None = None, *, trace: File | None = None) -> Result:
    """Send every frame of *capture* through the balancer; what leaves goes to *out*, a line a frame to *trace*.

    `Result.document()` is what `--stats` writes, `Result.warnings` what the program would warn of. A damaged capture is
    replayed as far as it can be read, and `Result.damage` says why no further. Raises CaptureError where nothing can be
    read, OutputError where nothing can be written.
    """
    from lbreplay.journey import replay as journey

    return journey(setup, os.fspath(capture), _path(out), trace=_path(trace))


def stories(setup: Setup, capture: File) -> Iterator[Story]:
    """What became of each frame of *capture*, in order, as a line of `--trace` says it.

    What the balancer sends by itself has `"n": None`. Frames are told while the capture is read: memory does not grow
    with its length. Raises CaptureError, of a damaged capture behind the last frame that can be read.
    """
    from lbreplay.journey import Replay
    from lbreplay.trace import Kept
    from lbreplay.wire.capture import open_capture

    with open_capture(os.fspath(capture)) as source:
        kept = Kept(setup)
        run = Replay(setup, source, None, kept)
        run.rewriting = False
        for burst in source.bursts(setup.burst_size):
            run.journey(burst)
            yield from kept.lines
        if source.damage is not None:
            raise source.damage
        if not source.frames:
            raise CaptureError(f"{os.fspath(capture)}: no packet in it")


def table(setup: Setup, capture: File) -> pandas.DataFrame:
    """The stories as a table of pandas, a row each; names inside others are joined by dots (`steer.by`).

    Needs the extra: `pip install 'lbreplay[pandas]'`. Raises CaptureError.
    """
    import pandas

    return pandas.json_normalize(list(stories(setup, capture))).convert_dtypes()


def check(setup: Setup, capture: File, properties: Iterable[str] = ()) -> Checked:
    """Replay *capture* and judge *properties*, none: all.

    `.failed` says how many do not hold; `.judgements` have `.name`, `.holds` (None: nothing to judge) and
    `.failure`, whose `.first` is the first frame that breaks it. Raises CaptureError; ConfigError: an unknown property.
    """
    from lbreplay.lab.check import check as judged

    return judged(setup, os.fspath(capture), _several(properties, "check: properties"))


@overload
def diff(capture: File, one: Setup, other: Setup) -> Shift: ...


@overload
def diff(capture: File, one: File) -> Comparison: ...


def diff(capture: File, one: Setup | File, other: Setup | None = None) -> Shift | Comparison:
    """How two setups differ over *capture*; or how the capture *one* differs from *capture*. True where anything does.

    `.document()` is what `lbreplay diff --format json` prints. Raises CaptureError.
    """
    from lbreplay.lab.diff import compare_files, compare_setups

    if isinstance(one, Setup) and other is not None:
        return compare_setups(os.fspath(capture), one, other)
    if isinstance(one, Setup) or other is not None:
        raise ConfigError("diff: two setups, or two captures expected")
    return compare_files(os.fspath(capture), os.fspath(one))


def _path(path: File | None) -> str | None:
    return None if path is None else os.fspath(path)


def _several(texts: Iterable[str], what: str) -> tuple[str, ...]:
    """Texts, and not the letters of one."""
    if isinstance(texts, str):
        raise ConfigError(f"{what}: a list of texts expected, got {texts!r}")
    return tuple(texts)
