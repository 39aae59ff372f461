"""`lbreplay run`: the main job (interface 1). Load, replay, show."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, TextIO

import click

from lbreplay.cli import options, paths, streams
from lbreplay.edge.output import write_text

if TYPE_CHECKING:
    from lbreplay.model import Setup
    from lbreplay.stats import Result


def _help_verdicts(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    if value:
        from lbreplay.report.document import verdicts

        click.echo(verdicts(), nl=False)
        ctx.exit()


@click.command()
@options.capture
@options.output
@options.settings
@options.formats(
    *("table", "json", "csv", "ipvsadm"),
    help="Of what is printed. ipvsadm: what the kernel's tools would list, under profile ipvs.",
)
@click.option("--stats", metavar="FILE", type=paths.WRITTEN, help="The statistics as JSON into FILE.")
@click.option("--trace", metavar="FILE", type=paths.WRITTEN, help="One JSON object a line for every frame into FILE.")
@click.option(
    "--also",
    multiple=True,
    type=click.Choice(["received", "kernel", "dropped"]),
    help="received: also write the received frames to OUT. kernel: of these the ones that go to the kernel. "
    "dropped: keep dropped frames in --drops FILE.",
)
@click.option("--drops", metavar="FILE", type=paths.WRITTEN_CAPTURE, help="Where --also dropped writes.")
@options.html
@options.quiet
@click.option(
    "--help-verdicts",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_help_verdicts,
    help="List every verdict with its sentence.",
)
def run(
    capture: str,
    output: str | None,
    config: str | None,
    assignments: tuple[str, ...],
    view: str,
    seed: int | None,
    burst: int,
    output_format: str,
    stats: str | None,
    trace: str | None,
    also: tuple[str, ...],
    drops: str | None,
    html: str | None,
    quiet: bool,
    color: str,
) -> None:
    """Replay IN through the balancer and write what its port transmits to OUT."""
    if ("dropped" in also) != (drops is not None):
        raise click.UsageError("--also dropped and --drops FILE go together")

    from lbreplay.cli import pages
    from lbreplay.journey import replay

    with options.readable_twice(capture, needed=config is None) as path:
        setup = options.setup(path, config, assignments, view, seed, burst)
        options.note_draft(setup, quiet)
        options.note_records(setup, path, quiet)
        if output_format == "ipvsadm" and setup.profile != "ipvs":
            raise click.UsageError('--format ipvsadm: only under profile = "ipvs"')
        looked = pages.journal(html)
        result = replay(
            setup if looked is None else pages.paced(setup, path),
            path,
            output,
            trace=trace,
            also=set(also),
            drops=drops,
            watch=looked,
        )
        if html is not None and looked is not None:
            typed = options.as_typed(capture, config, assignments, view, seed)
            pages.write(html, pages.replayed(setup, path, result, looked, typed), f"lbreplay run {typed}", quiet)
    result = result._replace(capture={**result.capture, "path": capture})
    if stats is not None:
        write_text(stats, _as_text(result, "json"))
    if not quiet or output_format != "table":
        again = options.as_typed(capture, config, assignments, view, seed)
        file = sys.stderr if "-" in (output, stats, trace, html) else sys.stdout
        _show(result, output_format, file, color, output, again)
    if not quiet:
        _warn(result)
        _tell_misfit(setup, capture, result, color)
    if result.damage is not None:
        raise result.damage


def _tell_misfit(setup: Setup, capture: str, result: Result, color: str) -> None:
    """A red line where nothing of the capture met a service, or no answer did, or a draft was too small for it."""
    from lbreplay.lab.fit import misfit, starved

    stats = result.document()
    if found := misfit(setup, capture, stats) or starved(setup, capture, stats):
        from lbreplay.report import tables

        tables.alarm(str(found), tables.console(sys.stderr, color))


def _show(result: Result, output_format: str, file: TextIO, color: str, output: str | None, again: str) -> None:
    if output_format == "table":
        from lbreplay.report import tables

        tables.show(result, tables.console(file, color), written=output is not None, again=again)
    else:
        file.write(_as_text(result, output_format))


def _warn(result: Result) -> None:
    for note in result.notes:
        streams.say(f"note: {note}", err=True)
    for warning in result.warnings:
        if warning != str(result.damage):  # which is the last line, and the exit status
            streams.say(f"warning: {warning}", err=True)


def _as_text(result: Result, output_format: str) -> str:
    from lbreplay.report import document

    if output_format == "ipvsadm":
        from lbreplay.report import ipvsadm

        assert result.listing is not None, "the director lists"
        return ipvsadm.as_text(result.listing())
    return document.as_json(result) if output_format == "json" else document.as_csv(result)
