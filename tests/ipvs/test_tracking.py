"""Connection tracking, as far as it shows (L 4.2, L 12)."""

from __future__ import annotations

import craft
import pytest
from kernel import CLIENT, VIP, A, Kernel, service

TRACKED = "conntrack = 1\ntracking = true"


@pytest.mark.parametrize(("ipvs", "verdicts"), [("conntrack = 1", ["nat_forwarded"] * 2), ("", ["nat_forwarded"] * 2),
                                                (TRACKED, ["conntrack_old", "nat_forwarded"])])  # fmt: skip
def test_syn_after_a_reset_of_the_server(ipvs: str, verdicts: list[str]) -> None:
    """The first dies with the old entry, the next is scheduled; conntrack = 1 alone changes nothing."""
    k = Kernel(service(A), ipvs=ipvs)
    k.handshake()
    k.send(craft.tcp(A, CLIENT, "R", 5001))
    assert [k.send(craft.syn(CLIENT, VIP)).verdict for _ in range(2)] == verdicts


@pytest.mark.parametrize("flags", [["FA", "FA"], ["R"]])
def test_what_the_tracker_forgets_by_itself(flags: list[str]) -> None:
    """TIME_WAIT, and a connection that the client reset: the SYN is scheduled at once."""
    k = Kernel(service(A), ipvs=TRACKED)
    k.handshake()
    if len(flags) == 2:
        k.send(craft.tcp(A, CLIENT, "FA", 5001, 1001))
    last = k.send(craft.tcp(CLIENT, VIP, flags[-1], 1001, 5002 if len(flags) == 2 else 0))
    if len(flags) == 2:
        k.answer(last, "A")
    assert k.send(craft.syn(CLIENT, VIP)).verdict == "nat_forwarded"


def test_two_that_would_look_the_same() -> None:
    """One client port, two virtual addresses, one FTP server: the later SYN is dropped."""
    ftp = [service("10.1.0.11:21", name=vip, vip=f"{vip}:21") for vip in ("10.0.0.100", "10.0.0.1")]
    k = Kernel(*ftp, ipvs='modules = ["ip_vs_ftp"]')
    assert k.send(craft.syn(CLIENT, "10.0.0.100:21")).verdict == "nat_forwarded"
    assert k.send(craft.syn(CLIENT, "10.0.0.1:21")).verdict == "conntrack_clash"
    assert k.send(craft.syn("198.51.100.1:2", "10.0.0.1:21")).verdict == "nat_forwarded"


def test_an_entry_ends_with_its_connection() -> None:
    """Afterwards the place is free."""
    k = Kernel(service(A), ipvs=TRACKED)
    conn = k.send(craft.syn(CLIENT, VIP)).conn
    k.parts.conns.delete(conn)
    assert len(k.parts.tracking.tracker) == 0


def test_a_refused_syn_is_forgotten() -> None:
    """RST as the only answer: the next SYN is scheduled at once (recorded)."""
    k = Kernel(service(A), ipvs=TRACKED)
    k.answer(k.send(craft.syn(CLIENT, VIP)), "RA")
    assert k.send(craft.syn(CLIENT, VIP)).verdict == "nat_forwarded"


@pytest.mark.parametrize(("mode", "verdict"), [("nat", "conntrack_clash"), ("dr", "dr_forwarded")])
def test_what_is_invalid_dies_under_nat(mode: str, verdict: str) -> None:
    """An ACK before the real server's SYN|ACK; direct routing lets it pass (recorded)."""
    k = Kernel(service("10.1.0.11:80", mode=mode), ipvs=TRACKED)
    k.send(craft.syn(CLIENT, VIP))
    assert k.send(craft.tcp(CLIENT, VIP, "A", 1001, 1)).verdict == verdict


def test_a_stray_segment_of_the_real_server() -> None:
    """It has the place that the client's connection would need behind the director (recorded)."""
    k = Kernel(service(A), ipvs=TRACKED)
    assert k.send(craft.tcp(A, CLIENT, "A", 5000, 1000)).verdict == "forwarded_plain"
    assert k.send(craft.syn(CLIENT, VIP)).verdict == "conntrack_clash"
