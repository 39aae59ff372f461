"""`[device]`, `[[device]]`, and what hangs on devices: bonds, workers' queues, homes of local addresses (interface 2).

A slave of a bond is no device of its own behind the NIC (S 3.7): devices are numbered without them, in the order of the
file. The one device of `[device]` is number 0, and whatever names no device is on it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from lbreplay import model
from lbreplay.config.kinds import Gathered, Refused, Where, nearest, once, spell
from lbreplay.config.schema import MAX_WORKERS, RETA_SIZE
from lbreplay.config.values import Placed
from lbreplay.model import Bond, Device, Event, On, Service, Worker

Given = Mapping[str, Any]
OF_PRIMARY = ("driver", "rss", "rss_key", "reta", "reta_size", "mtu", "rx_ip_checksum_offload", "enforce", "queues")
OF_BOND = ("mode", "hash", "primary")  # what a plain port has not


class Known(NamedTuple):
    """Devices and VLAN devices by their names, as routes and local addresses say them; None: nobody knows yet."""

    names: Mapping[str, On] | None

    def on(self, name: str, where: Where) -> On:
        """The device of a name; Refused where there is none."""
        if self.names is None:
            return On()
        if name not in self.names:
            expected = f"a device ({', '.join(self.names)}) expected, got {spell(name)}"
            raise Refused(where.path, expected + nearest(name, self.names))
        return self.names[name]

    def of(self, given: Given, where: Where) -> On | None:
        """The device that a route or a neighbour names, None: it names none."""
        return self.on(given["device"], where.key("device")) if "device" in given else None


class Port(NamedTuple):
    """A device as the file has it, where it stands, and its slaves."""

    given: Given
    where: Where
    slaves: tuple[Port, ...] = ()

    @property
    def name(self) -> str:
        return str(self.given.get("name", "dpdk0"))

    @property
    def queues(self) -> int | None:
        own: int | None = _settled(self).get("queues")
        return own


class Ports(NamedTuple):
    """The devices in their order."""

    ports: tuple[Port, ...]

    @property
    def known(self) -> Known:
        return Known({name: on for n, port in enumerate(self.ports) for name, on in _names(port, n)})


def _names(port: Port, number: int) -> Iterator[tuple[str, On]]:
    yield port.name, On(number)
    for vlan in port.given.get("vlan", ()):
        yield f"{port.name}.{vlan['id']}", On(number, vlan["id"])


# --- devices and bonds -----------------------------------------------------------------------------------------------


def ports(given: Given | Sequence[Given], where: Where) -> Ports:
    """The devices, each bond with its slaves."""
    if isinstance(given, Mapping):
        if isinstance(given.get("slaves", 0), tuple):
            raise Refused(where.key("slaves").path, "their number expected in [device]; [[device]] may name slaves")
        return Ports((Port(given, where),))
    if not given:
        raise Refused(where.path, "at least one device expected, got none")
    if where.profile == "ipvs" and len(given) > 1:
        raise Refused(where.path, f'1 device expected under profile = "ipvs", got {len(given)}')
    listed = [Port(one, where.item(n)) for n, one in enumerate(given)]
    _judge_names(listed, where)
    return Ports(_bonded(listed))


def _judge_names(listed: Sequence[Port], where: Where) -> None:
    every = Gathered()
    with every:
        once((port.name for port in listed), where, "a name")
    slaves = {name for port in listed for name in _named(port)}
    with every:  # a bond may have that of a slave
        once((None if port.name in slaves else port.given.get("mac") for port in listed), where, "a MAC")
    for port in listed:
        with every:
            once((vlan["id"] for vlan in port.given.get("vlan", ())), port.where.key("vlan"), "an id")
    every.end()


def _named(bond: Port) -> tuple[str, ...]:
    """The slaves that a device names."""
    named = bond.given.get("slaves", 0)
    return named if isinstance(named, tuple) else ()


def _bonded(listed: Sequence[Port]) -> tuple[Port, ...]:
    by_name = {port.name: port for port in listed}
    owner: dict[str, str] = {}
    every, found = Gathered(), []
    for port in listed:
        with every:
            found.append(port._replace(slaves=tuple(_slaves(port, by_name, owner))))
    every.end()
    return tuple(port for port in found if port.name not in owner)


def _slaves(bond: Port, by_name: Mapping[str, Port], owner: dict[str, str]) -> Iterator[Port]:
    """The slaves that *bond* names: devices that are in no other bond, and no bonds themselves."""
    names = _named(bond)
    if not names:
        return
    at = bond.where.key("slaves")
    primary = bond.given.get("primary", names[0])
    if primary not in names:
        raise Refused(bond.where.key("primary").path, f"one of slaves expected, got {spell(primary)}")
    for n, name in enumerate(names):
        slave = by_name.get(name)
        if slave is None or name == bond.name or _named(slave):
            plain = [known for known in by_name if known != bond.name]
            wanted = f"a device ({', '.join(plain)}) expected, got {spell(name)}{nearest(name, plain)}"
            raise Refused(at.item(n).path, wanted)
        if name in owner:
            raise Refused(at.item(n).path, f"a device of no other bond expected, {name} is {owner[name]}'s")
        owner[name] = bond.name
        yield slave


def _settled(port: Port) -> Given:
    """What a device has: a bond that which its primary has, unless it says better (S 3.7)."""
    if not port.slaves:
        return port.given
    primary = next(s for s in port.slaves if s.name == port.given.get("primary", port.slaves[0].name))
    return {**{key: primary.given[key] for key in OF_PRIMARY if key in primary.given}, **port.given}


def judged(ports: Ports, workers: tuple[Worker, ...]) -> tuple[Device, ...]:
    """The devices of the model; a table names queues that are polled."""
    every, found = Gathered(), []
    for n, port in enumerate(ports.ports):
        with every:
            queues = [queue for worker in workers for queue in worker.polls(n)]
            device = _device(_settled(port), queues, port.where)
            found.append(_bond(device, port, queues) if port.slaves else device)
    every.end()
    return tuple(found)


def _device(given: Given, queues: Sequence[int], where: Where) -> Device:
    size = given.get("reta_size", RETA_SIZE[given.get("driver", "ixgbe")])
    slaves = given.get("slaves", 0)
    fields = {
        **{key: value for key, value in given.items() if key not in OF_BOND},
        "reta_size": size,
        "reta": _reta(given.get("reta", "default"), size, queues, where.key("reta")),
        "vlan": tuple(model.Vlan(**vlan) for vlan in given.get("vlan", ())),
        "slaves": len(slaves) if isinstance(slaves, tuple) else slaves,
    }
    return Device(**fields)


def _bond(device: Device, port: Port, queues: Sequence[int]) -> Device:
    """Each slave has a key, a table and rules of its own; what it hashes is the primary's, unless it says (S 1.6)."""
    shared = {key: port.given[key] for key in ("rss",) if key in port.given} or {"rss": device.rss}
    cards = tuple(_device({**shared, **slave.given}, queues, slave.where) for slave in port.slaves)
    names = [card.name for card in cards]
    primary = names.index(port.given.get("primary", names[0]))
    bond = Bond(cards, port.given.get("mode", 0), port.given.get("hash", "layer2"), primary)
    return device._replace(bond=bond, mac=device.mac or cards[primary].mac)


