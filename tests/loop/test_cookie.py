"""Cookies of rows are those of packets (wire/synproxy.py)."""

from __future__ import annotations

import random

import numpy as np
import pytest

from lbreplay.loop.cookie import Cookies
from lbreplay.model import Endpoint
from lbreplay.wire import synproxy


def aimed(source: Endpoint, dest: Endpoint, secret: int = 0) -> Cookies:
    """Cookies for these ends, told as columns tell them."""
    made = Cookies(secret)
    flow = source.address + dest.address + source.port.to_bytes(2) + dest.port.to_bytes(2)
    words = np.frombuffer(flow, "<u4").copy()
    if len(source.address) == 16:
        made.aim6(words.data, 0)
    else:
        made.aim4(*words.tolist())
    return made


def ends(rng: random.Random, width: int) -> tuple[Endpoint, Endpoint]:
    source, dest = (Endpoint(rng.randbytes(width), rng.randrange(65536)) for _ in range(2))
    return source, dest


def test_the_example_of_the_dossier() -> None:
    """172.16.0.1:3000 to 10.0.0.100:80 with zero secrets gives the number that DPVS gives (D 6.1)."""
    source, dest = Endpoint(bytes((172, 16, 0, 1)), 3000), Endpoint(bytes((10, 0, 0, 100)), 80)
    assert aimed(source, dest).make(1000, 0x207000, 0) == 3763337932


@pytest.mark.parametrize("width", [4, 16])
def test_any_ends_and_secrets(width: int) -> None:
    """The MD5 of the loop is that of the library, over IPv4 and IPv6."""
    rng = random.Random(width)
    for _ in range(40):
        source, dest = ends(rng, width)
        seq, secret, minute = (rng.randrange(2**32) for _ in range(3))
        data = synproxy.Offer(rng.randrange(9000), rng.random() < 0.5, rng.random() < 0.5, rng.randrange(16)).data
        cookie = aimed(source, dest, secret).make(seq, data, minute)
        assert cookie == synproxy.make_cookie(source, dest, seq, data, minute, secret)


@pytest.mark.parametrize("width", [4, 16])
@pytest.mark.parametrize("age", [0, 3, 4, 255])
def test_what_comes_back(width: int, age: int) -> None:
    """A cookie is believed for four minutes, and then no more, nor one with a bit turned."""
    rng = random.Random(age)
    for _ in range(20):
        source, dest = ends(rng, width)
        seq, minute = rng.randrange(2**32), rng.randrange(300, 2**20)
        data = rng.choice([0, 0x209000, 0x3E7000])
        cookie = synproxy.make_cookie(source, dest, seq, data, minute - age)
        turned = cookie ^ 1 << rng.randrange(12)
        judge = aimed(source, dest)
        assert judge.check(seq, cookie, minute) == (data if age < 4 else -1)
        assert judge.check(seq, turned, minute) == -1
        assert (synproxy.check_cookie(source, dest, seq, cookie, minute) is not None) == (age < 4)
