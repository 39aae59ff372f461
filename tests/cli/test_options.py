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
