"""Black and white lists: who is refused, of a span, at its ends and beside it, in both families (D 14.2)."""

from __future__ import annotations

from ipaddress import ip_address, ip_network
from random import Random

import pytest

from lbreplay.loop.ends import words
from lbreplay.loop.lists import BUCKETS_THERE, Lists, bucket, merged
from lbreplay.loop.names import NONE, TCP

VIPS = ip_address("10.0.0.1").packed, ip_address("2001:db8::1").packed
PORT = 80 << 8  # as a little-endian machine reads it
BLACK, WHITE = 3, 4


def asked(lists: Lists, source: bytes, vip: bytes, port: int = PORT) -> int:
    return lists.refusal(*words(source), *words(vip), port, TCP, len(source) == 16)


def test_spans_are_merged() -> None:
    """What overlaps or touches is one; addresses of IPv6 are two words."""
    assert merged([(5, 9), (1, 2), (10, 12), (4, 4), (7, 8)]) == [0, 1, 0, 2, 0, 4, 0, 12]
    assert merged([(1 << 64, (1 << 64) + 7)]) == [1, 0, 1, 7] and merged([]) == []


@pytest.mark.parametrize("vip", VIPS)
def test_a_list_has_what_is_on_it(vip: bytes) -> None:
    """Ten thousand addresses and some networks, and their neighbours, as a set of numbers says."""
    rng, width = Random(7), len(vip)
    base = int.from_bytes(ip_address("198.18.0.0" if width == 4 else "2001:db8:0:ffff:ffff:ffff:fffe:0").packed)
    single = {base + rng.randrange(60_000) for _ in range(10_000)}
    networks = [ip_network((base + (n << 14), 8 * width - 4)) for n in range(4)]
    ranges = [(n, n) for n in single] + [(int(net[0]), int(net[-1])) for net in networks]
    lists = Lists([(TCP, vip, 80)], [merged(ranges)], [None], None, (BLACK, WHITE))
    listed = single | {int(host) for net in networks for host in net}
    for number in [*rng.sample(sorted(single), 500), *range(base - 20, base + 300), base + 70_000]:
        source = number.to_bytes(width)
        assert asked(lists, source, vip) == (BLACK if number in listed else NONE)
        assert asked(lists, source, vip, 81 << 8) == NONE


def test_a_white_list_shuts_out_strangers() -> None:
    """By its own end; or, where strangers are shut out by bucket, whatever falls into one (releases up to v1.9.6)."""
    vip, (friend, foe) = VIPS[0], (ip_address(text).packed for text in ("172.16.0.1", "172.16.0.2"))
    ranges = merged([(int.from_bytes(friend),) * 2])
    exact = Lists([(TCP, vip, 80)], [ranges], [ranges], None, (BLACK, WHITE))
    assert [asked(exact, source, vip) for source in (friend, foe)] == [BLACK, WHITE]
    shut = bytearray(BUCKETS_THERE)
    shut[bucket(TCP, int.from_bytes(vip), 80)] = 1
    chancy = Lists([(TCP, vip, 80)], [[]], [ranges], bytes(shut), (BLACK, WHITE))
    twin = (int.from_bytes(vip) + 65536).to_bytes(4)
    assert [asked(chancy, source, vip) for source in (friend, foe)] == [NONE, WHITE]
    assert [asked(chancy, source, twin) for source in (friend, foe)] == [WHITE, WHITE]
    assert asked(chancy, foe, vip, 81 << 8) == NONE
    assert asked(Lists([], [], [], None, (BLACK, WHITE)), foe, vip) == NONE
