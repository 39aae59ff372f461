"""Services that are found by ranges: what their records cover, and whom the loop finds by them."""

from __future__ import annotations

import pytest
from craft import tick
from rig import setup, syn
from twins import both

from lbreplay.loop.names import ANY
from lbreplay.loop.spans import EVERYWHERE, Span

M64 = (1 << 64) - 1


def test_both_ends_of_a_range_are_in_it() -> None:
    """Of addresses, over both words, and of ports; a range that covers everything covers nobody less."""
    low, high = (5 << 64) + 7, (6 << 64) + 2
    span = Span(6, True, (low, high, 10, 20), EVERYWHERE, ANY, 3, [])
    for address, port, inside in (
        (low, 10, True), (low - 1, 10, False), (high, 20, True), (high + 1, 20, False), (6 << 64, 15, True),
        ((5 << 64) + M64, 21, False), (low, 9, False), (0, 15, False),
    ):  # fmt: skip
        assert span.covers(0, address >> 64, address & M64, port) == inside
        assert span.covers(1, address >> 64, address & M64, port)


def test_devices_and_families() -> None:
    """One that names no device looks at packets of all."""
    span = Span(6, False, EVERYWHERE, EVERYWHERE, ANY, 3, [])
    assert [span.looks_at(*asked) for asked in ((6, False, 7, 3), (6, False, 0, 2), (17, False, 0, 3))] == [
        True,
        False,
        False,
    ]
    tagged = Span(6, True, EVERYWHERE, EVERYWHERE, 8, ANY, [])
    assert [tagged.looks_at(*asked) for asked in ((6, True, 8, 0), (6, True, 0, 0), (6, False, 8, 0))] == [
        True,
        False,
        False,
    ]


SERVICE = '[[service]]\nname = "{name}"\nmode = "snat"\nprotocol = "tcp"\nscheduler = "rr"\nmatch = "{match}"\n'
REALS = '[[service.real]]\naddress = "{real}:0"\n'


@pytest.mark.parametrize(
    "matches",
    [
        ("proto=tcp,src-range=172.16.1.0-172.16.1.255,oif=dpdk0",),
        ("proto=tcp,src-range=172.16.1.4-172.16.1.6,oif=dpdk0", "proto=tcp,dst-range=9.9.9.9-9.9.9.9,oif=dpdk0"),
        ("proto=tcp,src-range=172.16.1.0-172.16.1.255,oif=dpdk1",),
        ("proto=tcp,src-range=172.16.1.5-172.16.1.9,oif=dpdk0", "proto=tcp,src-range=172.16.1.1-172.16.1.3"),
        ("proto=tcp,src-range=172.16.1.1-172.16.1.3", "proto=tcp,src-range=172.16.1.5-172.16.1.9,oif=dpdk0"),
        (
            "proto=tcp,src-range=172.16.1.0-172.16.1.255:3000-3004,oif=dpdk0",
            "proto=tcp,dst-range=0.0.0.0-0.0.0.0:70-80,oif=dpdk0",
        ),
    ],
)
def test_the_loop_finds_whom_the_plain_path_finds(matches: tuple[str, ...]) -> None:
    """The newest that covers a packet, by where it goes out and by whether an older rule spoils that."""
    more = "".join(
        SERVICE.format(name=f"out{n}", match=match) + REALS.format(real=f"198.51.100.{1 + n}")
        for n, match in enumerate(matches)
    )
    made = setup(more=more, device='sapool_address = ["198.51.100.1", "198.51.100.2"]')
    frames = [syn(f"172.16.1.{n}:{3000 + n}", f"{to}:{70 + n}") for n in range(1, 9) for to in ("9.9.9.9", "8.8.8.8")]
    both(made, frames + [tick()])


def test_ranges_of_ipv6_and_ports_that_fit() -> None:
    """Under rss-port a port has to bring its answers home: it is chosen by the peer's end."""
    more = SERVICE.format(name="out", match="proto=tcp,src-range=2001:db8:a::-2001:db8:b::,oif=dpdk0")
    more += REALS.format(real="[2001:db8:ee::1]")
    frames = [syn(f"[2001:db8:a:{n}::1]:{3000 + n}", f"[2001:db8:99::{n % 3 + 1}]:443") for n in range(8)]
    for strategy in ("port-low", "rss-port"):
        device, director = 'sapool_address = ["2001:db8:ee::1"]', f'[flow_director]\nstrategy = "{strategy}"\n'
        plain, rows = both(setup(more=more + director, device=device, workers=2), frames + [tick()])
        assert rows == {9} and len(set(plain.verdicts[:8])) == 1  # the last is no packet
