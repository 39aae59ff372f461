"""Frames to columns: what the NIC sees, what is ordinary, and where the plain path must look."""

from __future__ import annotations

from pathlib import Path

import captures
import craft
import numpy as np
import pytest
from scapy.layers.inet import ICMP, IP, TCP, UDP, IPOption_RR
from scapy.layers.inet6 import IPv6, IPv6ExtHdrDestOpt, IPv6ExtHdrFragment
from scapy.layers.sctp import SCTP

from lbreplay.burst import KIND_FRAGMENT, KIND_NONE, KIND_OTHER, KIND_SCTP, KIND_TCP, KIND_UDP, Burst
from lbreplay.loop.parse import parse
from lbreplay.wire.capture import open_capture
from lbreplay.wire.packet import Packet

A, B, A6, B6 = "10.1.2.3", "10.4.5.6", "2001:db8::1", "2001:db8::2"
OURS = bytes.fromhex(craft.OURS.replace(":", ""))


def parsed(folder: Path, *frames: bytes, mac: bytes | None = None, check: bool = False, cut: int = 9999) -> Burst:
    rows = [captures.record(frame[:cut], length=len(frame)) for frame in frames]
    with open_capture(str(captures.write(folder, captures.pcap_head(), *rows))) as capture:
        (burst,) = capture.bursts(len(frames))
    parse(burst, mac, check)
    return burst


def test_an_ordinary_segment(tmp_path: Path) -> None:
    """Of either family, next to each other."""
    frames = [
        craft.tcp(f"{A}:1", f"{B}:2", "SA", 3, 2**32 - 1, b"data"),
        craft.tcp(f"[{A6}]:4", f"[{B6}]:5", "F", 6, 7, options=craft.SYN_OPTIONS),
    ]
    burst = parsed(tmp_path, *frames)
    assert burst.simple.all() and burst.family.tolist() == [4, 6] and burst.kind.tolist() == [KIND_TCP] * 2
    assert burst.flags.tolist() == [0x12, 1] and burst.l4.tolist() == [34, 54] and burst.header.tolist() == [20, 40]
    assert burst.seq.tolist() == [3, 6] and burst.ack.tolist() == [2**32 - 1, 7]
    assert burst.l3_length.tolist() == [44, 80] and burst.rows6.tolist() == [1]
    assert burst.flow4[0].tobytes() == bytes([10, 1, 2, 3, 10, 4, 5, 6, 0, 1, 0, 2])
    assert burst.flow6[0].tobytes() == frames[1][22:58]


@pytest.mark.parametrize(
    "layers, kind",
    [
        (IP(src=A, dst=B) / TCP(), KIND_TCP),
        (IP(src=A, dst=B) / UDP(), KIND_UDP),
        (IP(src=A, dst=B) / SCTP(), KIND_SCTP),
        (IP(src=A, dst=B) / ICMP(), KIND_OTHER),
        (IP(src=A, dst=B, flags="MF") / UDP(), KIND_FRAGMENT),
        (IP(src=A, dst=B, frag=9) / UDP(), KIND_FRAGMENT),
        (IP(src=A, dst=B, flags="DF") / UDP(), KIND_UDP),
        (IPv6(src=A6, dst=B6) / UDP(), KIND_UDP),
        (IPv6(src=A6, dst=B6) / IPv6ExtHdrDestOpt() / UDP(), KIND_OTHER),
        (IPv6(src=A6, dst=B6) / IPv6ExtHdrFragment() / UDP(), KIND_OTHER),
        (IP(src=A, dst=B, proto=17), KIND_OTHER),
    ],
    ids=lambda value: value.command() if hasattr(value, "command") else str(value),
)
def test_what_the_nic_takes_it_for(tmp_path: Path, layers: object, kind: int) -> None:
    """S 1.4; the same behind a tag."""
    for tag in (None, 7):
        assert parsed(tmp_path, craft.frame(layers, vlan=tag)).kind.tolist() == [kind]  # type: ignore[arg-type]


def test_what_is_no_ip(tmp_path: Path) -> None:
    """ARP, a header that is cut, the wrong version."""
    wrong = bytearray(craft.udp(f"{A}:1", f"{B}:2"))
    wrong[14] = 0x65
    assert parsed(tmp_path, craft.arp(B), bytes(wrong), bytes(5)).kind.tolist() == [KIND_NONE] * 3
    assert parsed(tmp_path, craft.udp(f"{A}:1", f"{B}:2"), cut=33).kind.tolist() == [KIND_NONE]


def test_ports_behind_options_and_tags(tmp_path: Path) -> None:
    """The NIC reads them where they are; without them they are 0."""
    layers = IP(src=A, dst=B, options=IPOption_RR()) / UDP(sport=1, dport=2)
    ping = craft.frame(IP(src=A, dst=B) / ICMP())
    burst = parsed(tmp_path, craft.frame(layers), craft.frame(layers, vlan=9), ping)
    assert burst.flow4[:, 8:].tolist() == [[0, 1, 0, 2]] * 2 + [[0] * 4] and not burst.simple.any()


