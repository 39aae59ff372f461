"""SYN proxy in the loop: the packets that it turns round and the numbers that it moves are the plain path's (D 6)."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
import twins
from rig import LADDR6, REAL6, VIP, VIP6, setup, syn

from lbreplay.loop.names import MSS, SACK_OK, TIMESTAMP, WSCALE
from lbreplay.loop.syn import Proxied
from lbreplay.model import Setup

KINDS = (MSS, MSS, WSCALE, TIMESTAMP, SACK_OK, 30)
SIZES = {MSS: 4, WSCALE: 3, TIMESTAMP: 10, SACK_OK: 2, 30: 8}
SETTINGS = ("", "wscale = 7\ntimestamp = true", "mss = 500\nsack = false", "close_client_window = true\nsecrets = 9")


def proxied(more: str = "", service: str = "", **settings: object) -> Setup:
    return setup(f"synproxy = true\n{service}", more=f"[tcp.synproxy]\n{more}\n" if more else "", **settings)  # type: ignore[arg-type]


def options(rng: random.Random) -> bytes:
    """Options as hostile clients send them: too long, cut off, twice, of odd sizes."""
    made = b""
    while len(made) < 36 and rng.random() < 0.85:
        kind = rng.choice(KINDS)
        size = SIZES[kind] + rng.choice([0, 0, 0, 0, 1, -1, 60])
        made += bytes((kind, size & 0xFF)) + rng.randbytes(max(min(size, 12) - 2, 0)) + b"\1" * rng.choice([0, 0, 1])
    made = made[:40]
    return made + bytes(-len(made) % 4)


@pytest.mark.parametrize("more", SETTINGS)
@pytest.mark.parametrize("six", [False, True])
def test_any_options_are_answered_alike(more: str, six: bool, tmp_path: Path) -> None:
    """Whatever options a SYN has, the SYN|ACK of the loop has the bytes of the plain path's."""
    rng, frames = random.Random(len(more)), []
    for number in range(60):
        client, vip = (f"[2001:db8:c::{number + 1:x}]:3000", VIP6) if six else (f"172.16.1.{number + 1}:3000", VIP)
        frame = bytearray(bytes(syn(client, vip, options=[("NOP", None)] * 4)))
        at, raw = len(frame) - 24, options(rng)
        made = frame[: at + 20] + raw + rng.randbytes(rng.choice([0, 0, 7]))
        made[at + 12], made[at + 13] = (5 + len(raw) // 4) << 4, rng.choice([2, 2, 0xC2])
        made[18 if six else 16 : 20 if six else 18] = (len(made) - (54 if six else 14)).to_bytes(2)
        frames.append(bytes(made))
    made_setup = proxied(more, **({"vip": VIP6, "reals": (REAL6,), "laddr": LADDR6} if six else {}))
    played, plain = twins.both(made_setup, frames)
    assert not plain
    assert len(played.sent) == len(frames)


def test_what_is_said_again() -> None:
    """Only the same numbers, one time after the other, are a repetition; a new handshake does not forget them."""
    one = Proxied()
    assert [one.repeated(*said) for said in ((0, 0), (0, 0), (0, 0), (1, 0), (0, 0))] == [0, 1, 2, 0, 0]
    one.delta, one.isn, one.scale_real = 5, 6, 7
    fresh = one.again()
    assert (fresh.delta, fresh.isn, fresh.scale_real, fresh.repeated(0, 0)) == (5, 0, 7, 1)
