"""What tells that a capture was taken on a host, not on a wire: offloads of its NIC (interface 4, D 5.5).

Receive offload merges segments into frames larger than the MTU. Transmit offload leaves checksums to the NIC, so that
the capture has only the sum of the pseudo header in TCP and UDP, or no IP header checksum. It is counted, and said
once, with what becomes of it, which is for whoever knows the balancer to say. Large frames are counted all; of the
others checksums are summed, but behind the first THOROUGH frames of SAMPLE in as many only (loop/look.py).
"""

from __future__ import annotations

from lbreplay.burst import Burst
from lbreplay.loop.look import Look

ETHERNET, TAG = 14, 4  # bytes
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
        self.found = Look(mtu + ETHERNET + TAG, THOROUGH, SAMPLE)

    def look(self, burst: Burst) -> None:
        """Count the rows of a parsed burst, before anything in it is rewritten."""
        self.found.look(burst)

    def warnings(self) -> list[str]:
        """A sentence for each kind that was met."""
        said, found = [], self.found
        if found.large:
            said.append(f"{found.large} frames are larger than the MTU of {self.mtu}: merged by receive offload")
        if found.partial > CHANCE * found.segments:
            of = f"{found.partial} of {found.segments} segments looked at"
            said.append(f"{of} have a partial checksum, left to transmit offload: {self._segments_end}")
        if found.wrong > MOSTLY * found.headers:
            of = f"{found.wrong} of {found.headers} IPv4 headers looked at"
            said.append(f"{of} have a wrong checksum, left to transmit offload: {self._headers_end}")
        return said
