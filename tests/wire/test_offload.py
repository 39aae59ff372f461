"""Offloads of a host's NIC are counted and named, each once."""

from __future__ import annotations

from pathlib import Path

import captures
import pytest
from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Ether
from scapy.packet import Packet, Raw

from lbreplay.loop.parse import parse
from lbreplay.wire import offload as module
from lbreplay.wire.capture import open_capture
from lbreplay.wire.checksum import ones_sum
from lbreplay.wire.offload import Offload


def tcp(family: int = 4, size: int = 100, **fields: int) -> bytes:
    """A TCP segment; fields of the TCP header, or `ip` for the IP header's checksum."""
    ip = IP(src="10.0.0.1", dst="10.0.0.2") if family == 4 else IPv6(src="fd00::1", dst="fd00::2")
    if "ip" in fields:
        ip.chksum = fields.pop("ip")
    return bytes(Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02") / ip / TCP(**fields) / Raw(bytes(size)))


def partial(frame: bytes) -> bytes:
    """*frame* with the checksum that a stack leaves for its NIC to complete."""
    four = frame[12:14] == b"\x08\x00"
    l4_at, proto = (34, frame[23]) if four else (54, frame[20])
    addresses = frame[26:34] if four else frame[22:54]
    at = l4_at + (16 if proto == 6 else 6)
    value = ones_sum(addresses + proto.to_bytes(2) + (len(frame) - l4_at).to_bytes(2))
    return frame[:at] + value.to_bytes(2) + frame[at + 2 :]


def udp() -> bytes:
    packet: Packet = Ether() / IP(src="10.0.0.1", dst="10.0.0.2") / UDP(sport=1, dport=2) / Raw(b"datagram")
    return bytes(packet)


def look(tmp_path: Path, *frames: bytes, size: int = 4096) -> Offload:
    path = captures.write(tmp_path, captures.pcap_head(), *map(captures.record, frames))
    offload = Offload(1500)
    with open_capture(str(path)) as capture:
        for burst in capture.bursts(size):
            parse(burst, None, False)
            offload.look(burst)
    return offload


def test_a_capture_of_a_wire(tmp_path: Path) -> None:
    """Where all is as it was on the wire nothing is said."""
    assert look(tmp_path, tcp(), tcp(6), udp(), tcp(size=1460)).warnings() == []


def test_large_frames(tmp_path: Path) -> None:
    """Frames larger than the MTU are counted, a tagged one of full size is none."""
    tagged = tcp(size=1460)[:12] + b"\x81\0\0\1" + tcp(size=1460)[12:]
    assert look(tmp_path, tcp(size=1461), tcp(size=9000), tagged).warnings() == [
        "1 frames are larger than the MTU of 1500: merged by receive offload"
    ]


@pytest.mark.parametrize("frame", [tcp(), tcp(6), udp()], ids=["tcp", "tcp over IPv6", "udp"])
def test_partial_checksums(tmp_path: Path, frame: bytes) -> None:
    """A checksum that is the pseudo header's sum is a partial one."""
    assert look(tmp_path, partial(frame), frame, partial(frame)).warnings() == [
        "2 of 3 segments looked at have a partial checksum, left to transmit offload: they leave with a right one"
    ]


def test_header_checksums(tmp_path: Path) -> None:
    """Wrong checksums of IP headers are named where most are."""
    assert look(tmp_path, tcp(ip=0), tcp(ip=0), tcp()).warnings() == [
        "2 of 3 IPv4 headers looked at have a wrong checksum, left to transmit offload: they leave with a right one"
    ]
    assert look(tmp_path, tcp(ip=0), tcp(), tcp()).warnings() == []


@pytest.mark.parametrize("size", [1, 7, 4096])
def test_the_same_at_any_burst_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    """Which frames are looked at depends on their number alone."""
    monkeypatch.setattr(module, "THOROUGH", 20)
    monkeypatch.setattr(module, "SAMPLE", 3)
    frames = [partial(tcp()) if n % 3 else tcp(6) for n in range(200)]
    offload = look(tmp_path, *frames, size=size)
    found = offload.found
    assert (found.segments, found.headers) == (20 + 9 * 3, 13 + 18)
    assert found.partial == found.headers
