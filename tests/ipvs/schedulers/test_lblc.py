"""lblc and lblcr (L 13)."""

from __future__ import annotations

import craft
import pytest
from kernel import VIP, A, B, C, Kernel, real, service

DAY = 24 * 3600


def choose(k: Kernel, port: int) -> str:
    return k.send(craft.syn(f"198.51.100.1:{port}", VIP)).real


@pytest.mark.parametrize("scheduler", ["lblc", "lblcr"])
def test_stays_until_overloaded(scheduler: str) -> None:
    """More active connections than weight, while another has less than half of his: then somebody else."""
    k = Kernel(service(real(A, weight=2), real(B, weight=2), real(C, weight=2), scheduler=scheduler))
    first = [choose(k, port) for port in (1, 2, 3)]
    assert first == [C, C, C]
    assert choose(k, 4) == B


def test_overload_is_not_asked() -> None:
    """The cached real server takes connections beyond its threshold."""
    k = Kernel(service(real(A, weight=9, max_conn=1), scheduler="lblc"))
    assert [choose(k, port) for port in (1, 2, 3)] == [A, A, A]


def test_idle_entries_go_after_a_day() -> None:
    """Looked for every half hour."""
    k = Kernel(service(scheduler="lblc"))
    choose(k, 1)
    entries = k.parts.services.by_name["web"].scheduler
    k.wait(DAY + 3600)
    entries._sweep(k.now)
    assert entries._entries == {}


def test_a_set_shrinks_after_a_day() -> None:
    """lblcr takes out the most loaded member when nothing changed for so long."""
    k = Kernel(service(real(A, weight=2), real(B, weight=2), scheduler="lblcr"), ipvs="lblcr_expiration = 60")
    for port in range(1, 6):
        choose(k, port)
    (entry,) = k.parts.services.by_name["web"].scheduler._entries.values()
    assert len(entry.dests) == 2
    k.wait(61)
    choose(k, 7)
    assert len(entry.dests) == 1


def test_the_newest_of_a_set_wins_ties() -> None:
    """lblcr: of equally loaded members the one added last is taken (recorded)."""
    k = Kernel(service(real(A, weight=1), real(B, weight=1), scheduler="lblcr"))
    first, second = choose(k, 1), choose(k, 2)
    k.set(first, weight=0)
    other = choose(k, 3)
    k.set(first, weight=1)
    assert (first, second, other) == (B, B, A)
    assert choose(k, 4) == A
