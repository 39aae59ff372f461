"""lc, sed, nq (L 13)."""

from __future__ import annotations

import craft
import pytest
from kernel import VIP, A, B, C, Kernel, real, service


@pytest.mark.parametrize(
    ("scheduler", "weights", "order"),
    [
        ("lc", (1, 2, 3), [C, B, A, C, B, A]),
        ("lc", (1, 0, 1), [C, A, C, A, C, A]),
        ("sed", (1, 2, 3), [C, B, C, C, B, A]),
        ("nq", (1, 2, 3), [C, B, A, C, C, B]),
        ("wlc", (1, 2, 3), [C, B, A, C, B, C]),
    ],
)
def test_order(scheduler: str, weights: tuple[int, ...], order: list[str]) -> None:
    """Connections that stay half-open, which are active in 6.1."""
    reals = [real(address, weight=weight) for address, weight in zip((A, B, C), weights, strict=True)]
    k = Kernel(service(*reals, scheduler=scheduler))
    assert [k.send(craft.syn(f"198.51.100.1:{port}", VIP)).real for port in range(1, 7)] == order


@pytest.mark.parametrize(("scheduler", "chosen"), [("nq", C), ("sed", B)])
def test_datagrams_are_never_active(scheduler: str, chosen: str) -> None:
    """nq always takes the first of the list, sed the first of the largest weight."""
    reals = [real(address, weight=weight) for address, weight in ((A, 1), (B, 5), (C, 2))]
    k = Kernel(service(*reals, scheduler=scheduler, protocol="udp"))
    assert {k.send(craft.udp(f"198.51.100.1:{port}", VIP)).real for port in range(1, 5)} == {chosen}
