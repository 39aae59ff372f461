"""Golden cases run and judged: packets, statistics, what became of each frame, checks (interface 7).

A case is replayed by running the command line in this process, by a `Run` that the caller gives, so that start-up is
paid once. Whatever is wrong with one case is a problem of that case; the others run.
"""

from __future__ import annotations

import gzip
import json
import os
import shlex
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future
from contextlib import nullcontext
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lbreplay.edge import pace
from lbreplay.edge.output import Output, write_text
from lbreplay.edge.scratch import scratch
from lbreplay.edge.text import shown
from lbreplay.edge.within import within
from lbreplay.errors import ConfigError, LbreplayError
from lbreplay.lab.case import Case, load, packed
from lbreplay.lab.diff import Comparison, Difference, compare
from lbreplay.lab.fields import Frame, brief, frames
from lbreplay.lab.fit import shows_nothing
from lbreplay.lab.parcel import wrap
from lbreplay.lab.pool import Died
from lbreplay.phrases import plural
from lbreplay.stats import find

if TYPE_CHECKING:
    from lbreplay.lab.cluster import Cluster

Run = Callable[[list[str]], tuple[int, str]]  # arguments of the command line -> exit status, what it said on stderr

TOLD = ("worker", "owner", "state", "conn", "service", "real", "laddr", "reason", "verdict")  # by a story
RUNNING = "running cases"
_read = json.JSONDecoder().raw_decode
SHOWN = 1  # differing packets written out; the rest is counted
NAMED = 4  # fields named of all of them, those that differ most
FIRST = ("recorded frame", "story")  # of which only the first is looked for


@dataclass
class Outcome:
    """What became of a case: problems are sentences of one or more lines, `moved` says the same in short; `broken`: it
    could not be judged; `changed` what --update rewrote; `warnings` what whoever made or runs it should know."""

    name: str
    path: str
    problems: list[str] = field(default_factory=list)
    moved: list[str] = field(default_factory=list)
    broken: bool = False
    changed: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)  # what does not make it fail
    more: str = ""  # the command that shows more
    seconds: float = 0.0

    @property
    def holds(self) -> bool:
        return not self.problems

    def document(self) -> dict[str, Any]:
        """Ready for `json.dumps`."""
        told = asdict(self) | {"seconds": round(self.seconds, 3)}
        return {"case": told.pop("name"), "holds": self.holds, "empty": self.empty, **told}

    def unjudged(self, why: str) -> None:
        """It could not be judged."""
        self.broken = True
        self.problems.append(shown(why))

    @property
    def empty(self) -> bool:
        """Whether it is green over nothing."""
        return EMPTY in self.warnings


OWN = ("case.toml", "lb.toml", "in.pcap", "in.pcap.gz")  # of a case
EMPTY = "shows nothing: no frame meets a service, none is sent, and there is no [[check]]"


@dataclass(frozen=True)
class How:
    """How cases are run: *update* rewrites expectations, *keep* leaves what came out in a folder, *trusted* cases may
    name files outside their own folder, *room* is where folders for the time of a run are made."""

    update: bool = False
    keep: str | None = None
    trusted: bool = False
    room: str | None = None


def run_all(cases: Sequence[tuple[str, Path]], run: Run, executor: Executor | None, how: How) -> Iterator[Outcome]:
    """Run *cases* (name, folder) side by side in *executor*, or here; outcomes come in the order of the cases."""
    with scratch() as room:
        how = replace(how, room=room)
        judged: Iterator[Outcome]
        if executor is None:
            judged = (run_case(name, path, run, how) for name, path in cases)
        else:
            futures = [executor.submit(run_case, name, path, run, how) for name, path in cases]
            judged = map(_result, futures, cases)
        yield from pace.counted(judged, RUNNING, len(cases))


def run_on(cluster: Cluster, cases: Sequence[tuple[str, Path]], run: Run, how: How) -> Iterator[Outcome]:
    """The same on a cluster, whose workers read a case where it lies, or are sent it."""
    parcels = [wrap(str(path), _files(path)) for _, path in cases]
    cluster.share(parcels, [str(path) for _, path in cases])
    futures = [
        cluster.submit(run_elsewhere, name, parcel, str(path), run, how)
        for (name, path), parcel in zip(cases, parcels, strict=True)
    ]
    yield from pace.counted(map(_result, futures, cases), RUNNING, len(cases))


def _files(path: Path) -> list[str]:
    """What a case is made of: the files in its folder, of which its own may be links to others elsewhere."""
    place = path.resolve()
    found = sorted(file for file in path.rglob("*") if file.is_file())
    own = {path / name for name in OWN}
    return [str(file.relative_to(path)) for file in found if file in own or file.resolve().is_relative_to(place)]


