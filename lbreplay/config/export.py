"""A Setup -> dpvs.conf, a script of ipvsadm and dpip commands, and the events as commands (S 6).

So that what was tried in simulation can be put on a machine. What those files cannot say (the NIC, the seed, the names
of services) stands in the script as comments `# lbreplay: KEY=VALUE`: they are found by importing what was written and
comparing, so that the import of an export gives the same configuration.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from lbreplay.config.document import document, real, subjects, text
from lbreplay.config.found import inline
from lbreplay.config.imports import DIRECTIVE, Texts, import_texts
from lbreplay.config.load import load
from lbreplay.errors import ConfigError
from lbreplay.model import AccessList, Device, Event, On, RealServer, Service, Setup, Worker

MAX_QUEUES = 16  # of a port of DPVS (S 1.7)
MODES = {"fnat": "-b", "nat": "-m", "dr": "-g", "tunnel": "-i", "snat": "-J"}
ON_FIRST = On()
SELECT = {6: "-t", 17: "-u", 132: "--sctp-service", 1: "-q", 58: "-1"}


class Export(NamedTuple):
    """The three texts; `events` is empty where nothing changes in the middle."""

    dpvs_conf: str
    script: str
    events: str


def export(setup: Setup) -> Export:
    """Write *setup* of profile dpvs for a machine. ConfigError for what no DPVS could be given."""
    _judge(setup)
    plain = Export(_block(_dpvs_conf(setup)), "\n".join(_script(setup)) + "\n", _events(setup))
    events = ("events.txt", plain.events) if plain.events else None
    texts = Texts(("dpvs.conf", plain.dpvs_conf), (("setup.sh", plain.script),), events=events)
    said = list(directives(setup, texts, [] if setup.edition == "1.10" else ["edition"]))
    return plain._replace(script=plain.script + remarks("neither dpvs.conf nor ipvsadm and dpip", said))


def remarks(tools: str, said: list[str]) -> str:
    """Directives with a line before them that says what they are for; nothing where there are none."""
    return "\n".join(["", f"# What {tools} can say, for lbreplay import:", *said, ""]) if said else ""


def _judge(setup: Setup) -> None:
    for port, device in enumerate(setup.devices):
        queues = sorted(queue for worker in setup.workers for queue in worker.polls(port))
        if queues != list(range(len(queues))) or len(queues) > MAX_QUEUES:
            got = ", ".join(map(str, queues[:20])) + (f" of {device.name}" if setup.others else "")
            raise ConfigError(
                f"workers: queues from 0 without a gap, at most {MAX_QUEUES}, expected by DPVS, got {got}"
            )


# --- dpvs.conf -------------------------------------------------------------------------------------------------------

Tree = list[tuple[str, Any]]  # keyword with its words, and a value, a Tree below, or None for a flag


def _block(tree: Tree, depth: int = 0) -> str:
    """Keywords and blocks in the file's layout; each brace is where the real parser looks for it."""
    pad = "    " * depth
    lines = []
    for word, value in tree:
        if isinstance(value, list):
            lines.append(f"{pad}{word} {{\n{_block(value, depth + 1)}{pad}}}\n")
        else:
            lines.append(f"{pad}{word}{'' if value is None else f' {value}'}\n")
    return "".join(lines)


def _on(value: bool) -> str:
    return "on" if value else "off"


def _flags(**given: bool) -> Tree:
    return [(name, None) for name, value in given.items() if value]


def _dpvs_conf(setup: Setup) -> Tree:
    old = setup.edition == "1.8"
    return [
        ("netif_defs", _netif(setup, old)),
        ("worker_defs", _workers(setup)),
        ("ipv4_defs", [("forwarding", _on(setup.ipv4_forwarding))]),
        ("ipv6_defs", [("forwarding", _on(setup.ipv6_forwarding))]),
        ("ipvs_defs", [("conn", _conn(setup)), ("udp", _udp(setup, old)), ("tcp", _tcp(setup, old))]),
        (
            "sa_pool",
            [
                ("<init> pool_hash_size", setup.sa_pool.hash_size),
                *([] if old else [("<init> flow_enable", _on(setup.flow_director.enabled))]),
            ],
        ),
    ]


