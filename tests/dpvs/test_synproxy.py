"""SYN-proxy: three steps, reuse, ack storms, and each of its settings."""

from __future__ import annotations

import craft
import pytest
from rig import CLIENT, CLIENT6, DELTA, LADDR, LADDR6, REAL, REAL6, VIP, VIP6, Played, play, setup, syn, tcp, tick
from scapy.layers.inet import ICMP, IP, TCP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Dot1Q, Ether

from lbreplay.model import Setup

RS_SEQ = 7000
PROXY = "synproxy = true"


def proxied(more: str = "", service: str = "", **settings: object) -> Setup:
    return setup(f"{PROXY}\n{service}", more=f"[tcp.synproxy]\n{more}\n" if more else "", **settings)  # type: ignore[arg-type]


def cookie(made: Setup, options: object = craft.SYN_OPTIONS, client: str = CLIENT, vip: str = VIP) -> int:
    """The sequence number of the SYN|ACK for a SYN with sequence number 1000 in the first minute."""
    return play(made, [syn(client, vip, options=options)]).packet(1)[TCP].seq


def flow(made: Setup, *more: bytes, options: object = craft.SYN_OPTIONS, window: int = 8192) -> list[bytes]:
    """SYN, the client's ACK, the real server's SYN|ACK, and *more*."""
    seq = cookie(made, options)
    answer = tcp(REAL, LADDR, "SA", RS_SEQ, 1001 + DELTA, options=[("MSS", 1400), ("WScale", 3)], window=window)
    return [syn(CLIENT, VIP, options=options), tcp(CLIENT, VIP, "A", 1001, seq + 1), answer, *more]


def counters(run: Played) -> dict[str, int]:
    return run.document["workers"][0]["verdicts"]


def test_a_syn_is_answered_in_place() -> None:
    """SYN|ACK with a cookie, options of the same length, TTL 63, TOS 0; nothing is counted (D 6.1)."""
    run = play(proxied(), [syn(CLIENT, VIP, tos=0x10, id=77)])
    answer = run.packet(1)
    assert run.verdicts == ["synproxy_synack"]
    assert (answer[IP].src, answer[IP].dst, answer[IP].ttl, answer[IP].tos, answer[IP].id) == (
        "10.0.0.100",
        "172.16.0.1",
        63,
        0,
        77,
    )
    assert (answer[TCP].flags, answer[TCP].ack, answer[TCP].window) == ("SA", 1001, 8192)
    assert answer[TCP].options == [("MSS", 1452), ("SAckOK", b""), *[("NOP", None)] * 14]
    assert (answer[Ether].dst, answer[Ether].src) == (craft.GATEWAY, craft.OURS)
    assert run.real["inpkts"] == 0 and run.document["totals"]["generated"] == 0


@pytest.mark.parametrize("more, options, told", [
    ("mss = 1300", [("MSS", 1460)], [("MSS", 1300)]),
    ("mss = 1300", [("MSS", 1000)], [("MSS", 1000)]),
    ("sack = false", [("SAckOK", b""), ("NOP", None), ("NOP", None)], [("NOP", None)] * 4),
    ("wscale = 5", [("WScale", 9), ("NOP", None)], [("WScale", 5), ("NOP", None)]),
    ("timestamp = true", [("Timestamp", (111, 0)), *[("NOP", None)] * 2], [("Timestamp", None), *[("NOP", None)] * 2]),
])  # fmt: skip
def test_options_of_the_answer(more: str, options: list[tuple[str, object]], told: list[tuple[str, object]]) -> None:
    """Each is answered, lowered or replaced by NOPs as its setting says (D 6.1)."""
    run = play(proxied(more), [syn(CLIENT, VIP, options=options)])
    got = [(name, None if name == "Timestamp" else value) for name, value in run.packet(1)[TCP].options]
    assert got == told
    if "timestamp" in more:
        assert dict(run.packet(1)[TCP].options)["Timestamp"][1] == 111


