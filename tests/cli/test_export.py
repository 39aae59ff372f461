"""`lbreplay export` on the command line."""

from pathlib import Path

import pytest

from lbreplay.cli import status

CASE = str(Path(__file__).parents[1] / "golden" / "dpvs" / "weights_edited" / "lb.toml")


def test_all_of_it_on_standard_output(capsys: pytest.CaptureFixture[str]) -> None:
    """Three texts with a title each; events only where there are some."""
    assert status(["export", "-c", CASE]) == 0
    text = capsys.readouterr().out
    assert [line for line in text.splitlines() if line.startswith("# -----")] == [
        "# ----- dpvs.conf",
        "# ----- setup.sh",
        "# ----- events.txt",
    ]


def test_files_and_back(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What is written imports again, and exports the same."""
    files = [str(tmp_path / name) for name in ("dpvs.conf", "setup.sh", "events.txt")]
    targets = [w for option, path in zip(("conf", "script", "events"), files, strict=True)
               for w in (f"--to-{'dpvs-' if option == 'conf' else ''}{option}", path)]  # fmt: skip
    assert status(["export", "-c", CASE, *targets]) == 0
    assert capsys.readouterr().out == ""
    status(["export", "-c", CASE])
    first = capsys.readouterr().out
    assert status(["export", "--dpvs-conf", files[0], "--script", files[1], "--events", files[2]]) == 0
    assert capsys.readouterr().out == first


def test_nothing_to_export(capsys: pytest.CaptureFixture[str]) -> None:
    """Without a configuration there is nothing to say."""
    assert status(["export"]) == 2
    assert "-c FILE is needed" in capsys.readouterr().err


def test_for_the_kernel(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Of a director: a script, and what ipvsadm-restore reads; a dpvs.conf belongs to the other profile."""
    config = str(Path(__file__).parents[2] / "samples" / "ipvs.toml")
    assert status(["export", "-c", config]) == 0
    printed = capsys.readouterr().out
    assert (
        printed.startswith("# ----- setup.sh\n#!/bin/sh\nmodprobe ip_vs\n")
        and "ipvsadm-restore << 'END'\n-A -t" in printed
    )
    files = [str(tmp_path / name) for name in ("rules", "setup.sh")]
    assert status(["export", "-c", config, "--to-restore", files[0], "--to-script", files[1]]) == 0
    assert status(["export", "--script", files[1]]) == 0
    assert capsys.readouterr().out == printed
    assert (tmp_path / "rules").read_text().startswith("-A -t 203.0.113.10:80 -s wlc\n")
    assert status(["export", "-c", config, "--to-dpvs-conf", files[0]]) == 2
    assert "--to-dpvs-conf: --to-restore, --to-script, --to-events expected" in capsys.readouterr().err
