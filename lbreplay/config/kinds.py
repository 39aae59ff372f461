"""Kinds of values: what a key of the configuration may hold, how it is judged, and how JSON Schema says the same.

A kind has `types` (the Python types TOML gives it), `expected` (the words of the error message), `read` (TOML value ->
value of the model, or Refused) and `json`. A `Table` is a kind too: the whole configuration is one Table (`schema.py`),
so the errors, the nearest known name and the JSON Schema all follow from the same tree.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from types import TracebackType
from typing import Any, NamedTuple, Protocol

from lbreplay.edge.text import as_json

Json = dict[str, Any]


class Refused(Exception):
    """A value that is not what its key expects. `path` is the key path, `reason` the rest of the sentence.

    `name`: not the value but the key itself is wrong. `others`: what else of the same file is refused.
    """

    def __init__(self, path: str, reason: str, name: bool = False) -> None:
        super().__init__(f"{path}: {reason}" if path else reason)
        self.path = path
        self.reason = reason
        self.name = name
        self.others: tuple[Refused, ...] = ()


class Gathered:
    """Goes on behind a refusal, so that everything wrong is told at once: `with every: ...`, at last `every.end()`."""

    def __init__(self) -> None:
        self.refused: list[Refused] = []

    def __enter__(self) -> Gathered:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> bool:
        if not isinstance(error, Refused):
            return False
        self.refused += [error, *error.others]
        return True

    def end(self) -> None:
        """Raise what was refused, the first with the others."""
        if self.refused:
            first, *others = self.refused
            first.others = tuple(others)
            raise first


def once(items: Iterable[object], where: Where, what: str) -> None:
    """Refuse what stands in a list twice; the second is the culprit. None is nothing to compare."""
    seen: dict[object, int] = {}
    every = Gathered()
    for n, item in enumerate(items):
        with every:
            if item is None or seen.setdefault(item, n) == n:
                continue
            raise Refused(where.item(n).path, f"{what} of its own expected, got that of {where.item(seen[item]).path}")
    every.end()


class Where(NamedTuple):
    """Where a value stands: its key path, the folder that `@file` is relative to, and the profile in force."""

    path: str = ""
    folder: str = "."
    profile: str = "dpvs"

    def key(self, name: str) -> Where:
        return self._replace(path=f"{self.path}.{name}" if self.path else name)

    def item(self, index: int) -> Where:
        return self._replace(path=f"{self.path}[{index}]")

    def refuse(self, expected: str, value: object) -> Refused:
        return Refused(self.path, f"{expected} expected, got {spell(value)}")


def spell(value: object) -> str:
    """A value as TOML would write it, short enough for one line."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return as_json(value if len(value) <= 60 else value[:57] + "...")
    if isinstance(value, dict):
        return "a table"
    if isinstance(value, list):
        return "a list" if value else "an empty list"
    if isinstance(value, int) and abs(value) >= 1 << 64:
        return f"a number of {len(hex(abs(value))) - 2} hexadecimal digits"
    return str(value)


def nearest(name: str, known: Sequence[str] | Mapping[str, object]) -> str:
    """`, did you mean X?` for the closest of *known*, or nothing."""
    from difflib import get_close_matches

    close = get_close_matches(name, list(known), 1, 0.5)
    return f", did you mean {close[0]}?" if close else ""


class Kind(Protocol):
    """What a key may hold."""

    @property
    def types(self) -> tuple[type, ...]: ...
    @property
    def expected(self) -> str: ...
    def read(self, value: Any, where: Where) -> Any: ...
    def json(self) -> Json: ...


def check(kind: Kind, value: object, where: Where) -> Any:
    """Judge *value* by *kind*: first its TOML type, then the rest. A bool is no integer here."""
    if not isinstance(value, kind.types) or (isinstance(value, bool) and bool not in kind.types):
        raise where.refuse(kind.expected, value)
    return kind.read(value, where)


class Flag:
    types = (bool,)
    expected = "true or false"

    def read(self, value: bool, where: Where) -> bool:
        return value

    def json(self) -> Json:
        return {"type": "boolean"}


class Int:
    types = (int,)

    def __init__(self, low: int, high: int) -> None:
        self.low, self.high = low, high

    @property
    def expected(self) -> str:
        return f"{self.low} to {self.high}"

    def read(self, value: int, where: Where) -> int:
        if not self.low <= value <= self.high:
            raise where.refuse(self.expected, value)
        return value

    def json(self) -> Json:
        return {"type": "integer", "minimum": self.low, "maximum": self.high}


class PowerOfTwo(Int):
    @property
    def expected(self) -> str:
        return f"a power of two from {self.low} to {self.high}"

    def read(self, value: int, where: Where) -> int:
        if not self.low <= value <= self.high or value & (value - 1):
            raise where.refuse(self.expected, value)
        return value

    def json(self) -> Json:
        powers = [1 << n for n in range(self.high.bit_length()) if self.low <= 1 << n <= self.high]
        return {"enum": powers}


class Seconds:
    """Seconds on the capture's clock -> integer nanoseconds."""

    types = (int, float)
    expected = "seconds after the first frame"

    def read(self, value: float, where: Where) -> int:
        if not -1e9 < value < 1e9:
            raise where.refuse(self.expected, value)
        return round(value * 1_000_000_000)

    def json(self) -> Json:
        return {"type": "number"}


