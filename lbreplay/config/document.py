"""A Setup -> the raw TOML document that would give it again: what `export` compares, complete and canonical.

The reverse of `load.py`, key by key. Values that TOML cannot hold (an unset MAC) are left out.
"""

from __future__ import annotations

import ipaddress
from typing import Any

from lbreplay.config.found import inline
from lbreplay.config.kinds import Table
from lbreplay.config.schema import REAL, SCHEMA, SERVICE
from lbreplay.config.values import PROTOCOL_NAME
from lbreplay.model import (
    AccessList,
    Device,
    Event,
    Mark,
    Neighbor,
    Network,
    Persistence,
    RealServer,
    Route,
    Service,
    Setup,
    Worker,
)  # fmt: skip

Doc = dict[str, Any]


def document(setup: Setup) -> Doc:
    """The whole configuration as TOML tables: the keys that its profile has."""
    mask = setup.flow_director.dst_port_mask
    whole = {
        "seed": setup.seed,
        "profile": setup.profile,
        "edition": setup.edition,
        "workers": workers(setup),
        "device": _devices(setup),
        "flow_director": {**setup.flow_director._asdict(), "dst_port_mask": "auto" if mask is None else mask},
        "sa_pool": setup.sa_pool._asdict(),
        "conn": setup.conn._asdict(),
        "tcp": _tcp(setup),
        "udp": setup.udp._asdict(),
        "sctp": setup.sctp._asdict(),
        "ipv4": {"forwarding": setup.ipv4_forwarding},
        "ipv6": {"forwarding": setup.ipv6_forwarding},
        "behaviour": setup.behaviour._asdict(),
        "service": [_service(service, setup) for service in setup.services],
        "route": [_route(route, setup) for route in setup.routes],
        "neighbor": [_neighbor(neighbor, setup) for neighbor in setup.neighbors],
        "event": [_event(event, setup) for event in setup.events],
        "ipvs": {name: list(value) if isinstance(value, tuple) else value for name, value in setup.ipvs.items()},
        "mark": [_mark(mark) for mark in setup.marks],
    }
    return _of(SCHEMA, _given(whole), setup.profile)


def _of(table: Table, values: Doc, profile: str) -> Doc:
    """The keys of *values* that *profile* has."""
    return {name: value for name, value in values.items() if table.keys[name].profile in ("", profile)}


def _given(table: Doc) -> Doc:
    return {name: value for name, value in table.items() if value is not None}


def text(address: bytes | None) -> str | None:
    """An address in words."""
    return None if address is None else str(ipaddress.ip_address(address))


def laddr(address: bytes, setup: Setup) -> str:
    """A local address, with its device where that is not the only one."""
    known = setup.homes.get(address)
    return f"{text(address)}@{setup.name(known)}" if known is not None else f"{text(address)}"


def _route(route: Route, setup: Setup) -> Doc:
    whole = {"to": str(route.to), "via": text(route.via), "mtu": route.mtu, "source": text(route.source)}
    return _given({**whole, "device": route.device and setup.name(route.device)})


def _neighbor(neighbor: Neighbor, setup: Setup) -> Doc:
    device = neighbor.device and setup.name(neighbor.device)
    return _given({"address": text(neighbor.address), "mac": neighbor.mac.hex(":"), "device": device})


def workers(setup: Setup) -> int | list[Doc]:
    """A number where it says everything."""
    given = setup.workers
    if given == tuple(Worker(n, n + 1, (n,), more=((n,),) * len(setup.others)) for n in range(len(given))):
        return len(given)
    full = [
        {"cpu_id": w.cpu_id, "queues": _polled(w, setup), "kind": w.kind, "isolated": list(w.isolated)} for w in given
    ]
    plain: tuple[tuple[str, object], ...] = (("kind", "forward"), ("isolated", []))
    return [{name: value for name, value in worker.items() if (name, value) not in plain} for worker in full]


def _polled(worker: Worker, setup: Setup) -> list[int] | dict[str, list[int]]:
    """A worker's queues, by device where it has others elsewhere."""
    if set(worker.more) <= {worker.queues}:
        return list(worker.queues)
    return {device.name: list(worker.polls(port)) for port, device in enumerate(setup.devices)}


def _devices(setup: Setup) -> Doc | list[Doc]:
    """`[device]`, or `[[device]]`: slaves stand before their bond."""
    if not setup.several:
        return _device(setup.device)
    return [
        _device(one)
        for device in setup.devices
        for one in (*(card._replace(slaves=0) for card in device.cards if device.bond), device)
    ]


