"""The options that mean the same in every command (interface 1), each a decorator, and what they lead to.

    @click.command()
    @options.capture
    @options.settings          # -c --set --view --seed --burst
    @options.output_format     # --format
    @options.quiet             # -q --no-progress --color
    def command(capture, config, assignments, view, seed, burst, output_format, quiet, color): ...

`setup(capture, config, assignments, view, seed, burst)` turns the second group into a `model.Setup`.
"""

from __future__ import annotations

import functools
import os
import stat
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import click
from click.core import ParameterSource

from lbreplay.cli import paths, streams
from lbreplay.edge import pace
from lbreplay.edge.output import Output
from lbreplay.edge.text import all_shown
from lbreplay.errors import LbreplayError
from lbreplay.phrases import plural

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from lbreplay.config.found import Found
    from lbreplay.config.imports import Files
    from lbreplay.config.places import Places
    from lbreplay.model import Setup


class Finite(click.FloatRange):
    """A number in a range; `nan` is in none."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        number: float = super().convert(value, param, ctx)
        if number != number:
            self.fail("a number expected, got nan", param, ctx)
        return number


F = TypeVar("F", bound=Callable[..., Any])
PARTS = "lbreplay.ports"  # of a context: captures of several ports


def completes(what: str) -> Callable[[click.Context, click.Parameter, str], list[CompletionItem]]:
    """The values that `cli.completion` knows as *what*, looked up when a shell asks."""

    def complete(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        from lbreplay.cli import completion

        found: list[CompletionItem] = getattr(completion, what)(incomplete)
        return found

    return complete


def _together(*decorators: Callable[[F], F]) -> Callable[[F], F]:
    """One decorator of several, shown by --help in the order given."""
    return lambda function: functools.reduce(lambda f, decorate: decorate(f), reversed(decorators), function)


def _ports(ctx: click.Context, param: click.Parameter, value: tuple[str, ...]) -> None:
    """Keep the captures of several ports, NAME=FILE each, with the context: `_one_capture` makes one of them."""
    parts: list[tuple[str, str]] = []
    for text in value:
        name, equals, path = text.partition("=")
        if not (name and equals and path) or path == "-":
            raise click.UsageError(f"--port: NAME=FILE expected, got {text}")
        if name in (known for known, _ in parts):
            raise click.UsageError(f"--port: one file for {name} expected, got two")
        parts.append((name, paths.READ.convert(path, param, ctx)))
    ctx.meta[PARTS] = parts


def _one_capture(ctx: click.Context, param: click.Parameter, value: str | None) -> str | None:
    """IN, or the captures of several ports as one."""
    parts = ctx.meta.get(PARTS)
    if not parts:
        if value is None and param.metavar == "IN":
            raise click.MissingParameter(ctx=ctx, param=param)
        return value
    if value is not None:
        raise click.UsageError("IN, or --port NAME=FILE for every port, not both")
    from lbreplay.wire.capture import Merged

    return Merged(parts)


def _capture(metavar: str) -> Callable[[F], F]:
    """The capture of a command, IN or one of several ports; in brackets where it need not be there."""
    return _together(
        click.argument("capture", metavar=metavar, required=False, type=paths.READ, callback=_one_capture),
        click.option(
            "--port",
            "ports",
            metavar="NAME=FILE",
            multiple=True,
            is_eager=True,
            expose_value=False,
            callback=_ports,
            help="In place of IN: what was captured on the port NAME. Repeatable; merged by time.",
        ),
    )


capture = _capture("IN")
maybe_capture = _capture("[IN]")
_config = click.option(
    "-c",
    "--config",
    metavar="FILE",
    type=paths.READ,
    help="Configuration (TOML). Default: drafted from IN, if any.",
)


def overrides(*names: str, help: str = "Override one setting; VALUE in TOML. Repeatable.") -> Callable[[F], F]:
    """--set, or one of its kind."""
    complete = completes("keys")
    return click.option(*names, metavar="KEY=VALUE", multiple=True, shell_complete=complete, help=help)


assignments = overrides("--set", "assignments")
view = click.option(
    "--view",
    type=click.Choice(["client", "lb", "rx"]),
    default="client",
    show_default=True,
    help="Where the capture was taken: at clients, at the balancer's port, or only what the port receives.",
)
seed = click.option("--seed", type=int, metavar="N", help="Of all chance in the model; the same as --set seed=N.")
burst = click.option(
    "--burst",
    type=click.IntRange(1, 1 << 20),
    metavar="N",
    default=4096,
    show_default=True,
    help="Frames handled at once, and 16384 of a large capture if nobody asks; never changes a result.",
)
output = click.option(
    "-o",
    "--output",
    metavar="OUT",
    type=paths.WRITTEN_CAPTURE,
    help="Where to write: .pcap or .pcapng, with .gz, .zst or .xz behind it compressed; - = standard output.",
)


def formats(*known: str, help: str = "Of what is printed.") -> Callable[[F], F]:
    """`--format` of a command that prints in the *known* ways."""
    choice = click.Choice(known)
    return click.option("--format", "output_format", type=choice, default="table", show_default=True, help=help)


output_format = formats("table", "json", "csv")


html = click.option("--html", metavar="FILE", type=paths.WRITTEN, help="A page with pictures, one file, into FILE.")


def _keep(ctx: click.Context, param: click.Parameter, value: object) -> None:
    """Keep the path of an imported file with the context: every command that takes -c takes these, by `setup`."""
    if value:
        ctx.meta.setdefault(IMPORTED, {})[param.name] = value


KEYS = 16  # of an anonymizer, tried in turn
# in the context: files of a balancer, what ran, and where the keys of that stand
IMPORTED, RAN, PLACES = "lbreplay.imported", "lbreplay.ran", "lbreplay.places"
PATIENCE = 3.0  # seconds of standard input before a word about it


def _import(*names: str, multiple: bool = False, metavar: str = "FILE", help: str) -> Callable[[F], F]:
    """An option that names a file of a running balancer, or says something of one."""
    return click.option(
        *names,
        metavar=metavar,
        type=paths.READ if metavar == "FILE" else str,
        multiple=multiple,
        expose_value=False,
        callback=_keep,
        help=help,
    )


imported = _together(
    _import("--dpvs-conf", "dpvs_conf", help="In place of -c: the dpvs.conf of a balancer."),
    _import("--script", "scripts", multiple=True, help="Its ipvsadm and dpip commands. Repeatable."),
    _import("--script-args", "script_args", metavar="WORDS", help="What is typed behind the scripts, like '-s all'."),
    _import("--ipvsadm-save", "ipvsadm_save", help="What ipvsadm -S -n prints."),
    _import("--keepalived", "keepalived", help="Its keepalived.conf."),
    _import("--events", "events", help="Changes in the middle: lines of SECONDS COMMAND."),
)
config = _together(_config, imported)


def imported_files() -> Files | None:
    """The files of a balancer that the command line names; None where it names none."""
    context = click.get_current_context(silent=True)
    given = context.meta.get(IMPORTED) if context is not None else None
    if not given:
        return None
    from lbreplay.config.imports import Files

    return Files(**given)


dask = click.option("--dask", metavar="tcp://HOST:PORT", help="A cluster's scheduler, in place of processes here.")
new_folder = click.option(
    "-o", "--output", "folder", metavar="DIR", required=True, type=paths.NEW_FOLDER, help="A new or empty folder."
)
settings = _together(config, assignments, view, seed, burst)


def _show_progress(ctx: click.Context, param: click.Parameter, refused: bool) -> None:
    """Whatever takes long in this command is shown, unless -q or --no-progress is given."""
    from lbreplay.report.progress import Progress

    ctx.with_resource(pace.listen(Progress(lambda: not refused and not ctx.params.get("quiet"))))


def silenced(help: str) -> Callable[[F], F]:
    """-q of a command that says more than its result."""
    return click.option("-q", "--quiet", is_flag=True, help=help)


progress = click.option(
    "--no-progress", is_flag=True, expose_value=False, callback=_show_progress, help="No progress bar."
)
color = click.option(
    "--color", type=click.Choice(["auto", "always", "never"]), default="auto", help="NO_COLOR is honoured."
)
silent = _together(silenced("Print nothing but errors."), progress)  # of commands that print no table
quiet = _together(silent, color)


def setup(
    capture: str | None, config: str | None, assignments: tuple[str, ...], view: str, seed: int | None, burst: int
) -> Setup:
    """The setup that the options ask for; without *config* it is drafted from *capture*, a path that can be read twice.

    Raises ConfigError (exit 2), and CaptureError where drafting cannot read the capture.
    """
    return loader(capture, config, assignments, view, seed, burst)(())


def loader(
    capture: str | None, config: str | None, assignments: tuple[str, ...], view: str, seed: int | None, burst: int
) -> Callable[[tuple[str, ...]], Setup]:
    """The same as a function of further assignments; what it takes to draft is done once. Raises as `setup`."""
    from lbreplay.config.load import load, read_text
    from lbreplay.config.texts import lists

    if seed is not None:
        assignments = (*assignments, f"seed={seed}")
    text: str | None = None
    places: Places | None = None
    if (imported := _imported(config, assignments)) is not None:
        config, text, places = imported
    elif config is not None:
        text = read_text(config)
        paths.also_read("@file", (os.path.join(os.path.dirname(config), name) for name in lists(text)))
    elif capture is not None:
        text = _drafted(capture, assignments)
    if (context := click.get_current_context(silent=True)) is not None:
        context.meta[RAN] = (config, text, assignments)
        context.meta[PLACES] = places

    def loaded(more: tuple[str, ...]) -> Setup:
        made = load(config, (*assignments, *more), view=view, burst_size=burst, text=text, places=places)
        judge_ports(made)
        return made

    return loaded


def judge_ports(setup: Setup) -> None:
    """Refuse captures of ports that are not there."""
    context = click.get_current_context(silent=True)
    parts = [] if context is None else context.meta.get(PARTS, [])
    known = [card.name for device in setup.devices for card in (device, *device.cards)] if parts else []
    for name, path in parts:
        if name not in known:
            listed = ", ".join(dict.fromkeys(known))
            raise LbreplayError(f"--port {name}={path}: a device ({listed}) expected, got {name}")


def _imported(config: str | None, assignments: tuple[str, ...]) -> tuple[str, str, Places] | None:
    """Name and text of the configuration that files of a balancer make, and where each part stands there."""
    files = imported_files()
    if files is None:
        return None
    if config is not None:
        raise click.UsageError("-c FILE, or files to import, not both")
    from lbreplay.config.imports import import_files
    from lbreplay.config.places import imported as imported_places

    found = import_files(files, _edition(assignments), profile=_profile(assignments))
    note_import(found)
    return files.name, found.text(), imported_places(found.notes)


def ran() -> dict[str, Any]:
    """What `setup` made its setup of: "name", "text" of the configuration and what was "set" above it."""
    from lbreplay.config.load import read_text

    config, text, assignments = click.get_current_context().meta[RAN]
    name = config or "drafted from the capture"
    return {
        "name": name,
        "text": read_text(config) if text is None and config else text or "",
        "set": list(assignments),
    }


def anonymizer_keys(key: str | None) -> tuple[bytes, ...]:
    """The keys that an anonymizer may use: the one given, else some, of which one usually keeps what a case shows."""
    import secrets

    return (key.encode(),) if key else tuple(secrets.token_bytes(16) for _ in range(KEYS))


def config_text(config: str | None, assignments: tuple[str, ...], capture: str | None = None) -> str:
    """The text of the configuration that the options name: the file, the imported ones, or drafted from *capture*."""
    from lbreplay.config.load import read_text

    if (imported := _imported(config, assignments)) is not None:
        return imported[1]
    if config is not None:
        return read_text(config)
    if capture is None:
        raise click.UsageError("-c FILE is needed, or the files of a balancer to import")
    return _drafted(capture, assignments)


def _drafted(capture: str, assignments: tuple[str, ...]) -> str:
    """The text of a configuration that fits *capture*."""
    from lbreplay.config.draft import drafted

    return drafted(capture, _profile(assignments) or "dpvs")


def as_given(assignments: tuple[str, ...], seed: int | None) -> tuple[str, ...]:
    """The same settings as arguments of a case."""
    seeds = ("--seed", str(seed)) if seed is not None else ()
    return (*(word for given in assignments for word in ("--set", given)), *seeds)


def place(where: str) -> dict[str, Any] | None:
    """File, line and column where the key *where*, as one types it, stands; None: in no file."""
    from lbreplay.config.keypath import indexed
    from lbreplay.config.load import parse
    from lbreplay.config.places import NOWHERE, toml

    config, places = click.get_current_context().meta[RAN][0], click.get_current_context().meta[PLACES]
    text = str(ran()["text"])
    if places is None:
        places = toml(config, text) if config else NOWHERE
    found = places.of(indexed(parse(config or "draft", text), where))
    return None if found is None else found._asdict()


def _profile(assignments: Iterable[str]) -> str | None:
    """The profile that --set asks for: drafts and imports are made for it."""
    given = [value.strip(" \"'") for key, _, value in (text.partition("=") for text in assignments) if key == "profile"]
    return given[-1] if given and given[-1] in ("dpvs", "ipvs") else None


def _edition(assignments: Iterable[str]) -> str | None:
    """The edition that --set asks for: it decides which keywords of a dpvs.conf are known."""
    given = [value.strip(" \"'") for key, _, value in (text.partition("=") for text in assignments) if key == "edition"]
    return given[-1] if given else None


def note_import(found: Found, where: str = "lbreplay import lists them") -> None:
    """Say on standard error how files of a balancer were taken, and what of them was not."""
    context = click.get_current_context(silent=True)
    if context is not None and context.params.get("quiet"):
        return
    for remark in found.remarks:
        streams.say(f"note: {remark}", err=True)
    for warning in found.warnings:
        streams.say(f"warning: {warning}", err=True)
    if found.skipped:
        skipped = plural(len(found.skipped), "command")
        streams.say(f"warning: {skipped} of the balancer not run, first {found.skipped[0]}", err=True)
    if found.left_out:
        count = len(found.left_out)
        streams.say(f"{plural(count, 'line')} {'is' if count == 1 else 'are'} not modelled ({where})", err=True)


def as_typed(capture: str, config: str | None, assignments: tuple[str, ...], view: str, seed: int | None) -> str:
    """The same capture and settings again, as one types them behind a command."""
    import shlex

    words = [
        *_capture_as_typed(capture),
        *(["-c", config] if config else []),
        *(word for text in assignments for word in ("--set", text)),
    ]
    words += ["--view", view] if view != "client" else []
    words += ["--seed", str(seed)] if seed is not None else []
    return shlex.join([*words, *_imports_as_typed()])


def _capture_as_typed(capture: str) -> Iterator[str]:
    """IN, or the files of several ports."""
    from lbreplay.wire.capture import Merged

    if not isinstance(capture, Merged):
        yield capture
        return
    for name, path in capture.parts:
        yield from ("--port", f"{name}={path}")


def _imports_as_typed() -> Iterator[str]:
    """The options that name files of a balancer, as they were given."""
    context = click.get_current_context(silent=True)
    for name, given in context.meta.get(IMPORTED, {}).items() if context is not None else ():
        option = f"--{name.removesuffix('s') if isinstance(given, tuple) else name}".replace("_", "-")
        for value in given if isinstance(given, tuple) else (given,):
            yield from (option, value)


def teller(quiet: bool) -> Callable[[str], None]:
    """What says a sentence on standard error, unless *quiet*."""
    return lambda said: None if quiet else streams.say(said, err=True)


def judge_cluster(ctx: click.Context, *never: str) -> None:
    """UsageError where --dask is given beside an option that means nothing on a cluster."""
    given = [name for name in ("jobs", *never) if ctx.get_parameter_source(name) == ParameterSource.COMMANDLINE]
    if ctx.params["dask"] is not None and given:
        option = next(param.opts[-1] for param in ctx.command.params if param.name == given[0])
        raise click.UsageError(f"--dask, or {option}, not both: a cluster has workers and folders of its own")


def show(report: Any, found: Any, output_format: str, color: str, quiet: bool, warnings: Iterable[str] = ()) -> None:
    """Print *found* as its module of report/ shows it (show, as_json, as_csv), the warnings on standard error.

    *quiet* silences what is for people; a document that was asked for is printed.
    """
    for warning in () if quiet else warnings:
        streams.say(f"warning: {warning}", err=True)
    if output_format == "table":
        if quiet:
            return
        from lbreplay.report import tables

        report.show(all_shown(found), tables.console(sys.stdout, color))
    else:
        sys.stdout.write(getattr(report, f"as_{output_format}")(found))


def note_records(setup: Setup, capture: str, quiet: bool) -> None:
    """Warn on standard error where the queues that *capture* itself records are not those of *setup*."""
    if quiet or not os.path.isfile(capture):  # a pipe can be read once
        return
    from lbreplay.lab.audit.contradiction import contradiction

    if said := contradiction(setup, capture):
        streams.say(f"warning: {said}", err=True)


def note_draft(setup: Setup, quiet: bool) -> None:
    """Say on standard error that the configuration was drafted, and what of the capture no balancer takes."""
    if not setup.drafted or quiet:
        return
    from lbreplay.config.draft import notes

    services = plural(len(setup.services), "service")
    reals = plural(sum(len(service.reals) for service in setup.services), "real server")
    how = "lbreplay init" if setup.profile == "dpvs" else f"lbreplay init --profile {setup.profile}"
    said = f"no configuration given: drafted {services} with {reals} from the capture ({how} shows it)"
    streams.say(said, err=True)
    context = click.get_current_context(silent=True)
    for note in notes(context.meta[RAN][1] if context is not None else ""):
        streams.say(f"note: {note}", err=True)


@contextmanager
def readable_twice(capture: str, needed: bool = True) -> Iterator[str]:
    """The path of *capture*; what can be read once (`-`, a pipe by any name) is kept where it is *needed* twice.

    Errors name it as it was given.
    """
    if not needed or not _once(capture):
        yield capture
        return
    from lbreplay.edge.scratch import scratch

    with scratch() as folder:
        path = os.path.join(folder, "capture")
        with Output(path) as kept:
            _copy(capture, kept)
        try:
            yield path
        except LbreplayError as error:
            raise type(error)(*(line.replace(path, capture) for line in error.lines)) from None


def _once(capture: str) -> bool:
    """Whether *capture* can be read once only: a pipe, a socket, a terminal."""
    if capture == "-":
        return True
    try:
        kind = os.stat(capture).st_mode
    except OSError:
        return False  # whoever opens it says so
    return not stat.S_ISREG(kind) and not stat.S_ISDIR(kind)


def _copy(capture: str, kept: Output) -> None:
    """Copy it to its end; say so when that takes long, for then it may be a live capture."""
    start, told = time.monotonic(), False
    for chunk in _chunks(capture):
        kept.write(chunk)
        if not told and time.monotonic() - start > PATIENCE:
            told = True
            streams.say(
                f"no configuration given: one is drafted when {_named(capture)} has ended; -c FILE streams", err=True
            )


def _chunks(capture: str) -> Iterator[bytes]:
    """What is there of *capture*, as it comes. Raises CaptureError."""
    from lbreplay.wire.capture import Source

    source = Source(capture)
    view = memoryview(bytearray(1 << 20))
    try:
        while got := source.step(view):
            yield bytes(view[:got])
    finally:
        source.close()


def _named(capture: str) -> str:
    return "standard input" if capture == "-" else capture
