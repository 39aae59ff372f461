"""The client's address in UDP datagrams: each form against recordings, and when there is no room."""

import pytest
import recorded

from lbreplay.model import Endpoint
from lbreplay.wire import uoa
from lbreplay.wire.craft import ipv4, ipv6
from lbreplay.wire.length import total_length
from lbreplay.wire.packet import UDP

CLIENT = Endpoint(bytes([172, 16, 0, 1]), 3000)
CLIENT6 = Endpoint(bytes.fromhex("20010db8000c") + bytes(9) + b"\1", 3000)
UDP_HEADER = bytes.fromhex("0bb80035 00080000")
V4 = ipv4(CLIENT.address, bytes(4), UDP, UDP_HEADER)
V6 = ipv6(CLIENT6.address, bytes(16), UDP, UDP_HEADER)


def carried(packet):
    """(UOA bytes, offset of UDP) of a transmitted datagram that carries the client's address, else None."""
    if packet.proto == uoa.OPP:
        at = packet.l4_at + int.from_bytes(packet.l3[packet.l4_at + 2 : packet.l4_at + 4])
        return packet.l3[packet.l4_at : at], at
    if packet.family == 4 and packet.l4_at > 20 and packet.l3[20] == uoa.IPO:
        return packet.l3[20:28], packet.l4_at
    return None


@pytest.mark.parametrize(
    "name",
    ["dpvs/uoa_opp", "dpvs/uoa_ipo", "dpvs/uoa_ipo_trail_5", "dpvs/v6_udp", "dpvs/nat64", "dpvs-1.8/nat64"],
)
def test_recorded_datagrams(name):
    """Inserted or alone, the address and the lengths are those DPVS sent; and there is room when it found room."""
    config, seen = recorded.settings(name), {True: 0, False: 0}
    mode = config.get("udp", {}).get("uoa_mode", "opp")
    for came, left in recorded.frames(name):
        found = carried(left[0]) if came and came.proto == UDP and left else None
        if not found:
            continue
        sent, (field, at), client = left[0].l3, found, Endpoint(came.src, came.sport)
        alone = len(left) > 1
        assert uoa.has_room(came.l3, came.l4_at, mode, client, config["device"]["mtu"]) is not alone
        if name.startswith("dpvs-1.8"):
            client = uoa.stray_client(came.l3, client, alone=alone)
        if alone:
            ports = int.from_bytes(sent[at : at + 2]), int.from_bytes(sent[at + 2 : at + 4])
            src, dst = Endpoint(left[0].src, ports[0]), Endpoint(left[0].dst, ports[1])
            assert uoa.alone(came.l3, mode, client, src, dst, int.from_bytes(sent[4:6])) == sent
        else:
            made = uoa.insert(came.l3, came.l4_at, mode, client)
            shift = (came.family == 6 and left[0].family == 4 and 20) or 0
            assert made.l4_at - shift == at and total_length(made.l3) - shift == len(sent)
            assert made.l3[made.l4_at - len(field) : made.l4_at] == field or (mode == "ipo" and made.l3[20:28] == field)
            assert made.l3[made.l4_at + 8 :] == sent[at + 8 :]
        seen[alone] += 1
    assert seen[True] >= 1 and seen[False] >= 3


def test_opp_layout():
    """The private header says family, protocol 17 and its length; the IP header says protocol 248."""
    made = uoa.insert(V4, 20, "opp", CLIENT)
    assert made.l3[20:32].hex() == "1011000c1f080bb8ac100001" and made.l3[9] == 248
    assert made.l4_at == 32 and made.added == 12 and total_length(made.l3) == 40
    made = uoa.insert(V6, 40, "opp", CLIENT6)
    assert made.l3[40:48].hex() == "201100181f140bb8" and made.l3[48:64] == CLIENT6.address and made.l3[6] == 248
    assert made.l4_at == 64 and total_length(made.l3) == 72


def test_ipo_is_the_first_option():
    """It stands before the packet's own options and the header grows by two words."""
    l3 = ipv4(CLIENT.address, bytes(4), UDP, b"\1\1\1\0" + UDP_HEADER)
    l3[0] = 0x46
    made = uoa.insert(l3, 24, "ipo", CLIENT)
    assert made.l3[0] == 0x48 and made.l3[20:32].hex() == "1f080bb8ac10000101010100" and made.l4_at == 32


def test_ipo_of_an_ipv6_client():
    """Nothing is inserted."""
    assert uoa.insert(V6, 40, "ipo", CLIENT6) == (V6, 40, 0)
    assert uoa.size_of("ipo", CLIENT6) == 0


@pytest.mark.parametrize(
    "l3, l4_at, mode, client, mtu, room",
    [
        (V4, 20, "opp", CLIENT, 40, True),
        (V4, 20, "opp", CLIENT, 39, False),
        (V4, 20, "ipo", CLIENT, 36, True),
        (V4, 20, "ipo", CLIENT, 35, False),
        (V6, 40, "opp", CLIENT6, 72, True),
        (V6, 40, "opp", CLIENT6, 71, False),
        (V6, 48, "opp", CLIENT6, 1500, False),  # extension headers
        (bytes([0x4D]) + V4[1:], 52, "ipo", CLIENT, 1500, True),
        (bytes([0x4E]) + V4[1:], 56, "ipo", CLIENT, 1500, False),
        (bytes([0x4F]) + V4[1:], 60, "opp", CLIENT, 1500, True),
    ],
)
def test_room(l3, l4_at, mode, client, mtu, room):
    """The MTU, extension headers (opp) and IP options (ipo) decide."""
    assert uoa.has_room(l3, l4_at, mode, client, mtu) is room


def test_alone_under_nat64_takes_stray_bytes():
    """TTL and TOS are bytes 8 and 1 of the IPv6 header, as DPVS takes them; DF is not set."""
    ends = Endpoint(bytes([10, 0, 0, 1]), 1025), Endpoint(bytes([10, 0, 0, 2]), 53)
    l3 = uoa.alone(V6, "opp", CLIENT6, *ends, 7)
    assert l3[8] == 0x20 and l3[1] == 0 and l3[6:8] == b"\0\0" and l3[-8:].hex() == "0401003500080000"


def test_stray_port():
    """v1.8 writes bytes of the IPv6 header where the client's port belongs."""
    assert uoa.stray_client(V6, CLIENT6, alone=True).port == 0x6000
    l3 = V6[:24] + b"\x20\x01" + V6[26:]
    assert uoa.stray_client(l3, CLIENT6, alone=False) == (CLIENT6.address, 0x2001)
