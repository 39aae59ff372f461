"""Who claims a virtual address by ARP: a real server of direct routing that answers for it draws the clients away.

Every such host has the virtual address on a loopback device; without arp_ignore and arp_announce it tells so. The
balancer's own answers are those of its MAC, or of the first host that claims one where that is not configured.
"""

from __future__ import annotations

from ipaddress import ip_address

import numpy as np

from lbreplay.burst import KIND_NONE, Burst
from lbreplay.journey import Replay
from lbreplay.lab.judge import FATES, Failure, Frames
from lbreplay.stats import Result
from lbreplay.verdict import Fate
from lbreplay.wire.packet import ETH_ARP, Packet

BODY = 28  # bytes of ARP for Ethernet and IPv4 (RFC 826)


class Claims:
    """The property's judge."""

    def __init__(self, run: Replay) -> None:
        setup = run.setup
        self._vips = {s.vip.address for s in setup.services if s.vip is not None}
        own = {mac for mac in (setup.device.mac, *(vlan.mac for vlan in setup.device.vlan)) if mac}
        self._owners = {vip: own for vip in self._vips if own}
        self._frames, self._what = Frames(), ""

    def see(self, burst: Burst) -> None:
        """See `Judge`."""
        unsent = (burst.kind == KIND_NONE) & (FATES[burst.verdict] != Fate.TRANSMITTED)
        rows = np.flatnonzero(unsent).tolist()
        self._frames.add([burst.first + row for row in rows if self._claims(burst.frame(row))])

    def _claims(self, frame: bytes) -> bool:
        """Whether a frame is ARP of another host about a virtual address as its own; the first one is described."""
        packet = Packet(frame, len(frame)).within()
        body = packet.frame[packet.l3_at : packet.l3_at + BODY]
        if packet.ethertype != ETH_ARP or len(body) < BODY or body[14:18] not in self._vips:
            return False
        mac, address = body[8:14], body[14:18]
        owners = self._owners.setdefault(address, {mac})
        if mac in owners:
            return False
        other = mac.hex(":")
        self._what = self._what or f"{ip_address(address)} is claimed by {other}, not by the balancer alone"
        return True

    def failure(self, result: Result) -> Failure | None:
        """See `Judge`."""
        server = "a real server with it on a loopback device needs arp_ignore = 1 and arp_announce = 2"
        cure = f"{server}; of two balancers one may be active (VRRP)"
        return self._frames.failure(f"{self._what}; {cure}")
