"""The balancer that generated conversations talk through: a replay that is fed frame by frame.

What it receives is the capture in the making; what leaves because of a frame is heard at once, so that clients and real
servers can answer it. View `lb` keeps what left too, as the port of a real balancer would show it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from lbreplay.burst import PAD, RECORD, Burst
from lbreplay.errors import CaptureError
from lbreplay.journey import Replay
from lbreplay.lab.fields import Frame
from lbreplay.lab.gen import frames
from lbreplay.model import Setup
from lbreplay.verdict import NAMES
from lbreplay.wire import craft
from lbreplay.wire.capture import CaptureInfo
from lbreplay.wire.packet import ETH_ARP, ICMPV6, Packet

START_NS = 1_700_000_000_000_000_000
GAP_NS = 1_000_000  # between two frames
SECOND = 1_000_000_000
ETHERNET, SNAPLEN = 1, 262_144
PORT_MAC = bytes.fromhex("027063617000")
CLIENT_MAC, REAL_MAC = bytes.fromhex("020000000c01"), bytes.fromhex("020000000501")
INFO = CaptureInfo("generated", "pcap", ETHERNET, True, SNAPLEN)


class Fed:
    """The source of a replay that is fed by hand: see `replay.Source`."""

    info = INFO
    frames = bytes = first_ns = last_ns = 0
    damage: CaptureError | None = None

    def __init__(self) -> None:
        self.warnings: list[str] = []

    def lent(self, size: int) -> Any:
        raise AssertionError("frames are handed over one by one")


class Heard(NamedTuple):
    """A packet that left: from its IP header on, at most its own length; `frame` as it was sent."""

    frame: bytes
    l3: bytes


class Stage:
    """A balancer under *setup*, and the capture of what it received. `verdicts` are those of the frames, in order."""

    def __init__(self, setup: Setup, view: str) -> None:
        self.setup, self.view = setup._replace(view="rx" if view == "lb" else view), view
        self.now = START_NS
        self.received = 0
        self.capture: list[Frame] = []
        self.verdicts: list[str] = []
        self.left: list[Heard] = []  # because of the frame before
        self.mute = False  # nobody answers the balancer's questions for MACs
        self._run = Replay(self.setup, Fed(), None, None)
        self._local = own_addresses(setup)
        self._asked = setup.device.resolve

    def wait(self, seconds: float) -> None:
        """Let time pass."""
        self.now += round(seconds * SECOND)

    def until(self, seconds: float) -> None:
        """Let time pass until *seconds* behind the first frame, if that is yet to come."""
        self.now = max(self.now, START_NS + round(seconds * SECOND))

    @property
    def seconds(self) -> float:
        """Since the first frame."""
        return (self.now - START_NS) / SECOND

    def packet(self, l3: bytes, src_mac: bytes = CLIENT_MAC, *, tag: int | None = None) -> list[Heard]:
        """Receive an IP packet, sent to the port; what leaves because of it."""
        return self.frame(frames.frame(l3, self.setup.device.mac or PORT_MAC, src_mac, tag))

    def frame(self, frame: bytes, length: int = 0) -> list[Heard]:
        """Receive *frame*, *length* bytes on the wire; what leaves because of it."""
        length = length or len(frame)
        self.received += 1
        burst = _burst(self.received, self.now, frame, length)
        self.capture.append(Frame(self.received, self.now, frame, length))
        self._run.journey(burst)
        self.verdicts.append(NAMES[int(burst.verdict[0])])
        sent = [made.frame for made in burst.made] + ([burst.frame(0)] if burst.leaving[0] else [])
        if self.view == "lb":
            self.capture += [Frame(0, self.now, one, len(one)) for one in sent if self._is_own(one)]
        self.now += GAP_NS
        left = [Heard(one, Packet(one, len(one)).l3) for one in sent]
        if self._asked and not self.mute:
            for one in left:
                self._tell_mac(one)
        self.left = left
        return left

    def _is_own(self, frame: bytes) -> bool:
        """Whether the view `lb` will tell this frame as the balancer's own, by its source (interface 3)."""
        packet = Packet(frame, len(frame))
        if self.setup.profile == "ipvs":
            return any(s.protocol == packet.proto and s.vip == (packet.src, packet.sport) for s in self.setup.services)
        return packet.family != 0 and packet.src in self._local

    def _tell_mac(self, heard: Heard) -> None:
        """The neighbour that a frame asks for answers."""
        packet = Packet(heard.frame, len(heard.frame))
        if packet.ethertype == ETH_ARP and packet.frame[packet.l3_at + 7] == 1:
            self.frame(craft.arp_reply(heard.frame, REAL_MAC, packet.l3_at))
        elif packet.proto == ICMPV6 and packet.l3[packet.l4_at] == craft.NEIGHBOR_SOLICIT:
            target = packet.l3[packet.l4_at + 8 : packet.l4_at + 24]
            self.packet(craft.neighbor_advertisement(target, packet.src, target, REAL_MAC), REAL_MAC)


def own_addresses(setup: Setup) -> frozenset[bytes]:
    """Every address of the balancer (interface 2, "what is local")."""
    device = setup.device
    port = {n.address for n in (*device.address, *(n for vlan in device.vlan for n in vlan.address))}
    virtual = {s.vip.address for s in setup.services if s.vip is not None}
    return frozenset(port | virtual | set(setup.local_addresses))


def _burst(n: int, time_ns: int, frame: bytes, length: int) -> Burst:
    """One frame as a burst."""
    buffer = np.frombuffer(bytearray(bytes(RECORD) + frame + bytes(PAD)), np.uint8)
    column: Callable[[int], Any] = lambda value: np.array([value], np.int64)  # noqa: E731
    return Burst.of(n, buffer, column(RECORD), column(len(frame)), column(length), column(time_ns))
