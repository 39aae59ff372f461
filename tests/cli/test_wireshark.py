"""`lbreplay wireshark` installs a plugin that reads what the annotator writes."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from lbreplay.cli import status

SAMPLE = str(Path(__file__).parents[2] / "samples" / "web.pcap")
FIELDS = ("frame", "worker", "queue", "way", "conn", "direction", "verdict", "received")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


def test_printed_or_installed(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The same text on standard output and in the folder of a person's plugins."""
    assert status(["wireshark"]) == 0
    text = capsys.readouterr().out
    assert text.startswith("--") and "register_postdissector" in text
    assert status(["wireshark", "--install"]) == 0
    installed = home / ".local" / "lib" / "wireshark" / "plugins" / "lbreplay.lua"
    assert capsys.readouterr().out.startswith(f"{installed}: written") and installed.read_text() == text


def test_fields_in_tshark(home: Path) -> None:
    """An answer that strayed, as it was received, is found by its fields."""
    if shutil.which("tshark") is None:
        pytest.skip("tshark is not installed")
    out = str(home / "out.pcapng")
    assert status(["wireshark", "--install"]) == 0
    mistake = ["--set", "flow_director.dst_port_mask=1", "--also", "received", "-q"]
    assert status(["run", SAMPLE, *mistake, "-o", out]) == 0
    wanted = [word for field in FIELDS for word in ("-e", f"lbreplay.{field}")]
    command = ["tshark", "-r", out, "-Y", "lbreplay.frame == 21 or lbreplay.frame == 20", "-T", "fields", *wanted]
    told = subprocess.run(command, capture_output=True, text=True, check=True, env={**os.environ, "HOME": str(home)})
    rows = [line.split("\t") for line in told.stdout.splitlines()]
    assert [row[0] for row in rows] == ["20", "20", "21"]
    assert rows[0][1:7] == rows[1][1:7] == ["1", "1", "flow director", "1", "out -> client", "forwarded_fast"]
    assert rows[2][1:7] == ["1", "1", "flow director", "", "", "local_to_kernel"]
    assert [bool(row[7]) for row in rows] == [True, False, True]
