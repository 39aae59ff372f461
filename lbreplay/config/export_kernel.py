"""A Setup of profile ipvs -> what `ipvsadm-restore` reads, a script that sets up the rest of a director, and events.

The script loads modules, sets sysctls, addresses, routes, neighbours and firewall marks, and feeds the services to
ipvsadm-restore (L 17, L 18). What these tools cannot say stands in comments `# lbreplay: KEY=VALUE`, as for DPVS.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from typing import Any, NamedTuple

from lbreplay.config.document import text
from lbreplay.config.export import directives, netmask, remarks
from lbreplay.config.imports import Texts
from lbreplay.config.values import PROTOCOL_NAME
from lbreplay.model import Event, Mark, Network, RealServer, Service, Setup

MODES = {"nat": "-m", "dr": "-g", "tunnel": "-i"}
SELECT = {6: "-t", 17: "-u", 132: "--sctp-service"}
END = "END"  # of the here-document
NOT_SYSCTLS = ("timeout", "modules", "conn_tab_bits", "tracking")


class KernelExport(NamedTuple):
    """The three texts; `events` is empty where nothing changes in the middle. The script holds `restore` too."""

    restore: str
    script: str
    events: str


def export(setup: Setup) -> KernelExport:
    """Write *setup* of profile ipvs for a director."""
    restore = "".join(f"{line}\n" for service in setup.services for line in _service(service))
    fed = f"ipvsadm-restore << '{END}'\n{restore}{END}\n" if restore else ""
    plain = KernelExport(restore, "\n".join(["#!/bin/sh", *_script(setup)]) + f"\n{fed}", _events(setup))
    events = ("events.txt", plain.events) if plain.events else None
    texts = Texts(scripts=(("setup.sh", plain.script),), events=events)
    said = list(directives(setup, texts, ["profile", "edition"]))
    return plain._replace(script=plain.script + remarks("no tool of the kernel", said))


# --- services --------------------------------------------------------------------------------------------------------


def _select(service: Service) -> str:
    if service.fwmark:
        return f"-f {service.fwmark}{' -6' if service.family == 6 else ''}"
    return f"{SELECT[service.protocol]} {service.vip}"


def _service(service: Service) -> Iterator[str]:
    """One service as ipvsadm -S writes it, with the thresholds that it leaves out."""
    select = _select(service)
    yield f"-A {select} -s {service.scheduler}{''.join(_options(service))}"
    yield from (f"-a {select} {_server(one, service)}" for one in service.reals)


def _options(service: Service) -> Iterator[str]:
    if service.persistent:
        yield f" -p {service.persistent.timeout}"
        if service.persistent.netmask:
            yield f" -M {netmask(service.persistent.netmask, service.family)}"
    if service.flags:
        yield f" -b {','.join(service.flags)}"
    if service.persistence_engine:
        yield f" --pe {service.persistence_engine}"
    if service.one_packet:
        yield " --ops"


def _server(one: RealServer, service: Service) -> str:
    where = text(one.endpoint.address) if service.fwmark and not one.endpoint.port else str(one)
    limits = (f" -x {one.max_conn}" if one.max_conn else "") + (f" -y {one.min_conn}" if one.min_conn else "")
    return f"-r {where} {MODES[one.mode or service.mode]} -w {one.weight}{limits}{_tunnel(one)}"


def _tunnel(one: RealServer) -> str:
    tunnel = one.tunnel or {}
    if tunnel.get("type", "ipip") == "ipip":
        return ""
    port = f" --tun-port {tunnel['port']}" if tunnel.get("port") else ""
    return f" --tun-type {tunnel['type']}{port}{' --tun-csum' if tunnel.get('checksum') else ' --tun-nocsum'}"


# --- the rest of the director ----------------------------------------------------------------------------------------


def _script(setup: Setup) -> Iterator[str]:
    given: Any = setup.ipvs
    bits = given.get("conn_tab_bits")
    yield f"modprobe ip_vs{f' conn_tab_bits={bits}' if bits else ''}"
    yield from (f"modprobe {module}" for module in given.get("modules", ()))
    yield f"sysctl -w net.ipv4.ip_forward={int(setup.ipv4_forwarding)}"
    yield f"sysctl -w net.ipv6.conf.all.forwarding={int(setup.ipv6_forwarding)}"
    yield from _sysctls(setup)
    yield from _device(setup)
    yield from _ways(setup)
    yield from (_rule(mark) for mark in setup.marks)
    if times := given.get("timeout"):
        yield f"ipvsadm --set {' '.join(str(times.get(name, 0)) for name in ('tcp', 'tcpfin', 'udp'))}"


def _sysctls(setup: Setup) -> Iterator[str]:
    for name, value in setup.ipvs.items():
        if name not in NOT_SYSCTLS:
            words = list(value) if isinstance(value, (tuple, list)) else [value]
            spelled = " ".join(map(str, words))
            yield f"sysctl -w net.ipv4.vs.{name}={shlex.quote(spelled)}"


def _device(setup: Setup) -> Iterator[str]:
    device, name = setup.device, shlex.quote(setup.device.name)
    if device.mac:
        yield f"ip link set dev {name} address {device.mac.hex(':')}"
    if device.mtu != 1500:
        yield f"ip link set dev {name} mtu {device.mtu}"
    for vlan in device.vlan:
        inner = shlex.quote(f"{device.name}.{vlan.id}")
        yield f"ip link add link {name} name {inner} type vlan id {vlan.id}"
        yield from (f"{_ip(n.address)} addr add {n} dev {inner}" for n in vlan.address)
    yield from (f"{_ip(n.address)} addr add {n} dev {name}" for n in device.address)


def _ip(address: bytes) -> str:
    return "ip" if len(address) == 4 else "ip -6"


def _ways(setup: Setup) -> Iterator[str]:
    name = shlex.quote(setup.device.name)
    for route in setup.routes:
        via = f" via {text(route.via)}" if route.via else ""
        rest = (f" src {text(route.source)}" if route.source else "") + (f" mtu {route.mtu}" if route.mtu else "")
        yield f"{_ip(route.to.address)} route add {_to(route.to)}{via} dev {name}{rest}"
    for neighbor in setup.neighbors:
        mac = neighbor.mac.hex(":")
        yield f"{_ip(neighbor.address)} neigh replace {text(neighbor.address)} lladdr {mac} dev {name}"


def _to(network: Network) -> str:
    return "default" if network.prefix == 0 else str(network)


def _rule(mark: Mark) -> str:
    """The plain rule that gives a firewall mark."""
    six = mark.to is not None and len(mark.to.address) == 16
    words = ["ip6tables" if six else "iptables", "-t mangle -A PREROUTING"]
    words += [f"-d {mark.to}"] if mark.to else []
    words += [f"-p {PROTOCOL_NAME[mark.protocol]}"] if mark.protocol is not None else []
    words += [f"-m multiport --dports {','.join(map(str, mark.ports))}"] if mark.ports else []
    return " ".join([*words, f"-j MARK --set-mark {mark.mark}"])


# --- events ----------------------------------------------------------------------------------------------------------


def _events(setup: Setup) -> str:
    """`SECONDS COMMAND` a line. What is no command of ipvsadm is left to the directives."""
    live = {s.name: {str(one): one for one in s.reals} for s in setup.services}
    services = {s.name: s for s in setup.services}
    lines = []
    for event in setup.events:
        at = f"{event.at_ns / 1e9:g} ipvsadm "
        if not event.path:
            lines.append(f"{at}-Z\n")
        elif event.path[0] == "service":
            lines += (f"{at}{command}\n" for command in _changed(event, services, live))
        elif event.path[1] == "timeout":
            times = [event.value if name == event.path[2] else 0 for name in ("tcp", "tcpfin", "udp")]
            lines.append(f"{at}--set {' '.join(map(str, times))}\n")
    return "".join(lines)


def _changed(event: Event, services: dict[str, Service], live: dict[str, dict[str, RealServer]]) -> list[str]:
    """The commands of an event; *services* and *live* follow it."""
    name = event.path[1]
    if isinstance(event.value, Service):
        services[name], live[name] = event.value, {str(one): one for one in event.value.reals}
        return list(_service(event.value))
    if event.action == "zero":
        return [f"-Z {_select(services[name])}"]
    if event.action == "set" and len(event.path) == 3:
        field: dict[str, Any] = {event.path[2]: event.value}
        services[name] = services[name]._replace(**field)
        return [next(_service(services[name])).replace("-A", "-E", 1)]
    return [_event(event, services[name], live[name])]


def _event(event: Event, service: Service, live: dict[str, RealServer]) -> str:
    select = _select(service)
    if isinstance(event.value, RealServer):
        live[str(event.value)] = event.value
        return f"-a {select} {_server(event.value, service)}"
    if event.action == "remove":
        return f"-D {select}" if len(event.path) == 2 else f"-d {select} -r {event.path[3]}"
    field: dict[str, Any] = {event.path[4]: event.value}
    changed = live[event.path[3]]._replace(**field)
    live[event.path[3]] = changed
    return f"-e {select} {_server(changed, service)}"
