"""`lbreplay import`: files of a running balancer into a configuration (interface 1)."""

from __future__ import annotations

import click

from lbreplay.cli import options, paths
from lbreplay.edge.output import write_text
from lbreplay.errors import ConfigError
from lbreplay.model import EDITIONS, KERNELS


@click.command("import")
@options.imported
@click.option(
    "--profile",
    type=click.Choice(["dpvs", "ipvs"]),
    help="Whose tools wrote the files: DPVS's or the kernel's. Default: as they look.",
)
@click.option(
    "--edition",
    type=click.Choice([*EDITIONS, *KERNELS]),
    metavar="VERSION",
    help="Of DPVS, 1.10 or 1.8: which keywords dpvs.conf may use; of the kernel, 2.6 or 4.4 to 6.1: whose behaviour. "
    "Default: one that fits.",
)
@click.option("--strict", is_flag=True, help="Refuse what DPVS would replace by a default or skip with a warning.")
@click.option(
    "-o", "--output", metavar="FILE", type=paths.WRITTEN_BY_HAND, default="-", help="Default: standard output."
)
@paths.force
@options.silenced("No notes on standard error.")
def import_(profile: str | None, edition: str | None, strict: bool, output: str, force: bool, quiet: bool) -> None:
    """Turn dpvs.conf and ipvsadm/dpip text, or the kernel's ipvsadm, into a configuration and print it.

    Behind each value stands the line it came from; what lbreplay does not model is listed at the end.
    """
    from lbreplay.config.imports import import_files
    from lbreplay.config.load import load

    files = options.imported_files()
    if not files:
        raise click.UsageError("--dpvs-conf, --script, --ipvsadm-save or --keepalived FILE is needed")
    found = import_files(files, edition, strict, profile)
    text = found.text()
    write_text(output, text)
    options.note_import(found, "listed at the end")
    try:
        load("the configuration printed", text=text)
    except ConfigError as refused:
        raise ConfigError(f"{refused} (so it does not run yet)") from None
