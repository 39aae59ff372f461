"""Shapes of documents as one writes them down, and the JSON Schema of a shape (draft 2020-12).

int float str bool        a value; int is whole, float any number
("a", "b")                one of these texts
[X]                       a list of X
{"name": X, "more?": Y}   an object; a name with a question mark may be missing
{str: X}                  an object whose names are data
maybe(X)                  X or null
either(X, Y)              one of several
told("sentence", X)       X, and what it is
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

Shape = Any  # one of the above
Schema = dict[str, Any]
TYPES = {int: "integer", float: "number", str: "string", bool: "boolean"}


class Either(NamedTuple):
    """One of several shapes; None is null."""

    shapes: tuple[Shape, ...]


class Told(NamedTuple):
    """A shape with a sentence."""

    sentence: str
    shape: Shape


def either(*shapes: Shape) -> Either:
    """One of *shapes*."""
    return Either(shapes)


def maybe(shape: Shape) -> Either:
    """*shape*, or null."""
    return Either((shape, None))


def told(sentence: str, shape: Shape) -> Told:
    """*shape*, which *sentence* explains."""
    return Told(sentence, shape)


def schema(shape: Shape, closed: bool = False) -> Schema:
    """The JSON Schema of *shape*. *closed*: names that it does not know are refused, else they may come (stability)."""
    if isinstance(shape, Told):
        return {"description": shape.sentence, **schema(shape.shape, closed)}
    if isinstance(shape, Either):
        return _either([schema(one, closed) for one in shape.shapes])
    if isinstance(shape, list):
        return {"type": "array", "items": schema(shape[0], closed)}
    if isinstance(shape, dict):
        return _object(shape, closed)
    if isinstance(shape, tuple):
        return {"type": "string", "enum": list(shape)}
    return {"type": "null" if shape is None else TYPES[shape]}


def _object(shape: dict[Any, Shape], closed: bool) -> Schema:
    """Of named members, or of members whose names are data."""
    if str in shape:
        return {"type": "object", "additionalProperties": schema(shape[str], closed)}
    return {
        "type": "object",
        "properties": {name.rstrip("?"): schema(one, closed) for name, one in shape.items()},
        "required": [name for name in shape if not name.endswith("?")],
        **({"additionalProperties": False} if closed else {}),
    }


def _either(schemas: list[Schema]) -> Schema:
    """Plain types side by side, everything else as alternatives."""
    if all(set(one) == {"type"} for one in schemas):
        return {"type": [one["type"] for one in schemas]}
    return {"anyOf": schemas}


def sentences(shape: Shape, path: str = "") -> Iterator[tuple[str, str]]:
    """(path, sentence) of everything in *shape* that has a sentence: `workers[].cpu_id`, `verdicts.*`."""
    if isinstance(shape, Told):
        yield path, shape.sentence
        yield from sentences(shape.shape, path)
    elif isinstance(shape, Either):
        for one in shape.shapes:
            yield from sentences(one, path)
    elif isinstance(shape, list):
        yield from sentences(shape[0], f"{path}[]")
    elif isinstance(shape, dict):
        for name, one in shape.items():
            yield from sentences(one, f"{path}.{'*' if name is str else name.rstrip('?')}".strip("."))
