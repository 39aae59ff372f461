"""A golden case holds or says in words why not; a broken one fails alone; --update alone rewrites expectations."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import packets
import pytest

from lbreplay.cli.inside import run_inside
from lbreplay.lab import golden
from lbreplay.lab.case import discover
from lbreplay.lab.golden import How, Outcome, run_case, unequal
from lbreplay.lab.pool import Pool

RECORDED = packets.GOLDEN / "rr_3"


@pytest.fixture
def case(tmp_path: Path) -> Path:
    """A case of our own: the capture and configuration of a recorded one, expectations made by --update."""
    folder = tmp_path / "cases" / "mine"
    folder.mkdir(parents=True)
    for name in (next(RECORDED.glob("in.pcap*")).name, "lb.toml"):
        shutil.copy(RECORDED / name, folder / name)
    (folder / "case.toml").write_text('view = "rx"\n')
    assert run_case("mine", folder, run_inside, How(update=True)).holds
    return folder


def judged(folder: Path, **more: Any) -> Outcome:
    return run_case("mine", folder, run_inside, How(**more))


def about(folder: Path, text: str) -> None:
    (folder / "case.toml").write_text('view = "rx"\n' + text)


def tamper(folder: Path, change: object) -> None:
    """Rewrite expected/out.pcap by *change*, which takes and gives the list of frames."""
    path = folder / "expected" / "out.pcap"
    packets.write(path, change(list(golden.frames(str(path)))))  # type: ignore[operator]


def test_a_recorded_case_holds() -> None:
    outcome = run_case("rr_3", RECORDED, run_inside)
    assert outcome.problems == [] and outcome.seconds > 0


def test_a_case_of_ones_own_holds(case: Path) -> None:
    assert judged(case).problems == []
    assert json.loads((case / "expected" / "stats.json").read_text())["capture"]["path"] == "in.pcap"


def test_a_changed_configuration_names_packet_fields_and_statistics(case: Path) -> None:
    (case / "lb.toml").write_text((case / "lb.toml").read_text().replace('"rr"', '"wlc"', 1))
    outcome = judged(case)
    text = "\n".join(outcome.problems)
    assert "of out.pcap differs from packet" in text and "  expected 17" in text and "ip.dst: expected" in text
    assert "services.web.scheduler: expected rr, got wlc" in text
    assert outcome.more.startswith("lbreplay explain ") and " -n " in outcome.more


@pytest.mark.parametrize("chance", range(24))
def test_a_change_of_any_bit_is_noticed(case: Path, chance: int) -> None:
    """Of any packet that must come out, by its number; nothing is too small."""
    draw = random.Random(chance)

    def flip(frames: list[golden.Frame]) -> list[golden.Frame]:
        n = draw.randrange(len(frames))
        data = bytearray(frames[n].data)
        data[draw.randrange(len(data))] ^= 1 << draw.randrange(8)
        return [*frames[:n], frames[n]._replace(data=bytes(data)), *frames[n + 1 :]]

    tamper(case, flip)
    problems = judged(case).problems
    assert problems and "out.pcap" in problems[0], problems


def test_a_missing_packet_is_one_problem(case: Path) -> None:
    tamper(case, lambda frames: frames[:5] + frames[6:])
    assert [p.splitlines()[0] for p in judged(case).problems] == [
        "packet 6 of out.pcap is not expected (frame 6 of in.pcap)"
    ]


def test_a_packet_that_is_not_expected_is_one_problem(case: Path) -> None:
    tamper(case, lambda frames: frames[:5] + [frames[4]] + frames[5:])
    assert [p.splitlines()[0] for p in judged(case).problems] == ["packet 6 of expected/out.pcap is missing"]


@pytest.mark.parametrize("name", ["out.pcap", "stats.json"])
def test_a_missing_expectation_fails(case: Path, name: str) -> None:
    (case / "expected" / name).unlink()
    assert judged(case).problems == [f"{case / 'expected' / name}: a missing expectation; --update writes it"]


def test_update_says_what_changed_and_holds_afterwards(case: Path) -> None:
    tamper(case, lambda frames: frames[1:])
    path = case / "expected" / "stats.json"
    path.write_text(path.read_text().replace('"dropped": 0', '"dropped": 9', 1))
    outcome = judged(case, update=True)
    assert outcome.changed == ["out.pcap: 1 extra", "totals.dropped: 9 -> 0"] and outcome.holds
    assert judged(case, update=True).changed == []


def test_recorded_expectations_are_never_rewritten(tmp_path: Path) -> None:
    folder = tmp_path / "rr_3"
    shutil.copytree(RECORDED, folder)
    (folder / "lb.toml").write_text((folder / "lb.toml").read_text().replace('"rr"', '"wlc"', 1))
    before = {p: p.read_bytes() for p in (folder / "expected").iterdir()}
    outcome = run_case("rr_3", folder, run_inside, How(update=True))
    assert not outcome.holds and not outcome.changed
    assert {p: p.read_bytes() for p in (folder / "expected").iterdir()} == before


def test_a_recorded_story_that_differs_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "workers_4"
    shutil.copytree(packets.GOLDEN / "workers_4", folder)
    stories = next((folder / "expected").glob("frames.jsonl*"))
    lines = list(golden._lines(stories))
    lines[3]["worker"] += 1
    stories.unlink()
    (folder / "expected" / "frames.jsonl").write_text("\n".join(map(json.dumps, lines)) + "\n")
    assert run_case("w", folder, run_inside).problems[0].startswith("frame 4 of in.pcap: worker: expected")


def test_checks_look_into_the_statistics(case: Path) -> None:
    about(
        case,
        '[[check]]\nverdict = "no_dest"\nequals = 7\n[[check]]\npath = "services.web.reals.192.168.100.2:8080.weight"\n'
        'equals = 1\n[[check]]\npath = "totals.framez"\nequals = 1\n',
    )
    assert judged(case).problems == [
        "verdict no_dest: expected 7, got 0",
        "totals.framez: expected 1, got nothing at framez",
    ]


def test_ignored_fields_and_tolerated_times(case: Path) -> None:
    later = 1_000_000
    tamper(case, lambda frames: [f._replace(time_ns=f.time_ns + later, data=b"\0" * 6 + f.data[6:]) for f in frames])
    about(case, "time_tolerance_ms = 0.5\n")
    assert "eth.dst" in judged(case).problems[0] and "time" in judged(case).problems[0]
    about(case, 'ignore = ["mac"]\ntime_tolerance_ms = 1\n')
    assert judged(case).holds


def test_the_order_of_flows_may_be_left_open(case: Path) -> None:
    about(case, "")
    tamper(case, lambda frames: sorted(frames, key=golden_flow))
    assert not judged(case).holds
    about(case, 'order = "flow"\nignore = ["time"]\n')
    assert judged(case).holds


def golden_flow(frame: golden.Frame) -> str:
    from lbreplay.lab.fields import flow

    return flow(frame)


def test_an_exit_status_can_be_expected(case: Path) -> None:
    (case / "lb.toml").write_text("workers = -1\n")
    assert "exit status 0 expected, got 2" in judged(case).problems[0]
    about(case, "exit_code = 2\n")
    assert judged(case).holds


def test_arguments_reach_the_replay(case: Path) -> None:
    about(case, 'args = ["--set", "service.web.scheduler=\'wlc\'"]\n')
    assert not judged(case).holds


def test_outputs_can_be_kept(case: Path, tmp_path: Path) -> None:
    judged(case, keep=str(tmp_path / "kept"))
    assert {p.name for p in (tmp_path / "kept" / "mine").iterdir()} == {"out.pcap", "stats.json", "trace.jsonl"}


def hostile_list(folder: Path) -> None:
    """A configuration that reads somebody's file into an error message."""
    config = folder / "lb.toml"
    config.write_text(config.read_text().replace("[[service]]", '[[service]]\nblacklist = ["@/etc/passwd"]', 1))


