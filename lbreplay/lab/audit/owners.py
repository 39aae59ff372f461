"""From connections to workers: which low bits of the local port follow from the RSS of the client's packet.

DPVS gives each worker the local ports whose low bits are its rank (S 2.2), and a connection lives where the NIC sent
the client's packet. So under the right key, fields and table these bits are a function of the client's hash, and no
more bits than that are. Every known key and choice of fields is tried with every number of bits; what saves most,
written down, is the balancer's (`table` says how that is counted). One worker has no bits and so cannot be told from
none.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from lbreplay.burst import KIND_TCP, KIND_UDP
from lbreplay.lab.audit import table as redirection
from lbreplay.lab.audit.hold import Departure
from lbreplay.lab.audit.legs import Leg
from lbreplay.lab.audit.recorded import Rows
from lbreplay.lab.audit.rules import Rules
from lbreplay.lab.audit.solve import SIGNIFICANT, Held, Settings, by_chance, codes_of, held_back, possible_fields
from lbreplay.lab.audit.toeplitz import BITS, Forms, Key
from lbreplay.lab.keys import named_keys
from lbreplay.lab.steering import standing
from lbreplay.model import Endpoint, Setup
from lbreplay.nic.ports import Ports
from lbreplay.nic.steer import Nic, Steered
from lbreplay.wire.packet import TCP

MOST_BITS = 6  # 64 workers (interface 2)
KIND = {TCP: KIND_TCP}


def solve(legs: Sequence[Leg]) -> Settings | None:
    """The settings that make the local ports of *legs* follow from the clients' packets. None: nothing does."""
    parts = _rows(legs)
    found = _best(parts)
    if found is None:
        return None
    back = [held_back(rows) for rows in parts]
    rest = _best([rows.some(~which) for rows, which in zip(parts, back, strict=True)])
    held = [rows.some(which) for rows, which in zip(parts, back, strict=True)]
    laddrs = list(dict.fromkeys(leg.local.address for leg in legs))
    ranks = range(found.queues)
    rules = Rules(found.mask, {(n, rank): rank for n in range(len(laddrs)) for rank in ranks}, 1.0)
    key = Key(found.key, (1 << BITS) - 1, found.forms, [named_keys()[found.key]], 1.0, [])
    judged = _judge(rest, held) if rest else Held()
    return Settings(key, found.forms, found.table, rules, laddrs, found.queues, 0.0, judged, tuple(key.names))


class Found(NamedTuple):
    """An explanation of local ports, and the bits that it saves."""

    key: bytes
    forms: Forms
    mask: int
    table: redirection.Table
    queues: int
    saved: float


def _rows(legs: Sequence[Leg]) -> list[Rows]:
    """The clients' packets that opened *legs*, by width; the local port stands where a queue is recorded."""
    parts = []
    for width in (4, 16):
        some = [leg for leg in legs if len(leg.client.address) == width]
        if some:
            flow = np.frombuffer(b"".join(_flow(leg) for leg in some), np.uint8).reshape(len(some), -1)
            kind = np.array([KIND.get(leg.proto, KIND_UDP) for leg in some], np.uint8)
            ports, n = (
                np.array(column, np.int64)
                for column in zip(*((leg.local.port, leg.first_n) for leg in some), strict=True)
            )
            parts.append(Rows(kind, flow, ports, np.full(len(some), -1), np.ones(len(some), np.int64), n))
    return parts


def _flow(leg: Leg) -> bytes:
    ports = leg.client.port.to_bytes(2) + leg.virtual.port.to_bytes(2)
    return leg.client.address + leg.virtual.address + ports


def _best(parts: Sequence[Rows]) -> Found | None:
    """What saves most bits over writing every port's low bits down."""
    best: Found | None = None
    most = min(MOST_BITS, sum(len(rows.n) for rows in parts).bit_length() - 1)  # else each has a rank of its own
    for forms in possible_fields(parts):
        for key in named_keys():
            for bits in range(1, most + 1):
                found = _tried(parts, key, forms, (1 << bits) - 1)
                if best is None or found.saved > best.saved:
                    best = found
    return best if best is not None and best.saved >= SIGNIFICANT else None


