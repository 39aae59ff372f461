"""Small services and their living copies, for tests of what a worker owns."""

from __future__ import annotations

from ipaddress import ip_address
from itertools import islice

from lbreplay.dpvs.server import Servers, VirtualServer
from lbreplay.lvs.flow import Flow
from lbreplay.model import EDITIONS, Endpoint, RealServer, Service, Setup


def address(text: str) -> bytes:
    return ip_address(text).packed


def endpoint(text: str, port: int) -> Endpoint:
    return Endpoint(address(text), port)


def reals(*weights: int, port: int = 80, max_conn: int = 0) -> tuple[RealServer, ...]:
    """10.0.0.1, 10.0.0.2 and so on, one for each weight."""
    return tuple(
        RealServer(endpoint(f"10.0.0.{n}", port), weight, max_conn) for n, weight in enumerate(weights, start=1)
    )


def service(name: str = "web", vip: str = "10.0.0.100", port: int = 80, **settings: object) -> Service:
    made: dict[str, object] = {"name": name, "protocol": 6, "vip": endpoint(vip, port)}
    return Service(**made | settings)  # type: ignore[arg-type]


def virtual(
    made: Service | None = None, rank: int = 0, workers: int = 1, edition: str = "1.10", **settings: object
) -> VirtualServer:
    """One worker's copy of *made*, or of a service with these *settings*."""
    one = made or service(**settings)  # type: ignore[arg-type]
    setup = Setup(services=(one,), edition=edition, behaviour=EDITIONS[edition])
    return Servers(setup, rank, workers).by_name[one.name]


def flow(src: str = "192.168.1.1", sport: int = 40000, payload: bytes = b"") -> Flow:
    return Flow(address(src), sport, address("10.0.0.100"), 80, 6, payload)


def picks(server: VirtualServer, count: int, connect: bool = False) -> str:
    """The first *count* picks as letters, A the oldest real server; *connect*: each leaves a connection."""
    letters = []
    for _ in range(count):
        dest = server.scheduler.pick(flow())
        letters.append("-" if dest is None else chr(ord("A") - 1 + dest.address[-1]))
        if connect and dest is not None:
            dest.inactconns += 1
    return "".join(letters)


def by_source(server: VirtualServer, count: int = 12) -> list[int]:
    """The last byte of the address each of 192.168.1.1, .2 and so on is sent to; 0 for nobody."""
    chosen = (server.scheduler.pick(flow(f"192.168.1.{n}")) for n in range(1, 255))
    return [dest.address[-1] if dest else 0 for dest in islice(chosen, count)]