def hostile_link(folder: Path) -> None:
    """A link that leads out of the case."""
    (folder / "link").symlink_to(folder.parent)
    about(folder, f'args = ["--trace", "{folder / "link" / "t"}"]')


BROKEN = {
    "no capture": (lambda f: next(f.glob("in.pcap*")).unlink(), "in.pcap: not there; a case needs it"),
    "no capture at all": (lambda f: next(f.glob("in.pcap*")).write_bytes(b"hello"), "exit status 0 expected, got 2"),
    "case.toml broken": (
        lambda f: (f / "case.toml").write_text("view = rx"),
        "case.toml:1:8: Invalid value",
    ),
    "case.toml not text": (
        lambda f: (f / "case.toml").write_bytes(b"\xff\xfe"),
        "case.toml:1:1: UTF-8 text expected",
    ),
    "unknown field": (lambda f: about(f, 'ignore = ["sek"]'), "ignore: a field expected, got 'sek'; nearest is 'seq'"),
    "misspelt key": (lambda f: about(f, 'ignroe = ["seq"]'), "ignroe: no such key; nearest is 'ignore'"),
    "wrong type": (lambda f: about(f, "ignore = 3"), "ignore: a list of strings expected, got 3"),
    "unknown order": (lambda f: about(f, 'order = "any"'), 'order: "strict" or "flow" expected'),
    "check of nothing": (
        lambda f: about(f, "[[check]]\nequals = 1"),
        "check[0]: equals and one of verdict, path, a string, expected",
    ),
    "no expectation": (lambda f: (f / "expected/out.pcap").write_bytes(b"hello"), "pcap"),
    "odd check": (lambda f: about(f, "check = [{path = 5, equals = 1}]"), "one of verdict, path, a string, expected"),
    "odd verdict": (lambda f: about(f, "check = [{verdict = [1], equals = 0}]"), "one of verdict, path, a string"),
    "no tables": (lambda f: about(f, "check = [1]"), "check: a list of tables expected, got a list"),
    "odd arguments": (lambda f: about(f, "args = [1, 2]"), "args: a list of strings expected, got a list"),
    "odd fields": (lambda f: about(f, "ignore = [1]"), "ignore: a list of strings expected, got a list"),
    "odd frames": (lambda f: about(f, "own_frames = [[1]]"), "own_frames: a list of whole numbers expected"),
    "true is no number": (lambda f: about(f, "exit_code = true"), "exit_code: a whole number expected, got true"),
    "endless": (lambda f: about(f, "time_tolerance_ms = inf"), "time_tolerance_ms: a number from 0 expected, got inf"),
    "no number": (
        lambda f: about(f, "time_tolerance_ms = nan"),
        "time_tolerance_ms: a number from 0 expected, got nan",
    ),
    "a long number": (lambda f: about(f, f"x = {'9' * 5000}"), "a number of at most 999 digits expected"),
    "a deep list": (lambda f: about(f, f"x = {'[' * 5000}"), "case.toml: nested too deep"),
    "no view": (lambda f: (f / "case.toml").write_text('view = "up"'), 'view: client, lb or rx expected, got "up"'),
    "no stories": (lambda f: (f / "expected/frames.jsonl").write_text("{"), "frames.jsonl: line 1: a JSON object"),
    "odd stories": (lambda f: (f / "expected/frames.jsonl").write_text('{"n": 1}'), "frame 1: worker, kernel, and out"),
    "a deep story": (lambda f: (f / "expected/frames.jsonl").write_text("[" * 10**5), "line 1: a JSON object"),
    "deep statistics": (lambda f: (f / "expected/stats.json").write_text("[" * 10**5), "stats.json: "),
    "another's file": (lambda f: about(f, 'args = ["-c", "/etc/passwd"]'), "/etc/passwd: a file inside the case"),
    "another's list": (lambda f: hostile_list(f), "/etc/passwd: a file inside the case"),
    "an output outside": (lambda f: about(f, 'args = ["--trace", "../t"]'), "../t: a file inside the case"),
    "standard output": (lambda f: about(f, 'args = ["--stats", "-"]'), "-: a file inside the case"),
    "a link outside": (lambda f: hostile_link(f), "link/t: a file inside the case"),
    "broken statistics": (lambda f: (f / "expected/stats.json").write_text("{"), "stats.json: Expecting"),
}