def run_elsewhere(name: str, path: str, known: str, run: Run, how: How) -> Outcome:
    """`run_case` on another machine, where the case is at *path*; what is said names it as it is *known*."""
    outcome = run_case(name, Path(path), run, how)
    told = [[text.replace(path, known) for text in texts] for texts in (outcome.problems, outcome.warnings)]
    return replace(outcome, path=known, problems=told[0], warnings=told[1], more=outcome.more.replace(path, known))


def _result(future: Future[Outcome], case: tuple[str, Path]) -> Outcome:
    name, path = case
    try:
        return future.result()
    except Died as error:
        return Outcome(name, str(path), [f"not judged: {error}"], broken=True)


def run_case(name: str, path: Path, run: Run, how: How = How()) -> Outcome:
    """Replay and judge one case; whatever is wrong with it is a problem of the case."""
    outcome, start = Outcome(name, str(path)), time.perf_counter()
    try:
        case = load(name, path)
        with nullcontext(os.path.join(how.keep, name)) if how.keep else scratch(how.room) as folder:
            _replay_and_judge(case, run, outcome, Path(folder), how)
    except (LbreplayError, OSError) as error:
        outcome.unjudged(str(error))
    except Exception as error:
        outcome.unjudged(f"not judged: {type(error).__name__}: {error}")
    outcome.seconds = time.perf_counter() - start
    return outcome


def _replay_and_judge(case: Case, run: Run, outcome: Outcome, folder: Path, how: How) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    capture = packed(case.path / "in.pcap")
    if capture is None:
        raise ConfigError(f"{case.path / 'in.pcap'}: not there; a case needs it")
    out = {name: folder / name for name in ("out.pcap", "stats.json", "trace.jsonl")}
    arguments = ["run", str(capture), "-o", str(out["out.pcap"]), "-q", "--view", case.view]
    arguments += ["--stats", str(out["stats.json"]), "--trace", str(out["trace.jsonl"])]
    if (case.path / "lb.toml").exists():
        arguments += ["-c", str(case.path / "lb.toml")]
    with within(None if how.trusted else _places(case, capture, folder)):
        code, said = run([*arguments, *case.args])
    if code != case.exit_code:
        outcome.problems.append(f"exit status {case.exit_code} expected, got {code}: {said.strip() or 'nothing said'}")
        outcome.broken = code > 1  # refused, or an error of lbreplay's: nothing was replayed
    elif code == 0:
        _judge_outputs(case, outcome, folder, how.update)
    if outcome.problems:
        outcome.more = _more(case, capture, folder, outcome)


def _places(case: Case, capture: Path, folder: Path) -> list[str]:
    """What somebody else's case may name: its folder, the files that its own are links to, and where outputs go."""
    return [str(place) for place in (case.path, capture, case.path / "lb.toml", folder)]


def _judge_outputs(case: Case, outcome: Outcome, folder: Path, update: bool) -> None:
    stats = json.loads((folder / "stats.json").read_text(encoding="utf-8"))
    if update and not case.recorded:
        outcome.changed += _update(case, folder, list(frames(str(folder / "out.pcap"))), stats)
        outcome.changed += _update_stories(case, folder / "trace.jsonl")
    outcome.problems += _packets(case, folder, outcome.moved)
    for what, wrong in (
        ("figure", _statistics(case, stats)),
        ("recorded frame", _recorded_stories(case, folder / "trace.jsonl")),
        ("story", _stories(case, folder / "trace.jsonl")),
        ("check", _checks(case, stats)),
    ):
        if told := list(wrong):
            outcome.problems += told
            outcome.moved.append(f"the first {what}" if what in FIRST else plural(len(told), what))
    if shows_nothing(stats) and not case.checks:
        outcome.warnings.append(EMPTY)


# packets


def _expected(case: Case) -> list[Frame] | None:
    path = packed(case.path / "expected" / "out.pcap")
    return None if path is None else list(frames(str(path)))


def _packets(case: Case, folder: Path, moved: list[str]) -> Iterator[str]:
    """What is wrong with them, and into *moved* how many are, in which fields."""
    path, out = packed(case.path / "expected" / "out.pcap"), folder / "out.pcap"
    if path is None:
        yield f"{case.path / 'expected' / 'out.pcap'}: a missing expectation; --update writes it"
        return
    if path.stat().st_size == out.stat().st_size and path.read_bytes() == out.read_bytes():
        return  # as most are
    expected = list(frames(str(path)))
    found = compare(expected, list(frames(str(out))), case.rules)
    if found:
        moved.append(_moved(found, len(expected)))
    for difference in found.differences[:SHOWN]:
        yield "\n".join(_told(difference, folder / "trace.jsonl"))
    if len(found.differences) > SHOWN:
        yield f"{plural(len(found.differences), 'packet')} of out.pcap in all: {_kinds(found)}"


