"""sh and dh: a bucket by the client's or the virtual address, dealt out to the real servers in turn (L 13).

The hash, and who is asked, is loop/hashed.py; kernels differ in constant and in which bits they take (edition `fold`).
A bucket whose owner cannot take the connection gives nobody; sh-fallback tries the others, sh-port counts the client's
port in.
"""

from __future__ import annotations

from collections.abc import Container, Iterator
from itertools import islice, repeat
from typing import TYPE_CHECKING

import numpy as np

from lbreplay.loop.hashed import SIZE, Buckets
from lbreplay.lvs.schedulers.order import picked

if TYPE_CHECKING:
    from lbreplay.ipvs.dest import Dest, Serving
    from lbreplay.lvs.flow import Flow


class DestinationHash:
    """dh: one bucket for each real server in turn; weights do not count."""

    def __init__(self, service: Serving) -> None:
        self._service = service
        self.rule = self._buckets(service.edition.fold == "low", service.service.flags)

    def _buckets(self, low: bool, flags: Container[str]) -> Buckets:
        return Buckets(low, by_dest=True)

    def changed(self, dest: Dest | None = None) -> None:
        row = np.fromiter(islice(self._row(self._service.dests), SIZE), np.int32)
        self.owners = np.resize(row, SIZE if len(row) else 0)
        self.rule.deal(self.owners.data)

    def _row(self, dests: list[Dest]) -> Iterator[int]:
        """Positions of real servers, as buckets are dealt out to them again and again."""
        yield from range(len(dests))

    def pick(self, flow: Flow) -> Dest | None:
        return picked(self.rule, self._service.dests, flow)


class SourceHash(DestinationHash):
    """sh: as many buckets in a row as the weight says, at least one."""

    def _buckets(self, low: bool, flags: Container[str]) -> Buckets:
        return Buckets(low, with_port="sh-port" in flags, fallback="sh-fallback" in flags)

    def _row(self, dests: list[Dest]) -> Iterator[int]:
        weighted = self._service.edition.sh_weights
        for at, dest in enumerate(dests):
            yield from repeat(at, max(dest.weight, 1) if weighted else 1)
