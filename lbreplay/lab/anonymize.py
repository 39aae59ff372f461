"""Captures and configurations that may be shared: addresses and names mapped, payload zeroed, checksums right.

Addresses keep their prefixes: two that share n leading bits share n after it (Xu et al., "Prefix-Preserving IP Address
Anonymization", 2002), so networks, routes and local addresses still mean what they meant. Bit i is flipped by a keyed
hash of the i bits before it; PINNED networks keep their prefix, KEPT addresses stay whole. A wrong checksum is wrong
afterwards, all others are right. What stays is what a replay asks for: lengths, ports, numbers, flags, and of options
those of known kind and length.
"""

from __future__ import annotations

import hashlib
import ipaddress
import json
import re
from functools import cache
from ipaddress import IPv4Network, IPv6Network

from lbreplay.errors import ConfigError
from lbreplay.wire import checksum
from lbreplay.wire.packet import (
    AH,
    DEST_OPTIONS,
    ETH_ARP,
    ETH_IPV4,
    ETH_IPV6,
    ETH_VLAN,
    FRAGMENT,
    HOP_BY_HOP,
    ICMP,
    ICMPV6,
    IPIP,
    IPV6_IN_IP,
    ROUTING,
    SCTP,
    TCP,
    UDP,
    skip_extensions,
)

Net = IPv4Network | IPv6Network


def _networks(*texts: str) -> tuple[Net, ...]:
    return tuple(ipaddress.ip_network(text) for text in texts)


# Addresses that mean something by themselves and say nothing of anybody: this host, well-known groups (RFC 5771: the
# local network control block; RFC 4291 2.7: permanent groups of small numbers), broadcast.
KEPT = (
    *_networks("0.0.0.0/32", "127.0.0.0/8", "224.0.0.0/24", "255.255.255.255/32", "::/127"),
    *_networks(*(f"ff0{scope:x}::/112" for scope in range(16))),
)
# Networks whose kind is in their prefix: what follows is mapped, in IPv6 it may be made of a MAC (RFC 4291, EUI-64).
PINNED = (
    *KEPT,
    *_networks("0.0.0.0/8", "169.254.0.0/16", "224.0.0.0/4", "240.0.0.0/4", "fe80::/64", "fe80::/10", "ff00::/8"),
)
KEPT_MACS = tuple(map(bytes.fromhex, ("01005e0000", "0180c20000", "3333000000", "01000ccccc")))  # groups of all hosts
HEADER = {TCP: 20, UDP: 8, ICMP: 8, ICMPV6: 8, SCTP: 12}
ICMP_ERRORS = {ICMP: {3, 4, 5, 11, 12}, ICMPV6: {1, 2, 3, 4}}
REDIRECT = 5  # of ICMP: bytes 4 to 8 are an address
DISCOVERY = {133: 0, 134: 8, 135: 16, 136: 16, 137: 32}  # ICMPv6 type: bytes between its header and its options
PLAIN_OPTIONS = {2: (4,), 3: (3,), 4: (2,), 5: (10, 18, 26, 34), 8: (10,)}  # of TCP, with their lengths
MAX_NESTED = 8  # packets in packets; what is deeper is zeroed
PLAIN_PORT = re.compile(r"[a-z]{2,5}\d{1,3}")  # dpdk0, eth1, bond0: a port's name that says nothing of anybody
SOLICITED = bytes.fromhex("ff02" + "00" * 9 + "01ff")  # ends in 24 bits of an address

_MAC = r"(?<![\w:])(?P<mac>(?:[0-9a-fA-F]{2}:){5}[0-9a-fA-F]{2})(?![\w:])"
_V4 = r"\d{1,3}(?:\.\d{1,3}){3}"
_V6 = r"(?=\w*:\w*:)[0-9a-fA-F:]+(?:\.\d{1,3}){0,3}"
_ADDRESS = (
    rf"(?<!\d)(?<!\d\.)(?<![\w]:)(?P<four>{_V4})(?:/(?P<length4>\d+)|-(?P<high4>{_V4}))?(?!\.?\d)"
    rf"|(?<![\w:])(?P<six>{_V6})(?:/(?P<length6>\d+)|-(?P<high6>{_V6}))?(?![\w:])"
)
_TOKEN = re.compile(f"{_MAC}|{_ADDRESS}")