def _told(difference: Difference, trace: Path) -> Iterator[str]:
    expected, got = difference.a, difference.b
    if got is None:
        assert expected is not None
        yield f"packet {expected.n} of expected/out.pcap is missing"
    elif expected is None:
        yield f"packet {got.n} of out.pcap is not expected{_cause(got.n, trace)}"
    else:
        yield f"packet {got.n} of out.pcap differs from packet {expected.n} of expected/out.pcap{_cause(got.n, trace)}"
    for name, frame in (("expected", expected), ("got     ", got)):
        if frame is not None:
            yield f"  {name} {brief(frame)}"
    for name, old, new in difference.fields:
        yield f"  {name}: expected {shown(str(old))}, got {shown(str(new))}"


def cause(n: int, trace: Path) -> int | None:
    """The number of the input frame because of which packet *n* was written."""
    for story in _lines(trace):
        if n in (story.get("out") or ()):
            found: int | None = story["n"]
            return found
    return None


def _cause(n: int, trace: Path) -> str:
    frame = cause(n, trace)
    return f" (frame {frame} of in.pcap)" if frame else ""


def _moved(found: Comparison, expected: int) -> str:
    """`95 of 119 packets (89 different, 6 missing; ip.dst 89, sport 12)`; sums follow from other fields."""
    fields = [f"{name} {count}" for name, count in found.by_field().items() if not name.endswith(".sum")][:NAMED]
    how = "; ".join(filter(None, (_kinds(found), ", ".join(fields))))
    return f"{len(found.differences)} of {plural(expected, 'packet')} ({how})"


def _kinds(found: Comparison) -> str:
    return ", ".join(f"{found.count(kind)} {kind}" for kind in ("different", "missing", "extra") if found.count(kind))


# statistics


def _statistics(case: Case, got: dict[str, Any]) -> Iterator[str]:
    path = case.path / "expected" / "stats.json"
    if not path.exists():
        if not case.recorded and not case.checks:
            yield f"{path}: a missing expectation; --update writes it"
        return
    try:
        expected = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{path}: {error}") from None
    for where, a, b in unequal(expected, got):
        yield f"{shown(where)}: expected {shown(str(a))}, got {shown(str(b))}"


UNJUDGED = ("tool", "capture.path")  # what may differ between machines


def unequal(expected: Any, got: Any, where: str = "") -> Iterator[tuple[str, Any, Any]]:
    """(path, expected, got) of every leaf of two statistics documents that is not equal."""
    if isinstance(expected, dict) and isinstance(got, dict):
        for key in dict.fromkeys((*expected, *got)):
            path = f"{where}.{key}" if where else key
            if path not in UNJUDGED:
                yield from unequal(expected.get(key), got.get(key), path)
    elif isinstance(expected, list) and isinstance(got, list) and len(expected) == len(got):
        for number, (a, b) in enumerate(zip(expected, got, strict=True)):
            yield from unequal(a, b, f"{where}.{_entry(a, number)}")
    elif expected != got:
        yield where, expected, got


def _entry(entry: Any, number: int) -> str:
    names = entry if isinstance(entry, dict) else {}
    return str(next((names[key] for key in ("service", "address", "worker") if names.get(key) is not None), number))


def _checks(case: Case, stats: dict[str, Any]) -> Iterator[str]:
    for entry in case.checks:
        if "verdict" in entry:
            what, got = f"verdict {entry['verdict']}", stats["totals"]["verdicts"].get(entry["verdict"], 0)
        else:
            what = entry["path"]
            try:
                got = find(stats, what)
            except KeyError as missing:
                got = f"nothing at {missing.args[0]}"
        if got != entry["equals"]:
            yield f"{shown(what)}: expected {shown(str(entry['equals']))}, got {shown(str(got))}"


# what became of each frame


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as lines:
            for number, line in enumerate(lines, 1):
                yield _story(path, number, line)
    except (EOFError, zlib.error) as error:
        raise ConfigError(f"{path}: damaged: {error}") from None


def _story(path: Path, number: int, line: bytes) -> dict[str, Any]:
    try:
        text = line.decode().strip()
        story, end = _read(text)  # a suite has a million lines, and json.loads takes twice as long
    except (ValueError, RecursionError):
        story = None
    if not isinstance(story, dict) or end != len(text) or not isinstance(story.get("n", ""), int | None):
        raise ConfigError(f"{path}: line {number}: a JSON object with n expected")
    return story


