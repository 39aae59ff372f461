"""The notation of shapes, and the JSON Schema that it means."""

from __future__ import annotations

import pytest
from jsonschema import Draft202012Validator

from lbreplay.report.shapes import either, maybe, schema, sentences, told

SHAPE = {
    "n": told("a number", int),
    "share": float,
    "kind": ("a", "b"),
    "rows": [{"by": {str: int}, "of?": maybe(str)}],
    "what": either({"x": int}, [str], None),
}
GOOD = {"n": 1, "share": 1, "kind": "a", "rows": [{"by": {"any": 2}}, {"by": {}, "of": None}], "what": ["x"]}
BAD = [
    {"n": 1.5},
    {"n": None},
    {"share": "1"},
    {"kind": "c"},
    {"rows": [{}]},
    {"rows": [{"by": {"any": "2"}}]},
    {"what": {"x": None}},
    {"what": 5},
]


def test_it_accepts_what_the_shape_says() -> None:
    """Every kind of shape at once; a name more is accepted unless the schema is closed."""
    validator, closed = (Draft202012Validator(schema(SHAPE, closed)) for closed in (False, True))
    validator.check_schema(validator.schema)
    assert validator.is_valid(GOOD) and closed.is_valid(GOOD)
    assert validator.is_valid(GOOD | {"more": 1}) and not closed.is_valid(GOOD | {"more": 1})


@pytest.mark.parametrize("change", BAD, ids=str)
def test_it_refuses_everything_else(change: dict[str, object]) -> None:
    """A value of another type, a name that is missing."""
    assert not Draft202012Validator(schema(SHAPE)).is_valid(GOOD | change)
    assert not Draft202012Validator(schema(SHAPE)).is_valid(
        {name: value for name, value in GOOD.items() if name not in change}
    )


def test_sentences_have_their_paths() -> None:
    """For the documentation."""
    assert schema(SHAPE)["properties"]["n"] == {"description": "a number", "type": "integer"}
    assert list(sentences([{"a?": told("one", {str: told("two", int)})}])) == [("[].a", "one"), ("[].a.*", "two")]
