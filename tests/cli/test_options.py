"""Shared options lead to a setup: from a file, or drafted from the capture."""

from __future__ import annotations

from pathlib import Path

import pytest

from lbreplay import cli
from lbreplay.cli import options
from lbreplay.errors import ConfigError
from lbreplay.model import Setup

CAPTURE = Path(__file__).parents[1] / "golden" / "dpvs" / "tcp_life" / "in.pcap"
SERVICE = """
[[service]]
vip = "10.0.0.1:80"
protocol = "tcp"
laddr = ["192.168.0.1"]
real = [{ address = "192.168.0.2:80" }]
"""


@pytest.fixture
def config(tmp_path: Path) -> str:
    (tmp_path / "lb.toml").write_text(SERVICE)
    return str(tmp_path / "lb.toml")


def test_a_file_with_overrides(config: str) -> None:
    made = options.setup("in.pcap", config, ("workers=2",), "lb", 9, 64)
    assert (len(made.workers), made.view, made.seed, made.burst_size, made.drafted) == (2, "lb", 9, 64, False)


def test_a_refused_setting_is_an_error_of_the_user(config: str) -> None:
    with pytest.raises(ConfigError, match="workers"):
        options.setup("in.pcap", config, ("workers=-1",), "client", None, 64)


def test_a_draft_is_announced_unless_quiet(capsys: pytest.CaptureFixture[str]) -> None:
    options.note_draft(Setup(drafted=True), quiet=False)
    options.note_draft(Setup(drafted=True), quiet=True)
    options.note_draft(Setup(), quiet=False)
    assert capsys.readouterr().err.count("\n") == 1


def test_a_file_is_read_where_it_is() -> None:
    with options.readable_twice("in.pcap") as path:
        assert path == "in.pcap"


def test_imports_are_read_for_the_profile_that_is_set(tmp_path: Path) -> None:
    """`ipvsadm -S` of services without DPVS's own options: --set profile says whose they are."""
    saved = tmp_path / "saved"
    saved.write_text("-A -t 10.0.0.1:80 -s rr\n-a -t 10.0.0.1:80 -r 10.0.1.2:80 -m -w 1\n")
    code = cli.status(["run", str(CAPTURE), "--ipvsadm-save", str(saved), "--set", 'profile="ipvs"', "-q"])
    assert code == 0


TWO = """
[[device]]
name = "dpdk0"
address = ["192.168.100.10/24"]
[[device]]
name = "dpdk1"
[[service]]
vip = "10.0.0.100:80"
laddr = ["192.168.100.200"]
real = [{ address = "192.168.100.2:80" }]
"""


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["--port", "dpdk7=A"], "--port dpdk7=A: a device (dpdk0, dpdk1) expected, got dpdk7"),
        (["--port", "dpdk0"], "--port: NAME=FILE expected, got dpdk0"),
        (["--port", "dpdk0=-"], "--port: NAME=FILE expected, got dpdk0=-"),
        (["--port", "dpdk0=A", "--port", "dpdk0=B"], "--port: one file for dpdk0 expected, got two"),
        (["A", "--port", "dpdk0=A"], "IN, or --port NAME=FILE for every port, not both"),
        ([], "Missing argument 'IN'"),
    ],
)
def test_captures_of_ports(
    arguments: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """What --port does not take: one line, and exit status 2."""
    import craft

    monkeypatch.chdir(tmp_path)
    Path("lb.toml").write_text(TWO)
    for name in "AB":
        craft.write(Path(name), [craft.syn("172.16.0.1:3000", "10.0.0.100:80")])
    assert cli.status(["run", *arguments, "-c", "lb.toml"]) == 2
    assert message in capsys.readouterr().err


def test_captures_of_ports_are_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Merged by time, each frame on its port; and the command that shows more names them again."""
    import json

    import craft

    (tmp_path / "lb.toml").write_text(TWO)
    frames = {"dpdk1": craft.syn("172.16.0.1:3000", "10.0.0.100:80"), "dpdk0": craft.tick()}
    ports = []
    for n, (name, frame) in enumerate(frames.items()):
        craft.write(tmp_path / name, [(craft.START + n, len(frame), frame)])
        ports += ["--port", f"{name}={tmp_path / name}"]
    assert cli.status(["run", *ports, "-c", str(tmp_path / "lb.toml"), "--format", "json"]) == 0
    out, err = capsys.readouterr()
    assert [port["ipackets"] for port in json.loads(out)["ports"]] == [1, 1]
    assert json.loads(out)["capture"]["path"] == f"{tmp_path / 'dpdk1'} + {tmp_path / 'dpdk0'}"
    assert "told by the capture's interfaces 2" in err
