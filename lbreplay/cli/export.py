"""`lbreplay export`: a configuration as dpvs.conf and a script, to put on a machine what was tried (S 6)."""

from __future__ import annotations

import click

from lbreplay.cli import options


@click.command()
@options.config
@options.assignments
@click.option(
    "--to-dpvs-conf", "to_conf", metavar="FILE", type=click.Path(allow_dash=True), help="Write dpvs.conf here."
)
@click.option(
    "--to-script",
    "to_script",
    metavar="FILE",
    type=click.Path(allow_dash=True),
    help="Write ipvsadm and dpip commands.",
)
@click.option(
    "--to-events",
    "to_events",
    metavar="FILE",
    type=click.Path(allow_dash=True),
    help="Write SECONDS COMMAND lines here.",
)
def export(
    config: str | None, assignments: tuple[str, ...], to_conf: str | None, to_script: str | None, to_events: str | None
) -> None:
    """Write a configuration as dpvs.conf, ipvsadm and dpip commands.

    Without --to-... all of it goes to standard output, one after the other. What these files cannot say stands in the
    script as comments that lbreplay import reads.
    """
    if config is None and not options.imported_files() and not assignments:
        raise click.UsageError("-c FILE is needed")

    from lbreplay.config.export import export as write

    texts = write(options.setup(None, config, assignments, "client", None, 4096))
    wanted = [(to_conf, texts.dpvs_conf), (to_script, texts.script), (to_events, texts.events)]
    if not any(path for path, _ in wanted):
        titles = ("dpvs.conf", "setup.sh", "events.txt")
        shown = [(title, text) for title, (_, text) in zip(titles, wanted, strict=True) if text]
        click.echo("\n".join(f"# ----- {title}\n{text}" for title, text in shown), nl=False)
    for path, text in wanted:
        if path is not None:
            with click.open_file(path, "w", encoding="utf-8", atomic=path != "-") as file:
                file.write(text)
