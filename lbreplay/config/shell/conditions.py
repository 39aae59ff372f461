"""What `[ ... ]`, `test` and `[[ ... ]]` say of words, where that can be known without a run.

A status is True, False, or None where only a run could tell: files, and words that are not known. Tools are taken as
there (`-x`).
"""

from __future__ import annotations

import fnmatch
import re

from lbreplay.config.shell.expansion import Scope, arithmetic
from lbreplay.config.shell.statements import Arithmetic, Brackets, Node, Simple, inside

Status = bool | None
NUMBERS = {"-eq": "==", "-ne": "!=", "-lt": "<", "-le": "<=", "-gt": ">", "-ge": ">="}


def judge(words: list[str], pattern: bool) -> Status:
    """Words with `!`, and, or between. *pattern*: the right side of `==` is one."""
    for operator, enough in (("||", True), ("-o", True), ("&&", False), ("-a", False)):
        if operator in words[1:-1]:
            at = words.index(operator, 1)
            return either([judge(words[:at], pattern), judge(words[at + 1 :], pattern)], enough)
    if words[:1] == ["!"]:
        found = judge(words[1:], pattern)
        return None if found is None else not found
    return _compared(words, pattern)


def either(found: list[Status], one_is_enough: bool) -> Status:
    if one_is_enough in found:
        return one_is_enough
    return None if None in found else not one_is_enough


def _compared(words: list[str], pattern: bool) -> Status:
    """A test of one, two or three words."""
    if len(words) > 2 and (words[0], words[-1]) == ("(", ")"):
        return _compared(words[1:-1], pattern)
    if len(words) < 2:
        return bool(words and words[0])
    if len(words) == 2:
        return {"-z": words[1] == "", "-n": words[1] != "", "-x": True}.get(words[0])
    return _between(words[0], words[1], words[2], pattern) if len(words) == 3 else None


def _between(left: str, sign: str, right: str, pattern: bool) -> Status:
    if sign in ("=", "==", "!="):
        same = fnmatch.fnmatchcase(left, right) if pattern else left == right
        return same == (sign != "!=")
    if sign == "=~":
        try:
            return re.search(right, left) is not None if len(right) < 100 else None
        except re.error:
            return None
    found = arithmetic(f"{left} {NUMBERS[sign]} {right}", Scope()) if sign in NUMBERS else ""
    return None if found == "" else found == "1"


def decides(node: Node) -> bool:
    """Whether a condition of a loop is one that the loop can change: a test or sum of variables."""
    if isinstance(node, Simple):
        tests = bool(node.words) and node.words[0].raw in ("[", "test")
        return tests and any("$" in word.raw for word in node.words)
    if isinstance(node, Brackets):
        return any("$" in word.raw for word in node.words)
    return not node.text.strip().isdecimal() if isinstance(node, Arithmetic) else any(map(decides, inside(node)))
