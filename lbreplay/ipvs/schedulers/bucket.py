"""sh and dh: a bucket by the client's or the virtual address, dealt out to the real servers in turn (L 13).

`multiplied` is the hash; kernels differ in constant and in which bits they take (edition `fold`). A bucket whose owner
cannot take the connection gives nobody; sh-fallback tries the others, sh-port counts the client's port in.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lbreplay.lvs.hashes import M32, fold

if TYPE_CHECKING:
    from lbreplay.ipvs.dest import Dest, Serving
    from lbreplay.lvs.flow import Flow

BITS = 8
BUCKETS = 1 << BITS
KNUTH, GOLDEN = 2654435761, 0x61C88647


def multiplied(value: int, bits: int, part: str) -> int:
    """A bucket of *bits* bits for *value*: the high part by the golden ratio, or the low part by Knuth's number."""
    if part == "low":
        return value * KNUTH & (1 << bits) - 1
    return (value * GOLDEN & M32) >> 32 - bits


class DestinationHash:
    """dh: one bucket for each real server in turn; weights do not count."""

    def __init__(self, service: Serving) -> None:
        self._service = service
        self._buckets: list[Dest] = []

    def changed(self, dest: Dest | None = None) -> None:
        dests = self._service.dests
        self._buckets = [dests[n % len(dests)] for n in range(BUCKETS)] if dests else []

    def pick(self, flow: Flow) -> Dest | None:
        if not self._buckets:
            return None
        owner = self._buckets[multiplied(fold(flow.dst), BITS, self._service.edition.fold)]
        return owner if owner.valid else None


class SourceHash:
    """sh: as many buckets in a row as the weight says, at least one."""

    def __init__(self, service: Serving) -> None:
        self._service = service
        self._with_port = "sh-port" in service.service.flags
        self._fallback = "sh-fallback" in service.service.flags
        self._buckets: list[Dest] = []

    def changed(self, dest: Dest | None = None) -> None:
        weighted = self._service.edition.sh_weights
        row = [d for d in self._service.dests for _ in range(max(d.weight, 1) if weighted else 1)]
        self._buckets = [row[n % len(row)] for n in range(BUCKETS)] if row else []

    def pick(self, flow: Flow) -> Dest | None:
        if not self._buckets:
            return None
        home = self._bucket(flow, 0)
        if self._buckets[home].valid:
            return self._buckets[home]
        offsets = ((offset + home) % BUCKETS for offset in range(BUCKETS if self._fallback else 0))
        others = (self._buckets[self._bucket(flow, offset)] for offset in offsets)
        return next((dest for dest in others if dest.valid), None)

    def _bucket(self, flow: Flow, offset: int) -> int:
        value = fold(flow.src) + (flow.sport if self._with_port else 0) & M32
        return offset + multiplied(value, BITS, self._service.edition.fold) & BUCKETS - 1
