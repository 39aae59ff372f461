"""`--html` of several commands: one offline page of what they found. Load, draw, write; nothing else."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from lbreplay.cli import options, streams
from lbreplay.edge.output import write_text

if TYPE_CHECKING:
    from lbreplay.lab.journal import Journal
    from lbreplay.model import Setup
    from lbreplay.stats import Result

Document = dict[str, Any]


def journal(html: str | None) -> Journal | None:
    """Who looks on for the page *html*."""
    if html is None:
        return None
    from lbreplay.lab.journal import Journal  # with the engine of check: of no use to a run without a page

    return Journal()


def paced(setup: Setup, path: str) -> Setup:
    """*setup* with bursts small enough that a small capture is sampled a few dozen times; no result hangs on it."""
    size = os.path.getsize(path) if os.path.isfile(path) else 0
    return setup._replace(burst_size=min(setup.burst_size, max(16, size // 4_000)))


def replayed(
    setup: Setup, path: str, result: Result, looked: Journal, typed: str, findings: Iterable[Document] = ()
) -> Document:
    """The document of a replay whose arguments were *typed*."""
    from lbreplay.lab import pages

    found = pages.replayed(setup, path, result, looked.document(), findings)
    found["replay"] |= {"again": typed, "config": options.ran()}
    return found


def write(html: str, document: Document, command: str, quiet: bool) -> None:
    """Write the page and say where it lies."""
    from lbreplay.report.page import page

    write_text(html, page(document, command, command))
    if not quiet:
        streams.say(f"{html}: a page of it, open it in any browser", err=True)
