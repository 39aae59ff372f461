"""Text files of other programs: configurations and scripts as bytes come, judged before they are read."""

from __future__ import annotations

import re

from lbreplay.edge import within
from lbreplay.errors import ConfigError


def read_text(path: str) -> str:
    """A text file, `-` for standard input. Other encodings of comments are forgiven, binary files and UTF-16 not."""
    import sys

    within.judge(path)
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
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        text = data.decode("latin-1")
    judge_numbers(path, text)
    return text


def judge_numbers(name: str, text: str) -> None:
    """Raises ConfigError for a number that no setting is: Python would refuse it late, or take hours over it."""
    if found := re.search(r"[0-9A-Fa-f_]{1000}", text):
        line = text.count("\n", 0, found.start()) + 1
        raise ConfigError(f"{name}: line {line}: a number of at most 999 digits expected")


def lists(text: str) -> list[str]:
    """The files that a configuration names as "@file"."""
    return list(dict.fromkeys(re.findall(r"""["']@([^"']+)["']""", text)))
