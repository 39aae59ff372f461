"""The hashes give the published values of D 18."""

import hashlib
from ipaddress import ip_address
from struct import unpack

import pytest

from lbreplay.loop.hashed import stirred
from lbreplay.lvs.hashes import conn_hash, fold, jhash, native_port, native_words, ring_keys


def address(text: str) -> bytes:
    return ip_address(text).packed


def test_native_order() -> None:
    """Ports and words are read as a little-endian machine loads them."""
    assert native_port(80) == 20480 and native_port(8080) == 0x901F
    assert native_words(address("10.0.0.1")) == (16777226,)


def test_fold_is_host_order() -> None:
    """An IPv4 address folds to its number, an IPv6 address to the XOR of its words."""
    assert fold(address("10.0.0.1")) == 0x0A000001
    assert fold(address("2001:db8::1")) == 0x20010DB8 ^ 1


@pytest.mark.parametrize(
    "src, dst, secret, expected",
    [
        ("192.168.1.10", "10.0.0.100", 0, 0x7D3D00FE),
        ("192.168.1.10", "10.0.0.100", 0x12345678, 0xF396A3C3),
        ("2001:db8::1", "2001:db8::2", 0, 0x0190B80B),
    ],
)
def test_conn_hash(src: str, dst: str, secret: int, expected: int) -> None:
    """The hash of a connection, three words and nine words long."""
    assert conn_hash(address(src), 40000, address(dst), 80, secret) == expected


@pytest.mark.parametrize("ip, port, expected", [("2001:db8::1", 80, 0xE013677E), ("2001:db8::2", 443, 0xFE548AB4)])
def test_jhash_of_five_words(ip: str, port: int, expected: int) -> None:
    """The hash behind the port bucket of an IPv6 real server."""
    assert jhash((native_port(port), *native_words(address(ip))), 10) == expected


def place(text: str) -> int:
    """conhash's H of one text, by what the standard library makes of it."""
    words = unpack("<4I", hashlib.md5(text.encode()).digest())
    return stirred(sum(words))


def test_ring_keys() -> None:
    """Published places; conhash's H is signed."""
    keys = ring_keys("10.0.0.120480", 160)
    assert [keys[at] for at in (0, 1, 159)] == [8863121116928414506, -2378415868649743059, -4960082926521897253]


def test_ring_keys_are_those_of_single_texts() -> None:
    """By columns as one by one: three digits at least, and across more digits and more blocks than are done at once."""
    name = "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff20480"
    for count in (0, 1, 999, 1001):
        assert ring_keys(name, count).tolist() == [place(f"{name}-{index:03d}") for index in range(count)]
    many = ring_keys("10.0.0.120480", 70_000)
    for index in (0, 16_383, 16_384, 26_383, 26_384, 69_999):
        assert many[index] == place(f"10.0.0.120480-{index:03d}")
