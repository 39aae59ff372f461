"""Rows rewritten where they stand: ends, numbers, options and checksums as scapy would write them, byte for byte."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any

import captures
import craft
import numpy as np
import pytest
from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Ether

from lbreplay.burst import Burst
from lbreplay.loop.names import FULL_TCP, TELLING, TRANSIT, TUNNEL
from lbreplay.loop.parse import parse
from lbreplay.loop.rewrite import Rewriter
from lbreplay.loop.syn import Proxy
from lbreplay.loop.table import Table
from lbreplay.model import Endpoint, SynProxy
from lbreplay.wire import checksum, uoa
from lbreplay.wire.capture import open_capture
from lbreplay.wire.options import insert_toa

OUT = 1
CLIENT, VIP, CLIENT6, VIP6 = "10.1.0.1", "10.0.0.100", "2001:db8:c::1", "2001:db8::100"
LOCAL, REAL, LOCAL6, REAL6 = "192.168.0.1", "192.168.0.2", "2001:db8:1::1", "2001:db8:1::2"
TO, OURS = "02:00:00:00:00:aa", "02:00:00:00:00:bb"
DELTA = 0x10000000
TAG, CAME = b"\x81\0\0\7", b"\x81\0\0\5"  # with which it leaves, and came
ENDS = [(LOCAL, 1025, REAL, 8080), (VIP, 80, CLIENT, 3000)]  # by side: client to real server, and back
ENDS6 = [(LOCAL6, 1025, REAL6, 8080), (VIP6, 80, CLIENT6, 3000)]


@dataclass
class Row:
    """A frame and what the balancer says of it."""

    frame: bytes
    side: int = 0
    fdata: int = 0  # acknowledgement that asks for the client's address
    answer: bool = False
    full: bool = True
    kind: int = 0  # of column `full`, where it is neither


def inward(flags: str = "A", payload: bytes = b"", six: bool = False, **fields: object) -> bytes:
    ends = (f"[{CLIENT6}]:3000", f"[{VIP6}]:80") if six else (f"{CLIENT}:3000", f"{VIP}:80")
    return craft.tcp(*ends, flags, 0xFFFFFFF0, 500, payload, **fields)


def outward(flags: str = "A", payload: bytes = b"", six: bool = False, **fields: object) -> bytes:
    ends = (f"[{REAL6}]:8080", f"[{LOCAL6}]:1025") if six else (f"{REAL}:8080", f"{LOCAL}:1025")
    return craft.tcp(*ends, flags, 700, 5, payload, **fields)


def key(ends: tuple[str, int, str, int], six: bool) -> bytes:
    """Of a packet between *ends*, as tables have it; the protocol does not matter here."""
    return b"\6" + packed(ends, six)


def packed(ends: tuple[str, int, str, int], six: bool) -> bytes:
    layers = (IPv6 if six else IP)(src=ends[0], dst=ends[2]) / UDP(sport=ends[1], dport=ends[3])
    data = bytes(layers)
    return data[8:44] if six else data[12:24]


def rewriter(
    mtu: int = 1500,
    toa: bool = True,
    toa_in_syn: bool = False,
    prune: bool = True,
    mirrored: bool = False,
    opp: bool = True,
    tagged: bool = False,
) -> Rewriter:
    """A connection of each family: handles 0 and 1, 2 and 3."""
    table = Table()
    table.point(np.zeros(2, np.int16))
    for six, both in enumerate((ENDS, ENDS6)):
        for side, (source, sport, dest, dport) in enumerate(both):
            table.put(2 * six + 1 - side, key((dest, dport, source, sport), bool(six)))
    proxy = Proxy(SynProxy(), 2, bytes(16), 0, False, True, True, 1)
    made = Rewriter(table, proxy, toa, toa_in_syn, opp, mtu, lambda frame, l4: odd(frame, l4, mtu, prune))
    heads = np.frombuffer(bytearray(bytes(Ether(dst=TO, src=OURS))[:12] + TAG), np.uint8)
    outers = bytes(IP(src=LOCAL, dst=REAL))[12:20].ljust(32, b"\0")
    outers += bytes(IPv6(src=LOCAL6, dst=REAL6))[8:40]
    tags, same = np.array([4 if tagged else 0], np.uint8).data, np.array([mirrored], np.uint8).data
    made.link(heads, tags, same, np.frombuffer(bytearray(outers), np.uint8))
    return made


def odd(frame: bytes, l4: int, mtu: int, prune: bool) -> bytes:
    """What the plain path makes of a frame with an option that has no room."""
    client = Endpoint(bytes(IPv6(src=CLIENT6))[8:24] if l4 == 54 else bytes(IP(src=CLIENT))[12:16], 3000)
    return frame[:14] + insert_toa(frame[14:], l4 - 14, client, mtu, prune=prune)[0]


def rewritten(folder: Path, *rows: Row, **how: Any) -> list[bytes]:
    """The frames as they leave, each checked against its record header."""
    path = captures.write(folder, captures.pcap_head(), *(captures.record(row.frame) for row in rows))
    with open_capture(str(path)) as capture:
        (burst,) = capture.bursts(len(rows))
    parse(burst, None, False, [(5, None)])
    assert burst.simple.all()
    burst.leaving[:] = True
    burst.handle[:] = [row.side + 2 * (family == 6) for row, family in zip(rows, burst.family, strict=True)]
    burst.fdata[:], burst.delta[:] = [row.fdata for row in rows], DELTA
    burst.answer[:] = [row.answer for row in rows]
    burst.full[:] = [row.kind or (FULL_TCP if row.full else 0) for row in rows]
    rewriter(**how).rewrite(burst)
    return [_checked(burst, row) for row in range(burst.size)]


def _checked(burst: Burst, row: int) -> bytes:
    frame, at = burst.frame(row), int(burst.at[row])
    lengths = np.frombuffer(burst.buffer[at - 8 : at].tobytes(), "<u4").tolist()
    assert lengths == [len(frame)] * 2 and burst.sent[row] == len(frame)
    return frame


def expected(row: Row, seq: int, ack: int, options: bytes | None = None) -> bytes:
    """*row* with its ends, numbers and options replaced by scapy."""
    packet = Ether(row.frame)
    six = IPv6 in packet
    layer, (src, sport, dst, dport) = packet[IPv6 if six else IP], (ENDS6 if six else ENDS)[row.side]
    packet.src, packet.dst, layer.src, layer.dst = OURS, TO, src, dst
    l4 = layer.payload
    l4.sport, l4.dport = sport, dport
    if UDP in packet:
        del l4.chksum
        if not six:
            del layer.chksum
        return bytes(packet)
    tcp = packet[TCP]
    tcp.seq, tcp.ack = seq % 2**32, ack % 2**32
    if options is not None:
        head = bytes(tcp)[:20]
        body = options + bytes(tcp.payload)
        layer.remove_payload()
        packet /= TCP(head[:12] + bytes([(20 + len(options)) // 4 << 4]) + head[13:20] + body)
        layer = packet[IPv6 if six else IP]
    del packet[TCP].chksum
    if six:
        del layer.plen
    else:
        del layer.chksum, layer.len
    return bytes(packet)


@pytest.mark.parametrize("six", [False, True])
@pytest.mark.parametrize("payload", [b"", b"x", b"data!", bytes(1000)])
def test_a_request_and_its_answer(tmp_path: Path, six: bool, payload: bytes) -> None:
    """Sequence numbers of requests move, acknowledgements of answers; both wrap."""
    there, back = Row(inward("PA", payload, six)), Row(outward("PA", payload, six), side=OUT)
    assert rewritten(tmp_path, there, back) == [
        expected(there, 0xFFFFFFF0 + DELTA, 500),
        expected(back, 700, 5 - DELTA),
    ]


def test_an_answer_that_the_client_saw_keeps_its_numbers(tmp_path: Path) -> None:
    """In the client view they are as they leave already."""
    row = Row(outward(), side=OUT, answer=True)
    assert rewritten(tmp_path, row) == [expected(row, 700, 5)]


def test_nat_moves_no_number(tmp_path: Path) -> None:
    """Only ends."""
    row = Row(inward(), full=False)
    assert rewritten(tmp_path, row) == [expected(row, 0xFFFFFFF0, 500)]


def test_wrong_checksums_leave_right(tmp_path: Path) -> None:
    """Of IP and TCP, whatever came in."""
    row = Row(inward(payload=b"abc", tcp_sum=1, chksum=2))
    assert rewritten(tmp_path, row) == [expected(row, 0xFFFFFFF0 + DELTA, 500)]


def test_padding_is_taken_off(tmp_path: Path) -> None:
    """And the record says so."""
    row = Row(inward())
    padded = Row(row.frame + bytes(6))
    assert rewritten(tmp_path, padded, row) == [expected(row, 0xFFFFFFF0 + DELTA, 500)] * 2


def shuffled(seed: int, lengths: list[int]) -> list[Row]:
    """TCP and UDP over both families, both ways, some asking for the client's address."""
    rng = random.Random(seed)
    rows = []
    for length, six, out, datagram in product(lengths, (False, True), (0, OUT), (False, True)):
        payload = rng.randbytes(length)
        if datagram:
            rows.append(Row(craft.udp(*UDP_ENDS[six, out], payload), side=out, full=False))
        elif out:
            rows.append(Row(outward("PA", payload, six), side=out))
        else:
            rows.append(Row(inward("PA", payload, six), fdata=rng.choice([0, 500])))
    rng.shuffle(rows)
    return rows


