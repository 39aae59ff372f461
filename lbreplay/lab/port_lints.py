"""Where the mistakes of `doctor` are that only several ports can have, and what it asks of each port by itself.

Answers come in by the port that the route to their real server leaves by; the rules of a local address are on the port
that it was added to (`-F`), and only there is it asked for by ARP (S 2.3, S 3.5).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from ipaddress import ip_address

from lbreplay.lab.lints import Spot, Spots, key, share, unlucky
from lbreplay.model import Service, Setup
from lbreplay.nic.cards import seen_by
from lbreplay.stack import Stack
from lbreplay.stack.route import RouteEntry, Routes

ANYWHERE = {4: bytes(4), 6: bytes(16)}


def each(setup: Setup) -> Iterator[tuple[str, Setup]]:
    """Every card with its name, as if it were the only one: with its workers' queues and its local addresses."""
    for port, device in enumerate(setup.devices):
        for card in device.cards:
            seen = seen_by(setup, port, card._replace(sapool_address=device.sapool_address))
            services = tuple(_with_laddrs_of(service, setup, port) for service in setup.services)
            yield card.name, seen._replace(services=services, homes={}, events=())


def _with_laddrs_of(service: Service, setup: Setup, port: int) -> Service:
    return service._replace(laddr=tuple(laddr for laddr in service.laddr if setup.home(laddr).port == port))


def fronts(setup: Setup) -> set[str]:
    """The names of cards by which clients come in: those of ports that a default route leaves by, else of all."""
    routes = Routes(setup)
    defaults = [route for address in ANYWHERE.values() if (route := _default(routes, address)) is not None]
    ports = {route.port for route in defaults if not route.open} or set(range(len(setup.devices)))
    return {card.name for port in ports for card in setup.devices[port].cards}


def _default(routes: Routes, anywhere: bytes) -> RouteEntry | None:
    route = routes.output(anywhere)
    return route if route is not None and route.to.prefix == 0 else None


# ---- where answers come in


def laddrs_elsewhere(setup: Setup) -> Spots:
    """Local addresses of full NAT that are on another port than their real servers are."""
    if not setup.others:
        return
    stack = Stack(setup)
    for service in setup.services if setup.flow_director.enabled else ():
        ports = {stack.facing.port(real.endpoint.address) for real in service.reals} - {-1}
        for n, laddr in enumerate(service.laddr if service.mode == "fnat" else ()):
            home = setup.home(laddr)
            for port in sorted(ports - {home.port}):
                there, here = setup.devices[port].name, setup.name(home)
                what = f"{ip_address(bytes(laddr))} is on {here}, its real servers on {there}"
                lost = share(unlucky(setup)) if len(setup.forwarding_workers) > 1 else "none"
                yield Spot(key(service, f"laddr[{n}]"), what, {"there": there, "here": here, "lost": lost,
                                                               "laddr": ip_address(bytes(laddr))})  # fmt: skip


def virtual_addresses_elsewhere(setup: Setup) -> Spots:
    """Virtual addresses that stand on a port by which no client comes."""
    if not setup.others:
        return
    routes = Routes(setup)
    for service in setup.services:
        if service.vip is None:
            continue
        address = service.vip.address
        default = _default(routes, bytes(len(address)))
        listed = _listed_on(setup, address)
        if default is None or default.open or not listed or default.port in listed:
            continue
        here, there = (setup.devices[port].name for port in (min(listed), default.port))
        what = f"{ip_address(address)} is an address of {here}, clients come in by {there}"
        yield Spot(key(service, "vip"), what, {"here": here, "there": there, "vip": ip_address(address)})


def _listed_on(setup: Setup, address: bytes) -> set[int]:
    """The ports that list *address* as a host's own; one in a network of the port serves that network."""
    found = set()
    for port, device in enumerate(setup.devices):
        networks = [network for network in device.address if address in network]
        if any(network.address == address for network in networks):
            if any(network.prefix < 8 * len(address) for network in networks):
                return set()
            found.add(port)
    return found


# ---- ways out


def gateways_elsewhere(setup: Setup) -> Spots:
    """Routes through a gateway that is on the network of another port, and that nobody names as a neighbour."""
    if not setup.others:
        return
    routes = Routes(setup)
    for n, route in enumerate(setup.routes):
        on = route.device
        if on is None or route.via is None or _neighbour(setup, route.via, on.port):
            continue
        way = routes.output(route.via)
        if way is not None and not way.local and way.via is None and way.port != on.port:
            here, there = setup.name(on), setup.devices[way.port].name
            what = f"leaves by {here} through {ip_address(route.via)}, which is on a network of {there}"
            yield Spot(f"route[{n}].via", what, {"here": here, "there": there, "via": ip_address(route.via)})


def _neighbour(setup: Setup, hop: bytes, port: int) -> bool:
    return any(n.address == hop and n.device is not None and n.device.port == port for n in setup.neighbors)


# ---- workers


def unequal_ports(setup: Setup) -> Spots:
    """Ports with different numbers of polled queues."""
    counts = {device.name: _queues(setup, port) for port, device in enumerate(setup.devices)}
    if len(set(counts.values())) > 1:
        listed = ", ".join(f"{name} {count}" for name, count in counts.items())
        fewest = min(counts, key=lambda name: counts[name])
        yield Spot("workers", f"queues by port: {listed}", {"fewest": fewest, "count": counts[fewest]})


def _queues(setup: Setup, port: int) -> int:
    return sum(len(worker.polls(port)) for worker in setup.forwarding_workers)


def workers_without_port(setup: Setup) -> Spots:
    """Workers that poll no queue of a port: without local addresses there, they get no clients from it."""
    yield from (spot for spot, homes in _blind(setup) if not homes)


def workers_without_rules(setup: Setup) -> Spots:
    """Workers that poll no queue of a port that has local addresses: no rule can name them."""
    yield from (spot for spot, homes in _blind(setup) if homes)


def _blind(setup: Setup) -> Iterator[tuple[Spot, int]]:
    """A spot for each port that some workers do not poll, and how many local addresses it has."""
    for port, device in enumerate(setup.devices if setup.others else ()):
        blind = [str(worker.rank) for worker in setup.forwarding_workers if not worker.polls(port)]
        if blind:
            who = f"worker{'s' if len(blind) > 1 else ''} {', '.join(blind)}"
            homes = sum(on.port == port for on in setup.homes.values())
            facts: Mapping[str, str] = {"port": device.name, "who": who}
            yield Spot("workers", f"{who} poll{'' if len(blind) > 1 else 's'} no queue of {device.name}", facts), homes
