"""Packets of the oracle: taken apart, changed, put together with right lengths and checksums. Plain bytes."""

from __future__ import annotations

from struct import pack, unpack

ICMP, TCP, UDP, ICMPV6, SCTP, OSPF, OPP = 1, 6, 17, 58, 132, 89, 248
IN, OUT = 0, 1
CHECKSUM_AT = {TCP: 16, UDP: 6, OPP: 6, ICMPV6: 2}
FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16
M32 = 0xFFFFFFFF


class End(Exception):
    """The end of a frame's story: its verdict."""


class Accept(Exception):
    """The balancer is not interested, and the reason why."""


def ones_sum(data: bytes) -> int:
    """RFC 1071 sum, folded, not inverted."""
    total = sum(unpack(f">{len(data) // 2}H", data[: len(data) & ~1])) + (data[-1] << 8 if len(data) & 1 else 0)
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total


def checksum(data: bytes) -> int:
    return ~ones_sum(data) & 0xFFFF


def toeplitz(key: bytes, data: bytes) -> int:
    """S 1.1."""
    key = key.ljust(len(data) + 4, b"\0")
    bits, size, value = int.from_bytes(key), len(key) * 8, 0
    for i in range(len(data) * 8):
        if data[i // 8] >> (7 - i % 8) & 1:
            value ^= bits >> (size - 32 - i) & M32
    return value


def rot(x: int, k: int) -> int:
    return (x << k | x >> (32 - k)) & M32


def jhash(words: list[int], seed: int) -> int:
    """Bob Jenkins' lookup3 over 32-bit words (D 2.1)."""
    a = b = c = (0xDEADBEEF + 4 * len(words) + seed) & M32
    while len(words) > 3:
        a, b, c = (a + words[0]) & M32, (b + words[1]) & M32, (c + words[2]) & M32
        for shift in (4, 6, 8, 16, 19, 4):
            a = (a - c ^ rot(c, shift)) & M32
            c = (c + b) & M32
            a, b, c = b, c, a
        words = words[3:]
    a, b, c = ((x + y) & M32 for x, y in zip((a, b, c), [*words, 0, 0][:3], strict=True))
    for shift in (14, 11, 25, 16, 4, 14, 24):
        c = ((c ^ b) - rot(b, shift)) & M32
        a, b, c = b, c, a
    return b


def options_of(header: bytes) -> list[tuple[int, int, int]]:
    """(kind, offset, length) of the options of a TCP header, NOPs too; stops at EOL and at what is malformed."""
    found, at = [], 20
    while at < len(header):
        kind = header[at]
        size = 1 if kind == 1 else header[at + 1] if at + 1 < len(header) else 0
        if kind == 0 or (kind != 1 and size < 2) or at + size > len(header):
            break
        found.append((kind, at, size))
        at += size
    return found


def tag_of(vlan) -> bytes:
    """The 802.1Q tag of a VLAN device, behind a MAC address."""
    return b"" if vlan is None else b"\x81\0" + vlan.id.to_bytes(2)


class Packet:
    """An IP packet taken apart: `head` = IP header with its options or extension headers, `body` = L4 as captured.

    `missing` bytes at the end were cut off by the capture. `before` is the sum of what was received, to update the
    checksum of what was cut.
    """

    def __init__(self, frame: Frame, l3: bytes, length: int) -> None:
        self.frame, self.length = frame, length
        self.family = l3[0] >> 4
        self.missing = length - len(l3)
        if self.family == 4:
            self.proto, at = l3[9], (l3[0] & 15) * 4
        else:
            self.proto, at = skip_extensions(l3)
        self.head, self.body = bytearray(l3[:at]), bytearray(l3[at:])
        self.extended = self.family == 6 and at != 40
        self.fragment_header = self.family == 6 and has_fragment(l3)
        self.opp = b""
        self.untouched = False  # it leaves as it came
        self.replaced: Packet | None = None  # by what it quotes
        self.misread: bytes | None = None  # GRE taken for IPv4: where its error comes from
        self.before = self.sum()

    src = property(lambda self: bytes(self.head[12:16] if self.family == 4 else self.head[8:24]))
    dst = property(lambda self: bytes(self.head[16:20] if self.family == 4 else self.head[24:40]))
    l4_length = property(lambda self: len(self.body) + self.missing)
    ports = property(lambda self: unpack(">HH", self.body[:4]) if len(self.body) >= 4 else (0, 0))
    flags = property(lambda self: self.body[13])
    seq = property(lambda self: int.from_bytes(self.body[4:8]))
    ack = property(lambda self: int.from_bytes(self.body[8:12]))
    tcp_header = property(lambda self: (self.body[12] >> 4) * 4)
    dont_fragment = property(lambda self: self.family == 4 and bool(self.head[6] & 0x40))
    ttl_at = property(lambda self: 8 if self.family == 4 else 7)

    def set_addresses(self, src: bytes, dst: bytes) -> None:
        at = 12 if self.family == 4 else 8
        self.head[at : at + 2 * len(src)] = src + dst

    def set_ports(self, sport: int, dport: int) -> None:
        self.body[:4] = pack(">HH", sport, dport)

    def put32(self, at: int, value: int) -> None:
        self.body[at : at + 4] = (value & M32).to_bytes(4)

    def pseudo(self) -> bytes:
        proto = UDP if self.proto == OPP else self.proto
        return self.src + self.dst + pack(">IHH", self.l4_length, 0, proto)

    def l3(self) -> bytes:
        """The packet with right lengths and checksums (a cut one: updated, RFC 1624)."""
        if self.untouched:
            return bytes(self.head + self.body)
        total = len(self.head) + len(self.opp) + self.l4_length
        if self.family == 4:
            self.head[2:4] = total.to_bytes(2)
            self.fix_ip()
        else:
            self.head[4:6] = (total - 40).to_bytes(2)
        self.fix_l4()
        return bytes(self.head + self.opp + self.body)

    def fix_ip(self) -> None:
        self.head[10:12] = b"\0\0"
        self.head[10:12] = checksum(self.head).to_bytes(2)

    def fix_l4(self) -> None:
        if self.proto == SCTP and not self.missing and len(self.body) >= 12:
            self.body[8:12] = bytes(4)
            self.body[8:12] = crc32c(bytes(self.body))
        at = CHECKSUM_AT.get(self.proto)
        if at is None or len(self.body) < at + 2:
            return
        old = bytes(self.body[at : at + 2])
        self.body[at : at + 2] = b"\0\0"
        if self.proto == OPP and self.family == 4:
            return
        value = ~self.sum() & 0xFFFF
        if self.missing:
            if self.proto != TCP and old == b"\0\0":
                return
            value = checksum(pack(">HHH", int.from_bytes(old) ^ 0xFFFF, self.before ^ 0xFFFF, self.sum()))
        if value == 0 and self.proto in (UDP, OPP):
            value = 0xFFFF
        self.body[at : at + 2] = value.to_bytes(2)
        self.before = self.sum()

    def sum(self) -> int:
        """Of pseudo header and L4, without the checksum itself."""
        at = CHECKSUM_AT.get(self.proto, len(self.body))
        return ones_sum(self.pseudo() + self.body[:at] + b"\0\0" + self.body[at + 2 :])


def crc32c(data: bytes) -> bytes:
    """RFC 3309, as it stands in an SCTP header."""
    crc = M32
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return (crc ^ M32).to_bytes(4, "little")


def has_fragment(l3: bytes) -> bool:
    """Whether a fragment header is among the extension headers."""
    proto, at = l3[6], 40
    while proto in (0, 43, 60, 51) and at + 8 <= len(l3):
        proto, at = l3[at], at + ((l3[at + 1] + 2) * 4 if proto == 51 else (l3[at + 1] + 1) * 8)
    return proto == 44


def skip_extensions(l3: bytes) -> tuple[int, int]:
    """(protocol, offset) behind IPv6 extension headers; a first fragment is looked through (S 4.7)."""
    proto, at = l3[6], 40
    while proto in (0, 43, 60, 51, 44) and at + 8 <= len(l3):
        if proto == 44 and l3[at + 2] << 8 & 0xFF00 | l3[at + 3] & 0xF8:
            break
        size = {44: 8, 51: (l3[at + 1] + 2) * 4}.get(proto, (l3[at + 1] + 1) * 8)
        proto, at = l3[at], at + size
    return proto, at


class Frame:
    """A frame as received, and what became of it."""

    def __init__(self, n: int, time: int, length: int, data: bytes) -> None:
        self.n, self.time, self.length, self.data = n, time, length, data
        self.dst_mac, self.src_mac, self.ethertype = data[0:6], data[6:12], int.from_bytes(data[12:14])
        self.at = 14
        self.vlan = None  # the VLAN device that took its tag off
        self.worker: int | None = None
        self.owner: int | None = None  # where another worker handled it
        self.queue: int | None = None
        self.by = "default"
        self.verdict = ""
        self.reasons: list[str] = []
        self.lookup: str | None = None
        self.state: tuple[str, str] | None = None
        self.out: list[int] = []

    @property
    def l3(self) -> bytes:
        return self.data[self.at :]

    def l2_class(self, mac: bytes | None) -> str:
        if self.dst_mac == b"\xff" * 6:
            return "broadcast"
        if self.dst_mac[0] & 1:
            return "multicast"
        return "host" if mac in (None, self.dst_mac) else "otherhost"


class Sent:
    """A frame on the wire: `cause` is the received frame it left for, None for the balancer's own initiative."""

    def __init__(self, time: int, frame: bytes, length: int, worker: int, cause: int | None) -> None:
        self.time, self.frame, self.length, self.worker, self.cause = time, frame, length, worker, cause
