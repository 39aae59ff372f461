"""A balancer as in the recorded cases: one port, one virtual address, a gateway and a real server, both families."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from typing import Any

import pytest

from lbreplay.model import Device, Endpoint, Neighbor, Network, Route, Service, Setup
from lbreplay.stack import Stack
from lbreplay.wire import craft
from lbreplay.wire.packet import ETH_IPV4, ETH_IPV6, Packet

MAC = bytes.fromhex("027063617000")
GATEWAY_MAC = bytes.fromhex("020000000001")


def ip(text: str) -> bytes:
    return ipaddress.ip_address(text).packed


def net(text: str) -> Network:
    interface = ipaddress.ip_interface(text)
    return Network(interface.packed, interface.network.prefixlen)


DEVICE: dict[str, Any] = {
    "mac": MAC,
    "address": (net("192.168.100.10/24"), net("2001:db8:2::10/64")),
    "rx_ip_checksum_offload": False,
}
SERVICES = (
    Service("web", 6, Endpoint(ip("10.0.0.100"), 80), laddr=(ip("192.168.100.200"),)),
    Service("web6", 6, Endpoint(ip("2001:db8:1::100"), 80), laddr=(ip("2001:db8:2::200"),)),
)
ROUTES = (Route(net("0.0.0.0/0"), ip("192.168.100.1")), Route(net("::/0"), ip("2001:db8:2::1")))
NEIGHBORS = (Neighbor(ip("192.168.100.1"), GATEWAY_MAC), Neighbor(ip("2001:db8:2::1"), GATEWAY_MAC))


@pytest.fixture
def make_stack() -> Callable[..., Stack]:
    """make_stack(device={...}, **fields of Setup) -> Stack"""

    def make(device: dict[str, Any] | None = None, **fields: Any) -> Stack:
        given = {"services": SERVICES, "routes": ROUTES, "neighbors": NEIGHBORS, **fields}
        return Stack(Setup(device=Device(**{**DEVICE, **(device or {})}), **given))

    return make


@pytest.fixture
def stack(make_stack: Callable[..., Stack]) -> Stack:
    return make_stack()


@pytest.fixture
def received() -> Callable[..., Packet]:
    """received(l3, dst=MAC, src=GATEWAY_MAC, tag=None, cut=0, padding=b"") -> Packet; l3 may be a hex string."""

    def make(l3: bytes | str, dst: bytes = MAC, src: bytes = GATEWAY_MAC, tag: int | None = None, cut: int = 0,
             padding: bytes = b"", ethertype: int | None = None) -> Packet:  # fmt: skip
        body = bytes.fromhex(l3) if isinstance(l3, str) else bytes(l3)
        kind = ethertype or (ETH_IPV6 if body[:1] and body[0] >> 4 == 6 else ETH_IPV4)
        frame = craft.ethernet(dst, src, kind, body, tag) + padding
        return Packet(frame[: len(frame) - cut], len(frame))

    return make
