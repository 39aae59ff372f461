"""Changes in the middle of a replay: what ipvsadm and sysctl say to the kernel (interface 2 and 8, L 6.6).

Changes of one real server at one time are one `ipvsadm -e`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lbreplay.ipvs.service import VirtualService
from lbreplay.loop.names import NEVER
from lbreplay.model import Endpoint, Event, RealServer, Service

if TYPE_CHECKING:
    from lbreplay.ipvs.dest import Dest
    from lbreplay.ipvs.parts import Parts


class Events:
    """The events of a run, in order of their time."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._left = sorted(parts.setup.events, key=lambda event: event.at_ns)
        self._first_ns = 0
        self.next_ns = NEVER

    def start(self, first_ns: int) -> None:
        """Times count from the first frame."""
        self._first_ns = first_ns
        self._arm()

    def _arm(self) -> None:
        self.next_ns = self._first_ns + self._left[0].at_ns if self._left else NEVER

    def apply(self) -> None:
        """Carry out the next event, with the others that edit the same real server now."""
        event = self._left.pop(0)
        if event.action == "zero":
            self._zero(event)
        elif event.path[0] == "ipvs":
            self._switch(event)
        elif isinstance(event.value, Service):
            self._parts.services.add(event.value)
            self._rebuild()
        else:
            service = self._parts.services.by_name.get(event.path[1])
            if service is not None:
                self._service(service, event)
        self._arm()

    def _switch(self, event: Event) -> None:
        """A sysctl, or a timeout of `ipvsadm --set`."""
        if event.path[1] == "timeout":
            self._parts.states.seconds(**{event.path[2]: _number(event.value)})
        else:
            self._parts.sysctls.set(event.path[1], _number(event.value))
            self._parts.settle()

    def _zero(self, event: Event) -> None:
        """`ipvsadm -Z`: of one service, or of all and the director."""
        services = self._parts.services
        if event.path:
            services.zero(services.by_name[event.path[1]])
        else:
            services.zero_all()
            self._parts.estimator.zero()

    def _rebuild(self) -> None:
        """Other virtual addresses are local now."""
        self._parts.net.rebuild([left.service for left in self._parts.services.by_name.values()])

    def _service(self, service: VirtualService, event: Event) -> None:
        services = self._parts.services
        if event.action == "add":
            assert isinstance(event.value, RealServer), "the configuration made it one"
            services.add_real(service, event.value)
        elif event.action == "remove" and len(event.path) == 2:
            services.remove(service)
            self._flush()
            self._rebuild()
        elif len(event.path) == 3:
            service.change(event.path[2], event.value)
        elif (dest := _dest(service, event.path[3])) is None:
            return
        elif event.action == "remove":
            services.remove_real(service, dest)
            self._flush()
        else:
            self._edit(service, dest, event)

    def _edit(self, service: VirtualService, dest: Dest, event: Event) -> None:
        changed = {event.path[4]: event.value}
        while self._left and _same(self._left[0], event):
            following = self._left.pop(0)
            changed[following.path[4]] = following.value
        self._parts.services.edit_real(service, dest, changed)

    def _flush(self) -> None:
        """6.1 with expire_nodest_conn ends what deleted real servers had at once, childless parents too (L 6.6)."""
        parts = self._parts
        if not parts.sysctls["expire_nodest_conn"] or parts.edition.nodest != "reschedule":
            return
        for conn in list(parts.conns):
            deserted = conn.dest is not None and not conn.dest.available
            if conn.hashed and deserted and not conn.n_control:
                parent = conn.control
                parts.conns.delete(conn)
                if parent is not None and parent.hashed and not parent.n_control:
                    parts.conns.delete(parent)


def _same(one: Event, other: Event) -> bool:
    return (one.at_ns, one.action, one.path[:4]) == (other.at_ns, "set", other.path[:4])


def _dest(service: VirtualService, name: str) -> Dest | None:
    return next((dest for dest in service.dests if str(Endpoint(dest.address, dest.port)) == name), None)


def _number(value: Any) -> int:
    return int(value)
