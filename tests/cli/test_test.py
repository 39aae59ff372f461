"""`lbreplay test` runs cases side by side, and tells people, JUnit and GitHub what does not hold."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from xml.etree import ElementTree

import packets
import pytest

from lbreplay.cli import status

Said = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def _no_build_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CI", "GITHUB_ACTIONS", "GITHUB_STEP_SUMMARY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def cases(tmp_path: Path) -> Path:
    """Three recorded cases, one of which does not hold any more."""
    for name in ("rr_3", "wlc_111", "wrr_123"):
        shutil.copytree(packets.GOLDEN / name, tmp_path / "cases" / name)
    config = tmp_path / "cases" / "wlc_111" / "lb.toml"
    config.write_text(config.read_text().replace("weight = 1", "weight = 2", 1))
    return tmp_path / "cases"


def test_cases_that_hold(cases: Path, capsys: Said) -> None:
    assert status(["test", str(cases), "-k", "rr", "-j", "2"]) == 0
    said = capsys.readouterr()
    assert said.out.startswith("2 of 2 cases hold, in ") and said.err == ""


def test_a_failure_is_told_with_both_packets_and_what_to_do(cases: Path, capsys: Said) -> None:
    assert status(["test", str(cases)]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("wlc_111: failed: 95 of 119 packets (89 different, 6 missing; sport 69, ip.dst 65")
    assert lines[0].endswith("the first recorded frame, 13 checks") and lines[-1].startswith("2 of 3 cases hold")
    assert any(line.startswith("    expected 17000") for line in lines)
    assert any(line.startswith("  more: lbreplay explain ") for line in lines)


def test_quiet_names_what_does_not_hold(cases: Path, capsys: Said) -> None:
    """A line a case, and the last one."""
    assert status(["test", str(cases), "-q"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2 and lines[0].startswith("wlc_111: failed: 95 of 119 packets")


def test_verbose_names_every_case(cases: Path, capsys: Said) -> None:
    """With how long it took; not together with -q."""
    assert status(["test", str(cases), "-v", "-k", "rr"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(" (")[0] for line in lines[:-1]] == ["rr_3: holds", "wrr_123: holds"]
    assert status(["test", str(cases), "-v", "-q"]) == 2


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_it_stops_at_the_first(cases: Path, capsys: Said, jobs: str) -> None:
    """The others are counted, and JUnit has those that were run."""
    (cases / "a_first").mkdir()
    (cases / "a_first" / "case.toml").write_text("args = 5")
    assert status(["test", str(cases), "-x", "-j", jobs, "--junit", str(cases / "junit.xml")]) == 1
    assert capsys.readouterr().out.splitlines()[-1].endswith("; 3 not run")
    assert ElementTree.parse(cases / "junit.xml").getroot().attrib["tests"] == "1"


def test_a_list_of_cases(cases: Path, capsys: Said) -> None:
    """Names and what they are about; none is run."""
    (cases / "wlc_111" / "case.toml").write_text("args = 5")
    assert status(["test", str(cases), "--list", "-k", "1"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("wlc_111  broken: ") and lines[1].startswith("wrr_123  Weighted round robin")


def test_a_broken_case_is_no_failure(cases: Path, tmp_path: Path, capsys: Said) -> None:
    """It could not be judged: of its own files, or because nothing was replayed; JUnit calls that an error."""
    (cases / "rr_3" / "lb.toml").write_text("workers = 0")
    (cases / "wrr_123" / "case.toml").write_text("args = 5")
    assert status(["test", str(cases), "-q", "--junit", str(tmp_path / "junit.xml")]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "rr_3: broken" and lines[2] == "wrr_123: broken"
    assert lines[-1].startswith("0 of 3 cases hold, 2 broken, in")
    suite = ElementTree.parse(tmp_path / "junit.xml").getroot()[0]
    assert (suite.attrib["failures"], suite.attrib["errors"]) == ("1", "2")
    assert [[child.tag for child in case] for case in suite] == [["error"], ["failure"], ["error"]]


def test_for_programs(cases: Path, capsys: Said) -> None:
    """JSON and CSV stand alone on standard output; what people read is beside it, or silent."""
    assert status(["test", str(cases), "--format", "json"]) == 1
    said = capsys.readouterr()
    found = json.loads(said.out)
    assert (found["holding"], found["failed"], found["broken"], found["not_run"]) == (2, 1, 0, 0)
    assert [case["case"] for case in found["cases"] if case["moved"]] == ["wlc_111"] and "wlc_111: failed" in said.err
    assert status(["test", str(cases), "--format", "csv", "-k", "rr"]) == 0
    assert [line.split(",")[0] for line in capsys.readouterr().out.splitlines()] == ["case", "rr_3", "wrr_123"]


@pytest.mark.parametrize("arguments", [["-k", "nothing"], []])
def test_no_case_is_wrong_usage(cases: Path, tmp_path: Path, capsys: Said, arguments: list[str]) -> None:
    (tmp_path / "empty").mkdir()
    where = str(cases) if arguments else str(tmp_path / "empty")
    assert status(["test", where, *arguments]) == 2
    assert "no golden case" in capsys.readouterr().err


def test_update_is_refused_on_build_machines(cases: Path, monkeypatch: pytest.MonkeyPatch, capsys: Said) -> None:
    monkeypatch.setenv("CI", "true")
    assert status(["test", str(cases), "--update"]) == 2
    assert "--update is refused where CI is set" in capsys.readouterr().err


def test_update_says_what_changed(cases: Path, capsys: Said) -> None:
    mine = cases / "rr_3"
    shutil.rmtree(mine / "expected")
    assert status(["test", str(cases), "-k", "rr_3", "--update"]) == 0
    assert capsys.readouterr().out.splitlines()[:2] == ["rr_3: updated", "  out.pcap: new, 119 packets"]
    assert status(["test", str(cases), "-k", "rr_3"]) == 0


def test_junit_is_written(cases: Path, tmp_path: Path) -> None:
    assert status(["test", str(cases), "-q", "--junit", str(tmp_path / "junit.xml")]) == 1
    suite = ElementTree.parse(tmp_path / "junit.xml").getroot()[0]
    assert suite.attrib["tests"] == "3" and suite.attrib["failures"] == "1"
    failed = [case.attrib["name"] for case in suite if case.find("failure") is not None]
    assert failed == ["wlc_111"]


def test_github_gets_annotations_and_a_summary(
    cases: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Said
) -> None:
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary.md"))
    assert status(["test", str(cases)]) == 1
    errors = [line for line in capsys.readouterr().out.splitlines() if line.startswith("::error ")]
    assert len(errors) == 1 and "wlc_111" in errors[0]
    assert "| `wlc_111` | packet " in (tmp_path / "summary.md").read_text()


def test_outputs_are_kept_where_asked(cases: Path, tmp_path: Path) -> None:
    assert status(["test", str(cases), "-q", "-k", "rr_3", "--keep", str(tmp_path / "kept")]) == 0
    assert (tmp_path / "kept" / "rr_3" / "out.pcap").exists()


def test_a_suite_that_shows_nothing_is_no_success(cases: Path, capsys: Said) -> None:
    """As pytest's exit 5: nobody calls the service, nothing is sent, and no check asks for just that."""
    case = cases / "rr_3"
    shutil.rmtree(case / "expected")
    (case / "lb.toml").write_text((case / "lb.toml").read_text().replace("10.0.0.100:", "10.0.0.99:"))
    (case / "case.toml").write_text('description = "nobody is home"\nview = "rx"\n')
    assert status(["test", str(case), "--update"]) == 5
    assert "shows nothing" in capsys.readouterr().out
    with (case / "case.toml").open("a") as about:
        about.write('[[check]]\nverdict = "no_dest"\nequals = 0\n')
    assert status(["test", str(case), "-q"]) == 0


def test_what_a_suite_exercises(tmp_path, capsys):
    """As a table behind the cases, as JSON alone, and on the page."""
    from lab.gen.made_scene import written

    cases = str(tmp_path / "cases")
    assert status(["gen", "-c", str(written(tmp_path)), "-q", "-o", cases, "-k", "life-dns"]) == 0
    capsys.readouterr()
    page = tmp_path / "page.html"
    assert status(["test", cases, "-j", "1", "--cover", "--html", str(page), "-q"]) == 0
    said = capsys.readouterr().out
    assert "1 of 1 cases hold" in said and "Exercised by life-dns:" in said and "no case depends:" in said
    assert "Settings that no case depends on" in page.read_text()
    assert status(["test", cases, "-j", "1", "--cover", "--format", "json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert {part["part"] for part in found["configurations"][0]["parts"]} >= {"verdicts", "rules", "timeouts"}