UDP_ENDS = {
    (False, 0): (f"{CLIENT}:3000", f"{VIP}:80"),
    (True, 0): (f"[{CLIENT6}]:3000", f"[{VIP6}]:80"),
    (False, OUT): (f"{REAL}:8080", f"{LOCAL}:1025"),
    (True, OUT): (f"[{REAL6}]:8080", f"[{LOCAL6}]:1025"),
}


@pytest.mark.parametrize("number", range(3))
@pytest.mark.parametrize("lengths", [[0], [1, 4, 7, 20], [0, 3, 63, 64], [0, 2, 65, 700, 1399]], ids=str)
def test_all_shapes_side_by_side(tmp_path: Path, lengths: list[int], number: int) -> None:
    """Rows of any family, protocol and length do not disturb each other, at even and at odd offsets."""
    rows = shuffled(number, lengths)
    padded = [replace(row, frame=row.frame + bytes(3 * (at % 5 == 0))) for at, row in enumerate(rows)]
    for row, left in zip(rows, rewritten(tmp_path, *padded), strict=True):
        six, option = IPv6 in Ether(row.frame), None
        if row.fdata:
            client = bytes(IPv6(src=CLIENT6))[8:24] if six else bytes(IP(src=CLIENT))[12:16]
            option = bytes([254, len(client) + 4]) + (3000).to_bytes(2) + client
        seq, ack = (700, 5 - DELTA) if row.side == OUT else (0xFFFFFFF0 + DELTA, 500)
        assert left == expected(row, seq, ack, option)


