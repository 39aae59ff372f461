"""Settings that were worked out, as the TOML that `run -c` takes: [device] and [flow_director], and the workers.

Where the records leave something open the TOML says what was put there, and that it is a choice.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Sequence

from lbreplay.config.found import inline
from lbreplay.lab.audit.rules import Rules
from lbreplay.lab.audit.solve import Settings, driver_and_rss
from lbreplay.lab.audit.table import USUAL, Table, usual
from lbreplay.lab.keys import named_keys
from lbreplay.nic.profiles import PROFILES
from lbreplay.nic.rss import KINDS
from lbreplay.phrases import plural

FORMS = {0: "none", 1: "2tuple", 2: "4tuple"}
TCP, UDP = KINDS[3], KINDS[4]
NAMES = {3: "tcp", 4: "udp", 5: "sctp"}


def hashed(settings: Settings) -> str:
    """`4tuple`, `2tuple`, `tcp-only`, `udp-only`, or class by class: `tcp 4tuple, udp 2tuple`."""
    forms = {NAMES[kind]: FORMS[form] for kind, form in sorted(settings.forms.items()) if kind in NAMES}
    if not forms:
        return "not told"
    if not any(settings.forms.values()):
        return "none"
    different = set(forms.values())
    if len(different) == 1:
        return different.pop()
    hashed = {name: form for name, form in forms.items() if form != "none"}
    if list(hashed.values()) == ["4tuple"]:
        return f"{next(iter(hashed))}-only"
    return ", ".join(f"{name} {form}" for name, form in forms.items())


def driver(settings: Settings) -> str:
    """The driver that hashes so, the key's own if it does."""
    found = driver_and_rss(settings.forms, settings.names)
    return found[0] if found else "ixgbe"


def table(settings: Settings) -> Table:
    """The table in the size that is usual for the driver, where the records leave the size open."""
    known = any(driver(settings) in joined.split(", ") for joined in settings.names)
    return usual(settings.table, PROFILES[driver(settings)].reta_size if known else USUAL)


def full_key(settings: Settings) -> bytes | None:
    """The key to configure: the known one that fits, else the solved one with 0 in bits that are not determined."""
    if settings.key is None:
        return None
    return next((key for key, name in named_keys().items() if name in settings.key.names), settings.key.key)


def toml(settings: Settings, frames: int) -> str:
    """The configuration of *settings*, worked out from *frames* frames."""
    lines = [f"# Worked out by lbreplay audit from {plural(frames, 'frame')}."]
    lines += [*_workers(settings), "", "[device]", *_device(settings), "", "[flow_director]", *_rules(settings)]
    return "\n".join(lines) + "\n"


def workers(settings: Settings) -> int:
    """How many workers there are at least: one a queue."""
    return settings.queues


def _workers(settings: Settings) -> Iterator[str]:
    queues = _ranked(settings)
    if queues == list(range(len(queues))):
        yield f"workers = {len(queues)}"
    else:
        listed = ", ".join(f"{{ cpu_id = {n + 1}, queues = [{queue}] }}" for n, queue in enumerate(queues))
        yield f"workers = [{listed}]"


def _ranked(settings: Settings) -> list[int]:
    """The queue of each rank: rules give ranks their queues by value, where they do so one to one."""
    queues, by_value = list(range(settings.queues)), settings.rules.by_value if settings.rules else None
    told = sorted((by_value or {}).items())
    if not told or any(value >= settings.queues for value, _ in told) or len({queue for _, queue in told}) < len(told):
        return queues
    rest = iter(sorted(set(queues) - {queue for _, queue in told}))
    return [(by_value or {}).get(rank, -1) if rank in (by_value or {}) else next(rest) for rank in queues]


