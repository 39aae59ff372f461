"""Captures made smaller."""

import numpy as np
import pytest
from lab.gen.made_scene import SCTP, scene

from lbreplay.lab import trim
from lbreplay.lab.case_folder import write_capture
from lbreplay.lab.fields import Frame, frames
from lbreplay.lab.gen.connections import life
from lbreplay.lab.gen.stage import INFO
from lbreplay.wire import checksum
from lbreplay.wire.packet import Packet


@pytest.fixture
def capture(tmp_path):
    """Lives of all services."""
    made = scene(SCTP)
    for service in made.setup.services:
        life(made, service)
    path = tmp_path / "in.pcap"
    write_capture(path, INFO, made.stage.capture)
    return path


def test_frames_by_number(capture, tmp_path):
    """Those asked for, with their times."""
    cut = trim.Cut(capture)
    cut.write(np.array([2, 5, 9]), tmp_path / "some.pcap")
    whole = list(frames(str(capture)))
    assert [f[1:] for f in frames(str(tmp_path / "some.pcap"))] == [whole[n][1:] for n in (1, 4, 8)]


def test_flows_have_two_directions(capture):
    """As many as there were clients; the last one that spoke comes first."""
    cut = trim.Cut(capture)
    numbers = np.arange(1, cut.size + 1)
    flows = cut.recent(numbers)
    ends = [
        frozenset(((p.src, p.sport), (p.dst, p.dport))) for f in frames(str(capture)) if (p := Packet(f.data, f.length))
    ]
    assert len(flows) == len(set(ends)) == 24
    last = cut.of_flows(flows[:1], numbers)
    assert last[-1] == cut.size and {ends[n - 1] for n in last.tolist()} == {ends[-1]}


def test_payload_is_cut_and_sums_up(capture):
    """Of TCP, UDP and SCTP; headers stay."""
    seen = set()
    for frame in frames(str(capture)):
        if size := trim.payload_size(frame):
            short = trim.shortened(frame, size // 2)
            packet = Packet(short.data, short.length)
            seen.add(packet.proto)
            assert trim.payload_size(short) == size // 2
            assert checksum.verify_ip_header(packet.l3) and checksum.verify_l4(packet.l3, packet.l4_at, packet.proto)
            assert trim.payload_size(trim.shortened(frame, 0)) == 0
    assert seen == {6, 17, 132}


def test_pauses():
    """Those that are kept stay as long as they were."""
    given = [Frame(n, at, b"", 0) for n, at in enumerate((0, 10**6, 5 * 10**9, 6 * 10**9, 6 * 10**9 + 5))]
    assert trim.pauses(given) == [2, 3]
    assert [f.time_ns for f in trim.hurried(given, [3])] == [0, 10**6, 2 * 10**6, 1_002_000_000, 1_002_000_005]
