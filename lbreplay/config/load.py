"""A configuration file -> `model.Setup`. Interface 2 and 8; a message is `FILE:LINE:COLUMN: KEY.PATH: what is right`.

`schema.py` judges every value by itself; this file judges what two values say together (families, duplicates, who
needs what) and makes the frozen model. Everything wrong is told at once. Nothing behind it checks a setting again.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from lbreplay import model
from lbreplay.config import devices
from lbreplay.config.events import events, persistence, real_server
from lbreplay.config.keypath import assign, service_name
from lbreplay.config.kinds import Gathered, Refused, Where, once
from lbreplay.config.schema import SCHEMA
from lbreplay.config.texts import judge_numbers
from lbreplay.config.values import PROTOCOL, PROTOCOL_NAME
from lbreplay.edge import within
from lbreplay.errors import ConfigError
from lbreplay.model import RealServer, Service, Setup

if TYPE_CHECKING:
    from lbreplay.config.places import Places

Given = Mapping[str, Any]
DEFAULT_WORKERS = {"dpvs": 4, "ipvs": 1}
DEFAULT_EDITION = {"dpvs": "1.10", "ipvs": "2.6"}
DEFAULT_MODE = {"dpvs": "fnat", "ipvs": "dr"}  # ipvsadm of the kernel: -g unless told
SAME_EDITION = {"6.1.170": "6.1"}


def load(
    path: str | None,
    sets: Sequence[str] = (),
    *,
    view: str = "client",
    burst_size: int = 4096,
    text: str | None = None,
    places: Places | None = None,
) -> Setup:
    """Read the configuration *path*, override it with *sets* (`KEY=VALUE`), judge it and make the Setup.

    With *text*, that is the configuration (a draft, an import) and *path* only names it; *places*: where its keys
    stand, if not in that text. ConfigError where refused, a line for everything that is wrong.
    """
    name = path or "configuration"
    folder = os.path.dirname(path) if path else ""
    content = read_text(name) if path and text is None else text or ""
    document = parse(name, content)
    origin = _override(document, sets, folder)
    where = Where("", folder or ".", "ipvs" if document.get("profile") == "ipvs" else "dpvs")
    try:
        setup = _setup(_judged(document, where), where)
    except Refused as refused:
        if places is None:
            from lbreplay.config.places import toml  # of no use where all is right

            places = toml(name, content)
        raise ConfigError(*_told([refused, *refused.others], origin, name, places)) from None
    return setup._replace(view=view, burst_size=burst_size, drafted=path is None and text is not None)


def _told(refused: Iterable[Refused], origin: Mapping[str, str], name: str, places: Places) -> Iterator[str]:
    """A line for each, in the order of the file; before them what a --set is to blame for."""
    of_file = []
    for one in refused:
        blamed = next(
            (text for path, text in origin.items() if re.match(rf"{re.escape(path)}($|[.\[])", one.path)), None
        )
        if blamed:
            yield f"--set {blamed}: {one}"
        else:
            of_file.append((places.of(one.path, one.name), one))
    for place, one in sorted(of_file, key=lambda told: told[0] or (name, 0, 0)):
        yield f"{place or name}: {one}"


def _judged(document: dict[str, Any], where: Where) -> Given:
    """Every value judged by itself. Refused with what is wrong between the values of the parts that are right."""
    try:
        return SCHEMA.read(document, where)
    except Refused as refused:
        refused.others += tuple(_between(document, [refused, *refused.others], where))
        raise


def _between(document: dict[str, Any], refused: Sequence[Refused], where: Where) -> Iterator[Refused]:
    """What is wrong between values, where values are wrong by themselves, too: those parts are left out."""
    bad = {_part(one.path) for one in refused}
    tops = {part.partition("[")[0] for part in bad}
    if not tops.isdisjoint(("profile", "edition")):
        return
    lacking = tops - {"service"} | ({"event"} if "service" in tops else set())
    lacking |= {"device"} if "workers" in tops else set()
    services = document.get("service", ()) if "service" not in bad else ()
    kept = [n for n in range(len(services)) if f"service[{n}]" not in bad]
    rest = {key: value for key, value in document.items() if key not in lacking}
    if "service" in rest:
        rest["service"] = [services[n] for n in kept]
    try:
        _setup(SCHEMA.read(rest, where), where)
    except Refused as more:
        for one in (more, *more.others):
            path, reason = (
                re.sub(r"(?<=\bservice\[)\d+", lambda n: str(kept[int(n[0])]), t) for t in (one.path, one.reason)
            )
            yield Refused(path, reason, one.name)


def _part(path: str) -> str:
    """What is judged as a whole: a service, else a section."""
    found = re.match(r"service\[\d+\]|[^.\[]+", path)
    return found.group() if found else path


def read_text(path: str) -> str:
    """A text file as UTF-8, `-` for standard input, without a byte order mark. ConfigError where it is not that."""
    within.judge(path)
    try:
        with open(0 if path == "-" else path, "rb", closefd=path != "-") as file:
            data = file.read()
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror or error}") from None
    try:
        return data.removeprefix(b"\xef\xbb\xbf").decode("utf-8")
    except UnicodeDecodeError as error:
        line, column = data.count(b"\n", 0, error.start) + 1, error.start - data.rfind(b"\n", 0, error.start)
        raise ConfigError(f"{path}:{line}:{column}: UTF-8 text expected, got byte 0x{data[error.start]:02x}") from None


def parse(name: str, text: str) -> dict[str, Any]:
    """TOML -> the raw document. ConfigError with line and column."""
    import tomllib

    judge_numbers(name, text)
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        message, _, place = str(error).partition(" (at ")
        at = [int(number) for number in re.findall(r"\d+", place)]
        line, column = at or (text.count("\n") + 1, len(text) - text.rfind("\n"))
        raise ConfigError(f"{name}:{line}:{column}: {message}") from None
    except RecursionError:
        raise ConfigError(f"{name}: nested too deep") from None


def _override(document: dict[str, Any], sets: Sequence[str], folder: str) -> dict[str, str]:
    """Carry out every --set; what was set by which, by key path."""
    origin: dict[str, str] = {}
    for text in sets:
        try:
            origin[assign(document, text, folder or ".")] = text
        except Refused as refused:
            raise ConfigError(f"--set {text}: {refused}") from None
    return origin


def _setup(given: Given, where: Where) -> Setup:
    profile = where.profile
    edition: str = given.get("edition", DEFAULT_EDITION[profile])
    every, known = Gathered(), devices.Known(None)
    with every:
        ports = devices.ports(given.get("device", {}), where.key("device"))
        workers = devices.workers(given.get("workers", DEFAULT_WORKERS[profile]), ports, where.key("workers"))
        device, *others = devices.judged(ports, workers)
        known = ports.known
        conn = _conn(given.get("conn", {}), workers, where.key("conn"))
    with every:
        raw_events = list(given.get("event", ()))
        services = _services(given.get("service", ()), raw_events, where.key("service"))
        changes = events(raw_events, services, where, _service)
        if profile == "ipvs":
            from lbreplay.config import ipvs

            ipvs.judge(given.get("ipvs", {}), edition, services, changes, where)
    with every:
        sa_pool = _sa_pool(given.get("sa_pool", {}), where.key("sa_pool"))
    with every:
        routes = _routes(given.get("route", ()), known, where.key("route"))
    with every:
        neighbors = _neighbors(given.get("neighbor", ()), known, where.key("neighbor"))
    every.end()
    homes = devices.homes((device, *others), services, changes, known, where.key("service"))
    return Setup(
        seed=given.get("seed", 0),
        profile=profile,
        edition=SAME_EDITION.get(edition, edition),
        behaviour=model.EDITIONS.get(edition, model.Behaviour())._replace(**given.get("behaviour", {})),
        workers=workers,
        device=device,
        flow_director=_flow_director(given.get("flow_director", {})),
        sa_pool=sa_pool,
        conn=conn,
        tcp=_tcp(given.get("tcp", {})),
        udp=model.Udp(**_timed(given.get("udp", {}), model.UDP_TIMEOUT)),
        sctp=model.Sctp(**_timed(given.get("sctp", {}), model.SCTP_TIMEOUT)),
        ipv4_forwarding=given.get("ipv4", {}).get("forwarding", profile == "ipvs"),
        ipv6_forwarding=given.get("ipv6", {}).get("forwarding", profile == "ipvs"),
        services=services,
        routes=routes,
        neighbors=neighbors,
        events=changes,
        ipvs=given.get("ipvs", {}),
        marks=tuple(_mark(mark) for mark in given.get("mark", ())),
        others=tuple(others),
        homes=homes,
    )


def _conn(given: Given, workers: tuple[model.Worker, ...], where: Where) -> model.ConnSettings:
    conn = model.ConnSettings(**given)
    cores = [worker.cpu_id for worker in workers if worker.kind == "forward"]
    if conn.icmp_redirect_core and conn.icmp_redirect_core not in cores:
        expected = f"the cpu_id of a forwarding worker ({cores[0]} to {cores[-1]}), or 0,"
        raise where.key("icmp_redirect_core").refuse(expected, conn.icmp_redirect_core)
    return conn


def _timed(given: Given, default: Mapping[str, int]) -> dict[str, Any]:
    return {**given, "timeout": {**default, **given.get("timeout", {})}}


def _tcp(given: Given) -> model.Tcp:
    synproxy = model.SynProxy(**given.get("synproxy", {}))
    return model.Tcp(**{**_timed(given, model.TCP_TIMEOUT), "synproxy": synproxy})


def _flow_director(given: Given) -> model.FlowDirector:
    mask = given.get("dst_port_mask", "auto")
    return model.FlowDirector(**{**given, "dst_port_mask": None if mask == "auto" else mask})


def _sa_pool(given: Given, where: Where) -> model.SaPool:
    pool = model.SaPool(**given)
    if pool.low > pool.high:
        raise Refused(where.key("low").path, f"at most sa_pool.high ({pool.high}) expected, got {pool.low}")
    return pool


def _services(given: Sequence[dict[str, Any]], raw_events: Iterable[Given], where: Where) -> tuple[Service, ...]:
    every = Gathered()
    found: list[Service | None] = [None] * len(given)
    for n, service in enumerate(given):
        with every:
            found[n] = _service(service, where.item(n))
    for what, of in UNIQUE.items():
        with every:
            once((service and of(service) for service in found), where, what)
    added = {str(event["add"]) for event in raw_events if "add" in event}
    for n, made in enumerate(found):
        with every:
            _judge_reals(made, added, where.item(n).key("real"))
    every.end()
    return tuple(filter(None, found))


# what no two services may share -> what a service has of it
UNIQUE: dict[str, Callable[[Service], object]] = {
    "an address, port and protocol": lambda service: service.vip and (service.vip, service.protocol),
    "a match": lambda service: service.match and service.match._replace(text=""),
    "a mark": lambda service: (service.fwmark, service.family) if service.fwmark else None,
    "a name": lambda service: service.name,
}


def _judge_reals(service: Service | None, added: set[str], where: Where) -> None:
    if service and where.profile == "dpvs" and not service.reals and f"service.{service.name}.real" not in added:
        raise Refused(where.path, "at least one real server expected, got none")


def _service(given: dict[str, Any], where: Where) -> Service:
    mode = given.get("mode", DEFAULT_MODE[where.profile])
    protocol = _protocol(given, mode, where)
    check = given.get("dest_check", False)
    persistent = given.get("persistent")
    fields = {
        **given,
        "name": service_name({**given, **_spelled(given)}),
        "protocol": protocol,
        "mode": mode,
        "persistent": persistence(persistent),
        "dest_check": model.DestCheck(**(check if isinstance(check, dict) else {})) if check is not False else None,
        "reals": tuple(_real(real, mode) for real in given.get("real", ())),
    }
    fields.pop("real", None)
    service = Service(**fields)
    every = Gathered()
    for refused in (
        j for judge in (_judge_address, _judge_families, _judge_persistence) for j in judge(service, where)
    ):
        with every:
            raise refused
    with every:
        once((real.endpoint for real in service.reals), where.key("real"), "an address and port")
    with every:
        once(service.laddr, where.key("laddr"), "an address")
    every.end()
    return service


def _real(given: dict[str, Any], mode: str) -> RealServer:
    """A real server; its mode is said where it differs from the service's alone."""
    real = real_server(given)
    return real._replace(mode=None) if real.mode == mode else real


