"""TCP options: what full NAT changes in them, and the client-address option (TOA) it adds (D 5.4-5.6).

Editing functions work in place on a TCP segment (a `bytearray` or a writable `memoryview` from the TCP header on);
they do not touch checksums. A walk ends at the end-of-list option and at the first malformed one, as DPVS's do.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from struct import pack_into, unpack_from
from typing import NamedTuple

from lbreplay.loop.names import BASE, EOL, MSS, NOP, SACK, SACK_OK, TIMESTAMP, TOA, WSCALE
from lbreplay.model import Endpoint
from lbreplay.wire.length import Bytes, grow, total_length
from lbreplay.wire.packet import SYN

TOA_SIZE = {4: 8, 16: 20}  # bytes of the option, by the length of the client's address
MAX_HEADER = 60
ALIGNED_TIMESTAMP = bytes((NOP, NOP, TIMESTAMP, 10))

# What pruning keeps, and the greatest length of it: only the first of its kind (D 5.6).
KEPT_IN_SYN = {MSS: 4, WSCALE: 3, SACK_OK: 2, TIMESTAMP: 10, 30: 40, 34: 18}
KEPT = {TIMESTAMP: 10}

Segment = bytearray | memoryview


class Option(NamedTuple):
    """One option: where it begins, its kind, its length with kind and length bytes."""

    at: int
    kind: int
    length: int


class Toa(StrEnum):
    """What became of the client-address option."""

    INSERTED = "inserted"
    NOROUTE = "no MTU known"
    FRAG = "longer than the MTU"
    NOROOM = "no room in the TCP header"


def header_length(tcp: bytes | Segment) -> int:
    """Bytes of the TCP header by its data offset, at least 20 and at most what is there."""
    return max(BASE, min((tcp[12] >> 4) * 4, len(tcp))) if len(tcp) > BASE else BASE


def walk(tcp: bytes | Segment) -> Iterator[Option]:
    """The options of a segment in order, NOPs too; `at` counts from the TCP header."""
    at, end = BASE, header_length(tcp)
    while at < end and tcp[at] != EOL:
        if tcp[at] == NOP:
            length = 1
        elif at + 1 >= end or not 2 <= (length := tcp[at + 1]) <= end - at:
            return
        yield Option(at, tcp[at], length)
        at += length


def find(tcp: bytes | Segment, kind: int, length: int | None = None) -> int | None:
    """Offset of the first option of *kind* (and *length*), or None."""
    return next((o.at for o in walk(tcp) if o.kind == kind and length in (None, o.length)), None)


def blank_timestamp(tcp: Segment) -> bool:
    """Overwrite the first timestamp option (kind 8, length 10) with NOPs: full NAT never negotiates it (D 5.4)."""
    if (at := find(tcp, TIMESTAMP, 10)) is None:
        return False
    tcp[at : at + 10] = bytes((NOP,)) * 10
    return True


def lower_mss(tcp: Segment, by: int) -> bool:
    """Lower the first MSS option by *by*, without a lower bound: modulo 2^16 (D 5.5)."""
    if (at := find(tcp, MSS, 4)) is None:
        return False
    pack_into(">H", tcp, at + 2, (unpack_from(">H", tcp, at + 2)[0] - by) & 0xFFFF)
    return True


def shift_sack(tcp: Segment, delta: int) -> bool:
    """Add *delta* modulo 2^32 to all edges of the first SACK option of whole blocks.

    Behind the aligned timestamp that fills the options (NOP, NOP, timestamp) none is looked for (D 5.5).
    """
    if header_length(tcp) == BASE + 12 and bytes(tcp[BASE : BASE + 4]) == ALIGNED_TIMESTAMP:
        return False
    sack = next((o for o in walk(tcp) if o.kind == SACK and o.length >= 10 and o.length % 8 == 2), None)
    if sack is None:
        return False
    for at in range(sack.at + 2, sack.at + sack.length, 4):
        pack_into(">I", tcp, at, (unpack_from(">I", tcp, at)[0] + delta) & 0xFFFFFFFF)
    return True


def client_of(l3: Bytes, l4_at: int) -> Endpoint:
    """The end that a packet comes from."""
    source = l3[12:16] if l3[0] >> 4 == 4 else l3[8:24]
    return Endpoint(bytes(source), int.from_bytes(l3[l4_at : l4_at + 2]))


def toa_option(client: Endpoint) -> bytes:
    """The option: kind 254, length 8 or 20, client port and address in network order (D 5.6)."""
    return bytes((TOA, TOA_SIZE[len(client.address)])) + client.port.to_bytes(2) + client.address


def insert_toa(l3: Bytes, l4_at: int, client: Endpoint, mtu: int, *, prune: bool = True) -> tuple[bytearray, Toa]:
    """Put the client-address option behind the base header of a TCP packet (D 5.6).

    *mtu* is the route's or the device's, 0 unknown. When it does not fit and *prune* is set, the packet's own
    options are pruned and it is tried once more; when it still fails, the (then pruned) packet comes back without
    it. The second value says which. Lengths and data offset are right afterwards, checksums are the caller's.
    """
    option = toa_option(client)
    outcome = _fits(l3, l4_at, len(option), mtu)
    packet = bytearray(l3)
    if outcome is not Toa.INSERTED and prune:
        gain = prune_options(packet, l4_at, len(option))
        if gain >= len(option) and outcome is not Toa.NOROUTE:
            outcome = _fits(packet, l4_at, len(option), mtu)
    if outcome is Toa.INSERTED:
        packet[l4_at + BASE : l4_at + BASE] = option
        _resize(packet, l4_at, len(option))
    return packet, outcome


def _fits(l3: Bytes, l4_at: int, size: int, mtu: int) -> Toa:
    if not mtu:
        return Toa.NOROUTE
    if total_length(l3) > mtu - size:
        return Toa.FRAG
    if MAX_HEADER - (l3[l4_at + 12] >> 4) * 4 < size:
        return Toa.NOROOM
    return Toa.INSERTED


def prune_options(packet: bytearray, l4_at: int, wanted: int) -> int:
    """Make *wanted* bytes of room in the options, in place; the bytes gained (D 5.6).

    First NOPs, everything from the end of list or a malformed option on, and old client-address options go; then,
    until there is room, options that are not protected. What is left is padded with zeros to a multiple of 4. Of what
    the capture cut nobody knows which options could go: they stay.
    """
    tcp = bytes(packet[l4_at : l4_at + MAX_HEADER])
    there = (tcp[12] >> 4) * 4 - BASE
    if there < wanted or there > len(tcp) - BASE:
        return 0
    kept = [o for o in walk(tcp) if o.kind not in (NOP, TOA)]
    gain = there - sum(o.length for o in kept)
    protected = dict(KEPT_IN_SYN if tcp[13] & SYN else KEPT)
    for option in list(kept):
        if gain >= wanted:
            break
        if option.length > protected.get(option.kind, 0):
            kept.remove(option)
            gain += option.length
        else:
            del protected[option.kind]
    left = b"".join(tcp[o.at : o.at + o.length] for o in kept)
    left += bytes(-len(left) % 4)
    packet[l4_at + BASE : l4_at + BASE + there] = left
    _resize(packet, l4_at, len(left) - there)
    return there - len(left)


def _resize(packet: bytearray, l4_at: int, by: int) -> None:
    packet[l4_at + 12] = (packet[l4_at + 12] + (by // 4 << 4)) & 0xFF
    grow(packet, by)
