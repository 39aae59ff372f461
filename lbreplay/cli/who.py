"""`lbreplay who`: whose connection a local address and port is (interface 9)."""

from __future__ import annotations

import click

from lbreplay.cli import options


@click.command()
@click.argument("end", metavar="ADDRESS:PORT")
@options.capture
@click.option("--at", type=click.FloatRange(min=0), metavar="SECONDS", help="At that time after the first frame of IN.")
@options.settings
@options.output_format
@options.quiet
def who(
    end: str,
    capture: str,
    at: float | None,
    config: str | None,
    assignments: tuple[str, ...],
    view: str,
    seed: int | None,
    burst: int,
    output_format: str,
    quiet: bool,
    color: str,
) -> None:
    """Say whose connection ADDRESS:PORT, a local end, is or was: client, virtual address, real server, worker, times.

    From both legs of the connections where IN holds them, else by replaying it.
    """
    from lbreplay.config.values import endpoint
    from lbreplay.lab.who import who as ask
    from lbreplay.report import who as report

    try:
        local = endpoint(end)
    except ValueError:
        raise click.UsageError(f"ADDRESS:PORT: 192.168.100.200:1034 expected, got {end!r}") from None
    given = config is not None or options.imported_files() is not None or bool(assignments)
    with options.readable_twice(capture) as path:
        setup = options.setup(path, config, assignments, view, seed, burst)
        found = ask(local, path, setup if given else None, setup, at)
    if not found.by_legs:
        options.note_draft(setup, quiet)
    options.show(report, found.document(), output_format, color, quiet)