def test_a_mirrored_row_leaves_from_where_it_came_to(tmp_path: Path) -> None:
    """Its source is the MAC that it was sent to; of an answer that the client saw, the one that sent it."""
    rows = [Row(inward()), Row(outward(), side=OUT, answer=True)]
    asked, answered = rewritten(tmp_path, *rows, mirrored=True)
    assert asked[6:12] == rows[0].frame[0:6] and answered[6:12] == rows[1].frame[6:12]


def test_options_give_way_to_the_clients_address(tmp_path: Path) -> None:
    """Where they leave no room they are pruned, and the segment becomes shorter than it was, between others."""
    plain, full = Row(inward(payload=b"first")), Row(inward(payload=b"second", options=[("NOP", None)] * 40), fdata=500)
    option = bytes([254, 8]) + (3000).to_bytes(2) + bytes(IP(src=CLIENT))[12:16]
    assert rewritten(tmp_path, plain, full, full, plain) == [
        expected(plain, 0xFFFFFFF0 + DELTA, 500),
        *[expected(full, 0xFFFFFFF0 + DELTA, 500, option)] * 2,
        expected(plain, 0xFFFFFFF0 + DELTA, 500),
    ]


@pytest.mark.parametrize("six", [False, True])
def test_the_clients_address_is_put_into_a_segment(tmp_path: Path, six: bool) -> None:
    """Behind the base header of those that acknowledge nothing new, between rows that keep their length."""
    plain, asked = Row(inward(payload=b"first", six=six)), Row(inward(payload=b"second", six=six), fdata=500)
    client = bytes(IPv6(src=CLIENT6))[8:24] if six else bytes(IP(src=CLIENT))[12:16]
    option = bytes([254, len(client) + 4]) + (3000).to_bytes(2) + client
    assert rewritten(tmp_path, plain, asked, plain) == [
        expected(plain, 0xFFFFFFF0 + DELTA, 500),
        expected(asked, 0xFFFFFFF0 + DELTA, 500, option),
        expected(plain, 0xFFFFFFF0 + DELTA, 500),
    ]


