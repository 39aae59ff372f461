"""What one kernel has and another has not: settings of profile ipvs against its edition (interface 8, L 13, L 17)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from lbreplay.config.kinds import Gathered, Refused, Where
from lbreplay.model import KERNELS, Event, Service

OLD, SINCE = "2.6", "6.1"  # the design documents' kernel, and the one that files with something later are read for
FIRST = "4.4"  # the first edition after 2.6
# what 2.6 lacks -> the first edition that has it (L 13, L 17, L 23)
LATER_SYSCTLS = {
    **dict.fromkeys((
        "conntrack", "snat_reroute", "sync_version", "sync_ports", "sync_persist_mode", "sync_qlen_max",
        "sync_sock_size", "sloppy_tcp", "sloppy_sctp", "sync_refresh_period", "sync_retries", "pmtu_disc",
        "backup_only", "conn_reuse_mode", "schedule_icmp", "ignore_tunneled",
    ), FIRST), "run_estimation": "5.16",
}  # fmt: skip
LATER_SCHEDULERS = {"fo": FIRST, "ovf": FIRST, "mh": "4.18"}
LATER_MODULES = {"ip_vs_pe_sip": FIRST}
LATER_TUNNELS = {"gue": "5.2", "gre": "5.3"}
MOST_BITS = {OLD: 20}  # of conn_tab_bits; later kernels allow what the schema does


def judge(
    given: Mapping[str, Any], edition: str, services: Sequence[Service], events: Sequence[Event], where: Where
) -> None:
    """Refuse what *edition* does not have, and what no kernel takes. *given*: the judged `[ipvs]` table."""
    ipvs, every = where.key("ipvs"), Gathered()
    with every:
        _judge_bits(given, edition, ipvs)
    with every:
        _judge_threshold(given.get("sync_threshold"), edition, ipvs.key("sync_threshold"))
    for n, service in enumerate([*services, *_added(events)]):
        with every:
            _judge_reals(service, where.key("service").item(n))
    for first, at, what in _later(given, services, events, where):
        if KERNELS.index(edition) < KERNELS.index(first):
            with every:
                raise Refused(at.path, f'edition = "{first}" or later expected for {what}, got "{edition}"')
    every.end()


def _added(events: Sequence[Event]) -> list[Service]:
    return [event.value for event in events if isinstance(event.value, Service)]


Later = tuple[str, Where, str]  # the first edition that has something, where it is, and its name


def _later(
    given: Mapping[str, Any], services: Sequence[Service], events: Sequence[Event], where: Where
) -> Iterator[Later]:
    ipvs = where.key("ipvs")
    for name in given:
        yield LATER_SYSCTLS.get(name, OLD), ipvs.key(name), name
    for n, module in enumerate(given.get("modules", ())):
        yield LATER_MODULES.get(module, OLD), ipvs.key("modules").item(n), module
    for n, event in enumerate(events):
        sysctl = event.path[1] if event.path[:1] == ("ipvs",) else ""
        yield LATER_SYSCTLS.get(sysctl, OLD), where.key("event").item(n), event.text
    for n, service in enumerate([*services, *_added(events)]):
        yield from _later_of(service, where.key("service").item(n))


def _later_of(service: Service, where: Where) -> Iterator[Later]:
    yield LATER_SCHEDULERS.get(service.scheduler, OLD), where.key("scheduler"), service.scheduler
    yield FIRST if service.flags else OLD, where.key("flags"), "scheduler flags"
    yield FIRST if service.persistence_engine else OLD, where.key("persistence_engine"), "a persistence engine"
    for n, real in enumerate(service.reals):
        kind = str((real.tunnel or {}).get("type", "ipip"))
        yield LATER_TUNNELS.get(kind, OLD), where.key("real").item(n).key("tunnel"), kind


def _judge_reals(service: Service, where: Where) -> None:
    """Thresholds the kernel refuses, and tunnels that lack their port."""
    for n, real in enumerate(service.reals):
        at = where.key("real").item(n)
        if real.min_conn > real.max_conn:
            raise Refused(at.key("min_conn").path, f"at most max_conn ({real.max_conn}) expected, got {real.min_conn}")
        tunnel = real.tunnel or {}
        if tunnel.get("type") == "gue" and not tunnel.get("port"):
            raise Refused(at.key("tunnel").key("port").path, "required with type gue")
    if service.persistence_engine and (not service.persistent or service.protocol not in (0, 17)):
        raise Refused(where.key("persistence_engine").path, "only with persistent and protocol udp")


def _judge_bits(given: Mapping[str, Any], edition: str, where: Where) -> None:
    bits, most = given.get("conn_tab_bits", 0), MOST_BITS.get(edition, 32)
    if bits > most:
        raise Refused(where.key("conn_tab_bits").path, f'8 to {most} expected in edition "{edition}", got {bits}')


def _judge_threshold(given: Any, edition: str, where: Where) -> None:
    """`sync_threshold = "3 50"` or [3, 50]: 0 <= threshold < period; later kernels take a period of 0 (L 15)."""
    if given is None:
        return
    words = given.split() if isinstance(given, str) else list(given)
    numbers = [int(word) for word in words if str(word).isdecimal()]
    if len(words) != 2 or len(numbers) != 2:
        raise Refused(where.path, f'two numbers like "3 50" expected, got {given}')
    threshold, period = numbers
    if not (threshold < period or (period == 0 and edition != OLD)):
        raise Refused(where.path, f"a threshold below the period expected, got {threshold} {period}")
