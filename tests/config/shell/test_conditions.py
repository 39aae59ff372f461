"""What tests say of words."""

import pytest

from lbreplay.config.shell.conditions import decides, either, judge
from lbreplay.config.shell.statements import parse
from lbreplay.config.shell.words import items


@pytest.mark.parametrize(
    "text, status",
    [
        ("a = a", True),
        ("a == b", False),
        ("a != b", True),
        ("-z a", False),
        ("-n a", True),
        ("a", True),
        ("", False),
        ("3 -gt 2", True),
        ("3 -le 2", False),
        ("x -eq 2", False),
        ("! a = a", False),
        ("a = a -o a = b", True),
        ("a = b -a a = a", False),
        ("-f /etc/passwd", None),
        ("-d /x -o a = a", True),
        ("-d /x -a a = b", False),
        ("-d /x -o a = b", None),
        ("-x /sbin/ipvsadm", True),
        ("! -e /x", None),
        ("a < b", None),
        ("( a = a )", True),
    ],
)
def test_judge(text: str, status: bool | None) -> None:
    """True, False, or None where only a run could tell; tools are there."""
    assert judge(text.split(), pattern=False) is status


def test_patterns() -> None:
    """On the right side in double brackets; an expression behind =~."""
    assert judge(["start", "==", "st*"], pattern=True) and not judge(["start", "==", "st*"], pattern=False)
    assert judge(["10.0.0.1", "=~", "^10[.]"], pattern=True) is True
    assert judge(["a", "=~", "("], pattern=True) is None


def test_either() -> None:
    """One that is enough decides; one that is not known leaves it open."""
    assert [either([True, None], True), either([False, None], True), either([False, None], False)] == [
        True,
        None,
        False,
    ]


@pytest.mark.parametrize(
    "text, does",
    [
        ("[ $i -lt 3 ]", True),
        ("[ 1 ]", False),
        ("(( i < 3 ))", True),
        ("((1))", False),
        ("sleep 1", False),
        ("[[ $a ]] && b", True),
    ],
)
def test_what_a_loop_can_decide(text: str, does: bool) -> None:
    """A test of variables, which the loop may change."""
    assert decides(parse("s", items("s", text))[0]) is does