class Anonymizer:
    """One mapping, by *key*: the same key maps the same way."""

    def __init__(self, key: bytes) -> None:
        self._key = hashlib.blake2b(key, digest_size=32).digest()
        self._names: dict[str, str] = {}  # of services
        self.address = cache(self._address)

    def _address(self, address: bytes) -> bytes:
        """The address (4 or 16 bytes) that *address* becomes."""
        value, width = ipaddress.ip_address(address), 8 * len(address)
        if any(value in network for network in KEPT):
            return address
        if address.startswith(SOLICITED):  # it ends in 24 bits of an address
            return address[:13] + bytes(3)
        number = int(value)
        flips = [self._flip(number >> (width - depth), depth, width) for depth in range(width)]
        return (number ^ int("".join(map(str, flips)), 2)).to_bytes(len(address))

    def _flip(self, prefix: int, depth: int, width: int) -> int:
        """0 or 1: whether the bit behind the *depth* bits of *prefix* is flipped; never on the way to PINNED."""
        for network in PINNED:
            on_the_way = network.max_prefixlen == width and depth < network.prefixlen
            if on_the_way and int(network.network_address) >> (width - depth) == prefix:
                return 0
        told = b"%d %d %d" % (width, depth, prefix)
        return hashlib.blake2b(told, key=self._key, digest_size=1).digest()[0] & 1

    def mac(self, mac: bytes) -> bytes:
        """A locally administered address for each, a group for each group; those of all hosts stay."""
        if mac[:3] == b"\x33\x33\xff":
            return mac[:3] + bytes(3)
        if len(mac) < 6 or mac.startswith(KEPT_MACS) or mac in (b"\xff" * 6, bytes(6)):
            return mac
        group = mac[0] & 1
        return bytes([2 | group]) + hashlib.blake2b(mac, key=self._key, digest_size=5).digest()

    # frames

    def frame(self, data: bytes, length: int) -> bytes:
        """The frame *data*, *length* bytes on the wire, with the same lengths."""
        if len(data) < 14:
            return bytes(len(data))
        at = 18 if data[12:14] == ETH_VLAN.to_bytes(2) else 14
        head = self.mac(data[:6]) + self.mac(data[6:12]) + data[12:at]
        ethertype, l3 = int.from_bytes(data[at - 2 : at]), data[at:]
        if ethertype == ETH_ARP:
            return head + self._arp(l3)
        if ethertype in (ETH_IPV4, ETH_IPV6):
            return head + self._l3(l3, length - at)
        return head + bytes(len(l3))

    def _arp(self, arp: bytes) -> bytes:
        if len(arp) < 28:
            return bytes(len(arp))
        ends = b"".join(self.mac(arp[at : at + 6]) + self.address(arp[at + 6 : at + 10]) for at in (8, 18))
        return arp[:8] + ends + bytes(len(arp) - 28)

    def _l3(self, l3: bytes, length: int, depth: int = 0) -> bytes:
        """An IP packet and what trails it. What the capture cut off counts as zeros, as all payload does."""
        v4 = l3[:1] != b"" and l3[0] >> 4 == 4
        if len(l3) < _ip_header(v4) or depth > MAX_NESTED:
            return bytes(len(l3))
        total = int.from_bytes(l3[2:4]) if v4 else 40 + int.from_bytes(l3[4:6])
        total = max(min(total, length), _ip_header(v4))
        there = min(total, len(l3))
        packet = bytearray(l3[:there])
        proto, at = self._ip(packet, v4)
        whole = there == total
        wrong_ip = v4 and not checksum.verify_ip_header(l3)
        wrong_l4 = whole and at < there and not self._right(l3[:there], at, proto)
        self._l4(packet, at, proto, depth)
        packet += bytes(total - there)
        if at < there and self._summed(l3, at, proto):
            checksum.l4(packet, at, proto)
        if v4:
            checksum.ip_header(packet)
        for wrong, place in ((wrong_ip, 11), (wrong_l4, at + _sum_at(proto) + 1)):
            if wrong and place < len(packet):
                packet[place] ^= 1
        return bytes(packet[:there]) + bytes(len(l3) - there)

    def _ip(self, packet: bytearray, v4: bool) -> tuple[int, int]:
        """Map the header in place; protocol (FRAGMENT: nothing to read behind it) and offset of what follows."""
        if not v4:
            for at in (8, 24):
                packet[at : at + 16] = self.address(bytes(packet[at : at + 16]))
            proto, at, _ = skip_extensions(bytes(packet))
            self._extensions(packet, at)
            return proto, at
        for at in (12, 16):
            packet[at : at + 4] = self.address(bytes(packet[at : at + 4]))
        head = max((packet[0] & 15) * 4, 20)
        packet[20:head] = b"\1" * len(packet[20:head])  # options may hold addresses: no-operation
        return FRAGMENT if int.from_bytes(packet[6:8]) & 0x1FFF else packet[9], head

    def _extensions(self, packet: bytearray, end: int) -> None:
        """Headers of IPv6 up to *end*, in place: options become padding, the addresses of a route are mapped."""
        proto, at = packet[6], 40
        while at + 8 <= min(end, len(packet)) and proto in (HOP_BY_HOP, ROUTING, DEST_OPTIONS, AH, FRAGMENT):
            size = (packet[at + 1] + 2) * 4 if proto == AH else (packet[at + 1] + 1) * 8
            size = min(8 if proto == FRAGMENT else size, len(packet) - at)
            body = bytes(packet[at + 8 : at + size])
            if proto == ROUTING:
                route = (body[n : n + 16] for n in range(0, len(body), 16))
                packet[at + 4 : at + size] = bytes(4) + b"".join(map(self._hop, route))
            elif proto != FRAGMENT:
                packet[at + 2 : at + size] = bytes(size - 2)
            proto, at = packet[at], at + size

    def _hop(self, address: bytes) -> bytes:
        return self.address(address) if len(address) == 16 else bytes(len(address))

    def _right(self, l3: bytes, at: int, proto: int) -> bool:
        fragment = l3[0] >> 4 == 4 and int.from_bytes(l3[6:8]) & 0x3FFF
        return bool(fragment) or len(l3) < at + HEADER.get(proto, 0) or checksum.verify_l4(l3, at, proto)

    def _summed(self, l3: bytes, at: int, proto: int) -> bool:
        """Whether there is a checksum to set: not in UDP without one."""
        return not (proto == UDP and l3[0] >> 4 == 4 and l3[at + 6 : at + 8] == b"\0\0")

    def _l4(self, packet: bytearray, at: int, proto: int, depth: int) -> None:
        """Zero everything behind *at* that is not a header, in place."""
        body = bytes(packet[at:])
        kept = body[: HEADER.get(proto, 0)]
        if proto == TCP and len(body) >= 20:
            kept += _tcp_options(body[20 : (body[12] >> 4) * 4])
        elif proto in ICMP_ERRORS and len(body) >= 8:
            kept = self._icmp(body, proto)
        elif proto == SCTP:
            kept += _chunks(body[12:])
        elif proto in (IPIP, IPV6_IN_IP):
            kept = self._l3(body, len(body), depth + 1)
        packet[at:] = kept + bytes(len(body) - len(kept))

    def _icmp(self, body: bytes, proto: int) -> bytes:
        kind, head = body[0], body[:8]
        if kind in ICMP_ERRORS[proto]:
            return self._error_head(body, proto) + self._embedded(body[8:])
        if proto == ICMPV6 and kind in DISCOVERY:
            return head + self._discovery(body[8:], DISCOVERY[kind])
        return head

    def _error_head(self, body: bytes, proto: int) -> bytes:
        """The first 8 bytes of an error: of the last four what its kind has there, an MTU, a place or an address."""
        kind, code, rest = body[0], body[1], body[4:8]
        if (proto, kind) == (ICMP, REDIRECT):
            return body[:4] + self._gateway(rest)
        if (proto, kind, code) == (ICMP, 3, 4):
            return body[:4] + bytes(2) + rest[2:]
        if (proto, kind) == (ICMP, 12):
            return body[:4] + rest[:1] + bytes(3)
        return body[:4] + (rest if proto == ICMPV6 and kind in (2, 4) else bytes(4))

    def _gateway(self, address: bytes) -> bytes:
        return self.address(address) if len(address) == 4 else bytes(len(address))

    def _embedded(self, l3: bytes) -> bytes:
        """The packet an error is about: addresses mapped, L4 header kept, the rest zeroed."""
        v4 = l3[:1] != b"" and l3[0] >> 4 == 4
        if len(l3) < _ip_header(v4):
            return bytes(len(l3))
        packet = bytearray(l3)
        proto, at = self._ip(packet, v4)
        if proto in ICMP_ERRORS and len(packet) >= at + 8 and packet[at] in ICMP_ERRORS[proto]:
            packet[at : at + 8] = self._error_head(bytes(packet[at : at + 8]), proto)
        packet[at + HEADER.get(proto, 0) :] = bytes(len(packet[at + HEADER.get(proto, 0) :]))
        old, new = (l3[12:20], packet[12:20]) if v4 else (l3[8:40], packet[8:40])
        checksum.update_l4(packet, at, proto, bytes(old), bytes(new))
        if v4:
            checksum.ip_header(packet)
        return bytes(packet)

    def _discovery(self, body: bytes, size: int) -> bytes:
        """Neighbour discovery: its addresses, then its link-layer address options; other options are zeroed."""
        kept = body[:size] if size < 16 else b""
        for at in range(0, size if size >= 16 else 0, 16):
            kept += self.address(body[at : at + 16]) if len(body) >= at + 16 else body[at : at + 16]
        rest = body[size:]
        while len(rest) >= 8 and rest[1]:
            option, rest = rest[: rest[1] * 8], rest[rest[1] * 8 :]
            known = option[0] in (1, 2) and len(option) == 8
            kept += option[:2] + (self.mac(option[2:]) if known else bytes(len(option) - 2))
        return kept

    # configurations

    def text(self, toml: str) -> str:
        """The text of a configuration: addresses, networks, ranges and MACs mapped, comments taken out.

        Raises ConfigError for a range that is not a network: it would not be a range afterwards.
        """
        self._learn(toml)
        lines = [_without_comment(line) for line in toml.splitlines()]
        kept = [line for line, old in zip(lines, toml.splitlines(), strict=True) if line or not old.strip()]
        return _TOKEN.sub(self._token, self._named("\n".join(kept) + "\n"))

    def _learn(self, toml: str) -> None:
        """Names of services and of the port, which are told by numbers from now on."""
        import tomllib

        try:
            document = tomllib.loads(toml)
        except tomllib.TOMLDecodeError:
            return  # a list of addresses, or one setting: the configuration came before
        services, device = document.get("service"), document.get("device")
        for service in services if isinstance(services, list) else ():
            if isinstance(service, dict) and isinstance(service.get("name"), str):
                self._names.setdefault(service["name"], f"service{len(self._names) + 1}")
        port = device.get("name") if isinstance(device, dict) else None
        if isinstance(port, str) and not PLAIN_PORT.fullmatch(port):
            self._names.setdefault(port, "port0")

    def _named(self, text: str) -> str:
        for name in sorted(self._names, key=len, reverse=True):
            new, old = self._names[name], re.escape(json.dumps(name, ensure_ascii=False)[1:-1])
            text = re.sub(rf"(?<=\bservice\.){old}(?=[.=\"']|$)", new, text, flags=re.MULTILINE)
            text = re.sub(rf"(\bname\s*=\s*)([\"']){old}\2", rf"\g<1>\g<2>{new}\2", text)
            text = re.sub(rf"(?<=\b[io]if=){old}(?=[,.\"'])", new, text)
        return text

    def _token(self, found: re.Match[str]) -> str:
        if found["mac"]:
            return self.mac(bytes.fromhex(found["mac"].replace(":", ""))).hex(":")
        try:
            low = ipaddress.ip_address(found["four"] or found["six"])
            high = found["high4"] or found["high6"]
            if high:
                return self._range(found[0], low, ipaddress.ip_address(high))
            return self._network(low, found["length4"] or found["length6"])
        except ValueError:
            return found[0]

    def _network(self, low: ipaddress.IPv4Address | ipaddress.IPv6Address, length: str | None) -> str:
        mapped = ipaddress.ip_address(self.address(low.packed))
        if length is None:
            return str(mapped)
        host = (1 << (low.max_prefixlen - int(length))) - 1
        if int(low) & host == 0:  # a network has no host bits, before and after
            mapped = type(mapped)(int(mapped) & ~host)
        return f"{mapped}/{length}"

    def _range(self, text: str, low: ipaddress.IPv4Address | ipaddress.IPv6Address, high: object) -> str:
        host = int(low) ^ int(high)  # type: ignore[call-overload]
        if int(low) & host or host & (host + 1):
            raise ConfigError(f"--anonymize: {text}: a range that is a whole network expected; others lose their order")
        mapped = int.from_bytes(self.address(low.packed)) & ~host
        return f"{type(low)(mapped)}-{type(low)(mapped | host)}"


