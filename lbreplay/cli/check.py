"""`lbreplay check`: replay and judge properties (interface 1)."""

from __future__ import annotations

import click

from lbreplay.cli import options, paths
from lbreplay.edge.output import write_text


def _list(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    if value:
        from lbreplay.lab.check import PROPERTIES

        for name, known in PROPERTIES.items():
            click.echo(f"{name:16}{known.sentence.format(limit=2)}")
        ctx.exit()


@click.command()
@options.capture
@click.option(
    "--assert",
    "names",
    metavar="NAME,…",
    multiple=True,
    shell_complete=options.completes("properties"),
    help="Only these properties. Default: all; --list names them.",
)
@click.option(
    "--list", is_flag=True, is_eager=True, expose_value=False, callback=_list, help="List the properties and leave."
)
@click.option(
    "--max-imbalance",
    "limit",
    type=options.Finite(1, 1e9),
    metavar="X",
    help="How many times the mean a worker may receive. Default: 2, judged where there are connections enough.",
)
@options.settings
@options.formats("table", "json", "csv", "sarif")
@click.option("--junit", metavar="FILE", type=paths.WRITTEN, help="Write JUnit XML: a test case a property.")
@options.html
@options.quiet
@click.pass_context
def check(
    ctx: click.Context,
    capture: str,
    names: tuple[str, ...],
    limit: float | None,
    config: str | None,
    assignments: tuple[str, ...],
    view: str,
    seed: int | None,
    burst: int,
    output_format: str,
    junit: str | None,
    html: str | None,
    quiet: bool,
    color: str,
) -> None:
    """Replay IN and judge properties. Exit 1: one is broken, its first frame is told; or none had what to judge."""
    from lbreplay.cli import pages
    from lbreplay.lab.check import check as judge
    from lbreplay.lab.check import chosen
    from lbreplay.report import check as report

    wanted = chosen(name.strip() for text in names for name in text.split(",")) if names else []
    with options.readable_twice(capture) as path:
        setup = options.setup(path, config, assignments, view, seed, burst)
        options.note_draft(setup, quiet)
        options.note_records(setup, path, quiet)
        looked, again = pages.journal(html), options.as_typed(capture, config, assignments, view, seed)
        asked = setup if looked is None else pages.paced(setup, path)
        found = judge(asked, path, wanted, limit, looked)
        if html is not None and looked is not None and found.result is not None:
            from lbreplay.lab import pages as lab_pages

            findings = lab_pages.judged(found.judgements)
            document = pages.replayed(setup, path, found.result, looked, again, findings)
            pages.write(html, document, f"lbreplay check {again}", quiet)
    told = {**found.document(), "capture": capture, "again": again}
    if junit is not None:
        write_text(junit, report.as_junit(told))
    options.show(report, told, output_format, color, quiet, found.warnings)
    if found.damage is not None:
        raise found.damage
    ctx.exit(1 if found.failed or not found.judged else 0)
