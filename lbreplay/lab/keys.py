"""RSS keys and tables: how evenly they spread, and a search for better ones (interface 1).

A key is judged by what it makes of flows: the busiest worker's share over the mean. Flows are those of a capture,
each with its frames, or drawn from a seed. The search draws keys; a symmetric one is two bytes repeated, so that both
directions of a flow hash alike. A table is not searched but computed: its entries, the heaviest first, each go to the
queue that has least so far.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from random import Random
from typing import Any, NamedTuple

import numpy as np

from lbreplay.arrays import U8, U32
from lbreplay.burst import KIND_TCP, Burst
from lbreplay.edge import pace
from lbreplay.errors import CaptureError
from lbreplay.loop.parse import parse
from lbreplay.model import Setup
from lbreplay.nic.cards import judging
from lbreplay.nic.profiles import PROFILES, RANDOM_KEY, SYMMETRIC_KEY
from lbreplay.nic.rss import WIDTH4, Rss
from lbreplay.wire.capture import open_capture
from lbreplay.wire.fields import reversed_flows

DRAWN_FLOWS = 4096
KEY_BYTES = 40


class Flows(NamedTuple):
    """Flows as the NIC hashes them: `kind`, bytes by row (12 or 36 wide), and how many frames each has."""

    kind: U8
    tuples: U8
    frames: Any


class Key(NamedTuple):
    """A key judged. `imbalance`: the busiest worker over the mean, with the setup's table."""

    name: str
    key: bytes
    symmetric: bool
    imbalance: float
    by_worker: list[int]

    def document(self) -> dict[str, Any]:
        return {
            "name": self.name, "key": self.key.hex(), "symmetric": self.symmetric,
            "imbalance": round(self.imbalance, 4), "by_worker": self.by_worker,
        }  # fmt: skip


# --- flows ---------------------------------------------------------------------------------------------------


def flows_of(path: str, setup: Setup) -> list[Flows]:
    """What clients send to services in the capture *path*, or everything with a hash where no service is known."""
    counts: dict[bytes, int] = {}
    with open_capture(path) as source:
        for burst in source.bursts(setup.burst_size):
            parse(burst, *judging(setup))
            for flow, number in _counted(burst):
                counts[flow] = counts.get(flow, 0) + number
    virtual = {s.vip for s in setup.services if s.vip is not None}
    wanted = {flow: number for flow, number in counts.items() if _to(flow) in virtual} or counts
    if not wanted:
        raise CaptureError(f"{path}: no flow that a NIC hashes")
    return [_flows(wanted, width) for width in sorted({len(flow) for flow in wanted})]


def _counted(burst: Burst) -> Iterable[tuple[bytes, int]]:
    """(kind and flow, frames) of a burst."""
    for rows, flow in ((np.flatnonzero(burst.family == 4), burst.flow4), (burst.rows6, burst.flow6)):
        if not len(rows):
            continue
        table = np.column_stack([burst.kind[rows], flow[rows] if flow is burst.flow4 else flow])
        found, counts = np.unique(np.ascontiguousarray(table), axis=0, return_counts=True)
        yield from zip((row.tobytes() for row in found), counts.tolist(), strict=True)


def _to(flow: bytes) -> tuple[bytes, int]:
    width = (len(flow) - 5) // 2
    return flow[1 + width : 1 + 2 * width], int.from_bytes(flow[-2:])


def _flows(counts: dict[bytes, int], width: int) -> Flows:
    rows = [flow for flow in counts if len(flow) == width]
    table = np.frombuffer(b"".join(rows), np.uint8).reshape(-1, width)
    return Flows(
        np.ascontiguousarray(table[:, 0]), np.ascontiguousarray(table[:, 1:]), np.array([counts[f] for f in rows])
    )


def drawn_flows(setup: Setup) -> list[Flows]:
    """Flows of made-up clients to the setup's services (or to one), from its seed."""
    rng = Random(setup.seed)
    virtual = [s.vip for s in setup.services if s.vip is not None and len(s.vip.address) == 4]
    places = [vip.address + vip.port.to_bytes(2) for vip in virtual] or [bytes([192, 0, 2, 1, 0, 80])]
    rows = []
    for _ in range(DRAWN_FLOWS):
        place = rng.choice(places)
        rows.append(rng.randbytes(4) + place[:4] + rng.randrange(1024, 65536).to_bytes(2) + place[4:])
    table = np.frombuffer(b"".join(rows), np.uint8).reshape(-1, WIDTH4)
    return [Flows(np.full(len(rows), KIND_TCP, np.uint8), table, np.ones(len(rows), np.int64))]


# --- judging -------------------------------------------------------------------------------------------------


def judge(name: str, setup: Setup, flows: Sequence[Flows]) -> Key:
    """The key of *setup*, by what it makes of *flows*."""
    rss = Rss(setup)
    load = spread(rss, setup, flows)
    return Key(name, rss.key, is_symmetric(rss), imbalance(load), load)


