"""Connections that timeouts end under those who use them."""

import struct

import craft
import pytest
from lab.made_capture import TEXT, VIP, client, setup

from lbreplay.lab.check import check

SECOND = 10**9
KERNEL = """
profile = "ipvs"
edition = "6.1"
[device]
address = ["192.168.100.1/24"]
[ipv4]
forwarding = true
[ipvs.timeout]
tcp = 60
[[service]]
name = "web"
vip = "10.0.0.100:80"
mode = "nat"
[[service.real]]
address = "192.168.100.2:80"
"""


def judged(tmp_path, frames, text=TEXT, *sets, view="client"):
    """The property over frames of (second, bytes)."""
    path = tmp_path / "in.pcap"
    path.write_bytes(made(frames))
    found = check(setup(*sets, text=text, view=view), str(path), ["timeouts"]).judgements[0]
    return found.holds, found.failure.first if found.failure else 0, found.failure.detail if found.failure else ""


def made(frames):
    """A pcap of nanoseconds."""
    head = struct.pack("<IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, 65535, 1)
    records = (
        struct.pack("<IIII", *divmod(int(at * SECOND), SECOND), len(frame), len(frame)) + frame for at, frame in frames
    )
    return head + b"".join(records)


def spoken(pause, last=None):
    """A handshake, then *pause* seconds of silence, then a segment of the client, or *last*."""
    opened = [
        craft.syn(client(1), VIP),
        craft.tcp(VIP, client(1), "SA", 5000, 1001),
        craft.tcp(client(1), VIP, "A", 1001, 5001),
    ]
    last = last or craft.tcp(client(1), VIP, "PA", 1001, 5001, b"still here")
    return [*((0.01 * n, frame) for n, frame in enumerate(opened)), (1 + pause, last)]


@pytest.mark.parametrize(("text", "key"), [(TEXT, "tcp.timeout.established = 90"), (KERNEL, "ipvs.timeout.tcp = 60")])
def test_a_pause_longer_than_the_timeout(tmp_path, text, key):
    """Broken with the setting and the length of the silence; a shorter pause holds, and so does a longer timeout."""
    holds, first, detail = judged(tmp_path, spoken(120), text)
    assert (holds, first) == (False, 4)
    assert detail.startswith(f"1 connection went on after 121 s of silence, {key}: it was gone")
    assert judged(tmp_path, spoken(40), text)[0]
    longer = "service.web.conn_timeout=200" if text is TEXT else "ipvs.timeout.tcp=200"
    assert judged(tmp_path, spoken(120), text, longer)[0]


def test_the_servers_side(tmp_path):
    """A real server that speaks after the pause finds nobody; what ends or begins anew is no use of the old one."""
    answer = craft.tcp(VIP, client(1), "PA", 5001, 1001, b"news")
    assert judged(tmp_path, spoken(120, answer))[:2] == (False, 4)
    for flags in ("S", "R", "FA"):
        assert judged(tmp_path, spoken(120, craft.tcp(client(1), VIP, flags, 1001, 5001)))[0]


def test_what_others_end_is_no_timeout(tmp_path):
    """A connection that was reset, or whose real server was removed, is not held against a timeout."""
    reset = craft.tcp(client(1), VIP, "R", 1001)
    frames = spoken(120)
    assert judged(tmp_path, [*frames[:3], (0.5, reset), *frames[3:]])[0]
