"""The length field of an IP header: what a packet is on the wire, whatever the snap length left of it."""

from __future__ import annotations

from struct import pack_into, unpack_from

Bytes = bytes | bytearray


def total_length(l3: Bytes) -> int:
    """L3 length by the IP header: total length of IPv4, 40 + payload length of IPv6."""
    return int.from_bytes(l3[2:4]) if l3[0] >> 4 == 4 else 40 + int.from_bytes(l3[4:6])


def is_cut(l3: Bytes) -> bool:
    """Whether the capture has less of the packet than its header says."""
    return total_length(l3) > len(l3)


def cut_off(l3: Bytes) -> int:
    """How many bytes of the packet the capture does not have."""
    return max(total_length(l3) - len(l3), 0)


def set_length(l3: bytearray, length: int | None = None) -> None:
    """Write *length* (L3 bytes; default: those that are there) into the IP header."""
    length = len(l3) if length is None else length
    at, value = (2, length) if l3[0] >> 4 == 4 else (4, length - 40)
    pack_into(">H", l3, at, value & 0xFFFF)


def grow(l3: bytearray, by: int) -> None:
    """Add *by* to the length in the IP header, modulo 2^16."""
    at = 2 if l3[0] >> 4 == 4 else 4
    pack_into(">H", l3, at, (unpack_from(">H", l3, at)[0] + by) & 0xFFFF)
