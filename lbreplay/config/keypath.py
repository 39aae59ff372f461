"""Keys as people type them: `service.web.real.192.168.100.2:8080.weight=0`, of --set and of events (interface 2).

Names and addresses hold dots, so an entry of a list is the longest name or address that fits; `[2]` counts from 0.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

from lbreplay.config import values
from lbreplay.config.kinds import Choice, Either, Flag, Key, Kind, Many, Refused, Table, Where, check, nearest, spell
from lbreplay.config.schema import SCHEMA
from lbreplay.config.texts import judge_numbers
from lbreplay.errors import ConfigError

T = TypeVar("T")


def service_name(entry: dict[str, Any]) -> str:
    """The name of a `[[service]]`, given or by default."""
    if isinstance(name := entry.get("name"), str):
        return name
    if "match" in entry:
        return f"snat {entry['match']}"
    if "fwmark" in entry:
        return f"fwmark {entry['fwmark']}"
    return f"{entry.get('protocol', 'tcp')} {canonical(str(entry.get('vip', '?')))}"


def canonical(text: str) -> str:
    """An endpoint, address or network in its shortest spelling; other text as it is."""
    for parse, write in ((values.endpoint, str), (values.network, _without_full_prefix)):
        try:
            return write(parse(text))
        except ValueError:
            continue
    return text


def _without_full_prefix(network: Any) -> str:
    full = network.prefix == 8 * len(network.address)
    return str(network).partition("/")[0] if full else str(network)


def labels(entry: object, name: str) -> set[str]:
    """What an entry of the list *name* may be called."""
    if not isinstance(entry, dict):
        return set()
    found = {str(entry[key]) for key in ("name", "address", "to", "id", "cpu_id", "vip") if key in entry}
    if name == "service":
        found.add(service_name(entry))
    return found | {canonical(label) for label in found}


def longest(text: str, names: Iterable[str]) -> tuple[str, str] | None:
    """Split *text* behind the longest of *names* that it starts with: (name, rest behind the dot)."""
    fits = [name for name in names if text == name or text.startswith(name + ".")]
    if not fits:
        return None
    name = max(fits, key=len)
    return name, text[len(name) + 1 :]


def _inside(kind: Kind, wanted: type) -> Any:
    """The Table of *kind*, or the Table its list holds."""
    for one in kind.kinds if isinstance(kind, Either) else (kind,):
        if isinstance(one, wanted):
            return one
    return None


def _entry(kind: Many, entries: object, name: str, text: str, path: str) -> tuple[int, str]:
    """Which entry of a list *text* begins with: (index, rest)."""
    if not isinstance(entries, list):
        raise Refused(path, "no list of entries to name one of")
    if counted := re.match(r"\[(\d+)\]\.?", text):
        if int(counted.group(1)) < len(entries):
            return int(counted.group(1)), text[counted.end() :]
        raise Refused(path, f"0 to {len(entries) - 1} expected in brackets, got {counted.group(1)}")
    known = {label: index for index, entry in reversed(list(enumerate(entries))) for label in labels(entry, name)}
    if (found := longest(text, known)) is None:
        raise Refused(
            f"{path}.{text}", f"no such entry{nearest(text, known) or nearest(text.rpartition('.')[0], known)}"
        )
    return known[found[0]], found[1]


def locate(document: dict[str, Any], text: str) -> tuple[dict[str, Any], str, Key, str]:
    """Walk from the root along *text*: (the table, the key in it, what the key may hold, its key path)."""
    table, at, path = SCHEMA, document, ""
    while True:
        split = re.match(r"([^.\[]*)\.?", text)
        assert split is not None, "the pattern fits every text"
        name, text = split.group(1), text[split.end() :]
        path = f"{path}.{name}" if path else name
        if name not in table.keys:
            raise Refused(path, f"unknown key{nearest(name, table.keys)}")
        key = table.keys[name]
        if not text:
            return at, name, key, path
        many, below = _inside(key.kind, Many), _inside(key.kind, Table)
        listed = below is None or isinstance(at.get(name), list)  # [[device]] or [device]
        if many is not None and isinstance(many.kind, Table) and listed:
            index, text = _entry(many, at.get(name), name, text, path)
            path, table, inner = f"{path}[{index}]", many.kind, at[name][index]
            if not isinstance(inner, dict):
                raise Refused(path, f"a table expected, got {spell(inner)}")
            at = inner
            if not text:
                raise Refused(path, "a key of this entry expected behind it")
        elif below is not None and isinstance(at.setdefault(name, {}), dict):
            table, at = below, at[name]
        else:
            raise Refused(path, f"no keys below it, got {spell(text)}")


def indexed(document: dict[str, Any], text: str) -> str:
    """The key path of a typed key, `service[0].vip` of `service.web.vip`, or of as much of it as *document* has."""
    while text:
        try:
            return locate(document, text)[3]
        except Refused as refused:
            if refused.path.endswith("]"):
                return refused.path  # an entry of a list, as a whole
            text = text.rpartition(".")[0]
    return ""


def settings(table: Table = SCHEMA, prefix: str = "") -> Iterator[tuple[str, str]]:
    """What --set can begin with, and its sentence: `KEY=`, or `KEY=VALUE` for each of few values; not below lists."""
    for name, key in table.keys.items():
        kinds = key.kind.kinds if isinstance(key.kind, Either) else (key.kind,)
        if (inner := _inside(key.kind, Table)) is not None:
            yield from settings(inner, f"{prefix}{name}.")
            continue
        words = [word for kind in kinds for word in WORDS.get(type(kind), lambda kind: ())(kind)]
        yield from ((f"{prefix}{name}={word}", key.sentence) for word in words or [""])


WORDS: dict[type, Callable[[Any], Iterable[str]]] = {
    Choice: lambda kind: kind.names,
    Flag: lambda kind: ("true", "false"),
}


def value(kind: Kind, text: str, where: Where) -> object:
    """VALUE in TOML; plain words need no quotes (`ip`, `tcp|udp`, and `1.10` where a word is meant)."""
    import tomllib

    try:
        judge_numbers("VALUE", text)
        parsed = tomllib.loads(f"x = {text}")
    except tomllib.TOMLDecodeError:
        return text
    except ConfigError as error:
        raise Refused(where.path, str(error).rpartition(": ")[2]) from None
    except RecursionError:
        raise Refused(where.path, "nested too deep") from None
    if set(parsed) != {"x"}:
        return text
    try:
        check(kind, parsed["x"], where)
    except Refused:
        if not isinstance(parsed["x"], str) and _reads(kind, text, where):
            return text
    return parsed["x"]


def _reads(kind: Kind, text: str, where: Where) -> bool:
    try:
        check(kind, text, where)
    except Refused:
        return False
    return True


def at_equals(text: str, attempt: Callable[[str, str], T]) -> T:
    """*attempt* KEY and VALUE at each `=` from the left until one is not Refused: names of SNAT services hold some."""
    places = [at.start() for at in re.finditer("=", text)]
    if not places or not text[: places[0]].strip():
        raise Refused("", "KEY=VALUE expected")
    first: Refused | None = None
    for place in places:
        try:
            return attempt(text[:place].strip(), text[place + 1 :].strip())
        except Refused as refused:
            first = first or refused
    assert first is not None, "every attempt was refused"
    raise first


def assign(document: dict[str, Any], text: str, folder: str = ".") -> str:
    """Carry out one `KEY=VALUE` on the raw document; the key path that was set."""

    def carry_out(name: str, spelled: str) -> str:
        at, last, key, path = locate(document, name)
        profile = str(document.get("profile", "dpvs"))
        at[last] = value(key.kind, spelled, Where(path, folder, profile))
        return path

    return at_equals(text, carry_out)
