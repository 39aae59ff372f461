"""Other link types: Ethernet inside, and back to the link type of the capture."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from captures import T0, drain, pcap_head, read, record, write

from lbreplay.burst import Made
from lbreplay.errors import CaptureError
from lbreplay.wire.capture import open_capture, open_sink
from lbreplay.wire.capture.link import LINKS

V4, V6 = bytes([0x45]) + bytes(19), bytes([0x60]) + bytes(39)
OURS, PEER = bytes.fromhex("0200000000fe"), bytes.fromhex("020000000000")
MAC = bytes.fromhex("020000001234")


def sll(kind: int, protocol: int, size: int = 6) -> bytes:
    return kind.to_bytes(2) + b"\0\1" + size.to_bytes(2) + MAC + b"\0\0" + protocol.to_bytes(2)


def sll2(kind: int, protocol: int) -> bytes:
    return protocol.to_bytes(2) + bytes(2) + (7).to_bytes(4) + b"\0\1" + bytes([kind, 6]) + MAC + b"\0\0"


@pytest.mark.parametrize(
    "linktype, frame, ethernet",
    [
        (12, V4, OURS + PEER + b"\x08\x00" + V4),
        (101, V6, OURS + PEER + b"\x86\xdd" + V6),
        (228, V4, OURS + PEER + b"\x08\x00" + V4),
        (229, V6, OURS + PEER + b"\x86\xdd" + V6),
        (101, b"\x12", OURS + PEER + b"\xff\xff\x12"),
        (0, b"\2\0\0\0" + V4, OURS + PEER + b"\x08\x00" + V4),
        (0, b"\0\0\0\2" + V4, OURS + PEER + b"\x08\x00" + V4),
        (0, b"\x1c\0\0\0" + V6, OURS + PEER + b"\x86\xdd" + V6),
        (0, b"\x63\0\0\0" + V6, OURS + PEER + b"\xff\xff" + V6),
        (108, b"\0\0\0\x1e" + V6, OURS + PEER + b"\x86\xdd" + V6),
        (113, sll(0, 0x0800) + V4, OURS + MAC + b"\x08\x00" + V4),
        (113, sll(1, 0x0806) + V4, b"\xff" * 6 + MAC + b"\x08\x06" + V4),
        (113, sll(2, 0x86DD) + V6, bytes.fromhex("01005e000000") + MAC + b"\x86\xdd" + V6),
        (113, sll(3, 0x0800) + V4, bytes.fromhex("0200000000fd") + MAC + b"\x08\x00" + V4),
        (113, sll(4, 0x0800, 0) + V4, OURS + PEER + b"\x08\x00" + V4),
        (113, sll(99, 0x8100) + V4, OURS + MAC + b"\x81\x00" + V4),
        (276, sll2(0, 0x0800) + V4, OURS + MAC + b"\x08\x00" + V4),
        (276, sll2(3, 0x0800) + V4, bytes.fromhex("0200000000fd") + MAC + b"\x08\x00" + V4),
    ],
)
def test_in(tmp_path: Path, linktype: int, frame: bytes, ethernet: bytes) -> None:
    """A frame of each link type is this Ethernet frame, its length on the wire changed alike."""
    path = write(tmp_path, pcap_head(linktype=linktype), record(frame, length=len(frame) + 1000))
    assert read(path) == [(T0 * 10**9, ethernet, len(ethernet) + 1000)]


@pytest.mark.parametrize("linktype, size", [(101, 0), (0, 3), (108, 3), (113, 15), (276, 19)])
def test_cut_in_the_link_header(tmp_path: Path, linktype: int, size: int) -> None:
    """A frame without a whole link header is a row of no bytes, wherever in a chunk it stands."""
    path = write(tmp_path, pcap_head(linktype=linktype), *[record(bytes(size), length=100)] * 3)
    assert [seen.frame for seen in read(path)] == [b""] * 3


@pytest.mark.parametrize(
    "linktype, head",
    [
        (101, b""),
        (228, b""),
        (0, b"\2\0\0\0"),
        (108, b"\0\0\0\2"),
        (113, b"\0\4\0\1\0\6" + MAC + b"\0\0\x08\x00"),
        (276, b"\x08\x00\0\0\0\0\0\0\0\1\4\6" + MAC + b"\0\0"),
    ],
)
def test_out(tmp_path: Path, linktype: int, head: bytes) -> None:
    """Rows and made frames leave under a header of the link type, outgoing, with the source address of the frame."""
    before = {0: b"\2\0\0\0", 108: b"\0\0\0\2", 113: sll(0, 0x0800), 276: sll2(0, 0x0800)}.get(linktype, b"")
    path = write(tmp_path, pcap_head(linktype=linktype), *[record(before + V4)] * 3)
    out = tmp_path / "out.pcap"
    ethernet = OURS + MAC + b"\x08\x00" + V4
    with open_capture(str(path)) as capture, open_sink(str(out), capture.info) as sink:
        for burst in capture.bursts(8):
            for row in range(3):
                burst.buffer[burst.at[row] + 6 : burst.at[row] + 12] = np.frombuffer(MAC, np.uint8)
            burst.leaving[:] = [True, False, True]
            burst.made = [Made(1, T0 * 10**9, ethernet, 1034, 1, 0, True)]
            sink.write(burst)
    leaving = head + V4
    made = record(leaving, length=len(leaving) + 1000)
    assert out.read_bytes() == pcap_head(linktype=linktype) + record(leaving) + made + record(leaving)


@pytest.mark.parametrize("linktype", sorted(LINKS))
def test_headers_are_as_long_as_they_say(linktype: int) -> None:
    """Every link type makes headers of its length out of Ethernet, and 14 bytes out of its own."""
    link = LINKS[linktype]
    assert link.encode(np.zeros((2, 14), np.uint8)).shape == (2, link.header)
    assert link.decode(np.zeros((2, max(link.header, 1)), np.uint8)).shape == (2, 14)


def test_unknown(tmp_path: Path) -> None:
    """A link type that is not known is refused by its number, with those that are."""
    with pytest.raises(CaptureError, match=r"link type 105: expected Ethernet \(1\), Linux cooked"):
        open_capture(str(write(tmp_path, pcap_head(linktype=105))))


def test_out_of_order_times_under_other_headers(tmp_path: Path) -> None:
    """Times never decrease here either."""
    path = write(tmp_path, pcap_head(linktype=101), record(V4, T0 + 5), record(V4, T0))
    with open_capture(str(path)) as capture:
        assert [seen.time_ns for seen in drain(capture)] == [(T0 + 5) * 10**9] * 2
