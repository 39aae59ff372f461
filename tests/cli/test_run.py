"""`lbreplay run` loads, replays and shows; what it does with its options, with a stand-in for the engine."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from made_result import result, setup

from lbreplay.cli import options, status
from lbreplay.errors import CaptureError
from lbreplay.stats import Result


@pytest.fixture
def called(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the stand-in was called with."""
    calls: dict[str, Any] = {"result": result()}

    def replay(asked: object, in_path: str, out_path: str | None, **more: Any) -> Result:
        calls.update(setup=asked, in_path=in_path, out_path=out_path, content=Path(in_path).read_bytes(), **more)
        made: Result = calls["result"]
        return made

    def load(*arguments: Any) -> object:
        calls["load"] = arguments
        return setup()

    from lbreplay import journey as real

    module = ModuleType("lbreplay.journey")
    vars(module).update(vars(real))
    module.replay = replay  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "lbreplay.journey", module)
    monkeypatch.setattr(options, "setup", load)
    return calls


@pytest.fixture
def capture(tmp_path: Path) -> str:
    (tmp_path / "in.pcap").write_bytes(b"a capture")
    return str(tmp_path / "in.pcap")


def test_the_table_is_printed(called: dict[str, Any], capture: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert status(["run", capture, "-o", "out.pcap", "--view", "lb", "--seed", "7", "--set", "workers=2"]) == 0
    shown = capsys.readouterr()
    assert "6 frames = 3 transmitted" in shown.out and shown.err == "warning: --view lb may be meant\n"
    assert called["load"] == (capture, None, ("workers=2",), "lb", 7, 4096)
    assert (called["in_path"], called["out_path"]) == (capture, "out.pcap")


@pytest.mark.parametrize("kind", ["json", "csv"])
def test_other_formats(called: dict[str, Any], capture: str, capsys: pytest.CaptureFixture[str], kind: str) -> None:
    assert status(["run", capture, "--format", kind]) == 0
    text = capsys.readouterr().out
    assert json.loads(text)["schema"] == 1 if kind == "json" else text.startswith("worker,cpu_id")


@pytest.mark.parametrize("kind, begins", [("json", "{"), ("csv", "worker,")])
def test_quiet_prints_the_document_that_was_asked_for(
    called: dict[str, Any], capture: str, capsys: pytest.CaptureFixture[str], kind: str, begins: str
) -> None:
    """Notes and the table are what -q silences."""
    assert status(["run", capture, "-q", "--format", kind]) == 0
    shown = capsys.readouterr()
    assert shown.out.startswith(begins) and shown.err == ""


@pytest.mark.parametrize("given, says", [(["-o", "out.pcap"], "packets written"), ([], "packets to send (-o OUT")])
def test_nothing_is_called_written_that_was_not(
    called: dict[str, Any], capture: str, capsys: pytest.CaptureFixture[str], given: list[str], says: str
) -> None:
    """Without OUT nothing is."""
    assert status(["run", capture, *given]) == 0
    assert says in capsys.readouterr().out


@pytest.mark.parametrize("option", ["--stats", "--trace"])
def test_documents_go_to_standard_output_and_the_table_makes_room(
    called: dict[str, Any], capture: str, capsys: pytest.CaptureFixture[str], option: str
) -> None:
    """`-` is standard output for every output."""
    assert status(["run", capture, option, "-"]) == 0
    shown = capsys.readouterr()
    assert "6 frames" in shown.err and "6 frames" not in shown.out
    assert option == "--trace" or json.loads(shown.out)["schema"] == 1


def test_quiet_prints_nothing(called: dict[str, Any], capture: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert status(["run", capture, "-q"]) == 0
    assert capsys.readouterr() == ("", "")


def test_the_table_makes_room_for_a_capture_on_standard_output(
    called: dict[str, Any], capture: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert status(["run", capture, "-o", "-"]) == 0
    shown = capsys.readouterr()
    assert shown.out == "" and "6 frames" in shown.err


def test_statistics_go_to_a_file(called: dict[str, Any], capture: str, tmp_path: Path) -> None:
    assert status(["run", capture, "-q", "--stats", str(tmp_path / "stats.json")]) == 0
    assert json.loads((tmp_path / "stats.json").read_text())["totals"]["frames"] == 6


def test_standard_input_is_kept_while_a_configuration_is_drafted(
    called: dict[str, Any], standard_input: Callable[[bytes], None]
) -> None:
    standard_input(b"from a pipe")
    assert status(["run", "-", "-q"]) == 0
    assert called["content"] == b"from a pipe" and not Path(called["in_path"]).exists()


def test_a_damaged_capture_is_shown_and_no_success(
    called: dict[str, Any], capture: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """What was good before the damage is in the table and the statistics; the damage is said once, and last."""
    called["result"] = called["result"]._replace(damage=CaptureError("in.pcap: offset 24: a record expected"))
    called["result"].warnings.append("in.pcap: offset 24: a record expected")
    assert status(["run", capture, "--stats", str(tmp_path / "stats.json")]) == 2
    shown = capsys.readouterr()
    assert "6 frames" in shown.out and (tmp_path / "stats.json").exists()
    assert shown.err == "warning: --view lb may be meant\nin.pcap: offset 24: a record expected\n"


def test_a_live_capture_without_a_configuration_is_told_what_it_waits_for(
    called: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    standard_input: Callable[[bytes], None],
) -> None:
    """Once, when standard input takes long."""
    monkeypatch.setattr(options, "PATIENCE", -1)
    standard_input(b"still and slowly")
    assert status(["run", "-", "-q"]) == 0
    assert called["content"] == b"still and slowly" and capsys.readouterr().err.count("-c FILE streams") == 1


@pytest.mark.parametrize("given", [["--also", "dropped"], ["--drops", "x.pcap"]])
def test_dropped_frames_need_a_place(
    called: dict[str, Any], capture: str, capsys: pytest.CaptureFixture[str], given: list[str]
) -> None:
    assert status(["run", capture, *given]) == 2
    assert "--also dropped and --drops FILE go together" in capsys.readouterr().err


def test_what_is_kept_besides(called: dict[str, Any], capture: str) -> None:
    also = ["--also", "received", "--also", "dropped"]
    assert status(["run", capture, "-q", *also, "--drops", "d.pcap", "--trace", "t"]) == 0
    assert called["also"] == {"received", "dropped"} and (called["drops"], called["trace"]) == ("d.pcap", "t")


def test_help_verdicts_needs_no_capture(capsys: pytest.CaptureFixture[str]) -> None:
    assert status(["run", "--help-verdicts"]) == 0
    assert "forwarded_fast" in capsys.readouterr().out


def test_a_configuration_that_nobody_calls_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sample = str(Path(__file__).parents[2] / "samples" / "web.pcap")
    config = tmp_path / "lb.toml"
    config.write_text(
        '[[service]]\nvip = "192.0.2.1:80"\nladdr = ["192.0.2.9"]\nreal = [{ address = "192.0.2.2:80" }]\n'
    )
    assert status(["run", sample, "-c", str(config)]) == 0
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(
        "none of the 1,293 frames met a service: the capture opens 46 connections to tcp 203.0.113.10"
    )
    assert line.endswith(f"lbreplay init {sample} drafts services for these")


ROOT = Path(__file__).parents[2]
ORDINARY = (
    "corpus_rr", "wrr_123", "wlc_123", "conhash", "mh", "nat", "dr", "tunnel", "snat", "flow_director_off_redirect",
    "v6_tcp", "udp_timeouts", "uoa_opp", "toa_options", "blacklist", "whitelist", "persistent", "synproxy",
    "icmp_errors",
)  # fmt: skip
RUNS = """
import sys
from lbreplay.cli import status
for case, capture in zip(sys.argv[1::2], sys.argv[2::2]):
    assert status(["run", capture, "-c", f"{case}/lb.toml", "-o", "out.pcap", "--trace", "trace.jsonl", "-q"]) == 0
    assert "numpy" not in sys.modules, f"{case} loads numpy"
"""


def test_an_ordinary_run_loads_no_numpy(tmp_path: Path) -> None:
    """Which takes as long to load as all else that a short run needs."""
    cases = [ROOT / "tests" / "golden" / "dpvs" / name for name in ORDINARY]
    told = [str(part) for case in cases for part in (case, next(case.glob("in.pcap*")))]
    command = [sys.executable, "-c", RUNS, *told]
    done = subprocess.run(
        command, cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
