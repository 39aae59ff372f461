"""How many connections fit (S 2.2, S 2.3, D 11): ports of a worker, times local addresses, times buckets in use.

A connection takes a port of (worker, local address, bucket of its real server). So a real server alone has

    room = sum over workers and local addresses of the ports owned

real servers of one bucket share that room, and a local address shared by services is filled by all of them. What runs
out *first* is told for even traffic: RSS spreads connections evenly over the workers, the scheduler by weight.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from ipaddress import ip_address
from typing import Any

from lbreplay.errors import ConfigError
from lbreplay.lab.lints import by_bucket, separating_size
from lbreplay.loop.real import kept_weight
from lbreplay.model import Endpoint, Service, Setup, Worker
from lbreplay.nic.strategies import STRATEGIES, Strategy

TCP, UDP, SCTP = 6, 17, 132
MEAN_JITTER = 0.5  # seconds; D 2.5: a fraction drawn from [0, 1)


@dataclass(frozen=True)
class Limit:
    """What runs out: `what` in words, and at how many connections of the service, spread evenly."""

    what: str
    connections: int


@dataclass(frozen=True)
class RealRoom:
    """A real server: its bucket, who shares it, how many connections it can have alone, `max_conn` as enforced."""

    address: str
    bucket: int
    shares_with: list[str]
    connections: int
    max_conn: int  # the workers' limits together, 0: none (D 2.8)


@dataclass(frozen=True)
class BucketRoom:
    """A bucket of the pool: the service's real servers that take ports from it, and their connections together."""

    bucket: int
    reals: list[str]
    connections: int


@dataclass(frozen=True)
class LaddrRoom:
    """A local address: ports by worker (of each bucket), owned by nobody, buckets in use, and what that makes.

    `pool` is what `dpip addr show -s` calls sa_free: ports of all workers in all buckets.
    """

    address: str
    ports: list[int]
    orphans: int
    buckets: int
    pool: int
    connections: int
    services: list[str]


@dataclass(frozen=True)
class WorkerRoom:
    """A worker: connections that its ports allow, over all local addresses; with a capture, its peak and misses."""

    worker: int
    cpu_id: int
    connections: int
    peak: int | None
    missed: int | None


@dataclass(frozen=True)
class Change:
    """A change of settings and the connections a service then has before the first thing runs out."""

    what: str
    connections: int


@dataclass(frozen=True)
class ServiceRoom:
    """A service: connections at most, what runs out first, how long a port is held and the rates that follow."""

    service: str
    connections: int
    first: Limit
    hold_seconds: float
    per_second: float | None  # None: ports are given back at once
    per_second_and_worker: float | None
    buckets: list[BucketRoom]
    reals: list[RealRoom]
    changes: list[Change]
    shares_with: list[str]  # services with a local address in common


@dataclass(frozen=True)
class Capacity:
    """Everything; `pool_size` limits the connections of all services together."""

    services: list[ServiceRoom]
    laddrs: list[LaddrRoom]
    workers: list[WorkerRoom]
    pool_size: int
    total: int

    def document(self) -> dict[str, Any]:
        """For JSON."""
        return {"schema": 1, **asdict(self)}


def judge(setup: Setup) -> None:
    """ConfigError where nothing can run out: the kernel takes no local ports, memory and max_conn are its limits."""
    if setup.profile != "dpvs":
        raise ConfigError(
            f'profile: "dpvs" expected, whose local ports run out, got "{setup.profile}": '
            "the kernel's connections are limited by memory and by max_conn alone"
        )


def capacity(setup: Setup, duration: float = 0.0, used: Sequence[Mapping[str, Any]] = ()) -> Capacity:
    """What fits under *setup*. *duration*: mean seconds from first to last packet of a connection.

    *used*: `workers` of a replay's statistics, for its peaks. ConfigError as of `judge`.
    """
    judge(setup)
    services = [service for service in setup.services if service.mode == "fnat" and service.laddr]
    plan = _Plan(setup, services)
    laddrs = [plan.laddr(laddr) for laddr in setup.local_addresses]
    ports = sum(room.connections for room in laddrs)
    return Capacity(
        services=[_service(plan, service, duration) for service in services],
        laddrs=laddrs,
        workers=[plan.worker(worker, used) for worker in setup.forwarding_workers],
        pool_size=setup.conn.pool_size,
        total=min(ports, setup.conn.pool_size),
    )


