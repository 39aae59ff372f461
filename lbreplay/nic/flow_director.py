"""The NIC's rules for local addresses (S 2.2, S 2.4, S 2.5).

A rule reads "destination is this local address, this protocol, (destination port & mask) == value: that queue". Rules
are tried in order, the first match wins. A strategy makes them, `install` leaves out what a driver would refuse, and
`Matcher` finds the rule of a packet, as loop/steer does that of a row: the rules of one address and protocol stand
together, so their number is a start plus what a table of 65,536 ports says; addresses with the same masks and values
share the table.
"""

from __future__ import annotations

import ipaddress
from array import array
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import NamedTuple

from lbreplay import memory
from lbreplay.loop.steer import Rules
from lbreplay.model import Setup, Worker
from lbreplay.nic.profiles import ANY_MASK, NO_RULES, PROFILES, Profile

TCP, UDP = 6, 17
PORTS = 1 << 16
PROTOCOLS = (TCP, UDP)  # none for SCTP (S 2.3)
NEEDLESS_ALONE = ("no-rules", "port-mask", "one-mask")  # a single worker gets everything anyway
PICKS = 15  # S 1.7: the counter behind a rule's queue wraps to 0 after 14
SLAVES_WITH_ALL_RULES, SLAVES_WITH_TCP_RULES = 2, 4  # S 2.5: four handles a pool, TCP first


class Rule(NamedTuple):
    """Of one local address, worker and protocol. `value` is masked; `str()` gives `192.168.100.200 & 0x3 == 2`."""

    laddr: bytes
    proto: int
    value: int
    mask: int
    queue: int
    rank: int

    def __str__(self) -> str:
        return f"{ipaddress.ip_address(self.laddr)} & {self.mask:#x} == {self.value}"

    def matches(self, dst: bytes, proto: int, dport: int) -> bool:
        """Whether an unfragmented packet meets it."""
        return dst == self.laddr and proto == self.proto and dport & self.mask == self.value


class Refusal(NamedTuple):
    """A rule that the driver would not install: `code` is a name for the reason, `why` a half sentence."""

    rule: Rule
    code: str
    why: str


class Imagined(NamedTuple):
    """Rules that a replay takes as installed though the driver would refuse them; `str()` says so in a sentence."""

    refused: int
    wanted: int
    driver: str
    why: str

    def __str__(self) -> str:
        taken = f"{self.refused} of {self.wanted} rules are taken as installed that {self.driver} would refuse"
        return f"{taken} ({self.why}): device.enforce = true replays the NIC as it is, lbreplay doctor names cures"


def used_mask(setup: Setup, right: int) -> int:
    """The port mask as the NIC compares it: configured, else *right*; read by a host's byte order it is swapped."""
    configured = setup.flow_director.dst_port_mask
    mask = right if configured is None else configured
    return mask if setup.flow_director.byte_order == "network" else (mask & 0xFF) << 8 | mask >> 8


def queue_of(worker: Worker, nth: int) -> int:
    """The queue that *worker* names in the rules of its *nth* local address (S 1.7)."""
    return worker.queues[(nth + 1) % PICKS % len(worker.queues)] if worker.queues else 0


def install(setup: Setup, rules: Iterable[Rule]) -> tuple[list[Rule], list[Refusal]]:
    """What a port holds of *rules*: all of them, or with `device.enforce` what its driver takes."""
    if not setup.flow_director.enabled:
        return [], []
    if not setup.device.enforce:
        return list(rules), []
    return holdable(setup, rules)


def imagined(setup: Setup, rules: Sequence[Rule]) -> Imagined | None:
    """What is too good to be true of *rules* as `install` leaves them, None: nothing."""
    if setup.device.enforce or not setup.flow_director.enabled:
        return None
    refused = [refusal for refusal in holdable(setup, rules)[1] if matters(setup, refusal.code)]
    return Imagined(len(refused), len(rules), setup.device.driver, refused[0].why) if refused else None


def matters(setup: Setup, code: str) -> bool:
    """Whether a refusal for the reason *code* changes where anything goes."""
    return len(setup.forwarding_workers) > 1 or code not in NEEDLESS_ALONE


def holdable(setup: Setup, rules: Iterable[Rule]) -> tuple[list[Rule], list[Refusal]]:
    """(held, refused) by the driver, whatever `device.enforce` says."""
    profile = PROFILES[setup.device.driver]
    held: list[Rule] = []
    refused: list[Refusal] = []
    keys: set[tuple[bytes, int, int]] = set()
    for rule in rules:
        key = (rule.laddr, rule.proto, rule.value)
        if reason := _refusal(setup, profile, rule, held, key in keys):
            refused.append(Refusal(rule, *reason))
        else:
            held.append(rule)
            keys.add(key)
    return held, refused


