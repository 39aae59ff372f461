"""One HTML file of a document (lab/pages.py): it opens from a mail, offline, and asks nobody for anything.

The page is page.html with page.css, page.js and the document put into it. A content security policy allows the one
style and the one script in it, by their hashes, and no request at all. The document travels as JSON in an element that
is data, not script: names and comments of captures cannot become markup, and the script writes them as text only.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
from collections.abc import Mapping
from importlib.resources import files
from typing import Any

from lbreplay import __version__
from lbreplay.edge.text import shown

Document = Mapping[str, Any]
WIDTH = 116  # characters of a story


def page(document: Document, title: str, command: str) -> str:
    """The text of the file. *title* and *command* may hold anything."""
    style, script = _part("page.css"), _part("page.js")
    data = {**document, "title": title, "command": command, "tool": f"lbreplay {__version__}"}
    data["stories"] = {n: _story(story) for n, story in document.get("stories", {}).items()}
    filled = {
        "TITLE": _text(title),
        "STYLE_HASH": _hash(style),
        "SCRIPT_HASH": _hash(script),
        "STYLE": style,
        "SCRIPT": script,
        "DATA": _data(data),
    }
    head, *pieces = _part("page.html").split("{{")
    text = [head]
    for piece in pieces:
        name, _, rest = piece.partition("}}")
        text += [filled[name], rest]
    return "".join(text)


def _part(name: str) -> str:
    return (files("lbreplay.report") / name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    """As a content security policy names an inline element (CSP 3, 6.7.2.3)."""
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def _text(text: str) -> str:
    """*text* as text of HTML; control characters, and those that turn its direction, are spelled out."""
    import html

    return html.escape(shown(text))


def _data(document: Document) -> str:
    """JSON in which nothing can end the element that holds it, and every character is plain."""
    text = json.dumps(document, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _story(story: Document) -> str:
    """What `explain` prints."""
    from lbreplay.report import explain, tables

    out = io.StringIO()
    tables.console(out, "never", WIDTH).print(explain.tree(story, brief=True))
    return out.getvalue()
