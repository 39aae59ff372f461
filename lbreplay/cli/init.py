"""`lbreplay init`: a configuration drafted from a capture (interface 1)."""

from __future__ import annotations

import click

from lbreplay.cli import options, paths
from lbreplay.edge.output import write_text


@click.command()
@options.capture
@click.option("--reals", type=click.IntRange(1, 64), default=2, show_default=True, help="Real servers to make up.")
@click.option("--laddrs", type=click.IntRange(1, 64), default=1, show_default=True, help="Local addresses to make up.")
@click.option("--workers", type=click.IntRange(1, 64), default=4, show_default=True, help="Forwarding workers.")
@click.option("--profile", type=click.Choice(["dpvs", "ipvs"]), default="dpvs", help="Of DPVS or of the kernel.")
@click.option(
    "-o", "--output", metavar="FILE", type=paths.WRITTEN_BY_HAND, default="-", help="Default: standard output."
)
@paths.force
@options.progress
def init(capture: str, reals: int, laddrs: int, workers: int, profile: str, output: str, force: bool) -> None:
    """Draft a configuration from a capture and print it.

    Services are the addresses and ports that clients open connections to. Where the capture holds both legs of a
    balancer's connections, real servers and local addresses are those that were seen; else they are made up.
    """
    from lbreplay.config.draft import draft
    from lbreplay.wire.capture import open_capture

    with open_capture(capture) as source:
        text = draft(source.bursts(4096), reals=reals, laddrs=laddrs, workers=workers, profile=profile)
    write_text(output, text)
