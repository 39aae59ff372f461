"""The protocols whose connections have states, by protocol number: one table of states a file (D 5, 7, 8)."""

from __future__ import annotations

from lbreplay.lvs.protocols import sctp, tcp, udp
from lbreplay.lvs.protocols.table import Protocol
from lbreplay.model import Behaviour

__all__ = ["PROTOCOLS", "Protocol", "protocols"]

PROTOCOLS: dict[int, Protocol] = {
    tcp.TCP.number: tcp.TCP,
    udp.UDP.number: udp.UDP,
    sctp.SCTP.number: sctp.SCTP,
}


def protocols(behaviour: Behaviour) -> dict[int, Protocol]:
    """The protocols of a release: without `udp_oneway` a UDP connection is NORMAL from its first datagram on."""
    return PROTOCOLS if behaviour.udp_oneway else PROTOCOLS | {udp.UDP.number: udp.ALWAYS_NORMAL}
