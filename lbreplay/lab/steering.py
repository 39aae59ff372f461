"""Why a frame came to its worker, bit by bit: class and hash input, every rule tried, Toeplitz hash, table, queue.

The NIC's own objects decide (`nic/`); here their inputs and steps are written down beside the answer (S 1, S 2.4).
"""

from __future__ import annotations

import ipaddress
from typing import Any, NamedTuple

from lbreplay.burst import KIND_FRAGMENT, KIND_NONE, KIND_OTHER, KIND_SCTP, KIND_TCP, KIND_UDP
from lbreplay.journey import nic
from lbreplay.model import Endpoint, Setup
from lbreplay.nic.flow_director import TCP, UDP, Rule
from lbreplay.nic.ports import Ports
from lbreplay.nic.profiles import PAIR, TUPLE
from lbreplay.nic.rss import toeplitz
from lbreplay.nic.steer import Nic, Steered
from lbreplay.stack import Stack
from lbreplay.stats import STEERED

CLASSES = {
    KIND_NONE: "not IP, or two tags",
    KIND_OTHER: "other IP",
    KIND_FRAGMENT: "IPv4 fragment",
    KIND_TCP: "TCP",
    KIND_UDP: "UDP",
    KIND_SCTP: "SCTP",
}
INPUTS = {PAIR: "addresses", TUPLE: "addresses and ports"}
PROTOCOLS = {TCP: "tcp", UDP: "udp"}


class Arrival(NamedTuple):
    """A packet as the NIC sees it; `kind` as in the column of a burst, addresses empty where it is not IP."""

    kind: int
    source: Endpoint
    dest: Endpoint


def steering(nic: Nic, arrival: Arrival) -> dict[str, Any]:
    """The whole decision: `class`, `rules`, `hash`, `reta`, and how it ended: `by`, `queue`, `worker`, `cpu_id`."""
    steered, setup = steer(nic, arrival), nic.setup
    by_rule = steered.rule >= 0
    return {
        "class": CLASSES[arrival.kind],
        "rules": _rules(nic, arrival, steered),
        "hash": _hash(nic, setup, arrival, by_rule),
        "reta": None if steered.reta < 0 else _reta(nic, steered),
        "by": STEERED[steered.by],
        "queue": steered.queue,
        "worker": steered.rank if steered.rank >= 0 else None,
        "cpu_id": next((w.cpu_id for w in setup.workers if steered.queue in w.queues), None),
    }


def standing(setup: Setup) -> Nic | Ports:
    """The cards of *setup* by themselves, without a replay: with the routes that tell several apart."""
    made = nic(setup)
    if isinstance(made, Ports):
        made.face(Stack(setup).facing)
    return made


def steer(nic: Nic, arrival: Arrival) -> Steered:
    """Where the NIC sends it."""
    family = {4: 4, 16: 6}.get(len(arrival.source.address), 0)
    return nic.steer_flow(arrival.kind, family, *arrival.source, *arrival.dest)


def _rules(nic: Nic, arrival: Arrival, steered: Steered) -> dict[str, Any]:
    """The rules in the order of matching: those of this address and protocol with the bits that were compared."""
    port, address = arrival.dest.port, arrival.dest.address
    proto = {KIND_TCP: TCP, KIND_UDP: UDP}.get(arrival.kind, 0)
    last = len(nic.rules) if steered.rule < 0 else steered.rule + 1
    tried = [rule for rule in nic.rules[:last] if rule.laddr == address and rule.proto == proto]
    return {
        "installed": len(nic.rules),
        "refused": len(nic.refused),
        "other": last - len(tried),  # of another address or protocol, passed over
        "tried": [_compared(rule, port) for rule in tried],
        "matched": steered.rule >= 0,
    }


def _compared(rule: Rule, port: int) -> dict[str, Any]:
    return {
        "rule": f"{PROTOCOLS[rule.proto]} {rule}",
        "port": port,
        "port_bits": f"{port:016b}",
        "mask_bits": f"{rule.mask:016b}",
        "value_bits": f"{rule.value:016b}",
        "compared": port & rule.mask,
        "value": rule.value,
        "matched": port & rule.mask == rule.value,
        "queue": rule.queue,
        "worker": rule.rank,
    }


def _hash(nic: Nic, setup: Setup, arrival: Arrival, by_rule: bool) -> dict[str, Any]:
    """What goes into the hash and what comes out; `why` where none is computed."""
    form = nic.rss.inputs[arrival.kind]
    if not form:
        device = setup.device
        names = "|".join(sorted(device.rss)) or "off"
        return {"value": None, "why": f"{device.driver} computes none for this class with rss = {names}"}
    data = arrival.source.address + arrival.dest.address
    if form == TUPLE:
        data += arrival.source.port.to_bytes(2) + arrival.dest.port.to_bytes(2)
    return {
        "value": f"{toeplitz(nic.rss.key, data):#010x}",
        "input": INPUTS[form],
        "fields": _fields(arrival, form),
        "bytes": data.hex(),
        "key": nic.rss.key.hex(),
        "used": not by_rule,
    }


def _fields(arrival: Arrival, form: int) -> list[str]:
    ends = [str(ipaddress.ip_address(end.address)) for end in (arrival.source, arrival.dest)]
    return ends if form == PAIR else [*ends, str(arrival.source.port), str(arrival.dest.port)]


def _reta(nic: Nic, steered: Steered) -> dict[str, Any]:
    size = len(nic.rss.reta)
    return {"size": size, "index": steered.reta, "low_bits": f"{steered.hash % size:0{(size - 1).bit_length()}b}",
            "queue": steered.queue}  # fmt: skip
