"""Text files of other programs: configurations and scripts as bytes come, judged before they are read."""

from __future__ import annotations

from lbreplay.errors import ConfigError


def read_text(path: str) -> str:
    """A text file, `-` for standard input. Other encodings of comments are forgiven, binary files and UTF-16 not."""
    import sys

    try:
        if path == "-":
            data = sys.stdin.buffer.read()
        else:
            with open(path, "rb") as file:
                data = file.read()
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror or error}") from None
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise ConfigError(f"{path}: UTF-8 text expected, got UTF-16")
    if b"\0" in data:
        raise ConfigError(f"{path}: a text file expected, got binary data (a zero byte at offset {data.index(0)})")
    data = data.removeprefix(b"\xef\xbb\xbf")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("latin-1")
