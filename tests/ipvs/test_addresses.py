"""What the stack makes of addresses before it looks for a route (L 3, L 10, recorded)."""

from __future__ import annotations

import craft
import pytest
from kernel import VIP, A, Kernel, service

NEW, OLD = "6.1.192", "2.6"


@pytest.mark.parametrize(
    ("src", "dst", "verdict"),
    [
        ("240.0.0.1", "10.0.0.100", "nat_forwarded"),
        ("198.51.100.1", "240.0.0.1", "forwarded_plain"),
        ("198.51.100.1", "10.0.0.255", "multicast"),
        ("198.51.100.1", "10.1.255.255", "multicast"),
        ("198.51.100.1", "255.255.255.255", "multicast"),
        ("0.0.0.0", "255.255.255.255", "multicast"),
        ("198.51.100.1", "224.0.0.1", "multicast"),
        ("198.51.100.1", "224.0.0.5", "martian_dest"),
        ("198.51.100.1", "0.0.0.1", "martian_dest"),
        ("198.51.100.1", "127.0.0.1", "martian_dest"),
        ("255.255.255.255", "10.0.0.100", "martian_source"),
        ("224.0.0.1", "10.0.0.100", "martian_source"),
        ("0.0.0.0", "10.0.0.100", "martian_source"),
        ("127.0.0.1", "10.0.0.100", "martian_source"),
        ("10.1.0.1", "10.0.0.255", "martian_source"),
    ],
)
def test_in_the_order_of_the_kernel(src: str, dst: str, verdict: str) -> None:
    """240/4 is ordinary, the highest address of a network is everybody, one group is joined."""
    assert Kernel(service(A)).send(craft.tcp(f"{src}:5", f"{dst}:80", "S")).verdict == verdict


@pytest.mark.parametrize(("edition", "verdict"), [(NEW, "neigh_timeout"), (OLD, "multicast")])
def test_the_lowest_address(edition: str, verdict: str) -> None:
    """Since Linux 5.14 an address like others, which nobody has; everybody's before."""
    k = Kernel(service(A), edition=edition)
    assert k.send(craft.tcp("198.51.100.1:5", "10.1.0.0:80", "S")).verdict == verdict


def test_a_source_that_is_ours() -> None:
    """Of either family nobody else speaks for the director."""
    k = Kernel(service(A))
    assert k.send(craft.tcp("10.0.0.1:5", VIP, "S")).verdict == "martian_source"
    assert k.send(craft.tcp("[2001:db8::1]:5", "[2001:db8::9]:80", "S")).verdict == "martian_source"
