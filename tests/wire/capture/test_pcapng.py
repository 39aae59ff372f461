"""pcapng: sections, interfaces, every kind of packet block, and blocks that lie."""

from __future__ import annotations

from pathlib import Path
from struct import pack

import pytest
from captures import T0, block, drain, enhanced, frames, interface, option, read, section, simple, write

from lbreplay.errors import CaptureError
from lbreplay.wire.capture import open_capture
from lbreplay.wire.capture import pcapng as module

MICRO, NANO = T0 * 10**6, T0 * 10**9
FRAME = frames(1)[0]


@pytest.mark.parametrize("order", ["<", ">"])
def test_packet_blocks(tmp_path: Path, order: str) -> None:
    """Enhanced, simple and old packet blocks in both byte orders; unknown blocks are passed over."""
    old = block(2, pack(order + "HHIIII", 0, 9, MICRO >> 32, MICRO & 0xFFFFFFFF, 60, 70) + FRAME, order)
    parts = [
        section(order, option(4, b"made by hand", order)),
        block(0x40000001, b"nobody knows", order),
        interface(order=order),
        enhanced(FRAME, MICRO + 1, length=80, order=order),
        block(4, bytes(8), order),
        simple(FRAME[:59], 59, order),
        old.replace(pack(order + "I", MICRO & 0xFFFFFFFF), pack(order + "I", (MICRO & 0xFFFFFFFF) + 5)),
        block(5, bytes(12), order),
    ]
    want = [(NANO + 1000, FRAME, 80), (NANO + 1000, FRAME[:59], 59), (NANO + 5000, FRAME, 70)]
    assert read(write(tmp_path, *parts)) == want


@pytest.mark.parametrize(
    "resolution, offset, stamp, want",
    [
        (6, 0, MICRO + 3, NANO + 3000),
        (9, 0, NANO + 3, NANO + 3),
        (3, 0, T0 * 1000 + 3, NANO + 3_000_000),
        (0, 0, T0, NANO),
        (12, 0, 5 * 10**12 + 3999, 5 * 10**9 + 3),
        (0x80 | 10, 0, T0 * 1024 + 512, NANO + 500_000_000),
        (0x80 | 32, 0, (T0 << 32) + (1 << 31), NANO + 500_000_000),
        (0x80 | 64, T0, 1 << 63, NANO + 500_000_000),
        (9, T0, 17, NANO + 17),
        (6, -T0, MICRO + 9, 9000),
        (6, -(1 << 63), MICRO, 0),
        (0, 0, (1 << 64) - 1, ((1 << 32) - 1) * 10**9),
        (127, 0, 5, 0),
    ],
)
def test_resolutions_and_offsets(tmp_path: Path, resolution: int, offset: int, stamp: int, want: int) -> None:
    """Any resolution and offset gives exact nanoseconds, kept within what a pcap can say."""
    options = option(9, bytes([resolution])) + option(14, pack("<q", offset)) + option(0, b"")
    path = write(tmp_path, section(), interface(options=options), enhanced(FRAME, stamp))
    assert read(path) == [(want, FRAME, 60)]


def test_interfaces_of_their_own_kind(tmp_path: Path) -> None:
    """Frames of interfaces with other link types and resolutions are Ethernet frames at their times."""
    raw = bytes([0x45]) + bytes(19)
    parts = [
        section(),
        interface(1),
        interface(101, options=option(9, b"\x09")),
        enhanced(FRAME, MICRO),
        enhanced(raw, NANO + 1, 1),
        interface(147),
        enhanced(b"?", MICRO + 1, 2),
    ]
    path = write(tmp_path, *parts)
    with open_capture(str(path)) as capture:
        first, second, third = drain(capture)
    assert first == (NANO, FRAME, 60)
    assert second == (NANO + 1, bytes.fromhex("0200000000fe0200000000000800") + raw, 34)
    assert third.frame[12:] == b"\xff\xff?"
    assert capture.warnings == ["frames of link type 147 are taken as Ethernet frames that nobody handles"]


def test_sections_forget_interfaces_and_byte_order(tmp_path: Path) -> None:
    """Captures written one behind the other are read as one, each section with its own order and interfaces."""
    one = [section(), interface(options=option(9, b"\x09")), enhanced(FRAME, NANO)]
    two = [section(">"), interface(order=">"), enhanced(FRAME, MICRO + 1, order=">")]
    three = [section(), interface(), interface(), enhanced(FRAME, MICRO + 2, 1)]
    assert [seen.time_ns - NANO for seen in read(write(tmp_path, *one, *two, *three))] == [0, 1000, 2000]


def test_simple_blocks_are_cut_by_the_snap_length(tmp_path: Path) -> None:
    """A simple packet block does not say how much was captured: the first interface does."""
    path = write(tmp_path, section(), interface(snaplen=20), interface(), simple(FRAME[:20], 60))
    assert [(seen.frame, seen.length) for seen in read(path)] == [(FRAME[:20], 60)]


