"""Which files a run may touch, where what it runs is somebody else's."""

from __future__ import annotations

from pathlib import Path

import pytest

from lbreplay.edge.within import judge, within
from lbreplay.errors import LbreplayError


def test_only_what_lies_below(tmp_path: Path) -> None:
    """Links are seen through; a name that only begins alike is not below."""
    (tmp_path / "case").mkdir()
    (tmp_path / "case" / "link").symlink_to("/etc")
    with within([str(tmp_path / "case")]):
        judge(str(tmp_path / "case" / "new"))
        judge(str(tmp_path / "case"))
        for path in ("case/../x", "case/link/passwd", "case2/x"):
            with pytest.raises(LbreplayError, match="a file inside the case expected"):
                judge(str(tmp_path / path))
        with pytest.raises(LbreplayError, match=r"^-: a file inside"):
            judge("-")
    judge("/etc/passwd")


def test_nothing_is_forbidden_where_that_is_asked() -> None:
    """The command line lifts it."""
    with within(None):
        judge("/etc/passwd")