def _device(settings: Settings) -> Iterator[str]:
    name, found = driver(settings), driver_and_rss(settings.forms, settings.names)
    named = any(name in joined.split(", ") for joined in settings.names)
    yield f'driver = "{name}"' + ("" if named else "  # a choice: records do not name it")
    if found is None:
        yield f"# no driver that is modelled hashes so: {hashed(settings)}"
    else:
        yield f'rss = "{_types(found[1])}"'
    yield from _key(settings, named)
    yield from _reta(table(settings), settings)
    if settings.rules is not None:
        listed = ", ".join(f'"{ipaddress.ip_address(address)}"' for address in settings.local_addresses)
        yield f"sapool_address = [{listed}]  # the rules are for these; a service's laddr in its place does the same"


def _types(types: frozenset[str]) -> str:
    if types == {"ip", "tcp", "udp"}:
        return "all"
    return "|".join(sorted(types)) or "off"


def _key(settings: Settings, named: bool) -> Iterator[str]:
    key = full_key(settings)
    if key is None:
        yield "# the RSS key: the records do not tell it"
    elif not named or PROFILES[driver(settings)].key != key:
        known = settings.key is not None and bool(settings.key.names)
        yield f'rss_key = "{key.hex()}"' + ("" if known else "  # 0 where the traffic does not determine a bit")


def _reta(found: Table, settings: Settings) -> Iterator[str]:
    yield f"reta_size = {found.size}" + (_open_size(settings.table) if found.size != settings.table.size else "")
    in_turn = [n % settings.queues for n in range(found.size)]
    if found.period < found.size or len(settings.table.queues) < found.size:
        turn = [max(queue, 0) for queue in found.queues[: found.period]]
        if turn != list(range(settings.queues)) or _ranked(settings) != turn:
            yield f"reta = {inline(turn)}"
        return
    unseen = sum(queue < 0 for queue in found.queues)
    yield f"reta = {inline([q if q >= 0 else in_turn[n] for n, q in enumerate(found.queues)])}"
    if unseen:
        yield f"# {plural(unseen, 'entry')} of it nobody saw: queues in turn".replace("entrys", "entries")


def _open_size(small: Table) -> str:
    return f"  # the usual: any size from {small.size} that repeats these queues is the same"


def _rules(settings: Settings) -> Iterator[str]:
    rules = settings.rules
    if rules is None:
        yield "enabled = false  # no packet went by a rule"
        return
    strategy = _strategy(rules, settings)
    if strategy is None:
        yield "# no strategy that is modelled makes these rules: " + told(rules, settings)
        yield "enabled = false"
        return
    yield f"dst_port_mask = {rules.mask:#x}"
    if strategy != "port-low":
        yield f'strategy = "{strategy}"'


def _strategy(rules: Rules, settings: Settings) -> str | None:
    """Which choice of local ports makes these rules."""
    by_value, ranks = rules.by_value, _ranked(settings)
    if by_value is None:
        return "laddr" if rules.mask == 0 and _in_turn(rules, settings.queues) else None
    width = 16 - max(settings.queues - 1, 0).bit_length()
    for strategy, shift in (("port-low", 0), ("port-high", width)):
        made: dict[int, int] = {}
        for rank, queue in enumerate(ranks):
            made.setdefault(rank << shift & rules.mask, queue)
        if all(made.get(value) == queue for value, queue in by_value.items()):
            return strategy
    return None


def _in_turn(rules: Rules, queues: int) -> bool:
    """Whether each address goes to the next queue."""
    return [rules.queues[address, 0] for address in rules.addresses] == [
        n % queues for n in range(len(rules.addresses))
    ]


def told(rules: Rules, settings: Settings) -> str:
    """`port & 0x3: 0 to queue 0, 1 to queue 1`."""
    by_value: Sequence[tuple[object, int]] = sorted((rules.by_value or {}).items())
    if rules.by_value is None:
        by_value = [
            (f"{ipaddress.ip_address(settings.addresses[address])} {value}", queue)
            for (address, value), queue in sorted(rules.queues.items())
        ]
    return f"port & {rules.mask:#x}: " + ", ".join(f"{value} to queue {queue}" for value, queue in by_value)
