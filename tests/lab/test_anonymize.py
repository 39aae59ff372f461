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
    "text", ["127.0.0.1", "127.0.0.53", "0.0.0.0", "224.0.0.18", "255.255.255.255", "ff02::1", "ff05::fb", "::1", "::"]
)
def test_addresses_with_a_meaning_stay(hide: Anonymizer, text: str) -> None:
    assert hide.address(address(text)) == address(text)


@pytest.mark.parametrize(
    "text, network",
    [
        ("169.254.17.3", "169.254.0.0/16"),
        ("239.17.3.1", "224.0.0.0/4"),
        ("240.1.2.3", "240.0.0.0/4"),
        ("fe80::a236:9fff:fe11:2233", "fe80::/64"),
        ("ff02::1:3:77", "ff00::/8"),
    ],
)
def test_a_kind_of_address_stays_one(text: str, network: str) -> None:
    """The prefix that says the kind is kept, and nothing behind it: there may be a MAC."""
    for key in range(20):
        mapped = Anonymizer(bytes([key])).address(address(text))
        assert ipaddress.ip_address(mapped) in ipaddress.ip_network(network) and mapped != address(text)


def test_no_other_address_gets_a_meaning() -> None:
    rng = random.Random(5)
    for key in range(20):
        hide = Anonymizer(bytes([key]))
        for _ in range(50):
            a = bytes([rng.randrange(1, 224)]) + rng.randbytes(3)
            was, now = (any(ipaddress.ip_address(x) in net for net in PINNED) for x in (a, hide.address(a)))
            assert was == now


def test_macs(hide: Anonymizer) -> None:
    """The same for the same one, with another key another; groups stay groups, those of all hosts themselves."""
    first, second, group = (bytes.fromhex(text) for text in ("a0369f112233", "a0369f112234", "01005e112233"))
    assert hide.mac(first) == hide.mac(first) != hide.mac(second) != Anonymizer(b"x").mac(second)
    assert hide.mac(first)[0] == 2 and hide.mac(group)[0] == 3 and hide.mac(group)[3:] != group[3:]
    for known in ("ffffffffffff", "01005e000012", "333300000001", "0180c2000000", "000000000000"):
        assert hide.mac(bytes.fromhex(known)).hex() == known
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
    assert setup.services[0].name == "service1" and setup.events[0].path[1] == "service1"
    mapped = hide.address
    for new_one, old_one in zip(setup.services, old.services, strict=True):
        assert new_one.laddr == tuple(map(mapped, old_one.laddr))
        assert [r.endpoint.address for r in new_one.reals] == [mapped(r.endpoint.address) for r in old_one.reals]
    assert setup.device.address[0].address == mapped(address("192.168.100.10"))
    assert setup.routes[0].to.prefix == 16 and setup.routes[0].via in setup.routes[0].to
    assert setup.services[2].match is not None and setup.services[2].match.source is not None
    low, high = setup.services[2].match.source[:2]
    assert int.from_bytes(high) - int.from_bytes(low) == 255 and setup.device.address[0].address[:3] == low[:3]
    assert (
        "secret" not in text
        and "lb7" not in text
        and "192.168" not in text
        and "a0:36" not in text
        and "web" not in text
    )


def test_names_of_services_in_later_settings(hide: Anonymizer) -> None:
    """What is set by the name of a service is set by its new name."""
    hide.text(CONFIG.replace("web # 1", "web"))
    assert hide.text('service.web.scheduler="mh"') == 'service.service1.scheduler="mh"\n'


def test_the_name_of_the_port(hide: Anonymizer) -> None:
    """One that says something goes, also where a match names it; dpdk0 stays."""
    given = '[device]\nname = "{0}"\n[[service]]\nmatch = "proto=tcp,src-range=10.0.0.0-10.0.0.255,oif={0}"\n'
    hidden = hide.text(given.format("paris-lb7"))
    assert "paris" not in hidden and 'name = "port0"' in hidden and 'oif=port0"' in hidden
    assert Anonymizer(b"key").text(given.format("dpdk0")).count("dpdk0") == 2


def test_a_range_that_is_no_network_is_refused(hide: Anonymizer) -> None:
    with pytest.raises(ConfigError, match=r"192.168.100.1-192.168.100.9: a range that is a whole network expected"):
        hide.text('match = "src-range=192.168.100.1-192.168.100.9"')


@pytest.mark.parametrize(
    "text", ['edition = "1.10"', 'edition = "6.1.192"', "isn = 0x10000000", 'at = "12:30:45"', 'x = "999.1.1.1"']
)
def test_what_is_no_address_stays(hide: Anonymizer, text: str) -> None:
    assert hide.text(text) == text + "\n"


MARK = bytes.fromhex("c7d1a9e35b8f1763")  # bytes of the original, wherever a sender may put his own


