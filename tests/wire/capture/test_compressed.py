"""Compressed captures: by content, in pieces, and with a limit."""

from __future__ import annotations

import bz2
import gzip
import lzma
import sys
import tracemalloc
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from captures import drain, frames, pcap_head, read, record, write

from lbreplay.errors import CaptureError
from lbreplay.wire.capture import open_capture, open_sink
from lbreplay.wire.capture.compressed import FREE

zstandard = pytest.importorskip("zstandard")
lz4 = pytest.importorskip("lz4.frame")

PACK: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    "zstd": lambda data: zstandard.ZstdCompressor().compress(data),
    "lz4": lz4.compress,
}
FORMATS = sorted(PACK)
PLAIN = pcap_head() + b"".join(map(record, frames(3000)))


@pytest.mark.parametrize("name", FORMATS)
def test_by_content(tmp_path: Path, name: str) -> None:
    """Every format is recognised by its first bytes, whatever the file is called."""
    assert [s.frame for s in read(write(tmp_path, PACK[name](PLAIN), name="capture.txt"))] == frames(3000)


@pytest.mark.parametrize("name", FORMATS)
def test_members(tmp_path: Path, name: str) -> None:
    """Members one behind the other, with padding between and after, are one stream."""
    pack = PACK[name]
    cut = 24 + 76 * 1000 + 5
    path = write(tmp_path, pack(PLAIN[:cut]), bytes(8), pack(b""), pack(PLAIN[cut:]), bytes(512))
    with open_capture(str(path)) as capture:
        assert [s.frame for s in drain(capture)] == frames(3000)
    assert capture.warnings == []


@pytest.mark.parametrize("name", FORMATS)
def test_cut(tmp_path: Path, name: str) -> None:
    """A stream that ends early gives what is there, and a warning."""
    packed = PACK[name](PLAIN)
    with open_capture(str(write(tmp_path, packed[:-5]))) as capture:
        seen = [s.frame for s in drain(capture)]
    assert seen == frames(3000)[: len(seen)]
    assert capture.warnings == [f"the {name} stream ends before its end (offset {len(packed) - 5})"]
    assert capture.damage is None


@pytest.mark.parametrize("name", FORMATS)
def test_damaged(tmp_path: Path, name: str) -> None:
    """Rubbish behind a good member is damage, and what was before it is delivered."""
    path = write(tmp_path, PACK[name](PLAIN), b"rubbish that is no member of anything")
    with open_capture(str(path)) as capture:
        assert [s.frame for s in drain(capture)] == frames(3000)
    assert f"of the {name} stream: cannot be unpacked" in str(capture.damage)


@pytest.mark.parametrize("name", FORMATS)
def test_only_a_magic(tmp_path: Path, name: str) -> None:
    """A file that only begins like a compressed one is refused in one line."""
    with pytest.raises(CaptureError):
        open_capture(str(write(tmp_path, PACK[name](PLAIN)[:6] + b"\xff" * 40)))


def bomb(name: str, size: int) -> bytes:
    """A capture of empty frames without end, which packs into next to nothing."""
    data = pcap_head() + bytes(16) * (1 << 16)
    if name == "gzip":
        packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    else:
        packer = {"bzip2": bz2.BZ2Compressor, "xz": lzma.LZMACompressor}.get(
            name, lambda: zstandard.ZstdCompressor().compressobj()
        )()
    packed = packer.compress(data)
    for _ in range(size >> 22):
        packed += packer.compress(bytes(1 << 22))
    return packed + packer.flush()


@pytest.mark.parametrize("name", ["bzip2", "gzip", "xz", "zstd"])
def test_bombs(tmp_path: Path, name: str) -> None:
    """A stream that expands beyond the limit ends there, clearly, and was never in memory whole."""
    path = write(tmp_path, bomb(name, FREE * 5 // 4))
    tracemalloc.start()
    with open_capture(str(path)) as capture:
        for burst in capture.bursts(4096):
            assert burst.size
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert "it expands more than 1000 times" in str(capture.damage)
    assert capture.bytes == 0 and capture.frames > FREE // 16 - 300_000
    assert peak < 100 << 20


def test_xz_that_wants_too_much_memory(tmp_path: Path) -> None:
    """A dictionary of gigabytes is refused, not allocated."""
    packed = lzma.compress(PLAIN[:2000], check=lzma.CHECK_NONE)
    header = bytearray(packed[12:20])  # of the block; byte 4 is the size of the dictionary
    header[4] = 39
    hostile = packed[:12] + bytes(header) + zlib.crc32(header).to_bytes(4, "little") + packed[24:]
    with pytest.raises(CaptureError, match="xz stream: cannot be unpacked: Memory usage limit exceeded"):
        open_capture(str(write(tmp_path, hostile)))


@pytest.mark.parametrize("name, module, extra", [("zstd", "zstandard", "zstd"), ("lz4", "lz4.frame", "lz4")])
def test_missing_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, module: str, extra: str) -> None:
    """Without the library of a rarer format one sentence says which extra brings it."""
    path = write(tmp_path, PACK[name](PLAIN))
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(CaptureError, match=rf"compressed with {name}, .*pip install 'lbreplay\[{extra}\]'"):
        open_capture(str(path))


def test_missing_library_of_an_output(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same for an output that asks for it by its suffix, before anything is read."""
    monkeypatch.setitem(sys.modules, "zstandard", None)
    with (
        open_capture(str(write(tmp_path, PLAIN))) as capture,
        pytest.raises(CaptureError, match=r"pip install 'lbreplay\[zstd\]'"),
    ):
        open_sink(str(tmp_path / "out.pcap.zst"), capture.info)
    assert [path.name for path in tmp_path.iterdir()] == ["in.pcap"]
