"""The questions of `lbreplay audit` in order, and the document they make (interface 9).

What a capture holds decides: queues and hashes that a card recorded, else both legs of a balancer's connections.
Without a configuration the settings are worked out, and then held against the records like any other.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from lbreplay.config.load import load
from lbreplay.errors import CaptureError
from lbreplay.lab.audit import legs, owners
from lbreplay.lab.audit import settings as worked_out
from lbreplay.lab.audit.conform import conform
from lbreplay.lab.audit.hold import Holding, hold
from lbreplay.lab.audit.recorded import Recorded, read
from lbreplay.lab.audit.solve import Settings, solve
from lbreplay.model import Setup

NEEDED = (
    "received packets with their queue, or both legs of a balancer's connections expected: `dpdk-dumpcap -i PORT -w "
    "card.pcapng` on the balancer records queue and hash, `tcpdump -i ANY -w both.pcap` beside it both legs"
)


class Audited(NamedTuple):
    """The document, the sentences to say beside it, and whether model and record disagree."""

    document: dict[str, Any]
    warnings: list[str]
    disagree: bool


def audit(path: str, setup: Setup | None) -> Audited:
    """Hold the records of *path* against *setup*, or work out the settings behind them. CaptureError: there is none."""
    recorded = read(path, setup.device.mac if setup else None)
    if not recorded:
        return _by_legs(path, setup, recorded)
    solved, told = None, None
    if setup is None:
        solved = solve(list(recorded.rows.values()))
        if solved is None:
            return _unexplained(recorded)
        told = worked_out.toml(solved, recorded.queue)
        setup = load(None, (), text=told)
    holding = hold(setup, path, recorded.interface)
    document = _held(recorded, holding)
    if solved is not None and told is not None:
        document |= {"solved": _solved(solved, holding.share), "toml": told}
    return Audited(document, _warnings(recorded, holding), not holding.agrees)


def audit_conformance(path: str, setup: Setup) -> Audited:
    """Hold every field of what the balancer sent in *path* against the model of *setup*. CaptureError."""
    found = conform(path, setup)
    document = {"schema": 1, "frames": found.frames, "conform": found.document()}
    return Audited(document, [], bool(found.departures))


def _by_legs(path: str, setup: Setup | None, recorded: Recorded) -> Audited:
    """The same from the connections whose both legs are in the capture."""
    connections = legs.read(path)
    if not connections:
        raise CaptureError(f"{path}: {NEEDED}")
    solved, document = None, _head(recorded) | {"agree": {"queue": 0, "hash": 0}}
    if setup is None:
        solved = owners.solve(connections)
        if solved is None:
            return Audited(document | {"first_difference": None, "solved": None}, [_no_owners(len(connections))], True)
        document["toml"] = worked_out.toml(solved, recorded.frames)
        setup = load(None, (), text=document["toml"])
    found = owners.homes(connections, setup)
    first = found.strange or found.away
    document |= {"first_difference": first.document() if first else None, "legs": found.document()}
    if solved is not None:
        document["solved"] = _solved(solved, found.owned / found.connections)
    return Audited(document, [], first is not None)


def _no_owners(connections: int) -> str:
    return (
        f"both legs of {connections:,} connections: too few, or of one worker, or with a key that nobody knows: no low "
        "bits of the local ports follow from the clients' packets"
    )


def _unexplained(recorded: Recorded) -> Audited:
    """No key, table or fields tell the queues better than chance."""
    document = _head(recorded) | {"solved": None}
    sentence = "no known key, table and fields tell these queues: record hashes too (dpdk-dumpcap does)"
    return Audited(document, [*_left_out(recorded), sentence], True)


def _head(recorded: Recorded) -> dict[str, Any]:
    return {"schema": 1, "frames": recorded.frames, "recorded": {"queue": recorded.queue, "hash": recorded.hash}}


def _held(recorded: Recorded, holding: Holding) -> dict[str, Any]:
    every = holding.all
    return _head(recorded) | {
        "agree": {"queue": every.same_queue, "hash": every.same_hash},
        "first_difference": holding.first.document() if holding.first else None,
        "differing": holding.named,
        "beyond": holding.beyond,
        "classes": [{"class": name, **found.document()} for name, found in sorted(holding.by_class.items())],
        "ways": [{"way": name, **found.document()} for name, found in holding.by_way.items()],
        "left_out": [{"why": why, "frames": frames} for why, frames in recorded.left_out.items()],
    }


def _solved(settings: Settings, explains: float) -> dict[str, Any]:
    table, key, rules = worked_out.table(settings), settings.key, settings.rules
    return {
        "rss_key": key.digits if key else None,
        "known_key": ", ".join(settings.names) or None,
        "key_share": key.share if key else None,
        "key_against": key.against[:16] if key else [],
        "hashed": worked_out.hashed(settings),
        "reta_size": table.size,
        "reta_repeats": table.period if table.period < table.size else None,
        "reta": [queue if queue >= 0 else None for queue in table.queues],
        "dst_port_mask": rules.mask if rules else None,
        "rules": worked_out.told(rules, settings) if rules else None,
        "local_addresses": [_text(address) for address in settings.local_addresses],
        "workers": worked_out.workers(settings),
        "explains": round(explains, 6),
        "held_back": settings.held._asdict(),
    }


def _text(address: bytes) -> str:
    import ipaddress

    return str(ipaddress.ip_address(address))


def _left_out(recorded: Recorded) -> list[str]:
    return [f"{frames:,} frames {why}" for why, frames in recorded.left_out.items()]


def _warnings(recorded: Recorded, holding: Holding) -> list[str]:
    beyond = [f"{holding.beyond:,} frames in queues that no worker polls"] if holding.beyond else []
    return [*_left_out(recorded), *beyond]
