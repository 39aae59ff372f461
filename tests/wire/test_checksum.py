"""Checksums: published values, the laws of RFC 1071 and 1624, cut packets, and every recorded transmission."""

import random

import pytest
import recorded

from lbreplay.model import Endpoint
from lbreplay.wire import checksum
from lbreplay.wire.craft import expiry_rst, ipv4, ipv6
from lbreplay.wire.packet import ICMP, ICMPV6, SCTP, TCP, UDP

PROTOS = (TCP, UDP, ICMP, ICMPV6, SCTP)


def packet(family, proto, size, seed=0):
    """A complete packet of random bytes with right checksums."""
    body = bytearray(random.Random(seed).randbytes(size))
    l3 = (
        ipv4(b"\x0a\0\0\1", b"\x0a\0\0\2", proto, body)
        if family == 4
        else ipv6(bytes(15) + b"\1", bytes(16), proto, body)
    )
    checksum.l4(l3, len(l3) - size, proto)
    return l3, len(l3) - size


def plain_sum(data):
    """RFC 1071, word by word."""
    total = sum(int.from_bytes(data[i : i + 2].ljust(2, b"\0")) for i in range(0, len(data), 2))
    while total > 0xFFFF:
        total = (total >> 16) + (total & 0xFFFF)
    return total


@pytest.mark.parametrize(
    "data", [b"", b"\0\0", b"\xff\xff", b"\xff\xff\0\0", b"\x12", b"\1\2\3", b"\xff" * 1501, bytes(9)]
)
def test_ones_sum(data):
    """The one division equals the sum word by word, for zeros, all ones and odd lengths too."""
    assert checksum.ones_sum(data) == plain_sum(data)


def test_rfc_1071_example():
    """The example of RFC 1071: 0001 f203 f4f5 f6f7 sum up to ddf2."""
    assert checksum.ones_sum(bytes.fromhex("0001f203f4f5f6f7")) == 0xDDF2


def test_ip_header_of_an_example():
    """The header of the usual textbook example gives b861, and verifies."""
    l3 = bytearray.fromhex("450000730000400040110000c0a80001c0a800c7")
    checksum.ip_header(l3)
    assert l3[10:12].hex() == "b861" and checksum.verify_ip_header(l3)
    l3[8] -= 1
    assert not checksum.verify_ip_header(l3)


@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize("proto", PROTOS)
@pytest.mark.parametrize("size", [40, 41])
def test_what_is_set_verifies(family, proto, size):
    """A checksum that was set is right, and wrong after any byte changed."""
    l3, at = packet(family, proto, size)
    assert checksum.verify_l4(l3, at, proto)
    l3[at + 20] ^= 0x10
    assert not checksum.verify_l4(l3, at, proto)


def test_udp_never_sends_zero():
    """A UDP checksum that comes out as 0 leaves as ffff (RFC 768), and 0 means none over IPv4."""
    l3, at = packet(4, UDP, 10)
    l3[at + 8 : at + 10] = b"\0\0"
    checksum.l4(l3, at, UDP)
    l3[at + 8 : at + 10] = l3[at + 6 : at + 8]  # the complement of the rest, put into it: the sum is ffff
    l3[at + 6 : at + 8] = b"\0\0"
    assert checksum.verify_l4(l3, at, UDP)
    checksum.l4(l3, at, UDP)
    assert l3[at + 6 : at + 8] == b"\xff\xff" and checksum.verify_l4(l3, at, UDP)


def test_update_equals_computing_anew():
    """RFC 1624: moving a checksum by what changed gives what summing again gives."""
    l3, at = packet(4, TCP, 60, seed=7)
    before, old = int.from_bytes(l3[at + 16 : at + 18]), bytes(l3[at + 4 : at + 12])
    l3[at + 4 : at + 12] = new = bytes.fromhex("ffff0000deadbeef")
    moved = checksum.update(before, old, new)
    checksum.l4(l3, at, TCP)
    assert moved == int.from_bytes(l3[at + 16 : at + 18])


def test_rfc_1624_example():
    """The example of RFC 1624: checksum dd2f, field 5555 becomes 3285, new checksum 0000."""
    assert checksum.update(0xDD2F, b"\x55\x55", b"\x32\x85") == 0


@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize("proto", [TCP, UDP])
@pytest.mark.parametrize("kept", [24, 31])
def test_cut_packets_carry_their_checksum(family, proto, kept):
    """A cut packet's checksum becomes what the complete one's would: other addresses and eight bytes more."""
    whole, at = packet(family, proto, 60, seed=3)
    cut = bytes(whole[: at + kept])

    def rewritten(l3):
        new = bytearray(l3)
        new[at - 4 : at] = b"\x0b\x0c\x0d\x0e"
        new[at + 20 : at + 20] = b"\xfe\x08\1\2\3\4\5\6"
        length = 2 if family == 4 else 4
        new[length : length + 2] = (int.from_bytes(new[length : length + 2]) + 8).to_bytes(2)
        return new

    want, got = rewritten(whole), rewritten(cut)
    checksum.settle(want, at, proto, whole, at)
    checksum.settle(got, at, proto, cut, at)
    assert checksum.verify_l4(want, at, proto)
    assert got == want[: len(got)]


def test_cut_udp_without_checksum_keeps_none():
    """The 0 of a cut datagram stays 0."""
    whole, at = packet(4, UDP, 60)
    whole[at + 6 : at + 8] = b"\0\0"
    cut = bytes(whole[: at + 20])
    new = bytearray(cut)
    checksum.settle(new, at, UDP, cut, at)
    checksum.update_l4(new, at, UDP, b"\0\1", b"\0\2")
    assert new == cut


def test_update_in_place():
    """The field in the packet moves with what changed."""
    l3, at = packet(6, TCP, 40)
    old = bytes(l3[at : at + 2])
    l3[at : at + 2] = b"\x23\x28"
    checksum.update_l4(l3, at, TCP, old, b"\x23\x28")
    assert checksum.verify_l4(l3, at, TCP)


def test_crc32c_of_the_check_string():
    """The check value of CRC-32C, and 32 zeros as RFC 3720 prints them."""
    assert checksum.crc32c(b"123456789") == 0xE3069283
    assert checksum.crc32c(bytes(32)) == 0x8A9136AA


def test_short_l4_is_left_alone():
    """A header that is not there has no checksum to set."""
    l3 = bytearray(expiry_rst(Endpoint(bytes(4), 1), Endpoint(bytes(4), 2), 0, 0)[:30])
    before = bytes(l3)
    checksum.l4(l3, 20, TCP)
    assert l3 == before


@pytest.mark.parametrize("name", ["sctp", "v6_errors", "nat64", "icmp_errors", "v6_udp", "synproxy"])
def test_recorded_transmissions(name):
    """Whatever DPVS transmitted has the checksums that are computed here."""
    seen = 0
    for _, out in recorded.frames(f"dpvs/{name}"):
        for sent in out:
            if sent.proto not in PROTOS or sent.is_fragment:
                continue
            l3 = bytearray(sent.l3)
            checksum.ip_header(l3)
            checksum.l4(l3, sent.l4_at, sent.proto)
            assert l3 == sent.l3
            seen += 1
    assert seen >= 20
