"""PROXY protocol headers, v1 (text) and v2 (binary), in front of a client's first bytes (D 5.8, as recorded).

A service asks for `v1`, `v2`, `v1-insecure` or `v2-insecure`. Secure: the header the client sent is replaced. Insecure:
it is believed: the same version stays, the other one is converted. DPVS reads such a header in its own way:

    v1   up to a line feed or a NUL, 107 bytes at most; words between any number of spaces; ports as strtol reads them,
         modulo 65536; UNKNOWN and whatever else is not TCP4 or TCP6 is an error
    v2   command 0 (LOCAL) is no header at all; the other commands count, but only 1 is written on. Family and transport
         say where the header ends, not its length, which may be too small: what comes after it (TLVs) is payload
"""

from __future__ import annotations

import re
from struct import pack
from typing import NamedTuple

from lbreplay.model import Endpoint
from lbreplay.wire.length import Bytes, grow, set_length, total_length
from lbreplay.wire.packet import ACK, PSH, TCP, UDP

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
LEAST = 12  # bytes of payload below which nothing is looked for
PROXY = 0x21  # version 2 and the command
V1_MAX = 107  # bytes before the end of the line
STREAM, DGRAM = 1, 2
TRANSPORT = {TCP: STREAM, UDP: DGRAM}
PROTOCOL = {STREAM: TCP, DGRAM: UDP}
V2_FIXED = 16
V2_SIZE = {1: 28, 2: 52, 3: 232}  # of a whole header by family: IPv4, IPv6, UNIX
ADDRESS = {1: 4, 2: 16}  # length of an address by family
FAMILY = {b"TCP4": 4, b"TCP6": 6}  # by the first four bytes of the word
STRTOL = re.compile(rb"[\t\v\f\r]*[+-]?[0-9]+")
LONG = 1 << 63


class ProxyHeader(NamedTuple):
    """A header found in front of a payload. Addresses are None where it names no internet ones, or its command is not
    PROXY."""

    version: int
    length: int
    proto: int
    client: Endpoint | None
    dest: Endpoint | None
    unix: bool = False


class Refused(ValueError):
    """The payload begins like a header and is none: nothing is inserted."""


def build_v1(client: Endpoint, dest: Endpoint) -> bytes:
    """`PROXY TCP4 CLIENT DEST CPORT DPORT` and the end of the line."""
    import socket  # 3 ms to load

    family, kind = (4, socket.AF_INET) if len(client.address) == 4 else (6, socket.AF_INET6)
    source, target = (socket.inet_ntop(kind, end.address) for end in (client, dest))
    return f"PROXY TCP{family} {source} {target} {client.port} {dest.port}\r\n".encode()


def build_v2(client: Endpoint, dest: Endpoint, proto: int = TCP) -> bytes:
    """28 bytes (IPv4) or 52 (IPv6)."""
    family = 1 if len(client.address) == 4 else 2
    length = 2 * len(client.address) + 4
    head = SIGNATURE + pack(">BBH", PROXY, family << 4 | TRANSPORT[proto], length)
    return head + client.address + dest.address + pack(">HH", client.port, dest.port)


def parse(payload: bytes) -> ProxyHeader | None:
    """The header *payload* begins with, None without one. Raises Refused when it is broken."""
    if len(payload) < LEAST:
        return None
    if payload.startswith(SIGNATURE):
        return _parse_v2(payload)
    return _parse_v1(payload) if payload.startswith(b"PROXY ") else None


def _parse_v1(payload: bytes) -> ProxyHeader:
    end = re.search(rb"[\n\0]", payload)
    if end is None or end.start() > V1_MAX:
        raise Refused("a v1 header without an end")
    words = [word for word in payload[: end.start()].removesuffix(b"\r").split(b" ") if word]
    try:
        _, family, *texts, cport, dport = words
        source, target = (_address(FAMILY[family[:4]], text.decode("ascii")) for text in texts)
        ends = Endpoint(source, _port(cport)), Endpoint(target, _port(dport))
    except (ValueError, KeyError, OSError) as error:
        raise Refused("a v1 header that cannot be read") from error
    return ProxyHeader(1, end.end(), TCP, *ends)


def _address(family: int, text: str) -> bytes:
    import socket

    return socket.inet_pton(socket.AF_INET if family == 4 else socket.AF_INET6, text)


def _port(word: bytes) -> int:
    """A whole word as strtol reads it, cut to 16 bits."""
    if STRTOL.fullmatch(word) is None:
        raise Refused("a v1 header with a port that is no number")
    return max(-LONG, min(int(word), LONG - 1)) & 0xFFFF


