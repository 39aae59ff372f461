"""`lbreplay shrink`: the smallest golden case that still shows something."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lbreplay.cli import options, paths, streams
from lbreplay.edge import ending
from lbreplay.edge.scratch import scratch

if TYPE_CHECKING:
    from lbreplay.lab.shows import Condition, Load
    from lbreplay.model import Setup

CONDITIONS = ("--verdict", "--check", "--frame", "--differs", "--against", "--exec")


@click.command()
@options.capture
@options.config
@click.option(
    "--verdict",
    metavar="NAME",
    shell_complete=options.completes("verdicts"),
    help="Some frame ends with this verdict.",
)
@click.option(
    "--check",
    "broken",
    metavar="PROPERTY",
    shell_complete=options.completes("properties"),
    help="This property of lbreplay check does not hold.",
)
@click.option("--frame", "number", metavar="N", type=click.IntRange(min=1), help="Frame N ends and leaves as it does.")
@click.option("--differs", metavar="OTHER.toml", type=paths.READ, help="Something is otherwise under OTHER.toml.")
@click.option("--against", metavar="OLD_OUT", type=paths.READ, help="The first packet that OLD_OUT does not have.")
@click.option("--exec", "command", metavar="CMD", help="CMD, beside in.pcap and lb.toml, exits with 1: still bad.")
@options.new_folder
@options.assignments
@options.view
@options.seed
@click.option("--seconds", type=click.FloatRange(min=0), metavar="S", help="Stop then, with the smallest so far.")
@click.option("--anonymize", is_flag=True, help="Map addresses, zero payload; what the case shows is kept.")
@click.option("--key", metavar="TEXT", help="Of the anonymizer: the same key maps the same way. Default: chance.")
@options.silent
@click.pass_context
def shrink(
    ctx: click.Context,
    capture: str,
    config: str | None,
    verdict: str | None,
    broken: str | None,
    number: int | None,
    differs: str | None,
    against: str | None,
    command: str | None,
    folder: str,
    assignments: tuple[str, ...],
    view: str,
    seed: int | None,
    seconds: float | None,
    anonymize: bool,
    key: str | None,
    quiet: bool,
) -> None:
    """Search IN for the smallest golden case that still shows something, and write it to DIR.

    Flows are taken away, then frames, payload, settings of the configuration, and pauses.
    """
    from lbreplay.cli.inside import run_inside
    from lbreplay.config.load import load, read_text
    from lbreplay.lab import case_folder
    from lbreplay.lab.shrink import Asked, Search

    given = (verdict, broken, number, differs, against, command)
    if sum(one is not None for one in given) != 1:
        raise click.UsageError(f"one of {', '.join(CONDITIONS)} is needed, to say what is to be shown")
    target = Path(folder)
    with options.readable_twice(capture) as path, scratch() as temporary:
        text = options.config_text(config, assignments, path)
        base = Path(config or ".").parent
        sets = (*assignments, *((f"seed={seed}",) if seed is not None else ()))
        asked = Asked(Path(path), text, base, sets)

        def read(file: Path) -> Setup:
            """A configuration in the search's folder; its lists are relative to the one that was given."""
            folder = base if file.parent == Path(temporary) else file.parent
            return load(str(folder / file.name), text=read_text(str(file)), view=view)

        search = Search(asked, Path(temporary), read, seconds)
        condition = _condition(given, asked.capture, search.configured(), read, Path(temporary))
        with ending.interruptible():
            content = search.run(condition)
        if anonymize:
            keys = options.anonymizer_keys(key)
            case_folder.make_hidden(target, content, run_inside, keys, case_folder.verdicts, strict=True)
        else:
            case_folder.make(target, content, run_inside)
    if not quiet:
        streams.say(f"{folder}: {content.description} {search.tries} tries.")
    if search.interrupted:
        streams.say("interrupted: the smallest case so far is written", err=True)
        ctx.exit(130)


def _condition(given: tuple[object, ...], capture: Path, config: Path, load: Load, folder: Path) -> Condition:
    """The condition that the options name."""
    from lbreplay.lab import shows

    made: tuple[Callable[[str], Condition], ...] = (
        lambda name: shows.Verdict(name, load),
        lambda name: shows.Broken(name, load),
        lambda number: shows.SameFrame(int(number), capture, config, load),
        lambda other: shows.Differs(Path(other), load),
        lambda old: shows.against(Path(old), capture, config, load, folder),
        shows.Command,
    )
    return next(make(str(one)) for make, one in zip(made, given, strict=True) if one is not None)
