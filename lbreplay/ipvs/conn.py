"""Connections, their table and their lives (L 6, L 7): what the loop does with them is in loop/entry.py.

A connection is found two ways: by what the client sends (`find_in`) and by what the real server answers (`find_out`).
Templates, which keep a client with its real server, stand in a table of their own. Of equals the newest is found.
A timer starts at the first `put`; one that fires while children exist is put off by 60 s.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from operator import attrgetter
from typing import TYPE_CHECKING

import numpy as np

from lbreplay.arrays import I64
from lbreplay.ipvs.hashes import conn_hash, conn_hashes
from lbreplay.loop.entry import Conn, Entries
from lbreplay.loop.flags import IN_THERE, NFCT, NO_CPORT, ONE_PACKET, OUT_THERE, TEMPLATE
from lbreplay.loop.names import ANYBODY
from lbreplay.model import Endpoint
from lbreplay.wire.packet import flow_key

if TYPE_CHECKING:
    from lbreplay.ipvs.dest import Dest
    from lbreplay.ipvs.edition import Edition
    from lbreplay.ipvs.sysctl import Sysctls
    from lbreplay.loop.clock import Clock

DEAD_PORT = 65535  # of a template that shall not be found any more

SessionKey = tuple[int, Endpoint, Endpoint, bytes]


def _session(conn: Conn) -> SessionKey:
    return conn.proto, conn.client, conn.virtual, conn.pe_data


class Connections(Entries):
    """The table of one run, and everything that makes or ends a connection."""

    def __init__(self, edition: Edition, sysctls: Sysctls, clock: Clock, bits: int = 12) -> None:
        super().__init__(clock, edition.deferred_moves, edition.out_by == "real", edition.thresholds == "every")
        self._edition, self._sysctls = edition, sysctls
        self.size = 1 << bits
        self._sessions: dict[SessionKey, list[Conn]] = {}
        self.on_untracked: Callable[[Conn], None] = lambda conn: None
        self._listeners: list[Callable[[Conn], None]] = []
        self.on_deferred: Callable[[Conn], None] = lambda conn: None

    def __len__(self) -> int:
        return self.live

    def __iter__(self) -> Iterator[Conn]:
        """In the order they were hashed."""
        hashed = (thing for thing in self.clock.things if isinstance(thing, Conn) and thing.hashed)
        return iter(sorted(hashed, key=attrgetter("hashed")))

    # --- look-up ---------------------------------------------------------------------------------------------

    def find_in(self, proto: int, source: Endpoint, dest: Endpoint) -> Conn | None:
        """What the client's packet belongs to (L 6.2); a connection that waits for its client's port counts too."""
        found = self._find(IN_THERE, proto, source, dest)
        if found is None and self.unported:
            found = self._find(IN_THERE, proto, Endpoint(source.address, 0), dest)
        return found

    def find_out(self, proto: int, source: Endpoint, dest: Endpoint) -> Conn | None:
        """What an answer belongs to (L 6.3)."""
        return self._find(OUT_THERE, proto, source, dest)

    def _find(self, side: int, proto: int, source: Endpoint, dest: Endpoint) -> Conn | None:
        """The newest connection of whose *side* (IN_THERE, OUT_THERE) packets look so."""
        for handle in self.table.all(flow_key(proto, *source, *dest)):
            if (handle & 1) + 1 == side:
                conn: Conn = self.clock.things[handle >> 1]
                return conn
        return None

    def template(self, proto: int, client: Endpoint, virtual: Endpoint, pe_data: bytes = b"") -> Conn | None:
        """The template of a client, or with *pe_data* of its session (L 6.4)."""
        if pe_data:
            found = self._sessions.get((proto, client, virtual, pe_data))
            return found[-1] if found else None
        handle = self.templates.get(flow_key(proto, *client, *virtual), ANYBODY)
        return None if handle is None else self.clock.things[handle >> 1]

    # --- life ------------------------------------------------------------------------------------------------

    def new(self, proto: int, client: Endpoint, virtual: Endpoint, real: Endpoint, dest: Dest | None, flags: int = 0,
            pe_data: bytes = b"") -> Conn:  # fmt: skip
        """A connection to *dest*; None: bypass (L 6.5). Its timer does not run yet."""
        conn = Conn(self, proto)
        conn.client, conn.virtual, conn.real = client, virtual, real
        conn.flags, conn.pe_data = flags, pe_data
        conn.method = "bypass" if dest is None else dest.mode
        if dest is not None:
            self.bind(conn, dest)
        if flags & NO_CPORT:
            self.unported += 1
        if not flags & TEMPLATE:
            self.created += 1
            conn.number = self.created
        if not conn.flags & ONE_PACKET:
            self.hash(conn)
        self.peak = max(self.peak, self.live)
        return conn

    def hash(self, conn: Conn) -> None:
        """Enter it before its equals."""
        self.slotted(conn)
        if conn.is_template and conn.pe_data:
            self._sessions.setdefault(_session(conn), []).append(conn)
        elif conn.is_template:
            self.templates.put(2 * conn.slot, flow_key(conn.proto, *conn.client, *conn.virtual))
        else:
            answering = conn.real if conn.method == "nat" or self._edition.out_by == "real" else conn.virtual
            self._enter(conn, OUT_THERE, answering, conn.client)
            if bool(conn.flags & NO_CPORT) == (conn.client.port == 0):
                self._enter(conn, IN_THERE, conn.client, conn.virtual)
        self.placed(conn)

    def _enter(self, conn: Conn, side: int, source: Endpoint, dest: Endpoint) -> None:
        """Let *conn* be found by what goes from *source* to *dest*, which are of one family: nothing else arrives."""
        if len(source.address) == len(dest.address):
            self.table.put(2 * conn.slot + side - 1, flow_key(conn.proto, *source, *dest))
            conn.entered |= side

    def unhash_session(self, conn: Conn) -> None:
        key = _session(conn)
        self._sessions[key].remove(conn)
        if not self._sessions[key]:
            del self._sessions[key]

    def deferred(self, conn: Conn) -> None:
        self.on_deferred(conn)

    def listen(self, heard: Callable[[Conn], None]) -> None:
        """Let *heard* hear of every connection and template that is over."""
        self._listeners.append(heard)
        self.watched = True

    def ended(self, conn: Conn) -> None:
        if conn.flags & NFCT:
            self.on_untracked(conn)
        for heard in self._listeners:
            heard(conn)

    def expire_now(self, conn: Conn) -> None:
        """Let the timer run out right after the packet at hand."""
        if self.clock.waits(conn) and conn.due > self.clock.now:
            self.clock.arm(conn, self.clock.now)

    def delete(self, conn: Conn) -> None:
        """End a connection before its time (dropentry, flush)."""
        if self._edition.parent_dies == "always":
            self.expire_now(conn)
            if conn.control is not None:
                self.expire_now(conn.control)
            return
        self.clock.rest(conn)
        if conn.control is not None:
            conn.timeout = 0
        self.expire(conn)

    def fill_cport(self, conn: Conn, port: int) -> None:
        """The first packet of the client tells its port."""
        self.unhash(conn)
        conn.client = Endpoint(conn.client.address, port)
        conn.flags &= ~NO_CPORT
        self.unported -= 1
        self.hash(conn)

    def serves(self, template: Conn, wanted: Dest | None = None) -> bool:
        """Whether a template can be used, for *wanted* if that is given (L 6.6); one that cannot is made unfindable,
        and dies in its time."""
        dest = template.dest
        quiescent = self._sysctls["expire_quiescent_template"]
        usable = dest is not None and dest.available and not (quiescent and dest.weight == 0)
        if usable and wanted in (None, dest):
            return True
        if template.virtual.port != DEAD_PORT:
            self.unhash(template)
            template.client = Endpoint(template.client.address, 0)
            template.virtual = Endpoint(template.virtual.address, DEAD_PORT)
            template.real = Endpoint(template.real.address, DEAD_PORT)
            self.hash(template)
        return False

    # --- figures ---------------------------------------------------------------------------------------------

    def bucket(self, conn: Conn) -> int:
        """The bucket of the kernel's table it stands in, with a boot word of 0 (L 6.1)."""
        return conn_hash(conn.proto, conn.client.address, conn.client.port, self._edition.hash) & self.size - 1

    def buckets(self) -> I64:
        """The buckets of all of them, by slot."""
        return (conn_hashes(self.clients(), self._edition.hash) & self.size - 1).astype(np.int64)

    def lock(self, conn: Conn) -> int:
        """The lock that guards its bucket."""
        return self.bucket(conn) % self._edition.locks