def test_who_gets_no_answer() -> None:
    """No weight at all, a listed source; a service without the flag opens at once (D 6.1)."""
    assert play(proxied(real="weight = 0"), [syn(CLIENT, VIP)]).verdicts == ["synproxy_no_dest"]
    assert play(proxied(service='blacklist = ["172.16.0.1"]'), [syn(CLIENT, VIP)]).verdicts == ["synproxy_acl"]
    assert play(setup(), [syn(CLIENT, VIP)]).verdicts == ["forwarded_slow"]


@pytest.mark.parametrize("client, vip, laddr, real", [(CLIENT, VIP, LADDR, REAL), (CLIENT6, VIP6, LADDR6, REAL6)])
def test_a_syn_shorter_than_its_header_goes_back_as_it_came(client: str, vip: str, laddr: str, real: str) -> None:
    """Its MACs exchanged, and nothing else done to it (recorded)."""
    data = bytearray(tcp(client, vip, "S", 1000))
    data[66 if vip == VIP6 else 46] = 0x60
    run = play(setup(PROXY, vip=vip, laddr=laddr, reals=(real,)), [bytes(data)])
    assert run.verdicts == ["synproxy_syn_returned"]
    assert run.sent[0][2] == data[6:12] + data[:6] + data[12:]


def test_a_tagged_syn_is_answered_on_its_vlan() -> None:
    """The tag is off before the hooks, so the link header has its 14 bytes (S 3.2)."""
    device = 'vlan = [{ id = 7, address = ["172.16.0.254/24"] }]'
    run = play(proxied(device=device), [syn(CLIENT, VIP, vlan=7)])
    assert run.verdicts == ["synproxy_synack"] and run.packet(1)[Dot1Q].vlan == 7


def test_the_length_of_a_cut_syn_stays() -> None:
    """The answer is as long on the wire as the SYN was."""
    data = tcp(CLIENT, VIP, "S", 1000, payload=b"x" * 50)
    assert play(proxied(), [(0, data[:60], len(data))]).sent[0][1] == len(data)


def test_the_handshake_towards_the_real_server() -> None:
    """A valid ACK opens: the SYN goes first, the ACK when the real server answered (D 6.2, 6.3)."""
    made = proxied()
    run = play(made, flow(made))
    opening, released = run.packet(2)[TCP], run.packet(3)[TCP]
    assert run.verdicts == ["synproxy_synack", "synproxy_ack_accepted", "synproxy_synack_consumed"]
    assert [run.trace[n]["out"] for n in (2, 3)] == [[2], [3]]
    assert (opening.flags, opening.seq, opening.window, run.packet(2)[IP].ttl, str(run.packet(2)[IP].flags)) == (
        "S",
        1000 + DELTA,
        5000,
        64,
        "DF",
    )
    assert opening.options == [("MSS", 1452), ("NOP", None), ("NOP", None), ("SAckOK", b"")]
    assert (released.seq, released.ack) == (1001 + DELTA, RS_SEQ + 1)
    assert run.states(3) == ["SYN_SENT", "ESTABLISHED"]
    assert (run.real["conns"], run.real["inpkts"], run.real["inbytes"], run.real["outpkts"]) == (1, 2, 80, 1)
    assert run.document["totals"]["generated"] == 1


def test_numbers_are_shifted_both_ways() -> None:
    """Client side counts from the cookie, real server side from its own number; SACK edges too (D 5.4, 5.5)."""
    made = proxied()
    seq = cookie(made)
    edges = [("NOP", None), ("NOP", None), ("SAck", (seq + 501, seq + 601))]
    more = [
        tcp(REAL, LADDR, "A", RS_SEQ + 1, 1001 + DELTA, b"hello"),
        tcp(CLIENT, VIP, "A", 1001, seq + 6, options=edges),
    ]
    run = play(made, flow(made, *more))
    assert (run.packet(4)[TCP].seq, run.packet(4)[TCP].ack) == ((seq + 1) % 2**32, 1001)
    assert run.packet(5)[TCP].ack == RS_SEQ + 6
    assert dict(run.packet(5)[TCP].options)["SAck"] == (RS_SEQ + 501, RS_SEQ + 601)


