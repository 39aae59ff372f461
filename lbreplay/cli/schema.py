"""`lbreplay schema`: JSON Schema of the configuration, which editors complete and check from."""

from __future__ import annotations

import click

from lbreplay.cli import paths
from lbreplay.edge.output import write_text


@click.command()
@click.option("-o", "--output", metavar="FILE", type=paths.WRITTEN, default="-", help="Default: standard output.")
def schema(output: str) -> None:
    """Print the JSON Schema of the configuration.

    In VS Code with Even Better TOML: lbreplay schema -o lb.schema.json, and as the first line of the configuration
    "#:schema ./lb.schema.json".
    """
    import json

    from lbreplay.config.schema import json_schema

    text = json.dumps(json_schema(), indent=2, ensure_ascii=False)
    write_text(output, text + "\n")
