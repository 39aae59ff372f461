"""Text files of other programs: what is no text is refused."""

from pathlib import Path

import pytest

from lbreplay.config.texts import read_text
from lbreplay.errors import ConfigError


@pytest.mark.parametrize(
    "data, text",
    [(b"a\n", "a\n"), (b"\xef\xbb\xbfa", "a"), ("ü".encode(), "ü"), ("ü".encode("latin-1"), "ü"), (b"", "")],
)
def test_text(tmp_path: Path, data: bytes, text: str) -> None:
    """UTF-8 with or without mark; other bytes are taken one by one."""
    (tmp_path / "f").write_bytes(data)
    assert read_text(str(tmp_path / "f")) == text


@pytest.mark.parametrize(
    "data, message",
    [("a".encode("utf-16"), "got UTF-16"), (b"\xd4\xc3\xb2\xa1\x02\x00", "binary data .* offset 5")],
)
def test_no_text(tmp_path: Path, data: bytes, message: str) -> None:
    """UTF-16 and captures are refused as what they are."""
    (tmp_path / "f").write_bytes(data)
    with pytest.raises(ConfigError, match=message):
        read_text(str(tmp_path / "f"))


def test_nothing_there(tmp_path: Path) -> None:
    """A missing file is named."""
    with pytest.raises(ConfigError, match="nothing: No such file"):
        read_text(str(tmp_path / "nothing"))
