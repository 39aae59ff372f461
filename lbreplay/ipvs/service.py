"""Services and real servers as the kernel keeps them (L 1, L 5.2, L 6.5, L 16).

A new real server goes to the head of its service's list. A deleted one waits in the trash (`trash.py`), where its
connections still find it, and comes back with its counters when the same service takes the same address and port again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count
from typing import TYPE_CHECKING

from lbreplay.ipvs.dest import COUNTED, Dest, Key
from lbreplay.ipvs.schedulers import scheduler
from lbreplay.ipvs.schedulers.lblc import Locality
from lbreplay.ipvs.trash import Trash
from lbreplay.loop.server import Counts
from lbreplay.model import Endpoint, RealServer, Service
from lbreplay.wire.packet import TCP, UDP

if TYPE_CHECKING:
    from lbreplay.ipvs.edition import Edition
    from lbreplay.ipvs.sysctl import Sysctls
    from lbreplay.loop.clock import Clock

FTP, FTP_DATA, UNPRIVILEGED = 21, 20, 1024


class VirtualService:
    """A service. `dests` is newest first; every change of it goes to the scheduler."""

    def __init__(self, service: Service, ids: Iterator[int], edition: Edition, sysctls: Sysctls, clock: Clock) -> None:
        self.service = _flagged(service)
        self.edition, self.sysctls, self.clock = edition, sysctls, clock
        self.dests: list[Dest] = []
        self.counts = Counts()
        self._ids = ids
        self.scheduler = scheduler(service.scheduler, self)

    @property
    def key(self) -> Key:
        vip = self.service.vip
        return (self.service.fwmark, 0, b"", 0) if vip is None else (0, self.service.protocol, *vip)

    @property
    def port(self) -> int:
        """The virtual port; 0 for all ports, and for a firewall mark."""
        return self.service.vip.port if self.service.vip else 0

    @property
    def by_mark(self) -> bool:
        return self.service.vip is None

    def dest(self, endpoint: Endpoint) -> Dest | None:
        return next((dest for dest in self.dests if (dest.address, dest.port) == endpoint), None)

    def insert(self, dest: Dest) -> None:
        """Put a real server at the head of the list."""
        dest.available, dest.service, dest.counts = True, self, self.counts
        self.dests.insert(0, dest)
        self.scheduler.changed(dest)

    def edit(self, dest: Dest, real: RealServer, local: bool) -> None:
        """`ipvsadm -e`: connections keep their method, new ones have the new."""
        dest.take(real, local)
        self.scheduler.changed(dest)

    def change(self, key: str, value: object) -> None:
        """`ipvsadm -E`: another scheduler begins anew, flags and persistence count from the next connection on."""
        before = self.service
        self.service = _flagged(before._replace(**{key: value}))  # type: ignore[arg-type]
        if self.service.scheduler != before.scheduler:
            self.forget()

    def remembers(self, dest: Dest) -> bool:
        """Whether the scheduler still has *dest* for some destination address, deleted or not."""
        return isinstance(self.scheduler, Locality) and self.scheduler.remembers(dest)

    def forget(self) -> None:
        """The scheduler begins anew."""
        self.scheduler = scheduler(self.service.scheduler, self)
        self.scheduler.changed()


def _flagged(service: Service) -> Service:
    """With the flags of mh where its scheduler looks for them."""
    return service._replace(mh_fallback="mh-fallback" in service.flags, mh_port="mh-port" in service.flags)


class Services:
    """All services, and the trash of deleted real servers."""

    def __init__(self, edition: Edition, sysctls: Sysctls, clock: Clock, is_local: Callable[[bytes], bool]) -> None:
        self._made = (edition, sysctls, clock)
        self._edition, self._is_local = edition, is_local
        self._ids, self._added = count(), count()
        self._trash = Trash(clock, keeps=edition.trash == "kept")
        self._gone: list[Counts] = []  # of deleted services
        self.by_name: dict[str, VirtualService] = {}
        self._exact: dict[Key, VirtualService] = {}
        self._families: set[int] = set()
        self.ever: set[int] = set()  # families that had a service, at any time

    def add(self, service: Service) -> None:
        made = VirtualService(service, self._ids, *self._made)
        self.by_name[service.name] = made
        self._index()
        for real in service.reals:
            self.add_real(made, real)

    def remove(self, service: VirtualService) -> None:
        """`ipvsadm -D`: its real servers go to the trash, connections stay."""
        service.forget()
        for dest in list(service.dests):
            self.remove_real(service, dest)
        del self.by_name[service.service.name]
        self._gone.append(service.counts)
        self._index()

    def counted(self) -> tuple[int, ...]:
        """All that was counted, for services that were deleted too, in the order of `COUNTED`."""
        counts = [*self._gone, *(service.counts for service in self.by_name.values())]
        return tuple(map(sum, zip(*(one.values() for one in counts), strict=True))) or (0,) * len(COUNTED)

    def add_real(self, service: VirtualService, real: RealServer) -> None:
        """`ipvsadm -a`: a new one, or the old one out of the trash."""
        local = self._local(real)
        dest = self._trash.recover(service.key, real.endpoint)
        if dest is None:
            dest = Dest(next(self._ids), real, service, local)
        else:
            if dest.service is not service:  # the service was deleted with it, and made again
                dest.zero()
            dest.service = service
            dest.take(real, local)
        dest.added = next(self._added)
        service.insert(dest)

    def edit_real(self, service: VirtualService, dest: Dest, changed: dict[str, object]) -> None:
        """`ipvsadm -e`: *changed* are keys of a `[[service.real]]`."""
        now = dest.real._replace(weight=dest.weight, max_conn=dest.upper, min_conn=dest.lower)
        real = now._replace(**changed)  # type: ignore[arg-type]
        service.edit(dest, real, self._local(real))

    def _local(self, real: RealServer) -> bool:
        """Whether the edition makes *real* the director itself, here and now."""
        return self._edition.local == "configured" and self._is_local(real.endpoint.address)

    def zero(self, service: VirtualService) -> None:
        """`ipvsadm -Z` of a service: the director's own counters go on."""
        past = Counts()
        for name in COUNTED:
            setattr(past, name, getattr(service.counts, name))
        self._gone.append(past)
        service.counts.zero()
        for dest in service.dests:
            dest.zero()

    def zero_all(self) -> None:
        """`ipvsadm -Z`."""
        for service in self.by_name.values():
            self.zero(service)
        self._gone.clear()

    def remove_real(self, service: VirtualService, dest: Dest) -> None:
        """`ipvsadm -d`."""
        dest.available = False
        service.dests.remove(dest)
        service.scheduler.changed(dest)
        self._trash.throw(service.key, dest)

    def exact(self) -> dict[Key, VirtualService]:
        """All of them, as a packet's mark, or its protocol, address and port find them."""
        return self._exact

    def has_family(self, family: int) -> bool:
        """Whether there is a service of IPv4 (4) or IPv6 (6)."""
        return family in self._families

    def find(self, mark: int, proto: int, dst: bytes, dport: int) -> VirtualService | None:
        """The service of a packet (L 5.2): by mark, exactly, as FTP data, for all ports."""
        if mark and (found := self._exact.get((mark, 0, b"", 0))) is not None:
            return found
        if (found := self._exact.get((0, proto, dst, dport))) is not None:
            return found
        if proto == TCP and (dport == FTP_DATA or dport >= UNPRIVILEGED):
            found = self._exact.get((0, TCP, dst, FTP))
        return found or self._exact.get((0, proto, dst, 0))

    @property
    def has_nat_ftp(self) -> bool:
        """Whether some service on port 21 has a NAT real server."""
        return any(s.port == FTP and any(dest.mode == "nat" for dest in s.dests) for s in self.by_name.values())

    @property
    def has_engine(self) -> bool:
        """Whether some service has a persistence engine."""
        return any(service.service.persistence_engine for service in self.by_name.values())

    def real(self, proto: int, address: bytes, port: int) -> Dest | None:
        """A NAT real server that speaks from *address* and *port* (L 10, rows 7 and 8); of several services the one
        that was added last (recorded)."""
        fits = (
            dest
            for service in self.by_name.values()
            if service.service.protocol in (proto, 0)
            for dest in service.dests
            if (dest.address, dest.port, dest.mode) == (address, port, "nat")
        )
        return max(fits, key=lambda dest: dest.added, default=None)

    def speakers(self) -> set[tuple[int, bytes, int]]:
        """The ends that NAT real servers speak from: protocol, address, port."""
        return {
            (proto, dest.address, dest.port)
            for service in self.by_name.values()
            for proto in ((service.service.protocol,) if service.service.protocol else (TCP, UDP))
            for dest in service.dests
            if dest.mode == "nat"
        }

    def _index(self) -> None:
        self._exact = {service.key: service for service in self.by_name.values()}
        self._families = {service.service.family for service in self.by_name.values()}
        self.ever |= self._families
