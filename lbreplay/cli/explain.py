"""`lbreplay explain`: the whole story of one frame (interface 1)."""

from __future__ import annotations

import sys

import click

from lbreplay.cli import options
from lbreplay.edge.text import all_shown


@click.command()
@options.capture
@click.option("-n", "--frame", "number", type=click.IntRange(min=1), metavar="N", help="Frame N of IN, counted from 1.")
@click.option("--flow", metavar="FLOW", help='The whole conversation, a line a frame: "10.0.0.5:4000 > 192.0.2.10:80".')
@click.option(
    "--verdict",
    metavar="NAME",
    shell_complete=options.completes("verdicts"),
    help="The first frame that ends so, like no_dest; lbreplay run --help-verdicts lists them.",
)
@click.option("--brief", is_flag=True, help="Without the bytes before and after.")
@options.settings
@options.formats("table", "json")
@options.quiet
def explain(
    capture: str,
    number: int | None,
    flow: str | None,
    verdict: str | None,
    brief: bool,
    config: str | None,
    assignments: tuple[str, ...],
    view: str,
    seed: int | None,
    burst: int,
    output_format: str,
    quiet: bool,
    color: str,
) -> None:
    """Tell the whole story of one frame of IN: steering, look-up, binding, state, rewrite, and why."""
    if sum(given is not None for given in (number, flow, verdict)) != 1:
        raise click.UsageError('-n N, --verdict NAME or --flow "10.0.0.5:4000 > 192.0.2.10:80" is needed, one of them')

    from lbreplay.lab import explain as lab
    from lbreplay.lab.flows import flow as read_flow
    from lbreplay.lab.flows import frames_of
    from lbreplay.lab.ladder import first_of, known, ladder

    ending = None if verdict is None else known(verdict)
    wanted = None if flow is None else read_flow(flow)
    with options.readable_twice(capture) as path:
        setup = options.setup(path, config, assignments, view, seed, burst)
        options.note_draft(setup, quiet)
        options.note_records(setup, path, quiet)
        numbers = [] if wanted is None else frames_of(wanted, setup, path)
        number = number or (numbers[0] if ending is None else first_of(ending, setup, path))
        story = {**lab.explain(setup, path, number), "flow_frames": numbers or [number]}
        if wanted is not None:
            story["ladder"] = ladder(setup, path, wanted)
    from lbreplay.report import explain as report
    from lbreplay.report import ladder as rungs
    from lbreplay.report import tables

    if output_format == "json":
        sys.stdout.write(report.as_json(story))
    elif not quiet and wanted is not None:
        rungs.show(all_shown(story["ladder"]), tables.console(sys.stdout, color))
    elif not quiet:
        report.show(all_shown(story), tables.console(sys.stdout, color), brief)
