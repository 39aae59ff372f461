"""sh and dh (L 13, L 19)."""

from __future__ import annotations

import craft
import pytest
from kernel import VIP, A, B, C, Kernel, real, service

from lbreplay.loop.hashed import bucket
from lbreplay.lvs.hashes import fold

CLIENTS = ((192, 168, 1, 10), (192, 168, 1, 11), (1, 2, 3, 4), (10, 1, 1, 1))


@pytest.mark.parametrize(("part", "buckets"), [("low", [234, 155, 196, 177]), ("high", [248, 90, 52, 118])])
def test_published_buckets(part: str, buckets: list[int]) -> None:
    """L 19, both kernels."""
    assert [bucket(fold(bytes(client)), part == "low") for client in CLIENTS] == buckets


def chosen(k: Kernel, port: int) -> str:
    seen = k.send(craft.syn(f"198.51.100.1:{port}", VIP))
    return seen.real if seen.story.conn else seen.verdict


def test_a_client_keeps_its_real_server() -> None:
    """Whatever its port, unless sh-port counts it."""
    k = Kernel(service(scheduler="sh"))
    assert len({chosen(k, port) for port in range(1001, 1040)}) == 1
    text = service(scheduler="sh").replace('scheduler = "sh"', 'scheduler = "sh"\nflags = ["sh-port"]')
    k = Kernel(text)
    assert {chosen(k, port) for port in range(1001, 1040)} == {A, B, C}


@pytest.mark.parametrize(("flags", "served"), [("", False), ('flags = ["sh-fallback"]', True)])
def test_owner_without_weight(flags: str, served: bool) -> None:
    """Nobody takes it, or with fallback somebody else."""
    k = Kernel(service(scheduler="sh").replace('scheduler = "sh"', f'scheduler = "sh"\n{flags}'))
    home = chosen(k, 1)
    k.set(home, weight=0)
    assert (chosen(k, 2) in {A, B, C} - {home}) is served


def test_weights_are_buckets_in_a_row() -> None:
    """3, 1 and none, which still gets one: 3/5, 1/5, 1/5 of them."""
    k = Kernel(service(real(A, weight=3), real(B, weight=1), real(C, weight=0), scheduler="sh"))
    web = k.parts.services.by_name["web"]
    assert [str(web.dests[at].real) for at in web.scheduler.owners[:6]] == [C, B, A, A, A, C]


def test_destination_hash() -> None:
    """By virtual address, one bucket each in turn."""
    mark = '[[mark]]\nto = "10.0.0.0/24"\nmark = 7'
    k = Kernel(mark, service("10.1.0.11:0", "10.1.0.12:0", vip=None, fwmark=7, scheduler="dh"))
    by_port = {k.send(craft.syn(f"198.51.100.1:{port}", VIP)).real for port in range(1, 20)}
    assert len(by_port) == 1
