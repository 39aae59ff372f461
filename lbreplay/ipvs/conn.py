"""Connections, their table and their lives (L 6, L 7).

A connection is found two ways: by what the client sends (`find_in`) and by what the real server answers (`find_out`).
Templates, which keep a client with its real server, stand in a table of their own. Of equals the newest is found.
A timer starts at the first `put`; one that fires while children exist is put off by 60 s.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from lbreplay.ipvs.hashes import conn_hash
from lbreplay.loop.names import NEVER
from lbreplay.model import NANOSECOND, Endpoint

if TYPE_CHECKING:
    from lbreplay.ipvs.clock import Clock
    from lbreplay.ipvs.dest import Dest, Serving
    from lbreplay.ipvs.edition import Edition
    from lbreplay.ipvs.sysctl import Sysctls

NOOUTPUT, INACTIVE, NO_CPORT, TEMPLATE, ONE_PACKET, NFCT = 0x80, 0x100, 0x800, 0x1000, 0x2000, 0x10000

NEW_TIMEOUT, LATER = 3 * NANOSECOND, 60 * NANOSECOND
DEAD_PORT = 65535  # of a template that shall not be found any more

Key = tuple[Any, ...]
Macs = tuple[bytes, bytes]


class Conn:
    """One connection. Times are ns; `state` is a number of its protocol (states.NAMES)."""

    __slots__ = (
        "app", "armed", "assured", "client", "client_mac", "control", "dest", "due", "flags", "in_pkts", "keys",
        "life", "method", "n_control", "number", "old_state", "pe_data", "proto", "real", "real_mac", "service", "slot",
        "state", "synced", "timeout", "virtual",
    )  # fmt: skip

    def __init__(self, life: Connections, proto: int, client: Endpoint, virtual: Endpoint, real: Endpoint) -> None:
        self.life = life
        self.number = 0  # 1 for the first of the run; templates are not numbered
        self.proto = proto  # 0: a template by firewall mark
        self.client, self.virtual, self.real = client, virtual, real
        self.flags = 0
        self.method = "nat"  # nat | local | tunnel | dr | bypass
        self.dest: Dest | None = None
        self.service: Serving | None = None
        self.state = self.old_state = self.in_pkts = self.n_control = 0
        self.timeout = NEW_TIMEOUT
        self.control: Conn | None = None
        self.assured = False
        self.app: Any = None  # a helper's own data
        self.pe_data = b""
        self.synced = 0  # expiry that a backup was last told, ns
        self.client_mac: bytes | None = None  # where each side's frames came from
        self.real_mac: bytes | None = None
        self.keys: tuple[tuple[dict[Key, list[Conn]], Key], ...] = ()  # where it is hashed; (): nowhere
        self.slot, self.due, self.armed = -1, NEVER, 0

    @property
    def is_template(self) -> bool:
        return bool(self.flags & TEMPLATE)

    def fire(self) -> None:
        """Its timer ran out."""
        self.life.expire(self)


class Connections:
    """The table of one run, and everything that makes or ends a connection."""

    def __init__(self, edition: Edition, sysctls: Sysctls, clock: Clock, bits: int = 12) -> None:
        self._edition, self._sysctls, self._clock = edition, sysctls, clock
        self.size = 1 << bits
        self._in: dict[Key, list[Conn]] = {}
        self._out: dict[Key, list[Conn]] = {}
        self._templates: dict[Key, list[Conn]] = {}
        self._all: dict[Conn, None] = {}  # in the order they were hashed
        self._no_cport = 0
        self.created = self.expired = self.peak = 0
        self.on_destroy: Callable[[Conn], None] = lambda conn: None
        self.on_deferred: Callable[[Conn], None] = lambda conn: None

    def __len__(self) -> int:
        return len(self._all)

    def __iter__(self) -> Iterator[Conn]:
        return iter(self._all)

    # --- look-up ---------------------------------------------------------------------------------------------

    def find_in(self, proto: int, source: Endpoint, dest: Endpoint) -> Conn | None:
        """What the client's packet belongs to (L 6.2); a connection that waits for its client's port counts too."""
        found = self._in.get((proto, source, dest))
        if found is None and self._no_cport:
            found = self._in.get((proto, Endpoint(source.address, 0), dest))
        return found[-1] if found else None

    def find_out(self, proto: int, source: Endpoint, dest: Endpoint) -> Conn | None:
        """What an answer belongs to (L 6.3)."""
        found = self._out.get((proto, dest, source))
        return found[-1] if found else None

    def template(self, proto: int, client: Endpoint, virtual: Endpoint, pe_data: bytes = b"") -> Conn | None:
        """The template of a client, or with *pe_data* of its session (L 6.4)."""
        found = self._templates.get((proto, client, virtual, pe_data))
        return found[-1] if found else None

    # --- life ------------------------------------------------------------------------------------------------

    def new(self, proto: int, client: Endpoint, virtual: Endpoint, real: Endpoint, dest: Dest | None, flags: int = 0,
            pe_data: bytes = b"") -> Conn:  # fmt: skip
        """A connection to *dest*; None: bypass (L 6.5). Its timer does not run yet."""
        conn = Conn(self, proto, client, virtual, real)
        conn.flags, conn.pe_data = flags, pe_data
        conn.method = "bypass" if dest is None else dest.mode
        if dest is not None:
            self._bind(conn, dest)
        if flags & NO_CPORT:
            self._no_cport += 1
        if not flags & TEMPLATE:
            self.created += 1
            conn.number = self.created
        if not conn.flags & ONE_PACKET:
            self.hash(conn)
        self.peak = max(self.peak, len(self))
        return conn

    def _bind(self, conn: Conn, dest: Dest) -> None:
        conn.dest, conn.service = dest, dest.service
        conn.flags |= INACTIVE | (0 if conn.method == "nat" else NOOUTPUT)
        dest.refs += 1
        if conn.is_template:
            dest.persistconns += 1
            conn.flags &= ~ONE_PACKET
            if self._edition.thresholds == "every":
                dest.bound()
        else:
            dest.inactconns += 1
            dest.bound()

    def _unbind(self, conn: Conn) -> None:
        dest = conn.dest
        if dest is None:
            return
        if conn.is_template:
            dest.persistconns -= 1
        elif conn.flags & INACTIVE:
            dest.inactconns -= 1
        else:
            dest.actconns -= 1
        dest.unbound(conn.is_template)
        dest.refs -= 1

    def hash(self, conn: Conn) -> None:
        """Enter it before its equals."""
        if conn.is_template:
            conn.keys = ((self._templates, (conn.proto, conn.client, conn.virtual, conn.pe_data)),)
        else:
            answering = conn.real if conn.method == "nat" or self._edition.out_by == "real" else conn.virtual
            conn.keys = ((self._out, (conn.proto, conn.client, answering)),)
            if bool(conn.flags & NO_CPORT) == (conn.client.port == 0):
                conn.keys += ((self._in, (conn.proto, conn.client, conn.virtual)),)
        for table, key in conn.keys:
            table.setdefault(key, []).append(conn)
        self._all[conn] = None

    def unhash(self, conn: Conn) -> None:
        for table, key in conn.keys:
            table[key].remove(conn)
            if not table[key]:
                del table[key]
        conn.keys = ()
        self._all.pop(conn, None)

    def put(self, conn: Conn) -> None:
        """Let go of a connection after use: its timer starts anew; a one-packet connection is over."""
        if conn.flags & ONE_PACKET:
            self.expire(conn)
        else:
            self._clock.arm(conn, self._clock.now + conn.timeout)

    def expire_now(self, conn: Conn) -> None:
        """Let the timer run out right after the packet at hand."""
        if conn.slot >= 0 and conn.due > self._clock.now:
            self._clock.arm(conn, self._clock.now)

    def expire(self, conn: Conn) -> None:
        """The timer ran out: the connection ends, or stays for its children's sake."""
        if conn.n_control:
            conn.timeout = LATER
            if self._edition.deferred_moves:
                self.unhash(conn)
                self.hash(conn)
            self.on_deferred(conn)
            self._clock.arm(conn, self._clock.now + LATER)
            return
        parent = conn.control if conn.timeout == 0 and not conn.flags & ONE_PACKET else None
        self._destroy(conn)
        if parent is not None and not parent.n_control and not (parent.is_template and parent.assured):
            self.delete(parent)

    def _destroy(self, conn: Conn) -> None:
        self._clock.disarm(conn)
        self.unhash(conn)
        if conn.control is not None:
            conn.control.n_control -= 1
            conn.control = None
        self._unbind(conn)
        if conn.flags & NO_CPORT:
            self._no_cport -= 1
        if not conn.is_template:
            self.expired += 1
        self.on_destroy(conn)

    def delete(self, conn: Conn) -> None:
        """End a connection before its time (dropentry, flush)."""
        if self._edition.parent_dies == "always":
            self.expire_now(conn)
            if conn.control is not None:
                self.expire_now(conn.control)
            return
        self._clock.disarm(conn)
        if conn.control is not None:
            conn.timeout = 0
        self.expire(conn)

    def adopt(self, conn: Conn, parent: Conn) -> None:
        """Attach *conn* to the template or control connection it belongs to."""
        conn.control = parent
        parent.n_control += 1

    def fill_cport(self, conn: Conn, port: int) -> None:
        """The first packet of the client tells its port."""
        self.unhash(conn)
        conn.client = Endpoint(conn.client.address, port)
        conn.flags &= ~NO_CPORT
        self._no_cport -= 1
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

    def lock(self, conn: Conn) -> int:
        """The lock that guards its bucket."""
        return self.bucket(conn) % self._edition.locks
