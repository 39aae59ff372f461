"""The documentation builds without a warning, and its reference is what the code says."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from lbreplay.cli import COMMANDS
from lbreplay.verdict import NAMES

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The documentation as `make docs` builds it."""
    pytest.importorskip("sphinx", reason="sphinx is not installed: the documentation was not built")
    target = tmp_path_factory.mktemp("docs")
    command = [sys.executable, "-m", "sphinx", "-W", "-q", "-b", "html", str(ROOT / "docs"), str(target)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return target


def test_every_command_and_verdict_is_in_the_reference(built: Path) -> None:
    """Made from the code: nothing is left out."""
    made = built / "reference" / "generated"
    commands, verdicts = ((made / f"{name}.html").read_text() for name in ("commands", "verdicts"))
    assert all(f'id="{name}"' in commands for name in COMMANDS)
    assert all(f">{name}<" in verdicts for name in NAMES)


def test_the_keys_of_the_configuration_are_there(built: Path) -> None:
    """Of every table of the contract at least one."""
    text = (built / "reference" / "generated" / "configuration.html").read_text()
    assert all(key in text for key in ("dst_port_mask", "synproxy", "laddr", "rss_key", "init_timeout", "persistence"))


def test_what_attacks_a_promise_is_there() -> None:
    """Each file and test that the page of promises names."""
    page = (ROOT / "docs" / "trust.md").read_text(encoding="utf-8")
    named = re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", page)
    assert len(named) > 30
    for path, test in named:
        assert (ROOT / path).is_file(), path
        assert not test or f"def {test}(" in (ROOT / path).read_text(encoding="utf-8"), f"{path}::{test}"
