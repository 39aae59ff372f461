"""Rewriting one end of a packet (L 9)."""

from __future__ import annotations

import craft
import pytest
from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.sctp import SCTP, SCTPChunkData

from lbreplay.ipvs import nat
from lbreplay.model import Endpoint

TO = Endpoint(bytes((10, 9, 8, 7)), 4321)


@pytest.mark.parametrize("end", [nat.SOURCE, nat.DEST])
@pytest.mark.parametrize("make", [craft.tcp, craft.udp])
def test_checksums_stay_right(make: object, end: int) -> None:
    """What scapy computes anew is what the difference gave."""
    l3 = bytearray(make("1.2.3.4:5", "6.7.8.9:10", payload=b"odd")[14:])
    assert nat.translate(l3, 20, l3[9], end, TO)
    packet = IP(bytes(l3))
    layer = TCP if TCP in packet else UDP
    there = packet[IP].chksum, packet[layer].chksum
    del packet[IP].chksum, packet[layer].chksum
    again = IP(bytes(packet))
    assert (again[IP].chksum, again[layer].chksum) == there
    assert (again.src if end == nat.SOURCE else again.dst) == "10.9.8.7"


def test_a_wrong_checksum_stays_wrong_by_as_much() -> None:
    """Nobody repairs it, unless everything is summed anew."""
    right, wrong = (bytearray(craft.tcp("1.2.3.4:5", "6.7.8.9:10")[14:]) for _ in range(2))
    wrong[36:38] = (int.from_bytes(right[36:38]) ^ 0x0100).to_bytes(2)
    for l3 in (right, wrong):
        nat.translate(l3, 20, 6, nat.DEST, TO)
    assert right[36:38] != wrong[36:38]
    nat.translate(wrong, 20, 6, nat.DEST, TO, full=True)
    assert right[36:38] == wrong[36:38]


@pytest.mark.parametrize(("port", "kept"), [(10, True), (11, False)])
def test_sctp_is_summed_where_the_port_changes(port: int, kept: bool) -> None:
    """Addresses are not in the CRC."""
    packet = IP(src="1.2.3.4", dst="6.7.8.9") / SCTP(sport=5, dport=10, chksum=7) / SCTPChunkData(data=b"x")
    l3 = bytearray(bytes(packet))
    nat.translate(l3, 20, 132, nat.DEST, Endpoint(TO.address, port))
    assert (l3[28:32] == b"\0\0\0\7") is kept


def test_too_short() -> None:
    """A transport header that is not there cannot be translated."""
    assert not nat.translate(bytearray(craft.tcp("1.2.3.4:5", "6.7.8.9:10")[14:44]), 20, 6, nat.DEST, TO)