def _spelled(given: Given) -> dict[str, str]:
    """The parts of a default name as text again."""
    texts = {name: str(given[name]) for name in ("vip",) if name in given}
    return {**texts, **({"match": given["match"].text} if "match" in given else {})}


def _protocol(given: Given, mode: str, where: Where) -> int:
    """What a service is found by fits its mode: a match with snat, a mark, or an address. Its protocol number."""
    found_by = [key for key in ("vip", "match", "fwmark") if key in given]
    wanted = "match" if mode == "snat" else "fwmark" if "fwmark" in given else "vip"
    if found_by != [wanted]:
        got = " and ".join(found_by) or "none"
        raise Refused(where.key(wanted).path, f'required with mode = "{mode}" and alone, got {got}')
    if wanted == "fwmark":
        return 0
    number = PROTOCOL[given.get("protocol", "tcp")]
    if wanted == "match":
        if "protocol" in given and number != given["match"].protocol:
            name = PROTOCOL_NAME[given["match"].protocol]
            raise Refused(where.key("protocol").path, f"{name} as in the match expected, got {given['protocol']}")
        return int(given["match"].protocol)
    if number in (1, 58):
        raise Refused(
            where.key("protocol").path, f'tcp, udp or sctp expected without mode = "snat", got {given["protocol"]}'
        )
    return number


