"""Internet checksums and CRC32c over L3 packets, set in place.

A complete packet's checksums are computed, whatever came in: a wrong one leaves right (D 5.5). A packet cut by the
snap length cannot be summed, so its checksum is moved by the difference of what changed (RFC 1624, interface 4):
`settle` does what is right for either.
L4 checksums take their length from the bytes that are there: trim padding first.
"""

from __future__ import annotations

from struct import pack_into, unpack_from

from lbreplay.wire.length import Bytes, is_cut, total_length
from lbreplay.wire.packet import ICMP, ICMPV6, SCTP, TCP, UDP

FIELD = {TCP: 16, UDP: 6, ICMP: 2, ICMPV6: 2}  # offset of the checksum in the L4 header


def ones_sum(data: Bytes | memoryview) -> int:
    """One's complement sum of the 16-bit words of *data*, an odd last byte padded with 0 (RFC 1071).

    Words are digits to base 65536, and 65536 is 1 modulo 65535: the sum is one division of a long number.
    """
    number = int.from_bytes(data) << (8 * (len(data) & 1))
    return number % 0xFFFF or (0xFFFF if number else 0)


def fold(*sums: int) -> int:
    """The checksum of what was summed in parts: complement of their one's complement sum."""
    total = sum(sums)
    return 0xFFFF - (total % 0xFFFF or (0xFFFF if total else 0))


def pseudo_sum(l3: Bytes, proto: int, length: int) -> int:
    """Sum of the pseudo header: addresses of *l3*, *proto*, *length* of L4. ICMP of IPv4 has none: 0."""
    if proto == ICMP:
        return 0
    addresses = l3[12:20] if l3[0] >> 4 == 4 else l3[8:40]
    return ones_sum(addresses) + length + proto


def ip_header(l3: bytearray) -> None:
    """Set the checksum of an IPv4 header; IPv6 has none."""
    if l3[0] >> 4 == 4:
        l3[10:12] = b"\0\0"
        pack_into(">H", l3, 10, fold(ones_sum(l3[: (l3[0] & 15) * 4])))


def l4(l3: bytearray, l4_at: int, proto: int) -> None:
    """Set the checksum of TCP, UDP, ICMP, ICMPv6 or SCTP; the packet must be complete. Others are left alone.

    A UDP checksum that comes out as 0 is sent as 0xffff (RFC 768, D 7.3). ICMP of IPv4 has no pseudo header.
    """
    if proto == SCTP:
        return sctp(l3, l4_at)
    at = l4_at + FIELD.get(proto, len(l3))
    if at + 2 > len(l3):
        return None
    l3[at : at + 2] = b"\0\0"
    value = _l4_value(l3, l4_at, proto)
    pack_into(">H", l3, at, 0xFFFF if proto == UDP and value == 0 else value)
    return None


def _l4_value(l3: Bytes, l4_at: int, proto: int) -> int:
    return fold(ones_sum(l3[l4_at:]), pseudo_sum(l3, proto, len(l3) - l4_at))


def verify_ip_header(l3: Bytes) -> bool:
    """Whether the IPv4 header sums up; IPv6 always does."""
    return l3[0] >> 4 == 6 or ones_sum(l3[: (l3[0] & 15) * 4]) == 0xFFFF


def verify_l4(l3: Bytes, l4_at: int, proto: int) -> bool:
    """Whether the L4 checksum of a complete packet is right. UDP over IPv4 without one (0) is right."""
    if proto == SCTP:
        return verify_sctp(l3, l4_at)
    if proto == UDP and l3[0] >> 4 == 4 and l3[l4_at + 6 : l4_at + 8] == b"\0\0":
        return True
    return proto not in FIELD or _l4_value(l3, l4_at, proto) == 0


def update(checksum: int, old: bytes, new: bytes) -> int:
    """The checksum after *old* became *new*, both of even length at an even offset (RFC 1624, equation 3)."""
    return fold(0xFFFF - checksum, 0xFFFF - ones_sum(old), ones_sum(new))


def update_l4(l3: bytearray, l4_at: int, proto: int, old: bytes, new: bytes) -> None:
    """`update` in place, for a packet cut by the snap length. A UDP checksum of 0 stays 0 (interface 4)."""
    at = l4_at + FIELD.get(proto, len(l3))
    if at + 2 > len(l3):
        return
    before = unpack_from(">H", l3, at)[0]
    if proto == UDP and before == 0:
        return
    after = update(before, old, new)
    pack_into(">H", l3, at, 0xFFFF if proto == UDP and after == 0 else after)


def settle(l3: bytearray, l4_at: int, proto: int, received: Bytes, received_l4_at: int) -> None:
    """Set the L4 checksum of what *received* became: computed when the capture has all of it, else carried over.

    Carried over, whatever was wrong stays wrong, and the 0 of a UDP datagram stays 0 (interface 4). An SCTP packet
    that was cut keeps its CRC. What is missing at the end must be the same bytes, at the same parity, in both.
    """
    if not is_cut(received):
        return l4(l3, l4_at, proto)
    at, before = l4_at + FIELD.get(proto, len(l3)), received_l4_at + FIELD.get(proto, len(received))
    if at + 2 > len(l3) or before + 2 > len(received):
        return None
    if proto == UDP and received[before : before + 2] == b"\0\0":
        return None
    missing = fold(_cut_sum(received, received_l4_at, proto))
    l3[at : at + 2] = b"\0\0"
    value = fold(missing, _cut_sum(l3, l4_at, proto))
    pack_into(">H", l3, at, 0xFFFF if proto == UDP and value == 0 else value)
    return None


def _cut_sum(l3: Bytes, l4_at: int, proto: int) -> int:
    return ones_sum(l3[l4_at:]) + pseudo_sum(l3, proto, total_length(l3) - l4_at)


def _crc_table() -> tuple[int, ...]:
    table = []
    for value in range(256):
        for _ in range(8):
            value = value >> 1 ^ (0x82F63B78 if value & 1 else 0)
        table.append(value)
    return tuple(table)


_CRC = _crc_table()


def crc32c(data: Bytes) -> int:
    """CRC-32C, Castagnoli (RFC 9260 appendix A): `123456789` gives 0xe3069283."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ _CRC[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF


def sctp(l3: bytearray, l4_at: int) -> None:
    """Set the CRC32c of an SCTP packet, which goes out in little-endian order (D 8)."""
    l3[l4_at + 8 : l4_at + 12] = bytes(4)
    pack_into("<I", l3, l4_at + 8, crc32c(l3[l4_at:]))


def verify_sctp(l3: Bytes, l4_at: int) -> bool:
    """Whether the CRC32c of an SCTP packet is right."""
    body = bytearray(l3[l4_at:])
    there = bytes(body[8:12])
    body[8:12] = bytes(4)
    return there == crc32c(body).to_bytes(4, "little")