def test_bad_cookies() -> None:
    """RST to any service; v1.8.8 dropped it (D 5.1, 15). An old cookie is a bad one (D 6.1)."""
    wrong = tcp(CLIENT, VIP, "A", 1001, 4711)
    run = play(setup(), [wrong])
    assert run.verdicts == ["tcp_bad_ack_rst"]
    assert (run.packet(1)[TCP].flags, run.packet(1)[TCP].seq, run.packet(1)[TCP].ack) == ("RA", 4711, 1001)
    assert play(setup(more='[behaviour]\nbad_ack = "drop"\n'), [wrong]).verdicts == ["tcp_bad_ack_drop"]
    made = proxied()
    frames = flow(made)
    for minute, verdict in ((3, "synproxy_ack_accepted"), (4, "tcp_bad_ack_rst")):
        assert play(made, [frames[0], (minute * 60_000, frames[1])]).verdicts[1] == verdict


def test_deferred() -> None:
    """The SYN to the real server waits for data; an empty ACK is dropped (D 6.2)."""
    made = proxied("defer_rs_syn = true")
    frames = flow(made)
    request = tcp(CLIENT, VIP, "PA", 1001, cookie(made) + 1, b"GET")
    assert play(made, [*frames[:2], request]).verdicts[1:] == ["synproxy_null_ack", "synproxy_ack_accepted"]


def test_what_waits_and_what_does_not() -> None:
    """ACKs are held up to max_ack_saved + 1, other packets dropped; all of them count (D 6.3)."""
    made = proxied("max_ack_saved = 1")
    seq = cookie(made)
    data = [tcp(CLIENT, VIP, "PA", 1001 + n, seq + 1, b"x") for n in range(3)]
    run = play(made, [*flow(made)[:2], *data, tcp(CLIENT, VIP, "F", 1, 0), flow(made)[2]])
    assert run.verdicts[2:6] == ["synproxy_held", "synproxy_hold_full", "synproxy_hold_full", "synproxy_not_ack"]
    assert run.real["inpkts"] == 6 and run.trace[7]["out"] == [3, 4]


def test_retries_until_nobody_answers() -> None:
    """The SYN again at each expiry of SYN_SENT, then the end (D 2.5, 6.2)."""
    made = proxied("rs_syn_max_retry = 2")
    run = play(made, [*flow(made)[:2], (20_000, tick())])
    assert [run.after(n) for n in (3, 4)] == [3001, 6001] and len(run.sent) == 4
    assert run.packet(3)[TCP].seq == run.packet(2)[TCP].seq
    assert run.real["inactconns"] == 0


def test_a_refusal_goes_to_the_client_and_the_syn_goes_on() -> None:
    """RST with its number raised by one, state CLOSE; the kept SYN is sent again all the same (D 6.3)."""
    made = proxied("rs_syn_max_retry = 1")
    seq = cookie(made)
    run = play(made, [*flow(made)[:2], tcp(REAL, LADDR, "RA", 0, 1001 + DELTA), (10_000, tick())])
    assert run.states(3) == ["SYN_SENT", "CLOSE"] and run.packet(3)[TCP].flags == "RA"
    assert (run.packet(3)[TCP].seq, run.packet(3)[TCP].ack) == ((seq + 1) % 2**32, 1001)
    assert run.packet(4)[TCP].flags == "S" and run.packet(4)[TCP].ack == -seq % 2**32


def test_the_window_may_be_closed_until_then() -> None:
    """SYN|ACK with window 0, and an update when the real server answered one held ACK (D 6.1, 6.3)."""
    made = proxied("close_client_window = true")
    run = play(made, flow(made))
    assert run.packet(1)[TCP].window == 0
    update = run.packet(3)[TCP]
    assert (update.flags, update.seq, update.ack, update.options) == ("A", (cookie(made) + 1) % 2**32, 1001, [])
    assert run.document["totals"]["generated"] == 2
    held = play(made, [*flow(made)[:2], tcp(CLIENT, VIP, "A", 1001, cookie(made) + 1), flow(made)[2]])
    assert held.trace[4]["out"] == [3, 4]
    deferred = proxied("close_client_window = true\ndefer_rs_syn = true")
    assert play(deferred, [syn(CLIENT, VIP)]).packet(1)[TCP].window == 8192


