"""The MD5 of the loop is the library's."""

from __future__ import annotations

import hashlib
import random
from struct import pack

import pytest

from lbreplay.loop.md5 import BLOCK, MARK, SIZE_AT, Digest


def padded(message: bytes) -> bytes:
    """*message* and its padding (RFC 1321, 3.1, 3.2)."""
    zeros = (SIZE_AT - len(message) - 1) % BLOCK
    return message + bytes((MARK,)) + bytes(zeros) + pack("<Q", 8 * len(message))


def digest(message: bytes, made: Digest) -> bytes:
    made.begin()
    whole = padded(message)
    for at in range(0, len(whole), BLOCK):
        made.add(bytearray(whole[at : at + BLOCK]))
    return pack("<4I", made.a, made.b, made.c, made.d)


@pytest.mark.parametrize("size", [0, 1, 20, 55, 56, 63, 64, 65, 200])
def test_any_message(size: int) -> None:
    """Of one block and of several, one message after the other."""
    rng, made = random.Random(size), Digest()
    for message in (bytes(size), b"\xff" * size, *(rng.randbytes(size) for _ in range(20))):
        assert digest(message, made) == hashlib.md5(message).digest()
