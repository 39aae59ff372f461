"""The passive check of real servers, by what connections meet there (D 10.5), for services that ask for it.

    DOWN   refused (SYN_RECV or a proxied SYN_SENT -> CLOSE), or nobody answered (expiry in SYN_RECV, SYN_SENT, ONEWAY)
    UP     a connection became ESTABLISHED, or a UDP one NORMAL

The master counts DOWNs over all workers; `down_retry` of them within `down_wait` shut the real server out: weight 0
and inhibited everywhere, for a time that doubles with each shutting. Then the weight comes back, and each worker tells
of its next `up_confirm` successes, each of which halves the time. The schedulers are not told of either, so cursors and
tables of hashes stay as they are.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from lbreplay.dpvs.conn import SYNPROXY
from lbreplay.model import NANOSECOND, DestCheck, Endpoint
from lbreplay.wire.packet import TCP, UDP

if TYPE_CHECKING:
    from lbreplay.dpvs.conn import Conn
    from lbreplay.dpvs.machine import Machine
    from lbreplay.loop.real import Dest

HALF_A_SECOND = NANOSECOND // 2
LONGEST = 3600  # seconds: the time stops doubling here
REFUSED = ("syn_recv", "close")
UNANSWERED = {TCP: ("syn_recv", "syn_sent"), UDP: ("oneway",)}
ANSWERED = {UDP: ("oneway", "normal")}

Later = Callable[[int, Callable[[], None]], None]


class _Record:
    """What the master remembers of one real server of one service."""

    def __init__(self) -> None:
        self.downs = 0
        self.seconds = 0  # the next shutting lasts this long, within the limits
        self.shut: list[tuple[Dest, int]] = []  # the workers' copies, with their weights
        self.serial = 0  # what was put off before the last change is void


class DestChecks:
    """Hears of connections (`Machine.changed`, `Machine.ended`), shuts real servers out and lets them in again."""

    def __init__(self, machine: Machine, later: Later) -> None:
        self._machine, self._later = machine, later
        self._records: dict[tuple[str, Endpoint], _Record] = {}
        self._warm: dict[int, int] = {}  # by Dest.id: successes still to be told

    def moved(self, conn: Conn, old: str, new: str) -> None:
        """A connection changed its state, or stayed in it."""
        proxied = conn.flags & SYNPROXY and (old, new) == ("syn_sent", "close")
        if conn.proto == TCP and (proxied or (old, new) == REFUSED):
            self._down(conn)
        elif (old, new) == ANSWERED.get(conn.proto) or (conn.proto == TCP and old != new == "established"):
            self._up(conn)

    def expired(self, conn: Conn, state: str) -> None:
        """A connection ended in *state*."""
        if state in UNANSWERED.get(conn.proto, ()):
            self._down(conn)

    def _record(self, conn: Conn) -> _Record:
        key = conn.server.service.name, conn.dest.real.endpoint
        return self._records.setdefault(key, _Record())

    def _copies(self, conn: Conn) -> list[Dest]:
        """The real server on every worker, as it is in the service now; none after its removal."""
        servers = (lcore.servers.by_name.get(conn.server.service.name) for lcore in self._machine.lcores)
        found = (server.dest(conn.dest.real.endpoint) for server in servers if server is not None)
        return [dest for dest in found if dest is not None]

    def _down(self, conn: Conn) -> None:
        settings, record = conn.server.service.dest_check, self._record(conn)
        assert settings is not None, "only such services are told of"
        copies = self._copies(conn)
        if not copies or conn.dest.inhibited or not conn.dest.weight or copies[0].inhibited or not copies[0].weight:
            return
        record.downs += 1
        if record.downs == 1 and settings.down_retry > 1:
            self._put_off(record, settings.down_wait, lambda: self._forget(record))
        if record.downs >= settings.down_retry:
            self._shut(record, settings, copies)

    def _forget(self, record: _Record) -> None:
        record.downs = 0

    def _shut(self, record: _Record, settings: DestCheck, copies: list[Dest]) -> None:
        record.seconds = max(min(record.seconds, settings.inhibit_max), settings.inhibit_min)
        record.shut = [(dest, dest.weight) for dest in copies]
        for dest in copies:
            dest.weight, dest.inhibited = 0, True
        record.serial += 1
        if settings.inhibit_min or settings.inhibit_max or settings.up_confirm:
            self._put_off(record, record.seconds, lambda: self._open(record, settings))
        if record.seconds < LONGEST:
            record.seconds *= 2

    def _open(self, record: _Record, settings: DestCheck) -> None:
        """The time is over: the weight of before, even where an operator changed it meanwhile."""
        record.downs = 0
        for dest, weight in record.shut:
            if dest.available:
                dest.weight, dest.inhibited = weight, False
                self._warm[dest.id] = settings.up_confirm

    def _up(self, conn: Conn) -> None:
        if not self._warm.get(conn.dest.id):
            return
        self._warm[conn.dest.id] -= 1
        settings, record = conn.server.service.dest_check, self._record(conn)
        assert settings is not None, "only such services are told of"
        record.seconds = max(record.seconds // 2, settings.inhibit_min)

    def _put_off(self, record: _Record, seconds: int, action: Callable[[], None]) -> None:
        """Do *action* in about *seconds*: half a second less, and a fraction (D 10.5); unless things changed before."""
        record.serial += 1
        serial = record.serial
        when = self._machine.now + seconds * NANOSECOND - HALF_A_SECOND + self._machine.lcores[0].jitter()
        self._later(when, lambda: action() if record.serial == serial else None)
