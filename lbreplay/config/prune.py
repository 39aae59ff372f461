"""Parts of a raw configuration document, by their paths, and the document without some of them."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

Path = tuple[str | int, ...]


def parts(document: dict[str, Any], depth: int) -> list[Path]:
    """Paths of everything *depth* steps below the root: keys of tables, entries of lists."""
    return list(_below(document, (), depth))


def _below(at: Any, path: Path, depth: int) -> Iterator[Path]:
    if not depth:
        yield path
        return
    steps: Any = at.items() if isinstance(at, dict) else enumerate(at) if isinstance(at, list) else ()
    for step, value in steps:
        yield from _below(value, (*path, step), depth - 1)


def without(document: dict[str, Any], removed: Collection[Path]) -> dict[str, Any]:
    """The document without the parts *removed*; tables and lists that lose their last part go too."""
    pruned: dict[str, Any] = _pruned(document, (), removed)
    return pruned


def _pruned(at: Any, path: Path, removed: Collection[Path]) -> Any:
    if isinstance(at, dict):
        below = {
            name: _pruned(value, (*path, name), removed) for name, value in at.items() if (*path, name) not in removed
        }
        return {name: value for name, value in below.items() if value not in ({}, []) or at[name] in ({}, [])}
    if isinstance(at, list):
        return [_pruned(value, (*path, n), removed) for n, value in enumerate(at) if (*path, n) not in removed]
    return at
