"""Every JSON that is written looks like its schema says: real output of every command, held against it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import merged
import pytest
from jsonschema import Draft202012Validator

from lbreplay.cli import COMMANDS, schema, status
from lbreplay.report.outputs import OUTPUTS, json_schema

ROOT = Path(__file__).parents[2]
GOLDEN = ROOT / "tests" / "golden"
SAMPLE, CARD = str(ROOT / "samples" / "web.pcap"), str(ROOT / "samples" / "card.pcapng")
WEB = ["-c", str(ROOT / "samples" / "web.toml")]
NARROW = [*WEB, "--set", "flow_director.dst_port_mask=1"]
REDIRECT = [*NARROW, "--set", "conn.redirect=true"]
FLOW = "198.51.100.58:53846 > 203.0.113.10:443"
END = "198.19.0.1:1025"
# output -> arguments of the command that writes it, behind its name; JSON is asked for
ASKED: dict[str, list[list[str]]] = {
    "run": [[SAMPLE, *WEB], [SAMPLE], [SAMPLE, *NARROW]],
    "explain": [[SAMPLE, *WEB, "-n", n] for n in ("3", "10", "20")]
    + [[SAMPLE, *NARROW, "-n", "11"], [SAMPLE, *REDIRECT, "-n", "11"], [SAMPLE, "--flow", FLOW]],
    "check": [[SAMPLE, *WEB], [SAMPLE, *NARROW], [SAMPLE, *WEB, "--view", "rx"]],
    "doctor": [WEB, NARROW, [SAMPLE]],
    "capacity": [WEB, [SAMPLE, *WEB, "--duration", "2"]],
    "sweep": [[SAMPLE, *WEB, "--workers", "1,2", "-j", "1"], [SAMPLE, "--driver", "ixgbe,mlx5", "-j", "1"]],
    "diff": [[SAMPLE, *WEB, "--set-b", "workers=2"], [SAMPLE, CARD], [SAMPLE, SAMPLE]],
    "keys": [[SAMPLE, *WEB], [*WEB, "--search", "3", "--table", "--symmetric"]],
    "audit": [[CARD], [CARD, *WEB], ["LEGS"], ["LEGS", "-c", "LB"], ["LEGS", "-c", "LB", "--conform"]],
    "who": [[END, SAMPLE], ["10.20.1.1:1028", "LEGS"]],
    "gen": [[*WEB, "-o", "NEW", "-k", "life"]],
    "test": [[str(ROOT / "tests" / "cases"), "-j", "1"], ["FAILING", "-q"]],
    "cover": [["--cover", str(GOLDEN / "dpvs" / "tcp_life")]],
}
TRACED = (*GOLDEN.glob("dpvs/[a-d]*/lb.toml"), *GOLDEN.glob("ipvs/[n-s]*/lb.toml"))


def validator(name: str) -> Draft202012Validator:
    """Of the schema without room for names that it does not say."""
    return Draft202012Validator(json_schema(name, closed=True))


def wrong(name: str, document: Any) -> list[str]:
    """What of *document* is not as its schema says."""
    errors = [inner for error in validator(name).iter_errors(document) for inner in (error, *(error.context or ()))]
    return [f"{error.json_path}: {error.message[:200]}" for error in errors]


@pytest.fixture
def words(tmp_path: Path) -> dict[str, str]:
    """Files that have to be made, by the word that stands for them above."""
    case = merged.case("dpvs", "workers_5")
    failing = tmp_path / "failing"
    shutil.copytree(GOLDEN / "dpvs" / "rr_3", failing)
    (failing / "lb.toml").write_text((failing / "lb.toml").read_text().replace('"rr"', '"wrr"'))
    shutil.copytree(GOLDEN / "dpvs" / "rr_3", tmp_path / "failing" / "broken")
    (failing / "broken" / "lb.toml").write_text("workers = 0")
    made = {"FAILING": str(failing), "LEGS": merged.capture(case, tmp_path / "both.pcap"), "NEW": str(tmp_path / "new")}
    return made | {"LB": str(GOLDEN / "dpvs" / "workers_5" / "lb.toml")}


@pytest.mark.parametrize("name", ASKED)
def test_real_output_is_as_its_schema_says(
    name: str, words: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    """All names and types, none too many."""
    command = "test" if name == "cover" else name
    for asked in ASKED[name]:
        arguments = [words.get(word, word) for word in asked]
        assert status([command, *arguments, "--format", "json"]) in (0, 1)
        assert wrong(name, json.loads(capsys.readouterr().out)) == [], arguments


def test_every_line_of_a_trace(tmp_path: Path) -> None:
    """Of recorded cases of both balancers."""
    trace, checks = tmp_path / "trace", validator("trace")
    for lb in TRACED:
        if (
            status(["run", str(lb.parent / "in.pcap"), "-c", str(lb), "-q", "--trace", str(trace), "--format", "csv"])
            == 0
        ):
            lines = trace.read_text().splitlines()
            assert lines and all(checks.is_valid(json.loads(line)) for line in lines), lb


def test_every_output_has_a_schema(capsys: pytest.CaptureFixture[str]) -> None:
    """Of each command with --format json, of what `schema --of` offers, and of nothing else; each is valid."""
    import click

    from lbreplay.cli import lbreplay

    context = click.Context(lbreplay)
    printing = {name for name in COMMANDS for option in lbreplay.get_command(context, name).params
                if option.name == "output_format" and "json" in option.type.choices}  # fmt: skip
    assert printing == set(OUTPUTS) - {"trace", "cover"} == set(ASKED) - {"cover"}
    assert set(schema.OUTPUTS) == set(OUTPUTS)
    for name in OUTPUTS:
        assert status(["schema", "--of", name]) == 0
        Draft202012Validator.check_schema(json.loads(capsys.readouterr().out))


def test_a_schema_refuses_what_is_not_so() -> None:
    """A missing name, another type, a verdict that there is not."""
    good = {"n": None, "t_ns": 5, "out": [1]}
    assert wrong("trace", good) == []
    assert all(wrong("trace", bad) for bad in ({"n": None}, {**good, "t_ns": "5"}, {**good, "verdict": "nonsense"}))