def test_no_error_is_sent_about_a_packet_of_its_own() -> None:
    """The window update has the TTL of the SYN|ACK; where that ran out it is lost in silence: it came in by no port."""
    made = proxied("close_client_window = true", conn="xmit_ttl = true\nfast_xmit = false")
    seq = cookie(made)
    answer = tcp(REAL, LADDR, "SA", RS_SEQ, 1001 + DELTA, ttl=1)
    run = play(made, [syn(CLIENT, VIP), tcp(CLIENT, VIP, "A", 1001, seq + 1), answer])
    assert run.verdicts[2] == "synproxy_synack_consumed" and ICMP not in run.packet(3) and len(run.sent) == 3


def test_windows_are_scaled() -> None:
    """By the real server's scale and down by the one the client was told, at most 65535 (D 5.5 c)."""
    made = proxied("wscale = 1")
    answer = tcp(REAL, LADDR, "A", RS_SEQ + 1, 1001 + DELTA, window=100)
    big = tcp(REAL, LADDR, "A", RS_SEQ + 1, 1001 + DELTA, window=60000)
    run = play(made, flow(made, answer, big))
    assert [run.packet(n)[TCP].window for n in (4, 5)] == [400, 65535]


def test_the_old_window_scale_lasts_until_the_new_answer() -> None:
    """A connection used again scales by what its real server said last, until it says something else (recorded)."""
    made = proxied()
    late = tcp(REAL, LADDR, "A", RS_SEQ + 1, 1001 + DELTA, window=100)
    answer = tcp(REAL, LADDR, "SA", 50_000, 900_001 + DELTA, options=[("MSS", 1400)])
    closed = flow(made, tcp(REAL, LADDR, "R", RS_SEQ + 1, 1001 + DELTA), syn(CLIENT, VIP, 900_000))
    seq = play(made, closed).packet(5)[TCP].seq
    after = tcp(REAL, LADDR, "A", 50_001, 900_001 + DELTA, window=100)
    run = play(made, [*closed, tcp(CLIENT, VIP, "A", 900_001, seq + 1), answer, after])
    early = play(made, [*closed, tcp(CLIENT, VIP, "A", 900_001, seq + 1), late])
    assert early.packet(7)[TCP].window == 800 and run.packet(8)[TCP].window == 100


@pytest.mark.parametrize(
    "mode, client, vip, real, tcp_at",
    [
        ("dr", CLIENT, VIP, REAL, 34),
        ("dr", CLIENT6, VIP6, REAL6, 54),
        ("tunnel", CLIENT, VIP, REAL, 54),
        ("tunnel", CLIENT6, VIP6, REAL6, 94),
        ("tunnel", CLIENT6, VIP6, REAL, 74),
    ],
)
def test_nobody_fills_the_checksums_without_translation(
    mode: str, client: str, vip: str, real: str, tcp_at: int
) -> None:
    """The SYN to the real server and its retries leave with checksums of 0; an outer header's is right (recorded)."""
    made = setup(PROXY, mode=mode, vip=vip, reals=(real.replace("8080", "80"),))
    seq = play(made, [syn(client, vip)]).packet(1)[TCP].seq
    run = play(made, [syn(client, vip), tcp(client, vip, "A", 1001, seq + 1), (3500, tick())])
    for frame in (run.sent[1][2], run.sent[2][2]):
        assert frame[tcp_at + 13] == 2 and frame[tcp_at + 16 : tcp_at + 18] == b"\0\0"
        assert client == CLIENT6 or frame[tcp_at - 10 : tcp_at - 8] == b"\0\0"
        assert mode == "dr" or real == REAL6 or frame[24:26] != b"\0\0"


def test_an_ack_storm_is_not_translated() -> None:
    """The tenth repetition leaves with the real server's numbers (D 6.5)."""
    made = proxied("ack_storm_thresh = 2")
    same = tcp(REAL, LADDR, "A", RS_SEQ + 1, 1001 + DELTA)
    run = play(made, flow(made, *[same] * 3))
    assert [run.packet(n)[TCP].ack for n in (4, 5, 6)] == [1001, 1001, 1001 + DELTA]
    assert run.packet(6)[TCP].seq == RS_SEQ + 1


