"""Who talks to the balancer: clients that a chosen worker receives, inside and outside the lists of a service.

A client for a worker is found by inverting RSS: of the addresses and ports that may be used, those are taken that the
NIC's own rules send there (`nic/`). Nobody is given out twice.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from itertools import cycle, islice

from lbreplay.burst import KIND_SCTP, KIND_TCP, KIND_UDP
from lbreplay.lab.gen.stage import own_addresses
from lbreplay.lab.steering import standing
from lbreplay.model import AccessList, AddressRange, Endpoint, Network, Service, Setup
from lbreplay.nic.ports import Ports
from lbreplay.nic.steer import Nic, Steered
from lbreplay.wire.packet import SCTP, TCP, UDP

KIND = {TCP: KIND_TCP, UDP: KIND_UDP, SCTP: KIND_SCTP}
KIND_IP = 1
HOSTS = 200  # of a network that are used
FEW = 10  # addresses that are too few to tell stories with
FIRST_PORT, PORTS = 20_000, 20_000
TRIES = 20_000  # before a worker or an entry counts as out of reach
# Networks that clients may come from, first come first served: none of them is anybody's (RFC 2544, 5737, 3849, 1918).
NETWORKS = {
    4: [Network(bytes(n), p) for n, p in (((198, 51, 100, 0), 24), ((203, 0, 113, 0), 24), ((192, 0, 2, 0), 24),
                                          ((10, 254, 0, 0), 16), ((172, 31, 0, 0), 16))],
    6: [Network(bytes.fromhex(f"20010db8{n}") + bytes(10), 48) for n in ("c11e", "fade")],
}  # fmt: skip


class Clients:
    """Clients of *setup*."""

    def __init__(self, setup: Setup) -> None:
        self.setup = setup
        self._given = 0
        self._sources: dict[tuple[object, ...], list[bytes]] = {}
        self._outside: dict[int, list[bytes]] = {}

    @cached_property
    def nic(self) -> Nic | Ports:
        """The port, asked where it sends a packet."""
        return standing(self.setup)

    def one(self, service: Service, worker: int | None = None, *, entry: int | None = None) -> Endpoint | None:
        """A client that *service* lets in, received by *worker* or through *entry* of the redirection table.

        None: no client that was tried is.
        """
        for client in islice(self._candidates(service), TRIES if (worker, entry) != (None, None) else 1):
            steered = self.steer(service, client)
            if worker in (None, steered.rank) and entry in (None, steered.reta):
                return client
        return None

    def steer(self, service: Service, client: Endpoint) -> Steered:
        """Where the NIC sends this client's packets."""
        return self.to(service.protocol, client, target(service))

    def to(self, protocol: int, source: Endpoint, dest: Endpoint) -> Steered:
        """Where the NIC sends a packet of this tuple."""
        family = 4 if len(source.address) == 4 else 6
        return self.nic.steer_flow(KIND.get(protocol, KIND_IP), family, *source, *dest)

    def router(self, dest: bytes, worker: int) -> bytes:
        """A source whose ICMP errors to *dest* this *worker* receives; any, where there is none."""
        sources = self.outside(4 if len(dest) == 4 else 6)
        fits = (s for s in sources if self.to(0, Endpoint(s, 0), Endpoint(dest, 0)).rank == worker)
        return next(fits, sources[-1])

    def _candidates(self, service: Service) -> Iterator[Endpoint]:
        """New clients without end: another address each time, then other ports."""
        sources, low = self.of(service), source_ports(service)
        while True:
            self._given += 1
            port = low[self._given * 7919 % len(low)]
            yield Endpoint(sources[self._given % len(sources)], port)

    def of(self, service: Service) -> list[bytes]:
        """The addresses that *service* lets in."""
        key = service.name, service.blacklist, service.whitelist
        if key not in self._sources:
            given = service.match.source if service.match is not None else None
            found = in_range(given) if given is not None else self.outside(service.family)
            if any(service.whitelist):
                found = [a for a in listed(service.whitelist) if len(a) == (4 if service.family == 4 else 16)]
            black = service.blacklist
            inside = [a for a in found if not is_listed(black, a)]
            self._sources[key] = inside or found
        return self._sources[key]

    def outside(self, family: int) -> list[bytes]:
        """Addresses out there: not the balancer's, not its real servers', and routed back as far as any are."""
        if family not in self._outside:
            taken = own_addresses(self.setup) | {r.endpoint.address for s in self.setup.services for r in s.reals}
            routes = [r.to for r in self.setup.routes if len(r.to.address) == (16 if family == 6 else 4)]
            networks = (*NETWORKS[family], *routes)
            found = [address for net in networks for address in self._hosts(net, taken)]
            self._outside[family] = found if len(found) >= FEW else found + hosts(NETWORKS[family][0])
        return self._outside[family]

    def _hosts(self, network: Network, taken: frozenset[bytes] | set[bytes]) -> list[bytes]:
        return [host for host in hosts(network) if host not in taken and self._routed(host)]

    def _routed(self, host: bytes) -> bool:
        """Whether a packet to *host* finds a way out."""
        return not self.setup.routes or any(host in route.to for route in self.setup.routes)


def target(service: Service) -> Endpoint:
    """Where a client of *service* sends: its virtual address, or somewhere that its match fits."""
    if service.vip is not None and service.vip.port:
        return service.vip
    if service.vip is not None:
        return Endpoint(service.vip.address, 80)
    dest = service.match.dest if service.match is not None else None
    if dest is not None:
        return Endpoint(dest.low if any(dest.low) else dest.high, dest.low_port or 80)
    return Endpoint(bytes((192, 0, 2, 80)) if service.family == 4 else NETWORKS[6][1].address[:15] + b"\x50", 80)


def source_ports(service: Service) -> range:
    """Ports that a client of *service* may have."""
    given = service.match.source if service.match is not None else None
    if given is not None and given.high_port:
        return range(max(given.low_port, 1), given.high_port + 1)
    return range(FIRST_PORT, FIRST_PORT + PORTS)


def in_range(given: AddressRange) -> list[bytes]:
    """Some addresses of a range, its ends among them."""
    low, high, size = int.from_bytes(given.low), int.from_bytes(given.high), len(given.low)
    return [
        n.to_bytes(size) for n in (*range(low, min(high, low + HOSTS) + 1), *([high] if high > low + HOSTS else []))
    ]


def hosts(network: Network) -> list[bytes]:
    """Some hosts of a network, not its first and last address."""
    size = len(network.address)
    bits = 8 * size - network.prefix
    base = int.from_bytes(network.address) >> bits << bits
    if bits < 2:
        return [(base + n).to_bytes(size) for n in range(1 << bits)]
    return [(base + n).to_bytes(size) for n in range(1, min(HOSTS, (1 << bits) - 2) + 1)]


def listed(given: AccessList) -> list[bytes]:
    """Addresses on a list: the single ones, and some of each network in turn."""
    networks = [hosts(network)[:8] for group in given.sets for network in group]
    return [*sorted(given.addresses), *(address for net in networks for address in net)]


def is_listed(given: AccessList, address: bytes) -> bool:
    """Whether *address* is one of the addresses or in one of the networks."""
    return address in given.addresses or any(address in net for group in given.sets for net in group)


def unlisted(given: AccessList, family: int) -> bytes | None:
    """An address that is not on the list."""
    return next((a for net in NETWORKS[family] for a in hosts(net)[::-1] if not is_listed(given, a)), None)


def each(items: list[bytes], count: int) -> list[bytes]:
    """*count* of *items*, in turn."""
    return list(islice(cycle(items), count))
