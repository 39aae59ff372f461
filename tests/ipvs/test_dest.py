"""A real server: thresholds, weights (L 6.5)."""

from __future__ import annotations

import craft
import pytest
from kernel import VIP, A, Kernel, real, service

TCP, UDP = 6, 17
HOST = bytes((10, 0, 0, 100))
ALL = service(A, name="all", vip="10.0.0.100:0", persistent={"timeout": 60})
FTP = service("10.1.0.11:21", name="ftp", vip="10.0.0.100:21")
MARKED = service("10.1.0.11:0", name="marked", vip=None, fwmark=7)


def opened(k: Kernel, number: int) -> list[str]:
    return [k.send(craft.syn(f"198.51.100.1:{port}", VIP)).verdict for port in range(1, number + 1)]


def test_upper_threshold() -> None:
    """-x 4: the fourth connection is the last; freed below three quarters."""
    k = Kernel(service(real(A, max_conn=4)))
    assert opened(k, 5) == ["nat_forwarded"] * 4 + ["no_dest_unreachable"]
    conns = list(k.parts.conns)
    k.parts.conns.delete(conns[0])
    assert k.dest(A).overload
    k.parts.conns.delete(conns[1])
    assert not k.dest(A).overload


def test_lower_threshold() -> None:
    """-y 2: freed below two."""
    k = Kernel(service(real(A, max_conn=4, min_conn=2)))
    opened(k, 4)
    conns = list(k.parts.conns)
    for left, overloaded in ((3, True), (2, True), (1, False)):
        k.parts.conns.delete(conns.pop())
        assert (len(conns), k.dest(A).overload) == (left, overloaded)


@pytest.mark.parametrize(("edition", "overloaded"), [("6.1.192", True), ("6.1", False)])
def test_a_threshold_set_while_connections_exist(edition: str, overloaded: bool) -> None:
    """The newest kernel judges at once; before, only the next connection does."""
    k = Kernel(service(A), edition=edition)
    opened(k, 4)
    k.set(A, max_conn=3)
    assert k.dest(A).overload is overloaded
    k.set(A, max_conn=0)
    assert not k.dest(A).overload


def test_last_weight() -> None:
    """mh keeps the places of a real server whose weight became 0."""
    k = Kernel(service(real(A, weight=5)))
    k.set(A, weight=0)
    assert (k.dest(A).weight, k.dest(A).filling_weight) == (0, 5)