def _reta(given: str | tuple[int, ...], size: int, queues: Sequence[int], where: Where) -> tuple[int, ...] | None:
    """The table in full, or None: the workers' queues in turn."""
    if isinstance(given, str):
        return None
    if not given or len(given) > size:
        raise Refused(where.path, f"1 to {size} queues expected, got {len(given)}")
    for n, queue in enumerate(given):
        if queue not in queues:
            raise Refused(where.item(n).path, f"a queue of a worker expected, got {queue}")
    return tuple(given[n % len(given)] for n in range(size))


# --- workers ---------------------------------------------------------------------------------------------------------


def workers(given: int | tuple[dict[str, Any], ...], ports: Ports, where: Where) -> tuple[Worker, ...]:
    """`workers = N`: cpu 1 to N, worker k has queue k of every device; in full: ranks by ascending cpu_id (S 2.2)."""
    if where.profile == "ipvs" and (given if isinstance(given, int) else len(given)) != 1:
        raise Refused(
            where.path, f'1 expected under profile = "ipvs", got {given if isinstance(given, int) else "more"}'
        )
    if isinstance(given, int):
        return tuple(_counted(rank, ports) for rank in range(given))
    if not 1 <= len(given) <= MAX_WORKERS:
        raise Refused(where.path, f"1 to {MAX_WORKERS} workers expected, got {len(given)}")
    once((worker["cpu_id"] for worker in given), where, "a cpu_id")
    polled = [_polled(worker, ports, where.item(n).key("queues")) for n, worker in enumerate(given)]
    _queues(given, polled, ports, where)
    made = (Worker(-1, **{**w, "queues": q[0], "more": q[1:]}) for w, q in zip(given, polled, strict=True))
    ordered = sorted(made, key=lambda worker: worker.cpu_id)
    rank = iter(range(MAX_WORKERS))
    ranked = tuple(w._replace(rank=next(rank)) if w.kind == "forward" else w for w in ordered)
    if all(worker.kind != "forward" for worker in ranked):
        raise Refused(where.path, 'a worker of kind "forward" expected, got none')
    return ranked


