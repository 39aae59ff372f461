"""What the kernel lets go: the first of a kind is judged in words, the next ones end as it did."""

from __future__ import annotations

from collections.abc import Callable

import craft
import pytest
import twins
from kernel import CLIENT, VIP, A, Kernel, service

OTHERS = [f"203.0.113.{n}:{1000 + n}" for n in range(1, 20)]
OTHERS6 = [f"[2001:db8:{n}::9]:80" for n in range(3, 22)]
FORWARDING = "[ipv4]\nforwarding = true\n[ipv6]\nforwarding = true"
ROOTED = FORWARDING.replace("true", "false")


def _judged(frames: list[bytes], *tables: str, view: str = "rx", mac: bool = True) -> tuple[list[str], set[int]]:
    """Verdicts on the plain path, which the loop comes to as well, and the rows that the loop does not take."""
    setup = Kernel(*(tables or (service(A),)), view=view).setup
    if not mac:
        setup = setup._replace(device=setup.device._replace(mac=None))
    plain, rows = twins.both(setup, frames)
    return list(plain.verdicts), rows


@pytest.mark.parametrize("make", [craft.udp, lambda a, b: craft.tcp(a, b, "A"), craft.syn])
@pytest.mark.parametrize("to", ["10.0.0.100:81", "10.0.0.1:9", "10.0.0.100:80"])
def test_what_nobody_asked_for_stays_here(make: Callable[..., bytes], to: str) -> None:
    """By its address and by whether it could open; a service takes first packets."""
    opens = make is craft.syn and to == VIP
    verdicts, rows = _judged([make(f"198.51.100.{n}:{n}", to) for n in range(1, 9)])
    assert set(verdicts) == {"nat_forwarded" if opens else "local_to_kernel"}
    assert rows == (set() if opens else {1})


@pytest.mark.parametrize("forwarding", [False, True])
@pytest.mark.parametrize("mac", [False, True])
@pytest.mark.parametrize("others", [OTHERS, OTHERS6], ids=["IPv4", "IPv6"])
def test_what_is_for_others_goes_on(others: list[str], mac: bool, forwarding: bool) -> None:
    """Where it does, by its route; the next hop is the same for all of a zone."""
    clients = CLIENT if others is OTHERS else "[2001:db8:c::1]:5"
    wide = service("[2001:db8:2::2]:80", name="wide", vip="[2001:db8:1::9]:80")
    frames = [craft.udp(clients, other) for other in others] + [craft.tcp(clients, other, "A") for other in others]
    verdicts, rows = _judged(frames, service(A), wide, FORWARDING if forwarding else ROOTED, mac=mac)
    assert set(verdicts) == {"forwarded_plain" if forwarding else "forward_disabled"} and rows == {1, 20}


def test_neighbours_on_link_have_their_own_macs() -> None:
    """Made of their addresses, but for the one that is known."""
    hosts = [f"10.1.3.{n}:80" for n in range(1, 9)]
    known = '[[neighbor]]\naddress = "10.1.3.5"\nmac = "02:00:00:00:00:55"'
    verdicts, rows = _judged([craft.udp(CLIENT, host) for host in hosts], service(A), FORWARDING, known)
    assert set(verdicts) == {"forwarded_plain"} and rows == {1, 5, 6}  # the zones before it, of it, and behind


@pytest.mark.parametrize(
    ("frame", "verdict"),
    [
        (craft.syn("10.0.0.100:5", VIP), "martian_source"),
        (craft.syn(CLIENT, VIP)[:0] + b"\x02\0\0\0\0\x77" + craft.syn(CLIENT, VIP)[6:], "l3_otherhost"),
        (b"\x01\0\x5e\0\0\x01" + craft.udp(CLIENT, "224.0.0.1:9")[6:], "multicast"),
        (b"\xff" * 6 + craft.udp(CLIENT, "10.0.0.255:9")[6:], "multicast"),
        (b"\xff" * 6 + craft.udp(CLIENT, "203.0.113.9:9")[6:], "forward_to_many"),
        (craft.udp(CLIENT, "224.0.0.9:9"), "martian_dest"),
    ],
)
def test_what_may_not_be_here(frame: bytes, verdict: str) -> None:
    """Sources that are our own, groups, and other hosts' frames."""
    assert _judged([frame] * 4, service(A), FORWARDING) == ([verdict] * 4, {1})


def test_of_groups_one_has_a_member() -> None:
    """224.0.0.1; the others are nobody's."""
    frames = [b"\x01\0\x5e\0\0\x01" + craft.udp(CLIENT, f"224.0.0.{n}:9")[6:] for n in (1, 2, 1, 3)]
    assert _judged(frames) == (["multicast", "martian_dest"] * 2, {1, 2})


@pytest.mark.parametrize(
    "frame",
    [craft.udp(CLIENT, OTHERS[0], ttl=1), craft.udp("127.0.0.1:5", OTHERS[0]), craft.udp("240.0.0.1:5", "1.1.1.1:1")],
)
def test_what_is_odd_itself_is_never_remembered(frame: bytes) -> None:
    """What it ends with is its own."""
    ordinary = craft.udp(CLIENT, OTHERS[0])
    verdicts, rows = _judged([ordinary, frame, frame, ordinary], service(A), FORWARDING)
    assert verdicts[0] == verdicts[3] == "forwarded_plain" and rows - {2, 3} == {1}


def test_services_that_come_and_go_are_noticed() -> None:
    """An event forgets what was remembered."""
    event = '[[event]]\nat = 0.0035\nremove = "service.web"'
    frames = [craft.syn(f"198.51.100.{n}:9", VIP) for n in range(1, 9)]
    verdicts, rows = _judged(frames, service(A), service(A, name="b", vip="10.0.0.101:80"), event)
    assert verdicts == ["nat_forwarded"] * 4 + ["local_to_kernel"] * 4 and rows == {5}
    frames = [craft.tcp(VIP, f"198.51.100.{n}:9", "A") for n in range(1, 9)]
    assert set(_judged(frames, service(A), event, view="client")[0]) == {"reply_without_conn"}


def test_all_ports_and_data_of_ftp_are_no_strangers() -> None:
    """Services that take more ports than their own."""
    frames = [craft.syn(CLIENT, f"10.0.0.100:{port}") for port in (20, 81, 4000, 82)]
    keeps = {"persistent": {"timeout": 60}}
    assert _judged(frames, service("10.1.0.11:0", vip="10.0.0.100:0", **keeps))[1] == {1, 2, 3, 4}
    assert _judged([*frames, frames[1]], service("10.1.0.11:21", vip="10.0.0.100:21", mode="dr"))[1] == {1, 2, 3}
