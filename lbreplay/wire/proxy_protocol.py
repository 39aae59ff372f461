"""PROXY protocol headers, v1 (text) and v2 (binary), in front of a client's first bytes (D 5.8).

A service asks for `v1`, `v2`, `v1-insecure` or `v2-insecure`. Secure: whatever header the client sent is replaced.
Insecure: the client's own header is believed: the same version stays, the other one is converted.
"""

from __future__ import annotations

import ipaddress
from struct import pack
from typing import NamedTuple

from lbreplay.model import Endpoint
from lbreplay.wire.length import Bytes, grow, total_length
from lbreplay.wire.packet import TCP, UDP

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
PROXY, LOCAL = 0x21, 0x20  # version 2 and the command
V1_MAX = 107
STREAM, DGRAM = 1, 2
TRANSPORT = {TCP: STREAM, UDP: DGRAM}
ADDRESS = {1: 4, 2: 16}  # length of an address by family


class ProxyHeader(NamedTuple):
    """A header found in front of a payload. Addresses are None for v1 UNKNOWN, v2 LOCAL and other families."""

    version: int
    length: int
    client: Endpoint | None
    dest: Endpoint | None


class Refused(ValueError):
    """The payload begins like a header and is none: nothing is inserted."""


def build_v1(client: Endpoint, dest: Endpoint) -> bytes:
    """`PROXY TCP4 CLIENT DEST CPORT DPORT` and the end of the line."""
    family = 4 if len(client.address) == 4 else 6
    addresses = f"{ipaddress.ip_address(client.address)} {ipaddress.ip_address(dest.address)}"
    return f"PROXY TCP{family} {addresses} {client.port} {dest.port}\r\n".encode()


def build_v2(client: Endpoint, dest: Endpoint, proto: int = TCP) -> bytes:
    """28 bytes (IPv4) or 52 (IPv6)."""
    family = 1 if len(client.address) == 4 else 2
    length = 2 * len(client.address) + 4
    head = SIGNATURE + pack(">BBH", PROXY, family << 4 | TRANSPORT[proto], length)
    return head + client.address + dest.address + pack(">HH", client.port, dest.port)


def parse(payload: bytes) -> ProxyHeader | None:
    """The header *payload* begins with, None without one. Raises Refused when it is broken."""
    if payload.startswith(SIGNATURE):
        return _parse_v2(payload)
    return _parse_v1(payload) if payload.startswith(b"PROXY ") else None


def _parse_v1(payload: bytes) -> ProxyHeader:
    end = payload.find(b"\r\n", 0, V1_MAX)
    if end < 0:
        raise Refused("a v1 header without an end")
    words = payload[:end].decode("ascii", "replace").split(" ")
    if words[1] == "UNKNOWN":
        return ProxyHeader(1, end + 2, None, None)
    try:
        _, family, client, dest, cport, dport = words
        ends = _endpoint(client, cport), _endpoint(dest, dport)
        size = {"TCP4": 4, "TCP6": 16}[family]
    except (ValueError, KeyError) as error:
        raise Refused("a v1 header that cannot be read") from error
    if any(len(e.address) != size for e in ends):
        raise Refused("a v1 header with addresses of another family")
    return ProxyHeader(1, end + 2, *ends)


def _endpoint(address: str, port: str) -> Endpoint:
    number = int(port) if port.isascii() and port.isdigit() else -1
    if not 0 <= number <= 0xFFFF:
        raise ValueError(port)
    return Endpoint(ipaddress.ip_address(address).packed, number)


def _parse_v2(payload: bytes) -> ProxyHeader:
    length = 16 + int.from_bytes(payload[14:16])
    if len(payload) < max(length, 16) or payload[12] not in (PROXY, LOCAL):
        raise Refused("a v2 header that cannot be read")
    size = ADDRESS.get(payload[13] >> 4)
    if payload[12] == LOCAL or size is None:
        return ProxyHeader(2, length, None, None)
    if length < 16 + 2 * size + 4:
        raise Refused("a v2 header too short for its addresses")
    at = 16 + 2 * size
    ports = int.from_bytes(payload[at : at + 2]), int.from_bytes(payload[at + 2 : at + 4])
    ends = Endpoint(payload[16 : 16 + size], ports[0]), Endpoint(payload[16 + size : at], ports[1])
    return ProxyHeader(2, length, *ends)


def build(version: int, client: Endpoint | None, dest: Endpoint | None, proto: int = TCP) -> bytes:
    """A header of *version*; without endpoints one that names nobody (UNKNOWN, LOCAL)."""
    if client is None or dest is None:
        return b"PROXY UNKNOWN\r\n" if version == 1 else SIGNATURE + pack(">BBH", LOCAL, 0, 0)
    return build_v1(client, dest) if version == 1 else build_v2(client, dest, proto)


class Insertion(NamedTuple):
    """*header* takes the place of the first *replaced* bytes of the payload."""

    header: bytes
    replaced: int

    @property
    def growth(self) -> int:
        """Bytes the payload grows by: what the sequence delta is raised by (D 5.8)."""
        return len(self.header) - self.replaced


def plan(payload: bytes, setting: str, client: Endpoint, vip: Endpoint, proto: int = TCP) -> Insertion | None:
    """What to put in front of *payload* for a service's `proxy_protocol`; None: nothing."""
    version, insecure = int(setting[1]), setting.endswith("insecure")
    if proto == UDP and version == 1:
        return None
    try:
        found = parse(payload)
    except Refused:
        return None
    if found is None or not insecure:
        return Insertion(build(version, client, vip, proto), found.length if found else 0)
    if found.version == version:
        return None
    return Insertion(build(version, found.client, found.dest, proto), found.length)


def insert(l3: Bytes, l4_at: int, proto: int, insertion: Insertion, mtu: int) -> list[bytearray]:
    """The packet with the header in front of its payload; longer than *mtu* (0: none): the header alone in a packet
    of its own first, then the rest.

    TCP: the (first) packet's sequence number is lowered by the growth, so that the rest keeps its own. IP lengths and
    the UDP length are right afterwards; checksums are the caller's.
    """
    at = l4_at + ((l3[l4_at + 12] >> 4) * 4 if proto == TCP else 8)
    packet = bytearray(l3)
    packet[at : at + insertion.replaced] = insertion.header
    _resize(packet, l4_at, proto, insertion.growth)
    _lower(packet, l4_at, proto, insertion.growth)
    if not mtu or total_length(packet) <= mtu:
        return [packet]
    alone = packet[: at + len(insertion.header)]
    _resize(alone, l4_at, proto, len(alone) - total_length(packet))
    rest = bytearray(l3[:at]) + l3[at + insertion.replaced :]
    _resize(rest, l4_at, proto, -insertion.replaced)
    _lower(rest, l4_at, proto, -insertion.replaced)
    return [alone, rest]


def _lower(packet: bytearray, l4_at: int, proto: int, by: int) -> None:
    if proto == TCP:
        seq = int.from_bytes(packet[l4_at + 4 : l4_at + 8]) - by
        packet[l4_at + 4 : l4_at + 8] = (seq & 0xFFFFFFFF).to_bytes(4)


def _resize(packet: bytearray, l4_at: int, proto: int, by: int) -> None:
    grow(packet, by)
    if proto == UDP:
        length = int.from_bytes(packet[l4_at + 4 : l4_at + 6]) + by
        packet[l4_at + 4 : l4_at + 6] = (length & 0xFFFF).to_bytes(2)
