"""A command line run inside this process gives its status and what it said."""

from __future__ import annotations

from lbreplay.cli.inside import run_inside


def test_status_and_standard_error() -> None:
    assert run_inside(["--version"]) == (0, "")
    code, said = run_inside(["run", "no-such.pcap"])
    assert code == 2 and said.count("\n") == 1 and "no-such.pcap" in said
