"""`[[event]]` -> model.Event: changes in the middle of a replay, named and valued by the rules of the configuration.

What an event may set are the keys marked `live` in the schema. A service or real server that an earlier event added
may be named by a later one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from lbreplay.config import keypath
from lbreplay.config.kinds import Gathered, Refused, Table, Where, check, nearest
from lbreplay.config.schema import IPVS, REAL, SERVICE
from lbreplay.model import Event, Persistence, RealServer, Service

_ACTIONS = ("set", "remove", "add", "zero")
Make = Callable[[dict[str, Any], Where], Service]  # of a judged `[[service]]`


class Known(NamedTuple):
    """A service as it began, and the real servers that it has by now."""

    service: Service
    reals: set[str]


def events(given: list[dict[str, Any]], services: tuple[Service, ...], where: Where, make: Make) -> tuple[Event, ...]:
    """The events in order of time; *given* are judged tables, *services* those of the beginning, *make* makes more."""
    known = {s.name: Known(s, {str(real) for real in s.reals}) for s in services}
    found, every = [], Gathered()
    order = sorted(range(len(given)), key=lambda n: int(given[n]["at"]))
    for n in order:
        with every:
            found.append(_event(given[n], known, where.key("event").item(n), make))
        if every.refused and "add" in given[n]:
            break  # later events may name what this one was to add
    every.end()
    return tuple(found)


def _event(given: dict[str, Any], known: dict[str, Known], where: Where, make: Make) -> Event:
    actions = [name for name in _ACTIONS if name in given]
    if len(actions) != 1:
        raise Refused(where.path, f"one of {', '.join(_ACTIONS)} expected, got {' and '.join(actions) or 'none'}")
    action = actions[0]
    text = str(given[action])
    for key, belongs in (("value", action == "add" and text != "service"), ("service", text == "service")):
        if (key in given) != belongs:
            raise Refused(where.key(key).path, f"a {key} belongs to add, and to nothing else")
    if text == "service":
        path, value = _add_service(given["service"], known, where.key("service"), make)
    else:
        read = {"set": _set, "remove": _remove, "add": _add, "zero": _zero}[action]
        path, value = read(text, given, known, where.key(action))
    return Event(given["at"], action, path, value, text)


def _service(text: str, known: dict[str, Known], where: Where) -> tuple[str, str]:
    """`service.NAME...` -> (NAME, rest)."""
    rest = text.removeprefix("service.")
    found = keypath.longest(rest, known)
    if rest == text or found is None:
        raise Refused(where.path, f"service.NAME expected, got {text}{nearest(rest, known)}")
    return found


def _real(text: str, known: set[str], where: Where) -> tuple[str, str]:
    """`real.ADDRESS...` -> (ADDRESS, rest)."""
    rest = text.removeprefix("real.")
    candidates = {rest: rest, rest.rpartition(".")[0]: rest.rpartition(".")[0]}
    for candidate in candidates:
        if (address := keypath.canonical(candidate)) in known:
            return address, rest[len(candidate) + 1 :]
    raise Refused(where.path, f"a real server of the service expected, got {rest}{nearest(rest, sorted(known))}")


def _live(table: Table, name: str, spelled: str, where: Where) -> Any:
    """Judge `NAME=VALUE` by the key NAME of *table*."""
    if name not in table.keys or not table.keys[name].changes(where.profile):
        live = [known for known, key in table.keys.items() if key.changes(where.profile)]
        raise Refused(where.path, f"an event may set {', '.join(live)}, not {name}{nearest(name, live)}")
    kind = table.keys[name].kind
    return check(kind, keypath.value(kind, spelled, where), where)


def _laddrs(service: Service, given: list[bytes], where: Where) -> tuple[bytes, ...]:
    """Other local addresses of a full-NAT service, each once, of the families there are."""
    families = {len(laddr) for laddr in service.laddr}
    if service.mode != "fnat":
        raise Refused(where.path, f'local addresses only with mode = "fnat", got {service.mode}')
    if len(set(given)) < len(given) or not {len(laddr) for laddr in given} <= families:
        raise Refused(where.path, "addresses of the families that the service has, each once, expected")
    return tuple(given)


def _set(text: str, given: dict[str, Any], known: dict[str, Known], where: Where) -> tuple[tuple[str, ...], Any]:
    def change(key: str, spelled: str) -> tuple[tuple[str, ...], Any]:
        if key.startswith("ipvs."):
            return ("ipvs", *key[5:].split(".")), _sysctl(key[5:], spelled, where)
        name, rest = _service(key, known, where)
        if rest == "laddr":
            return ("service", name, rest), _laddrs(known[name].service, _live(SERVICE, rest, spelled, where), where)
        if not rest.startswith("real."):
            value = _live(SERVICE, rest, spelled, where)
            return ("service", name, rest), persistence(value) if rest == "persistent" else value
        address, last = _real(rest, known[name].reals, where)
        return ("service", name, "real", address, last), _live(REAL, last, spelled, where)

    if "=" not in text:
        raise Refused(where.path, f"KEY=VALUE expected, got {text}")
    return keypath.at_equals(text, change)


def _sysctl(name: str, spelled: str, where: Where) -> Any:
    if where.profile != "ipvs":
        raise Refused(where.path, 'ipvs keys only under profile = "ipvs"')
    if name.startswith("timeout."):
        kind = IPVS.keys["timeout"].kind
        assert isinstance(kind, Table), "the schema says so"
        return _live(kind, name.removeprefix("timeout."), spelled, where)
    return _live(IPVS, name, spelled, where)


def _remove(text: str, given: dict[str, Any], known: dict[str, Known], where: Where) -> tuple[tuple[str, ...], Any]:
    name, rest = _service(text, known, where)
    if not rest:
        known.pop(name)
        return ("service", name), None
    address, more = _real(rest, known[name].reals, where)
    if more:
        raise Refused(where.path, f"service.NAME.real.ADDRESS or service.NAME expected, got {text}")
    known[name].reals.remove(address)
    return ("service", name, "real", address), None


def _add(text: str, given: dict[str, Any], known: dict[str, Known], where: Where) -> tuple[tuple[str, ...], Any]:
    name, rest = _service(text, known, where)
    if rest != "real":
        raise Refused(where.path, f"service.NAME.real expected, got {text}")
    real = real_server(given["value"])
    if str(real) in known[name].reals:
        raise Refused(where.path, f"{real} is a real server of {name} already")
    known[name].reals.add(str(real))
    return ("service", name, "real"), real


def _add_service(
    given: dict[str, Any], known: dict[str, Known], where: Where, make: Make
) -> tuple[tuple[str, ...], Service]:
    service = make(given, where)
    if service.name in known:
        raise Refused(where.path, f"a name of its own expected, got {service.name}")
    known[service.name] = Known(service, {str(real) for real in service.reals})
    return ("service", service.name), service


def _zero(text: str, given: dict[str, Any], known: dict[str, Known], where: Where) -> tuple[tuple[str, ...], Any]:
    if text == "all":
        return (), None
    name, rest = _service(text, known, where)
    if rest:
        raise Refused(where.path, f"service.NAME or all expected, got {text}")
    return ("service", name), None


def persistence(given: dict[str, Any] | bool | None) -> Persistence | None:
    """A judged `persistent` -> Persistence, None: off."""
    return Persistence(**(given if isinstance(given, dict) else {})) if given not in (None, False) else None


def real_server(given: dict[str, Any]) -> RealServer:
    """A judged `[[service.real]]` -> RealServer."""
    rest = {name: value for name, value in given.items() if name != "address"}
    return RealServer(given["address"], **rest)
