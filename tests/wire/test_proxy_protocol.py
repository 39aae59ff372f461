"""PROXY protocol headers: built, read, replaced, converted, and alone when they do not fit."""

import pytest

from lbreplay.model import Endpoint
from lbreplay.wire import proxy_protocol as pp
from lbreplay.wire.craft import ipv4, ipv6
from lbreplay.wire.length import total_length
from lbreplay.wire.packet import TCP, UDP

CLIENT, VIP = Endpoint(bytes([172, 16, 0, 1]), 3000), Endpoint(bytes([10, 0, 0, 100]), 80)
OTHER = Endpoint(bytes([192, 0, 2, 9]), 9)
CLIENT6, VIP6 = Endpoint(bytes.fromhex("20010db8") + bytes(11) + b"\1", 3000), Endpoint(bytes(15) + b"\2", 80)
V1 = b"PROXY TCP4 172.16.0.1 10.0.0.100 3000 80\r\n"
V1_6 = b"PROXY TCP6 2001:db8::1 ::2 3000 80\r\n"
V2 = bytes.fromhex("0d0a0d0a000d0a515549540a 2111000c ac100001 0a000064 0bb8 0050")


def test_build():
    """The text and the binary form of both families, the datagram's transport too."""
    assert pp.build_v1(CLIENT, VIP) == V1 and pp.build_v1(CLIENT6, VIP6) == V1_6
    assert pp.build_v2(CLIENT, VIP) == V2
    v6 = pp.build_v2(CLIENT6, VIP6, UDP)
    assert len(v6) == 52 and v6[12:16].hex() == "21220024" and v6[16:48] == CLIENT6.address + VIP6.address


@pytest.mark.parametrize(
    "header, version, ends", [(V1, 1, (CLIENT, VIP)), (V1_6, 1, (CLIENT6, VIP6)), (V2, 2, (CLIENT, VIP))]
)
def test_parse_what_was_built(header, version, ends):
    """A header in front of a payload is read back."""
    assert pp.parse(header + b"GET /") == (version, len(header), TCP, *ends, False)


def test_no_header():
    """Other payloads, less than twelve bytes of whatever, and LOCAL: what DPVS has to say goes in front."""
    for payload in (b"", b"GET / HTTP/1.1\r\n", b"PROXY \r\n", V2[:11], V2[:12] + b"\x20\0\0\2ab!"):
        assert pp.parse(payload) is None
        assert pp.plan(payload, "v1-insecure", CLIENT, VIP) == (V1, 0)


@pytest.mark.parametrize(
    "text, ports",
    [
        (b"PROXY TCP4 172.16.0.1 10.0.0.100 3000 80\n", (3000, 80)),
        (b"PROXY TCP4 172.16.0.1 10.0.0.100 3000 80\0", (3000, 80)),
        (b"PROXY   TCP4  172.16.0.1 10.0.0.100  3000 80 \r\n", (3000, 80)),
        (b"PROXY TCP4more 172.16.0.1 10.0.0.100 70000 -1\r\n", (4464, 65535)),
        (b"PROXY TCP4 172.16.0.1 10.0.0.100 +3000 \t99999999999999999999\r\n", (3000, 65535)),
    ],
)
def test_text_is_read_as_c_reads_it(text, ports):
    """A bare line feed or a NUL ends it, spaces may be many, strtol reads the ports, four letters tell the family."""
    ends = Endpoint(CLIENT.address, ports[0]), Endpoint(VIP.address, ports[1])
    assert pp.parse(text + b"GET") == (1, len(text), TCP, *ends, False)


def test_the_end_of_a_binary_header_is_told_by_its_family():
    """Extensions are payload, and a length that is too small does not matter; a UNIX header has 232 bytes."""
    longer, shorter = V2[:14] + b"\0\x10" + V2[16:] + b"\4\0\1\0", V2[:14] + b"\0\4" + V2[16:]
    assert pp.parse(longer) == pp.parse(shorter) == (2, 28, TCP, CLIENT, VIP, False)
    assert pp.plan(longer, "v2", CLIENT, VIP) == (V2, 28)
    unix = V2[:13] + b"\x31\0\xd8" + bytes(216)
    assert pp.parse(unix) == (2, 232, TCP, None, None, True)
    assert pp.plan(unix, "v1-insecure", CLIENT, VIP) is None and pp.plan(unix, "v1", CLIENT, VIP) == (V1, 232)


@pytest.mark.parametrize(
    "payload",
    [
        b"PROXY TCP4 172.16.0.1 10.0.0.100 3000",
        b"PROXY TCP4 172.16.0.1 10.0.0.100 3000\r\n",
        b"PROXY TCP4 172.16.0.1 10.0.0.100 3000 80 1\r\n",
        b"PROXY TCP4 172.16.0.1 10.0.0.100 0x10 80\r\n",
        b"PROXY UNKNOWN\r\n",
        b"PROXY UNKNOWN ::1 ::2 3000 80\r\n",
        b"PROXY TCP4 ::1 ::2 3000 80\r\n",
        b"PROXY TCP5 172.16.0.1 10.0.0.100 3000 80\r\n",
        b"PROXY TCP4 172.16.0.300 10.0.0.100 3000 80\r\n",
        b"PROXY \xff\xff\xff\xff\r\n",
        b"PROXY TCP4 172.16.0.\xff 10.0.0.100 3000 80\r\n",
        b"PROXY " + b"x" * 120 + b"\r\n",
        V2[:20],
        V2[:12],
        V2[:12] + b"\x11" + V2[13:],
        V2[:14] + b"\0\4" + V2[16:20],
        V2[:13] + b"\x01" + V2[14:],
        V2[:13] + b"\x41" + V2[14:],
        V2[:13] + b"\x10" + V2[14:],
        V2[:14] + b"\xff\xff" + V2[16:],
    ],
)
def test_broken_headers(payload):
    """A broken header is refused, and nothing is inserted, secure or not."""
    with pytest.raises(pp.Refused):
        pp.parse(payload)
    assert pp.plan(payload, "v2", CLIENT, VIP) is None


