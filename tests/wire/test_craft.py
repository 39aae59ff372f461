"""Packets the balancer makes: against recordings where there are some, else field by field."""

import pytest
import recorded

from lbreplay.model import Endpoint
from lbreplay.wire import checksum, craft
from lbreplay.wire.length import total_length
from lbreplay.wire.packet import ACK, ETH_ARP, ETH_IPV4, ETH_IPV6, ICMP, ICMPV6, RST, TCP, UDP, Packet

MAC, PEER = b"\2\0\0\0\0\1", b"\2\0\0\0\0\2"
A4, B4 = bytes([10, 0, 0, 1]), bytes([10, 0, 0, 2])
A6, B6 = bytes.fromhex("20010db8" + "00" * 11 + "01"), bytes.fromhex("20010db8" + "00" * 11 + "02")


def received(l3, length=None):
    """*l3* as a received frame; *length* is the L3 length on the wire."""
    frame = craft.ethernet(MAC, PEER, ETH_IPV4 if l3[0] >> 4 == 4 else ETH_IPV6, l3)
    return Packet(frame, 14 + (length or len(l3)))


@pytest.mark.parametrize("name", ["first_packets", "v6_errors", "state_table_in", "synproxy_bad_and_late"])
def test_recorded_rst_replies(name):
    """An ACK of nobody's connection comes back as the RST|ACK that DPVS made of it."""
    seen = 0
    for came, left in recorded.frames(f"dpvs/{name}"):
        for sent in left:
            if came and sent.proto == TCP and sent.flags & (RST | ACK) == RST | ACK and sent.dst == came.src:
                assert craft.rst_reply(came) == sent.l3
                seen += 1
    assert seen >= 1


def test_rst_reply_cuts_payload_and_keeps_options():
    """Payload counts in the acknowledgement and goes; options, urgent and congestion flags stay."""
    tcp = bytes.fromhex("0bb80050 000003e8 00001389 80fd2000 00000007 0101080a0000000500000006") + b"12345"
    l3 = craft.ipv4(A4, B4, TCP, tcp, tos=0x28, ident=77, flags=0x4000)
    reply = craft.rst_reply(received(l3))
    assert reply[:10].hex() == "45000034004d40003f06" and reply[12:20] == B4 + A4
    assert reply[20:34].hex() == "00500bb800001389000003ed80f4"
    assert reply[34:36] == b"\0\0" and reply[38:] == tcp[18:32]
    assert checksum.verify_l4(reply, 20, TCP) and checksum.verify_ip_header(reply)


@pytest.mark.parametrize("name", ["expiry_rst_pair", "v6_tcp", "nat"])
def test_recorded_expiry_rsts(name):
    """The RSTs of an expiry are what DPVS sent, given the tuple and both numbers."""
    seen = 0
    for came, left in recorded.frames(f"dpvs/{name}"):
        for sent in left if came is None else ():
            if sent.flags == RST:
                src, dst = Endpoint(sent.src, sent.sport), Endpoint(sent.dst, sent.dport)
                assert craft.expiry_rst(src, dst, sent.seq, sent.ack) == sent.l3
                seen += 1
    assert seen >= 2


@pytest.mark.parametrize("name", ["icmp_echo", "v6_errors"])
def test_recorded_echo_replies(name):
    """Echo replies are what DPVS sent, given the identification."""
    seen = 0
    for came, left in recorded.frames(f"dpvs/{name}"):
        for sent in left:
            if came and came.proto in (ICMP, ICMPV6) and sent.src == came.dst and sent.dst == came.src:
                assert craft.echo_reply(came, int.from_bytes(sent.l3[4:6])) == sent.l3
                seen += 1
    assert seen >= 2


@pytest.mark.parametrize("src, dst, proto, kind", [(A4, B4, ICMP, 8), (A6, B6, ICMPV6, 128)])
def test_echo_reply_of_a_cut_request(src, dst, proto, kind):
    """A cut request's reply has the length and the checksum of the whole one."""
    whole = craft.ip(src, dst, proto, bytes([kind, 0, 0, 0]) + bytes(range(60)))
    checksum.l4(whole, len(whole) - 64, proto)
    cut = craft.echo_reply(received(whole[:-20], len(whole)), 5)
    want = craft.echo_reply(received(whole), 5)
    assert cut == want[:-20] and total_length(cut) == len(want)


