"""The journey as a whole: what is read, written, counted and said (interface 1, 3, 4)."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from struct import pack

import craft
import pytest
from heard import Heard
from lab.made_capture import TEXT, VIP, client, frames, setup
from scapy.layers.inet import IP, TCP

from lbreplay.config.load import load
from lbreplay.edge import pace
from lbreplay.errors import CaptureError
from lbreplay.journey import replay
from lbreplay.lab.check import check, sound
from lbreplay.wire.checksum import pseudo_sum


def test_the_same_bytes_at_every_burst_size(tmp_path: Path) -> None:
    """How frames are cut into bursts never shows."""
    source = craft.write(tmp_path / "in.pcap", frames())
    outs = []
    for burst in (1, 7, 4096):
        out = tmp_path / f"out-{burst}.pcap"
        document = replay(setup()._replace(burst_size=burst), str(source), str(out)).document()
        outs.append((out.read_bytes(), document["workers"], document["services"]))
    assert outs[0] == outs[1] == outs[2] and len(craft.read(out)) == len(frames())


def test_progress_is_told_by_bytes_of_the_file(tmp_path: Path) -> None:
    """Once a burst, up to the whole of it."""
    source, told = craft.write(tmp_path / "in.pcap", frames(3)), Heard()
    with pace.listen(told):
        replay(setup()._replace(burst_size=5), str(source), None)
    assert told.shown == [("reading in.pcap", source.stat().st_size, source.stat().st_size)] * 3


def test_the_capture_is_described(tmp_path: Path) -> None:
    """Format, link type, frames, bytes and times, for the statistics."""
    data = frames(2)
    source = craft.write(tmp_path / "in.pcap", data)
    assert replay(setup(), str(source), None).capture == {
        "path": str(source), "format": "pcap", "linktype": 1, "frames": 8, "bytes": sum(map(len, data)),
        "first_ns": craft.START, "last_ns": craft.START + 7 * craft.MILLISECOND,
    }  # fmt: skip


def test_nothing_read_is_no_success(tmp_path: Path) -> None:
    """One sentence, and the old OUT stays."""
    source, out = craft.write(tmp_path / "in.pcap", []), tmp_path / "out.pcap"
    out.write_bytes(b"old")
    with pytest.raises(CaptureError, match="no packet in it"):
        replay(setup(), str(source), str(out))
    assert out.read_bytes() == b"old" and len(list(tmp_path.iterdir())) == 2


def test_damage_before_the_first_packet_is_what_is_said(tmp_path: Path) -> None:
    """Rather than that there is no packet."""
    source = craft.write(tmp_path / "in.pcap", [])
    source.write_bytes(source.read_bytes() + b"\xff" * 16)
    with pytest.raises(CaptureError, match="offset 24: a record of at most"):
        replay(setup(), str(source), None)


def test_damage_keeps_what_was_good_before_it(tmp_path: Path) -> None:
    """OUT is there, the result says what is wrong."""
    source, out = craft.write(tmp_path / "in.pcap", frames(2)), tmp_path / "out.pcap"
    source.write_bytes(source.read_bytes() + b"\xff" * 16)
    result = replay(setup(), str(source), str(out))
    assert result.totals["frames"] == len(craft.read(out)) == 8
    assert result.damage is not None and "a record of at most" in str(result.damage)


def test_an_interrupted_run_leaves_no_half_file(tmp_path: Path) -> None:
    """Whatever ends it."""

    class Interrupts(Heard):
        def show(self, what: str, done: int, total: int | None) -> None:
            raise KeyboardInterrupt

    source = craft.write(tmp_path / "in.pcap", frames())
    with pytest.raises(KeyboardInterrupt), pace.listen(Interrupts()):
        replay(setup()._replace(burst_size=8), str(source), str(tmp_path / "out.pcap"))
    assert [path.name for path in tmp_path.iterdir()] == ["in.pcap"]


def test_times_that_go_back_are_told_once(tmp_path: Path) -> None:
    """Counted over the whole capture."""
    records = craft.records(frames(2))
    records[3], records[6] = (records[1][0], *records[3][1:]), (records[1][0], *records[6][1:])
    source = craft.write(tmp_path / "in.pcap", records)
    warnings = replay(setup()._replace(burst_size=2), str(source), None).warnings
    assert warnings == ["times go back 2 times: such a frame counts as at the time of the one before it"]


def test_marks_of_offloads_are_told_once(tmp_path: Path) -> None:
    """Merged segments, partial checksums and missing IP header checksums, whatever the number of bursts."""
    data = [craft.syn(client(n), VIP) for n in range(8)]
    data += [craft.tcp(client(n), VIP, "A", 1001, 8, bytes(3000)) for n in range(4)]
    data = [bytes(_without_ip_checksum(frame)) for frame in data]
    source = craft.write(tmp_path / "in.pcap", data)
    result = replay(setup()._replace(burst_size=2), str(source), str(tmp_path / "out.pcap"))
    assert result.warnings == [
        "4 frames are larger than the MTU of 1500: merged by receive offload",
        "12 of 12 IPv4 headers looked at have a wrong checksum, left to transmit offload: they leave with a right one",
    ]
    for _, _, frame in craft.read(tmp_path / "out.pcap"):
        right = craft.parse(frame)
        del right[IP].chksum
        assert bytes(right) == frame


@pytest.mark.parametrize(
    "profile, mode, segments, headers",
    [
        ("dpvs", "nat", "with a right one", "with a right one"),
        ("dpvs", "dr", "as they came", "as they came"),
        ("ipvs", "nat", "with a wrong one", "dropped"),
        ("ipvs", "dr", "with a wrong one", "dropped"),
    ],
)
def test_what_becomes_of_a_checksum_is_what_is_said(tmp_path, profile, mode, segments, headers) -> None:
    """Under every profile and mode: the frames that leave are judged, and so does `check`."""
    text = f"""
