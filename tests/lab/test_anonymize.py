"""Addresses keep their prefixes, payload is gone, checksums are right, lengths stay."""

from __future__ import annotations

import ipaddress
import random
from typing import Any

import pytest
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import ICMPv6ND_NS, ICMPv6NDOptSrcLLAddr, IPv6
from scapy.layers.l2 import ARP, Dot1Q, Ether
from scapy.layers.sctp import SCTP, SCTPChunkData
from scapy.packet import Packet, Raw

from lbreplay.config.load import load
from lbreplay.errors import ConfigError
from lbreplay.lab.anonymize import PINNED, Anonymizer

SECRET = b"secret payload"


def address(text: str) -> bytes:
    return ipaddress.ip_address(text).packed


def common(a: bytes, b: bytes) -> int:
    """How many leading bits are equal."""
    width = 8 * len(a)
    return width - (int.from_bytes(a) ^ int.from_bytes(b)).bit_length()


@pytest.fixture
def hide() -> Anonymizer:
    return Anonymizer(b"key")


@pytest.mark.parametrize("size", [4, 16])
def test_addresses_keep_common_prefixes_and_nothing_else(size: int) -> None:
    rng, hide = random.Random(size), Anonymizer(b"key")
    some = [bytes([rng.choice([10, 32, 100, 192])]) + rng.randbytes(size - 1) for _ in range(60)]
    some += [a[:-1] + bytes([a[-1] ^ 1]) for a in some[:20]]
    for a in some:
        for b in some:
            assert common(hide.address(a), hide.address(b)) == common(a, b)
    assert len({hide.address(a) for a in some}) == len(set(some))
    assert all(hide.address(a) != a for a in some)


def test_the_key_decides() -> None:
    a = address("192.168.100.200")
    assert Anonymizer(b"x").address(a) == Anonymizer(b"x").address(a) != Anonymizer(b"y").address(a)


@pytest.mark.parametrize(
    "text", ["127.0.0.1", "0.0.0.0", "224.0.0.18", "255.255.255.255", "169.254.1.1", "fe80::1", "ff02::1", "::1"]
)
def test_addresses_with_a_meaning_stay(hide: Anonymizer, text: str) -> None:
    assert hide.address(address(text)) == address(text)


def test_no_other_address_gets_a_meaning() -> None:
    rng = random.Random(5)
    for key in range(20):
        hide = Anonymizer(bytes([key]))
        for _ in range(50):
            a = bytes([rng.randrange(1, 224)]) + rng.randbytes(3)
            was, now = (any(ipaddress.ip_address(x) in net for net in PINNED) for x in (a, hide.address(a)))
            assert was == now


def test_macs_by_appearance_and_groups_stay(hide: Anonymizer) -> None:
    first, second = bytes.fromhex("a0369f112233"), bytes.fromhex("a0369f112234")
    assert [hide.mac(m).hex() for m in (first, second, first)] == ["020000000001", "020000000002", "020000000001"]
    for group in ("ffffffffffff", "01005e000012", "000000000000"):
        assert hide.mac(bytes.fromhex(group)).hex() == group
    assert hide.mac(bytes.fromhex("3333ff112233")).hex() == "3333ff000000"


