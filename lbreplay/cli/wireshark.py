"""`lbreplay wireshark`: the Lua plugin that shows in Wireshark what an annotated pcapng says."""

from __future__ import annotations

from pathlib import Path

import click

from lbreplay.cli import streams
from lbreplay.edge.output import write_text

NAME = "lbreplay.lua"


@click.command()
@click.option("--install", is_flag=True, help="Put it into the personal folder of Wireshark's plugins.")
def wireshark(install: bool) -> None:
    """Print the Wireshark plugin, or install it: lbreplay.worker, lbreplay.conn, lbreplay.verdict become filters."""
    from importlib.resources import files

    text = (files("lbreplay.report") / "wireshark" / NAME).read_text(encoding="utf-8")
    if not install:
        click.echo(text, nl=False)
        return
    target = _folder() / NAME
    target.parent.mkdir(parents=True, exist_ok=True)
    write_text(str(target), text)
    streams.say(f"{target}: written. Wireshark and tshark show an annotated pcapng's frames as lbreplay.* from now on")


def _folder() -> Path:
    """Where Wireshark looks for a person's own Lua plugins (Wireshark's User's Guide, "Plugin folders")."""
    return Path.home() / ".local" / "lib" / "wireshark" / "plugins"