THEIRS1, THEIRS2 = pp.build_v1(OTHER, VIP), pp.build_v2(OTHER, VIP)


@pytest.mark.parametrize(
    "payload, setting, header, replaced",
    [
        (b"GET", "v1", V1, 0),
        (b"GET", "v2-insecure", V2, 0),
        (THEIRS1 + b"GET", "v2", V2, len(THEIRS1)),
        (THEIRS2 + b"GET", "v2", V2, 28),
        (THEIRS1 + b"GET", "v2-insecure", THEIRS2, len(THEIRS1)),
        (THEIRS2 + b"GET", "v1-insecure", THEIRS1, 28),
        (V2[:12] + b"\x22" + V2[13:], "v1-insecure", b"PROXY UNKNOWN\r\n", 28),
        (V2[:12] + b"\x22" + V2[13:], "v1", V1, 28),
    ],
)
def test_plan(payload, setting, header, replaced):
    """Secure replaces, insecure converts the other version."""
    insertion = pp.plan(payload, setting, CLIENT, VIP)
    assert insertion == (header, replaced) and insertion.growth == len(header) - replaced


def test_plan_of_nothing():
    """Insecure leaves the same version alone, and a header of the other transport; a datagram has no text form."""
    assert pp.plan(THEIRS1, "v1-insecure", CLIENT, VIP) is None
    assert pp.plan(b"x", "v1", CLIENT, VIP, UDP) is None
    assert pp.plan(THEIRS1, "v2-insecure", CLIENT, VIP, UDP) is None
    assert pp.plan(pp.build_v2(OTHER, VIP, UDP), "v1-insecure", CLIENT, VIP) is None


def tcp(payload, seq=1001):
    """An IPv4 segment with four bytes of options."""
    head = bytes.fromhex("0bb80050") + seq.to_bytes(4) + bytes(4) + b"\x60\x18" + bytes(6)
    return ipv4(CLIENT.address, VIP.address, TCP, head + b"\1\1\1\1" + payload)


def test_insert_in_front_of_the_payload():
    """The header comes first and the sequence number is lowered by its length."""
    ((packet, at),) = pp.insert(tcp(b"GET"), 20, TCP, pp.Insertion(V2, 0), 1500)
    assert packet[44:] == V2 + b"GET" and total_length(packet) == len(packet) and at == 20
    assert int.from_bytes(packet[24:28]) == 1001 - 28


def test_insert_in_place_of_a_header():
    """A shorter header raises the sequence number, modulo 2^32; what does not grow is never sent in two."""
    ((packet, _),) = pp.insert(tcp(V1 + b"GET", 0xFFFFFFFF), 20, TCP, pp.Insertion(V2, len(V1)), 50)
    assert packet[44:] == V2 + b"GET" and total_length(packet) == len(packet)
    assert int.from_bytes(packet[24:28]) == len(V1) - 28 - 1


def test_too_long_for_one_packet():
    """The header goes alone, the rest follows right behind it in sequence."""
    (alone, at), (rest, _) = pp.insert(tcp(THEIRS2 + bytes(100)), 20, TCP, pp.Insertion(V1, len(THEIRS2)), 100)
    assert alone[40:] == V1 and rest[44:] == bytes(100) and at == 20
    assert total_length(alone) == len(alone) and total_length(rest) == len(rest)
    first, second = (int.from_bytes(p[24:28]) for p in (alone, rest))
    assert first == 1001 + len(THEIRS2) - len(V1) and second == first + len(V1)


@pytest.mark.parametrize("flags, left", [(0x18, 0x18), (0xF8, 0x18), (0x11, 0x10)])
def test_a_header_alone_has_no_options(flags, left):
    """Of IP and TCP; DF is clear, ACK set, PSH as it was; TOS, identification, TTL and window too (recorded)."""
    ip = bytes.fromhex("46b8009447114000210600 00ac1000010a00006401010100")
    whole = bytearray(ip + tcp(bytes(100))[20:])
    whole[37], whole[38:40], whole[42:44] = flags, b"\x12\x34", b"\7\7"
    (alone, at), (rest, rest_at) = pp.insert(whole, 24, TCP, pp.Insertion(V1, 0), 100)
    assert alone[:10].hex() == f"45b8{40 + len(V1):04x}471100002106" and alone[12:20] == ip[12:20]
    assert alone[32:40].hex() == f"50{left:02x}123400000000" and alone[40:] == V1
    assert (at, rest_at, rest[6], rest[20:24]) == (20, 24, 0x40, ip[20:24])


@pytest.mark.parametrize("mtu, payloads", [(1500, [V2 + b"data"]), (68, [V2, b"data"])])
def test_datagrams(mtu, payloads):
    """A datagram's own length follows, in one piece or in two."""
    l3 = ipv6(CLIENT6.address, VIP6.address, UDP, bytes.fromhex("0bb80050 000c0000") + b"data")
    packets = [packet for packet, _ in pp.insert(l3, 40, UDP, pp.Insertion(V2, 0), mtu)]
    assert [p[48:] for p in packets] == payloads
    assert all(int.from_bytes(p[44:46]) == len(p) - 40 == total_length(p) - 40 for p in packets)
