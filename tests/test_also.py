"""`--also`: received frames among what leaves, dropped ones in a file of their own, both as they came (interface 4)."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import craft
import pytest
from lab.made_capture import TEXT, VIP, setup
from lab.made_capture import frames as client_frames

from lbreplay.journey import replay

CLIENT = "172.16.0.1:3000"


@pytest.fixture
def capture(tmp_path: Path) -> Path:
    """A connection that expires, a frame that is ignored, one that is dropped, and one behind all timers."""
    frames = [
        craft.syn(CLIENT, VIP),
        craft.tcp(VIP, CLIENT, "SA", 7, 1001, options=craft.SYN_OPTIONS),
        craft.tcp(VIP, "172.16.0.9:1", "A", 7, 1001),  # nobody's answer: ignored
        craft.syn("172.16.0.2:3000", VIP)[:30],  # cut inside its IP header: dropped
        craft.tcp(CLIENT, VIP, "A", 1001, 8),
        craft.tick(),
    ]
    times = [0, 1, 2, 3, 4, 120_000]  # milliseconds
    records = [(craft.START + t * craft.MILLISECOND, max(len(f), 60), f) for t, f in zip(times, frames, strict=True)]
    return craft.write(tmp_path / "in.pcap", records)


@pytest.mark.parametrize("burst", [1, 3, 4096])
def test_received_frames_stand_before_what_they_caused(capture: Path, tmp_path: Path, burst: int) -> None:
    """As captured, but for ignored ones; a timer's packets go before the frame that came later."""
    out = tmp_path / "out.pcap"
    result = replay(setup()._replace(burst_size=burst), str(capture), str(out), also={"received"})
    given, sent = craft.read(capture), craft.read(out)
    assert [sent[at] for at in (0, 2, 4, 5, -1)] == [given[at] for at in (0, 1, 3, 4, 5)]
    assert given[2] not in sent
    own = [craft.parse(data) for _, _, data in sent[7:-1]]
    assert len(own) == 2 and all("R" in packet["TCP"].flags for packet in own)
    assert result.totals["written"] == 5, "what was received was not sent"


def test_what_leaves_is_the_same_without(capture: Path, tmp_path: Path) -> None:
    """Frames are only added."""
    plain, both = tmp_path / "plain.pcap", tmp_path / "both.pcap"
    replay(setup(), str(capture), str(plain))
    replay(setup(), str(capture), str(both), also={"received"})
    given, sent = craft.read(capture), craft.read(both)
    assert [record for record in sent if record not in given] == craft.read(plain)


@pytest.mark.parametrize("burst", [1, 4096])
def test_the_trace_counts_what_was_added(capture: Path, tmp_path: Path, burst: int) -> None:
    """`out` names frames of OUT as it is, and only those that were sent."""
    trace = tmp_path / "trace.ndjson"
    asked = setup()._replace(burst_size=burst)
    replay(asked, str(capture), str(tmp_path / "out.pcap"), also={"received"}, trace=str(trace))
    lines = [json.loads(line) for line in trace.read_text().splitlines()]
    assert [(line["n"], line["out"]) for line in lines] == [
        (1, [2]), (2, [4]), (3, []), (4, []), (5, [7]), (None, [8]), (None, [9]), (6, []),
    ]  # fmt: skip


@pytest.mark.parametrize("burst", [1, 4096])
def test_dropped_frames_are_kept_apart(capture: Path, tmp_path: Path, burst: int) -> None:
    """As they came, with both lengths."""
    asked = setup()._replace(burst_size=burst)
    replay(asked, str(capture), None, also={"dropped"}, drops=str(tmp_path / "drops.pcap"))
    assert craft.read(tmp_path / "drops.pcap") == [craft.read(capture)[3]]


def test_a_rewritten_frame_that_is_dropped_is_kept_as_it_came(tmp_path: Path) -> None:
    """Whatever the balancer did to it before."""
    syn = craft.syn(CLIENT, VIP)
    text = TEXT.replace('scheduler = "wlc"', 'scheduler = "wlc"\nblacklist = ["172.16.0.1"]')
    source = craft.write(tmp_path / "in.pcap", [syn])
    replay(setup(text=text), str(source), None, also={"dropped"}, drops=str(tmp_path / "drops.pcap"))
    assert craft.read(tmp_path / "drops.pcap") == craft.read(source)


@pytest.mark.parametrize("burst", [1, 4096])
def test_frames_for_the_kernel(capture: Path, tmp_path: Path, burst: int) -> None:
    """Of the received frames those alone, as they came, beside what leaves."""
    out, plain = tmp_path / "out.pcap", tmp_path / "plain.pcap"
    asked = setup()._replace(burst_size=burst)
    replay(asked, str(capture), str(out), also={"kernel"})
    replay(asked, str(capture), str(plain))
    assert craft.read(out) == [*craft.read(plain), craft.read(capture)[5]]


def test_a_strayed_answer_tells_its_story(tmp_path: Path) -> None:
    """The frame that people look for says in the received capture which way it went wrong."""
    if shutil.which("tshark") is None:
        pytest.skip("tshark is not installed")
    source, out = craft.write(tmp_path / "in.pcap", client_frames(24)), tmp_path / "out.pcapng"
    replay(setup("flow_director.dst_port_mask=0"), str(source), str(out), also={"kernel"})
    command = ["tshark", "-r", str(out), "-Y", 'frame.comment contains "another worker"', "-T", "fields"]
    told = subprocess.run([*command, "-e", "frame.comment"], capture_output=True, text=True, check=True).stdout
    lines = told.splitlines()
    assert lines and all("(flow director, port " in line and line.endswith(", as received") for line in lines)


def test_a_pcapng_tells_them_apart(capture: Path, tmp_path: Path) -> None:
    """A comment says which frames were received; dropped ones name their verdict."""
    if shutil.which("tshark") is None:
        pytest.skip("tshark is not installed")
    out, drops = tmp_path / "out.pcapng", tmp_path / "drops.pcapng"
    replay(setup(), str(capture), str(out), also={"received", "dropped"}, drops=str(drops))
    comments = [
        subprocess.run(
            ["tshark", "-r", path, "-T", "fields", "-e", "frame.comment"], capture_output=True, text=True, check=True
        ).stdout.splitlines()
        for path in (out, drops)
    ]
    came, left = comments[0][:2]
    assert came.startswith("#1 worker ") and came.endswith(": forwarded_slow, as received")
    assert left == came.removesuffix(", as received")
    assert comments[1][0].endswith(" truncated")
