"""Outer headers of every kind of tunnel, beside what the plain path puts before a packet (L 9)."""

from __future__ import annotations

import craft
import pytest
import twins
from kernel import CLIENT, VIP, Kernel, real, service

VIP6, REAL6, CLIENT6 = "[2001:db8:1::9]:80", "[2001:db8:2::2]:80", "[2001:db8:c::1]:40000"
TUNNELS = [
    {"type": kind, "checksum": summed} | ({"port": 6080} if kind == "gue" else {})
    for kind in ("ipip", "gue", "gre")
    for summed in (False, True)
]
SIZES = {"ipip": 0, "gue": 12, "gre": 4}


@pytest.mark.parametrize("edition", ["6.1", "6.1.192"])
@pytest.mark.parametrize("tunnel", TUNNELS, ids=lambda tunnel: f"{tunnel['type']} {tunnel['checksum']}")
@pytest.mark.parametrize(
    ("vip", "end", "client"), [(VIP, "10.1.0.11:80", CLIENT), (VIP6, REAL6, CLIENT6)], ids=["IPv4", "IPv6"]
)
def test_what_stands_before_a_packet(tunnel: dict[str, object], vip: str, end: str, client: str, edition: str) -> None:
    """Of odd and even lengths, of many flows; none takes the plain path."""
    frames = [craft.syn(client, vip), craft.tcp(client, vip, "PA", 1, 1, b"odd"), craft.tcp(client, vip, "A")]
    frames += [craft.syn(client.replace("40000", str(port)), vip) for port in (1, 80, 65535)]
    setup = Kernel(service(real(end, tunnel=tunnel), vip=vip, mode="tunnel"), edition=edition).setup
    assert twins.both(setup, frames)[1] == set()
    _, (burst,) = twins.driven(setup, frames)
    more = SIZES[str(tunnel["type"])] + (4 if tunnel["type"] == "gre" and tunnel["checksum"] else 0)
    assert len(burst.frame(0)) == len(frames[0]) + (40 if vip == VIP6 else 20) + more


def test_another_tunnel_to_the_same_real_server() -> None:
    """It comes back from the trash with other headers: packets before that have the old ones, in one burst."""
    ends = "service.web.real.10.1.0.11:80"
    events = f'[[event]]\nat = 0.0025\nremove = "{ends}"\n[[event]]\nat = 0.0035\nadd = "service.web.real"\n'
    events += 'value = { address = "10.1.0.11:80", tunnel = { type = "gre" } }'
    setup = Kernel(service(real("10.1.0.11:80"), mode="tunnel"), events).setup
    frames = [craft.syn(CLIENT.replace("40000", str(port)), VIP) for port in range(1, 8)]
    plain, _ = twins.both(setup, frames)
    assert {"tunnel_forwarded"} < set(plain.verdicts)