def _refusal(setup: Setup, profile: Profile, rule: Rule, held: Sequence[Rule], taken: bool) -> tuple[str, str] | None:
    """(code, why) *rule* is refused beside those *held* already; None: it is not."""
    if profile.port_masks == NO_RULES:
        return "no-rules", f"{profile.name} {profile.why}"
    if profile.port_masks != ANY_MASK and rule.mask not in (0, 0xFFFF):
        return "port-mask", f"{profile.name} {profile.why}"
    if len(rule.laddr) == 16 and not profile.ipv6_rules:
        return "ipv6", f"{profile.name} holds IPv6 rules in signature mode only"
    if profile.one_mask and held and rule.mask != held[0].mask:
        return "one-mask", f"{profile.name} has one mask for the port, {held[0].mask:#x}"
    if profile.unique and taken:
        return "conflict", "conflicts with the rule of a lower rank"
    if profile.max_rules and len(held) >= profile.max_rules:
        return "count", f"{profile.name} holds {profile.max_rules} rules"
    return None if setup.behaviour.legacy_fdir else _bond_refusal(setup.device.slaves, rule)


def _bond_refusal(slaves: int, rule: Rule) -> tuple[str, str] | None:
    """S 2.5: each protocol takes a handle a slave out of four. The old API had no such limit (S 2.4)."""
    if slaves > SLAVES_WITH_TCP_RULES or (slaves > SLAVES_WITH_ALL_RULES and rule.proto != TCP):
        return "bond", f"four handles do not cover {slaves} slaves of a bond"
    return None


class Matcher:
    """Finds the rule of a packet. Rules of one (address, protocol) must be neighbours in *rules*. `four` and `six` have
    them for the loop."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        groups = _Group(rules, 4), _Group(rules, 16)
        self.four, self.six = (group.columns() for group in groups)
        self._groups = dict(zip((4, 16), groups, strict=True))

    def find(self, dst: bytes, proto: int, dport: int) -> int:
        """The index of the rule that a packet meets, -1: none."""
        return self._groups[len(dst)].find(dst, proto, dport)


class _Group:
    """The rules of one address family."""

    def __init__(self, rules: Sequence[Rule], width: int) -> None:
        self._span: dict[bytes, tuple[int, int]] = {}  # address + protocol -> first rule, number of its port table
        shared: dict[tuple[tuple[int, int], ...], int] = {}
        for first, block in _blocks(rules, width):
            pattern = tuple((rule.mask, rule.value) for rule in block)
            table = shared.setdefault(pattern, len(shared))
            self._span[b"%b%c" % (block[0].laddr, block[0].proto)] = first, table
        self._addresses = sorted({key[:-1] for key in self._span})
        self._tables = [port_table(pattern) for pattern in shared]

    def columns(self) -> Rules:
        """The spans as columns, by number of the address and by protocol; tables by port as it is read."""
        size = len(self._addresses) * len(PROTOCOLS)
        first, table = memory.zeros("i", size), memory.full("i", size, -1)
        for key, span in self._span.items():
            at = self._addresses.index(key[:-1]) * len(PROTOCOLS) + PROTOCOLS.index(key[-1])
            first[at], table[at] = span
        halves = [[int.from_bytes(address[at : at + 8], "little") for address in self._addresses] for at in (0, 8)]
        places = b"".join(ports[low::256].tobytes() for ports in self._tables for low in range(256))
        return Rules(
            [memory.listed("Q", half) for half in halves],
            *_by_tail(self._addresses),
            first,
            table,
            memory.listed("i", array("i", places)),
        )

    def find(self, dst: bytes, proto: int, dport: int) -> int:
        """See `Matcher.find`."""
        span = self._span.get(b"%b%c" % (dst, proto))
        if span is None or (place := self._tables[span[1]][dport]) < 0:
            return -1
        return span[0] + place


def _by_tail(addresses: Sequence[bytes]) -> tuple[memoryview, memoryview]:
    """Of each address the number of the next with the same last two bytes, and of those the first one's; or -1."""
    following, tails = memory.full("i", len(addresses), -1), memory.full("h", PORTS if addresses else 0, -1)
    for number, address in enumerate(addresses):
        tail = int.from_bytes(address[-2:], "little")
        following[number], tails[tail] = tails[tail], number
    return following, tails


def _blocks(rules: Sequence[Rule], width: int) -> Iterator[tuple[int, list[Rule]]]:
    """(index of the first, rules) of each address and protocol of a family."""
    first = 0
    for (laddr, _), group in groupby(rules, lambda rule: (rule.laddr, rule.proto)):
        block = list(group)
        if len(laddr) == width:
            yield first, block
        first += len(block)


def port_table(pattern: Sequence[tuple[int, int]]) -> array[int]:
    """For every port the place of the first (mask, value) that it meets, -1: none. Ports of many a first byte meet the
    same with their second one."""
    table = array("i")
    seconds: dict[tuple[int, ...], array[int]] = {}
    for first in range(0, PORTS, 256):
        met = tuple(at for at, (mask, value) in enumerate(pattern) if first & mask == value & 0xFF00)
        if met not in seconds:
            seconds[met] = array("i", [_met(pattern, met, second) for second in range(256)])
        table += seconds[met]
    return table


def _met(pattern: Sequence[tuple[int, int]], places: Sequence[int], second: int) -> int:
    """The first of these places that a port with this second byte meets, -1: none."""
    return next((at for at in places if second & pattern[at][0] == pattern[at][1] & 0xFF), -1)