class _Plan:
    """Ports by local address, worker and bucket."""

    def __init__(self, setup: Setup, services: Sequence[Service]) -> None:
        self.setup = setup
        self.services = services
        self.strategy: Strategy = STRATEGIES[setup.flow_director.strategy](setup)

    def ports(self, laddr: bytes, rank: int, peers: Sequence[Endpoint], proto: int) -> int:
        """Ports of one bucket that worker *rank* may use towards *peers*."""
        pool = self.setup.sa_pool
        family = [peer for peer in peers if len(peer.address) == len(laddr)]
        return self.strategy.room(laddr, rank, pool.low, pool.high, family, proto) if family else 0

    def bucket(self, service: Service, rank: int, peers: Sequence[Endpoint]) -> int:
        """Connections of *service* that worker *rank* can have in the bucket of *peers*."""
        return sum(self.ports(laddr, rank, peers, service.protocol) for laddr in service.laddr)

    def laddr(self, laddr: bytes) -> LaddrRoom:
        """The room of one local address, for all services that use it."""
        users = [service.name for service in self.services if laddr in service.laddr] + self._snat(laddr)
        pool = self.setup.sa_pool
        ranks = [worker.rank for worker in self.setup.forwarding_workers]
        owned = [len(self.strategy.ports(laddr, rank, pool.low, pool.high)) for rank in ranks]
        return LaddrRoom(
            address=str(ip_address(laddr)),
            ports=owned,
            orphans=max(pool.high + 1 - pool.low - sum(owned), 0),
            buckets=pool.hash_size if self._snat(laddr) else len(self._peers(laddr)),
            pool=sum(owned) * pool.hash_size,
            connections=sum(self.connections(laddr, rank) for rank in ranks),
            services=users,
        )

    def worker(self, worker: Worker, used: Sequence[Mapping[str, Any]]) -> WorkerRoom:
        """The room of one worker over all local addresses; its peak out of *used*."""
        room = sum(self.connections(laddr, worker.rank) for laddr in self.setup.local_addresses)
        seen: Mapping[str, Any] = next((entry for entry in used if entry["worker"] == worker.rank), {})
        peak, missed = (seen["conns"]["peak"], seen["sa_pool"]["miss"]) if seen else (None, None)
        return WorkerRoom(worker.rank, worker.cpu_id, room, peak, missed)

    def connections(self, laddr: bytes, rank: int) -> int:
        """What worker *rank* can have from one local address. Peers of SNAT are anybody: every bucket is in use."""
        pool = self.setup.sa_pool
        if self._snat(laddr):
            return len(self.strategy.ports(laddr, rank, pool.low, pool.high)) * pool.hash_size
        return sum(self.ports(laddr, rank, found, proto) for found, proto in self._peers(laddr))

    def _snat(self, laddr: bytes) -> list[str]:
        """The SNAT services that leave from this address."""
        services = [service for service in self.setup.services if service.mode == "snat"]
        return [s.name for s in services if any(real.endpoint.address == laddr for real in s.reals)]

    def _peers(self, laddr: bytes) -> list[tuple[list[Endpoint], int]]:
        """(real servers, protocol) of every bucket in use of one local address, over all its services."""
        found: dict[int, tuple[list[Endpoint], int]] = {}
        for service in self.services:
            if laddr not in service.laddr:
                continue
            for number, peers in by_bucket(service, self.setup.sa_pool.hash_size).items():
                there = [peer for peer in peers if len(peer.address) == len(laddr)]
                if there:
                    found.setdefault(number, ([], service.protocol))[0].extend(there)
        return list(found.values())


def _service(plan: _Plan, service: Service, duration: float) -> ServiceRoom:
    ranks = [worker.rank for worker in plan.setup.forwarding_workers]
    buckets = by_bucket(service, plan.setup.sa_pool.hash_size)
    rooms = [
        BucketRoom(number, list(map(str, peers)), sum(plan.bucket(service, rank, peers) for rank in ranks))
        for number, peers in buckets.items()
    ]
    first = first_limit(plan.setup, service)
    hold = holding(plan.setup, service, duration)
    rate = first.connections / hold if hold else None
    return ServiceRoom(
        service=service.name,
        connections=sum(room.connections for room in rooms),
        first=first,
        hold_seconds=hold,
        per_second=rate,
        per_second_and_worker=rate / len(ranks) if rate is not None else None,
        buckets=rooms,
        reals=[_real(plan, service, number, real) for number, peers in buckets.items() for real in peers],
        changes=list(_changes(plan.setup, service)),
        shares_with=[s.name for s in plan.services if s is not service and set(s.laddr) & set(service.laddr)],
    )


