"""Every byte of a frame is in a field, names stand for fields, and a flow is the same in both directions."""

from __future__ import annotations

import random

import packets
import pytest
from scapy.layers.inet import ICMP, IP, TCP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import ARP, Dot1Q, Ether
from scapy.packet import Raw

from lbreplay.errors import ConfigError
from lbreplay.lab import fields
from lbreplay.lab.fields import Frame, brief, differing, dissect, flow, frames, ignored, token

SEGMENT = packets.tcp(7, flags="SA", seq=5, ack=6, payload=b"hello", options=[("MSS", 1460)])
SHAPES = {
    "tcp": SEGMENT,
    "udp": packets.udp(),
    "icmp": Ether() / IP(src="1.2.3.4", dst="5.6.7.8") / ICMP(type=8, id=3, seq=4) / b"ping",
    "ipv6": Ether() / IPv6(src="2001:db8::1", dst="2001:db8::2") / TCP(sport=1, dport=2),
    "vlan": Ether() / Dot1Q(vlan=100) / IP(src="1.2.3.4", dst="5.6.7.8") / TCP(sport=1, dport=2),
    "arp": Ether() / ARP(psrc="1.2.3.4", pdst="5.6.7.8"),
    "padded": Ether(bytes(packets.tcp()) + b"\x01\x02"),
    "fragment": Ether() / IP(src="1.2.3.4", dst="5.6.7.8", frag=3, proto=17) / Raw(b"later"),
    "options": Ether() / IP(src="1.2.3.4", dst="5.6.7.8", options=[b"\x94\x04\0\0"]) / TCP(),
    "uoa": Ether() / IP(src="1.2.3.4", dst="5.6.7.8", proto=248) / Raw(b"\x10\x11\0\x0c" + bytes(8) + bytes(8)),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_a_change_of_any_byte_changes_a_field(shape: str) -> None:
    data = bytes(SHAPES[shape])
    original = dissect(Frame(1, 0, data, len(data)))
    for at in range(len(data)):
        changed = data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]
        assert dissect(Frame(1, 0, changed, len(data))) != original, f"byte {at}"


@pytest.mark.parametrize("chance", range(20))
def test_random_bytes_are_dissected_without_complaint(chance: int) -> None:
    rng = random.Random(chance)
    kind = rng.choice([b"\x08\x00", b"\x86\xdd", b"\x81\x00\x00\x01\x08\x00", b"\x12\x34"])
    data = rng.randbytes(12) + kind + rng.randbytes(rng.randrange(80))
    frame = Frame(1, 0, data[: rng.randrange(len(data) + 1)], len(data))
    assert dissect(frame)["length"] == len(data) and brief(frame) and flow(frame)


def test_a_segment_by_name() -> None:
    named = dissect(packets.frame(SEGMENT))
    assert (named["ip.src"], named["sport"], named["flags"], named["seq"]) == ("172.16.0.7", 3007, "SYN|ACK", 5)
    assert named["payload"] == b"hello".hex() and named["tcp.opts"] == "020405b4"


def test_every_name_of_a_dissected_field_may_be_ignored() -> None:
    for shape in SHAPES.values():
        assert set(dissect(packets.frame(shape))) <= set(fields.NAMES)


@pytest.mark.parametrize(
    "name, stands_for", [("mac", "eth.src"), ("ip_id", "ip.id"), ("seq", "tcp.sum"), ("ip_ttl", "ip.sum")]
)
def test_names_groups_and_the_checksums_they_touch(name: str, stands_for: str) -> None:
    assert stands_for in ignored([name])


def test_ignoring_the_time_touches_no_checksum() -> None:
    assert ignored(["time"]) == {"time"}


def test_an_unknown_name_is_refused_with_the_nearest() -> None:
    with pytest.raises(ConfigError, match=r"case.toml: ignore: a field expected, got 'ip.idd'; nearest is 'ip.id'"):
        ignored(["ip.idd"], "case.toml: ignore")


def test_differing_fields_have_both_values() -> None:
    a, b = packets.frame(packets.tcp(seq=1)), packets.frame(packets.tcp(seq=2))
    named = differing(a, b, frozenset())
    assert [name for name, _, _ in named] == ["seq", "tcp.sum"] and named[0] == ("seq", "1", "2")
    assert token(a, ignored(["seq"])) == token(b, ignored(["seq"]))
    assert token(a, ignored(["mac"])) != token(b, ignored(["mac"]))


def test_a_flow_is_the_same_in_both_directions() -> None:
    there = Ether() / IP(src="1.2.3.4", dst="5.6.7.8") / TCP(sport=1, dport=2)
    back = Ether() / IP(src="5.6.7.8", dst="1.2.3.4") / TCP(sport=2, dport=1)
    assert flow(packets.frame(there)) == flow(packets.frame(back)) == "tcp 1.2.3.4:1 - 5.6.7.8:2"
    assert fields.endpoints(packets.frame(there)) == {"1.2.3.4:1", "5.6.7.8:2"}


def test_a_packet_in_one_line() -> None:
    assert brief(packets.frame(SEGMENT)) == (
        "1700000000.000000 172.16.0.7:3007 > 10.0.0.100:80 tcp SYN|ACK seq=5 ack=6 63 bytes"
    )


def test_frames_of_a_capture(tmp_path: object) -> None:
    some = packets.numbered([packets.tcp(1), packets.udp(2)])
    assert list(frames(packets.write(packets.Path(str(tmp_path)) / "a.pcap", some))) == some