def _stories(case: Case, trace: Path) -> Iterator[str]:
    """The first frame that did not become what `expected/stories.jsonl` says."""
    if not case.stories:
        return
    path = packed(case.path / "expected" / "stories.jsonl")
    if path is None:
        yield f"{case.path / 'expected' / 'stories.jsonl'}: a missing expectation; --update writes it"
        return
    expected, got = _told_of(path), _told_of(trace)
    for n in sorted(expected.keys() | got.keys()):
        old, new = expected.get(n, {}), got.get(n, {})
        if old != new:
            wrong = [
                f"{name}: expected {old.get(name)}, got {new.get(name)}"
                for name in TOLD
                if old.get(name) != new.get(name)
            ]
            yield f"frame {n} of in.pcap: {'; '.join(wrong)}"
            return


def _told_of(path: Path) -> dict[int, dict[str, Any]]:
    """Of each frame, what a story tells."""
    lines = (line for line in _lines(path) if line["n"])
    return {line["n"]: {name: line[name] for name in TOLD if line.get(name) is not None} for line in lines}


def _update_stories(case: Case, trace: Path) -> Iterator[str]:
    """Rewrite the stories where they differ."""
    if not case.stories or not any(_stories(case, trace)):
        return
    path, told = case.path / "expected" / "stories.jsonl", _told_of(trace)
    write_text(str(path), "".join(json.dumps({"n": n, **story}) + "\n" for n, story in told.items()))
    path.with_name(path.name + ".gz").unlink(missing_ok=True)
    yield f"stories.jsonl: {len(told)} frames"


def _recorded_stories(case: Case, trace: Path) -> Iterator[str]:
    """The first frame whose worker, output or way to the kernel is not the recorded one."""
    path = packed(case.path / "expected" / "frames.jsonl")
    if path is None:
        return
    got = {story["n"]: story for story in _lines(trace) if story["n"]}
    for expected in _lines(path):
        if expected["n"]:
            _judge_story(expected, path)
            wrong = list(_wrong(expected, got.get(expected["n"])))
            if wrong:
                yield f"frame {expected['n']} of in.pcap: {'; '.join(wrong)}"
                return


def _judge_story(expected: dict[str, Any], path: Path) -> None:
    out = expected.get("out")
    if not {"worker", "kernel"} <= expected.keys() or not isinstance(out, list) or not all(type(n) is int for n in out):
        raise ConfigError(f"{path}: frame {expected['n']}: worker, kernel, and out, a list of numbers, expected")


def _wrong(expected: dict[str, Any], got: dict[str, Any] | None) -> Iterator[str]:
    if got is None:
        yield "not in the trace"
        return
    for name, a, b in (
        ("worker", expected["worker"], got["worker"]),
        ("owner", expected.get("owner"), got.get("owner")),
        ("leaves as packets", sorted(expected["out"]), sorted(got.get("out") or ())),
        ("to the kernel", expected["kernel"], got["fate"] == "to_kernel"),
    ):
        if a != b and (name != "owner" or a is not None):
            yield f"{name}: expected {a}, got {b} ({got['verdict']})"


# expectations


def _update(case: Case, folder: Path, got: list[Frame], stats: dict[str, Any]) -> Iterator[str]:
    """Rewrite the expectations that do not hold, and say what changed."""
    target = case.path / "expected"
    target.mkdir(exist_ok=True)
    expected = _expected(case)
    found = None if expected is None else compare(expected, got, case.rules)
    if found is None or found:
        with Output(str(target / "out.pcap")) as output:
            output.write((folder / "out.pcap").read_bytes())
        (target / "out.pcap.gz").unlink(missing_ok=True)
        yield f"out.pcap: {'new, ' if found is None else ''}{_kinds(found) if found else plural(len(got), 'packet')}"
    yield from _update_stats(target / "stats.json", stats)


def _update_stats(path: Path, stats: dict[str, Any]) -> Iterator[str]:
    stats["capture"]["path"] = "in.pcap"
    try:
        old = json.loads(path.read_text(encoding="utf-8")) if path.exists() else None
    except ValueError:
        old = None
    changes = [("stats.json", "nothing", "new")] if old is None else list(unequal(old, stats))
    if changes:
        write_text(str(path), json.dumps(stats, indent=2, ensure_ascii=False) + "\n")
    for where, a, b in changes:
        yield f"{where}: {a} -> {b}"


def _more(case: Case, capture: Path, folder: Path, outcome: Outcome) -> str:
    """The command that shows more of what went wrong."""
    configuration = ["-c", str(case.path / "lb.toml")] if (case.path / "lb.toml").exists() else []
    given = shlex.join([str(capture), *configuration, "--view", case.view, *case.args])
    for problem in outcome.problems:
        words = problem.split("frame ", 1)
        if len(words) == 2 and "of in.pcap" in words[1]:
            return f"lbreplay explain {given} -n {words[1].split()[0]}"
    return f"lbreplay run {given}"
