"""Rewriting for NAT: one end of a packet becomes another (L 9, L 10), and the packet an ICMP error quotes (L 11).

Checksums are carried over by the difference (RFC 1624), so that a wrong one stays wrong; a UDP checksum of 0 is
replaced by a computed one, an SCTP CRC by a new one.
"""

from __future__ import annotations

from struct import pack_into, unpack_from

from lbreplay.model import Endpoint
from lbreplay.wire import checksum
from lbreplay.wire.length import is_cut
from lbreplay.wire.packet import ICMP, ICMPV6, SCTP, TCP, UDP

HEADER = {TCP: 20, UDP: 8, SCTP: 12}  # bytes that must be there to translate
SOURCE, DEST = 0, 2  # offset of the port
ADDRESS = {(4, SOURCE): 12, (4, DEST): 16, (6, SOURCE): 8, (6, DEST): 24}


def translate(l3: bytearray, l4_at: int, proto: int, end: int, to: Endpoint, *, full: bool = False,
              port_only: bool = True) -> bool:  # fmt: skip
    """Make *to* the source or destination (*end*) of *l3*, in place. AH and ESP have no ports. False: too short.

    full: the whole packet is summed anew. port_only: an SCTP CRC only where the port really changes.
    """
    size = len(to.address)  # what a header says of its version need not be so
    at = ADDRESS[4 if size == 4 else 6, end]
    before = bytes(l3[at : at + size])
    if proto in HEADER:
        if len(l3) < l4_at + HEADER[proto]:
            return False
        port = l3[l4_at + end : l4_at + end + 2]
        pack_into(">H", l3, l4_at + end, to.port)
        l3[at : at + size] = to.address
        changed = port != to.port.to_bytes(2)
        _settle(l3, l4_at, proto, before + port, to.address + to.port.to_bytes(2), full, changed or not port_only)
    else:
        l3[at : at + size] = to.address
    checksum.ip_header(l3)
    return True


def _settle(l3: bytearray, l4_at: int, proto: int, old: bytes, new: bytes, full: bool, port: bool) -> None:
    cut = is_cut(l3)
    if proto == SCTP:
        if port and not cut:
            checksum.sctp(l3, l4_at)
        return
    field = l4_at + checksum.FIELD[proto]
    none = proto == UDP and l3[field : field + 2] == b"\0\0"
    if (full or none) and not cut:
        checksum.l4(l3, l4_at, proto)
    else:
        checksum.update_l4(l3, l4_at, proto, old, new)


def translate_quoted(l3: bytearray, l4_at: int, ip_at: int, ported: bool, end: int, to: Endpoint) -> None:
    """Make *to* one end of the packet that an ICMP error quotes at *ip_at*, and the error's own other end.

    The quoted L4 checksum stays as it is.
    """
    family = l3[0] >> 4
    received = bytes(l3)
    size = 4 if family == 4 else 16
    inner = ip_at + ADDRESS[family, end]
    l3[inner : inner + size] = to.address
    header = (l3[ip_at] & 15) * 4 if family == 4 else 40
    if ported:
        pack_into(">H", l3, ip_at + header + end, to.port)
    if family == 4:
        quoted = bytearray(l3[ip_at : ip_at + header])
        checksum.ip_header(quoted)
        l3[ip_at : ip_at + header] = quoted
    outer = ADDRESS[family, DEST - end]
    l3[outer : outer + size] = to.address
    checksum.settle(l3, l4_at, ICMP if family == 4 else ICMPV6, received, l4_at)
    checksum.ip_header(l3)


def ports(l3: bytes | bytearray, at: int) -> tuple[int, int]:
    """Source and destination port at *at*."""
    source, dest = unpack_from(">HH", l3, at)
    return source, dest
