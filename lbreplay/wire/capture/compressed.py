"""Compressed captures, recognised by their first bytes: gzip, bzip2, xz by the standard library, zstd, lz4 by extras.

A stream of members is unpacked piece by piece, so that neither a member nor a bomb is ever in memory whole. A stream
that expands more than EXPANSION times (after its first FREE bytes) is refused: no capture does, and gzip ends at 1032.
A decompressor may take at most WINDOW bytes for itself, as zstd and `xz -9` do. What was good before damage is kept.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol, cast

from lbreplay.errors import CaptureError
from lbreplay.wire.capture.source import PEEK, Source

EXPANSION = 1000
FREE = 64 << 20
WINDOW = 128 << 20


class Unpacker(Protocol):
    """One member, as the standard library's decompressors are."""

    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes | None: ...
    @property
    def needs_input(self) -> bool: ...
    def decompress(self, data: bytes, max_length: int, /) -> bytes: ...


class Format(NamedTuple):
    name: str
    magic: bytes
    piece: int  # bytes given to it at once
    make: Callable[[], tuple[Callable[[], Unpacker], tuple[type[Exception], ...]]]  # -> a member's maker, its errors


class _Gzip:
    """zlib's decompressor with the manners of the others."""

    def __init__(self) -> None:
        import zlib

        self._member = zlib.decompressobj(31)

    def decompress(self, data: bytes, max_length: int, /) -> bytes:
        return self._member.decompress(self._member.unconsumed_tail + data, max_length)

    @property
    def eof(self) -> bool:
        return self._member.eof

    @property
    def unused_data(self) -> bytes:
        return self._member.unused_data

    @property
    def needs_input(self) -> bool:
        return not self._member.unconsumed_tail


class _Zstd:
    """zstandard's, which has no bound on its output: small pieces bound it (a block of 4 bytes may say 128 KiB)."""

    needs_input = True

    def __init__(self, library: Any) -> None:
        self._member = library.ZstdDecompressor(max_window_size=WINDOW).decompressobj()

    def decompress(self, data: bytes, _: int, /) -> bytes:
        return self._member.decompress(data)  # type: ignore[no-any-return]

    @property
    def eof(self) -> bool:
        return self._member.eof  # type: ignore[no-any-return]

    @property
    def unused_data(self) -> bytes:
        return self._member.unused_data  # type: ignore[no-any-return]


def _gzip() -> tuple[Callable[[], Unpacker], tuple[type[Exception], ...]]:
    import zlib

    return _Gzip, (zlib.error,)


def _bzip2() -> tuple[Callable[[], Unpacker], tuple[type[Exception], ...]]:
    import bz2

    return bz2.BZ2Decompressor, (OSError, ValueError)


def _xz() -> tuple[Callable[[], Unpacker], tuple[type[Exception], ...]]:
    import lzma

    return lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ, WINDOW), (lzma.LZMAError,)


def _zstd() -> tuple[Callable[[], Unpacker], tuple[type[Exception], ...]]:
    import zstandard

    return lambda: _Zstd(zstandard), (zstandard.ZstdError,)


def _lz4() -> tuple[Callable[[], Unpacker], tuple[type[Exception], ...]]:
    import lz4.frame

    return lz4.frame.LZ4FrameDecompressor, (RuntimeError,)


FORMATS = (
    Format("gzip", b"\x1f\x8b", 1 << 16, _gzip),
    Format("bzip2", b"BZh", 1 << 16, _bzip2),
    Format("xz", b"\xfd7zXZ\x00", 1 << 16, _xz),
    Format("zstd", b"\x28\xb5\x2f\xfd", 1 << 10, _zstd),
    Format("lz4", b"\x04\x22\x4d\x18", 1 << 16, _lz4),
)


