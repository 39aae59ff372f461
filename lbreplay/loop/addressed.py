"""To whom a row is addressed: to a service, to a local address, or to somebody in a zone."""

from __future__ import annotations

from typing import Any

from lbreplay.loop.ends import Ends
from lbreplay.loop.names import ETHERNET
from lbreplay.loop.rows import Rows
from lbreplay.loop.slots import Slots
from lbreplay.loop.table import Table


class Addressed(Rows):
    """Rows of DPVS's balancer, among the places of services and of local addresses. *refusals*: numbers of verdicts."""

    def __init__(
        self, host: Any, slots: Slots, table: Table, client_view: bool, mtu: int, refusals: tuple[int, ...]
    ) -> None:
        super().__init__(host, table)
        self.slots, self.timers, self.client_view, self.mtu = slots, slots.timers, client_view, mtu
        self.no_dest, self.max_conn, self.no_port, self.no_template, *others = refusals
        self.fast, self.slow, self.unasked, self.direct_reply, self.own_transmit, *others = others
        self.locals: Any = None  # `Ends`
        self.forwarded_plain, self.no_outside_port, self.no_outside_pool = others

    def bind(self, burst: Any) -> None:
        """The columns of *burst*; what is ordinary fills them."""
        Rows.bind(self, burst)
        self.first = burst.first

    def _move_in(self, of: Any) -> None:
        Rows._move_in(self, of)
        self.own, self.l4, self.header, self.seq, self.ack = of["own"], of["l4"], of["header"], of["seq"], of["ack"]
        self.queue, self.worker, self.by = of["queue"], of["worker"], of["by"]
        self.hash, self.reta, self.rule = of["hash"], of["reta"], of["rule"]
        self.opened, self.owner, self.redirected = of["opened"], of["owner"], of["redirected"]
        self.wrong, self.handle, self.conn = of["wrong_worker"], of["handle"], of["conn"]
        self.fdata, self.delta, self.full = of["fdata"], of["delta"], of["full"]

    def know(self, virtual: Ends, services: Ends, openers: list[Any], places: int) -> None:
        """Who answers, and who opens: *openers* by worker and number in *services*, of which there are *places*."""
        self.virtual, self.services, self.openers, self.places = virtual, services, openers, places

    def _service(self, proto: int) -> int:
        """The number of the service that the packet at hand is for, or NONE."""
        return self.services.find(self.c, self.d, self.ports >> 16, proto, self.six)

    def _is_local(self, low: int, high: int) -> bool:
        """Whether a local address stands in two words."""
        return self.locals.find(low, high, 0, 0, self.six) >= 0

    def _payload(self, row: int) -> int:
        """Bytes behind the TCP header."""
        return self.l3_length[row] + ETHERNET - self.l4[row] - self.header[row]
