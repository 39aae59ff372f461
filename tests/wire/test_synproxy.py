"""SYN-proxy: cookies and the packets that carry them, against recordings and published values."""

import pytest
import recorded

from lbreplay.model import Endpoint, SynProxy
from lbreplay.wire import checksum, options, synproxy
from lbreplay.wire.craft import ethernet, ip, ipv4
from lbreplay.wire.packet import ACK, ETH_IPV4, ETH_IPV6, RST, SYN, TCP, Packet
from lbreplay.wire.synproxy import Offer

CLIENT, VIP = Endpoint(bytes([172, 16, 0, 1]), 3000), Endpoint(bytes([10, 0, 0, 100]), 80)
CLIENT6, VIP6 = Endpoint(bytes(15) + b"\1", 3000), Endpoint(bytes(15) + b"\2", 80)
CASES = ["dpvs/synproxy", "dpvs/synproxy_options", "dpvs/synproxy_bad_and_late", "dpvs-1.8/synproxy_no_reuse"]
MINUTE = 60_000_000_000


def segment(client, vip, flags=SYN, seq=1000, ack=0, opts=b"", payload=b""):
    """A received TCP packet."""
    head = client.port.to_bytes(2) + vip.port.to_bytes(2) + seq.to_bytes(4) + ack.to_bytes(4)
    tcp = head + bytes([(20 + len(opts)) // 4 << 4, flags, 0x20, 0, 0, 0, 0, 0]) + opts + payload
    l3 = ip(client.address, vip.address, TCP, tcp)
    checksum.l4(l3, len(l3) - len(tcp), TCP)
    return Packet(ethernet(bytes(6), bytes(6), ETH_IPV4 if l3[0] >> 4 == 4 else ETH_IPV6, l3), 14 + len(l3))


def moments(name):
    """(packet in, its minute, its settings, packets out) of a recorded case."""
    config = recorded.settings(name).get("tcp", {}).get("synproxy", {})
    settings = SynProxy(**{key: tuple(v) if isinstance(v, list) else v for key, v in config.items()})
    first = None
    for came, left in recorded.frames(name):
        if came is not None:
            first = came.time_ns if first is None else first
            yield came, (came.time_ns - first) // MINUTE, settings, left


def test_cookie_of_the_dossier():
    """The published check value."""
    assert synproxy.make_cookie(CLIENT, VIP, 1000, 0x207000, 0) == 3763337932


@pytest.mark.parametrize("client, vip", [(CLIENT, VIP), (CLIENT6, VIP6)])
@pytest.mark.parametrize("minute", [0, 3, 255, 256, 70000])
def test_cookie_round_trip(client, vip, minute):
    """What a cookie was made of is read from it for four minutes, and not with another secret or number."""
    offer = Offer(1440, True, True, 14)
    cookie = synproxy.make_cookie(client, vip, 0xFFFFFFFF, offer.data, minute, 5)
    for age in range(4):
        assert synproxy.check_cookie(client, vip, 0xFFFFFFFF, cookie, minute + age, 5) == offer
    assert synproxy.check_cookie(client, vip, 0xFFFFFFFF, cookie, minute + 4, 5) is None
    assert synproxy.check_cookie(client, vip, 0xFFFFFFFF, cookie, minute, 6) is None
    assert synproxy.check_cookie(client, vip, 0, cookie, minute, 5) is None


@pytest.mark.parametrize("data", [0x20A000, 0x207001])
def test_cookie_of_impossible_data(data):
    """An index beyond the table or a low bit set is not valid."""
    cookie = synproxy.make_cookie(CLIENT, VIP, 1000, data, 0)
    assert synproxy.check_cookie(CLIENT, VIP, 1000, cookie, 0) is None


@pytest.mark.parametrize("mss, index", [(0, 0), (63, 0), (64, 0), (255, 0), (256, 1), (1459, 7), (1460, 8), (65535, 9)])
def test_mss_index(mss, index):
    """The largest entry that is not above the MSS."""
    assert Offer(mss).data == index << 12


def test_wscale_is_capped():
    """A window scale above 14 counts as 14."""
    assert Offer(64, wscale=15).data == 14 << 16


@pytest.mark.parametrize("name", CASES)
def test_recorded_synacks(name):
    """A SYN comes back as the SYN|ACK that DPVS made of it, cookie included."""
    seen = 0
    for came, minute, settings, left in moments(name):
        for sent in left:
            if came.flags & (SYN | ACK | RST) == SYN and sent.flags == SYN | ACK and sent.dst == came.src:
                zero = name.startswith("dpvs-1.8")
                assert synproxy.synack(came, settings, minute, zero_window=zero) == sent.l3
                seen += 1
    assert seen >= 2


@pytest.mark.parametrize("name", CASES[:3])
def test_recorded_syns_to_real_servers(name):
    """A valid ACK gives the recorded SYN, but for what translation changes; a recorded RST had no valid cookie."""
    seen, refused = 0, 0
    for came, minute, _, left in moments(name):
        offer = synproxy.check_ack(came, minute) if came.proto == TCP and came.flags & ACK else None
        for sent in left:
            if came.flags & (SYN | ACK | RST) == ACK and sent.flags == SYN:
                made = bytearray(synproxy.syn_to_real(came, offer))
                with memoryview(made)[20:] as tcp:
                    options.blank_timestamp(tcp)
                assert made[:10] == sent.l3[:10] and made[32:36] == sent.l3[32:36] and made[40:] == sent.l3[40:]
                seen += 1
            elif came.flags & ACK and sent.flags & RST and sent.dst == came.src:
                assert offer is None
                refused += 1
    assert seen >= 2 and (refused or name != "dpvs/synproxy_bad_and_late")


def test_recorded_window_updates():
    """The ACK that v1.8 makes of the real server's SYN|ACK, before it is translated."""
    seen = 0
    for came, _, _, left in moments("dpvs-1.8/synproxy"):
        if came.flags & (SYN | ACK) == SYN | ACK and left and left[0].flags == ACK and left[0].l3_length == 40:
            made, sent = synproxy.window_update(came), left[0].l3
            assert made[:10] == sent[:10] and made[32:36] == sent[32:36] and len(made) == 40
            assert made[24:28] == ((came.seq + 1) & 0xFFFFFFFF).to_bytes(4)
            assert checksum.verify_l4(made, 20, TCP) and checksum.verify_ip_header(made)
            seen += 1
    assert seen >= 2


OPTIONS = bytes.fromhex("020405b4 0402 080a 0000006f 00000000 01 030307")


def test_options_that_are_switched_on():
    """Window scale and timestamp are answered and remembered when their settings are on."""
    settings = SynProxy(wscale=5, timestamp=True, secrets=9)
    l3 = synproxy.synack(segment(CLIENT, VIP, opts=OPTIONS), settings, 2, now=0x01020304)
    assert l3[40:].hex() == "020405ac0402080a010203040000006f01030305"
    cookie = int.from_bytes(l3[24:28])
    assert synproxy.check_cookie(CLIENT, VIP, 1000, cookie, 2, 9) == Offer(1452, True, True, 7)


def test_options_that_are_switched_off():
    """What is not offered becomes NOPs and leaves its bits of the cookie 0."""
    l3 = synproxy.synack(segment(CLIENT, VIP, opts=OPTIONS), SynProxy(sack=False), 0)
    assert l3[40:] == bytes.fromhex("020405ac") + b"\1" * 16
    assert synproxy.check_cookie(CLIENT, VIP, 1000, int.from_bytes(l3[24:28]), 0) == Offer(1452)


@pytest.mark.parametrize(
    "settings, zero, window",
    [
        (SynProxy(), False, "2000"),
        (SynProxy(), True, "0000"),
        (SynProxy(close_client_window=True), False, "0000"),
        (SynProxy(close_client_window=True, defer_rs_syn=True), False, "2000"),
    ],
)
def test_window_of_the_synack(settings, zero, window):
    """The client's, unless it is closed and the SYN to the real server is not deferred; v1.8 always closes it."""
    assert synproxy.synack(segment(CLIENT, VIP), settings, 0, zero_window=zero)[34:36].hex() == window


def test_synack_of_ipv6():
    """Both ends exchanged, hop limit 63, a cookie that the ACK proves, right checksum."""
    l3 = synproxy.synack(segment(CLIENT6, VIP6, opts=OPTIONS), SynProxy(), 1)
    assert l3[7] == 63 and l3[8:40] == VIP6.address + CLIENT6.address and checksum.verify_l4(l3, 40, TCP)
    cookie = int.from_bytes(l3[44:48])
    answer = segment(CLIENT6, VIP6, ACK, 1001, cookie + 1 & 0xFFFFFFFF)
    assert synproxy.check_ack(answer, 1) == Offer(1452, True)
    assert synproxy.syn_to_real(answer, Offer(1452, True))[40:].startswith(bytes.fromhex("0bb80050000003e8"))


def test_cut_syn_payload():
    """A SYN whose payload was cut has the checksum of the whole one."""
    whole = segment(CLIENT, VIP, opts=OPTIONS, payload=bytes(range(30)))
    cut = Packet(whole.frame[:-9], whole.length)
    assert synproxy.synack(cut, SynProxy(), 0) == synproxy.synack(whole, SynProxy(), 0)[:-9]


@pytest.mark.parametrize(
    "offer, made",
    [
        (Offer(1460), "020405b4"),
        (Offer(1460, sack=True), "020405b401010402"),
        (Offer(1460, timestamp=True), "020405b40101080a0000126700000000"),
        (Offer(1460, True, True, 7), "020405b40402080a000012670000000001030307"),
    ],
)
def test_options_of_the_syn(offer, made):
    """What the cookie remembered is offered to the real server; a timestamp is the balancer's own, 4711 here.
    Checksums are for translation to fill."""
    ack = segment(CLIENT, VIP, ACK, opts=bytes.fromhex("0101080a0000000700000009"))
    l3 = synproxy.syn_to_real(ack, offer, 4711)
    assert l3[40:].hex() == made and l3[32] >> 4 == len(l3[20:]) // 4 and l3[10:12] == l3[36:38] == b"\0\0"


def test_timestamps_fall_back_every_hundred_seconds():
    """Seconds modulo 100 and microseconds, as one number of microseconds."""
    second = 1_000_000_000
    times = (1_700_000_000 * second, 99 * second + 999_999_999, 100 * second, 1_700_000_112 * second + 345_678_900)
    assert [synproxy.timestamp(ns) for ns in times] == [0, 99_999_999, 0, 12_345_678]


def test_options_that_are_odd():
    """An MSS of 0 is 536; an option of another length than its own is left alone."""
    odd = bytes.fromhex("02040000" + "0303070405010203080300" + "00")
    l3 = synproxy.synack(segment(CLIENT, VIP, opts=odd), SynProxy(sack=False), 0)
    assert l3[40:].hex() == "02040218" + "0101010405010203080300" + "00"


def test_window_update_has_no_options_and_no_tos():
    """Whatever the SYN|ACK had: version 4, 20 bytes, TOS 0; over IPv6 TCP right behind the header."""
    tcp = segment(CLIENT, VIP, SYN | ACK, 5, 6, opts=OPTIONS).l3[20:]
    l3 = ipv4(CLIENT.address, VIP.address, TCP, b"\1\1\1\0" + tcp, tos=0x68, ident=9)
    l3[0] = 0x46
    update = synproxy.window_update(Packet(ethernet(bytes(6), bytes(6), ETH_IPV4, bytes(l3)), 14 + len(l3)))
    assert update[:4].hex() == "45000028" and update[4:8].hex() == "00094000" and checksum.verify_l4(update, 20, TCP)
    assert update[24:28].hex() == "00000006" and update[32:34].hex() == "5010"


def test_window_scale():
    """Read from a SYN|ACK, 0 without the option and where it is more than 14."""
    assert synproxy.window_scale(segment(CLIENT, VIP, SYN | ACK, opts=b"\3\3\x0f\0")) == 0
    assert synproxy.window_scale(segment(CLIENT, VIP, SYN | ACK, opts=OPTIONS)) == 7
    assert synproxy.window_scale(segment(CLIENT, VIP, SYN | ACK)) == 0


def test_syn_keeps_part_of_the_tos():
    """Of the ACK's TOS the bits of 0x1e, DF, identification 0, TTL 64."""
    l3 = ipv4(CLIENT.address, VIP.address, TCP, segment(CLIENT, VIP, ACK).l3[20:], tos=0xFF, ident=9, ttl=3)
    made = synproxy.syn_to_real(Packet(ethernet(bytes(6), bytes(6), ETH_IPV4, l3), 14 + len(l3)), Offer())
    assert made[1] == 0x1E and made[4:9].hex() == "0000400040"
