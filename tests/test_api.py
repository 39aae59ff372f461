"""The library, as its documentation shows it."""

from __future__ import annotations

import doctest
import json
import subprocess
import sys
from itertools import islice
from pathlib import Path

import pytest

import lbreplay
from lbreplay import api

ROOT = Path(__file__).parent.parent
SAMPLE, CONFIG = ROOT / "samples" / "web.pcap", ROOT / "samples" / "web.toml"
SCRIPT = """
import lbreplay

setup: lbreplay.Setup = lbreplay.load("samples/web.toml", sets=["workers=2"])
result: lbreplay.Result = lbreplay.replay(setup, "samples/web.pcap", out="out.pcap")
frames: int = result.totals["frames"]
for story in lbreplay.stories(setup, "samples/web.pcap"):
    print(story["verdict"])
try:
    failed: int = lbreplay.check(setup, "samples/web.pcap", ["affinity"]).failed
except lbreplay.CaptureError as error:
    print(error)
moved: int = lbreplay.diff("samples/web.pcap", setup, lbreplay.draft("samples/web.pcap")).changed_frames
equal: int = lbreplay.diff("a.pcap", "b.pcap").equal
"""
MISTAKES = {
    'lbreplay.load("a.toml", set=[])': "call-arg",
    "lbreplay.replay('a.toml', 'a.pcap')": "arg-type",
    "lbreplay.nothing()": "attr-defined",
    'lbreplay.diff("a.pcap", lbreplay.load("a.toml"))': "call-overload",
}


def test_the_examples_are_right(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each example of the documentation gives what it says."""
    monkeypatch.chdir(ROOT)
    found = doctest.testmod(api, verbose=False)
    assert found.attempted > 10 and found.failed == 0


def test_every_name_is_there() -> None:
    """What the library promises is what `import lbreplay` has, dir() shows it, and there is nothing else."""
    assert list(lbreplay.LIBRARY) == api.__all__
    for name in api.__all__:
        assert getattr(lbreplay, name) is getattr(api, name)
    assert set(api.__all__) <= set(dir(lbreplay))
    with pytest.raises(AttributeError, match="nothing_of_the_kind"):
        _ = lbreplay.nothing_of_the_kind


def test_importing_it_imports_nothing_else() -> None:
    """A program that only asks for the version does not pay for numpy."""
    code = "import sys, lbreplay; print(lbreplay.__version__, 'numpy' in sys.modules, 'lbreplay.api' in sys.modules)"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert told.split() == [lbreplay.__version__, "False", "False"]


def test_a_script_is_typed(tmp_path: Path) -> None:
    """mypy --strict accepts a user's script, and finds each mistake of another."""
    pytest.importorskip("mypy", reason="mypy is not installed: types were not checked")
    (tmp_path / "good.py").write_text(SCRIPT)
    (tmp_path / "bad.py").write_text("\n".join(["import lbreplay", *MISTAKES]))
    command = [sys.executable, "-m", "mypy", "--strict", str(tmp_path / "good.py"), str(tmp_path / "bad.py")]
    told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True).stdout.splitlines()
    errors = [line for line in told if ": error:" in line]
    assert [line.rpartition("[")[2] for line in errors] == [f"{code}]" for code in MISTAKES.values()]
    assert all("bad.py" in line for line in errors)


def test_what_is_wrong_is_told(tmp_path: Path) -> None:
    """Errors are those of the package, with the place and what would be right."""
    with pytest.raises(lbreplay.ConfigError, match="configuration:1:11: workers"):
        lbreplay.load(text="workers = 'many'")
    for wrong in ({"sets": "workers=2"}, {"view": "moon"}, {"text": "workers = 1"}):
        with pytest.raises(lbreplay.ConfigError, match="expected"):
            lbreplay.load(CONFIG, **wrong)  # type: ignore[arg-type]
    setup = lbreplay.load(CONFIG)
    with pytest.raises(lbreplay.CaptureError, match=r"nowhere\.pcap"):
        lbreplay.replay(setup, "nowhere.pcap")
    with pytest.raises(lbreplay.CaptureError, match=r"nowhere\.pcap"):
        list(lbreplay.stories(setup, "nowhere.pcap"))
    with pytest.raises(lbreplay.OutputError, match="no/such"):
        lbreplay.replay(setup, SAMPLE, tmp_path / "no/such/folder.pcap")
    with pytest.raises(lbreplay.ConfigError, match="affinitee"):
        lbreplay.check(setup, SAMPLE, ["affinitee"])
    for one in ((setup,), (SAMPLE, setup)):
        with pytest.raises(lbreplay.ConfigError, match="two setups"):
            lbreplay.diff(SAMPLE, *one)  # type: ignore[call-overload]


def test_the_stories_are_those_of_the_trace(tmp_path: Path) -> None:
    """Every frame's, in order, as `--trace` writes them; of the first burst before the second is read."""
    setup = lbreplay.load(CONFIG)
    lbreplay.replay(setup, SAMPLE, tmp_path / "out.pcap", trace=tmp_path / "trace")
    written = [json.loads(line) for line in (tmp_path / "trace").read_text().splitlines()]
    assert list(lbreplay.stories(setup, SAMPLE)) == written
    assert list(islice(lbreplay.stories(setup._replace(burst_size=1), SAMPLE), 3)) == written[:3]


def test_a_damaged_capture_is_told_as_far_as_it_goes(tmp_path: Path) -> None:
    """The same frames by `replay` and by `stories`, and why there are no more."""
    setup, damaged = lbreplay.load(CONFIG), tmp_path / "damaged.pcap"
    good = SAMPLE.read_bytes()
    damaged.write_bytes(good + b"\xff" * 400)
    result = lbreplay.replay(setup, damaged)
    assert result.totals["frames"] == 1293 and isinstance(result.damage, lbreplay.CaptureError)
    told = lbreplay.stories(setup, damaged)
    assert len(list(islice(told, 1293))) == 1293
    with pytest.raises(lbreplay.CaptureError, match=f"offset {len(good)}"):
        next(told)


def test_a_draft_fits_and_captures_are_compared(tmp_path: Path) -> None:
    """What leaves is written, and compared with what left under other settings."""
    setup, one, other = lbreplay.draft(SAMPLE), tmp_path / "one.pcap", tmp_path / "other.pcap"
    assert setup.drafted and not lbreplay.load(text="").drafted
    result = lbreplay.replay(setup, SAMPLE, one)
    lbreplay.replay(lbreplay.draft(SAMPLE, sets=["seed=5", "workers=1"]), SAMPLE, other)
    assert result.totals["written"] == lbreplay.diff(one, one).equal
    assert not lbreplay.diff(one, one) and lbreplay.diff(one, other)


def test_a_table() -> None:
    """A row a story, where pandas is installed."""
    pandas = pytest.importorskip("pandas", reason="pandas is not installed: no table was made")
    made = lbreplay.table(lbreplay.load(CONFIG), SAMPLE)
    assert isinstance(made, pandas.DataFrame) and "steer.by" in made.columns
    assert len(made[made.n.notna()]) == 1293 and str(made.worker.dtype) == "Int64"
    assert made.groupby("verdict").size().sum() == made.verdict.notna().sum() == 1293
