"""Manual pages say what --help says, in roff that nothing of it breaks."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import click
import pytest

from lbreplay.cli import COMMANDS, EXIT_STATUS, lbreplay, manual


def test_a_page_for_the_program_and_each_command(tmp_path: Path) -> None:
    """Each with its sections; the program's leads to the others."""
    pages = manual.pages()
    assert list(pages) == ["lbreplay.1", *(f"lbreplay-{name}.1" for name in COMMANDS)]
    assert [path.name for path in manual.write(tmp_path)] == list(pages)
    for text in pages.values():
        assert all(f".SH {section}\n" in text for section in ("NAME", "SYNOPSIS", "OPTIONS", "EXIT STATUS", "SEE ALSO"))
    assert all(manual.plain(f"lbreplay-{name}") in pages["lbreplay.1"] for name in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_option_is_there(command: str) -> None:
    """As --help has it, and what each exit status means."""
    context = click.Context(lbreplay, info_name="lbreplay")
    known = lbreplay.get_command(context, command)
    assert known is not None
    text = manual.pages()[f"lbreplay-{command}.1"]
    own = click.Context(known, context)
    records = [option.get_help_record(own) for option in known.get_params(own) if isinstance(option, click.Option)]
    for name, help in filter(None, records):
        assert f".TP\n\\fB{manual.plain(name)}\\fP\n{manual.plain(help)}\n" in text
    assert all(f"\\fB{code}\\fP" in text for code in EXIT_STATUS)


def test_letters_that_mean_something_to_roff() -> None:
    """A backslash, a hyphen that is to be copied, a line that begins like a request, letters beyond ASCII."""
    assert manual.plain("a-b \\n\n.pcap\n'x…") == "a\\-b \\en\n\\&.pcap\n\\&'x\\[u2026]"


@pytest.mark.skipif(shutil.which("groff") is None, reason="groff is not installed: no page was formatted")
def test_groff_has_nothing_to_say(tmp_path: Path) -> None:
    """Every page, all warnings."""
    paths = list(map(str, manual.write(tmp_path)))
    done = subprocess.run(["groff", "-man", "-Tutf8", "-ww", "-z", *paths], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