def _real(plan: _Plan, service: Service, bucket: int, endpoint: Endpoint) -> RealRoom:
    workers = plan.setup.forwarding_workers
    peers = by_bucket(service, plan.setup.sa_pool.hash_size)[bucket]
    limit = next(real.max_conn for real in service.reals if real.endpoint == endpoint)
    return RealRoom(
        address=str(endpoint),
        bucket=bucket,
        shares_with=[str(peer) for peer in peers if peer != endpoint],
        connections=sum(plan.bucket(service, worker.rank, [endpoint]) for worker in workers),
        max_conn=limit // len(workers) * len(workers),
    )


def first_limit(setup: Setup, service: Service) -> Limit:
    """What runs out first when connections of *service* alone grow evenly."""
    return min(_limits(setup, service), key=lambda limit: limit.connections)


def _limits(setup: Setup, service: Service) -> Iterator[Limit]:
    """Everything that can run out, at the number of connections where it does."""
    plan = _Plan(setup, [service])
    count, share = len(setup.forwarding_workers), _shares(service)
    yield Limit("the connection pool (conn.pool_size)", setup.conn.pool_size)
    for number, peers in by_bucket(service, setup.sa_pool.hash_size).items():
        part = sum(share[peer] for peer in peers)
        for worker in setup.forwarding_workers if part else ():
            room = plan.bucket(service, worker.rank, peers)
            what = f"local ports of worker {worker.rank} in bucket {number} ({', '.join(map(str, peers[:3]))})"
            yield Limit(what, int(room * count / part))
    for real in service.reals:
        if (limit := real.max_conn // count) and share[real.endpoint]:
            yield Limit(f"max_conn of {real}", int(limit * count / share[real.endpoint]))


def _shares(service: Service) -> dict[Endpoint, float]:
    """The share of new connections of each real server: by weight, for rr the same, for fo all to the heaviest."""
    weight = {real.endpoint: max(0, kept_weight(real.weight)) for real in service.reals}
    if service.scheduler == "rr":
        weight = {endpoint: int(value > 0) for endpoint, value in weight.items()}
    if service.scheduler == "fo":
        best = max(weight, key=lambda endpoint: weight[endpoint])
        weight = {endpoint: int(endpoint == best) for endpoint in weight}
    total = sum(weight.values())
    return {endpoint: value / total if total else 0.0 for endpoint, value in weight.items()}


def holding(setup: Setup, service: Service, duration: float) -> float:
    """Mean seconds that a connection keeps its port: its life and the timeout behind its last packet (D 5.3, 7.2, 8).

    0: a one-packet service gives it back at once (D 2.6).
    """
    if service.one_packet:
        return 0.0
    tail = {
        TCP: setup.tcp.timeout["time_wait"],
        UDP: service.conn_timeout or setup.udp.timeout["normal"],
        SCTP: setup.sctp.timeout["closed"],
    }[service.protocol]
    return duration + tail + (MEAN_JITTER if setup.conn.timer_jitter else 0.0)


def _changes(setup: Setup, service: Service) -> Iterator[Change]:
    """What another local address, hash size or number of workers would give *service*."""
    more = service._replace(laddr=(*service.laddr, _another(setup, service)))
    yield Change("one more local address", _fits(setup, service, more))
    size = separating_size(service)
    if (
        size
        and size != setup.sa_pool.hash_size
        and len(by_bucket(service, setup.sa_pool.hash_size)) < len(service.reals)
    ):
        wider = setup._replace(sa_pool=setup.sa_pool._replace(hash_size=size))
        yield Change(f"hash_size {size} instead of {setup.sa_pool.hash_size}", _fits(wider, service, service))
    count = len(setup.forwarding_workers)
    for other in _neighbouring(count):
        yield Change(f"{other} instead of {count} workers", _fits(with_workers(setup, other), service, service))


def _fits(setup: Setup, old: Service, new: Service) -> int:
    """Connections of *new*, put in place of *old*, before the first thing runs out."""
    services = tuple(new if service is old else service for service in setup.services)
    return first_limit(setup._replace(services=services), new).connections


def _another(setup: Setup, service: Service) -> bytes:
    """The next address that is not a local one."""
    number, width = int.from_bytes(service.laddr[-1]), len(service.laddr[-1])
    while True:
        number = (number + 1) % (1 << 8 * width)
        address = number.to_bytes(width)
        if address not in setup.local_addresses:
            return address


def _neighbouring(count: int) -> tuple[int, ...]:
    """Numbers of workers worth comparing: the powers of two around, or one more than a power of two."""
    if count & (count - 1) == 0:
        return (count + 1,) if count < 64 else ()
    return 1 << count.bit_length() - 1, 1 << count.bit_length()


def with_workers(setup: Setup, count: int) -> Setup:
    """*setup* with *count* forwarding workers of a queue each, the others left out."""
    return setup._replace(workers=tuple(Worker(rank, rank + 1, (rank,)) for rank in range(count)))
