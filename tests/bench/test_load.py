"""The bench's captures are what their profiles promise, and nothing is wrong with a frame of them."""

from __future__ import annotations

from pathlib import Path

import captures
import pytest

from bench import load

FRAMES = 2000


def made(tmp_path: Path, profile: str, **more: float) -> list[captures.Seen]:
    load.write(str(tmp_path / "in.pcap"), profile, FRAMES, **more)  # type: ignore[arg-type]
    return captures.read(tmp_path / "in.pcap")


def total(data: bytes) -> int:
    words = data + bytes(len(data) % 2)
    return sum(int.from_bytes(words[at : at + 2]) for at in range(0, len(words), 2)) % 0xFFFF


@pytest.mark.parametrize("profile", load.PROFILES)
def test_lengths_and_checksums_are_right(tmp_path: Path, profile: str) -> None:
    """Every frame is complete, in time order, and sums up."""
    seen = made(tmp_path, profile)
    assert len(seen) == FRAMES + (3000 if profile == "live" else 0)
    assert [s.time_ns for s in seen] == sorted(s.time_ns for s in seen)
    for frame in (s.frame for s in seen):
        packet = frame[18:] if frame[12:16] == b"\x81\0\0\5" else frame[14:]
        if packet[0] >> 4 == 6:
            assert int.from_bytes(packet[4:6]) == len(packet) - 40
            assert total(packet[8:40] + bytes([0, packet[6]]) + packet[4:6] + packet[40:]) == 0
            continue
        l4 = packet[20:]
        assert int.from_bytes(packet[2:4]) == len(packet) and total(packet[:20]) == 0
        assert total(packet[12:20] + bytes([0, packet[9]]) + len(l4).to_bytes(2) + l4) == 0


@pytest.mark.parametrize("profile", ["steady", "web", "imix", "live"])
def test_tcp_numbers_follow_from_what_was_sent(tmp_path: Path, profile: str) -> None:
    """Each segment begins where the side's last one ended, and acknowledges all of the other's."""
    due: dict[bytes, int] = {}
    for packet in (s.frame[14:] for s in made(tmp_path, profile, flows=20)):
        l4, flags = packet[20:], packet[33]
        own, other = packet[12:20] + l4[:4], packet[16:20] + packet[12:16] + l4[2:4] + l4[:2]
        seq, ack = int.from_bytes(l4[4:8]), int.from_bytes(l4[8:12])
        assert due.get(own, seq) == seq and ack == (due[other] if flags & load.ACK else 0)
        due[own] = (seq + len(l4) - (l4[12] >> 4) * 4 + bool(flags & (load.SYN | load.FIN))) & 0xFFFFFFFF
    assert len(due) == 40


def test_connections_are_as_many_as_asked(tmp_path: Path) -> None:
    """`flows` counts them; a flood opens one a frame."""
    path = str(tmp_path / "in.pcap")
    assert load.write(path, "syn", FRAMES) == (FRAMES, FRAMES)
    assert load.write(path, "live", FRAMES, flows=50) == (FRAMES + 150, 50)
    assert load.write(path, "steady", FRAMES, flows=4)[1] == 4
