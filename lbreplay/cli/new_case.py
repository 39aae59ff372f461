"""`lbreplay new-case`: a golden case from a capture."""

from __future__ import annotations

from pathlib import Path

import click

from lbreplay.cli import options, paths, streams


@click.command("new-case")
@options.capture
@click.argument("folder", metavar="NAME", type=paths.NEW_FOLDER)
@options.config
@options.assignments
@options.view
@click.option("--flow", "flows", metavar="'A:P > B:P'", multiple=True, help="Only this flow's connection; repeatable.")
@click.option("-n", "numbers", metavar="1-200,305", help="Only these frames.")
@click.option("--anonymize", is_flag=True, help="Map addresses (prefixes are kept), zero payload, drop comments.")
@click.option("--key", metavar="TEXT", help="Of the anonymizer: the same key maps the same way. Default: chance.")
@options.silent
def new_case(
    capture: str,
    folder: str,
    config: str | None,
    assignments: tuple[str, ...],
    view: str,
    flows: tuple[str, ...],
    numbers: str | None,
    anonymize: bool,
    key: str | None,
    quiet: bool,
) -> None:
    """Make the golden case NAME, a folder, from the capture IN, and record what comes out as its expectation."""
    from lbreplay.cli.inside import run_inside
    from lbreplay.lab import new_case as lab

    with options.readable_twice(capture) as path:
        wish = lab.Wish(
            path,
            options.config_text(config, assignments, path),
            Path(config or ".").parent,
            view,
            options.as_given(assignments, None),
            tuple(map(lab.flow_of, flows)),
            tuple(lab.spans_of(numbers)) if numbers else (),
            options.anonymizer_keys(key) if anonymize else (),
        )
        outcome = lab.make(Path(folder), wish, run_inside)
    if not quiet:
        streams.say(f"{folder}: made; {outcome.changed[0]}. Say in {Path(folder) / 'case.toml'} what it shows.")
    for warning in () if quiet else outcome.warnings:
        streams.say(f"warning: {folder}: {warning}", err=True)