@pytest.mark.parametrize(
    "conn_reuse, verdict", [('["close", "time_wait"]', "synproxy_reused"), ("[]", "forwarded_fast")]
)
def test_reuse(conn_reuse: str, verdict: str) -> None:
    """A valid cookie on a closed connection begins it anew: same port, a new SYN (D 6.4)."""
    made = proxied(f"conn_reuse = {conn_reuse}")
    closed = flow(made, tcp(REAL, LADDR, "R", RS_SEQ + 1, 1001 + DELTA))
    again = syn(CLIENT, VIP, 900_000)
    seq = play(made, [*closed, again]).packet(5)[TCP].seq
    run = play(made, [*closed, again, tcp(CLIENT, VIP, "A", 900_001, seq + 1)])
    assert run.verdicts[5] == verdict
    if verdict == "synproxy_reused":
        assert run.states(6) == ["CLOSE", "SYN_SENT"]
        assert (run.packet(6)[TCP].sport, run.packet(6)[TCP].seq) == (1025, 900_000 + DELTA)
        assert (run.real["conns"], run.real["inpkts"]) == (1, 4)


def test_ipv6() -> None:
    """Hop limit 63 and 64, the cookie over sixteen words, and its clock three seconds ahead (D 6, golden README)."""
    made = setup(PROXY, vip=VIP6, laddr=LADDR6, reals=(REAL6,))
    run = play(made, [syn(CLIENT6, VIP6)])
    seq = run.packet(1)[TCP].seq
    assert run.packet(1)[IPv6].hlim == 63
    opened = play(made, [syn(CLIENT6, VIP6), tcp(CLIENT6, VIP6, "A", 1001, seq + 1)])
    assert opened.verdicts[1] == "synproxy_ack_accepted" and opened.packet(2)[IPv6].hlim == 64
    later = [play(made, [tick(), (at, syn(CLIENT6, VIP6))]).packet(1)[TCP].seq for at in (56_999, 57_000)]
    assert later[0] == seq != later[1]


def test_the_window_of_v1_8() -> None:
    """Always closed, an update when exactly one ACK is held; no scaling (D 15)."""
    made = proxied("sack = true", edition="1.8")
    answer = tcp(REAL, LADDR, "A", RS_SEQ + 1, 1001 + DELTA, window=100)
    run = play(made, flow(made, answer))
    assert run.packet(1)[TCP].window == 0 and run.packet(3)[TCP].flags == "A" and run.packet(3)[TCP].sport == 80
    assert run.packet(5)[TCP].window == 100
    held = play(made, [*flow(made)[:2], tcp(CLIENT, VIP, "A", 1001, cookie(made) + 1), flow(made)[2]])
    assert {held.packet(n)[TCP].dport for n in (3, 4)} == {8080}


def test_mh_port_is_the_same_bit_in_v1_8() -> None:
    """A service that hashes ports answers SYNs itself (D 15)."""
    made = setup("mh_port = true", edition="1.8").services
    assert made[0].mh_port
    hashed = setup("mh_port = true\n", edition="1.8")
    assert play(hashed, [syn(CLIENT, VIP)]).verdicts == ["synproxy_synack"]


def test_nat_remembers_the_end_for_its_resets() -> None:
    """SYN-proxy saves it, so the RST to the real server has its acknowledgement (D 5.7, 6.3)."""
    made = setup(PROXY, mode="nat")
    seq = cookie(made)
    frames = [
        syn(CLIENT, VIP),
        tcp(CLIENT, VIP, "A", 1001, seq + 1),
        tcp(REAL, CLIENT, "SA", RS_SEQ, 1001),
        (100_000, tick()),
    ]
    run = play(made, frames)
    assert [(p[IP].dst, p[TCP].seq) for p in (run.packet(4), run.packet(5))] == [
        ("192.168.100.2", 1001),
        ("172.16.0.1", RS_SEQ + 1),
    ]
