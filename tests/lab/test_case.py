"""Cases are found below folders by name; case.toml is judged key by key, and notes are free."""

from __future__ import annotations

from pathlib import Path

import packets
import pytest

from lbreplay.errors import ConfigError
from lbreplay.lab.case import discover, load, packed

RECORDED = packets.GOLDEN / "rr_3"


def written(folder: Path, text: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "case.toml").write_text(text)
    return folder


def test_cases_are_found_by_name_below_folders(tmp_path: Path) -> None:
    mine = written(tmp_path / "cases" / "mine", "")
    yours = written(tmp_path / "cases" / "sub" / "yours", "")
    assert discover([str(tmp_path / "cases")]) == [("mine", mine), ("sub/yours", yours)]
    assert discover([str(tmp_path / "cases")], ["your"]) == [("sub/yours", yours)]
    assert discover([str(mine)]) == [("mine", mine)]
    assert [name for name, _ in discover([str(mine), str(tmp_path / "cases" / "sub")])] == ["mine", "sub/yours"]
    assert discover([str(tmp_path / "cases"), str(mine)]) == [("cases/mine", mine), ("cases/sub/yours", yours)]


def test_a_folder_that_is_not_there_is_refused() -> None:
    with pytest.raises(ConfigError, match="no-such-folder: a folder of golden cases expected"):
        discover(["no-such-folder"])


def test_a_recorded_case() -> None:
    case = load("rr_3", RECORDED)
    assert case.recorded and case.view == "rx" and case.checks and case.rules.tolerance_ns == 2_000_000


def test_defaults_are_those_of_the_contract(tmp_path: Path) -> None:
    case = load("x", written(tmp_path, "description = 'x'"))
    assert not case.recorded
    assert (case.view, case.args, case.exit_code, case.checks) == ("client", (), 0, ())
    assert case.rules.order == "strict" and not case.rules.ignore and case.rules.own is None


def test_everything_is_read(tmp_path: Path) -> None:
    text = """
        view = "lb"
        args = ["--set", "workers=2"]
        exit_code = 2
        ignore = ["mac"]
        own_frames = [1, 2]
        order = "flow"
        time_tolerance_ms = 0.5
    """
    case = load("x", written(tmp_path, text))
    assert (case.view, case.args, case.exit_code) == ("lb", ("--set", "workers=2"), 2)
    assert case.rules == (frozenset({"eth.src", "eth.dst"}), 500_000, "flow", frozenset({1, 2}))


def test_notes_are_free(tmp_path: Path) -> None:
    assert load("x", written(tmp_path, 'rule = "D 1"\ntopic = "x"\n')).name == "x"


@pytest.mark.parametrize(
    "text, said",
    [
        ('ignroe = ["seq"]', "ignroe: no such key; nearest is 'ignore'"),
        ("exit_code = 'two'", 'exit_code: a whole number expected, got "two"'),
        ("time_tolerance_ms = 'x'", 'time_tolerance_ms: a number from 0 expected, got "x"'),
        ("view = ", r"case\.toml:1:8: Invalid value"),
        ("check = [3]", r"check: a list of tables expected, got a list"),
    ],
)
def test_a_broken_file_is_one_sentence(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said) as caught:
        load("x", written(tmp_path, text))
    assert "\n" not in str(caught.value)


def test_a_capture_may_be_packed(tmp_path: Path) -> None:
    assert packed(tmp_path / "in.pcap") is None
    (tmp_path / "in.pcap.gz").write_bytes(b"")
    assert packed(tmp_path / "in.pcap") == tmp_path / "in.pcap.gz"
    (tmp_path / "in.pcap").write_bytes(b"")
    assert packed(tmp_path / "in.pcap") == tmp_path / "in.pcap"
