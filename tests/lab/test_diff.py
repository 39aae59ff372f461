"""A shifted packet is one difference, a changed field has a name, and two configurations differ flow by flow."""

from __future__ import annotations

import json
import re
from pathlib import Path

import craft
import packets
import pytest
from packets import numbered, tcp, udp

from lbreplay.config.load import load
from lbreplay.lab.diff import Rules, compare, compare_files, compare_setups
from lbreplay.lab.fields import ignored

MANY = [tcp(n % 50 + 1, seq=n) for n in range(300)]


def test_equal_captures_have_no_difference() -> None:
    found = compare(numbered(MANY), numbered(MANY))
    assert not found and found.equal == 300


@pytest.mark.parametrize("at", [0, 17, 299])
def test_a_missing_packet_is_one_difference(at: int) -> None:
    some = numbered(MANY)
    found = compare(some, some[:at] + some[at + 1 :])
    assert [(d.kind, d.a and d.a.n) for d in found.differences] == [("missing", at + 1)]
    found = compare(some[:at] + some[at + 1 :], some)
    assert [(d.kind, d.b and d.b.n) for d in found.differences] == [("extra", at + 1)]


def test_a_changed_packet_is_paired_with_its_other_form() -> None:
    other = list(MANY)
    other[100] = tcp(1, seq=100, window=7)
    found = compare(numbered(MANY), numbered(other))
    assert found.count("different") == 1 and found.equal == 299
    assert found.by_field() == {"win": 1, "tcp.sum": 1}


def test_a_flow_that_moved_is_paired_by_content() -> None:
    a = [tcp(n, dst="10.0.0.1", seq=n * 1000) for n in range(1, 20)]
    b = [tcp(n, dst="10.0.0.2", seq=n * 1000) for n in range(1, 20)]
    found = compare(numbered(a), numbered(b))
    assert found.count("different") == 19 and found.by_field()["ip.dst"] == 19


def test_unlike_packets_are_missing_and_extra() -> None:
    found = compare(numbered([tcp()]), numbered([udp()]))
    assert {d.kind for d in found.differences} == {"missing", "extra"}


def test_order_is_strict_unless_of_different_flows() -> None:
    a, b = numbered([tcp(1), tcp(2)]), numbered([tcp(2), tcp(1)], 0)
    strict = compare(a, b, Rules(ignored(["time"])))
    assert [d.fields[0][0] for d in strict.differences] == ["order"]
    assert not compare(a, b, Rules(ignored(["time"]), order="flow"))
    a, b = numbered([tcp(1, seq=1), tcp(1, seq=2)], 0), numbered([tcp(1, seq=2), tcp(1, seq=1)], 0)
    assert compare(a, b, Rules(order="flow"))


def test_times_may_differ_by_the_tolerance() -> None:
    a, b = numbered([tcp()], 0), numbered([tcp()], 1000)
    assert compare(a, b).by_field() == {"time": 1}
    assert not compare(a, b, Rules(tolerance_ns=1000))
    assert not compare(a, b, Rules(ignored(["time"])))


def test_ignored_fields_may_be_limited_to_some_packets() -> None:
    a, b = numbered([tcp(1, seq=1), tcp(2, seq=1)]), numbered([tcp(1, seq=2), tcp(2, seq=2)])
    assert not compare(a, b, Rules(ignored(["seq"])))
    found = compare(a, b, Rules(ignored(["seq"]), own=frozenset({1})))
    assert [d.a and d.a.n for d in found.differences] == [2]


def test_a_thousand_changes_do_not_take_forever() -> None:
    a = [tcp(n % 250 + 1, seq=n) for n in range(2000)]
    b = [tcp(n % 250 + 1, seq=n, window=1 if n % 2 else 8192) for n in range(2000)]
    assert compare(numbered(a), numbered(b)).count("different") == 1000


def test_files_and_the_document(tmp_path: Path) -> None:
    a = packets.write(tmp_path / "a.pcap", numbered(MANY[:9]))
    b = packets.write(tmp_path / "b.pcap", numbered(MANY[:8]))
    document = json.loads(json.dumps(compare_files(a, b).document()))
    assert (document["equal"], document["missing"]) == (8, 1)
    assert document["differences"][0]["a"]["n"] == 9 and document["flows"] == {"tcp 10.0.0.100:80 - 172.16.0.9:3009": 1}


CASE = packets.GOLDEN / "workers_4"
CAPTURE = str(next(CASE.glob("in.pcap*")))


def test_the_same_configuration_twice_changes_nothing() -> None:
    setup = load(str(CASE / "lb.toml"), view="rx")
    shift = compare_setups(CAPTURE, setup, setup)
    assert not shift and shift.frames == 166 and shift.flows