E = Ether(src="a0:36:9f:11:22:33", dst="a0:36:9f:44:55:66")
V4, V6 = IP(src="192.168.7.9", dst="10.1.2.3", id=7), IPv6(src="2001:db8:5::9", dst="2001:db8:6::1")
TOA = (254, b"\x1f\x90\xc0\xa8\x07\x09")
FRAMES: dict[str, Packet] = {
    "tcp": E / V4 / TCP(sport=4000, dport=80, flags="PA", options=[("MSS", 1460), TOA]) / SECRET,
    "udp": E / V4 / UDP(sport=4000, dport=53) / SECRET,
    "tcp6": E / V6 / TCP(sport=4000, dport=80, flags="PA") / SECRET,
    "vlan": E / Dot1Q(vlan=7) / V4 / UDP(sport=1, dport=2) / SECRET,
    "echo": E / V4 / ICMP(type=8, id=1, seq=2) / SECRET,
    "error": E / V4 / ICMP(type=3, code=4) / IP(src="10.1.2.3", dst="192.168.7.9") / UDP(sport=53, dport=4000) / SECRET,
    "sctp": E / V4 / SCTP(sport=1, dport=2, tag=9) / SCTPChunkData(tsn=1, data=SECRET),
    "ipip": E / V4 / IP(src="192.168.7.9", dst="10.1.2.3") / TCP(sport=1, dport=2) / SECRET,
    "other protocol": E / IP(src="192.168.7.9", dst="10.1.2.3", proto=99) / Raw(SECRET),
    "fragment": E / IP(src="192.168.7.9", dst="10.1.2.3", frag=5, proto=17) / Raw(SECRET),
    "ip options": E / IP(src="192.168.7.9", dst="10.1.2.3", options=[b"\x07\x07\x08\xc0\xa8\x07\x09\0"]) / TCP(),
    "discovery": E / V6 / ICMPv6ND_NS(tgt="2001:db8:6::1") / ICMPv6NDOptSrcLLAddr(lladdr="a0:36:9f:11:22:33"),
    "padded": Ether(bytes(E / V4 / TCP()) + SECRET),
    "unknown ethertype": E / Raw(SECRET),
    "arp": Ether(src="a0:36:9f:11:22:33", dst="ff:ff:ff:ff:ff:ff")
    / ARP(hwsrc="a0:36:9f:11:22:33", psrc="192.168.7.9", pdst="10.1.2.3"),
}
SECRETS = [
    SECRET,
    *map(address, ("192.168.7.9", "10.1.2.3", "2001:db8:5::9", "2001:db8:6::1")),
    bytes.fromhex("a0369f"),
]


def rebuilt(data: bytes) -> bytes:
    """The frame with every checksum computed by scapy."""
    packet = Ether(data)
    layer: Any = packet
    while layer is not None and not isinstance(layer, Raw):
        for name in ("chksum", "cksum"):
            if name in layer.fields:
                delattr(layer, name)
        layer = layer.payload if layer.payload else None
        if layer is not None and "in ICMP" in layer.name:
            break
    return bytes(packet)


@pytest.mark.parametrize("name", FRAMES)
def test_nothing_of_the_old_frame_is_left_and_its_sums_are_right(hide: Anonymizer, name: str) -> None:
    data = bytes(FRAMES[name])
    hidden = hide.frame(data, len(data))
    assert len(hidden) == len(data)
    assert not any(secret in hidden for secret in SECRETS)
    if name not in ("error", "fragment"):
        assert rebuilt(hidden) == hidden


def test_headers_keep_what_matters(hide: Anonymizer) -> None:
    data = bytes(FRAMES["tcp"])
    packet = Ether(hide.frame(data, len(data)))
    assert (packet[TCP].sport, packet[TCP].dport, str(packet[TCP].flags)) == (4000, 80, "PA")
    assert packet[TCP].options[0] == ("MSS", 1460) and packet[IP].id == 7
    assert address(packet[IP].src) == hide.address(address("192.168.7.9"))


def test_an_error_is_about_the_mapped_packet(hide: Anonymizer) -> None:
    data = bytes(FRAMES["error"])
    hidden = hide.frame(data, len(data))
    inner = IP(hidden[14 + 20 + 8 :])
    assert (address(inner.src), address(inner.dst)) == tuple(
        hide.address(address(a)) for a in ("10.1.2.3", "192.168.7.9")
    )
    assert (inner[UDP].sport, inner[UDP].dport) == (53, 4000)
    assert rebuilt(hidden)[:40] == hidden[:40]


def test_a_frame_cut_by_the_snap_length_keeps_both_lengths_and_a_right_sum(hide: Anonymizer) -> None:
    data = bytes(FRAMES["tcp"])
    whole, cut = hide.frame(data, len(data)), hide.frame(data[:66], len(data))
    assert cut == whole[:66]


