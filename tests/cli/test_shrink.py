"""lbreplay shrink: cases without a haystack."""

import tomllib
from pathlib import Path

import pytest

from lbreplay.cli import status
from lbreplay.lab.fields import frames

SAMPLES = Path(__file__).parents[2] / "samples"
BYTE_ORDER = SAMPLES / "cases" / "byte-order"
GIVEN = ["shrink", str(BYTE_ORDER / "in.pcap.gz"), "-c", str(BYTE_ORDER / "lb.toml")]


@pytest.mark.parametrize("condition", [["--check", "home"], ["--verdict", "local_to_kernel"], ["--frame", "9"]])
def test_a_case_is_written_and_holds(tmp_path, capsys, condition):
    """With a sentence that says what it shows."""
    folder = tmp_path / "case"
    assert status([*GIVEN, *condition, "-o", str(folder)]) == 0
    assert "tries" in capsys.readouterr().out
    about = tomllib.loads((folder / "case.toml").read_text())
    assert about["description"].endswith("frames are left.")
    assert len(list(frames(str(folder / "in.pcap")))) <= 8
    assert status(["test", str(folder), "-j", "1", "-q"]) == 0


def test_an_anonymized_case_shows_the_same(tmp_path):
    """No address of the capture is left, and the verdicts are the same."""
    folder = tmp_path / "case"
    args = [*GIVEN, "--verdict", "local_to_kernel", "-o", str(folder), "-q", "--anonymize"]
    assert status(args) == 0
    assert "192.0.2.10" not in (folder / "lb.toml").read_text()
    assert "local_to_kernel" in (folder / "expected" / "stats.json").read_text()


@pytest.mark.parametrize("sample", ["fragments", "toa-without-room", "another-host", "workers-changed", "vip-as-laddr"])
def test_no_larger_than_the_sample(tmp_path, sample):
    """Each sample shows the verdicts it has with fewer frames."""
    source = SAMPLES / "cases" / sample
    verdict = {"fragments": "fragment_v4", "another-host": "l3_otherhost", "workers-changed": "local_to_kernel"}
    args = ["shrink", str(source / "in.pcap.gz"), "-c", str(source / "lb.toml"), "-o", str(tmp_path / "case"), "-q"]
    assert status([*args, "--verdict", verdict.get(sample, "forwarded_slow")]) == 0
    assert len(list(frames(str(tmp_path / "case" / "in.pcap")))) <= len(list(frames(str(source / "in.pcap.gz"))))


@pytest.mark.parametrize(
    ("args", "said"),
    [
        ([], "one of --verdict"),
        (["--verdict", "ospf", "--check", "home"], "one of --verdict"),
        (["--verdict", "ospf"], "not shown at the start"),
        (["--verdict", "osfp"], "nearest is 'ospf'"),
        (["--frame", "100000"], "frame 100000"),
        (["--exec", "exit 3"], "not shown at the start"),
    ],
)
def test_what_is_refused(tmp_path, capsys, args, said):
    """One line, exit 2, nothing written."""
    assert status([*GIVEN, *args, "-o", str(tmp_path / "case")]) == 2
    error = capsys.readouterr().err
    assert said in error and len(error.splitlines()) == 1 and not (tmp_path / "case").exists()


def test_a_folder_that_is_used(tmp_path, capsys):
    """Nothing is overwritten."""
    (tmp_path / "mine").write_text("mine")
    assert status([*GIVEN, "--check", "home", "-o", str(tmp_path)]) == 2
    assert "there already" in capsys.readouterr().err and list(tmp_path.iterdir()) == [tmp_path / "mine"]
