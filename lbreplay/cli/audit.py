"""`lbreplay audit`: the model held against what a real card and a real balancer did (interface 9)."""

from __future__ import annotations

import shlex

import click

from lbreplay.cli import options


@click.command()
@options.capture
@click.option(
    "--conform", is_flag=True, help="Every field of every frame that the balancer sent, beside what the model sends."
)
@options.settings
@options.output_format
@options.html
@options.quiet
@click.pass_context
def audit(
    ctx: click.Context,
    capture: str,
    conform: bool,
    config: str | None,
    assignments: tuple[str, ...],
    view: str,
    seed: int | None,
    burst: int,
    output_format: str,
    html: str | None,
    quiet: bool,
    color: str,
) -> None:
    """Hold recorded queues and hashes of IN against a configuration, or work out the settings behind them.

    IN is what dpdk-dumpcap or xdpdump recorded on a card, or a capture of both legs of a balancer's connections. Exit 1
    where model and record disagree.
    """
    from lbreplay.lab.audit.audit import audit as hold
    from lbreplay.lab.audit.audit import audit_conformance
    from lbreplay.report import audit as report

    given = config is not None or options.imported_files() is not None or bool(assignments)
    if conform and not given:
        raise click.UsageError("--conform: the balancer's configuration expected, -c FILE")
    with options.readable_twice(capture) as path:
        setup = options.setup(None, config, assignments, view, seed, burst) if given else None
        found = audit_conformance(path, setup) if conform and setup else hold(path, setup)
    if html is not None:
        from lbreplay.cli import pages
        from lbreplay.lab.pages import audited

        pages.write(html, audited(found.document), f"lbreplay audit {shlex.quote(capture)}", quiet)
    options.show(report, found.document, output_format, color, quiet, found.warnings)
    ctx.exit(1 if found.disagree else 0)
