"""`lbreplay sweep`: the same capture under many settings (interface 1)."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from lbreplay.cli import options

if TYPE_CHECKING:
    from lbreplay.lab.sweep import Axis


@click.command()
@options.capture
@click.option("--workers", metavar="1..16", help="Numbers of workers: 1..16, or 2,4,8.")
@click.option("--rss-key", metavar="KEY,…", help="default, symmetric, or hex.")
@click.option(
    "--strategy",
    metavar="NAME,…",
    shell_complete=options.completes("strategies"),
    help="port-low, port-high, laddr, rss-port, off; NAME+redirect; redirect is redirect without rules.",
)
@click.option(
    "--driver",
    metavar="NAME,…",
    shell_complete=options.completes("drivers"),
    help="ixgbe, i40e, ice, mlx5, igb, virtio, bnxt, hns3, ena, gve, vmxnet3, ideal; each with the rules it can hold.",
)
@click.option("--rss", metavar="NAME,…", help="all, ip, tcp, udp, off, tcp|udp.")
@click.option("--vary", metavar="KEY=V1,V2,…", multiple=True, help="Any other setting by its key. Repeatable.")
@options.settings
@options.output_format
@click.option(
    "-j",
    "--jobs",
    type=click.IntRange(min=1),
    default=os.cpu_count() or 1,
    metavar="N",
    help="Processes. Default: a core each.",
)
@options.dask
@options.html
@options.quiet
@click.pass_context
def sweep(
    ctx: click.Context,
    capture: str,
    workers: str | None,
    rss_key: str | None,
    strategy: str | None,
    driver: str | None,
    rss: str | None,
    vary: tuple[str, ...],
    config: str | None,
    assignments: tuple[str, ...],
    view: str,
    seed: int | None,
    burst: int,
    output_format: str,
    jobs: int,
    dask: str | None,
    html: str | None,
    quiet: bool,
    color: str,
) -> None:
    """Replay IN under every combination of settings, one row each, the best first."""
    from lbreplay.lab import sweep as lab
    from lbreplay.report import sweep as report

    options.judge_cluster(ctx)
    axes = _axes(workers, rss_key, strategy, driver, rss, vary)
    if not axes:
        raise click.UsageError("something to vary is needed: --workers, --strategy, --driver, --rss-key, --rss, --vary")
    with options.readable_twice(capture) as path:
        load = options.loader(path, config, assignments, view, seed, burst)
        wanted = lab.settings(axes, load)
        found = lab.sweep(path, wanted, jobs=jobs, dask=dask, tell=options.teller(quiet))
    if html is not None:
        from lbreplay.cli import pages
        from lbreplay.lab.pages import swept

        again = options.as_typed(capture, config, assignments, view, seed)
        pages.write(html, swept(found.document), f"lbreplay sweep {again}", quiet)
    options.show(report, {**found.document, "capture": capture}, output_format, color, quiet, found.warnings)
    if found.damage is not None:
        raise found.damage


def _axes(
    workers: str | None,
    rss_key: str | None,
    strategy: str | None,
    driver: str | None,
    rss: str | None,
    vary: tuple[str, ...],
) -> list[Axis]:
    """What the options vary, in their order."""
    from lbreplay.lab.sweep import axis, numbers, strategies

    axes = []
    if workers:
        axes.append(axis("workers", "workers", numbers(workers, "--workers")))
    if strategy:
        axes.append(strategies(strategy.split(",")))
    for name, text in (("driver", driver), ("rss", rss), ("rss_key", rss_key)):
        if text:
            axes.append(axis(name.replace("_", " "), f"device.{name}", text.split(",")))
    for text in vary:
        key, equals, values = text.partition("=")
        if not equals or not values:
            raise click.UsageError(f"--vary KEY=V1,V2 expected, got {text!r}")
        axes.append(axis(key, key, values.split(",")))
    return axes
