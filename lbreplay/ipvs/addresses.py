"""What the stack makes of a packet's addresses before it looks for a route (L 3, L 10, recorded).

The tests stand in the order of the kernel's routing; the first that fits decides. 240/4 is ordinary unicast, of the
groups only 224.0.0.1 has a member, and the highest address of a network of the port is everybody there. The lowest was
that too in 2.6 (edition `lowest`); in 6.1 it is an address on link, and no neighbour answers for it.
"""

from __future__ import annotations

from collections.abc import Callable

from lbreplay.model import Device, Network
from lbreplay.verdict import Verdict
from lbreplay.wire.packet import Packet

ALL_HOSTS, EVERYBODY, NOBODY = bytes((224, 0, 0, 1)), b"\xff" * 4, bytes(4)
THIS, LOOPBACK, GROUPS, GROUP_V6 = 0, 127, range(224, 240), 0xFF  # first byte of an address
LONGEST = 30  # prefix of the smallest network with a broadcast address


def is_group(address: bytes) -> bool:
    """Whether *address* is multicast."""
    return address[0] == GROUP_V6 if len(address) == 16 else address[0] in GROUPS


class Addresses:
    """The addresses of the port and its VLAN devices, beyond those that are local."""

    def __init__(self, device: Device, is_local: Callable[[bytes, int | None], bool], lowest: str) -> None:
        self._is_local = is_local
        owned = {None: device.address} | {vlan.id: vlan.address for vlan in device.vlan}
        self._all = {vlan: _ends(addresses, -1) for vlan, addresses in owned.items()}
        first = {vlan: _ends(addresses, 0) for vlan, addresses in owned.items()}
        if lowest == "broadcast":
            self._all = {vlan: hosts | first[vlan] for vlan, hosts in self._all.items()}
        self._deserted = frozenset() if lowest == "broadcast" else frozenset().union(*first.values())

    def to_many(self, dst: bytes, vlan: int | None = None) -> bool:
        """A group, everybody, or everybody of a network of the port."""
        return is_group(dst) or dst == EVERYBODY or dst in self._all.get(vlan, ())

    def ends(self) -> frozenset[bytes]:
        """The first and last addresses of the networks of the port."""
        return self._deserted.union(*self._all.values())

    def deserted(self, dst: bytes) -> bool:
        """On link, but nobody's: its neighbour never answers."""
        return dst in self._deserted

    def refused(self, packet: Packet) -> Verdict | None:
        """Why a packet with these addresses goes nowhere; None: it may go on."""
        src, dst = packet.src, packet.dst
        if packet.family == 6:
            return Verdict.MARTIAN_SOURCE if is_group(src) or self._is_local(src, packet.vlan) else None
        if is_group(dst) and dst != ALL_HOSTS:
            return Verdict.MARTIAN_DEST
        if is_group(src) or src == EVERYBODY or self._is_local(src, packet.vlan):
            return Verdict.MARTIAN_SOURCE
        if dst == EVERYBODY or (src == NOBODY and dst in (NOBODY, ALL_HOSTS)):
            return None
        if src[0] == THIS or src[0] == LOOPBACK != dst[0]:
            return Verdict.MARTIAN_SOURCE
        return Verdict.MARTIAN_DEST if dst[0] in (THIS, LOOPBACK) else None


def _ends(addresses: tuple[Network, ...], which: int) -> frozenset[bytes]:
    """The lowest (0) or highest (-1) address of each network of IPv4 that has hosts between them."""
    found = set()
    for network in addresses:
        if len(network.address) == 4 and network.prefix <= LONGEST:
            hosts = (1 << 32 - network.prefix) - 1
            low = int.from_bytes(network.address) & ~hosts
            found.add((low | hosts if which else low).to_bytes(4))
    return frozenset(found)