MARKED: dict[str, Packet] = {
    "odd options": E / V4 / TCP(options=[(2, MARK), (8, MARK[:7]), (254, MARK), (5, MARK[:5])]),
    "an option of length 1": E / V4 / Raw(bytes(12) + b"\x70\2" + bytes(6) + b"\x55\1" + MARK[:6]),
    "behind the end of options": E / V4 / Raw(bytes(12) + b"\x70\2" + bytes(6) + b"\0" + MARK[:7]),
    "error": E / V4 / ICMP(type=3, code=1, reserved=0, unused=MARK[:4]) / V4 / UDP() / MARK,
    "time exceeded": E / V4 / ICMP(bytes([11, 0, 0, 0]) + MARK[:4]) / V4 / TCP(options=[(254, MARK)]),
    "timestamp reply": E / V4 / Raw(bytes([14, 0, 0, 0, 0, 1, 0, 1]) + MARK),
    "hop by hop": E / V6 / Raw(bytes([60, 1, 1, 12, *MARK, 0, 0, 0, 0])),
    "extension headers": E
    / IPv6(src=V6.src, dst=V6.dst, nh=0)
    / Raw(bytes([60, 0, 1, 4, 0, 0, 0, 0, 59, 1]) + MARK + MARK[:6]),
    "route": E / IPv6(src=V6.src, dst=V6.dst, nh=43) / Raw(bytes([59, 2, 0, 1, *MARK[:4], *MARK, *MARK])),
    "authentication": E / IPv6(src=V6.src, dst=V6.dst, nh=51) / Raw(bytes([59, 4, 0, 0, *MARK, *MARK, 0, 0, 0, 0])),
    "mld": E / IPv6(src=V6.src, dst=V6.dst, nh=58) / Raw(bytes([131, 0, 0, 0, 0, 0, 0, 0]) + MARK + MARK),
    "heartbeat": E / V4 / SCTP() / Raw(bytes([4, 0, 0, 12]) + MARK),
    "lldp": Ether(src="a0:36:9f:11:22:33", type=0x88CC) / MARK,
    "two tags": Ether(src="a0:36:9f:11:22:33", type=0x88A8) / Raw(b"\0\1\x81\0\0\2\x08\0") / V4 / MARK,
    "arp of another kind": E / ARP(hwlen=8, plen=8) / MARK,
    "a trailer": Ether(bytes(E / V4 / TCP()) + MARK),
    "a group": Ether(src="a0:36:9f:11:22:33", dst="01:00:c7:d1:a9:e3") / V4 / UDP() / MARK,
}


@pytest.mark.parametrize("name", MARKED)
def test_nothing_that_a_sender_put_in_is_left(hide: Anonymizer, name: str) -> None:
    """Options of a wrong length, fields that are not used, headers between IP and what it carries, trailers."""
    data = bytes(MARKED[name])
    for cut in (len(data), len(data) - 3, len(data) // 2):
        hidden = hide.frame(data[:cut], len(data))
        assert len(hidden) == cut
        assert not any(MARK[n : n + 4] in hidden for n in range(5))


@pytest.mark.parametrize("chance", range(150))
def test_no_address_is_left(chance: int) -> None:
    """Of frames made by chance: neither MAC, nor what IPv6 makes of it, nor an address, in any place."""
    rng, hide = random.Random(chance), Anonymizer(bytes([chance]))
    mac = b"\xa0\x36" + rng.randbytes(4)
    identifier = bytes([mac[0] ^ 2]) + mac[1:3] + b"\xff\xfe" + mac[3:]
    own, far = (
        ipaddress.ip_address(prefix + identifier) for prefix in (address("fe80::")[:8], address("2001:db8::")[:8])
    )
    host = ipaddress.ip_address(bytes([10]) + rng.randbytes(3))
    inside = [
        IPv6(src=str(own), dst=str(far)) / ICMPv6ND_NS(tgt=str(own)) / ICMPv6NDOptSrcLLAddr(lladdr=mac.hex(":")),
        IPv6(src=str(far), dst="ff02::1") / UDP() / identifier,
        IP(src=str(host), dst="239.1.2.3") / TCP(options=[(254, host.packed * 2)]) / host.packed,
        IP(src=str(host), dst=str(host)) / ICMP(type=5, gw=str(host)) / IP(src=str(host), dst=str(host)) / UDP(),
        ARP(hwsrc=mac.hex(":"), psrc=str(host), pdst=str(host)),
        IP(src=str(host), dst=str(host), proto=41) / IPv6(src=str(own), dst=str(far)) / UDP() / mac,
    ]
    data = bytes(Ether(src=mac.hex(":"), dst=mac.hex(":")) / rng.choice(inside))
    hidden = hide.frame(data, len(data))
    assert not any(
        secret in hidden for secret in (mac, identifier, mac[3:] + mac[:3], own.packed, far.packed, host.packed)
    )


def test_packets_in_packets_end(hide: Anonymizer) -> None:
    """However deep they are nested."""
    packet = bytes(IP(src="192.168.7.9", dst="10.1.2.3", proto=4) / Raw(MARK))
    for _ in range(2000):
        packet = bytes(IP(src="192.168.7.9", dst="10.1.2.3", proto=4, len=min(20 + len(packet), 65535)))[:20] + packet
    data = bytes(E)[:12] + b"\x08\0" + packet
    assert MARK not in hide.frame(data, len(data))