def test_no_room_for_the_clients_address(tmp_path: Path) -> None:
    """Nor where the segment would be longer than the MTU: then it leaves as it is."""
    row = Row(inward(payload=bytes(1500 - 40 - 7)), fdata=500)
    assert len(rewritten(tmp_path, row)[0]) == len(row.frame)
    assert len(rewritten(tmp_path, row, mtu=1501)[0]) == len(row.frame) + 8


def test_no_client_address_where_it_is_switched_off(tmp_path: Path) -> None:
    """Or where the segment is a SYN."""
    row, syn = Row(inward(payload=b"x"), fdata=500), Row(inward("S", options=craft.SYN_OPTIONS))
    assert rewritten(tmp_path, row, toa=False) == [expected(row, 0xFFFFFFF0 + DELTA, 500)]
    assert len(rewritten(tmp_path, syn)[0]) == len(syn.frame)


def test_the_timestamp_of_a_syn_gives_way(tmp_path: Path) -> None:
    """Ten bytes of NOP."""
    row = Row(inward("S", options=craft.SYN_OPTIONS))
    options = bytes(craft.parse(row.frame)[TCP])[20:]
    at = options.index(b"\x08\x0a")
    blank = options[:at] + b"\1" * 10 + options[at + 10 :]
    assert rewritten(tmp_path, row) == [expected(row, 0xFFFFFFF0 + DELTA, 500, blank)]


@pytest.mark.parametrize("six, mss", [(False, 1452), (True, 1440)])
def test_the_mss_of_an_answer_makes_room_for_the_option(tmp_path: Path, six: bool, mss: int) -> None:
    """By its length in the family."""
    row = Row(outward("SA", six=six, options=[("MSS", 1460)]), side=OUT)
    option = b"\2\4" + mss.to_bytes(2)
    assert rewritten(tmp_path, row) == [expected(row, 700, 5 - DELTA, option)]


def test_edges_of_sack_move_with_the_acknowledgement(tmp_path: Path) -> None:
    """Of the real server's answers."""
    row = Row(outward(options=[("NOP", None), ("NOP", None), ("SAck", (100, 200))]), side=OUT)
    moved = b"\1\1\5\x0a" + b"".join(((edge - DELTA) % 2**32).to_bytes(4) for edge in (100, 200))
    assert rewritten(tmp_path, row) == [expected(row, 700, 5 - DELTA, moved)]
    shown = Row(row.frame, side=OUT, answer=True)
    assert rewritten(tmp_path, shown) == [expected(shown, 700, 5)]


def test_rows_that_stay_are_not_touched(tmp_path: Path) -> None:
    """Neither in bytes nor in length."""
    path = captures.write(tmp_path, captures.pcap_head(), captures.record(inward() + bytes(6)))
    with open_capture(str(path)) as capture:
        (burst,) = capture.bursts(1)
    parse(burst, None, False)
    rewriter().rewrite(burst)
    assert burst.frame(0) == inward() + bytes(6)


def test_a_udp_sum_of_zero_is_sent_as_ffff(tmp_path: Path) -> None:
    """0 would say that there is none (RFC 768)."""
    head = craft.udp(f"{CLIENT}:3000", f"{VIP}:80", bytes(2))
    target = Ether(head)
    target.src, target.dst, target[IP].src, target[IP].dst = OURS, TO, LOCAL, REAL
    target[UDP].sport, target[UDP].dport = 1025, 8080
    del target[UDP].chksum, target[IP].chksum
    filler = Ether(bytes(target))[UDP].chksum.to_bytes(2)  # what makes the sum 0
    (left,) = rewritten(tmp_path, Row(craft.udp(f"{CLIENT}:3000", f"{VIP}:80", filler), full=False))
    assert left[-4:-2] == b"\xff\xff" and left[-2:] == filler and left[26:38] == packed(ENDS[0], False)


