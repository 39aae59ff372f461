"""The balancer beside: the same as in one process, whatever fits a slot, and neither process outlives the other."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import craft
import pytest
import traffic
from lab.made_capture import TEXT, VIP, client, frames, setup

from lbreplay import beside
from lbreplay.burst import Burst
from lbreplay.errors import ConfigError
from lbreplay.model import Setup
from lbreplay.replay import replay
from lbreplay.vs.balancer import Balancer

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="a second process is used on Linux only")
SEEDS = range(16)
BURST = 16


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every capture is a large one."""
    monkeypatch.setattr("lbreplay.replay.LARGE", 2 * BURST)


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """A number for each process that was started beside."""
    pids: list[int] = []
    fork = beside._fork

    def counted() -> int:
        pids.append(fork())
        return pids[-1]

    monkeypatch.setattr(beside, "_fork", counted)
    return pids


def run(setup: Setup, source: Path, cores: int, burst: int = BURST, **more: Any) -> tuple[bytes, dict[str, Any]]:
    """What left, what was said."""
    out = source.with_name(f"out-{cores}{more.pop('suffix', '.pcap')}")
    result = replay(setup._replace(burst_size=burst), str(source), str(out), cores=cores, **more)
    return out.read_bytes(), result.document() | {"warnings": result.warnings, "damage": str(result.damage)}


