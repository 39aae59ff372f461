"""TCP options: walking, editing, and the client-address option with its rules for room, MTU and pruning."""

import pytest
import recorded

from lbreplay.model import Endpoint
from lbreplay.wire import options
from lbreplay.wire.craft import ipv4, ipv6
from lbreplay.wire.length import total_length
from lbreplay.wire.options import Toa
from lbreplay.wire.packet import ACK, SYN, TCP

CLIENT = Endpoint(bytes([172, 16, 0, 1]), 3000)
CLIENT6 = Endpoint(bytes(15) + b"\1", 3000)
TS = bytes.fromhex("080a0000000500000006")
SACK1 = bytes.fromhex("050a0000000100000002")


def segment(opts=b"", payload=b"", flags=ACK):
    """A TCP segment; options are padded to whole words by the caller."""
    head = bytes.fromhex("0bb80050 000003e8 00001389") + bytes([(20 + len(opts)) // 4 << 4, flags]) + bytes(6)
    return bytearray(head + opts + payload)


def l3(opts=b"", payload=b"", flags=ACK):
    """An IPv4 packet with it."""
    return ipv4(CLIENT.address, bytes([10, 0, 0, 100]), TCP, segment(opts, payload, flags))


def kinds(tcp):
    """The kinds a walk finds."""
    return [option.kind for option in options.walk(tcp)]


@pytest.mark.parametrize(
    "opts, found",
    [
        (b"", []),
        (b"\1\1" + TS, [1, 1, 8]),
        (TS + b"\0\0", [8]),
        (b"\0" + b"\1" * 3, []),
        (b"\1\5\1\1", [1]),  # length 1
        (b"\2\5\5\xb4", []),  # one byte too long
        (b"\1\1\1\2", [1, 1, 1]),  # no length byte
        (b"\2\4\5\xb4", [2]),
    ],
)
def test_walk(opts, found):
    """A walk ends at the end of list and at the first malformed option."""
    assert kinds(segment(opts)) == found


def test_walk_stops_at_the_end_of_a_cut_segment():
    """A segment cut inside or before its options has those that are whole."""
    whole = segment(b"\1\1" + TS)
    assert kinds(whole[:25]) == [1, 1]
    assert kinds(whole[:20]) == kinds(whole[:8]) == []


def test_blank_timestamp():
    """Only the first timestamp becomes ten NOPs; one of another length is none."""
    tcp = segment(TS + TS + b"\0" * 4)
    assert options.blank_timestamp(tcp)
    assert tcp[20:40] == b"\1" * 10 + TS
    assert not options.blank_timestamp(segment(b"\x08\x06" + bytes(4) + b"\1\1"))


@pytest.mark.parametrize("mss, by, left", [(1460, 8, 1452), (1460, 20, 1440), (1, 8, 0xFFF9)])
def test_lower_mss(mss, by, left):
    """There is no lower bound."""
    tcp = segment(b"\1\1\1\1\2\4" + mss.to_bytes(2))
    assert options.lower_mss(tcp, by)
    assert int.from_bytes(tcp[26:28]) == left


def test_lower_mss_through_a_view():
    """Editing a view edits the packet."""
    packet = l3(b"\2\4\5\xb4")
    with memoryview(packet)[20:] as tcp:
        assert options.lower_mss(tcp, 8)
    assert packet[42:44] == (1452).to_bytes(2)
    assert not options.lower_mss(segment(b"\1\1\1\1"), 8)


def test_shift_sack():
    """All edges of the first SACK option move modulo 2^32; the second stays."""
    tcp = segment(SACK1 + SACK1 + bytes(4))
    assert options.shift_sack(tcp, -2)
    assert tcp[20:40] == bytes.fromhex("050affffffff00000000") + SACK1


def test_shift_sack_of_whole_blocks():
    """An option of kind 5 that is no row of pairs is passed over for one that is."""
    odd = bytes.fromhex("050600000007") + b"\1\1"
    tcp = segment(odd + b"\1\1" + SACK1)
    assert options.shift_sack(tcp, 5)
    assert bytes(tcp[20:]) == odd + b"\1\1" + bytes.fromhex("050a0000000600000007")


def test_shift_sack_behind_the_aligned_timestamp():
    """Where NOP, NOP, timestamp fills the options, no SACK is looked for; with more behind it, it is."""
    assert not options.shift_sack(segment(b"\1\1" + TS), 1)
    tcp = segment(b"\1\1" + TS + b"\1\1" + SACK1)
    assert options.shift_sack(tcp, 1)
    assert tcp.endswith(bytes.fromhex("0000000200000003"))


@pytest.mark.parametrize("client, size", [(CLIENT, 8), (CLIENT6, 20)])
def test_toa_in_front(client, size):
    """The option comes right behind the base header; data offset and length grow."""
    before = l3(b"\1\1" + TS, b"data")
    packet, outcome = options.insert_toa(before, 20, client, 1500)
    assert outcome is Toa.INSERTED
    assert packet[40 : 40 + size] == bytes([254, size]) + (3000).to_bytes(2) + client.address
    assert packet[40 + size :] == before[40:]
    assert packet[32] >> 4 == (32 + size) // 4 and total_length(packet) == len(packet) == len(before) + size


def test_toa_in_ipv6():
    """The payload length of an IPv6 packet grows."""
    before = ipv6(CLIENT6.address, bytes(16), TCP, segment(payload=b"x"))
    packet, outcome = options.insert_toa(before, 40, CLIENT6, 1500)
    assert outcome is Toa.INSERTED and total_length(packet) == len(packet) == len(before) + 20


def test_toa_exact_fits():
    """It fits to the byte of the MTU and to the last word of the header, and not beyond."""
    assert options.insert_toa(l3(payload=bytes(1452)), 20, CLIENT, 1500)[1] is Toa.INSERTED
    assert options.insert_toa(l3(payload=bytes(1453)), 20, CLIENT, 1500)[1] is Toa.FRAG
    assert options.insert_toa(l3(b"\1" * 32), 20, CLIENT, 1500, prune=False)[1] is Toa.INSERTED
    assert options.insert_toa(l3(b"\1" * 36), 20, CLIENT, 1500, prune=False)[1] is Toa.NOROOM
    assert options.insert_toa(l3(), 20, CLIENT, 0)[1] is Toa.NOROUTE


def test_toa_without_pruning_leaves_the_packet():
    """Before pruning existed a packet without room went as it was."""
    before = l3(b"\1" * 40)
    packet, outcome = options.insert_toa(before, 20, CLIENT, 1500, prune=False)
    assert outcome is Toa.NOROOM and packet == before


@pytest.mark.parametrize(
    "opts, wanted, left, gain",
    [
        (b"\1" * 40, 8, b"", 40),  # NOPs
        (TS + b"\0" + b"\7" * 29, 8, TS + b"\0\0", 28),  # behind the end of list
        (b"\xfe\x08" + bytes(6) + TS + b"\1\1", 8, TS + b"\0\0", 8),  # an old client option
        (b"\1\1" + TS + b"\1\1\5\x1a" + bytes(24), 8, TS + b"\0\0", 28),  # SACK is sacrificed
        (TS + TS + b"\5\x12" + bytes(16) + b"\1\1", 8, TS + b"\5\x12" + bytes(16), 12),  # only the first is protected
        (b"\2\4\5\xb4" + TS + b"\1\1", 8, TS + b"\0\0", 4),  # still too little
        (b"\1\1\1\1", 8, b"\1\1\1\1", 0),  # fewer bytes than wanted: nothing
        (b"\1\1\5\1" + b"\1" * 8, 8, b"", 12),  # malformed: it and all behind it go
    ],
)
def test_pruning(opts, wanted, left, gain):
    """First NOPs, the tail and old client options go, then what is not protected until there is room."""
    packet = l3(opts, b"data")
    assert options.prune_options(packet, 20, wanted) == gain
    assert packet[40:] == left + b"data"
    assert packet[32] >> 4 == (20 + len(left)) // 4 and total_length(packet) == len(packet)


def test_pruning_of_a_syn():
    """A SYN keeps its MSS, window scale and SACK-permitted as long as the rest gives the room."""
    opts = b"\2\4\5\xb4\4\2\1\3\3\7\x13\x12" + bytes(16) + b"\1\1\1\1"
    packet = l3(opts, flags=SYN)
    assert options.prune_options(packet, 20, 8) == 20
    assert packet[40:] == b"\2\4\5\xb4\4\2\3\3\7\0\0\0"


def test_what_the_capture_cut_is_not_pruned():
    """Nobody knows what could go, so the packet goes on without the client's address, as long as it was."""
    whole = bytes(l3(b"\1\1" + TS + b"\2\4\5\xb4" + b"\1" * 24))
    cut = whole[: 20 + 20 + 12]
    made, outcome = options.insert_toa(cut, 20, CLIENT, 1500)
    assert made == cut and outcome is options.Toa.NOROOM
    assert options.insert_toa(whole, 20, CLIENT, 1500)[1] is options.Toa.INSERTED


def test_pruned_and_still_too_long():
    """A full-size segment that pruning cannot help enough leaves pruned, without the option."""
    packet, outcome = options.insert_toa(l3(b"\1" * 4 + TS + b"\1\1", bytes(1460)), 20, CLIENT, 1500)
    assert outcome is Toa.FRAG
    assert packet[40:] == TS + b"\0\0" + bytes(1460)


@pytest.mark.parametrize("name", ["toa_options", "toa_mtu", "toa_mtu_1400", "v6_tcp", "nat64"])
def test_recorded_options(name):
    """Options and payload of every recorded segment that got the client option are those made here."""
    mtu, seen = recorded.settings(f"dpvs/{name}")["device"]["mtu"], 0
    for came, left in recorded.frames(f"dpvs/{name}"):
        if came is None or came.proto != TCP or came.flags & SYN or len(left) != 1 or left[0].flags != came.flags:
            continue
        sent = left[0].l3[left[0].l4_at + 20 :]
        if came.src not in sent[:60]:
            continue
        received = came.l3 if came.family == left[0].family else ipv4(bytes(4), bytes(4), TCP, came.l3[40:])
        at = came.l4_at if came.family == left[0].family else 20
        packet, outcome = options.insert_toa(received, at, Endpoint(came.src, came.sport), mtu)
        assert outcome is Toa.INSERTED and packet[at + 20 :] == sent
        seen += 1
    assert seen >= 4
