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
    k.answer(k.send(craft.syn(CLIENT, VIP)), "R")
    assert [k.send(craft.syn(CLIENT, VIP)).verdict for _ in range(2)] == verdicts


@pytest.mark.parametrize("flags", [["FA", "FA"], ["R"]])
def test_what_the_tracker_forgets_by_itself(flags: list[str]) -> None:
    """TIME_WAIT, and a connection that the client reset: the SYN is scheduled at once."""
    k = Kernel(service(A), ipvs=TRACKED)
    k.answer(k.handshake(), flags[0]) if len(flags) == 2 else None
    k.send(craft.tcp(CLIENT, VIP, flags[-1]))
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
    assert k.parts.tracking._confirmed == {}
