"""`lbreplay gen`: golden cases for a configuration, without a capture."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lbreplay.cli import options, paths

if TYPE_CHECKING:
    from lbreplay.model import Setup


@click.command()
@options.config
@options.new_folder
@options.assignments
@options.view
@options.seed
@click.option("-k", "only", metavar="TEXT", multiple=True, help="Only cases whose name holds TEXT; repeatable.")
@click.option("--cover", "suite", metavar="DIR", type=paths.READ, help="Only what the cases below DIR leave out.")
@click.option("--anyway", is_flag=True, help="Also for a configuration that doctor calls broken.")
@options.output_format
@options.quiet
def gen(
    config: str | None,
    folder: str,
    assignments: tuple[str, ...],
    view: str,
    seed: int | None,
    only: tuple[str, ...],
    suite: str | None,
    anyway: bool,
    output_format: str,
    quiet: bool,
    color: str,
) -> None:
    """Write golden cases for a configuration below DIR: each about one thing, described in a sentence."""
    from lbreplay.cli.inside import run_inside
    from lbreplay.config.load import load
    from lbreplay.lab.gen import cases
    from lbreplay.report import gen as report

    text, args = options.config_text(config, assignments), options.as_given(assignments, seed)
    name, sets = config or "imported", (*assignments, *([f"seed={seed}"] if seed is not None else []))
    setup = load(name, sets, view=view, text=text)
    if not anyway:
        cases.refuse_broken(setup, name)
    given = cases.Given(setup, text, Path(config or ".").parent, args)
    wanted = _missing(suite, setup) if suite is not None else None
    found = cases.make(Path(folder), given, view, only, run_inside, wanted)
    options.show(report, found, output_format, color, quiet)


def _missing(suite: str, setup: Setup) -> Callable[[Path], bool]:
    """Whether a case exercises something that neither the cases below *suite* nor those before it do."""
    from lbreplay.lab import case, cover

    settled = (cover.settled(case.load(name, path)) for name, path in case.discover([suite]))
    covered = cover.of_setup(setup, (one for one in settled if one is not None))
    return lambda folder: covered.takes(cover.tell(folder.name, setup, folder / "in.pcap"))
