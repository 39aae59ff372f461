"""What schedulers see of a packet and of a service."""

from __future__ import annotations

from lbreplay.lvs.flow import Flow


def test_a_flow_is_told_by_its_ends_alone() -> None:
    """Two first packets of one tuple are one flow to a scheduler; the payload is there for QUIC only."""
    ends = (bytes((192, 0, 2, 1)), 1024, bytes((198, 51, 100, 1)), 443, 17)
    assert Flow(*ends) == Flow(*ends)
    assert Flow(*ends).payload == b""
    assert Flow(*ends, payload=b"id") != Flow(*ends)
