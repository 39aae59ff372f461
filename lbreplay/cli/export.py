"""`lbreplay export`: a configuration as the files of a machine, to put there what was tried (S 6, L 17, L 18)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from lbreplay.cli import options, paths
from lbreplay.edge.output import write_text

if TYPE_CHECKING:
    from lbreplay.model import Setup

F = TypeVar("F", bound=Callable[..., Any])
TITLES = {"dpvs_conf": "dpvs.conf", "script": "setup.sh", "events": "events.txt"}


def _to(name: str, help: str) -> Callable[[F], F]:
    return click.option(f"--to-{name}", metavar="FILE", type=paths.WRITTEN, help=help)


@click.command()
@options.config
@options.assignments
@_to("dpvs-conf", "Write dpvs.conf here.")
@_to("restore", "Write what ipvsadm-restore reads here (of the kernel).")
@_to("script", "Write the commands that set up the balancer here.")
@_to("events", "Write SECONDS COMMAND lines here.")
@options.silenced("No notes on standard error.")
def export(config: str | None, assignments: tuple[str, ...], quiet: bool, **targets: str | None) -> None:
    """Write a configuration for a machine: dpvs.conf, ipvsadm and dpip commands, or those of the kernel's director.

    Without --to-... all of it goes to standard output, one after the other. What these files cannot say stands in the
    script as comments that lbreplay import reads.
    """
    if config is None and not options.imported_files() and not assignments:
        raise click.UsageError("-c FILE is needed")

    texts = _texts(options.setup(None, config, assignments, "client", None, 4096))
    wanted = {name.removeprefix("to_"): path for name, path in targets.items() if path is not None}
    for name in wanted.keys() - texts.keys():
        option, known = name.replace("_", "-"), ", ".join(f"--to-{other.replace('_', '-')}" for other in texts)
        raise click.UsageError(f"--to-{option}: {known} expected for this profile")
    if not wanted:
        shown = [f"# ----- {TITLES[name]}\n{text}" for name, text in texts.items() if text and name != "restore"]
        write_text("-", "\n".join(shown))
    for name, path in wanted.items():
        write_text(path, texts[name])


def _texts(setup: Setup) -> dict[str, str]:
    """The texts of an export by their options."""
    if setup.profile == "ipvs":
        from lbreplay.config.export_kernel import export as write_kernel

        return write_kernel(setup)._asdict()
    from lbreplay.config.export import export as write

    return write(setup)._asdict()
