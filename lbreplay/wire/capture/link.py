"""Link types: every frame is Ethernet inside, and leaves in the link type of the capture.

What a link header does not say is made up, the same for all frames: the destination is one constant address (so that it
counts as ours where no `device.mac` is set), the source is the one in a cooked header, else a constant too. A cooked
frame for another host, for all or for a group keeps that in its destination. Link types: tcpdump.org/linktypes.html.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from lbreplay.arrays import I64, U8, U16, Bool, distinct
from lbreplay.burst import Burst
from lbreplay.wire.fields import be16, overlay

ETHERNET = 14  # bytes of its header
OURS, PEER, OTHER = bytes.fromhex("0200000000fe"), bytes.fromhex("020000000000"), bytes.fromhex("0200000000fd")
ALL, GROUP = b"\xff" * 6, bytes.fromhex("01005e000000")
OUTGOING = 4
DESTINATION = np.frombuffer(OURS + ALL + GROUP + OTHER + OURS, np.uint8).reshape(
    5, 6
)  # by packet type of cooked frames
NOBODYS = 0xFFFF  # an ethertype that nothing handles: for what is neither IPv4 nor IPv6
V4, V6 = 0x0800, 0x86DD
BY_VERSION = np.full(16, NOBODYS, ">u2")
BY_VERSION[[4, 6]] = V4, V6
BY_FAMILY = {2: V4, 10: V6, 24: V6, 28: V6, 30: V6}  # AF_INET; AF_INET6 of Linux, NetBSD, FreeBSD, macOS


class Link(NamedTuple):
    """One link type: bytes of its header, what they say as an Ethernet header, and back, many rows at once.

    `least`: a frame with fewer bytes has no header that could be read.
    """

    header: int
    least: int
    decode: Callable[[U8], U8]  # rows of (at least) the header's bytes -> rows of 14
    encode: Callable[[U8], U8]  # rows of 14 -> rows of the header's bytes


def _ethernet(ethertype: U8, source: U8 | bytes = PEER, destination: U8 | bytes = OURS) -> U8:
    head = np.empty((len(ethertype), ETHERNET), np.uint8)
    head[:, 0:6] = np.frombuffer(destination, np.uint8) if isinstance(destination, bytes) else destination
    head[:, 6:12] = np.frombuffer(source, np.uint8) if isinstance(source, bytes) else source
    head[:, 12:14] = ethertype
    return head


def _cooked(kind: U8 | U16, size: U8 | U16, address: U8, protocol: U8) -> U8:
    """Packet type, length of the sender's address, address, protocol: what both cooked headers say."""
    known = (size == 6)[:, None]
    source = np.where(known, address, np.frombuffer(PEER, np.uint8))
    return _ethernet(protocol, source, DESTINATION[np.minimum(kind, OUTGOING)])


def _from_sll(row: U8) -> U8:
    return _cooked(be16(row, 0), be16(row, 4), row[:, 6:12], row[:, 14:16])


def _to_sll(ethernet: U8) -> U8:
    head = np.zeros((len(ethernet), 16), np.uint8)
    head[:, 1], head[:, 3], head[:, 5] = OUTGOING, 1, 6  # ARPHRD_ETHER, six bytes of address
    head[:, 6:12], head[:, 14:16] = ethernet[:, 6:12], ethernet[:, 12:14]
    return head


def _from_sll2(row: U8) -> U8:
    return _cooked(row[:, 10], row[:, 11], row[:, 12:18], row[:, 0:2])


def _to_sll2(ethernet: U8) -> U8:
    head = np.zeros((len(ethernet), 20), np.uint8)
    head[:, 9], head[:, 10], head[:, 11] = 1, OUTGOING, 6
    head[:, 0:2], head[:, 12:18] = ethernet[:, 12:14], ethernet[:, 6:12]
    return head


def _from_raw(row: U8) -> U8:
    return _ethernet(BY_VERSION[row[:, 0] >> 4].view(np.uint8).reshape(-1, 2))


def _to_raw(ethernet: U8) -> U8:
    return np.zeros((len(ethernet), 0), np.uint8)