@pytest.mark.parametrize("at", [24, 50])
def test_a_wrong_checksum_stays_wrong(hide: Anonymizer, at: int) -> None:
    data = bytearray(bytes(FRAMES["tcp"]))
    right = hide.frame(bytes(data), len(data))
    data[at] ^= 0x55
    wrong = hide.frame(bytes(data), len(data))
    assert wrong[at : at + 2] != right[at : at + 2]
    assert wrong[:at] == right[:at] and wrong[at + 2 :] == right[at + 2 :]


@pytest.mark.parametrize("chance", range(200))
def test_any_bytes_are_hidden_without_complaint(hide: Anonymizer, chance: int) -> None:
    rng = random.Random(chance)
    data = bytearray(bytes(rng.choice(list(FRAMES.values()))))
    for _ in range(rng.randrange(6)):
        data[rng.randrange(12, len(data))] = rng.randrange(256)
    cut = rng.randrange(len(data) + 1)
    assert len(hide.frame(bytes(data[:cut]), len(data))) == cut


CONFIG = """
# our secret shop, 192.168.100.9
workers = 2   # on host lb7
[device]
mac = "a0:36:9f:11:22:33"
address = ["192.168.100.10/24", "10.0.0.100/32"]
[[service]]
name = "web # 1"
vip = "10.0.0.100:80"
protocol = "tcp"
laddr = ["192.168.100.200", '192.168.100.201']
blacklist = ["172.16.0.0/12"]
[[service.real]]
address = "192.168.100.2:8080"
[[service]]
vip = "[2001:db8::100]:80"
protocol = "tcp"
laddr = ["2001:db8:1::200"]
real = [{ address = "[2001:db8:1::2]:8080" }]
[[service]]
mode = "snat"
match = "proto=tcp,src-range=192.168.100.0-192.168.100.255,oif=dpdk0"
real = [{ address = "10.0.0.7:0" }]
[[route]]
to = "192.168.0.0/16"
via = "192.168.100.1"
[[event]]
at = 1.5
set = "service.web # 1.real.192.168.100.2:8080.weight=0"
"""


def test_a_configuration_is_mapped_and_still_loads(hide: Anonymizer) -> None:
    text = hide.text(CONFIG)
    setup = load("lb.toml", view="rx", text=text)
    old = load("lb.toml", view="rx", text=CONFIG)
    assert setup.services[0].name == "web # 1"
    mapped = hide.address
    for new_one, old_one in zip(setup.services, old.services, strict=True):
        assert new_one.laddr == tuple(map(mapped, old_one.laddr))
        assert [r.endpoint.address for r in new_one.reals] == [mapped(r.endpoint.address) for r in old_one.reals]
    assert setup.device.address[0].address == mapped(address("192.168.100.10"))
    assert setup.routes[0].to.prefix == 16 and setup.routes[0].via in setup.routes[0].to
    assert setup.services[2].match is not None and setup.services[2].match.source is not None
    low, high = setup.services[2].match.source[:2]
    assert int.from_bytes(high) - int.from_bytes(low) == 255 and setup.device.address[0].address[:3] == low[:3]
    assert "secret" not in text and "lb7" not in text and "192.168" not in text and "a0:36" not in text


def test_a_range_that_is_no_network_is_refused(hide: Anonymizer) -> None:
    with pytest.raises(ConfigError, match=r"192.168.100.1-192.168.100.9: a range that is a whole network expected"):
        hide.text('match = "src-range=192.168.100.1-192.168.100.9"')


@pytest.mark.parametrize(
    "text", ['edition = "1.10"', 'edition = "6.1.192"', "isn = 0x10000000", 'at = "12:30:45"', 'x = "999.1.1.1"']
)
def test_what_is_no_address_stays(hide: Anonymizer, text: str) -> None:
    assert hide.text(text) == text + "\n"
