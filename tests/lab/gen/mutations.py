"""Fifty small mistakes put into the model, one at a time: what a suite that is worth its name notices.

Each is a name and a way to make it with pytest's monkeypatch. None is chosen because something notices it: the cells
are drawn from the table, the timeouts are all of TCP's and UDP's, the rest is a list of places where the model computes
something.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator

import pytest

from lbreplay import model
from lbreplay.config import load
from lbreplay.lvs import protocols
from lbreplay.lvs.protocols import tcp, udp
from lbreplay.lvs.protocols.table import Protocol
from lbreplay.model import Service, Setup
from lbreplay.nic import rss
from lbreplay.wire import checksum

Patch = pytest.MonkeyPatch
Mutation = tuple[str, Callable[[Patch], None]]
CELLS = 22
UNREACHED = {"last_ack", "listen", "synack", "none"}  # no packet leads there (D 5.3)


def mutations() -> list[Mutation]:
    """All of them, the same each time."""
    return [*cells(), *timeouts(), *places()]


def cells() -> Iterator[Mutation]:
    """Cells of TCP's table in states that are reached, each with another state in it."""
    table = tcp.TCP
    reached = [n for n, name in enumerate(table.states) if name not in UNREACHED]
    rows = [(columns, event) for columns in (0, 1) for event in range(len(table.events))]
    chance = random.Random(19)
    for _ in range(CELLS):
        (columns, event), state = chance.choice(rows), chance.choice(reached)
        old = table.step(columns, event, state)
        new = chance.choice([n for n in reached if n != old])
        name = f"tcp {table.sets[columns]} {table.events[event]} in {table.states[state]}: {table.states[new]}"
        yield name, changed_cell(table, columns * len(table.events) + event, state, new)


def changed_cell(table: Protocol, row: int, state: int, new: int) -> Callable[[Patch], None]:
    """Put *new* into a cell."""
    line = bytearray(table.next[row])
    line[state] = new
    rows = (*table.next[:row], bytes(line), *table.next[row + 1 :])
    return lambda patch: patch.setitem(protocols.PROTOCOLS, table.number, table._replace(next=rows))


def timeouts() -> Iterator[Mutation]:
    """Every timeout of a state that is reached, two seconds longer."""
    for table, default in ((tcp.TCP, model.TCP_TIMEOUT), (udp.UDP, model.UDP_TIMEOUT)):
        for name in table.states:
            if name not in UNREACHED:
                yield f"{table.name} {name} + 2 s", longer(default, name)


def longer(default: object, name: str) -> Callable[[Patch], None]:
    return lambda patch: patch.setitem(default, name, default[name] + 2)  # type: ignore[index,arg-type]


def places() -> Iterator[Mutation]:
    """Order, masks, hashes, checksums and numbers, each a little wrong."""
    for name, setup in SETUPS.items():
        yield name, judged_as(setup)
    yield "checksums one too large", lambda patch: patch.setattr(checksum, "fold", _one_more(checksum.fold))
    yield "no header checksum", lambda patch: patch.setattr(checksum, "ip_header", lambda l3: None)
    yield "updates that change nothing", lambda patch: patch.setattr(checksum, "update", lambda old, a, b: old)
    yield "a table the other way round", lambda patch: patch.setattr(rss, "indirection", _reversed(rss.indirection))


def judged_as(change: Callable[[Setup], Setup]) -> Callable[[Patch], None]:
    """The model works with another setup than the one that was asked for."""
    old = load.load
    return lambda patch: patch.setattr(load, "load", lambda *args, **kwargs: change(old(*args, **kwargs)))


def _services(change: Callable[[Service], Service]) -> Callable[[Setup], Setup]:
    return lambda setup: setup._replace(services=tuple(map(change, setup.services)))


SETUPS: dict[str, Callable[[Setup], Setup]] = {
    "the scheduler's list the other way round": _services(lambda s: s._replace(reals=s.reals[::-1])),
    "a weight more for each real server after the first": _services(
        lambda s: s._replace(reals=tuple(r._replace(weight=r.weight + (n > 0)) for n, r in enumerate(s.reals)))
    ),
    "round robin for least connections": _services(lambda s: s._replace(scheduler="rr")),
    "least connections for round robin": _services(lambda s: s._replace(scheduler="wlc")),
    "every worker begins at the head": lambda s: s._replace(behaviour=s.behaviour._replace(start="head")),
    "a bit less in the mask": lambda s: s._replace(flow_director=s.flow_director._replace(dst_port_mask=1)),
    "a bit more in the mask": lambda s: s._replace(flow_director=s.flow_director._replace(dst_port_mask=7)),
    "the mask in the other byte order": lambda s: s._replace(flow_director=s.flow_director._replace(byte_order="host")),
    "other local ports": lambda s: s._replace(sa_pool=s.sa_pool._replace(low=1029)),
    "another sequence number": lambda s: s._replace(tcp=s.tcp._replace(isn_offset=s.tcp.isn_offset + 1)),
    "no client address in TCP": lambda s: s._replace(tcp=s.tcp._replace(toa=False)),
    "one datagram less with the client's address": lambda s: s._replace(udp=s.udp._replace(uoa_max_trail=2)),
    "its address as an IP option": lambda s: s._replace(udp=s.udp._replace(uoa_mode="ipo")),
    "another key": lambda s: s._replace(device=s.device._replace(rss_key=b"\x6d\x5a" * 26)),
    "other chance": lambda s: s._replace(seed=s.seed + 1),
}


def _one_more(fold: Callable[..., int]) -> Callable[..., int]:
    return lambda *sums: (fold(*sums) + 1) & 0xFFFF


def _reversed(table: Callable[..., tuple[int, ...]]) -> Callable[..., tuple[int, ...]]:
    return lambda setup: table(setup)[::-1]