def _name(setup: Setup, on: On = ON_FIRST) -> str:
    """A device's name, where a dpvs.conf can hold it."""
    name = setup.name(on)
    return name if re.fullmatch(r"[\w.-]+", name) else f"dpdk{on.port}" + ("" if on.vlan is None else f".{on.vlan}")


def _netif(setup: Setup, old: bool) -> Tree:
    """Every port; a bond behind its slaves."""
    return [entry for port in range(len(setup.devices)) for entry in _port(setup, port, old)]


def _port(setup: Setup, port: int, old: bool) -> Tree:
    device, name = setup.devices[port], _name(setup, On(port))
    queues = sum(len(worker.polls(port)) for worker in setup.workers)
    if device.bond is not None:
        slaves = [card.name for card in device.cards]
        of_bond = [*(("slave", slave) for slave in slaves), ("primary", slaves[device.bond.primary])]
        settings = [(f"<init> device {card.name}", _settings(setup, card, queues, old)) for card in device.cards]
        return [*settings, (f"<init> bonding {name}", [("mode", device.bond.mode), *of_bond])]
    if not device.slaves:
        return [(f"<init> device {name}", _settings(setup, device, queues, old))]
    ports = [f"{name}_slave{n}" for n in range(device.slaves)]
    return [
        *((f"<init> device {slave}", _settings(setup, device, queues, old)) for slave in ports),
        (f"<init> bonding {name}", [*(("slave", slave) for slave in ports), ("primary", ports[0])]),
    ]


def _settings(setup: Setup, device: Device, queues: int, old: bool) -> Tree:
    rss = "all" if device.rss == {"ip", "tcp", "udp"} else "|".join(sorted(device.rss))
    return [
        *([("mtu", device.mtu)] if 1 <= device.mtu <= 9000 else []),
        ("rx", [("queue_number", queues), *([("rss", rss)] if rss else [])]),
        ("tx", [("queue_number", queues)]),
        *([("fdir", [("filter", _on(setup.flow_director.enabled))])] if old else []),
    ]


def _workers(setup: Setup) -> Tree:
    taken = {worker.cpu_id for worker in setup.workers}
    master = next(n for n in range(len(taken) + 1) if n not in taken)
    blocks: Tree = [(f"<init> worker cpu{master}", [("type", "master"), ("cpu_id", master)])]
    return blocks + [(f"<init> worker cpu{worker.cpu_id}", _worker(setup, worker)) for worker in setup.workers]


def _worker(setup: Setup, worker: Worker) -> Tree:
    kind = "kni" if worker.kind == "kni" else "slave"
    echo = _flags(icmp_redirect_core=worker.cpu_id == setup.conn.icmp_redirect_core)
    ports = [(f"port {_name(setup, On(port))}", _polls(worker, port)) for port in range(len(setup.devices))]
    return [("type", kind), ("cpu_id", worker.cpu_id), *echo, *ports]


def _polls(worker: Worker, port: int) -> Tree:
    queues = " ".join(map(str, worker.polls(port)))
    inside: Tree = [("rx_queue_ids", queues)] if queues else []
    inside.append(("tx_queue_ids", queues or 0))
    if worker.isolated and not port:
        inside.append(("isol_rx_cpu_ids", " ".join(map(str, worker.isolated))))
    return inside


def _conn(setup: Setup) -> Tree:
    conn = setup.conn
    return [
        ("<init> conn_pool_size", conn.pool_size),
        ("conn_init_timeout", conn.init_timeout),
        ("<init> redirect", _on(conn.redirect)),
        *_flags(
            expire_quiescent_template=conn.expire_quiescent_template,
            fast_xmit_close=not conn.fast_xmit,
            xmit_ttl=conn.xmit_ttl,
        ),
    ]