def test_another_configuration_changes_flows() -> None:
    old = load(str(CASE / "lb.toml"), view="rx")
    new = load(str(CASE / "lb.toml"), ["service.web.real.192.168.100.2:8080.weight=0"], view="rx")
    shift = compare_setups(CAPTURE, old, new)
    assert shift.by_aspect()["real"] > 0 and "worker" not in shift.by_aspect()
    reals = [change for changes in shift.changes.values() for change in changes if change.aspect == "real"]
    assert all(change.b != "192.168.100.2:8080" for change in reals)
    assert len(shift.document(1)["changes"]) == 1


DPVS = """
workers = 1
[[service]]
name = "web"
vip = "10.0.0.100:80"
scheduler = "rr"
laddr = ["192.168.100.200"]
real = [{ address = "192.168.100.2:8080" }]
"""
KERNEL = """
profile = "ipvs"
[[service]]
vip = "10.0.0.100:80"
scheduler = "rr"
mode = "nat"
real = [{ address = "192.168.100.2:8080" }]
"""
SECOND = 10**9


def talk(folder: Path, *moments: tuple[float, bytes]) -> str:
    """A capture of frames at seconds."""
    start = 1_700_000_000 * SECOND
    return str(craft.write(folder / "in.pcap", [(start + round(at * SECOND), len(f), f) for at, f in moments]))


def beside(capture: str, kernel: str = KERNEL, *sets: str) -> dict[str, tuple[str, str]]:
    """What DPVS and the kernel make of the one flow of *capture*."""
    shift = compare_setups(capture, load("a", text=DPVS), load("b", sets, text=kernel))
    (changes,) = shift.changes.values() or [[]]
    return {change.aspect: (change.a, change.b) for change in changes}


CLIENT, VIP = "172.16.0.1:3000", "10.0.0.100:80"
HANDSHAKE = (
    (0.0, craft.syn(CLIENT, VIP)),
    (0.1, craft.tcp(VIP, CLIENT, "SA", 7, 1001)),
    (0.2, craft.tcp(CLIENT, VIP, "A", 1001, 8)),
)


def test_the_kernel_keeps_what_dpvs_ends(tmp_path: Path) -> None:
    """100 s of silence: ESTABLISHED lasts 90 s here and 900 s there, and the frame meets another fate."""
    found = beside(talk(tmp_path, *HANDSHAKE, (100.0, craft.tcp(CLIENT, VIP, "PA", 1001, 8, b"GET"))))
    assert found["age"] == ("ended: ESTABLISHED lasts 90 s, nothing came for 99.8 s", "kept: ESTABLISHED lasts 900 s")
    assert found["fate"] == ("drops (tcp_bad_ack_rst)", "forwards (nat_forwarded)")


def test_the_kernel_drops_what_dpvs_forwards(tmp_path: Path) -> None:
    """Nobody to send to there; names of services and looks of packets are no difference."""
    idle = re.sub(r'(:8080")', r"\1, weight = 0", KERNEL)
    found = beside(talk(tmp_path, *HANDSHAKE[:1]), idle)
    assert found["fate"] == ("forwards (forwarded_slow)", "drops (no_dest_unreachable)") and "real" not in found


def test_alike_is_no_difference(tmp_path: Path) -> None:
    """Full NAT beside NAT: the same real server, age and fate."""
    assert beside(talk(tmp_path, *HANDSHAKE)) == {}


def test_lists_begin_elsewhere(tmp_path: Path) -> None:
    """rr begins with the first real server here, with the last added there; the schedulers are named."""
    two = ' }, { address = "192.168.100.3:8080" }]'
    setups = [load("lb", text=text.replace(" }]", two)) for text in (DPVS, KERNEL)]
    (changes,) = compare_setups(talk(tmp_path, *HANDSHAKE), *setups).changes.values()
    assert [tuple(change) for change in changes] == [("real", 1, "192.168.100.2:8080 (rr)", "192.168.100.3:8080 (rr)")]


def test_direct_routing_has_no_port_of_its_own(tmp_path: Path) -> None:
    """The real server keeps the service's port; its answers pass beside the balancer."""
    found = beside(talk(tmp_path, *HANDSHAKE), KERNEL.replace('"nat"', '"dr"').replace(":8080", ":80"))
    assert set(found) == {"fate"} and found["fate"][1] == "never sees (direct_reply)"


def test_timeouts_of_one_balancer(tmp_path: Path) -> None:
    """Two settings of DPVS: the aspect age, among those it always had."""
    capture = talk(tmp_path, *HANDSHAKE, (50.0, craft.tcp(CLIENT, VIP, "PA", 1001, 8, b"GET")))
    old, new = (load("lb", [f"tcp.timeout.established={seconds}"], text=DPVS) for seconds in (90, 20))
    shift = compare_setups(capture, old, new)
    assert shift.by_aspect()["age"] == 1
