"""`lbreplay keys`: RSS keys and tables, and a search for better ones (interface 1)."""

from __future__ import annotations

import click

from lbreplay.cli import options


@click.command()
@options.maybe_capture
@click.option("--search", "tries", type=click.IntRange(1, 100_000), metavar="N", help="Draw N keys and show the best.")
@click.option("--symmetric", is_flag=True, help="Of the search: both directions of a flow hash alike.")
@click.option("--table", is_flag=True, help="Compute the table (device.reta) that spreads these flows best.")
@options.settings
@options.output_format
@options.quiet
def keys(
    capture: str | None,
    tries: int | None,
    symmetric: bool,
    table: bool,
    config: str | None,
    assignments: tuple[str, ...],
    view: str,
    seed: int | None,
    burst: int,
    output_format: str,
    quiet: bool,
    color: str,
) -> None:
    """List RSS keys and how evenly they spread the flows of IN (without IN: drawn ones), or search for a better one."""
    if symmetric and not tries:
        raise click.UsageError("--symmetric belongs to --search N")
    from lbreplay.lab import keys as lab
    from lbreplay.report import keys as report

    with options.readable_twice(capture or "") as path:
        setup = options.setup(path or None, config, assignments, view, seed, burst)
        options.note_draft(setup, quiet)
        flows = lab.flows_of(path, setup) if path else lab.drawn_flows(setup)
    found = lab.document(setup, flows, not path, tries or 0, symmetric, table)
    options.show(report, found, output_format, color, quiet)
