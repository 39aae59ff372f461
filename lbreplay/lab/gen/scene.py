"""What a plan works with: a stage, clients, and the services as a client can reach them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from lbreplay.lab.gen import scripts
from lbreplay.lab.gen.clients import Clients
from lbreplay.lab.gen.stage import Stage
from lbreplay.lab.gen.talk import Talk
from lbreplay.model import Endpoint, Mark, Service, Setup
from lbreplay.wire.packet import TCP, UDP

PORT_OF_NONE = 80  # where a rule leaves the port open


@dataclass
class Scene:
    """One case in the making."""

    setup: Setup
    stage: Stage
    clients: Clients

    @cached_property
    def workers(self) -> list[int]:
        """Ranks of the workers that balance."""
        return [worker.rank for worker in self.setup.forwarding_workers]

    def talk(self, service: Service, worker: int | None = None, client: Endpoint | None = None) -> Talk | None:
        """A conversation of a new client (of this *worker*) with *service*; None where no client is received there."""
        client = client or self.clients.one(service, worker)
        return None if client is None else Talk(self.stage, service, client)

    def talks(self, service: Service, count: int, worker: int | None = None) -> Iterator[Talk]:
        """Up to *count* of them."""
        for _ in range(count):
            talk = self.talk(service, worker)
            if talk is None:
                return
            yield talk

    def opened(self, service: Service, worker: int | None = None) -> Talk | None:
        """A conversation whose connection stands."""
        talk = self.talk(service, worker)
        return talk and talk.play(opening(service))


def opening(service: Service) -> str:
    """The script that opens a connection. A SYN-proxy's real server hears of it, and answers, only then."""
    proxied = service.synproxy and service.protocol == TCP
    return scripts.OPEN[service.protocol] + (" s:SA" if proxied else "")


def reachable(setup: Setup) -> list[Service]:
    """The services with connections; a firewall mark's in the shape of the first packet that its rule marks."""
    found = []
    for service in setup.services:
        if service.fwmark:
            found += [_marked(service, mark) for mark in setup.marks if mark.mark == service.fwmark][:1]
        elif service.protocol in scripts.OPEN:
            found.append(service)
    return found


def _marked(service: Service, mark: Mark) -> Service:
    address = mark.to.address if mark.to is not None else bytes((192, 0, 2, 80))
    port = mark.ports[0] if mark.ports else PORT_OF_NONE
    return service._replace(vip=Endpoint(address, port), protocol=mark.protocol or (TCP if port != 53 else UDP))