def _ip_header(v4: bool) -> int:
    return 20 if v4 else 40


def _sum_at(proto: int) -> int:
    return {TCP: 16, UDP: 6, ICMP: 2, ICMPV6: 2, SCTP: 8}.get(proto, 1 << 16)


def _tcp_options(options: bytes) -> bytes:
    """Known options as they are, the contents of others zeroed (a client's address may be there)."""
    kept, at = b"", 0
    while at < len(options):
        kind = options[at]
        size = 1 if kind < 2 else options[at + 1] if at + 1 < len(options) else 0
        if size < 1 + (kind > 1) or at + size > len(options):
            break
        option = options[at : at + size]
        plain = kind < 2 or size in PLAIN_OPTIONS.get(kind, ())
        kept += option if plain else option[:2] + bytes(size - 2)
        at += size
        if kind == 0:
            break
    return kept + bytes(len(options) - len(kept))


def _chunks(body: bytes) -> bytes:
    """SCTP chunks: their headers, the numbers of INIT and DATA; parameters and data zeroed."""
    kept = b""
    while len(body) >= 4:
        size = max(int.from_bytes(body[2:4]), 4)
        chunk, body = body[: size + -size % 4], body[size + -size % 4 :]
        head = {0: 16, 1: 20, 2: 20, 3: 16, 7: 8}.get(chunk[0], 4)
        kept += chunk[:head] + bytes(len(chunk[head:]))
    return kept


def _without_comment(line: str) -> str:
    """*line* of TOML up to a `#` that is not within quotes."""
    quote = ""
    for at, character in enumerate(line):
        if character in "\"'" and quote in ("", character):
            quote = "" if quote else character
        elif character == "#" and not quote:
            return line[:at].rstrip()
    return line
