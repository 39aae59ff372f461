"""ovf, and fo beside it (L 13)."""

from __future__ import annotations

import craft
from kernel import VIP, A, B, C, Kernel, real, service

REALS = (real(A, weight=1), real(B, weight=2), real(C, weight=1))


def chosen(scheduler: str) -> list[str]:
    k = Kernel(service(*REALS, scheduler=scheduler))
    return [k.send(craft.syn(f"198.51.100.1:{port}", VIP)).real for port in range(1, 7)]


def test_overflow() -> None:
    """The greatest weight until it has more active connections than weight, then the next."""
    assert chosen("ovf") == [B, B, B, C, C, A]


def test_failover() -> None:
    """The greatest weight takes everything."""
    assert chosen("fo") == [B] * 6