def _udp(setup: Setup, old: bool) -> Tree:
    names = ("normal", "last") if old else ("oneway", "normal", "last")
    return [
        *_flags(defence_udp_drop=setup.udp.defence_drop),
        ("uoa_mode", setup.udp.uoa_mode),
        ("uoa_max_trail", setup.udp.uoa_max_trail),
        ("timeout", [(name, setup.udp.timeout[name]) for name in names]),
    ]


def _tcp(setup: Setup, old: bool) -> Tree:
    proxy = setup.tcp.synproxy
    options: Tree = [("mss", proxy.mss), ("ttl", proxy.ttl), *_flags(sack=proxy.sack, timestamp=proxy.timestamp)]
    if old:
        options += _flags(wscale=proxy.wscale == 1)
    else:
        options.append(("wscale", proxy.wscale))
    synproxy: Tree = [
        ("synack_options", options),
        *_flags(close_client_window=proxy.close_client_window and not old, defer_rs_syn=proxy.defer_rs_syn),
        ("rs_syn_max_retry", proxy.rs_syn_max_retry),
        ("ack_storm_thresh", proxy.ack_storm_thresh),
        ("max_ack_saved", proxy.max_ack_saved),
        ("conn_reuse_state", [(state, None) for state in proxy.conn_reuse]),
    ]
    return [
        *_flags(defence_tcp_drop=setup.tcp.defence_drop),
        ("timeout", list(setup.tcp.timeout.items())),
        ("synproxy", synproxy),
    ]


# --- the script ------------------------------------------------------------------------------------------------------


def _script(setup: Setup) -> Iterator[str]:
    yield "#!/bin/sh"
    for port in range(len(setup.devices)):
        yield from _device(setup, port)
    yield from _ways(setup)
    for n, service in enumerate(setup.services):
        yield from _service(service, n, setup)


def _device(setup: Setup, port: int) -> Iterator[str]:
    """VLAN devices, MAC and addresses of a port."""
    device, name = setup.devices[port], _name(setup, On(port))
    for vlan in device.vlan:
        inner = _name(setup, On(port, vlan.id))
        yield f"dpip vlan add {inner} link {name} id {vlan.id}"
        if vlan.mac:
            yield f"dpip link set {inner} addr {vlan.mac.hex(':')}"
        yield from (f"{_dpip(n.address)} addr add {n} dev {inner}" for n in vlan.address)
    if device.mac:
        yield f"dpip link set {name} addr {device.mac.hex(':')}"
    if device.forward2kni:
        yield f"dpip link set {name} forward2kni on"
    yield from (f"{_dpip(n.address)} addr add {n} dev {name}" for n in device.address)
    for address in device.sapool_address:
        yield f"{_dpip(address)} addr add {text(address)}/{8 * len(address)} dev {name} sapool"


def _dpip(address: bytes) -> str:
    return "dpip" if len(address) == 4 else "dpip -6"


def _ways(setup: Setup) -> Iterator[str]:
    for route in setup.routes:
        name = _name(setup, route.device or _towards(setup, route.via))
        to = "default" if route.to.prefix == 0 else str(route.to)
        via = f" via {text(route.via)}" if route.via else ""
        rest = (f" src {text(route.source)}" if route.source else "") + (f" mtu {route.mtu}" if route.mtu else "")
        yield f"{_dpip(route.to.address)} route add {to}{via} dev {name}{rest}"
    for neighbor in setup.neighbors:
        name = _name(setup, neighbor.device or _towards(setup, neighbor.address))
        mac = neighbor.mac.hex(":")
        yield f"{_dpip(neighbor.address)} neigh add {text(neighbor.address)} lladdr {mac} dev {name}"


def _towards(setup: Setup, hop: bytes | None) -> On:
    """The port whose network has a next hop, else the first."""
    ports = enumerate(setup.devices if hop is not None else ())
    return next((On(port) for port, device in ports if any(hop in network for network in device.address)), ON_FIRST)


def _select(service: Service) -> str:
    if service.match is not None:
        return f"-H {shlex.quote(service.match.text)}"
    return f"{SELECT[service.protocol]} {service.vip}"


