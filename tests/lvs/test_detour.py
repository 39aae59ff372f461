"""Detours are counted by reason; of frames that are not simple, by what they are."""

from __future__ import annotations

import craft
import numpy as np
import pytest
from scapy.layers.l2 import ARP, Dot1Q, Ether

from lbreplay.burst import PAD, RECORD, Burst
from lbreplay.loop.parse import parse
from lbreplay.loop.ways import Way
from lbreplay.lvs.detour import Detours

SYN = craft.syn("198.51.100.1:40000", "10.0.0.100:80")


def _burst(frame: bytes) -> Burst:
    buffer = np.frombuffer(bytes(RECORD) + frame + bytes(PAD), np.uint8).copy()
    burst = Burst.of(1, buffer, *(np.array([n]) for n in (RECORD, len(frame), len(frame), 0)))
    parse(burst, None, False)
    return burst


@pytest.mark.parametrize(
    ("frame", "name"),
    [
        (bytes(Ether() / ARP()), "no_ip"),
        (SYN[:12] + b"\x81\0" + bytes(Dot1Q(vlan=5, type=0x800)) + SYN[14:], "tagged"),
        (SYN[:20] + b"\x20\0" + SYN[22:], "fragment"),
        (SYN[:23] + b"\x2f" + SYN[24:], "other_protocol"),
        (SYN[:-4], "unsound"),
    ],
    ids=["arp", "tag", "fragment", "gre", "cut"],
)
def test_a_frame_that_is_not_simple(frame: bytes, name: str) -> None:
    """The loop says no more than that."""
    detours = Detours()
    detours.note(_burst(frame), 0, Way.UNSOUND)
    assert detours.table() == {name: 1}


def test_any_other_reason_is_the_loops() -> None:
    """It counts as it was said."""
    detours = Detours()
    for reason in (Way.STRANGER, Way.STRANGER, Way.REUSED):
        detours.note(_burst(SYN), 0, reason)
    assert detours.table() == {"stranger": 2, "reused": 1}
