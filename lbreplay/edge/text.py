"""What a person, a file or a capture says, made harmless to show.

Names of services, files and cases, values and comments may hold anything: escapes that paint over a terminal, newlines
that begin a line of somebody else's, marks that turn text around, bytes that are no UTF-8. `shown` spells whatever
Python does not call printable (controls, formats, surrogates, unassigned, separators other than the blank) with a
backslash; everything else stays as it is. Tables, lines, CSV and XML go through `shown`, JSON through `as_json`, which
spells the same characters so that the value survives.
"""

from __future__ import annotations

import codecs
from collections.abc import Mapping
from typing import Any

LONGEST, BEGIN, END = 1000, 600, 300  # characters of a line; of a longer one what is shown of it
COMMANDS = ("::", "##[")  # how lines begin that build machines obey
PLAIN = str.maketrans(
    {"×": "x", "…": "...", "·": ".", "─": "-", "→": "->", "µ": "u", "≤": "<=", "≥": ">="}
    | {bar: str(height) for height, bar in enumerate("▁▂▃▄▅▆▇█", 1)}
)


def shown(text: str) -> str:
    """*text* on one line, without anything that is not seen."""
    return text if text.isprintable() else "".join(c if c.isprintable() else _spelled(c) for c in text)


def _spelled(character: str) -> str:
    if "\udc80" <= character <= "\udcff":  # a byte that is no UTF-8, as Python keeps it
        return f"\\x{ord(character) - 0xDC00:02x}"
    return character.encode("unicode_escape").decode()


def all_shown(document: Any) -> Any:
    """The same of every text in a document of dicts and lists."""
    if isinstance(document, str):
        return shown(document)
    if isinstance(document, Mapping):
        return {all_shown(key): all_shown(value) for key, value in document.items()}
    if isinstance(document, list):
        return [all_shown(value) for value in document]
    if isinstance(document, tuple) and not hasattr(document, "_fields"):
        return tuple(all_shown(value) for value in document)
    return document


def line(text: str) -> str:
    """*text* as a line of output: no build machine takes it for a command, and it fills no screen."""
    text = shown(text)
    text = "\\" + text if text.lstrip().startswith(COMMANDS) else text
    return text if len(text) <= LONGEST else f"{text[:BEGIN]}...{text[-END:]}"


def as_json(document: Any, indent: int | None = 2) -> str:
    """JSON without a newline at its end."""
    import json  # a millisecond, of no use to most runs

    text = json.dumps(document, indent=indent, ensure_ascii=False)
    if text.replace("\n", "").isprintable():
        return text
    return "".join(c if c.isprintable() or c == "\n" else json.dumps(c)[1:-1] for c in text)


def plainly(error: UnicodeError) -> tuple[str | bytes, int]:
    """An error handler of codecs: what a stream cannot say is said in ASCII."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    piece = error.object[error.start : error.end].translate(PLAIN)
    return "".join(c if c.isascii() else _spelled(c) for c in piece), error.end


codecs.register_error("lbreplay", plainly)
