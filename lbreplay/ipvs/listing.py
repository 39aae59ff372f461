"""What the kernel would list at this moment, as plain values (L 18); `report/ipvsadm.py` says how it looks."""

from __future__ import annotations

from ipaddress import ip_network
from typing import TYPE_CHECKING, Any

from lbreplay.ipvs import states
from lbreplay.ipvs.dest import COUNTED
from lbreplay.lvs.hashes import fold
from lbreplay.model import NANOSECOND
from lbreplay.wire.packet import TCP, UDP

if TYPE_CHECKING:
    from lbreplay.ipvs.parts import Parts
    from lbreplay.ipvs.service import VirtualService
    from lbreplay.loop.entry import Conn

BUCKETS = 256  # of services (L 5.2)


def listing(parts: Parts) -> dict[str, Any]:
    """The table that `report/ipvsadm.py` describes."""
    timeouts = parts.states.timeouts
    shown = (timeouts[TCP][states.ESTABLISHED], timeouts[TCP][states.FIN_WAIT], timeouts[UDP][0])
    return {
        "size": parts.conns.size,
        "pe": parts.edition.assured,
        "counts": dict(zip(COUNTED, parts.services.counted(), strict=True)),
        "rates": parts.estimator.rates(),
        "timeouts": tuple(timeout // NANOSECOND for timeout in shown),
        "services": [_service(service) for service in _kernel_order(parts)],
        "conns": [_conn(parts, conn) for conn in parts.conns],
    }


def _kernel_order(parts: Parts) -> list[VirtualService]:
    """Buckets upward, the newest first inside one; then those by mark."""
    newest_first = list(reversed(parts.services.by_name.values()))
    return sorted(newest_first, key=lambda service: (service.by_mark, _bucket(service)))


def _bucket(service: VirtualService) -> int:
    vip = service.service.vip
    if vip is None:
        return service.service.fwmark % BUCKETS
    return (service.service.protocol ^ fold(vip.address) ^ vip.port >> 8 ^ vip.port) % BUCKETS


def _service(service: VirtualService) -> dict[str, Any]:
    asked = service.service
    persistent = asked.persistent
    address, port = asked.vip or (b"", 0)
    reals = []
    for dest in service.dests:
        live = {name: getattr(dest, name) for name in ("actconns", "inactconns", "persistconns", "upper", "lower")}
        here = {"address": dest.address, "port": dest.port, "forward": dest.mode, "weight": dest.weight}
        reals.append(here | live | {"counts": {name: getattr(dest, name) for name in COUNTED}})
    return {
        "proto": asked.protocol,
        "address": address,
        "port": port,
        "mark": asked.fwmark,
        "family": asked.family,
        "scheduler": asked.scheduler,
        "flags": asked.flags,
        "persistent": persistent.timeout if persistent else 0,
        "mask": _mask(asked.family, persistent.netmask) if persistent else "",
        "pe": asked.persistence_engine,
        "ops": asked.one_packet,
        "counts": {name: getattr(service.counts, name) for name in COUNTED},
        "reals": reals,
    }


def _mask(family: int, prefix: int | None) -> str:
    """The netmask of a persistent service, where it is not one client's."""
    if prefix is None or prefix == (32 if family == 4 else 128):
        return ""
    return str(ip_network(f"0.0.0.0/{prefix}").netmask) if family == 4 else str(prefix)


def _conn(parts: Parts, conn: Conn) -> dict[str, Any]:
    engine = conn.service.service.persistence_engine if conn.service is not None else ""
    return {
        "proto": conn.proto,
        "client": conn.client,
        "virtual": conn.virtual,
        "real": conn.real,
        "state": states.name(conn, parts.edition.assured),
        "seconds": max(conn.due - parts.clock.now - 1, 0) // NANOSECOND,  # who looks comes a moment later
        "pe": (engine, conn.pe_data.decode("latin-1")) if conn.pe_data else None,
    }
