"""Changes in the middle of a replay (interface 2, `[[event]]`): what an operator's commands do to all workers (D 3)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from lbreplay.model import Event, RealServer
from lbreplay.vs.timers import NEVER

if TYPE_CHECKING:
    from lbreplay.vs.machine import Machine
    from lbreplay.vs.server import VirtualServer


class Events:
    """The events of a run, in order of their time."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._left = sorted(machine.setup.events, key=lambda event: event.at_ns)
        self._first_ns = 0
        self.next_ns = NEVER  # when the next one is due; before `start` none is

    def start(self, first_ns: int) -> None:
        """Times count from the first frame."""
        self._first_ns = first_ns
        self._arm()

    def _arm(self) -> None:
        self.next_ns = self._first_ns + self._left[0].at_ns if self._left else NEVER

    def apply(self) -> None:
        """Carry out the next event on every worker."""
        event = self._left.pop(0)
        self._arm()
        for lcore in self._machine.lcores:
            server = lcore.servers.by_name.get(event.path[1])
            if server is not None:
                ACTIONS[event.action](self._machine, server, event)
        if event.action == "remove" and len(event.path) == 2:
            self._remove_service(event.path[1])

    def _remove_service(self, name: str) -> None:
        machine = self._machine
        for lcore in machine.lcores:
            server = lcore.servers.by_name.get(name)
            if server is not None:
                machine.access.remove(server.service)
                lcore.servers.remove(server)
        machine.stack.rebuild(server.service for server in machine.lcores[0].servers.by_name.values())


def _set(machine: Machine, server: VirtualServer, event: Event) -> None:
    value: Any = event.value
    if event.path[2] == "real":
        dest = _dest(server, event.path[3])
        if dest is not None and event.path[4] == "weight":
            server.edit(dest, value)
        elif dest is not None:
            dest.max_conn = value // len(machine.lcores)
            if not dest.full:
                dest.overload = False
    elif event.path[2] == "blacklist":
        machine.access.replace(server.service, blacklist=value)
    elif event.path[2] == "whitelist":
        machine.access.replace(server.service, whitelist=value)


def _add(machine: Machine, server: VirtualServer, event: Event) -> None:
    assert isinstance(event.value, RealServer), "the configuration made it one"
    server.add(event.value)


def _remove(machine: Machine, server: VirtualServer, event: Event) -> None:
    if len(event.path) > 2:
        dest = _dest(server, event.path[3])
        if dest is not None:
            server.remove(dest)


def _dest(server: VirtualServer, name: str) -> Any:
    return next((dest for dest in server.dests if str(dest.real) == name), None)


ACTIONS: dict[str, Callable[[Machine, VirtualServer, Event], None]] = {"set": _set, "add": _add, "remove": _remove}
