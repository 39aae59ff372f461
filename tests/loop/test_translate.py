"""What rows of the kernel's loop leave as, beside what the plain path makes of them (L 9, L 10)."""

from __future__ import annotations

import craft
import pytest
import twins
from kernel import CLIENT, VIP, A, Kernel, service
from scapy.layers.inet import TCP

from lbreplay.wire import checksum
from lbreplay.wire.packet import UDP

VIP6, REAL6, CLIENT6 = "[2001:db8:1::9]:80", "[2001:db8:2::2]:8080", "[2001:db8:c::1]:40000"


def _spoiled(frame: bytes, at: int, value: bytes) -> bytes:
    return frame[:at] + value + frame[at + len(value) :]


def _left(frames: list[bytes], *tables: str, edition: str = "6.1.192") -> list[bytes]:
    """What leaves in place, at a burst that holds all *frames*; the plain path says the same."""
    setup = Kernel(*tables, edition=edition).setup
    _, plain = twins.both(setup, frames)
    assert not plain, "none takes the plain path"
    _, (burst,) = twins.driven(setup, frames)
    return [burst.frame(row) for row in range(burst.size) if burst.leaving[row]]


@pytest.mark.parametrize("edition", ["2.6", "6.1.192"])
@pytest.mark.parametrize(("vip", "real", "client"), [(VIP, A, CLIENT), (VIP6, REAL6, CLIENT6)])
def test_a_wrong_checksum_stays_wrong(edition: str, vip: str, real: str, client: str) -> None:
    """It is carried over, there and back."""
    at = 54 + 16 if vip == VIP6 else 34 + 16
    there, back = craft.syn(client, vip), craft.tcp(real, client, "SA")
    frames = [there, _spoiled(there, at, b"\x12\x34"), _spoiled(back, at, b"\0\0"), _spoiled(back, at, b"\xff\xff")]
    assert len(_left(frames, service(real, vip=vip), edition=edition)) == 4


@pytest.mark.parametrize(("vip", "real", "client"), [(VIP, A, CLIENT), (VIP6, REAL6, CLIENT6)])
@pytest.mark.parametrize("payload", [b"", b"x", b"odd"])
def test_a_datagram_without_checksum_gets_one(vip: str, real: str, client: str, payload: bytes) -> None:
    """Also of an odd length."""
    frame = craft.udp(client, vip, payload)
    at = 54 + 6 if vip == VIP6 else 34 + 6
    (left,) = _left([_spoiled(frame, at, b"\0\0")], service(real, vip=vip, protocol="udp"))
    assert left[at : at + 2] != b"\0\0" and checksum.verify_l4(left[14:], at - 20, UDP)


def test_padding_stays_behind() -> None:
    """A frame that a card filled up leaves without."""
    (left,) = _left([craft.tcp(CLIENT, VIP, "S").ljust(60, b"\0")], service(A))
    assert len(left) == 54


@pytest.mark.parametrize("tos", [0, 3, 0xB9])
@pytest.mark.parametrize("flags", [0, "DF"])
@pytest.mark.parametrize("edition", ["2.6", "6.1.192"])
def test_outer_headers_over_ipv4(tos: int, flags: int | str, edition: str) -> None:
    """TOS, DF and identifications are the plain path's, which counts with the loop."""
    first = TCP(sport=40000, dport=80, flags="S")
    made = [craft.ip(f"198.51.100.{n}", "10.0.0.100", tos=tos, flags=flags) / first for n in (1, 2, 3)]
    frames = [craft.frame(packet) for packet in made]
    left = _left(frames, service("10.1.0.11:80", mode="tunnel"), edition=edition)
    assert [len(frame) for frame in left] == [74] * 3


def test_outer_headers_over_ipv6() -> None:
    """Forty bytes more, and no identification."""
    (left,) = _left([craft.tcp(CLIENT6, VIP6, "S")], service("[2001:db8:2::2]:80", mode="tunnel", vip=VIP6))
    assert len(left) == 54 + 20 + 40 and left[14 + 6] == 41
