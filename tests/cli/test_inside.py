"""A command line run inside this process gives its status and what it said."""

from __future__ import annotations

import subprocess
import sys

from lbreplay.cli.inside import run_inside


def test_status_and_standard_error() -> None:
    assert run_inside(["--version"]) == (0, "")
    code, said = run_inside(["run", "no-such.pcap"])
    assert code == 2 and said.count("\n") == 1 and "no-such.pcap" in said


def test_the_process_around_it_keeps_its_standard_output() -> None:
    """Also where the command cannot write a file: what others print goes on."""
    code = """if True:
        from lbreplay.cli.inside import run_inside
        print("before", run_inside(["run", "samples/web.pcap", "-q", "--stats", "/dev/full"]))
        print("after")
    """
    run = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert run.stdout == "before (2, '/dev/full: cannot be written: No space left on device\\n')\nafter\n"
