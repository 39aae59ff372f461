"""Whoever hears how far a job has come, and remembers it."""

from __future__ import annotations


class Heard:
    """A listener of `edge.pace`."""

    def __init__(self) -> None:
        self.shown: list[tuple[str, int, int | None]] = []
        self.hidden = 0

    def show(self, what: str, done: int, total: int | None) -> None:
        self.shown.append((what, done, total))

    def hide(self) -> None:
        self.hidden += 1