def _device(device: Device) -> Doc:
    rss, bond = "|".join(sorted(device.rss)) or "off", device.bond
    whole = {
        **device._asdict(),
        "rss": "all" if rss == "ip|tcp|udp" else rss,
        "rss_key": "default" if device.rss_key is None else device.rss_key.hex(),
        "reta": "default" if device.reta is None else list(device.reta),
        "mac": device.mac and device.mac.hex(":"),
        "address": [str(network) for network in device.address],
        "sapool_address": [text(address) for address in device.sapool_address],
        "vlan": [
            _given({"id": v.id, "address": [str(n) for n in v.address], "mac": v.mac and v.mac.hex(":")})
            for v in device.vlan
        ],
        "bond": None,
    }
    if bond is not None:
        slaves = [card.name for card in bond.cards]
        whole |= {"slaves": slaves, "mode": bond.mode, "hash": bond.hash, "primary": slaves[bond.primary]}
    return _given(whole)


def _tcp(setup: Setup) -> Doc:
    synproxy = {**setup.tcp.synproxy._asdict(), "conn_reuse": list(setup.tcp.synproxy.conn_reuse)}
    return {**setup.tcp._asdict(), "synproxy": synproxy}


def _service(service: Service, setup: Setup) -> Doc:
    table = service._asdict()
    del table["reals"]
    persistent, check = service.persistent, service.dest_check
    whole = {
        **table,
        "vip": service.vip and str(service.vip),
        "match": service.match and service.match.text,
        "protocol": PROTOCOL_NAME.get(service.protocol),  # a firewall mark is of all of them
        "laddr": [laddr(address, setup) for address in service.laddr],
        "persistent": persistent and _given(persistent._asdict()),
        "dest_check": False if check is None else check._asdict(),
        "blacklist": subjects(service.blacklist),
        "whitelist": subjects(service.whitelist),
        "real": [real(one, setup.profile) for one in service.reals],
        "fwmark": service.fwmark or None,
        "flags": list(service.flags),
        "persistence_engine": service.persistence_engine or None,
    }
    return _of(SERVICE, _given(whole), setup.profile)


def _mark(mark: Mark) -> Doc:
    return _given(
        {
            **mark._asdict(),
            "to": mark.to and str(mark.to),
            "protocol": None if mark.protocol is None else PROTOCOL_NAME[mark.protocol],
            "ports": None if mark.ports is None else list(mark.ports),
        }
    )


def subjects(listed: AccessList) -> list[str]:
    """An access list in words, sorted."""
    single = sorted(Network(address, 8 * len(address)) for address in listed.addresses)
    networks = [network for group in listed.sets for network in group]
    return [str(text(network.address)) for network in single] + [str(network) for network in networks]


def real(one: RealServer, profile: str = "dpvs") -> Doc:
    """A real server as a table."""
    whole = {**one._asdict(), "address": str(one), "tunnel": dict(one.tunnel) if one.tunnel else None}
    del whole["endpoint"]
    return _of(REAL, _given(whole), profile)


def _event(event: Event, setup: Setup) -> Doc:
    at = event.at_ns / 1_000_000_000
    whole: Doc = {"at": int(at) if at.is_integer() else at}
    path = ".".join(event.path)
    if isinstance(event.value, RealServer):
        return {**whole, event.action: path, "value": real(event.value, setup.profile)}
    if isinstance(event.value, tuple) and event.path[-1:] == ("laddr",):
        return {**whole, event.action: f"{path}={[laddr(address, setup) for address in event.value]}"}
    if isinstance(event.value, AccessList):
        return {**whole, event.action: f"{path}={subjects(event.value)}"}
    if event.action == "zero":
        return {**whole, "zero": path or "all"}
    if isinstance(event.value, Service):
        return {**whole, "add": "service", "service": _service(event.value, setup)}
    if event.path[-1] == "persistent":
        spelled = inline(_given(event.value._asdict())) if isinstance(event.value, Persistence) else "false"
        return {**whole, "set": f"{path}={spelled}"}
    if isinstance(event.value, (bool, tuple, dict)):
        return {**whole, "set": f"{path}={inline(event.value)}"}
    return {**whole, event.action: path if event.action == "remove" else f"{path}={event.value}"}
