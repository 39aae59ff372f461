"""Every difference between releases is one named switch, which does this and can be chosen alone (D 15)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import rig
from rig import CLIENT, CLIENT6, DELTA, REAL, VIP, VIP6, play, syn, tcp, tick, udp
from scapy.layers.inet import IP, TCP
from scapy.layers.inet6 import ICMPv6PacketTooBig
from scapy.packet import Raw

from lbreplay.model import EDITIONS, Behaviour, Setup
from lbreplay.nic.flow_director import Rule, holdable

OF_THE_KERNEL = {"rr_restart", "wrr_rounds", "overhead", "product_bits"}  # switches of the other profile
THREE = (REAL, "192.168.100.3:8080", "192.168.100.4:8080")
PROXY = "synproxy = true"


def setup(switch: str, service: str = "", more: str = "", **settings: Any) -> Setup:
    """A balancer of v1.10.2 with one line in `[behaviour]`."""
    return rig.setup(service, more=f"[behaviour]\n{switch}\n{more}", **settings)


def event(at: float, text: str) -> str:
    return f"[[event]]\nat = {at}\n{text}\n"


def service(text: str, real: str) -> str:
    return f'[[service]]\n{text}\n[[service.real]]\naddress = "{real}"\n'


def order(switch: str) -> str:
    run = play(setup(switch, reals=THREE), [syn(f"172.16.0.{n}:3000", VIP) for n in (1, 2, 3)])
    return "".join(run.packet(n)[IP].dst[-1] for n in (1, 2, 3))


def segments_with_the_client(switch: str) -> list[bool]:
    run = play(setup(switch), rig.handshake())
    return [any(option[0] == 254 for option in run.packet(n)[TCP].options) for n in (1, 3)]


def first_option_of_a_full_header(switch: str) -> Any:
    full = tcp(CLIENT, VIP, "A", 1001, 5001, options=[("Timestamp", (1, 2)), ("SAck", (1, 2, 3, 4, 5, 6))])
    return play(setup(switch), [*rig.handshake()[:2], full]).packet(3)[TCP].options[0][0]


def wrong_cookie(switch: str) -> list[str]:
    return play(setup(switch), [tcp(CLIENT, VIP, "A", 1, 2)]).verdicts


def the_last_takes_more_than_its_weight(switch: str) -> bool:
    weights = [f'[[service.real]]\naddress = "{a}"\nweight = {w}\n' for a, w in zip(THREE, (4, 2, 6), strict=True)]
    made = setup(switch, scheduler="conhash", reals=(), events="".join(weights))
    run = play(made, [syn(f"172.16.{n // 200}.{n % 200 + 1}:3000", VIP) for n in range(400)])
    return run.document["services"][0]["reals"][2]["conns"] / 400 > 0.55


def a_stranger_beside_a_listed_service(switch: str) -> list[str]:
    other = service('name = "other"\nvip = "10.0.0.101:49"\nmode = "nat"\nwhitelist = ["203.0.113.9"]', REAL)
    return play(setup(switch, events=other), [syn(CLIENT, VIP)]).verdicts


def after_removal(switch: str) -> str:
    gone = event(0.01, f'remove = "service.web.real.{REAL}"')
    last = (20, tcp(CLIENT, VIP, "A", 1001, 5001))
    return play(setup(switch, "expire_quiescent = true", events=gone), [*rig.handshake(), last]).verdicts[3]


def state_of_a_datagram(switch: str) -> str:
    return play(setup(switch, protocol="udp"), [udp(CLIENT, VIP)]).states(1)[1]


def resets_of_snat(switch: str) -> int:
    rule = service('mode = "snat"\nprotocol = "tcp"\nmatch = "src-range=192.168.100.50,oif=dpdk0"', "192.168.100.10:0")
    made = setup(switch, device='sapool_address = ["192.168.100.10"]', events=rule)
    remote, outside = "203.0.113.5:80", "192.168.100.10:1025"
    flow = [syn("192.168.100.50:9", remote), tcp(remote, outside, "SA", 9, 1001), (200_000, tick())]
    return len(play(made, flow).own)


def proxied(switch: str, tcp_settings: str = "") -> list[int]:
    """Windows of the SYN|ACK and of a first answer, and how many packets left."""
    made = setup(switch, PROXY, more=f"[tcp.synproxy]\n{tcp_settings}\n")
    cookie = play(made, [syn(CLIENT, VIP)]).packet(1)[TCP].seq
    opened = [syn(CLIENT, VIP), tcp(CLIENT, VIP, "A", 1001, cookie + 1)]
    accepted = tcp(REAL, rig.LADDR, "SA", 5000, 1001 + DELTA, options=[("WScale", 3)])
    run = play(made, [*opened, accepted, tcp(REAL, rig.LADDR, "A", 5001, 1001 + DELTA, window=100)])
    return [run.packet(1)[TCP].window, run.packet(len(run.sent))[TCP].window, len(run.sent)]


def scaled(switch: str) -> int:
    return proxied(switch, "wscale = 1")[1]


def errors_about_a_long_datagram(switch: str) -> int:
    more = '[[route]]\nto = "192.168.100.2/32"\nmtu = 576\n[[route]]\nto = "0.0.0.0/0"\n'
    made = setup(switch, more=more, mode="nat", protocol="udp")
    return len(play(made, [udp(CLIENT, VIP, b"x" * 600, flags="DF")]).sent)


def mtu_of_an_error(switch: str) -> int:
    far = "[2001:db8:2:1::2]:80"
    more = '[[route]]\nto = "2001:db8:2::/48"\nmtu = 1280\n[[route]]\nto = "::/0"\n'
    made = setup(switch, more=more, mode="dr", vip=VIP6, reals=(far,))
    run = play(made, [syn(CLIENT6, VIP6), tcp(CLIENT6, VIP6, "A", 1001, 1, b"x" * 1300)])
    return int(run.packet(2)[ICMPv6PacketTooBig].mtu)


def port_in_a_datagram(switch: str) -> int:
    sent = play(setup(switch, vip=VIP6, protocol="udp"), [udp(CLIENT6, VIP6)]).packet(1)[IP]
    return int.from_bytes(bytes(sent[Raw])[6:8])


def syn_to_a_service_that_hashes_ports(switch: str) -> list[str]:
    return play(setup(switch, "mh_port = true", scheduler="mh"), [syn(CLIENT, VIP)]).verdicts


def rules_of_a_bond_of_three(switch: str) -> int:
    made = setup(switch, device='driver = "mlx5"\nslaves = 3')
    rules = [Rule(b"\n\0\0\1", proto, 0, 0, 0, 0) for proto in (6, 17)]
    return len(holdable(made, rules)[0])


# switch: what is looked at, what v1.10.2 does, what the switch makes of it
SWITCHES: dict[str, tuple[Callable[[str], Any], Any, Any]] = {
    'start = "head"': (order, "324", "432"),
    "toa_in_syn = true": (segments_with_the_client, [False, True], [True, True]),
    "toa_prune = false": (first_option_of_a_full_header, 254, "Timestamp"),
    'bad_ack = "drop"': (wrong_cookie, ["tcp_bad_ack_rst"], ["tcp_bad_ack_drop"]),
    'conhash_spread = "edited"': (the_last_takes_more_than_its_weight, False, True),
    'whitelist = "bucket"': (a_stranger_beside_a_listed_service, ["forwarded_slow"], ["acl_whitelist"]),
    'quiescent = "service"': (after_removal, "quiescent", "forwarded_fast"),
    "udp_oneway = false": (state_of_a_datagram, "ONEWAY", "NORMAL"),
    "snat_expiry_rst = false": (resets_of_snat, 2, 0),
    'synproxy_window = "zero"': (proxied, [8192, 800, 4], [0, 800, 5]),
    "synproxy_wscale = false": (scaled, 400, 100),
    "frag_needed_sent = false": (errors_about_a_long_datagram, 1, 0),
    'too_big_mtu = "swapped"': (mtu_of_an_error, 1280, 0x00050000),
    'uoa_nat64_port = "stray"': (port_in_a_datagram, 3000, 0x2001),
    "mh_port_is_synproxy = true": (syn_to_a_service_that_hashes_ports, ["forwarded_slow"], ["synproxy_synack"]),
    "legacy_fdir = true": (rules_of_a_bond_of_three, 1, 2),
}


@pytest.mark.parametrize("switch", SWITCHES)
def test_a_switch_alone(switch: str) -> None:
    """It makes v1.10.2 do this one thing as v1.8.10 did, or older releases."""
    look, new, old = SWITCHES[switch]
    assert (look(""), look(switch)) == (new, old)


def test_every_switch_is_tried() -> None:
    """A difference that nobody looks at may as well not be there."""
    assert {switch.split(" ")[0] for switch in SWITCHES} == set(Behaviour._fields) - OF_THE_KERNEL


def test_v1_8_is_made_of_these() -> None:
    """What edition 1.8 sets beside the defaults has a value that was tried above."""
    tried = {switch.split(" = ")[0]: switch.split(" = ")[1] for switch in SWITCHES}
    new, old = EDITIONS["1.10"], EDITIONS["1.8"]
    changed = {name: value for name, value in old._asdict().items() if value != getattr(new, name)}
    assert {name: str(value).lower() for name, value in changed.items()} == {
        name: tried[name].strip('"') for name in changed
    }