class Unpacked(Source):
    """The bytes inside another source."""

    def __init__(self, packed: Source, format: Format) -> None:
        self.path, self.live, self.cut, self.head = packed.path, packed.live, "", b""
        self._failed: CaptureError | None = None
        self._packed, self._format = packed, format
        try:
            self._make, self._errors = format.make()
        except ImportError as error:
            what = f"it is compressed with {format.name}, which needs the package {error.name}"
            raise CaptureError(f"{self.path}: {what}: pip install 'lbreplay[{format.name}]'") from None
        self._member: Unpacker | None = None
        self._input = bytearray(format.piece)
        self._rest = b""  # read, not given to a member yet
        self._left = memoryview(b"")  # unpacked, not asked for yet
        self._eaten = self._made = 0
        self.head = self.read_exactly(PEEK)

    def step(self, view: memoryview) -> int:
        if self.head:
            return super().step(view)
        if not self._left:
            self._left = memoryview(self._unpack(len(view)))
        got = min(len(view), len(self._left))
        view[:got], self._left = self._left[:got], self._left[got:]
        return got

    def ready(self, seconds: float) -> bool:
        pending = self._left or self._rest or (self._member is not None and not self._member.needs_input)
        return bool(pending) or self._packed.ready(seconds)

    def come(self) -> tuple[int, int] | None:
        return self._packed.come()

    def close(self) -> None:
        self._packed.close()

    def _unpack(self, most: int) -> bytes:
        """Some bytes, at most *most* where the format allows; none at the end."""
        out = b""
        while not out:
            if self._member is None and not self._begin():
                return b""
            member = cast(Unpacker, self._member)
            data = self._take() if member.needs_input else b""
            if not data and member.needs_input:
                self.cut = f"the {self._format.name} stream ends before its end (offset {self._eaten})"
                return b""
            out = self._decompress(member, data, most)
            if member.eof:
                self._rest, self._member = member.unused_data or b"", None  # lz4: None
        return out

    def _decompress(self, member: Unpacker, data: bytes, most: int) -> bytes:
        where = f"{self.path}: offset {self._eaten} of the {self._format.name} stream"
        try:
            out = member.decompress(data, most)
        except self._errors as error:
            raise CaptureError(f"{where}: cannot be unpacked: {error}") from None
        self._made += len(out)
        if self._made > FREE and self._made > EXPANSION * self._eaten:
            raise CaptureError(f"{where}: it expands more than {EXPANSION} times, which no capture does")
        return out

    def _begin(self) -> bool:
        """Begin the next member, behind padding if there is any; False at the end."""
        while not (rest := self._rest.lstrip(b"\0")):
            self._rest = self._piece()
            if not self._rest:
                return False
        self._rest, self._member = rest, self._make()
        return True

    def _take(self) -> bytes:
        data, self._rest = self._rest or self._piece(), b""
        return data

    def _piece(self) -> bytes:
        got = self._packed.step(memoryview(self._input))
        self._eaten += got
        return bytes(self._input[:got])


class Packer(Protocol):
    """What compresses an output."""

    def compress(self, data: bytes | memoryview, /) -> bytes: ...
    def flush(self) -> bytes: ...


def packer(path: str) -> Packer | None:
    """What the suffix of *path* asks for; none for a plain one. The bytes depend on nothing but the data."""
    if path.endswith(".gz"):
        import zlib

        return zlib.compressobj(6, zlib.DEFLATED, 31)
    if path.endswith(".xz"):
        import lzma

        return lzma.LZMACompressor(preset=3)
    if path.endswith(".zst"):
        try:
            import zstandard
        except ImportError:
            what = "compressing with zstd needs the package zstandard: pip install 'lbreplay[zstd]'"
            raise CaptureError(f"{path}: {what}") from None
        return zstandard.ZstdCompressor().compressobj()
    if path.endswith((".lz4", ".bz2")):
        raise CaptureError(f"{path}: a plain capture or one behind .gz, .zst or .xz expected")
    return None


def open_source(path: str) -> Source:
    """The bytes of *path*, unpacked if they are compressed."""
    source = Source(path)
    for format in FORMATS:
        if source.head.startswith(format.magic):
            try:
                return Unpacked(source, format)
            except CaptureError:
                source.close()
                raise
    return source