@pytest.mark.parametrize("what", BROKEN)
def test_a_broken_case_fails_with_one_line_and_the_others_run(case: Path, what: str) -> None:
    other = case.parent / "other"
    shutil.copytree(case, other)
    breaking, said = BROKEN[what]
    breaking(case)
    with ThreadPoolExecutor(1) as executor:
        outcomes = list(golden.run_all(discover([str(case.parent)]), run_inside, executor, How()))
    assert [o.holds for o in outcomes] == [False, True]
    assert len(outcomes[0].problems) == 1 and said in outcomes[0].problems[0]
    assert "\n" not in outcomes[0].problems[0]


def kill_one(arguments: list[str]) -> tuple[int, str]:
    """Run, but die of the first of two cases."""
    if "wlc_111" in arguments[1]:
        os.kill(os.getpid(), signal.SIGKILL)
    return run_inside(arguments)


def test_a_process_that_dies_takes_only_its_case_along() -> None:
    """The next case has a fresh process."""
    cases = [(name, packets.GOLDEN / name) for name in ("wlc_111", "rr_3")]
    with Pool(1) as pool:
        died, held = golden.run_all(cases, kill_one, pool, How())
    assert held.holds and died.problems == [
        "not judged: its process died of signal 9 (Killed); memory may have run out"
    ]


def test_an_error_of_its_own_is_a_problem_of_that_case(case: Path) -> None:
    """Said, and the others run."""

    def fail(arguments: list[str]) -> tuple[int, str]:
        raise RuntimeError("strange")

    (outcome,) = golden.run_all([("mine", case)], fail, None, How())
    assert outcome.problems == ["not judged: RuntimeError: strange"]


def test_statistics_are_compared_leaf_by_leaf() -> None:
    old = {"tool": "1", "a": {"b": [{"service": "web", "n": 1}, {"service": "dns", "n": 1}]}, "only": 1, "list": [1]}
    new = {"tool": "2", "a": {"b": [{"service": "web", "n": 1}, {"service": "dns", "n": 2}]}, "list": [1, 2]}
    assert list(unequal(old, new)) == [("a.b.dns.n", 1, 2), ("only", 1, None), ("list", [1], [1, 2])]


def test_a_trusted_case_may_name_any_file(case: Path) -> None:
    """The command line says so."""
    trace = case.parent / "elsewhere"
    about(case, f'args = ["--trace", "{trace}"]')
    assert not judged(case).holds and not trace.exists()
    judged(case, trusted=True)
    assert trace.exists()
