"""A cluster as an executor: real schedulers and workers, and what becomes of the work when they end."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from farm import ROOT, Farm
from heard import Heard
from lab.made_capture import capture, setup

from lbreplay.cli import status
from lbreplay.cli.inside import run_inside
from lbreplay.edge import pace
from lbreplay.errors import ConfigError
from lbreplay.lab import cluster as module
from lbreplay.lab.case import discover
from lbreplay.lab.cluster import Cluster, Gone
from lbreplay.lab.golden import How, Outcome, run_all, run_on
from lbreplay.lab.parcel import wrap
from lbreplay.lab.sweep import axis, settings, sweep

pytest.importorskip("distributed")
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def farm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Farm]:
    """A cluster whose members the tests below may end."""
    made = Farm(tmp_path_factory.mktemp("farm"))
    yield made
    made.end()


@pytest.fixture
def told() -> list[str]:
    """What was said to a person."""
    return []


def read(path: str) -> tuple[int, bytes]:
    """A task that reads a file; also which process it was."""
    return os.getpid(), Path(path).read_bytes()


def refuse(path: str) -> None:
    """A task that refuses."""
    raise ConfigError(f"{path}: no")


def die_once(marker: str) -> int:
    """A task whose process is killed the first time."""
    if not Path(marker).exists():
        Path(marker).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return os.getpid()


def die() -> None:
    """A task that no process survives."""
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_sweep_is_that_of_processes_here(farm: Farm, tmp_path: Path, told: list[str]) -> None:
    """Row for row; who can read the capture is sent nothing."""
    address, heard = farm.ready(2), Heard()
    wanted = settings([axis("workers", "workers", ["1", "2", "3"])], lambda sets: setup(*sets))
    with pace.listen(heard):
        found = sweep(capture(tmp_path), wanted, jobs=1, dask=address, tell=told.append)
    assert found == sweep(capture(tmp_path), wanted, jobs=1)
    assert told == [f"{address}: 2 workers"] and heard.shown[-3:] == [("replaying", n, 3) for n in range(3)]


def test_what_they_cannot_read_is_sent_once_to_each(farm: Farm, tmp_path: Path, told: list[str]) -> None:
    """However many tasks ask for it; errors of tasks come back as they are."""
    data = os.urandom(2_000_000)
    (tmp_path / "file").write_bytes(data)
    parcel = wrap(str(tmp_path / "file"))._replace(path="/no/where/file")
    with Cluster(farm.ready(2), told.append) as cluster:
        for _ in range(2):
            cluster.share([parcel], [str(tmp_path / "file")])
        found = [future.result() for future in [cluster.submit(read, parcel) for _ in range(12)]]
        assert {content for _, content in found} == {data} and len({process for process, _ in found}) == 2
        with pytest.raises(ConfigError, match="parcel: no"):
            cluster.submit(refuse, parcel).result()
    assert told[1:] == [f"{cluster.address}: 2.0 MB sent to 2 workers"]


def test_cases_are_judged_as_here(farm: Farm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where they lie and where they were sent, broken ones too, and none leaves its folder."""
    folder = tmp_path / "cases"
    for name in ("good", "differs", "broken", "nosy"):
        shutil.copytree(ROOT / "tests" / "golden" / "dpvs" / "rr_3", folder / name)
    (folder / "differs" / "case.toml").write_text('[[check]]\npath = "totals.frames"\nequals = 0\n')
    (folder / "broken" / "case.toml").write_text("view = 3\n")
    (folder / "nosy" / "case.toml").write_text('args = ["--stats", "/tmp/stats"]\n')
    cases = discover([str(folder)])
    here = [plain(outcome) for outcome in run_all(cases, run_inside, None, How())]
    assert {name: bool(problems) for name, _, problems, _ in here} == {
        "good": False, "differs": True, "broken": True, "nosy": True,
    }  # fmt: skip
    for sent in (False, True):
        if sent:
            elsewhere = lambda path, names: wrap(path, names)._replace(path=f"/no/where{path}")  # noqa: E731
            monkeypatch.setattr("lbreplay.lab.golden.wrap", elsewhere)
        with Cluster(farm.ready(2), lambda _: None) as cluster:
            assert [plain(outcome) for outcome in run_on(cluster, cases, run_inside, How())] == here


def plain(outcome: Outcome) -> tuple[str, str, list[str], str]:
    return outcome.name, outcome.path, outcome.problems, outcome.more


