"""`lbreplay schema`: JSON Schema of the configuration, which editors complete and check from, and of every output."""

from __future__ import annotations

from typing import Any

import click

from lbreplay.cli import paths
from lbreplay.edge.output import write_text

CONFIGURATION = "configuration"
OUTPUTS = (
    "run",
    "trace",
    "explain",
    "check",
    "doctor",
    "capacity",
    "sweep",
    "diff",
    "keys",
    "audit",
    "who",
    "gen",
    "test",
    "cover",
)


@click.command()
@click.option(
    "--of",
    "what",
    type=click.Choice([CONFIGURATION, *OUTPUTS]),
    default=CONFIGURATION,
    show_default=True,
    help="The JSON that a command writes, in place of the configuration.",
)
@click.option("-o", "--output", metavar="FILE", type=paths.WRITTEN, default="-", help="Default: standard output.")
def schema(what: str, output: str) -> None:
    """Print the JSON Schema of the configuration, or of an output.

    In VS Code with Even Better TOML: lbreplay schema -o lb.schema.json, and as the first line of the configuration
    "#:schema ./lb.schema.json".
    """
    import json

    write_text(output, json.dumps(_schema(what), indent=2, ensure_ascii=False) + "\n")


def _schema(what: str) -> dict[str, Any]:
    from lbreplay.config.schema import json_schema as of_configuration
    from lbreplay.report.outputs import json_schema as of_output

    return of_configuration() if what == CONFIGURATION else of_output(what)
