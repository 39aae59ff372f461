"""The settings of a card, worked out from what it recorded: key, hashed fields, table, rules.

With hashes the key follows (`toeplitz`), and what is hashed. Without, the queues alone are tried against the known keys
and every choice of fields. Of all that would explain the queues the shortest explanation counts, in bits: a table's
entries, rules, and each packet that contradicts (`table`, `rules`). A third of the flows is held back, to see whether
settings worked out from the others tell their queues, too.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import product
from math import log2
from typing import NamedTuple

import numpy as np

from lbreplay.arrays import I64, Bool
from lbreplay.burst import KIND_FRAGMENT, KIND_OTHER, KIND_TCP, KIND_UDP
from lbreplay.lab.audit import rules as port_rules
from lbreplay.lab.audit import table as redirection
from lbreplay.lab.audit.recorded import Rows
from lbreplay.lab.audit.rules import Rules
from lbreplay.lab.audit.table import Table
from lbreplay.lab.audit.toeplitz import Forms, Key, choices, hashes, present, solve_key
from lbreplay.lab.keys import named_keys
from lbreplay.nic.profiles import PAIR, PROFILES, TUPLE

HELD_BACK = 3  # one flow of so many
TRIED = 8192  # flows that keys and fields are tried on, where no hash is recorded
SIGNIFICANT = 20.0  # bits by which an explanation must be shorter than none


class Held(NamedTuple):
    """What became of the part held back: `right` of `frames`; `unseen`: nothing told of their entry or value."""

    frames: int = 0
    right: int = 0
    unseen: int = 0


class Settings(NamedTuple):
    """What was worked out. `key` None: none fits, or none could be told. `queues`: how many there are at least."""

    key: Key | None
    forms: Forms
    table: Table
    rules: Rules | None
    addresses: list[bytes]  # by number, as in rules
    queues: int
    cost: float
    held: Held = Held()
    names: tuple[str, ...] = ()

    @property
    def local_addresses(self) -> list[bytes]:
        """Those that have rules."""
        return [self.addresses[number] for number in self.rules.addresses] if self.rules else []

    def queue_of(self, columns: Columns) -> I64:
        """The queue of each packet; -1 where nothing tells."""
        queue = np.where(columns.hashed, self.table.look_up(columns.code), 0)
        if self.rules is None:
            return queue
        ruled = self.rules.look_up(numbered(columns.dest, self.addresses), columns.dport)
        return np.where(columns.ported & (ruled >= 0), ruled, queue)


class Columns(NamedTuple):
    """Packets of both widths with what decides over their queues. `code` means nothing where not `hashed`."""

    queue: I64
    code: I64
    hashed: Bool
    ported: Bool  # TCP and UDP: what rules are about
    dest: list[bytes]
    dport: I64
    frames: I64

    def some(self, which: Bool) -> Columns:
        places = np.flatnonzero(which).tolist()
        columns = {name: column[which] for name, column in self._asdict().items() if name != "dest"}
        return Columns(**columns, dest=[self.dest[place] for place in places])


def solve(parts: Sequence[Rows]) -> Settings | None:
    """The settings behind *parts*. None: nothing explains the queues better than chance does."""
    parts = [with_queue for rows in parts if len((with_queue := rows.some(rows.queue >= 0)).n)]
    if not parts:
        return None
    found = _solve(parts)
    if found is None:
        return None
    back = [held_back(rows) for rows in parts]
    rest = _solve([rows.some(~which) for rows, which in zip(parts, back, strict=True)])
    held = [rows.some(which) for rows, which in zip(parts, back, strict=True)]
    return found._replace(held=_judge(rest, held) if rest else Held())


def _solve(parts: Sequence[Rows]) -> Settings | None:
    if any((rows.hash >= 0).any() for rows in parts):
        key = solve_key(parts)
        return _explained(parts, key, _recorded_forms(parts, key), key.key if key else None)
    if all((rows.queue == parts[0].queue[0]).all() for rows in parts):
        queue = int(parts[0].queue[0])
        return _explained(parts, None, {}, None)._replace(table=Table((queue,), 1, 0, 0.0))
    return _by_queue_alone([_first(rows) for rows in parts], parts)


def _recorded_forms(parts: Sequence[Rows], key: Key | None) -> Forms:
    """What is hashed by kind: 0 where packets of the kind came and none has a hash."""
    forms = {kind: 0 for rows in parts for kind in present(rows)}
    known = key.forms if key else {kind: 0 for kind, _ in choices([rows.some(rows.hash >= 0) for rows in parts])}
    return forms | known


def _first(rows: Rows) -> Rows:
    return rows.some(np.arange(min(TRIED, len(rows.n))))


def _by_queue_alone(few: Sequence[Rows], parts: Sequence[Rows]) -> Settings | None:
    """The known key and the fields that make the shortest explanation, if it is much shorter than none."""
    tried = [
        (key, forms, _explained(few, None, forms, key)) for forms in possible_fields(parts) for key in named_keys()
    ]
    key, forms, best = min(tried, key=lambda one: one[2].cost)
    if best.cost > by_chance(few) - SIGNIFICANT:
        return None
    settings = _explained(parts, None, forms, key)
    return settings._replace(
        names=(named_keys()[key],), key=Key(key, (1 << 320) - 1, forms, [named_keys()[key]], 0.0, [])
    )


def possible_fields(parts: Sequence[Rows]) -> Iterator[Forms]:
    """What may be hashed of TCP and of UDP; other packets by their addresses, as long as anything is."""
    kinds = sorted({kind for rows in parts for kind in present(rows)})
    ported = [kind for kind in kinds if kind in (KIND_TCP, KIND_UDP)]
    for chosen in product((TUPLE, PAIR, 0), repeat=len(ported)):
        if any(chosen):
            other = PAIR if all(chosen) else 0
            rest = {kind: other for kind in kinds if kind in (KIND_OTHER, KIND_FRAGMENT)}
            yield {**rest, **dict(zip(ported, chosen, strict=True))}


def by_chance(parts: Sequence[Rows]) -> float:
    """Bits to write down every queue by itself."""
    queue = np.concatenate([rows.queue for rows in parts])
    share = np.bincount(queue) / len(queue)
    share = share[share > 0]
    return float(-(share * np.log2(share)).sum() * len(queue))


def columns_of(parts: Sequence[Rows], forms: Forms, key: bytes | None) -> Columns:
    """What decides over the queues of *parts*: recorded hashes, and where there are none those of *key*."""
    code = [codes_of(rows, forms, key) for rows in parts]
    kind = np.concatenate([rows.kind for rows in parts])
    numbers = np.concatenate(code)
    return Columns(
        np.concatenate([rows.queue for rows in parts]),
        np.maximum(numbers, 0),
        numbers >= 0,
        (kind == KIND_TCP) | (kind == KIND_UDP),
        [dest.tobytes() for rows in parts for dest in rows.dest],
        np.concatenate([rows.dport for rows in parts]),
        np.concatenate([rows.frames for rows in parts]),
    )


def codes_of(rows: Rows, forms: Forms, key: bytes | None) -> I64:
    """The hash of each row, -1: none."""
    code = rows.hash.copy()
    for kind in present(rows) if key else ():
        some = (rows.kind == kind) & (rows.hash < 0)
        if forms.get(kind) and some.any():
            code[some] = hashes(key or b"", rows.flow[some], forms[kind])
    return code


def numbered(dest: Iterable[bytes], addresses: Sequence[bytes]) -> I64:
    """The number of each address, -1 for one that is not among *addresses*."""
    number = {address: place for place, address in enumerate(addresses)}
    return np.array([number.get(address, -1) for address in dest], np.int64)


def _explained(parts: Sequence[Rows], solved: Key | None, forms: Forms, key: bytes | None) -> Settings:
    """The cheapest table and rules, given what is hashed."""
    columns = columns_of(parts, forms, key)
    addresses = list(dict.fromkeys(columns.dest))
    queues = int(columns.queue.max()) + 1
    plain = _with_rules(columns, None, addresses)
    best = Settings(
        solved, forms, plain[0], None, addresses, queues, plain[1], names=tuple(solved.names if solved else ())
    )
    found = _search(columns, addresses)
    if found is None:
        return best
    refined = _refined(columns, _refined(columns, found, addresses), addresses)
    refined = _refined(columns, _extended(columns, refined, addresses), addresses) if refined.queues else refined
    for rules in (found, refined, _without_idle(columns, refined, addresses)):
        table, cost = _with_rules(columns, rules, addresses)
        if rules.queues and cost < best.cost:
            best = best._replace(table=table, rules=rules, cost=cost)
    return _with_ranks(columns, best) if best.rules else best


def _with_ranks(columns: Columns, settings: Settings) -> Settings:
    """The same with rules for the ranks that too few packets told of, where all others send rank k to queue k."""
    rules, by_value = settings.rules, settings.rules.by_value if settings.rules else None
    if rules is None or not by_value or len(by_value) < 2 or any(value != queue for value, queue in by_value.items()):
        return settings
    among = columns.ported & np.isin(numbered(columns.dest, settings.addresses), rules.addresses)
    value = columns.dport & rules.mask
    ranks = [rank for rank in range(min(rules.mask + 1, settings.queues)) if rank not in by_value]
    sound = [rank for rank in ranks if (columns.queue[among & (value == rank)] == rank).all()]
    more = {(address, rank): rank for address in rules.addresses for rank in sound}
    rules = rules.with_queues(rules.queues | more)
    table, cost = _with_rules(columns, rules, settings.addresses)
    return settings._replace(table=table, rules=rules, cost=cost)


def _search(columns: Columns, addresses: Sequence[bytes]) -> Rules | None:
    """Rules for what is not simply in the default queue for want of a hash (S 1.4)."""
    open_ = columns.ported & (columns.hashed | (columns.queue != 0))
    some = columns.some(open_)
    return port_rules.search(numbered(some.dest, addresses), some.dport, some.queue)


def _with_rules(columns: Columns, rules: Rules | None, addresses: Sequence[bytes]) -> tuple[Table, float]:
    """The table behind what *rules* leave, and the bits of the whole explanation."""
    ruled = np.full(len(columns.queue), -1, np.int64)
    if rules is not None:
        ruled = np.where(columns.ported, rules.look_up(numbered(columns.dest, addresses), columns.dport), -1)
    by_table = columns.hashed & (ruled < 0)
    table = redirection.fit(columns.code[by_table], columns.queue[by_table])
    wrong = np.count_nonzero((ruled >= 0) & (ruled != columns.queue))
    wrong += np.count_nonzero((ruled < 0) & ~columns.hashed & (columns.queue != 0))
    each = log2(max(int(columns.queue.max()), 1)) + redirection.WRONG
    return table, table.cost + float(wrong) * each + (rules.cost if rules else 0.0)


def _refined(columns: Columns, rules: Rules, addresses: Sequence[bytes]) -> Rules:
    """*rules* for those values whose packets the table of the others would mostly send elsewhere."""
    number, _, told = _beside(columns, rules, addresses)
    among = columns.ported & np.isin(number, rules.addresses)
    value = columns.dport & rules.mask
    pooled = rules.by_value is not None
    queues: dict[tuple[int, int], int] = {}
    for address in [-1] if pooled else rules.addresses:
        mine = among & (pooled | (number == address))
        for each in np.unique(value[mine]).tolist():
            some = mine & (value == each)
            common = int(np.bincount(columns.queue[some]).argmax())
            if _worth(columns.queue[some], told[some], common):
                queues |= {(a, each): common for a in (rules.addresses if pooled else [address])}
    return rules.with_queues(queues)


def _extended(columns: Columns, rules: Rules, addresses: Sequence[bytes]) -> Rules:
    """*rules* also for other addresses whose packets they tell better than the table does."""
    by_value = rules.by_value
    if by_value is None:
        return rules
    number, _, told = _beside(columns, rules, addresses)
    expected = np.array([by_value.get(value, -1) for value in (columns.dport & rules.mask).tolist()], np.int64)
    more = dict(rules.queues)
    for address in sorted(set(number[columns.ported].tolist()) - set(rules.addresses)):
        some = columns.ported & (number == address) & (expected >= 0)
        table, ruled = (np.count_nonzero((way >= 0) & (way != columns.queue) & some) for way in (told, expected))
        if (table - ruled) * redirection.WRONG > port_rules.CLAIM:
            more |= {(address, value): queue for value, queue in by_value.items()}
    return rules.with_queues(more)


def _worth(queue: I64, told: I64, common: int) -> bool:
    """Whether a rule for *common* is a shorter way to say the *queue* of some packets than what the table *told*."""
    by_table = np.count_nonzero((told >= 0) & (told != queue)) * redirection.WRONG + np.count_nonzero(told < 0)
    return bool(by_table > np.count_nonzero(queue != common) * redirection.WRONG + port_rules.CLAIM)


def _beside(columns: Columns, rules: Rules, addresses: Sequence[bytes]) -> tuple[I64, I64, I64]:
    """Of each packet: number of the address, the queue by rule (-1: none), and that by the table of packets without."""
    number = numbered(columns.dest, addresses)
    ruled = np.where(columns.ported, rules.look_up(number, columns.dport), -1)
    by_table = columns.hashed & (ruled < 0)
    table = redirection.fit(columns.code[by_table], columns.queue[by_table])
    return number, ruled, np.where(columns.hashed, table.look_up(columns.code), 0)


def _without_idle(columns: Columns, rules: Rules, addresses: Sequence[bytes]) -> Rules:
    """*rules* without the addresses whose packets the table of the others sends the same way."""
    number, ruled, told = _beside(columns, rules, addresses)
    needed = np.unique(number[(ruled >= 0) & (told != columns.queue) & (ruled == columns.queue)]).tolist()
    return rules.with_queues({key: queue for key, queue in rules.queues.items() if key[0] in needed})


# --- the part held back -----------------------------------------------------------------------------------------


def held_back(rows: Rows) -> Bool:
    """One flow of three, by its ports and addresses."""
    weights = np.arange(1, 2 * rows.width, 2, dtype=np.int64)
    back: Bool = (rows.flow.astype(np.int64) @ weights >> 2) % HELD_BACK == 0
    return back


def _judge(settings: Settings, held: Sequence[Rows]) -> Held:
    """What *settings* say of packets they were not worked out from."""
    if not any(len(rows.n) for rows in held):
        return Held()
    blind = [rows._replace(hash=np.full(len(rows.n), -1)) for rows in held] if settings.key else held
    columns = columns_of(blind, settings.forms, settings.key.key if settings.key else None)
    queue = settings.queue_of(columns)
    told = queue >= 0
    count = [int(columns.frames[which].sum()) for which in (told, told & (queue == columns.queue), ~told)]
    return Held(*count)


def driver_and_rss(forms: Forms, names: Iterable[str]) -> tuple[str, frozenset[str]] | None:
    """A driver, of *names* if one of them fits, and the RSS types under which it hashes *forms*."""
    preferred = [name.strip() for joined in names for name in joined.split(",")]
    drivers = sorted(PROFILES, key=lambda name: (name not in preferred, list(PROFILES).index(name)))
    every = ("ip", "tcp", "udp", "sctp")
    kinds = [
        frozenset(name for name, on in zip(every, switch, strict=True) if on) for switch in product((1, 0), repeat=4)
    ]
    kinds.sort(key=lambda types: ("sctp" in types, -len(types)))
    for driver, types in product(drivers, kinds):
        if all(hashed_form(driver, kind, types) == form for kind, form in forms.items() if kind):
            return driver, types
    return None


def hashed_form(driver: str, kind: int, types: frozenset[str]) -> int:
    """What *driver* hashes of a *kind* of packet with *types* switched on."""
    return next((form for name, form in PROFILES[driver].inputs.get(kind, ()) if name in types), 0)
