"""How numbers are said to people: with their nouns in the right number."""

from __future__ import annotations

import re


def plural(number: int, word: str) -> str:
    """`1 client`, `2 clients`, `1,200 addresses`, `0 entries`."""
    return f"{number:,} {word if number == 1 else several(word)}"


def several(word: str) -> str:
    """The plural of a noun, of a phrase that of its last word: `frame` -> `frames`, `address` -> `addresses`."""
    if re.search(r"(?:s|x|z|ch|sh)$", word):
        return f"{word}es"
    return f"{word[:-1]}ies" if re.search(r"[^aeiou]y$", word) else f"{word}s"