@pytest.mark.parametrize("room", [(1 << 16, 5 << 20), (BURST // 2, 1500), (1, 1)], ids=["roomy", "narrow", "none"])
@pytest.mark.parametrize("number", SEEDS)
def test_the_same_beside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, started: list[int], number: int, room: tuple[int, int]
) -> None:
    """Random traffic of every kind, whether slots hold a burst or do not."""
    monkeypatch.setattr(beside, "ROWS", room[0])
    monkeypatch.setattr(beside, "BUFFER", room[1])
    story = traffic.scenario(number)
    source = craft.write(tmp_path / "in.pcap", story.records)
    assert run(story.oracle.setup, source, 2) == run(story.oracle.setup, source, 1)
    assert len(started) == 1


@pytest.mark.parametrize("rows", [1 << 16, 1])
def test_bursts_larger_than_a_pipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rows: int) -> None:
    """Neither side waits for the other to read while that one waits, too: much is asked, much is answered."""
    monkeypatch.setattr(beside, "BUFFER", 1)
    monkeypatch.setattr(beside, "ROWS", rows)
    data = frames(8)
    data += [craft.tcp(client(n % 8), VIP, "PA", 1001, 8, bytes(1400)) for n in range(2000)]
    source = craft.write(tmp_path / "in.pcap", data)
    assert run(setup(), source, 2, burst=200) == run(setup(), source, 1, burst=200)


def test_frames_of_the_balancers_own(tmp_path: Path) -> None:
    """Datagrams that tell the client's address go through the pipe."""
    text = TEXT.replace('"10.0.0.100:80"', '"10.0.0.100:80"\nprotocol = "udp"')
    data = [craft.udp(client(n % 50), VIP, bytes(1470)) for n in range(500)]
    source = craft.write(tmp_path / "in.pcap", data)
    alone = run(setup(text=text), source, 1)
    assert run(setup(text=text), source, 2) == alone and alone[1]["totals"]["generated"] > 0


def test_rewritten_here_or_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever has the time rewrites."""
    source = craft.write(tmp_path / "in.pcap", frames(100))
    alone = run(setup(), source, 1)
    for waiting in (True, False):
        monkeypatch.setattr(beside, "_waiting", lambda pipe, waiting=waiting: waiting)
        assert run(setup(), source, 2) == alone


def test_progress_and_damage_are_told(tmp_path: Path, started: list[int]) -> None:
    """As in one process: by frame and by byte, to the damaged end."""
    source = craft.write(tmp_path / "in.pcap", frames(50))
    source.write_bytes(source.read_bytes() + b"\xff" * 16)
    told: dict[int, list[tuple[int, int]]] = {1: [], 2: []}
    said = [run(setup(), source, n, progress=lambda *done, n=n: told[n].append(done)) for n in (1, 2)]
    assert said[0] == said[1] and told[1] == told[2] and "a record of at most" in said[1][1]["damage"]
    assert started


def test_what_looks_at_the_balancer_keeps_it_here(tmp_path: Path, started: list[int]) -> None:
    """A trace, comments, what is written besides; and one core, or a small capture, needs no other process."""
    source = craft.write(tmp_path / "in.pcap", frames(50))
    run(setup(), source, 2, trace=str(tmp_path / "trace"))
    run(setup(), source, 2, also={"received"})
    run(setup(), source, 2, suffix=".pcapng")
    run(setup(), source, 1)
    run(setup(), craft.write(tmp_path / "small.pcap", frames(4)), 2)
    assert not started


def test_without_a_process_to_be_had(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All is done here."""

    def refused() -> int:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    source = craft.write(tmp_path / "in.pcap", frames(50))
    alone, files = run(setup(), source, 1), os.listdir("/proc/self/fd")
    monkeypatch.setattr(os, "fork", refused)
    assert run(setup(), source, 2) == alone
    assert len(os.listdir("/proc/self/fd")) == len(files)


# --- ends ------------------------------------------------------------------------------------------------------


def broken(monkeypatch: pytest.MonkeyPatch, how: Any) -> None:
    """Let the balancer do *how* after a while, in whatever process it is."""
    balance = Balancer.balance

    def breaking(self: Balancer, burst: Burst) -> None:
        if burst.first > 5 * BURST:
            how()
        balance(self, burst)

    monkeypatch.setattr(Balancer, "balance", breaking)


def gone(pid: int) -> bool:
    """Whether a process has ended, reaped or not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


def failing(tmp_path: Path) -> None:
    """Replay until something fails; nothing is left of OUT, nor of the process."""
    source = craft.write(tmp_path / "in.pcap", frames(100))
    files = len(os.listdir("/proc/self/fd"))
    try:
        run(setup(), source, 2)
    finally:
        assert [path.name for path in tmp_path.iterdir()] == ["in.pcap"]
        assert len(os.listdir("/proc/self/fd")) == files


class Strange(Exception):
    def __init__(self, one: int, two: int) -> None:
        super().__init__("strange")


@pytest.mark.parametrize(
    ("error", "seen"),
    [
        (ConfigError("lb.toml: refused"), (ConfigError, "lb.toml: refused")),
        (AssertionError("a promise"), (AssertionError, "a promise")),
        (Strange(1, 2), (RuntimeError, "Strange: strange")),
    ],
)
def test_an_error_is_raised_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, started: list[int], error: Exception, seen: tuple[type, str]
) -> None:
    """As it was, with where it was; one that cannot travel by its name."""

    def fail() -> None:
        raise error

    broken(monkeypatch, fail)
    with pytest.raises(seen[0], match=seen[1]) as caught:
        failing(tmp_path)
    assert any("in fail" in note for note in getattr(caught.value, "__notes__", [])) or seen[0] is RuntimeError
    assert len(started) == 1 and gone(started[0])


def test_a_killed_process_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, started: list[int]) -> None:
    """One line that says so; nobody waits for it."""
    broken(monkeypatch, lambda: os.kill(os.getpid(), signal.SIGKILL))
    with pytest.raises(RuntimeError, match=r"the balancer's process died of signal 9 \(Killed\)"):
        failing(tmp_path)
    assert gone(started[0])


def test_an_interruption_ends_both(tmp_path: Path, started: list[int]) -> None:
    """Whatever the process beside is at."""
    source, out = craft.write(tmp_path / "in.pcap", frames(100)), tmp_path / "out.pcap"

    def interrupt(done: int, octets: int) -> None:
        if done > 5 * BURST:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        replay(setup()._replace(burst_size=BURST), str(source), str(out), cores=2, progress=interrupt)
    assert gone(started[0]) and not out.exists()


LIVE = f"""
import os, sys, lbreplay.replay
lbreplay.replay.LARGE = {2 * BURST}
os.sched_getaffinity = lambda pid: {{0, 1}}
from lbreplay.cli import main
main(["run", "-", "-o", "-", "-c", sys.argv[1], "--burst", "{BURST}", "-q"])
"""


@pytest.fixture
def live(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A run from pipe to pipe that has a process beside, and now waits for more."""
    config, source = tmp_path / "lb.toml", craft.write(tmp_path / "in.pcap", frames(50))
    config.write_text(TEXT)
    command = [sys.executable, "-c", LIVE, str(config)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdin is not None
        process.stdin.write(source.read_bytes())
        process.stdin.flush()
        yield process
        process.kill()


def beside_of(process: subprocess.Popen[bytes]) -> int:
    """The process beside *process*; it takes some time to be there."""
    for _ in range(1000):
        if found := Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split():
            return int(found[0])
        time.sleep(0.01)
    raise AssertionError("no process beside")


def soon_gone(pid: int) -> bool:
    for _ in range(500):
        if gone(pid):
            return True
        time.sleep(0.01)
    return False


def test_a_live_capture_is_not_held_back(tmp_path: Path, live: subprocess.Popen[bytes]) -> None:
    """All that came has left before more comes."""
    alone = run(setup(), tmp_path / "in.pcap", 1)[0]
    assert live.stdout is not None and live.stdin is not None
    beside_of(live)
    assert live.stdout.read(len(alone)) == alone
    live.stdin.close()
    assert live.wait() == 0


def test_a_signal_ends_both(live: subprocess.Popen[bytes]) -> None:
    """One line, exit 130."""
    other = beside_of(live)
    live.send_signal(signal.SIGTERM)
    assert live.wait() == 130 and live.stderr is not None and live.stderr.read() == b"interrupted\n"
    assert soon_gone(other)


def test_nothing_is_left_of_a_killed_run(live: subprocess.Popen[bytes]) -> None:
    """The process beside hears that nobody asks any more."""
    other = beside_of(live)
    live.kill()
    assert soon_gone(other)


def test_the_other_killed_is_an_internal_error(live: subprocess.Popen[bytes]) -> None:
    """Exit 3, in one line."""
    os.kill(beside_of(live), signal.SIGKILL)
    assert live.stdin is not None and live.stderr is not None
    live.stdin.close()
    assert live.wait() == 3 and live.stderr.read().count(b"\n") == 1