@pytest.mark.parametrize(
    "frame",
    [
        craft.udp(f"{A}:1", f"{B}:2", b"x", vlan=3),
        craft.frame(IP(src=A, dst=B, options=IPOption_RR()) / TCP()),
        craft.frame(IP(src=A, dst=B) / TCP(dataofs=4)),
        craft.frame(IP(src=A, dst=B) / TCP(dataofs=6)),
        craft.frame(IP(src=A, dst=B) / UDP(len=7)),
        craft.frame(IP(src=A, dst=B) / UDP(len=99) / b"x"),
        craft.frame(IP(src=A, dst=B, len=99) / UDP()),
        craft.frame(IPv6(src=A6, dst="ff02::1") / UDP()),
        craft.frame(IPv6(src="::1", dst=B6) / UDP()),
        craft.frame(IPv6(src=A6, dst=B6) / IPv6ExtHdrDestOpt() / UDP()),
        craft.frame(IP(src=A, dst=B) / SCTP()),
    ],
)
def test_what_is_odd_takes_the_plain_path(tmp_path: Path, frame: bytes) -> None:
    """It judges in DPVS's order."""
    assert not parsed(tmp_path, frame).simple.any()


def test_a_frame_the_capture_cut_is_not_simple(tmp_path: Path) -> None:
    """Every byte counts, padding does not."""
    frame = craft.tcp(f"{A}:1", f"{B}:2", "A", payload=b"0123456789")
    assert parsed(tmp_path, frame + bytes(6), cut=len(frame)).simple.all()
    assert not parsed(tmp_path, frame, cut=len(frame) - 1).simple.any()


def test_ours(tmp_path: Path) -> None:
    """With a MAC only frames to it; without one every unicast frame."""
    to = [craft.frame(IP(src=A, dst=B) / UDP(), dst=mac) for mac in (craft.OURS, "02:00:00:00:00:99", "ff:" * 5 + "ff")]
    assert parsed(tmp_path, *to, mac=OURS).ours.tolist() == [True, False, False]
    assert parsed(tmp_path, *to).ours.tolist() == [True, True, False]


def test_a_wrong_header_checksum(tmp_path: Path) -> None:
    """Is odd only where the port checks it."""
    frame = craft.frame(IP(src=A, dst=B, chksum=1) / UDP())
    assert parsed(tmp_path, frame).simple.all()
    assert not parsed(tmp_path, frame, check=True).simple.any()
    assert parsed(tmp_path, craft.udp(f"{A}:1", f"{B}:2"), check=True).simple.all()


def test_columns_say_what_packets_say(tmp_path: Path) -> None:
    """Whatever simple rows hold, the plain path reads the same."""
    rng = np.random.default_rng(5)
    frames = []
    for n in range(300):
        ends = (f"{A}:{n + 1}", f"{B}:80") if n % 3 else (f"[{A6}]:{n + 1}", f"[{B6}]:80")
        frame = craft.udp(*ends, rng.bytes(n % 9)) if n % 2 else craft.tcp(*ends, "PA", n, n + 1, rng.bytes(n % 7))
        spoiled = bytearray(frame)
        spoiled[int(rng.integers(12, len(frame)))] ^= int(rng.integers(0, 2)) << int(rng.integers(0, 8))
        frames.append(bytes(spoiled))
    burst = parsed(tmp_path, *frames)
    assert 150 < burst.simple.sum() < 300
    for row in np.flatnonzero(burst.simple).tolist():
        packet = Packet(frames[row], len(frames[row]))
        assert (packet.family, packet.proto, packet.flags) == (burst.family[row], burst.proto[row], burst.flags[row])
        assert (packet.l3_length, packet.l4_at + 14) == (burst.l3_length[row], burst.l4[row])
        where = np.searchsorted(burst.rows6, row)
        flow = burst.flow4[row] if packet.family == 4 else burst.flow6[where]
        assert packet.key[1:] == flow.tobytes()


def test_a_tag_of_a_device_is_taken_off(tmp_path: Path) -> None:
    """What is behind it is as simple as without; another tag is the plain path's, and a device may have its own MAC."""
    bare = craft.syn("172.16.0.1:3000", "10.0.0.100:80")
    frames = [bare[:12] + b"\x81\0\x20" + bytes((vid,)) + bare[12:] for vid in (5, 6, 7)]
    own = bytes.fromhex("020000006666") + frames[1][6:]
    path = captures.write(tmp_path, captures.pcap_head(), *map(captures.record, (*frames, own, bare)))
    with open_capture(str(path)) as capture:
        (burst,) = capture.bursts(5)
    parse(burst, bare[:6], True, [(5, None), (6, own[:6])])
    assert burst.simple.tolist() == [True, True, False, True, True] and burst.tag.tolist() == [6, 7, 0, 7, 0]
    assert burst.ours.tolist() == [True] * 5 and set(burst.l4.tolist()) == {34}
