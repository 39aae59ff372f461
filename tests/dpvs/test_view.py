"""Where the capture was taken: which frames were received, and which are answers seen from the client."""

from __future__ import annotations

import craft
import pytest
from rig import CLIENT, CLIENT6, DELTA, LADDR, REAL, VIP, VIP6, play, setup, syn, tcp, udp
from scapy.layers.inet import IP, TCP

from lbreplay.journey import replay
from lbreplay.model import Setup

ANSWER = tcp(VIP, CLIENT, "SA", 5000, 1001, options=[("MSS", 1460)], mac="02:00:00:00:05:05", ttl=55)
BEHIND = "[flow_director]\nenabled = false\n"


def warnings(made: Setup, frames: list[bytes], tmp_path: object) -> list[str]:
    source = craft.write(tmp_path / "in.pcap", frames)  # type: ignore[operator]
    return replay(made, str(source), None).warnings


def test_an_answer_leaves_as_captured() -> None:
    """It is put into the real server's view and translated back: only the MSS is lowered (interface 3)."""
    edges = [("NOP", None), ("NOP", None), ("SAck", (2000, 3000))]
    data = tcp(VIP, CLIENT, "A", 5001, 1001, b"hello", options=edges, ttl=55)
    run = play(setup(view="client"), [syn(CLIENT, VIP), ANSWER, tcp(CLIENT, VIP, "A", 1001, 5001), data])
    first = run.packet(2)
    assert run.trace[2]["lookup"] == "out" and run.trace[2]["laddr"] == LADDR
    assert (first[IP].ttl, first[TCP].seq, first[TCP].ack, dict(first[TCP].options)["MSS"]) == (55, 5000, 1001, 1452)
    assert (first.dst, run.packet(3).dst) == (craft.GATEWAY, "02:00:c0:a8:64:02")
    assert run.sent[3][2][14:] == data[14:]


def test_answers_come_in_where_the_nic_steers_them() -> None:
    """By the rules of the local port; without rules RSS spreads them, and a miss is the kernel's (interface 3)."""
    frames = [
        f
        for n in range(1, 9)
        for f in (syn(f"172.16.0.{n}:3000", VIP), tcp(VIP, f"172.16.0.{n}:3000", "SA", 5000, 1001))
    ]
    home = play(setup(workers=4, view="client"), frames)
    assert {home.trace[n]["steer"]["by"] for n in range(2, 17, 2)} == {"flow_director"}
    assert all(home.trace[n]["worker"] == home.trace[n - 1]["worker"] for n in range(2, 17, 2))
    lost = play(setup(workers=4, view="client", more=BEHIND), frames)
    assert 0 < lost.counter("local_to_kernel") < 8
    found = play(setup(workers=4, view="client", more=BEHIND, conn="redirect = true"), frames)
    assert found.counter("forwarded_fast") == 8


def test_nat_and_nat64_answers() -> None:
    """NAT: from the real server to the client; NAT64: as IPv4 (interface 3)."""
    nat = play(setup(mode="nat", view="client"), [syn(CLIENT, VIP), ANSWER])
    assert nat.sent[1][2][14:] == ANSWER[14:] and nat.real["outpkts"] == 1
    answer = tcp(VIP6, CLIENT6, "SA", 5000, 1001, options=[("MSS", 1460)])
    six = play(setup(vip=VIP6, view="client"), [syn(CLIENT6, VIP6), answer])
    assert six.verdicts == ["forwarded_slow", "forwarded_slow"]
    assert (six.packet(2)[TCP].seq, six.packet(2)[TCP].ack, dict(six.packet(2)[TCP].options)["MSS"]) == (
        5000,
        1001,
        1440,
    )


@pytest.mark.parametrize("mode", ["dr", "tunnel"])
def test_answers_that_do_not_pass(mode: str) -> None:
    """Direct routing and tunnels: ignored; without a connection that is the reason (interface 3)."""
    made = setup(mode=mode, reals=("192.168.100.2:80",), view="client")
    assert play(made, [syn(CLIENT, VIP), ANSWER]).verdicts[1] == "direct_reply"
    run = play(made, [ANSWER])
    assert run.verdicts == ["reply_without_conn"] and run.trace[1]["worker"] is None


def test_only_a_services_own_end_answers() -> None:
    """Another port or protocol of the virtual address is received like anything else (interface 3)."""
    run = play(setup(view="client"), [tcp("10.0.0.100:81", CLIENT, "SA"), udp(VIP, CLIENT)])
    assert run.verdicts == ["forward_disabled", "forward_disabled"]


def test_a_capture_from_the_balancers_port() -> None:
    """What comes from any address of the balancer was sent by it (interface 3)."""
    own = [tcp(LADDR, REAL, "S"), ANSWER, tcp("192.168.100.10:1", CLIENT, "A"), tcp("10.0.0.100:81", CLIENT, "RA")]
    frames = [syn(CLIENT, VIP), *own, tcp(REAL, LADDR, "SA", 5000, 1001 + DELTA)]
    run = play(setup(view="lb"), frames)
    assert run.verdicts == ["forwarded_slow", *["own_transmit"] * 4, "forwarded_fast"]
    assert play(setup(view="rx"), frames).counter("own_transmit") == 0


def test_a_cut_answer_leaves_as_captured_too() -> None:
    """Its checksum goes through both changes (interface 4)."""
    whole = tcp(VIP, CLIENT, "A", 5001, 1001, b"x" * 200)
    run = play(setup(view="client"), [syn(CLIENT, VIP), (1, whole[:70], len(whole))])
    assert run.sent[1][2][14:] == whole[14:70] and run.sent[1][1] == len(whole)


def test_warnings_are_said_once(tmp_path: object) -> None:
    """Frames of a local address in a capture of clients; a SYN proxy that has to believe (interface 3)."""
    odd = [syn(CLIENT, VIP), *[tcp(LADDR, REAL, "S")] * 3]
    assert ["--view lb" in w for w in warnings(setup(view="client"), odd, tmp_path)] == [True]
    assert warnings(setup(view="lb"), odd, tmp_path) == warnings(setup(view="client"), odd[:1], tmp_path) == []
    proxied = setup("synproxy = true", view="client")
    acks = [tcp(f"172.16.0.{n}:1", VIP, "A", 1, 2) for n in (1, 2)]
    assert ["valid cookie" in w and "web" in w for w in warnings(proxied, acks, tmp_path)] == [True]


def test_a_tag_changes_nothing_about_whose_an_answer_is() -> None:
    """From the trunk of a VLAN device, answers of the virtual address are answers; the same packets leave."""
    flow = [syn(CLIENT, VIP), ANSWER, tcp(CLIENT, VIP, "A", 1001, 5001)]
    tagged = [frame[:12] + b"\x81\0\0\3" + frame[12:] for frame in flow]
    vlan = '[[device.vlan]]\nid = 3\naddress = ["10.0.0.1/24"]\n'
    plain = play(setup(view="client"), flow)
    run = play(setup(view="client", more=vlan), tagged)
    assert run.verdicts == plain.verdicts and run.trace[2]["lookup"] == "out"
    assert [bytes(run.packet(n)[IP]) for n in (1, 2, 3)] == [bytes(plain.packet(n)[IP]) for n in (1, 2, 3)]
    own = play(setup(view="lb", more=vlan), tagged)
    assert own.verdicts[1] == "own_transmit"
