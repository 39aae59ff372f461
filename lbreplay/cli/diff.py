"""`lbreplay diff`: two captures, or one capture under two configurations."""

from __future__ import annotations

import json
import shlex
from contextlib import ExitStack

import click

from lbreplay.cli import options, paths
from lbreplay.edge.text import all_shown

MOVED = 500  # flows or packets that a page holds


@click.command()
@click.argument("captures", metavar="A [B]", nargs=-1, required=True, type=paths.READ)
@options.config
@click.option("-a", "old", metavar="FILE", type=paths.READ, help="In place of -c: the one configuration.")
@click.option("-b", "new", metavar="FILE", type=paths.READ, help="The other configuration.")
@options.overrides("--set", "assignments", help="Override a setting of both.")
@options.overrides("--set-a", help="Override a setting of the one.")
@options.overrides("--set-b", help="Override a setting of the other.")
@options.view
@options.seed
@click.option("--ignore", metavar="FIELDS", default="", help="Fields that may differ: mac, seq, ip.id, time, ...")
@click.option(
    "--order",
    type=click.Choice(["strict", "flow"]),
    default="strict",
    show_default=True,
    help="Of two captures: flow lets packets of different flows change places.",
)
@click.option(
    "--tolerance", metavar="MS", type=options.Finite(0, 1e12), default=0.0, help="Milliseconds two times may differ."
)
@click.option(
    "--show", metavar="N", type=click.IntRange(min=0), default=10, show_default=True, help="Differences shown."
)
@options.formats("table", "json")
@options.html
@options.silent
@click.pass_context
def diff(
    ctx: click.Context,
    captures: tuple[str, ...],
    config: str | None,
    old: str | None,
    new: str | None,
    assignments: tuple[str, ...],
    set_a: tuple[str, ...],
    set_b: tuple[str, ...],
    view: str,
    seed: int | None,
    ignore: str,
    order: str,
    tolerance: float,
    show: int,
    output_format: str,
    html: str | None,
    quiet: bool,
) -> None:
    """Compare two captures A and B packet by packet, or what two configurations make of A. Exit 1: they differ.

    -c, or files of a balancer, are both configurations where -a or -b name no other.
    """
    from lbreplay.lab import diff as lab
    from lbreplay.lab.fields import ignored
    from lbreplay.report import differences

    two_settings = bool(old or new or set_a or set_b or assignments or config or options.imported_files())
    if len(captures) != (1 if two_settings else 2):
        raise click.UsageError("two captures, or one capture and -c, -a, -b, --set-a or --set-b")
    names = ignored(filter(None, ignore.split(",")), "--ignore")
    found: lab.Comparison | lab.Shift
    with ExitStack() as kept:
        files = [kept.enter_context(options.readable_twice(capture)) for capture in captures]
        if two_settings:
            a = options.setup(files[0], old or config, (*assignments, *set_a), view, seed, 4096)
            b = options.setup(files[0], new or config, (*assignments, *set_b), view, seed, 4096)
            found = lab.compare_setups(files[0], a, b, names)
        else:
            found = lab.compare_files(files[0], files[1], lab.Rules(names, round(tolerance * 1_000_000), order))
    if html is not None:
        from lbreplay.cli import pages
        from lbreplay.lab.pages import differing

        pages.write(html, differing(found.document(MOVED)), f"lbreplay diff {shlex.join(captures)}", quiet)
    if output_format == "json":
        click.echo(json.dumps(found.document(show), indent=2))
    elif not quiet:
        click.echo(differences.text(all_shown(found.document(show))))
    ctx.exit(1 if found else 0)
