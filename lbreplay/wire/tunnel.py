"""Encapsulation for tunnel mode: 4in4, 6in6, 6in4 (D 12.1).

The outer source is the route's, the outer destination the real server; the inner packet stays as it is.
"""

from __future__ import annotations

from lbreplay.wire.craft import DONT_FRAGMENT, ipv4, ipv6
from lbreplay.wire.length import Bytes, total_length
from lbreplay.wire.packet import IPIP, IPV6_IN_IP

OUTER = {4: 20, 16: 40}  # bytes added, by the length of the outer addresses


def encapsulate(l3: Bytes, source: bytes, dest: bytes, ident: int = 0) -> bytes:
    """*l3* in an outer header of the family of *dest*; *ident* is the identification of an outer IPv4 header."""
    if l3[0] >> 4 == 4:
        return encapsulate_4in4(l3, source, dest, ident)
    return encapsulate_6in6(l3, source, dest) if len(dest) == 16 else encapsulate_6in4(l3, source, dest, ident)


def encapsulate_4in4(l3: Bytes, source: bytes, dest: bytes, ident: int) -> bytes:
    """Protocol 4; TOS, TTL and DF copied."""
    flags = int.from_bytes(l3[6:8]) & DONT_FRAGMENT
    return bytes(ipv4(source, dest, IPIP, l3, tos=l3[1], ident=ident, flags=flags, ttl=l3[8], missing=_missing(l3)))


def encapsulate_6in6(l3: Bytes, source: bytes, dest: bytes) -> bytes:
    """Next header 41; traffic class, flow label and hop limit copied."""
    flow = int.from_bytes(l3[0:4]) & 0x0FFFFFFF
    return bytes(ipv6(source, dest, IPV6_IN_IP, l3, hops=l3[7], flow=flow, missing=_missing(l3)))


def encapsulate_6in4(l3: Bytes, source: bytes, dest: bytes, ident: int) -> bytes:
    """Protocol 41; TOS 0, DF, TTL from the hop limit."""
    made = ipv4(source, dest, IPV6_IN_IP, l3, ident=ident, flags=DONT_FRAGMENT, ttl=l3[7], missing=_missing(l3))
    return bytes(made)


def _missing(l3: Bytes) -> int:
    """Bytes of *l3* that the snap length cut off."""
    return max(total_length(l3) - len(l3), 0)