def test_a_block_nobody_needs_may_be_larger_than_memory_for_it(tmp_path: Path) -> None:
    """A secrets block of many megabytes is passed over; one that the file cuts is said."""
    long = block(10, bytes(9 << 20))
    parts = [section(), interface(), enhanced(FRAME, MICRO), long, enhanced(FRAME, MICRO + 1)]
    assert [seen.time_ns - NANO for seen in read(write(tmp_path, *parts))] == [0, 1000]
    with open_capture(str(write(tmp_path, *parts[:3], long[:-900]))) as capture:
        assert len(drain(capture)) == 1
    assert capture.warnings[0].startswith("the capture ends inside a block")


def lies() -> list[tuple[str, bytes]]:
    good = bytearray(enhanced(FRAME, MICRO))
    return [
        ("no such interface", enhanced(FRAME, MICRO, 1)),
        ("captured beyond the block", bytes(good[:20]) + pack("<I", 61) + bytes(good[24:])),
        ("captured beyond reason", bytes(good[:20]) + pack("<I", 0xFFFFFFFF) + bytes(good[24:])),
        ("two sizes", bytes(good[:-4]) + pack("<I", 96)),
        ("size not by four", pack("<II", 6, 93) + bytes(81) + pack("<I", 93) + bytes(3)),
        ("size of nothing", pack("<II", 6, 0) + bytes(20)),
        ("size beyond reason", pack("<II", 6, 0xFFFFFFFC) + bytes(20)),
        ("no room for its head", block(6, bytes(16))),
        ("simple without room", block(3, b"")),
        ("interface without room", block(1, b"")),
        ("section of another order", section()[:8] + b"\1\2\3\4" + section()[12:]),
        ("section of version 2", section()[:12] + b"\2\0" + section()[14:]),
        ("section without end", section()[:4] + pack("<I", 0xFFFFFFFC) + section()[8:]),
    ]


@pytest.mark.parametrize("lie", [lie for _, lie in lies()], ids=[name for name, _ in lies()])
def test_lies(tmp_path: Path, lie: bytes) -> None:
    """What stands before a block that cannot be is delivered, then the capture is damaged, with the offset."""
    head = [section(), interface(), enhanced(FRAME, MICRO), enhanced(FRAME, MICRO)]
    path = write(tmp_path, *head, lie, enhanced(FRAME, MICRO))
    with open_capture(str(path)) as capture:
        assert len(drain(capture)) == 2
    assert str(capture.damage).startswith(f"{path}: offset {sum(map(len, head))}: ")


@pytest.mark.parametrize("cut", [3, 8, 12, 31, 90])
def test_cut_in_a_block(tmp_path: Path, cut: int) -> None:
    """A capture that ends inside a block is read up to there, with a warning."""
    path = write(tmp_path, section(), interface(), enhanced(FRAME, MICRO), enhanced(FRAME, MICRO)[:cut])
    with open_capture(str(path)) as capture:
        assert len(drain(capture)) == 1
    assert capture.warnings == ["the capture ends inside a block (offset 140), which is left out"]


def test_not_a_section(tmp_path: Path) -> None:
    """A file that only begins like pcapng is no capture."""
    with pytest.raises(CaptureError, match="offset 0: the header of a section of pcapng version 1 expected"):
        open_capture(str(write(tmp_path, b"\n\r\r\n" + bytes(40))))


def test_unknown_link_type(tmp_path: Path) -> None:
    """A capture whose first interface has a link type that is not known is refused by its number."""
    with pytest.raises(CaptureError, match="link type 147: expected Ethernet"):
        open_capture(str(write(tmp_path, section(), interface(147))))


def test_no_interface_at_all(tmp_path: Path) -> None:
    """A section without interfaces is an empty capture."""
    with open_capture(str(write(tmp_path, section(), block(4, bytes(8))))) as capture:
        assert drain(capture) == [] and capture.damage is None


def test_too_many_interfaces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Interfaces that never end are refused before they fill the memory."""
    monkeypatch.setattr(module, "MAX_INTERFACES", 4)
    path = write(tmp_path, section(), *[interface()] * 4, enhanced(FRAME, MICRO), interface(), enhanced(FRAME, MICRO))
    with open_capture(str(path)) as capture:
        assert len(drain(capture)) == 1
    assert capture.damage is not None


def test_many_sections_and_interfaces_are_quick(tmp_path: Path) -> None:
    """A section and twenty interfaces for every frame cost time by their bytes, not by their square."""
    part = section() + interface() * 20 + enhanced(FRAME, MICRO, 19)
    assert len(read(write(tmp_path, part * 2000))) == 2000


def test_an_interface_of_odd_units_without_packets(tmp_path: Path) -> None:
    """Where there is nothing to date, no units are asked for."""
    parts = [section(), interface(options=option(9, b"\x0b") + option(0, b"")), block(4, bytes(8))]
    assert read(write(tmp_path, *parts)) == []