@pytest.mark.parametrize("name", ["mtu_df", "mtu_1700", "toa_mtu"])
def test_recorded_fragments(name):
    """Fragments put together and cut again are the recorded ones."""
    mtu, seen = recorded.settings(f"dpvs/{name}")["device"]["mtu"], 0
    for _, left in recorded.frames(f"dpvs/{name}"):
        pieces = [sent.l3 for sent in left if sent.is_fragment]
        if pieces:
            whole = bytearray(pieces[0]) + b"".join(piece[20:] for piece in pieces[1:])
            craft.set_length(whole)
            assert craft.fragments(whole, mtu) == pieces
            seen += 1
    assert seen >= 1


def test_fragments_copy_options_and_cut_at_eights():
    """Options go into each piece, offsets count from 0, MF is on all but the last, and DF is gone."""
    l3 = craft.ipv4(A4, B4, UDP, bytes(range(100)), flags=0x4000)
    l3[20:20] = b"\1\1\1\0"
    l3[0] = 0x46
    craft.set_length(l3)
    pieces = craft.fragments(l3, 69)
    assert [len(p) for p in pieces] == [64, 64, 44]
    assert [p[6:8].hex() for p in pieces] == ["2000", "2005", "000a"]
    assert all(p[20:24] == b"\1\1\1\0" and checksum.verify_ip_header(p) for p in pieces)
    assert b"".join(p[24:] for p in pieces) == bytes(range(100))


def test_fragments_of_a_cut_packet():
    """Each piece has the length it has on the wire, and the bytes there are of it."""
    l3 = craft.ipv4(A4, B4, UDP, bytes(100))
    pieces = craft.fragments(l3[:90], 68)
    assert [total_length(p) for p in pieces] == [68, 68, 24]
    assert [len(p) for p in pieces] == [68, 42, 20]


def test_recorded_arp_replies():
    """Requests for own addresses become the recorded answers, padding kept."""
    seen = 0
    for came, left in recorded.frames("dpvs/mac_classes_arp"):
        for sent in left if came and came.ethertype == ETH_ARP else ():
            assert craft.arp_reply(came.frame, sent.frame[6:12]) == sent.frame
            seen += 1
    assert seen == 8


def test_arp_behind_a_tag():
    """A tagged request is answered with its tag."""
    request = craft.arp_request(B4, A4, PEER, tag=100)
    reply = craft.arp_reply(request, MAC, 18)
    assert reply[:18] == PEER + MAC + b"\x81\0\0\x64\x08\x06"
    assert reply[18:46] == b"\0\1\x08\0\6\4\0\2" + MAC + B4 + PEER + A4


def test_arp_request():
    """A broadcast of 60 bytes that asks for the target."""
    frame = craft.arp_request(B4, A4, MAC)
    assert len(frame) == 60 and frame[:14] == b"\xff" * 6 + MAC + b"\x08\x06"
    assert frame[14:42] == b"\0\1\x08\0\6\4\0\1" + MAC + A4 + bytes(6) + B4


def test_neighbor_advertisement():
    """Solicited and override, the MAC as target link-layer option, hop limit 255 (RFC 4861)."""
    l3 = craft.neighbor_advertisement(A6, B6, A6, MAC)
    assert l3[6:8] == bytes([58, 255]) and l3[8:40] == A6 + B6
    assert l3[40:42] == b"\x88\0" and l3[44:] == b"\x60\0\0\0" + A6 + b"\2\1" + MAC
    assert checksum.verify_l4(l3, 40, ICMPV6)


def test_neighbor_solicitation():
    """To the solicited-node group of the target and its MAC."""
    frame = craft.neighbor_solicitation(B6, A6, MAC)
    assert frame[:6] == b"\x33\x33\xff\0\0\2" and frame[14 + 24 : 14 + 40].hex() == "ff0200000000000000000001ff000002"
    assert frame[54] == 135 and frame[62:] == B6 + b"\1\1" + MAC
    assert checksum.verify_l4(frame[14:], 40, ICMPV6)
