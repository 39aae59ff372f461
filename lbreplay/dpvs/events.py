"""Changes in the middle of a replay: what an operator's commands do to all workers (interface 2, `[[event]]`; D 3), and
what the passive check of real servers (`destcheck.py`) and the neighbours (`resolve.py`) have put off.

At equal time an operator's events come in the order of the configuration, before what was put off.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from functools import partial
from itertools import count
from typing import TYPE_CHECKING

from lbreplay.dpvs.destcheck import DestChecks
from lbreplay.dpvs.resolve import Resolver
from lbreplay.loop.names import NEVER
from lbreplay.model import AccessList, Event, RealServer

if TYPE_CHECKING:
    from lbreplay.dpvs.machine import Machine
    from lbreplay.dpvs.server import VirtualServer
    from lbreplay.loop.real import Dest


class Events:
    """The events of a run, in order of their time. `next_ns`: when the next one is due; before `start` none is."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._due: list[tuple[int, int, Callable[[], None]]] = []
        self._serial = count()
        self.next_ns = NEVER
        if any(service.dest_check for service in machine.setup.services):
            machine.checks = DestChecks(machine, self.at)
        if machine.setup.resolves:
            machine.resolver = Resolver(machine, self.at)

    def start(self, first_ns: int) -> None:
        """Times count from the first frame."""
        for event in self._machine.setup.events:
            self.at(first_ns + event.at_ns, partial(self._carry_out, event))

    def at(self, when_ns: int, action: Callable[[], None]) -> None:
        """Do *action* at *when_ns*."""
        heapq.heappush(self._due, (when_ns, next(self._serial), action))
        self._arm()

    def apply(self) -> None:
        """Carry out the next event."""
        _, _, action = heapq.heappop(self._due)
        action()
        self._arm()

    def _arm(self) -> None:
        self.next_ns = self._due[0][0] if self._due else NEVER
        self._machine.timers.look_at(self.next_ns)

    def _carry_out(self, event: Event) -> None:
        """An operator's change, on every worker."""
        for lcore in self._machine.lcores:
            server = lcore.servers.by_name.get(event.path[1])
            if server is not None:
                ACTIONS[event.action](self._machine, server, event)
        if event.action == "remove" and len(event.path) == 2:
            self._remove_service(event.path[1])
        if event.path[-1:] == ("laddr",):
            self._readdress()

    def _remove_service(self, name: str) -> None:
        machine = self._machine
        for lcore in machine.lcores:
            server = lcore.servers.by_name.get(name)
            if server is not None:
                machine.access.remove(server.service)
                lcore.servers.remove(server)
        self._readdress()

    def _readdress(self) -> None:
        """The addresses that are ours, after those of a service changed."""
        machine = self._machine
        machine.stack.rebuild(server.service for server in machine.lcores[0].servers.by_name.values())


def _set(machine: Machine, server: VirtualServer, event: Event) -> None:
    key, value = event.path[-1], event.value
    if event.path[2] == "real":
        dest = _dest(server, event.path[3])
        if dest is not None:
            assert isinstance(value, int), "the configuration checked it"
            server.edit(dest, **{key: value} if key in ("weight", "max_conn") else {})
        return
    if key == "laddr":
        assert isinstance(value, tuple), "the configuration made it one"
        server.readdress(value)
        return
    assert isinstance(value, AccessList), "the configuration made it one"
    if key == "blacklist":
        machine.access.replace(server.service, blacklist=value)
    else:
        machine.access.replace(server.service, whitelist=value)


def _add(machine: Machine, server: VirtualServer, event: Event) -> None:
    assert isinstance(event.value, RealServer), "the configuration made it one"
    server.add(event.value)


def _remove(machine: Machine, server: VirtualServer, event: Event) -> None:
    if len(event.path) > 2:
        dest = _dest(server, event.path[3])
        if dest is not None:
            server.remove(dest)


def _dest(server: VirtualServer, name: str) -> Dest | None:
    return next((dest for dest in server.dests if str(dest.real) == name), None)


ACTIONS: dict[str, Callable[[Machine, VirtualServer, Event], None]] = {"set": _set, "add": _add, "remove": _remove}
