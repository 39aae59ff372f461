"""A pcapng OUT tells people and Wireshark what happened to each frame (interface 4)."""

import shutil
import subprocess
from pathlib import Path

import craft
import lab.made_capture
import pytest

from lbreplay.config.load import load
from lbreplay.journey import replay

TEXT = """
workers = 4
[conn]
timer_jitter = false
[tcp.timeout]
established = 2
[[service]]
vip = "10.0.0.100:80"
laddr = ["192.168.100.200"]
[[service.real]]
address = "192.168.100.2:8080"
"""
CLIENTS = [f"172.16.0.{host}:3000" for host in range(1, 40)]


@pytest.fixture(scope="module")
def written(tmp_path_factory) -> Path:
    """The pcapng of a replay: 39 connections of three frames, and one frame two minutes later."""
    folder = tmp_path_factory.mktemp("annotate")
    frames = []
    for client in CLIENTS:
        frames += [craft.syn(client, "10.0.0.100:80"), craft.tcp("10.0.0.100:80", client, "SA", 7, 1001)]
        frames += [craft.tcp(client, "10.0.0.100:80", "A", 1001, 8)]
    records = craft.records(frames)
    records += [(craft.START + 120 * 10**9, 60, craft.tick())]
    source = craft.write(folder / "in.pcap", records)
    replay(load("lb.toml", text=TEXT), str(source), str(folder / "out.pcapng"))
    return folder / "out.pcapng"


def tshark(path: Path, condition: str, *fields: str) -> list[list[str]]:
    if shutil.which("tshark") is None:
        pytest.skip("tshark is not installed")
    command = ["tshark", "-r", str(path), "-Y", condition, "-T", "fields", *(a for f in fields for a in ("-e", f))]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return [line.split("\t") for line in told.splitlines()]


def test_frames_of_one_worker(written):
    """`frame.interface_name == "worker2"` selects what worker 2 sends; its local ports are its own."""
    rows = tshark(written, 'frame.interface_name == "worker2" and ip.src == 192.168.100.200 and tcp', "tcp.srcport")
    assert rows and all(int(port) & 3 == 2 for (port,) in rows)


def test_comments_can_be_searched(written):
    """`frame.comment` holds the line that says how the frame got here."""
    rows = tshark(written, 'frame.comment contains "flow director" and ip.dst == 172.16.0.1', "frame.comment")
    assert len(rows) == 1
    comment = rows[0][0]
    assert comment.startswith("#2 worker ") and comment.endswith("conn 1 out -> client: forwarded_fast")
    assert "flow director, port " in comment and " & 3 = " in comment


def test_the_first_frame_of_a_connection(written):
    """A connection is new in the frame that opens it."""
    rows = tshark(written, 'frame.comment contains "new conn 5 in -> real server"', "frame.number", "ip.dst")
    assert [address for _, address in rows] == ["192.168.100.2"]


def test_queue_hash_and_verdict(written):
    """Beside the comment stand the queue, the Toeplitz hash and the verdict, for programs."""
    rows = tshark(written, "frame.number == 1", "frame.verdict.hw", "frame.comment")
    verdict, comment = rows[0]
    assert bytes.fromhex(verdict.replace(":", "").replace(" ", "")) == b"forwarded_slow"
    assert "(RSS 0x" in comment


@pytest.mark.parametrize("view", ["client", "rx"])
def test_columns_tell_what_stories_tell(tmp_path, view):
    """Rows that took the columns have the comments that the plain path would give them."""
    source = craft.write(tmp_path / "in.pcap", lab.made_capture.frames(40))
    setup = load("lb.toml", text=lab.made_capture.TEXT, view=view)
    replay(setup, str(source), str(tmp_path / "columns.pcapng"))
    replay(setup, str(source), str(tmp_path / "stories.pcapng"), trace=str(tmp_path / "trace"))
    assert (tmp_path / "columns.pcapng").read_bytes() == (tmp_path / "stories.pcapng").read_bytes()


def test_both_families_by_columns(tmp_path):
    """The local port that a rule compared is told of answers over IPv6 too."""
    text = TEXT.replace("10.0.0.100:80", "[2001:db8::1]:80").replace("192.168.100.200", "2001:db8::200")
    text = text.replace("192.168.100.2:8080", "[2001:db8::2]:8080")
    frames = []
    for host in range(1, 30):
        client = f"[2001:db8:1::{host:x}]:3000"
        frames += [craft.syn(client, "[2001:db8::1]:80"), craft.tcp("[2001:db8::1]:80", client, "SA", 7, 1001)]
        frames += [
            craft.tcp(client, "[2001:db8::1]:80", "A", 1001, 8),
            craft.tcp("[2001:db8::1]:80", client, "A", 8, 1001),
        ]
    source = craft.write(tmp_path / "in.pcap", frames)
    replay(load("lb.toml", text=text), str(source), str(tmp_path / "columns.pcapng"))
    replay(load("lb.toml", text=text), str(source), str(tmp_path / "stories.pcapng"), trace=str(tmp_path / "trace"))
    told = (tmp_path / "columns.pcapng").read_bytes()
    assert told == (tmp_path / "stories.pcapng").read_bytes() and b"flow director, port 1026 & 3 = 2" in told


def test_what_the_balancer_sends_by_itself(written):
    """An RST at the end of a connection has no frame of IN behind it, and says so."""
    rows = tshark(written, 'frame.comment contains "by itself"', "frame.comment", "tcp.flags.reset")
    assert len(rows) == 2 * len(CLIENTS)
    assert {reset for _, reset in rows} <= {"1", "True"}
