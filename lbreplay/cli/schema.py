"""`lbreplay schema`: JSON Schema of the configuration, which editors complete and check from."""

from __future__ import annotations

import click


@click.command()
@click.option(
    "-o", "--output", metavar="FILE", type=click.Path(allow_dash=True), default="-", help="Default: standard output."
)
def schema(output: str) -> None:
    """Print the JSON Schema of the configuration.

    In VS Code with Even Better TOML: lbreplay schema -o lb.schema.json, and as the first line of the configuration
    "#:schema ./lb.schema.json".
    """
    import json

    from lbreplay.config.schema import json_schema

    text = json.dumps(json_schema(), indent=2, ensure_ascii=False)
    with click.open_file(output, "w", encoding="utf-8", atomic=output != "-") as file:
        file.write(text + "\n")