def _tried(parts: Sequence[Rows], key: bytes, forms: Forms, mask: int) -> Found:
    ranks = [rows._replace(queue=rows.queue & mask) for rows in parts]
    code = np.concatenate([codes_of(rows, forms, key) for rows in ranks])
    rank = np.concatenate([rows.queue for rows in ranks])
    table = redirection.fit(code[code >= 0], rank[code >= 0])
    unhashed = float(np.count_nonzero(rank[code < 0])) * (redirection.WRONG + mask.bit_length())
    return Found(key, forms, mask, table, int(rank.max()) + 1, by_chance(ranks) - table.cost - unhashed)


def _judge(found: Found, held: Sequence[Rows]) -> Held:
    """How many of the connections that were held back follow, too."""
    code = np.concatenate([codes_of(rows, found.forms, found.key) for rows in held])
    port = np.concatenate([rows.queue for rows in held])
    rank = np.where(code >= 0, found.table.look_up(np.maximum(code, 0)), 0)
    return Held(*(int(np.count_nonzero(some)) for some in (rank >= 0, rank == port & found.mask, rank < 0)))


# --- held against a configuration -------------------------------------------------------------------------------


class Homes(NamedTuple):
    """What a configuration would make of the connections that were seen.

    `owned`: those whose local port belongs to the worker that the client's packet comes to; `home`: those whose answers
    come to that worker; `away` the first that do not, `strange` the first connection that is not owned.
    """

    connections: int
    owned: int
    home: int
    strange: Departure | None
    away: Departure | None

    def document(self) -> dict[str, Any]:
        return {
            "connections": self.connections,
            "owned": self.owned,
            "home": self.home,
            "first_away": self.away.document() if self.away else None,
        }


def homes(legs: Sequence[Leg], setup: Setup) -> Homes:
    """Where *setup*'s NIC sends clients and answers of *legs*, and which worker has their local ports."""
    nic, owned, home = standing(setup), 0, 0
    strange: Departure | None = None
    away: Departure | None = None
    for leg in legs:
        came, answer = client_steered(nic, leg), _steered(nic, leg.proto, leg.real, leg.local)
        owner = owner_of(nic, setup, leg)
        owned, home = owned + (owner == came.rank), home + (answer.rank == came.rank)
        if owner != came.rank and strange is None:
            has = "nobody" if owner is None else owner
            strange = Departure(leg.first_n, has, came.rank, f"{_way(nic, came)}; local port {leg.local.port}")
        if answer.rank != came.rank and away is None:
            why = f"{leg.real} > {leg.local}: {_way(nic, answer)}; the client's packet came to worker {came.rank}"
            away = Departure(leg.first_n, came.rank, answer.rank, why)
    return Homes(len(legs), owned, home, strange, away)


def client_steered(nic: Nic | Ports, leg: Leg) -> Steered:
    """Where the NIC sends the client's packets."""
    return _steered(nic, leg.proto, leg.client, leg.virtual)


def owner_of(nic: Nic | Ports, setup: Setup, leg: Leg) -> int | None:
    """The worker that a connection's local port belongs to; None: nobody's."""
    if setup.flow_director.strategy in ("off", "rss-port"):
        return client_steered(nic, leg).rank
    port, laddr = leg.local.port, leg.local.address
    ranks = (worker.rank for worker in setup.forwarding_workers)
    return next((rank for rank in ranks if port in nic.strategy.ports(laddr, rank, port, port)), None)


def _steered(nic: Nic | Ports, proto: int, source: Endpoint, dest: Endpoint) -> Steered:
    kind, family = KIND.get(proto, KIND_UDP), 4 if len(source.address) == 4 else 6
    return nic.steer_flow(kind, family, source.address, source.port, dest.address, dest.port)


def _way(nic: Nic | Ports, steered: Steered) -> str:
    if steered.rule >= 0:
        return f"rule {nic.rules[steered.rule]}"
    return f"RSS {steered.hash:#010x}, table entry {steered.reta}" if steered.reta >= 0 else "default queue"