def _counted(rank: int, ports: Ports) -> Worker:
    """A worker by its number alone: that queue of every device that has it."""
    first, *more = ((rank,) if port.queues is None or rank < port.queues else () for port in ports.ports)
    return Worker(rank, rank + 1, first, more=tuple(more))


def _polled(worker: Given, ports: Ports, where: Where) -> tuple[tuple[int, ...], ...]:
    """The queues that a worker polls, by device: the same of every one, or those it names."""
    given = worker["queues"]
    if not isinstance(given, dict):
        return (given,) * len(ports.ports)
    numbers = {port.name: n for n, port in enumerate(ports.ports)}
    for name in given:
        if name not in numbers:
            wanted = f"a device ({', '.join(numbers)}) expected{nearest(name, numbers)}"
            raise Refused(where.key(name).path, wanted, name=True)
    return tuple(given.get(name, ()) for name in numbers)


def _queues(given: Sequence[Given], polled: Sequence[tuple[tuple[int, ...], ...]], ports: Ports, where: Where) -> None:
    """Each queue is there, and belongs to one worker; a forwarding worker has one."""
    owner: dict[tuple[int, int], str] = {}
    for n, worker in enumerate(given):
        at = where.item(n).key("queues")
        if not any(polled[n]) and worker.get("kind") != "kni":
            raise Refused(at.path, "at least one queue expected, got none")
        for number, queues in enumerate(polled[n]):
            place = at.key(ports.ports[number].name) if isinstance(worker["queues"], dict) else at
            _claim(queues, number, ports.ports[number], owner, place)


def _claim(queues: tuple[int, ...], number: int, port: Port, owner: dict[tuple[int, int], str], at: Where) -> None:
    for queue in queues:
        if port.queues is not None and queue >= port.queues:
            raise Refused(at.path, f"a queue of {port.name} (0 to {port.queues - 1}) expected, got {queue}")
        if (number, queue) in owner:
            raise Refused(at.path, f"a queue no other worker has expected, got {queue} of {owner[number, queue]}")
        owner[number, queue] = at.path


# --- local addresses -------------------------------------------------------------------------------------------------


class Laddr(NamedTuple):
    """A local address as somebody lists it; `on` is said, or None."""

    address: bytes
    on: On | None
    at: Where


def homes(
    devices: tuple[Device, ...], services: Iterable[Service], events: Iterable[Event], known: Known, where: Where
) -> dict[bytes, On]:
    """The device of each local address, in the order of their pools; {}: the only device has all of them."""
    listed = [*_listed(services, events, known, where), *_pooled(devices, where)]
    said: dict[bytes, Laddr] = {}
    every = Gathered()
    for laddr in listed:
        with every:
            if laddr.on is not None and said.setdefault(laddr.address, laddr).on != laddr.on:
                raise Refused(laddr.at.path, f"one device expected, got another in {said[laddr.address].at.path}")
    every.end()
    found: dict[bytes, On] = {}
    for laddr in listed:
        with every:
            on = said[laddr.address].on if laddr.address in said else _near(laddr, devices)
            found.setdefault(bytes(laddr.address), on or On())
    every.end()
    return {} if len(devices) == 1 and set(found.values()) <= {On()} else found


def _listed(services: Iterable[Service], events: Iterable[Event], known: Known, where: Where) -> Iterator[Laddr]:
    """Of all services, and of events that set them."""
    of = [(where.item(n).key("laddr"), service.laddr) for n, service in enumerate(services)]
    set_later = (event.value for event in events if event.path[-1:] == ("laddr",))
    of += [(where._replace(path="event"), value) for value in set_later if isinstance(value, tuple)]
    for at, laddrs in of:
        for n, laddr in enumerate(laddrs):
            on = known.on(laddr.device, at.item(n)) if isinstance(laddr, Placed) else None
            yield Laddr(laddr, on, at.item(n))


def _pooled(devices: tuple[Device, ...], where: Where) -> Iterator[Laddr]:
    for n, device in enumerate(devices):
        at = where._replace(path=f"device[{n}].sapool_address")
        yield from (Laddr(address, On(n), at.item(k)) for k, address in enumerate(device.sapool_address))


def _near(laddr: Laddr, devices: tuple[Device, ...]) -> On:
    """Where nobody says it: the only device, or the only one with a network that holds it."""
    near = [n for n, device in enumerate(devices) if any(laddr.address in network for network in device.address)]
    if len(devices) == 1 or len(near) == 1:
        return On(*near[:1]) if len(devices) > 1 else On()
    listed = ", ".join(device.name for device in devices)
    raise Refused(laddr.at.path, f"ADDRESS@DEVICE expected, for the networks of {listed} leave open which")