@pytest.mark.parametrize("six", [False, True])
def test_an_outer_header_encloses_what_came(tmp_path: Path, six: bool) -> None:
    """TOS, TTL and DF of the inner packet, an identification of its own (D 12.1), neighbours untouched."""
    came = inward(payload=b"hello", six=six)
    (inner, first) = Ether(came).payload, Row(came, kind=TUNNEL, fdata=int(six))
    left = rewritten(tmp_path, Row(inward(six=six), full=False), first, Row(outward(six=six), side=OUT, full=False))
    outer = IPv6(src=LOCAL6, dst=REAL6, nh=41, hlim=inner.hlim) if six else (
        IP(src=LOCAL, dst=REAL, id=DELTA & 0xFFFF, proto=4, ttl=inner.ttl, tos=inner.tos, flags=int(inner.flags) & 2)
    )  # fmt: skip
    assert left[1] == bytes(Ether(dst=TO, src=OURS) / outer / bytes(inner))
    assert len(left[0]) == len(inward(six=six)) and len(left[2]) == len(outward(six=six))


@pytest.mark.parametrize("opp, six", [(True, False), (True, True), (False, False)])
def test_datagrams_tell_their_client(tmp_path: Path, opp: bool, six: bool) -> None:
    """In a header of its own, behind which IPv4 has no checksum, or in an IP option (D 7.3)."""
    ends = (f"[{CLIENT6}]:3000", f"[{VIP6}]:80") if six else (f"{CLIENT}:3000", f"{VIP}:80")
    came = craft.udp(*ends, b"what")
    (left,) = rewritten(tmp_path, Row(came, kind=TELLING), opp=opp)
    client = Endpoint(bytes(IPv6(src=CLIENT6))[8:24] if six else bytes(IP(src=CLIENT))[12:16], 3000)
    made = uoa.insert(came[14:], 40 if six else 20, "opp" if opp else "ipo", client)
    told = bytearray(made.l3)
    told[8 if six else 12 : 40 if six else 20] = packed((ENDS6 if six else ENDS)[0], six)[:-4]
    told[made.l4_at : made.l4_at + 4] = packed((ENDS6 if six else ENDS)[0], six)[-4:]
    checksum.ip_header(told)
    if opp and not six:
        told[made.l4_at + 6 : made.l4_at + 8] = b"\0\0"
    else:
        checksum.l4(told, made.l4_at, 17)
    assert left[14:] == bytes(told) and left[:12] == bytes(Ether(dst=TO, src=OURS))[:12]


@pytest.mark.parametrize("tagged", [False, True])
@pytest.mark.parametrize("odd", [False, True])
def test_a_tag_comes_and_goes(tmp_path: Path, tagged: bool, odd: bool) -> None:
    """Whatever else grows, behind it all is as without."""
    asked = Row(inward(options=[("NOP", None)] * 40 if odd else [], payload=b"get"), fdata=500)
    answer = Row(outward("SA", options=[("MSS", 1460)]), side=OUT)
    rows = [Row(inward()), asked, answer, Row(craft.udp(f"{CLIENT}:3000", f"{VIP}:80", b"odd"), full=False)]
    plain = rewritten(tmp_path, *rows)
    some = [replace(row, frame=row.frame[:12] + CAME + row.frame[12:]) for row in rows]
    for came in (some, rows, [some[0], rows[1], some[2], rows[3]], [rows[0], some[1], rows[2], some[3]]):
        left = rewritten(tmp_path, *came, tagged=tagged)
        assert left == [frame[:12] + (TAG if tagged else b"") + frame[12:] for frame in plain]


@pytest.mark.parametrize("six", [False, True])
def test_what_is_in_transit_has_one_hop_less(tmp_path: Path, six: bool) -> None:
    """And a header checksum that verifies, whatever it was; nothing else changes (S 4.5)."""
    frames = [inward(six=six, id=n) if not six else inward(six=six) for n in range(300)]
    for came, left in zip(frames, rewritten(tmp_path, *(Row(frame, kind=TRANSIT) for frame in frames)), strict=True):
        packet = Ether(came)
        packet.dst, packet.src = TO, OURS
        layer = packet[IPv6 if six else IP]
        if six:
            layer.hlim -= 1
        else:
            layer.ttl -= 1
            del layer.chksum
        assert left == bytes(packet)
