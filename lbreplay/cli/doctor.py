"""`lbreplay doctor`: judge a configuration without a capture (interface 1)."""

from __future__ import annotations

import click

from lbreplay.cli import options


@click.command()
@options.maybe_capture
@options.config
@options.assignments
@options.formats("table", "json", "csv", "sarif")
@click.option("--strict", is_flag=True, help="Warnings fail too.")
@options.quiet
def doctor(
    capture: str | None,
    config: str | None,
    assignments: tuple[str, ...],
    output_format: str,
    strict: bool,
    quiet: bool,
    color: str,
) -> None:
    """Judge a configuration: masks, rules, ports, what the NIC can hold. Exit 1 on errors.

    With IN and no configuration the one drafted from the capture is judged.
    """
    if config is None and capture is None and not assignments and not options.imported_files():
        raise click.UsageError("-c FILE, or IN to draft a configuration from, is needed")

    from lbreplay.lab.doctor import document, judge, verdict
    from lbreplay.report import doctor as report

    with options.readable_twice(capture or "", needed=config is None) as path:
        setup = options.setup(path or None, config, assignments, "client", None, 4096)
    options.note_draft(setup, quiet)
    findings = judge(setup)
    told = document(findings)
    placed = [{**finding, "place": options.place(finding["where"])} for finding in told["findings"]]
    options.show(report, {**told, "findings": placed}, output_format, color, quiet)
    click.get_current_context().exit(verdict(findings, strict))