def test_where_nobody_answers_a_line_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """For a sweep and for cases: the address, exit 2; so for what is no address."""
    monkeypatch.setattr(module, "PATIENCE", 0.2)
    for address in ("tcp://127.0.0.1:9", "nowhere", "tcp://"):
        for words in (["sweep", "samples/web.pcap", "--workers", "1,2"], ["test", "tests/golden/dpvs", "-k", "rr_3"]):
            assert status([*words, "--dask", address]) == 2
            said = capsys.readouterr().err.splitlines()
            assert said[-1].startswith(f"--dask {address}: no scheduler answers there"), said


def test_what_means_nothing_on_a_cluster_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """Before anybody is asked."""
    for words in (
        ["sweep", "samples/web.pcap", "--workers", "1", "-j", "2"],
        ["test", "tests/golden/dpvs", "--update"],
    ):
        assert status([*words, "--dask", "tcp://127.0.0.1:9"]) == 2
        assert f"--dask, or {'--jobs' if '-j' in words else '--update'}, not both" in capsys.readouterr().err


def test_another_lbreplay_there_is_refused(farm: Farm, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its results would not be those of this one."""
    monkeypatch.setattr(module, "__version__", "99")
    with pytest.raises(ConfigError, match=r"--dask tcp://.*: worker tcp://.*: lbreplay 99 expected, got lbreplay \d"):
        Cluster(farm.ready(1), lambda _: None)


def test_a_worker_that_dies_takes_nothing_along(farm: Farm, tmp_path: Path, told: list[str]) -> None:
    """The others do what it was at; one that comes later is sent what it lacks."""
    (tmp_path / "file").write_bytes(b"data")
    parcel = wrap(str(tmp_path / "file"))._replace(path="/no/where/file")
    address = farm.ready(2)
    before = list(farm.workers)
    with Cluster(address, told.append) as cluster:
        cluster.share([parcel], [str(tmp_path / "file")])
        asked = [cluster.submit(die_once, str(tmp_path / "died"))] + [cluster.submit(read, parcel) for _ in range(5)]
        assert asked[0].result(60) and {future.result(60)[1] for future in asked[1:]} == {b"data"}
        assert sum(worker.poll() is not None for worker in before) == 1
        farm.ready(2)
        for worker in before:
            worker.kill()
        assert cluster.submit(read, parcel).result(60)[1] == b"data"
    assert f"{address}: 1 worker left" in told and told[-1].endswith("MB sent to 1 worker")


def test_without_any_worker_it_ends(farm: Farm, monkeypatch: pytest.MonkeyPatch, told: list[str]) -> None:
    """In the middle, and at the beginning."""
    monkeypatch.setattr(module, "ALONE", 1)
    monkeypatch.setattr(module, "PATIENCE", 1)
    address = farm.ready(1)
    with Cluster(address, told.append) as cluster:
        asked = [cluster.submit(die) for _ in farm.workers]
        for worker in farm.workers[1:]:
            worker.kill()
        with pytest.raises(Gone, match=f"--dask {address}: no worker is left, 0 done"):
            asked[0].result(60)
        with pytest.raises(Gone):
            cluster.submit(read, __file__)
    assert f"{address}: 0 workers left" in told
    with pytest.raises(ConfigError, match=f"--dask {address}: a scheduler without any worker"):
        Cluster(address, told.append)


def test_a_scheduler_that_dies_ends_the_work_in_a_line(farm: Farm) -> None:
    """Exit 2, and neither a traceback nor a word of Dask's."""
    address = farm.ready(1)
    words = ["sweep", str(ROOT / "samples" / "web.pcap"), "--workers", "1..64", "--vary", "seed=1,2,3,4,5,6,7,8,9"]
    run = subprocess.Popen(
        [sys.executable, "-m", "lbreplay", *words, "--dask", address],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT,
    )  # fmt: skip
    assert run.stderr is not None
    lines = [run.stderr.readline()]
    while "worker" not in lines[-1]:
        lines.append(run.stderr.readline())
    time.sleep(0.3)
    assert farm.scheduler is not None
    farm.scheduler.kill()
    out, err = run.communicate(timeout=60)
    assert run.returncode == 2 and not out
    assert re.fullmatch(rf"--dask {address}: the scheduler has gone, \d+ done\n", err), err
