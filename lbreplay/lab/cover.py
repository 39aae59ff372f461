"""What a suite of golden cases exercises of its configurations, and what it does not.

A case is replayed with its trace, and what the trace tells of is exercised: verdicts, rules and table entries, workers,
services and real servers, schedulers, local addresses, entries of lists, timeouts and transitions of states. `PARTS` is
the table. What a configuration has besides is missing; verdicts that it cannot reach have their reason and are not.

Settings are measured by changing them (`lab/depends.py`).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

from lbreplay.config.load import load
from lbreplay.edge.scratch import scratch
from lbreplay.errors import ConfigError
from lbreplay.journey import nic, replay
from lbreplay.lab.case import Case, packed
from lbreplay.lab.fields import Frame, frames
from lbreplay.lab.gen import scripts
from lbreplay.lab.gen.clients import is_listed
from lbreplay.lab.gen.connections import lifetimes
from lbreplay.lab.gen.reach import unreachable
from lbreplay.lab.gen.scene import reachable
from lbreplay.lvs.protocols import protocols
from lbreplay.model import AccessList, Network, Service, Setup
from lbreplay.verdict import NAMES
from lbreplay.wire.packet import Packet

JITTER_NS = 1_000_000_000  # a timeout of DPVS lasts up to a second more (D 2.5)


class Told(NamedTuple):
    """One case replayed: its setup, the lines of its trace by frame, its frames, the time of the last one."""

    name: str
    setup: Setup
    lines: list[dict[str, Any]]
    frames: list[Frame]

    @property
    def services(self) -> dict[str, Service]:
        return {service.name: service for service in self.setup.services}


class Part(NamedTuple):
    """`has` is what a configuration has of it, `met` what a case exercises."""

    name: str
    has: Callable[[Setup], Iterable[str]]
    met: Callable[[Told], Iterable[str]]


@dataclass
class Covered:
    """A configuration and the cases that use it. `met` by part."""

    setup: Setup
    views: set[str] = field(default_factory=set)
    cases: list[str] = field(default_factory=list)
    met: dict[str, set[str]] = field(default_factory=dict)

    def add(self, told: Told) -> None:
        self.cases.append(told.name)
        self.views.add(told.setup.view)
        for part in PARTS:
            self.met.setdefault(part.name, set()).update(part.met(told))

    @cached_property
    def reasons(self) -> dict[str, str]:
        """Verdicts that no view of the cases reaches, with the reason of the first."""
        found = [unreachable(self.setup._replace(view=view), view) for view in sorted(self.views)]
        return {name: reason for name, reason in found[0].items() if all(name in other for other in found)}

    def document(self) -> dict[str, Any]:
        parts = [self._part(part) for part in PARTS]
        return {"cases": self.cases, "parts": [part for part in parts if part["of"]]}

    def _part(self, part: Part) -> dict[str, Any]:
        """What is exercised of it, and what is missing, in the configuration's order."""
        has, met = list(dict.fromkeys(part.has(self.setup))), self.met.get(part.name, set())
        if part.name == "verdicts":
            has = [name for name in has if name in met or name not in self.reasons]
        return {
            "part": part.name,
            "of": len(has),
            "exercised": [one for one in has if one in met],
            "missing": [one for one in has if one not in met],
            **({"unreachable": self.reasons} if part.name == "verdicts" else {}),
        }

    def covers(self, told: Told) -> bool:
        """Whether *told* exercises nothing that is not exercised already."""
        return all(self._counted(part, told) <= self.met.get(part.name, set()) for part in PARTS)

    def takes(self, told: Told) -> bool:
        """Whether *told* exercises something more; if so it counts from now on."""
        new = not self.covers(told)
        if new:
            self.add(told)
        return new

    def _counted(self, part: Part, told: Told) -> set[str]:
        return set(part.met(told)) & set(part.has(self.setup))


# --- what there is, and what a trace tells of it ---------------------------------------------------------------


def _by(name: str) -> Callable[[Told], Iterator[str]]:
    """What every line says under *name*."""
    return lambda told: (str(line[name]) for line in told.lines if line.get(name) is not None)


def _rules(setup: Setup) -> Iterator[str]:
    return (str(rule) for rule in nic(setup).rules) if setup.profile == "dpvs" else iter(())


def _rules_met(told: Told) -> Iterator[str]:
    return (line["steer"]["rule"] for line in told.lines if (line.get("steer") or {}).get("by") == "flow_director")