def _judge_address(service: Service, where: Where) -> Iterator[Refused]:
    if service.vip and service.vip.port == 0 and not service.persistent:
        yield Refused(where.key("vip").path, "a port from 1 to 65535 expected (0 only with persistent), got 0")
    if service.one_packet and service.protocol not in (0, 17):
        yield Refused(where.key("one_packet").path, "only with protocol udp")
    if service.synproxy and service.protocol != 6:
        yield Refused(where.key("synproxy").path, "only with protocol tcp")
    if service.mode == "fnat" and not service.laddr:
        yield Refused(where.key("laddr").path, "at least one local address expected with mode fnat, got none")


def _family(address: bytes) -> int:
    return 4 if len(address) == 4 else 6


def _judge_families(service: Service, where: Where) -> Iterator[Refused]:
    """Real servers have the VIP's family; full NAT may go from IPv6 to IPv4 (NAT64), a tunnel of the kernel either way
    (L 9). laddrs have their family."""
    if service.fwmark:
        return
    allowed = {service.family} | ({4} if service.mode in ("fnat", "tunnel") else set())
    tunnel = [where.profile == "ipvs" and (real.mode or service.mode) == "tunnel" for real in service.reals]
    strangers = (n for n, real in enumerate(service.reals) if _family(real.endpoint.address) not in allowed)
    foreign = [n for n in strangers if not tunnel[n]]
    for n in foreign:
        path = where.key("real").item(n).key("address").path
        yield Refused(path, f"an {_families(allowed)} address expected, got {service.reals[n]}")
    if foreign:
        return  # they say nothing of local addresses
    reals = {_family(real.endpoint.address) for real in service.reals} or allowed
    strange = [n for n, laddr in enumerate(service.laddr) if _family(laddr) not in reals]
    for n in strange:
        path = where.key("laddr").item(n).path
        yield Refused(path, f"an {_families(reals)} address expected, as of the real servers")
    lacking = {_family(r.endpoint.address) for r in service.reals} - {_family(a) for a in service.laddr}
    if service.mode == "fnat" and service.laddr and lacking and not strange:
        yield Refused(where.key("laddr").path, f"an IPv{lacking.pop()} address expected too, as of the real servers")


