"""Header conversion of NAT64: an IPv6 service with IPv4 real servers (D 12.5).

Addresses are translated in the same step. L4 bytes are carried over as they are; their checksum covers another pseudo
header afterwards and is the caller's. None means that DPVS cannot convert the packet, which is then lost.
"""

from __future__ import annotations

from struct import pack

from lbreplay.wire import checksum
from lbreplay.wire.craft import DONT_FRAGMENT
from lbreplay.wire.length import Bytes
from lbreplay.wire.packet import ICMPV6, SCTP, TCP, UDP

OPP = 248  # private protocol of the UOA header (D 7.4)
CONVERTIBLE = (TCP, UDP, SCTP, ICMPV6, OPP)
SHORTER = 20  # bytes a packet loses on its way to IPv4


def to_ipv4(l3: Bytes, source: bytes, dest: bytes) -> bytearray | None:
    """Client to real server: TOS 0, identification 0, DF, TTL from the hop limit. None: extension headers."""
    proto, hops = l3[6], l3[7]
    if proto not in CONVERTIBLE:
        return None
    length = int.from_bytes(l3[4:6]) + 20
    head = pack(">BBHHHBBH4s4s", 0x45, 0, length & 0xFFFF, 0, DONT_FRAGMENT, hops, proto, 0, source, dest)
    packet = bytearray(head) + l3[40:]
    checksum.ip_header(packet)
    return packet


def to_ipv6(l3: Bytes, source: bytes, dest: bytes) -> bytearray | None:
    """Real server to client: class and flow 0, hop limit from the TTL. None: IPv4 options."""
    if l3[0] != 0x45:
        return None
    length = int.from_bytes(l3[2:4]) - 20
    return bytearray(pack(">IHBB16s16s", 0x60000000, length, l3[9], l3[8], source, dest)) + l3[20:]