def _entries(setup: Setup) -> Iterator[str]:
    spread = setup.profile == "dpvs" and len(setup.workers) > 1 and bool(setup.device.rss)
    sizes = [card.reta_size for device in setup.devices for card in device.cards]
    return map(str, range(max(sizes))) if spread else iter(())


def _entries_met(told: Told) -> Iterator[str]:
    return (str(line["steer"]["reta"]) for line in told.lines if (line.get("steer") or {}).get("by") == "rss")


def _reals(setup: Setup) -> Iterator[str]:
    return (f"{s.name} {real}" for s in setup.services for real in s.reals if real.weight)


def _reals_met(told: Told) -> Iterator[str]:
    return (f"{line['service']} {line['real']}" for line in told.lines if line.get("real") and line.get("service"))


def _schedulers_met(told: Told) -> Iterator[str]:
    """A scheduler is exercised by a service of which it picked every real server that has a weight, in one case."""
    picked = set(_reals_met(told))
    for service in told.setup.services:
        wanted = {f"{service.name} {real}" for real in service.reals if real.weight}
        if wanted and wanted <= picked:
            yield service.scheduler


def _laddrs(setup: Setup) -> Iterator[str]:
    import ipaddress

    return (str(ipaddress.ip_address(a)) for a in setup.local_addresses) if setup.profile == "dpvs" else iter(())


def _laddrs_met(told: Told) -> Iterator[str]:
    return (str(line["laddr"]).rpartition(":")[0].strip("[]") for line in told.lines if line.get("laddr"))


def _lists(setup: Setup) -> Iterator[str]:
    for service in setup.services:
        for kind, given in (("blacklist", service.blacklist), ("whitelist", service.whitelist)):
            subjects = list(_subjects(given))
            yield from (f"{service.name} {kind} {subject}" for subject in subjects)
            if subjects:
                yield f"{service.name} {kind}: nobody on it"


def _subjects(given: AccessList) -> Iterator[Network]:
    yield from (Network(address, 8 * len(address)) for address in sorted(given.addresses))
    yield from (network for group in given.sets for network in group)


def _lists_met(told: Told) -> Iterator[str]:
    """Of each first packet of a client to a service: which entries its source is of, or none."""
    listing = [s for s in told.setup.services if any(s.blacklist) or any(s.whitelist)]
    virtual = {(s.protocol, *s.vip): s for s in listing if s.vip is not None}
    for frame in told.frames if virtual else ():
        packet = Packet(frame.data, frame.length)
        service = virtual.get((packet.proto, packet.dst, packet.dport))
        for kind in ("blacklist", "whitelist") if service is not None else ():
            given = getattr(service, kind)
            if not is_listed(given, packet.src):
                yield f"{service.name} {kind}: nobody on it"  # type: ignore[union-attr]
            for subject in _subjects(given):
                if packet.src in subject:
                    yield f"{service.name} {kind} {subject}"  # type: ignore[union-attr]


def _transitions(setup: Setup) -> Iterator[str]:
    """Every change of state that either side can bring about, of the protocols that services have (profile dpvs)."""
    for service in reachable(setup) if setup.profile == "dpvs" else ():
        protocol = protocols(setup.behaviour)[service.protocol]
        answers = service.mode not in ("dr", "tunnel")
        columns = protocol.sides(service.mode)
        for walk in scripts.walks(protocol, service.mode, answers):
            for _, _, new in scripts.steps(protocol, columns, answers, walk.state):
                if new != walk.state:
                    yield f"{protocol.name} {_spelled(protocol.states[walk.state])} to {_spelled(protocol.states[new])}"


def _spelled(state: str) -> str:
    return state.upper()


def _transitions_met(told: Told) -> Iterator[str]:
    for line in told.lines:
        before, after = line.get("state") or (None, None)
        service = told.services.get(line.get("service") or "")
        if service is not None and before and after and before != after:
            yield f"{_protocol(told.setup, service)} {before} to {after}"


def _protocol(setup: Setup, service: Service) -> str:
    known = protocols(setup.behaviour).get(service.protocol)
    return known.name if known is not None else str(service.protocol)


def _timeouts(setup: Setup) -> Iterator[str]:
    """The states that a connection of some service can rest in."""
    for service in reachable(setup) if setup.profile == "dpvs" else ():
        protocol = protocols(setup.behaviour)[service.protocol]
        for walk in scripts.walks(protocol, service.mode, service.mode not in ("dr", "tunnel")):
            yield f"{protocol.name} {_spelled(protocol.states[walk.state])}"