def _families(allowed: Iterable[int]) -> str:
    return " or ".join(f"IPv{family}" for family in sorted(allowed))


def _judge_persistence(service: Service, where: Where) -> Iterator[Refused]:
    if service.persistent and (service.persistent.netmask or 0) > (32 if service.family == 4 else 128):
        path = where.key("persistent").key("netmask").path
        yield Refused(path, f"0 to 32 expected for IPv4, got {service.persistent.netmask}")


def _routes(given: Sequence[dict[str, Any]], known: devices.Known, where: Where) -> tuple[model.Route, ...]:
    every = Gathered()
    routes = [model.Route(**{**route, "device": None}) for route in given]
    for n, route in enumerate(given):
        with every:
            routes[n] = routes[n]._replace(device=known.of(route, where.item(n)))
    for n, made in enumerate(routes):
        for key, address in (("via", made.via), ("source", made.source)):
            if address is None or len(address) == len(made.to.address):
                continue
            with every:
                raise Refused(where.item(n).key(key).path, f"an IPv{_family(made.to.address)} address expected")
    every.end()
    return tuple(routes)


def _neighbors(given: Sequence[dict[str, Any]], known: devices.Known, where: Where) -> tuple[model.Neighbor, ...]:
    neighbors = tuple(model.Neighbor(**{**n, "device": known.of(n, where.item(k))}) for k, n in enumerate(given))
    once(((neighbor.address, neighbor.device) for neighbor in neighbors), where, "an address")
    return neighbors


def _mark(given: dict[str, Any]) -> model.Mark:
    protocol = given.get("protocol")
    return model.Mark(**{**given, "protocol": None if protocol is None else PROTOCOL[protocol]})