def spread(rss: Rss, setup: Setup, flows: Sequence[Flows]) -> list[int]:
    """Frames by worker."""
    rank = {queue: worker.rank for worker in setup.forwarding_workers for queue in worker.queues}
    ranks = np.array([rank.get(queue, -1) for queue in rss.reta])
    load = np.zeros(len(setup.forwarding_workers) + 1, np.int64)
    for entries, frames in _entries(rss, flows):
        load += np.bincount(ranks[entries] + 1, frames, len(load)).astype(np.int64)
    result: list[int] = load[1:].tolist()
    return result


def _entries(rss: Rss, flows: Sequence[Flows]) -> Iterable[tuple[Any, Any]]:
    """(entry of the table, frames) of every flow."""
    for some in flows:
        code: U32 = rss.hash_column(some.kind, some.tuples)
        yield code % len(rss.reta), some.frames


def imbalance(load: Sequence[int]) -> float:
    """The greatest over the mean."""
    return max(load) * len(load) / sum(load) if sum(load) else 1.0


def is_symmetric(rss: Rss) -> bool:
    """Whether both directions of every flow hash alike: the hash is linear, so the bits one by one tell."""
    bits = np.packbits(np.eye(8 * WIDTH4, dtype=np.uint8), axis=1)  # tuples with one bit set
    kind = np.full(len(bits), KIND_TCP, np.uint8)
    there = rss.hash_column(kind, bits)
    return bool((there == rss.hash_column(kind, reversed_flows(bits))).all())


# --- known and searched --------------------------------------------------------------------------------------


def with_key(setup: Setup, key: bytes) -> Setup:
    """The same port with another key."""
    return setup._replace(device=setup.device._replace(rss_key=key))


def named_keys() -> dict[bytes, str]:
    """The keys that drivers come with, by their names: `ixgbe, igb`; and the usual symmetric one."""
    named: dict[bytes, str] = {}
    for profile in PROFILES.values():
        if profile.key != RANDOM_KEY:
            named[profile.key] = f"{named[profile.key]}, {profile.name}" if profile.key in named else profile.name
    return named | {SYMMETRIC_KEY: "symmetric"}


def known(setup: Setup, flows: Sequence[Flows]) -> list[Key]:
    """The setup's own key, those of the drivers, and the usual symmetric one."""
    named = named_keys()
    own = Rss(setup).key
    first = f"configured ({named.pop(own)})" if own in named else "configured"
    return [judge(name, with_key(setup, key), flows) for key, name in [(own, first), *named.items()]]


def search(setup: Setup, flows: Sequence[Flows], tries: int, symmetric: bool) -> Key:
    """The best of *tries* keys drawn from the setup's seed."""
    rng = Random(f"keys:{setup.seed}")
    drawn = (rng.randbytes(2) * (KEY_BYTES // 2) if symmetric else rng.randbytes(KEY_BYTES) for _ in range(tries))
    judged = (judge("found", with_key(setup, key), flows) for key in drawn)
    return min(pace.counted(judged, "trying keys", tries), key=lambda one: one.imbalance)


def best_table(setup: Setup, flows: Sequence[Flows]) -> tuple[list[int], list[int]]:
    """(queues by entry, frames by worker): entries by weight, each to the queue whose worker has least so far."""
    rss = Rss(setup)
    weight = np.zeros(len(rss.reta), np.int64)
    for entries, frames in _entries(rss, flows):
        weight += np.bincount(entries, frames, len(weight)).astype(np.int64)
    workers = [worker for worker in setup.forwarding_workers if worker.queues]
    load, taken, table = [0] * len(workers), [0] * len(workers), [0] * len(weight)
    for entry in np.argsort(-weight, kind="stable").tolist():
        busy = bool(weight[entry])  # those of no flow are dealt in turn
        least = min(range(len(workers)), key=lambda i: (load[i] if busy else 0, taken[i]))
        queues = workers[least].queues
        table[entry] = queues[taken[least] % len(queues)]
        load[least] += int(weight[entry])
        taken[least] += 1
    return table, load


def document(
    setup: Setup, flows: Sequence[Flows], drawn: bool, tries: int, symmetric: bool, table: bool
) -> dict[str, Any]:
    """The known keys, the best of *tries* drawn ones (0: none), a table; `settings` are what to put into the TOML."""
    keys = known(setup, flows)
    told: dict[str, Any] = {
        "schema": 1,
        "workers": len(setup.forwarding_workers),
        "flows": sum(len(some.kind) for some in flows),
        "frames": int(sum(some.frames.sum() for some in flows)),
        "drawn": drawn,
        "keys": [],
        "table": None,
        "settings": [],
    }
    if tries:
        keys.append(search(setup, flows, tries, symmetric))
        told["settings"].append(f'device.rss_key = "{keys[-1].key.hex()}"')
    if table:
        queues, load = best_table(setup, flows)
        told["table"] = {"queues": queues, "imbalance": round(imbalance(load), 4), "by_worker": load}
        told["settings"].append(f"device.reta = {queues}")
    told["keys"] = [key.document() for key in keys]
    return told
