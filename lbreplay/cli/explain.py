"""`lbreplay explain`: the whole story of one frame (interface 1)."""

from __future__ import annotations

import sys

import click

from lbreplay.cli import options
from lbreplay.edge.text import all_shown


@click.command()
@options.capture
@click.option("-n", "--frame", "number", type=click.IntRange(min=1), metavar="N", help="Frame N of IN, counted from 1.")
@click.option("--flow", metavar="FLOW", help='The first frame of a flow: "10.0.0.5:4000 > 192.0.2.10:80".')
@click.option("--brief", is_flag=True, help="Without the bytes before and after.")
@options.settings
@click.option("--format", "output_format", type=click.Choice(["table", "json"]), default="table", show_default=True)
@options.quiet
def explain(
    capture: str,
    number: int | None,
    flow: str | None,
    brief: bool,
    config: str | None,
    assignments: tuple[str, ...],
    view: str,
    seed: int | None,
    burst: int,
    output_format: str,
    quiet: bool,
    progress: bool,
    color: str,
) -> None:
    """Tell the whole story of one frame of IN: steering, look-up, binding, state, rewrite, and why."""
    if (number is None) == (flow is None):
        raise click.UsageError('-n N or --flow "10.0.0.5:4000 > 192.0.2.10:80" is needed, one of them')

    from lbreplay.lab import explain as lab
    from lbreplay.lab.flows import flow as read_flow
    from lbreplay.lab.flows import frames_of

    with options.readable_twice(capture) as path:
        setup = options.setup(path, config, assignments, view, seed, burst)
        options.note_draft(setup, quiet)
        options.note_records(setup, path, quiet)
        others: list[int] = []
        if flow is not None:
            number, *others = frames_of(read_flow(flow), setup, path)
        assert number is not None, "the options say so"
        story = {**lab.explain(setup, path, number), "flow_frames": [number, *others]}
    from lbreplay.report import explain as report
    from lbreplay.report import tables

    if output_format == "json":
        sys.stdout.write(report.as_json(story))
    elif not quiet:
        report.show(all_shown(story), tables.console(sys.stdout, color), brief)