profile = "{profile}"
[[service]]
name = "web"
vip = "{VIP}"
scheduler = "rr"
mode = "{mode}"
[[service.real]]
address = "192.168.100.2:80"
"""
    made = load("lb.toml", (), text=text, view="rx")
    for number, spoil, said in ((1, _partial, segments), (2, _without_ip_checksum, headers)):
        source = craft.write(tmp_path / f"{number}.pcap", [bytes(spoil(craft.syn(client(n), VIP))) for n in range(8)])
        result = replay(made, str(source), str(tmp_path / "out.pcap"))
        (warning,) = result.warnings
        assert said in warning
        left = [frame for _, _, frame in craft.read(tmp_path / "out.pcap")]
        assert bool(left) is (said != "dropped")
        assert all(sound(frame, len(frame)) is (said == "with a right one") for frame in left)
        holds = check(made, str(source), ["checksums"]).judgements[0].holds
        assert holds is {"with a right one": True, "dropped": None}.get(said, False)


def _partial(frame: bytes) -> bytes:
    """With the sum of the pseudo header for a checksum, as transmit offload finds it."""
    l3 = bytearray(frame[14:])
    l3[36:38] = (pseudo_sum(l3, 6, len(l3) - 20) % 0xFFFF).to_bytes(2)
    return frame[:14] + bytes(l3)


def _without_ip_checksum(frame: bytes) -> bytes:
    return frame[:24] + bytes(2) + frame[26:]


def test_a_cut_frame_keeps_both_lengths(tmp_path: Path) -> None:
    """Translated as far as its bytes go."""
    syn = craft.syn(client(1), VIP)
    data = craft.tcp(client(1), VIP, "A", 1001, 8, bytes(500))
    records = [(craft.START, len(syn), syn), (craft.START + 1, len(data), data[:80])]
    replay(setup("tcp.toa=false"), str(craft.write(tmp_path / "in.pcap", records)), str(tmp_path / "out.pcap"))
    _, length, frame = craft.read(tmp_path / "out.pcap")[1]
    assert (length, len(frame)) == (len(data), 80)
    whole = craft.parse(frame + data[80:])
    given = whole[TCP].chksum
    del whole[TCP].chksum
    assert craft.parse(bytes(whole))[TCP].chksum == given, "updated, and right for the whole frame"


def test_the_link_type_is_the_captures(tmp_path: Path) -> None:
    """Raw IP in, raw IP out."""
    packets = [craft.syn(client(n), VIP)[14:] for n in range(3)]
    head = pack("<IHHIIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 101)
    records = [pack("<IIII", 1_700_000_000, n, len(p), len(p)) + p for n, p in enumerate(packets)]
    source, out = tmp_path / "in.pcap", tmp_path / "out.pcap"
    source.write_bytes(head + b"".join(records))
    result = replay(setup(), str(source), str(out))
    assert out.read_bytes()[:24] == head and result.totals["transmitted"] == 3
    assert all(IP(frame).src == "192.168.100.200" for _, _, frame in craft.read(out))


def test_nothing_of_the_kernel_is_loaded_for_dpvs(tmp_path: Path) -> None:
    """Neither its engine nor what judges its settings, also for annotated output."""
    source = craft.write(tmp_path / "in.pcap", frames(3))
    code = (
        "import sys\n"
        "from lbreplay.config.load import load\n"
        "from lbreplay.journey import replay\n"
        f"replay(load(None, text={TEXT!r}), {str(source)!r}, {str(tmp_path / 'out.pcapng')!r})\n"
        "sys.exit([m for m in sys.modules if m.startswith('lbreplay') and 'ipvs' in m] or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
