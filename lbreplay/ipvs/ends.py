"""What a connection is found by."""

from __future__ import annotations

from lbreplay.model import Endpoint
from lbreplay.wire.packet import AH, ESP, UDP

IKE = 500
Ends = tuple[int, Endpoint, Endpoint]  # protocol, source, destination


def ends(proto: int, source: Endpoint, dest: Endpoint) -> Ends:
    """What to look up: AH and ESP have no ports, they belong to the datagrams of their key exchange (L 3)."""
    if proto in (AH, ESP):
        return UDP, Endpoint(source.address, IKE), Endpoint(dest.address, IKE)
    return proto, source, dest