def _timeouts_met(told: Told) -> Iterator[str]:
    """States in which a connection was left alone for longer than its timeout."""
    rest: dict[int, tuple[str, Service, int]] = {}
    for line in told.lines:
        service = told.services.get(line.get("service") or "")
        if line.get("conn") is not None and line.get("state") and service is not None and line["state"][1]:
            rest[line["conn"]] = line["state"][1], service, line["t_ns"]
    end = told.frames[-1].time_ns if told.frames else 0
    for state, service, at in rest.values() if told.setup.profile == "dpvs" else ():
        protocol = protocols(told.setup.behaviour).get(service.protocol)
        if protocol is not None and state.lower() in protocol.states:
            seconds = lifetimes(told.setup, service)[protocol.states.index(state.lower())]
            if end - at > seconds * 1_000_000_000 + JITTER_NS:
                yield f"{protocol.name} {state}"


PARTS = (
    Part("verdicts", lambda setup: NAMES, _by("verdict")),
    Part("workers", lambda setup: (str(w.rank) for w in setup.forwarding_workers), _by("worker")),
    Part("rules", _rules, _rules_met),
    Part("table entries", _entries, _entries_met),
    Part("services", lambda setup: (s.name for s in setup.services), _by("service")),
    Part("real servers", _reals, _reals_met),
    Part("schedulers", lambda setup: (s.scheduler for s in setup.services if s.reals), _schedulers_met),
    Part("local addresses", _laddrs, _laddrs_met),
    Part("lists", _lists, _lists_met),
    Part("transitions", _transitions, _transitions_met),
    Part("timeouts", _timeouts, _timeouts_met),
)


# --- cases -----------------------------------------------------------------------------------------------------


class Settled(NamedTuple):
    """A case with the configuration that its arguments make."""

    case: Case
    capture: Path
    config: Path | None
    sets: tuple[str, ...]
    setup: Setup


def settled(case: Case) -> Settled | None:
    """None for a case that is to fail, or whose configuration is drafted: neither says anything of one."""
    capture, config = packed(case.path / "in.pcap"), case.path / "lb.toml"
    if capture is None or not config.exists() or case.exit_code:
        return None
    sets = tuple(assignments(case.args))
    return Settled(case, capture, config, sets, load(str(config), sets, view=case.view))


def assignments(args: Sequence[str]) -> Iterator[str]:
    """KEY=VALUE of the arguments of a case; its seed is one too."""
    for name, value in pairwise(args):
        if name == "--set":
            yield value
        elif name == "--seed":
            yield f"seed={value}"


def tell(name: str, setup: Setup, capture: Path) -> Told:
    """Replay a case with its trace."""
    with scratch() as folder:
        trace = Path(folder) / "trace.jsonl"
        replay(setup, str(capture), None, trace=str(trace))
        lines = [json.loads(line) for line in trace.read_text(encoding="utf-8").splitlines()]
    return Told(name, setup, [line for line in lines if line["n"]], list(frames(str(capture))))


def cover(cases: Iterable[Settled], done: Callable[[], None] = lambda: None) -> list[Covered]:
    """What *cases* exercise, by configuration, in the order of the first case of each."""
    found: dict[str, Covered] = {}
    for one in cases:
        covered = found.setdefault(same(one.setup), Covered(one.setup))
        covered.add(tell(one.case.name, one.setup, one.capture))
        done()
    return list(found.values())


def same(setup: Setup) -> str:
    """What two setups have in common that differ by the view only."""
    return repr(setup._replace(view=""))


def of_setup(setup: Setup, cases: Iterable[Settled]) -> Covered:
    """What those of *cases* exercise whose configuration is that of *setup*."""
    found = cover(one for one in cases if same(one.setup) == same(setup))
    return found[0] if found else Covered(setup, {setup.view})


def document(found: Sequence[Covered], settings: Sequence[Any] = ()) -> dict[str, Any]:
    """Ready for `json.dumps`."""
    if not found:
        raise ConfigError("--cover: no case with a configuration of its own")
    return {
        "schema": 1,
        "cases": sum(len(covered.cases) for covered in found),
        "configurations": [covered.document() for covered in found],
        "settings": list(settings),
    }