def _from_null(row: U8) -> U8:
    """The family is four bytes in the order of the machine that captured, so the byte that is not 0 tells."""
    ethertype = np.full(len(row), NOBODYS, ">u2")
    for family, number in BY_FAMILY.items():
        ethertype[(row[:, 0] == family) ^ (row[:, 3] == family)] = number
    return _ethernet(ethertype.view(np.uint8).reshape(-1, 2))


def _to_null(ethernet: U8, order: int = 0) -> U8:
    head = np.zeros((len(ethernet), 4), np.uint8)
    head[:, order] = np.where(be16(ethernet, 12) == V6, 30, 2)
    return head


def _to_loop(ethernet: U8) -> U8:
    return _to_null(ethernet, 3)


def _unknown(row: U8) -> U8:
    return _ethernet(np.full((len(row), 2), 0xFF, np.uint8))


def _same(ethernet: U8) -> U8:
    return ethernet


_RAW = Link(0, 1, _from_raw, _to_raw)
LINKS = {
    1: Link(ETHERNET, 0, _same, _same),
    0: Link(4, 4, _from_null, _to_null),
    108: Link(4, 4, _from_null, _to_loop),
    12: _RAW,
    101: _RAW,
    228: _RAW,
    229: _RAW,
    113: Link(16, 16, _from_sll, _to_sll),
    276: Link(20, 20, _from_sll2, _to_sll2),
}
UNKNOWN = Link(0, 1, _unknown, _to_raw)  # of one interface among others: a frame that nobody handles
KNOWN = "Ethernet (1), Linux cooked (113, 276), raw IP (12, 101, 228, 229) or loopback (0, 108)"


class Links(NamedTuple):
    """The Ethernet headers of frames of other link types: bytes that each frame gets `more`, and what stands there."""

    more: I64
    head: U8

    def put(self, burst: Burst) -> None:
        """Write them, where there is room for them."""
        rows, view = np.flatnonzero(self.more), overlay(burst.buffer, ETHERNET)
        view[burst.at[rows]] = self.head[rows].view(view.dtype)[:, 0]


def heads_of(linktype: int, ethernet: list[bytes]) -> list[bytes]:
    """Headers of a link type in place of Ethernet ones."""
    rows = np.array(ethernet, f"V{ETHERNET}").view(np.uint8).reshape(-1, ETHERNET)
    return [row.tobytes() for row in LINKS[linktype].encode(rows)]


def unknown(linktype: I64) -> set[int]:
    """The numbers that name no link type."""
    return set(distinct(linktype)) - LINKS.keys()


def as_ethernet(burst: Burst, chunk: memoryview, linktype: I64 | int) -> Links:
    """Take the link headers off the rows of *burst*, which stand in *chunk*; what they are as Ethernet headers.
    Ethernet rows keep their own. A frame without a whole link header is a row of no bytes."""
    linktype = np.broadcast_to(np.asarray(linktype, np.int64), burst.at.shape)
    drop, head, cut = _decoded(np.asarray(chunk), burst.at, burst.caplen, linktype)
    more = np.where(linktype != 1, ETHERNET, 0)
    drop[cut], more[cut] = 0, 0
    burst.at[:], burst.caplen[:] = burst.at + drop, np.where(cut, 0, burst.caplen - drop)
    burst.length[:] = burst.sent[:] = np.maximum(burst.length - drop + more, burst.caplen + more)
    return Links(more, head)


def _decoded(chunk: U8, at: I64, caplen: I64, linktype: I64) -> tuple[I64, U8, Bool]:
    """By row: bytes of the link header, the Ethernet header that it is, whether it is cut."""
    drop, head = np.zeros(len(at), np.int64), np.zeros((len(at), ETHERNET), np.uint8)
    cut = np.zeros(len(at), np.bool_)
    for number in distinct(linktype):
        if number == 1:
            continue
        link = LINKS.get(number, UNKNOWN)
        rows = np.flatnonzero(linktype == number)
        drop[rows] = link.header
        cut[rows] = caplen[rows] < link.least
        size = max(link.header, 1)
        head[rows] = link.decode(overlay(chunk, size)[at[rows]].view(np.uint8).reshape(-1, size))
    return drop, head, cut
