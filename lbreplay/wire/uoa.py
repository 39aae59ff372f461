"""UOA: the client's address in the first datagrams of a UDP connection (D 7.4).

    opp   a private header between IP and UDP, protocol 248:  family and flags, 17, length | 31, len, port, address
    ipo   the first IP option of an IPv4 packet:              31, 8, port, address
    alone a datagram without payload that carries one of them, sent before the original when that has no room

It is put in before addresses and ports are translated, so `l4_at` moves; lengths and protocol are right afterwards,
checksums are the caller's: over IPv4 a datagram with an OPP header leaves with UDP checksum 0 (D 7.3).
"""

from __future__ import annotations

from struct import pack
from typing import NamedTuple

from lbreplay.model import Endpoint
from lbreplay.wire import checksum
from lbreplay.wire.craft import ipv4, ipv6
from lbreplay.wire.length import Bytes, grow, total_length
from lbreplay.wire.packet import UDP

OPP, IPO = 248, 31  # protocol of the private header; type of the UOA and of the IP option
OPP_SIZE = {4: 12, 16: 24}  # bytes added, by the length of the client's address
IPO_SIZE = 8
IP_MAX = 60
EMPTY_UDP = 8


class Uoa(NamedTuple):
    """A datagram with the client's address: its bytes, where UDP begins now, bytes added (0: nothing inserted)."""

    l3: bytearray
    l4_at: int
    added: int


def uoa_field(client: Endpoint) -> bytes:
    """Type 31, length 8 or 20, port and address in network order: the IP option, and what an OPP header carries."""
    return bytes((IPO, 4 + len(client.address))) + client.port.to_bytes(2) + client.address


def opp_header(client: Endpoint) -> bytes:
    """The private header: 0x10 (IPv4) or 0x20 (IPv6), protocol 17, length of the whole, then the UOA field."""
    size = OPP_SIZE[len(client.address)]
    return pack(">BBH", 0x10 if size == 12 else 0x20, UDP, size) + uoa_field(client)


def size_of(mode: str, client: Endpoint) -> int:
    """Bytes *mode* adds for *client*: 0 when nothing is inserted at all (`ipo` and an IPv6 client)."""
    if mode == "opp":
        return OPP_SIZE[len(client.address)]
    return IPO_SIZE if len(client.address) == 4 else 0


def has_room(l3: Bytes, l4_at: int, mode: str, client: Endpoint, mtu: int) -> bool:
    """Whether the address goes into the datagram itself; otherwise one of its own precedes it.

    Under NAT64 the length tested is that of the IPv6 packet as received.
    """
    if total_length(l3) + size_of(mode, client) > mtu:
        return False
    if l3[0] >> 4 == 6:
        return l4_at == 40
    return mode == "opp" or (l3[0] & 15) * 4 + IPO_SIZE <= IP_MAX


def insert(l3: Bytes, l4_at: int, mode: str, client: Endpoint) -> Uoa:
    """Put the client's address into a datagram that has room for it."""
    packet = bytearray(l3)
    added = size_of(mode, client)
    if mode == "opp":
        packet[l4_at:l4_at] = opp_header(client)
        packet[9 if packet[0] >> 4 == 4 else 6] = OPP
    elif added:
        packet[20:20] = uoa_field(client)
        packet[0] += added // 4
    if added:
        grow(packet, added)
    return Uoa(packet, l4_at + added, added)


def alone(l3: Bytes, mode: str, client: Endpoint, src: Endpoint, dst: Endpoint, ident: int) -> bytes:
    """The datagram that only carries the address, from *src* to *dst* (translated already), before *l3* (as received).

    TTL and TOS of *l3*; under NAT64 those are its bytes 8 and 1, as DPVS takes them. No DF, UDP checksum 0 over IPv4.
    """
    udp = pack(">HHHH", src.port, dst.port, EMPTY_UDP, 0)
    if len(src.address) == 16:
        return _alone_v6(l3, udp, client, src.address, dst.address)
    if mode == "opp":
        return bytes(ipv4(src.address, dst.address, OPP, opp_header(client) + udp, tos=l3[1], ident=ident, ttl=l3[8]))
    packet = ipv4(src.address, dst.address, UDP, udp, tos=l3[1], ident=ident, ttl=l3[8])
    packet = insert(packet, 20, "ipo", client).l3
    checksum.ip_header(packet)
    return bytes(packet)


def _alone_v6(l3: Bytes, udp: bytes, client: Endpoint, src: bytes, dst: bytes) -> bytes:
    flow = int.from_bytes(l3[0:4]) & 0x0FFFFFFF
    packet = ipv6(src, dst, OPP, opp_header(client) + udp, hops=l3[7], flow=flow)
    checksum.l4(packet, len(packet) - EMPTY_UDP, UDP)
    return bytes(packet)


def stray_client(l3: Bytes, client: Endpoint, *, alone: bool) -> Endpoint:
    """The client as v1.8 writes it under NAT64 (behaviour.uoa_nat64_port "stray", D 15).

    Its port field comes from the IPv6 header: the first two bytes of the destination, or in a stand-alone datagram
    the first two of the header.
    """
    at = 0 if alone else 24
    return Endpoint(client.address, int.from_bytes(l3[at : at + 2]))