def _service(service: Service, number: int, setup: Setup) -> Iterator[str]:
    select, old = _select(service), setup.edition == "1.8"
    yield ""
    for flag, given in (("mh-port", service.mh_port), ("mh-fallback", service.mh_fallback)):
        if given:
            yield f"# the {flag} flag of this service is set through keepalived, ipvsadm has no option for it"
    if old and service.conn_timeout:
        seconds = service.conn_timeout
        yield f"# conn_timeout {seconds} of this service is set through keepalived, ipvsadm has no option for it"
    yield f"ipvsadm -A {select} -s {service.scheduler}{''.join(_options(service, old))}"
    for one in service.reals:
        yield f"ipvsadm -a {select} {_server(one, service)}"
    for laddr in service.laddr:
        yield f"ipvsadm --add-laddr -z {text(laddr)} {select} -F {_name(setup, setup.home(laddr))}"
    yield from _list(service.blacklist, f"ipvsadm -U {select} -k", f"black{number}")
    yield from _list(service.whitelist, f"ipvsadm -O {select} -2", f"white{number}")


def _options(service: Service, old: bool) -> Iterator[str]:
    """The options of -A that differ from their defaults."""
    if service.persistent:
        yield f" -p {service.persistent.timeout}"
        if service.persistent.netmask:
            yield f" -M {netmask(service.persistent.netmask, service.family)}"
    for option, given in (
        ("--ops", service.one_packet),
        ("-j enable", service.synproxy),
        ("--expire-quiescent", service.expire_quiescent),
        ("--quic", service.quic),
        ("--hash-target qid", service.hash_target == "quic"),
        (f"--conn-timeout {service.conn_timeout}", service.conn_timeout and not old),
        (f"--proxy-protocol {service.proxy_protocol}", service.proxy_protocol != "off"),
    ):
        if given:
            yield f" {option}"
    if check := service.dest_check:
        out = f"{check.down_wait}s,{check.inhibit_min}-{check.inhibit_max}s"
        for_good = not (check.up_confirm or check.inhibit_min or check.inhibit_max)
        yield f" --dest-check {check.down_retry}," + (
            f"{check.down_wait}s" if for_good else f"{check.up_confirm},{out}"
        )


def netmask(prefix: int, family: int) -> str:
    """A prefix length as ipvsadm's -M takes it."""
    if family == 6:
        return str(prefix)
    return ".".join(str((0xFFFFFFFF << (32 - prefix) >> shift) & 255) for shift in (24, 16, 8, 0))


def _server(one: RealServer, service: Service) -> str:
    limits = (f" -x {one.max_conn}" if one.max_conn else "") + (f" -y {one.min_conn}" if one.min_conn else "")
    return f"-r {one} {MODES[service.mode]} -w {one.weight}{limits}"


def _list(listed: AccessList, command: str, name: str) -> Iterator[str]:
    """Single addresses as entries, networks as an ipset."""
    yield from (f"{command} {text(address)}" for address in sorted(listed.addresses))
    networks = [network for group in listed.sets for network in group]
    if networks:
        yield f"dpip ipset create {name} hash:net"
        yield from (f"dpip ipset add {name} {network}" for network in networks)
        yield f"{command} ipset:{name}"


# --- events ----------------------------------------------------------------------------------------------------------


def _after(service: Service, event: Event) -> Service:
    """*service* with the list that *event* set."""
    changed: dict[str, Any] = {event.path[2]: event.value} if len(event.path) == 3 and event.action == "set" else {}
    return service._replace(**changed)


def _events(setup: Setup) -> str:
    """`SECONDS COMMAND` a line; none where one of them takes several commands, which is left to the directives."""
    live = {s.name: {str(one): one for one in s.reals} for s in setup.services}
    services = {s.name: s for s in setup.services}
    lines = []
    for event in setup.events:
        service = services[event.path[1]]
        command = _event(event, service, live[event.path[1]], setup)
        if not command:
            return ""
        lines.append(f"{event.at_ns / 1e9:g} {command}\n")
        services[service.name] = _after(service, event)
    return "".join(lines)