class Choice:
    """One of some words."""

    types = (str,)

    def __init__(self, *names: str, said: str = "") -> None:
        """*said*: the names in a few words, where they are many."""
        self.names, self._said = names, said

    @property
    def expected(self) -> str:
        if self._said or len(self.names) == 1:
            return self._said or self.names[0]
        return ", ".join(self.names[:-1]) + " or " + self.names[-1]

    def read(self, value: str, where: Where) -> str:
        if value not in self.names:
            raise Refused(where.path, f"{self.expected} expected, got {spell(value)}{nearest(value, self.names)}")
        return value

    def json(self) -> Json:
        return {"type": "string", "enum": list(self.names)}


class Text:
    """A string that *parse* understands; it raises ValueError for the others."""

    types = (str,)

    def __init__(self, parse: Callable[[str], Any], expected: str, pattern: str = "") -> None:
        self.parse, self.expected, self.pattern = parse, expected, pattern

    def read(self, value: str, where: Where) -> Any:
        try:
            return self.parse(value)
        except ValueError:
            raise where.refuse(self.expected, value) from None

    def json(self) -> Json:
        return {"type": "string", **({"pattern": self.pattern} if self.pattern else {})}


class Many:
    """A list of one kind -> a tuple."""

    types = (list,)

    def __init__(self, kind: Kind) -> None:
        self.kind = kind

    @property
    def expected(self) -> str:
        return "a list of tables" if isinstance(self.kind, Table) else f"a list (each {self.kind.expected})"

    def read(self, value: list[Any], where: Where) -> tuple[Any, ...]:
        every, read = Gathered(), []
        for n, item in enumerate(value):
            with every:
                read.append(check(self.kind, item, where.item(n)))
        every.end()
        return tuple(read)

    def json(self) -> Json:
        return {"type": "array", "items": self.kind.json()}


class ByName:
    """A table of names that people gave, each with one kind -> a dict."""

    types = (dict,)

    def __init__(self, kind: Kind) -> None:
        self.kind = kind

    @property
    def expected(self) -> str:
        return f"a table of names (each {self.kind.expected})"

    def read(self, value: dict[str, Any], where: Where) -> dict[str, Any]:
        every, read = Gathered(), {}
        for name, item in value.items():
            with every:
                read[name] = check(self.kind, item, where.key(name))
        every.end()
        return read

    def json(self) -> Json:
        return {"type": "object", "additionalProperties": self.kind.json()}


class Either:
    """The kind whose TOML type the value has."""

    def __init__(self, *kinds: Kind) -> None:
        self.kinds = kinds

    @property
    def types(self) -> tuple[type, ...]:
        return tuple(t for kind in self.kinds for t in kind.types)

    @property
    def expected(self) -> str:
        return " or ".join(kind.expected for kind in self.kinds)

    def read(self, value: Any, where: Where) -> Any:
        fitting = next(
            k for k in self.kinds if isinstance(value, k.types) and (type(value) is not bool or bool in k.types)
        )
        if isinstance(value, (dict, list)):
            return fitting.read(value, where)
        try:
            return fitting.read(value, where)
        except Refused:
            raise where.refuse(self.expected, value) from None

    def json(self) -> Json:
        return {"anyOf": [kind.json() for kind in self.kinds]}


class ByProfile:
    """One kind under DPVS, another under the kernel's IPVS."""

    expected = ""

    def __init__(self, dpvs: Kind, ipvs: Kind) -> None:
        self.dpvs, self.ipvs = dpvs, ipvs

    @property
    def types(self) -> tuple[type, ...]:
        return (object,)

    def read(self, value: Any, where: Where) -> Any:
        return check(self.ipvs if where.profile == "ipvs" else self.dpvs, value, where)

    def json(self) -> Json:
        return {"anyOf": [self.dpvs.json(), self.ipvs.json()]}


class Key(NamedTuple):
    """A key of a table. `profile`: the only one it belongs to. `live`: events may set it, under all or one profile."""

    kind: Kind
    default: object
    sentence: str
    profile: str = ""
    live: bool | str = False
    required: bool = False

    def changes(self, profile: str) -> bool:
        """Whether an event may set it under *profile*."""
        return self.profile in ("", profile) and self.live in (True, profile)

    def json(self) -> Json:
        default = {} if self.default is None else {"default": self.default}
        only = f" (profile {self.profile} only)" if self.profile else ""
        return {**self.kind.json(), "description": self.sentence + only, **default}


class Table:
    """A table of known keys -> a dict of the given ones, each value judged."""

    types = (dict,)
    expected = "a table"

    def __init__(self, keys: Mapping[str, Key]) -> None:
        self.keys = keys

    def read(self, value: dict[str, Any], where: Where) -> dict[str, Any]:
        every, read = Gathered(), {}
        for name, item in value.items():
            with every:
                read[name] = check(self._kind(name, where), item, where.key(name))
        for name, key in self.keys.items():
            if key.required and name not in value:
                with every:
                    raise Refused(where.key(name).path, f"required: {key.sentence}")
        every.end()
        return read

    def _kind(self, name: str, where: Where) -> Kind:
        """What the key *name* may hold."""
        at = where.key(name).path
        if name not in self.keys:
            raise Refused(at, f"unknown key{nearest(name, self.keys)}", name=True)
        if self.keys[name].profile not in ("", where.profile):
            only = f'only under profile = "{self.keys[name].profile}", got profile = "{where.profile}"'
            raise Refused(at, only, name=True)
        return self.keys[name].kind

    def json(self) -> Json:
        required = [name for name, key in self.keys.items() if key.required]
        return {
            "type": "object",
            "properties": {name: key.json() for name, key in self.keys.items()},
            "additionalProperties": False,
            **({"required": required} if required else {}),
        }
