"""Checksums verified in one compiled pass: what it takes for right is right, and ordinary frames are all seen."""

from __future__ import annotations

import random
from types import SimpleNamespace

import craft
import numpy as np

from lbreplay.lab.check import sound
from lbreplay.loop.verify import Verifier

CLIENT, VIP, CLIENT6, VIP6 = "1.2.3.4:5", "10.0.0.1:80", "[2001:db8::1]:5", "[2001:db8::2]:80"
ORDINARY = [
    *(craft.tcp(CLIENT, VIP, "PA", payload=bytes(range(n))) for n in (0, 1, 2, 3, 18, 255)),
    *(craft.tcp(CLIENT6, VIP6, "PA", payload=bytes(range(n))) for n in (0, 1, 2, 17)),
    craft.udp(CLIENT, VIP, b"odd"),
    craft.udp(CLIENT6, VIP6, b"even"),
    craft.udp(CLIENT, VIP, b"none", udp_sum=0),
    craft.tcp(CLIENT, VIP, "PA", payload=b"padded") + bytes(7),
]
ORDINARY += [frame[:12] + b"\x81\0\0\x05" + frame[12:] for frame in ORDINARY]
OTHERS = [craft.ping("1.2.3.4", "10.0.0.1"), craft.arp("10.0.0.1"), craft.tick(), b"", bytes(13)]


def unsure(frames: list[bytes]) -> list[int]:
    """Over a buffer in which every frame ends where the next begins, the last one at its end."""
    caplen = np.array([len(frame) for frame in frames], np.int64)
    buffer = np.frombuffer(b"".join(frames), np.uint8).copy()
    burst = SimpleNamespace(data=buffer.data, at=np.cumsum(caplen) - caplen, caplen=caplen)
    return Verifier(burst).unsure(list(range(len(frames))))


def test_ordinary_frames_are_seen_as_right() -> None:
    """TCP and UDP of either family, of odd and even lengths, padded, tagged, and UDP without a checksum."""
    assert unsure(ORDINARY) == []
    assert all(sound(frame, len(frame)) for frame in ORDINARY)


def test_others_are_left() -> None:
    """ICMP, ARP, what is no frame, and every ordinary one cut at any place before its padding."""
    cut = [frame[:size] for frame in ORDINARY[:6] for size in range(len(frame))]
    assert unsure(OTHERS + cut) == list(range(len(OTHERS + cut)))


def test_what_it_takes_for_right_is_right() -> None:
    """Bits flipped anywhere, one or two at a time: no frame passes that is wrong, and most are left to look at."""
    rng, hurt = random.Random(14), []
    for _ in range(4000):
        frame = bytearray(rng.choice(ORDINARY))
        for _ in range(rng.randint(1, 2)):
            frame[rng.randrange(len(frame))] ^= 1 << rng.randrange(8)
        hurt.append(bytes(frame))
    left = set(unsure(hurt))
    assert all(sound(frame, len(frame)) for n, frame in enumerate(hurt) if n not in left)
    assert len(left) > len(hurt) / 2
