"""Frames of a capture made fewer and shorter: by number, by flow, by bytes of payload, by time between them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lbreplay.burst import Burst
from lbreplay.lab.fields import Frame
from lbreplay.loop.parse import parse
from lbreplay.wire import checksum
from lbreplay.wire.capture import CaptureInfo, open_capture, open_sink
from lbreplay.wire.length import set_length
from lbreplay.wire.packet import ETH_VLAN, SCTP, TCP, UDP, Packet

Numbers = NDArray[np.int64]  # of frames, from 1, ascending
GAP_NS = 1_000_000  # what a pause that does not matter becomes
MIX = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xC2B2AE3D27D4EB4F)  # odd numbers that mix bits well


class Cut:
    """A capture of which frames are kept by number. `flow` has a number for each frame: equal in both directions."""

    def __init__(self, path: Path) -> None:
        self.path = path
        found: list[Any] = [np.zeros(0, np.uint64)]
        with open_capture(str(path)) as source:
            self.info: CaptureInfo = source.info
            for burst in source.bursts(4096):
                parse(burst, None, False)
                found.append(_flows(burst))
        self.flow: Numbers = np.unique(np.concatenate(found), return_inverse=True)[1].astype(np.int64)
        self.size = len(self.flow)

    def write(self, numbers: Numbers, target: Path) -> None:
        """The frames of these numbers as a capture."""
        kept = np.zeros(self.size + 1, np.bool_)
        kept[numbers] = True
        with open_capture(str(self.path)) as source, open_sink(str(target), source.info) as sink:
            for burst in source.bursts(4096):
                burst.leaving[:] = kept[burst.first : burst.first + burst.size]
                sink.write(burst)

    def of_flows(self, flows: Sequence[int], numbers: Numbers) -> Numbers:
        """Those of *numbers* that belong to *flows*."""
        return numbers[np.isin(self.flow[numbers - 1], np.asarray(flows, np.int64))]

    def recent(self, numbers: Numbers) -> list[int]:
        """The flows of *numbers*, the one that spoke last first."""
        flows, last = np.unique(self.flow[numbers - 1][::-1], return_index=True)
        found: list[int] = flows[np.argsort(last, kind="stable")].tolist()
        return found


def _flows(burst: Burst) -> NDArray[np.uint64]:
    """A number for the flow of each row; frames that are not IP by their MACs and ethertype."""
    ends = np.zeros((burst.size, 2, 8), np.uint8)
    ends[:, 0, 2:6], ends[:, 0, 6:] = burst.flow4[:, 0:4], burst.flow4[:, 8:10]
    ends[:, 1, 2:6], ends[:, 1, 6:] = burst.flow4[:, 4:8], burst.flow4[:, 10:12]
    numbers = ends.view(">u8")[:, :, 0].astype(np.uint64)
    for row, flow in zip(burst.rows6.tolist(), burst.flow6, strict=True):
        sides = flow[:16].tobytes() + flow[32:34].tobytes(), flow[16:32].tobytes() + flow[34:36].tobytes()
        numbers[row] = [_digest(side) for side in sides]
    for row in np.flatnonzero(burst.family == 0).tolist():
        frame = burst.frame(row)
        numbers[row] = [_digest(frame[:6]), _digest(frame[6:14])]
    numbers.sort(axis=1)
    mixed: NDArray[np.uint64] = numbers[:, 0] * MIX[0] ^ (numbers[:, 1] + burst.proto) * MIX[1]
    return mixed


def _digest(side: bytes) -> int:
    return int.from_bytes(hashlib.blake2b(side, digest_size=8).digest())


def payload_size(frame: Frame) -> int:
    """Bytes of payload that `shortened` can take away: of whole TCP and UDP packets, and SCTP behind its first chunk
    header."""
    packet = _packet(frame)
    head = _header(packet)
    whole = packet.complete and not packet.is_fragment and head and packet.l4_there >= head
    return packet.l3_length - packet.l4_at - head if whole else 0


def shortened(frame: Frame, keep: int) -> Frame:
    """The frame with *keep* bytes of payload; lengths follow, and checksums that were right are right again."""
    packet = _packet(frame)
    right = checksum.verify_l4(packet.l3, packet.l4_at, packet.proto)
    end = packet.l4_at + _header(packet) + keep
    l3 = bytearray(packet.l3[:end])
    set_length(l3, end)
    if packet.proto == UDP:
        l3[packet.l4_at + 4 : packet.l4_at + 6] = (end - packet.l4_at).to_bytes(2)
    checksum.ip_header(l3)
    if right and (packet.proto != UDP or any(l3[packet.l4_at + 6 : packet.l4_at + 8])):
        checksum.l4(l3, packet.l4_at, packet.proto)
    data = frame.data[: packet.l3_at] + bytes(l3)
    data = data.ljust(min(60, len(frame.data)), b"\0")
    return frame._replace(data=data, length=len(data))


def _packet(frame: Frame) -> Packet:
    packet = Packet(frame.data, frame.length)
    if packet.ethertype == ETH_VLAN and len(frame.data) >= 18:
        packet.untag()
    return packet


def _header(packet: Packet) -> int:
    """Bytes of the L4 header that stays; 0: nothing can be taken away."""
    if packet.proto == TCP and packet.l4_there >= 20:
        return packet.tcp_header_length if packet.tcp_header_length >= 20 else 0
    return {UDP: 8, SCTP: 16}.get(packet.proto, 0)


def pauses(frames: Sequence[Frame]) -> list[int]:
    """Indices of the frames that come later than GAP_NS after the one before."""
    return [n for n in range(1, len(frames)) if frames[n].time_ns - frames[n - 1].time_ns > GAP_NS]


def hurried(frames: Sequence[Frame], kept: Sequence[int]) -> list[Frame]:
    """The frames with all pauses but those before the frames *kept* cut to GAP_NS."""
    return list(_hurried(frames, set(kept)))


def _hurried(frames: Sequence[Frame], kept: set[int]) -> Iterator[Frame]:
    saved = 0
    for n, frame in enumerate(frames):
        gap = frame.time_ns - frames[n - 1].time_ns if n else 0
        if gap > GAP_NS and n not in kept:
            saved += gap - GAP_NS
        yield frame._replace(time_ns=frame.time_ns - saved)
