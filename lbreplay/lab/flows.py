"""A flow as people write it, `10.0.0.5:4000 > 192.0.2.10:80`, and its frames in a capture.

ICMP has no ports: a connection's tuple holds its identifier on the asking side, type and code on the other (D 9.2), and
`10.0.0.5 > 192.0.2.10 icmp type 8 code 0 id 7` is how that is written.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from lbreplay.burst import KIND_SCTP, KIND_TCP, KIND_UDP, Burst
from lbreplay.config.values import endpoint
from lbreplay.errors import CaptureError, ConfigError
from lbreplay.loop.parse import parse
from lbreplay.model import Endpoint, Setup
from lbreplay.nic.cards import judging
from lbreplay.wire.capture import open_capture
from lbreplay.wire.icmp import REQUEST_OF
from lbreplay.wire.packet import ICMP, ICMPV6

NAMES = {ICMP: "icmp", ICMPV6: "icmpv6"}
PARSED = {6: KIND_TCP, 17: KIND_UDP, 132: KIND_SCTP}
KINDS = {"tcp": KIND_TCP, "udp": KIND_UDP, "sctp": KIND_SCTP}
WRITTEN = re.compile(r"\s*(?:(tcp|udp|sctp)\s+)?(\S+?)\s*(?:>|->)\s*(\S+)\s*")


class Flow(NamedTuple):
    """One direction of a conversation; `kind` 0 stands for any protocol with ports."""

    kind: int
    source: Endpoint
    dest: Endpoint

    @classmethod
    def both(cls, proto: int, one: Endpoint, other: Endpoint) -> tuple[Flow, Flow]:
        """The directions of a conversation of protocol number *proto*."""
        kind = PARSED.get(proto, 0)
        return cls(kind, one, other), cls(kind, other, one)

    def __str__(self) -> str:
        name = next((f"{name} " for name, kind in KINDS.items() if kind == self.kind), "")
        return f"{name}{self.source} > {self.dest}"

    def rows(self, burst: Burst) -> list[int]:
        """The rows of *burst* that belong to it."""
        family, flows = (6, burst.wide) if len(self.source.address) == 16 else (4, burst.flow4)
        ports = self.source.port.to_bytes(2) + self.dest.port.to_bytes(2)
        wanted = np.frombuffer(self.source.address + self.dest.address + ports, np.uint8)
        rows = np.flatnonzero((flows == wanted).all(axis=1) & (burst.family == family))
        kinds = burst.kind[rows]
        found: list[int] = rows[(kinds == self.kind) if self.kind else (kinds >= KIND_TCP)].tolist()
        return found


def between(proto: int, source: Endpoint, dest: Endpoint) -> str:
    """What goes from one end of a connection to the other."""
    if proto not in NAMES:
        return f"{source} > {dest}"
    ends = " > ".join(str(ipaddress.ip_address(end.address)) for end in (source, dest))
    return f"{ends} {message(proto, source.port, dest.port)}"


def message(proto: int, source: int, dest: int) -> str:
    """What stands for the ports of ICMP; where both look like a request's type, the destination's is it."""
    requests = REQUEST_OF[proto].values()
    kind, ident = (source, dest) if source >> 8 in requests and dest >> 8 not in requests else (dest, source)
    return f"{NAMES[proto]} type {kind >> 8} code {kind & 255} id {ident}"


def flow_text(key: bytes) -> str:
    """The flow of a key of the connection tables."""
    width = (len(key) - 5) // 2
    source = Endpoint(key[1 : 1 + width], int.from_bytes(key[-4:-2]))
    return between(key[0], source, Endpoint(key[1 + width : 1 + 2 * width], int.from_bytes(key[-2:])))


def flow(text: str) -> Flow:
    """Read a flow: `ADDRESS:PORT > ADDRESS:PORT`, before it tcp, udp or sctp where that matters. ConfigError."""
    found = WRITTEN.fullmatch(text)
    try:
        if found is None:
            raise ValueError
        source, dest = endpoint(found.group(2)), endpoint(found.group(3))
        if len(source.address) != len(dest.address):
            raise ValueError
    except ValueError:
        raise ConfigError(f'--flow: "10.0.0.5:4000 > 192.0.2.10:80" expected, got {text!r}') from None
    return Flow(KINDS.get(found.group(1) or "", 0), source, dest)


def frames_of(wanted: Flow, setup: Setup, path: str) -> list[int]:
    """The numbers of the frames of *wanted* in the capture *path*. CaptureError where there is none."""
    found: list[int] = []
    with open_capture(path) as source:
        for burst in source.lent(setup.burst_size):
            parse(burst, *judging(setup))
            found += [burst.first + row for row in wanted.rows(burst)]
    if not found:
        raise CaptureError(f"{path}: flow {wanted}: none of its frames is here")
    return found


def frames_among(wanted: Iterable[Flow], setup: Setup, path: str, before: int | None = None) -> list[int]:
    """The numbers of the frames of any of *wanted*, ascending, of those *before* a frame where it is given."""
    found: list[int] = []
    with open_capture(path) as source:
        for burst in source.lent(setup.burst_size):
            if before is not None and burst.first >= before:
                break
            parse(burst, *judging(setup))
            rows = sorted({row for flow in wanted for row in flow.rows(burst)})
            found += [burst.first + row for row in rows if before is None or burst.first + row < before]
    return found
