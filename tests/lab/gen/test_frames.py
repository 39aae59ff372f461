"""Bytes of clients and servers: whole, and right as far as they are meant to be."""

import pytest

from lbreplay.lab.gen import frames
from lbreplay.model import Endpoint
from lbreplay.wire import checksum
from lbreplay.wire.packet import SCTP, TCP, UDP, Packet

A4, B4 = Endpoint(bytes((10, 0, 0, 1)), 1000), Endpoint(bytes((10, 0, 0, 2)), 80)
A6, B6 = Endpoint(bytes(15) + b"\x11", 1000), Endpoint(bytes(15) + b"\x22", 80)


@pytest.mark.parametrize("ends", [(A4, B4), (A6, B6)])
def test_checksums_are_right(ends):
    """Of every kind of packet, in both families."""
    made = (
        (TCP, frames.tcp(*ends, "SA", 1, 2, b"abc", options=frames.MSS)),
        (UDP, frames.udp(*ends, b"abc")),
        (SCTP, frames.sctp(*ends, "data", 7)),
    )
    for proto, l3 in made:
        packet = Packet(frames.frame(l3, bytes(6), bytes(6)), 100)
        assert (packet.proto, packet.sport, packet.dport) == (proto, 1000, 80)
        assert checksum.verify_ip_header(l3) and checksum.verify_l4(l3, packet.l4_at, proto)


def test_flags_by_letter():
    """Letters in any order, a dash for none."""
    assert frames.flags_of("SA") == frames.flags_of("AS") == 0x12 and frames.flags_of("-") == 0


def test_pieces_make_the_whole():
    """Two fragments with the payload of the packet between them, in both families."""
    for ends in ((A4, B4), (A6, B6)):
        l3 = frames.udp(*ends, frames.payload(40))
        first, second = frames.in_pieces(l3)
        head, cut = (20, 20) if l3[0] >> 4 == 4 else (48, 40)
        assert first[head:] + second[head:] == l3[cut:]


def test_what_is_spoiled_is_wrong():
    """One byte is turned, and nothing else."""
    l3 = frames.udp(A4, B4, b"abc")
    bad = frames.spoiled(l3, 26)
    assert not checksum.verify_l4(bad, 20, UDP) and frames.spoiled(bad, 26) == l3


def test_a_header_that_lies_sums_up():
    """Other bytes in a TCP header, the checksum right again."""
    l3 = frames.resummed(frames.tcp(A4, B4, "A", 1, 1), 32, b"\xf0")
    assert l3[32] == 0xF0 and checksum.verify_l4(l3, 20, TCP)
