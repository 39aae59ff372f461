"""What a scheduler sees: the first packet of a connection, and a service's list of real servers."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from lbreplay.loop.real import Dest
    from lbreplay.model import Service


class Flow(NamedTuple):
    """The first packet of a connection, as schedulers and match services see it. ICMP: ports are its first 4 bytes."""

    src: bytes
    sport: int
    dst: bytes
    dport: int
    proto: int
    payload: bytes = b""  # of a datagram, where QUIC ids matter


class Listed(Protocol):
    """A service with its real servers, newest first (D 10.1)."""

    service: Service
    dests: list[Dest]
