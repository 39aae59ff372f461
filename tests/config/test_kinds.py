"""Kinds judge values and say what they expect."""

import pytest

from lbreplay.config.kinds import (
    ByProfile,
    Choice,
    Either,
    Flag,
    Int,
    Key,
    Many,
    PowerOfTwo,
    Refused,
    Seconds,
    Table,
    Where,
    check,
    nearest,
    spell,
)

TABLE = Table({"weight": Key(Int(0, 9), 1, "a number", required=True), "old": Key(Flag(), False, "a switch", "ipvs")})


@pytest.mark.parametrize(
    "kind, value, reason",
    [
        (Int(0, 9), 10, "0 to 9 expected, got 10"),
        (Int(0, 9), True, "0 to 9 expected, got true"),
        (Int(0, 9), "1", '0 to 9 expected, got "1"'),
        (Flag(), 1, "true or false expected, got 1"),
        (PowerOfTwo(1, 512), 100, "a power of two from 1 to 512 expected, got 100"),
        (Choice("rr", "wlc"), "rt", 'rr or wlc expected, got "rt", did you mean rr?'),
        (Either(Choice("auto"), Int(0, 9)), 12, "auto or 0 to 9 expected, got 12"),
        (Many(Int(0, 9)), {}, "a list (each 0 to 9) expected, got a table"),
        (Seconds(), float("inf"), "seconds after the first frame expected, got inf"),
        (TABLE, {"weigth": 1}, "unknown key, did you mean weight?"),
        (TABLE, {}, "required: a number"),
        (TABLE, {"weight": 1, "old": True}, 'only under profile = "ipvs", got profile = "dpvs"'),
    ],
)
def test_refusals(kind: object, value: object, reason: str) -> None:
    """What is wrong is said with what would be right."""
    with pytest.raises(Refused) as refused:
        check(kind, value, Where())  # type: ignore[arg-type]
    assert refused.value.reason == reason


def test_paths_name_the_place() -> None:
    """A refusal knows the key path, through tables and lists."""
    with pytest.raises(Refused, match=r"^real\[1\]\.weight: 0 to 9 expected, got -1$"):
        check(Many(TABLE), [{"weight": 1}, {"weight": -1}], Where("real"))


def test_kind_by_profile() -> None:
    """The same key takes other words under the other profile."""
    kind = ByProfile(Choice("conhash"), Choice("sed"))
    assert check(kind, "sed", Where(profile="ipvs")) == "sed"
    with pytest.raises(Refused):
        check(kind, "sed", Where(profile="dpvs"))


def test_spelling_and_nearest() -> None:
    """Values are shown as TOML writes them, long ones cut; a name far from all gets no advice."""
    assert [spell(v) for v in (False, "a", {}, [], [1], 1.5)] == [
        "false",
        '"a"',
        "a table",
        "an empty list",
        "a list",
        "1.5",
    ]
    assert len(spell("x" * 1000)) < 70
    assert nearest("zzz", ["weight"]) == ""


def test_seconds_become_nanoseconds() -> None:
    """A third decimal is exact."""
    assert check(Seconds(), 12.345, Where()) == 12_345_000_000
