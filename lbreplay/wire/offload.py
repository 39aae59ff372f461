"""What tells that a capture was taken on a host, not on a wire: offloads of its NIC (interface 4, D 5.5).

Receive offload merges segments into frames larger than the MTU. Transmit offload leaves checksums to the NIC, so that
the capture has only the sum of the pseudo header in TCP and UDP, or no IP header checksum. It is counted, and said
once, with what becomes of it, which is for whoever knows the balancer to say. Large frames are counted all; summing
takes 35 ns a frame, so behind the first THOROUGH frames only SAMPLE of as many are, chosen by number and so the same at
any burst size.
"""

from __future__ import annotations

import numpy as np

from lbreplay.burst import I64, U8, Burst
from lbreplay.wire.fields import be16, ones_sums, overlay
from lbreplay.wire.packet import TCP, UDP

ETHERNET, TAG = 14, 4
CHECKSUM = {TCP: 16, UDP: 6}  # offset in the L4 header
THOROUGH, SAMPLE = 1 << 16, 1 << 12
RIGHT = "they leave with a right one"
PASSED = "they leave with it, as they came"
BOTH = "translated they leave with a right one, by direct routing and tunnels as they came"
CARRIED = "they leave with a wrong one, for the kernel carries over what it was given"
DROPPED = "they are dropped"
CHANCE = 1 / 1000  # share of partial checksums above which they are none by chance (one in 65536 is)
MOSTLY = 1 / 2  # of the IPv4 headers


class Offload:
    """Counts, over a whole capture, of frames that an offload made what they are. *mtu* in bytes; what becomes of wrong
    checksums of *segments* and of IP *headers*."""

    def __init__(self, mtu: int, segments: str = RIGHT, headers: str = RIGHT) -> None:
        self.mtu, self._segments_end, self._headers_end = mtu, segments, headers
        self.large = 0
        self.headers = self.wrong = 0  # IPv4 headers summed; those whose checksum is wrong
        self.segments = self.partial = 0  # TCP and UDP summed; those with a partial checksum

    def look(self, burst: Burst) -> None:
        """Count the rows of a parsed burst, before anything in it is rewritten."""
        self.large += int(np.count_nonzero(burst.length > self.mtu + ETHERNET + TAG))
        wanted = _chosen(burst.first, burst.size)
        wanted = wanted[burst.simple[wanted]]
        if not len(wanted):
            return
        four = burst.family[wanted] == 4
        rows, rows6 = wanted[four], wanted[~four]
        if len(rows):
            head = overlay(burst.buffer, 20)[_inside(burst, rows) + ETHERNET].view(np.uint8).reshape(-1, 20)
            self.headers += len(rows)
            self.wrong += int(np.count_nonzero(ones_sums(head) != 0xFFFF))
            self._segments(burst, rows, burst.flow4.take(rows, axis=0)[:, :8])
        if len(rows6):
            self._segments(burst, rows6, burst.flow6.take(np.searchsorted(burst.rows6, rows6), axis=0)[:, :32])

    def _segments(self, burst: Burst, rows: I64, addresses: U8) -> None:
        """Count those of *rows* that have the sum of their pseudo header for a checksum."""
        field = np.where(burst.proto[rows] == TCP, CHECKSUM[TCP], CHECKSUM[UDP])
        given = overlay(burst.buffer, 2)[_inside(burst, rows) + burst.l4[rows] + field].view(np.uint8).reshape(-1, 2)
        length = burst.l3_length[rows] - (burst.l4[rows] - ETHERNET)
        self.segments += len(rows)
        self.partial += int(np.count_nonzero(be16(given, 0) == ones_sums(addresses, burst.proto[rows] + length)))

    def warnings(self) -> list[str]:
        """A sentence for each kind that was met."""
        said = []
        if self.large:
            said.append(f"{self.large} frames are larger than the MTU of {self.mtu}: merged by receive offload")
        if self.partial > CHANCE * self.segments:
            of = f"{self.partial} of {self.segments} segments looked at"
            said.append(f"{of} have a partial checksum, left to transmit offload: {self._segments_end}")
        if self.wrong > MOSTLY * self.headers:
            of = f"{self.wrong} of {self.headers} IPv4 headers looked at"
            said.append(f"{of} have a wrong checksum, left to transmit offload: {self._headers_end}")
        return said


def _chosen(first: int, size: int) -> I64:
    """The rows that are looked at of a burst whose first frame has the number *first*."""
    begin = (first - 1) % THOROUGH
    if first > THOROUGH and SAMPLE <= begin <= THOROUGH - size:  # none, as of most
        return np.zeros(0, np.int64)
    number = np.arange(first - 1, first - 1 + size)
    return np.flatnonzero((number < THOROUGH) | (number % THOROUGH < SAMPLE))


def _inside(burst: Burst, rows: I64) -> I64:
    """Where frames would begin if they had no tag."""
    inside: I64 = burst.at[rows] + TAG * (burst.tag[rows] > 0)
    return inside