def _event(event: Event, service: Service, live: dict[str, RealServer], setup: Setup) -> str:
    select = _select(service)
    if isinstance(event.value, RealServer):
        live[str(event.value)] = event.value
        return f"ipvsadm -a {select} {_server(event.value, service)}"
    if event.action == "remove" and len(event.path) == 2:
        return f"ipvsadm -D {select}"
    if event.action == "remove":
        return f"ipvsadm -d {select} -r {event.path[3]}"
    if len(event.path) == 5 and event.path[3] in live:
        fields = {**real(live[event.path[3]]), event.path[4]: event.value}
        changed = RealServer(live[event.path[3]].endpoint, fields["weight"], fields["max_conn"], fields["min_conn"])
        live[event.path[3]] = changed
        return f"ipvsadm -e {select} {_server(changed, service)}"
    return _relist(event, service, select, setup)


def _relist(event: Event, service: Service, select: str, setup: Setup) -> str:
    """A list that gains or loses one address."""
    assert isinstance(event.value, tuple), "a service's lists are all that is left to set"
    if not isinstance(event.value, AccessList):
        return _readdress(event.value, service, select, setup)
    black = event.path[2] == "blacklist"
    before = set(subjects(service.blacklist if black else service.whitelist))
    changed = before ^ set(subjects(event.value))
    if len(changed) != 1 or "/" in (one := changed.pop()):
        return ""
    command = ("-V" if one in before else "-U") if black else ("-Y" if one in before else "-O")
    return f"ipvsadm {command} {select} {'-k' if black else '-2'} {one}"


def _readdress(laddrs: tuple[bytes, ...], service: Service, select: str, setup: Setup) -> str:
    """A local address more at the end, or one less."""
    before = list(service.laddr)
    if list(laddrs[:-1]) == before:
        return f"ipvsadm --add-laddr -z {text(laddrs[-1])} {select} -F {_name(setup, setup.home(laddrs[-1]))}"
    gone = [laddr for laddr in before if laddr not in laddrs]
    if len(gone) != 1 or [laddr for laddr in before if laddr != gone[0]] != list(laddrs):
        return ""
    return f"ipvsadm --del-laddr -z {text(gone[0])} {select} -F {_name(setup, setup.home(gone[0]))}"


# --- what the files cannot say ---------------------------------------------------------------------------------------


def directives(setup: Setup, texts: Texts, always: Sequence[str] = ()) -> Iterator[str]:
    """Comments that set what differs between *setup* and the import of *texts*, and the keys *always* said."""
    found = import_texts(texts, setup.edition, profile=setup.profile)
    again = document(load("export", text=found.text()))
    wanted = document(setup)
    yield from (f"# {DIRECTIVE} {key}={inline(wanted[key])}" for key in always)
    changed = _without_names(wanted["event"], wanted) != _without_names(again["event"], again)
    for path, value in _differences(wanted, again):
        if path.split("[")[0] != "event" and path not in ("edition", "profile"):
            yield f"# {DIRECTIVE} {path}={inline(value)}"
    if changed:
        yield f"# {DIRECTIVE} event={inline(wanted['event'])}"


def _without_names(events: list[dict[str, Any]], whole: dict[str, Any]) -> list[str]:
    """Events with the numbers of services in place of their names."""
    names = sorted(((s["name"], n) for n, s in enumerate(whole["service"])), key=lambda pair: -len(pair[0]))
    told = [inline(event) for event in events]
    for name, number in names:
        told = [one.replace(f"service.{name}", f"service.#{number}") for one in told]
    return told


def _differences(wanted: Any, got: Any, path: str = "") -> Iterator[tuple[str, object]]:
    """(key path, wanted value) of every leaf that is not the same."""
    if isinstance(wanted, dict) and isinstance(got, dict):
        for name, value in wanted.items():
            yield from _differences(value, got.get(name), f"{path}.{name}" if path else name)
    elif _entries(wanted) and _entries(got) and len(wanted) == len(got) and path != "workers":
        for n, value in enumerate(wanted):
            yield from _differences(value, got[n], f"{path}[{n}]")
    elif wanted != got:
        yield path, wanted


def _entries(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(one, dict) for one in value)