def _parse_v2(payload: bytes) -> ProxyHeader | None:
    whole = V2_FIXED + int.from_bytes(payload[14:16])
    if len(payload) < max(whole, V2_FIXED) or payload[12] >> 4 != PROXY >> 4:
        raise Refused("a v2 header that is cut short or of another version")
    command, family, proto = payload[12] & 15, payload[13] >> 4, PROTOCOL.get(payload[13] & 15)
    if not command:
        return None
    if family not in V2_SIZE or proto is None:
        raise Refused("a v2 header of a family or transport that is not known")
    size = V2_SIZE[family]
    if len(payload) < size:
        raise Refused("a v2 header whose addresses would be what memory has behind it: not determined")
    if command != PROXY & 15 or family not in ADDRESS:
        return ProxyHeader(2, size, proto, None, None, unix=command == PROXY & 15)
    at = V2_FIXED + ADDRESS[family]
    ports = size - 4
    client = Endpoint(payload[V2_FIXED:at], int.from_bytes(payload[ports : ports + 2]))
    return ProxyHeader(2, size, proto, client, Endpoint(payload[at:ports], int.from_bytes(payload[ports + 2 : size])))


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
        header = build_v1(client, vip) if version == 1 else build_v2(client, vip, proto)
        return Insertion(header, found.length if found else 0)
    return None if found.version == version or found.proto != proto else _converted(found, version)


def _converted(found: ProxyHeader, version: int) -> Insertion | None:
    """The client's own header in the other version; v1 cannot name a UNIX socket, and names nobody for odd commands."""
    if found.client is None or found.dest is None:
        return None if found.unix else Insertion(b"PROXY UNKNOWN\r\n", found.length)
    build = build_v1 if version == 1 else build_v2
    return Insertion(build(found.client, found.dest), found.length)


Placed = tuple[bytearray, int]  # an L3 packet, and where L4 begins in it


def insert(l3: Bytes, l4_at: int, proto: int, insertion: Insertion, mtu: int) -> list[Placed]:
    """The packet with the header in front of its payload. Where it grows longer than *mtu* (0: none): the header alone
    in a packet of its own first, then the rest without the client's header.

    TCP: the (first) packet's sequence number is lowered by the growth, so that the rest keeps its own. IP lengths and
    the UDP length are right afterwards; checksums are the caller's.
    """
    at = l4_at + ((l3[l4_at + 12] >> 4) * 4 if proto == TCP else 8)
    packet = bytearray(l3)
    packet[at : at + insertion.replaced] = insertion.header
    _resize(packet, l4_at, proto, insertion.growth)
    _lower(packet, l4_at, proto, insertion.growth)
    if insertion.growth <= 0 or not mtu or total_length(packet) <= mtu:
        return [(packet, l4_at)]
    rest = bytearray(l3[:at]) + l3[at + insertion.replaced :]
    _resize(rest, l4_at, proto, -insertion.replaced)
    _lower(rest, l4_at, proto, -insertion.replaced)
    return [_alone(packet, l4_at, proto, insertion.header), (rest, l4_at)]


def _alone(packet: bytearray, l4_at: int, proto: int, header: bytes) -> Placed:
    """The header by itself (recorded): no options of IP or TCP, DF clear, ACK and the PSH of *packet*, its window."""
    at = 20 if packet[0] >> 4 == 4 else 40
    alone = packet[:at] + packet[l4_at : l4_at + (20 if proto == TCP else 8)] + header
    if at == 20:
        alone[0] = 0x45
        alone[6:8] = bytes(2)
    if proto == TCP:
        alone[at + 12 : at + 14] = bytes((0x50, alone[at + 13] & PSH | ACK))
        alone[at + 18 : at + 20] = bytes(2)
    else:
        alone[at + 4 : at + 6] = (8 + len(header)).to_bytes(2)
    set_length(alone)
    return alone, at


def _lower(packet: bytearray, l4_at: int, proto: int, by: int) -> None:
    if proto == TCP:
        seq = int.from_bytes(packet[l4_at + 4 : l4_at + 8]) - by
        packet[l4_at + 4 : l4_at + 8] = (seq & 0xFFFFFFFF).to_bytes(4)


def _resize(packet: bytearray, l4_at: int, proto: int, by: int) -> None:
    grow(packet, by)
    if proto == UDP:
        length = int.from_bytes(packet[l4_at + 4 : l4_at + 6]) + by
        packet[l4_at + 4 : l4_at + 6] = (length & 0xFFFF).to_bytes(2)
