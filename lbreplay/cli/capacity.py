"""`lbreplay capacity`: how many connections fit (interface 1)."""

from __future__ import annotations

from typing import Any

import click

from lbreplay.cli import options


@click.command()
@options.maybe_capture
@options.settings
@options.output_format
@click.option(
    "--duration",
    type=options.Finite(0, 1e9),
    default=0.0,
    metavar="SECONDS",
    help="Mean life of a connection, first to last packet; decides how many a second fit. Default: 0.",
)
@options.quiet
def capacity(
    capture: str | None,
    config: str | None,
    assignments: tuple[str, ...],
    view: str,
    seed: int | None,
    burst: int,
    output_format: str,
    duration: float,
    quiet: bool,
    color: str,
) -> None:
    """Say how many connections fit, per local address, worker and real server, and what runs out first.

    With IN it is replayed, and its peaks stand beside the capacity.
    """
    if config is None and capture is None and not assignments:
        raise click.UsageError("-c FILE, or IN to draft a configuration from, is needed")

    from lbreplay.lab.capacity import capacity as reckon
    from lbreplay.lab.capacity import judge

    used: list[dict[str, Any]] = []
    with options.readable_twice(capture or "", needed=config is None) as path:
        setup = options.setup(path or None, config, assignments, view, seed, burst)
        judge(setup)
        options.note_draft(setup, quiet)
        if path:
            from lbreplay.journey import replay

            used = replay(setup, path, None).workers
    room = reckon(setup, duration, used).document()
    from lbreplay.report import capacity as report

    options.show(report, room, output_format, color, quiet)
