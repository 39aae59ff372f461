"""Connections of the kernel as records, which the loop and the plain path of `ipvs` read and write alike (L 6, L 7).

A `Conn` is one record. A table (loop/table.py) finds it by its slot, which is its timer's too: handle 2 * slot is what
the client sends, 2 * slot + 1 what the real server answers. `Entries` is what makes and ends connections;
`ipvs/conn.py` puts to it what only the plain path asks for.

A `Course` is how the packets of all connections between one virtual and one real end leave (ipvs/compile.py makes
them). These are objects, not columns as DPVS's (loop/slots.py), for the plain path of the kernel's balancer
writes them everywhere (helpers, templates, errors, defences): so there is one record, and nothing to keep in step.
"""

from __future__ import annotations

from struct import pack
from typing import Any

import numpy as np

from lbreplay.loop.clock import Clock, Timed
from lbreplay.loop.ends import words
from lbreplay.loop.flags import IN_THERE, INACTIVE, NAT, NFCT, NO_CPORT, NOOUTPUT, ONE_PACKET, OUT_THERE, TEMPLATE
from lbreplay.loop.server import Server
from lbreplay.loop.table import Table
from lbreplay.model import NANOSECOND, Endpoint

M32 = 0xFFFFFFFF
NEW_TIMEOUT, LATER = 3 * NANOSECOND, 60 * NANOSECOND


class Course:
    """From one virtual end to one real end, by one method.

    number    it is known by in columns
    verdict   of requests that take it
    kind      NAT, DIRECTED, TUNNEL; OTHERWISE is for the plain path
    version   of what is known about routes and neighbours, when the rest was found out
    why       reason (loop/ways.py) for which its packets take the plain path; 0, ordinary ones take the loop; then:
    mtu       the longest packet that takes it whole, in bytes of L3
    entry     the MACs that it leaves with (ipvs/compile.py) before anybody answered; `mac` is the next hop's
    told      also behind that: the neighbour is known
    outer     bytes of the outer headers of a tunnel; outer_proto: the protocol that its IP header names
    wrap      what tunnel it is; of GUE and GRE: `summed`: it has a checksum, outer_port: of GUE
    idents    identifications of outer headers: the next one, in a list that others count with
    v0 v1 vport, r0 r1 rport, s0 s1    its ends, and the source of outer headers, as a little-endian machine reads the
              packet's bytes; of IPv4 the second word is 0
    """

    def __init__(self, number: int, kind: int, method: str, dest: Any, virtual: Any, real: Any) -> None:
        self.number, self.kind, self.method, self.dest = number, kind, method, dest
        self.virtual, self.real, self.service = virtual, real, dest.service
        self.version, self.why, self.told = -1, 0, False
        self.mtu, self.entry, self.mac = 0, 0, b""
        self.six = len(virtual.address) == 16
        self.v0, self.v1 = words(virtual.address)
        self.r0, self.r1 = words(real.address)
        self.vport, self.rport = _port(virtual.port), _port(real.port)
        self.s0 = self.s1 = 0
        self.verdict = 0
        self.met_version, self.met_mac, self.met_entry = -1, b"", 0  # the MAC that answered last, and its entry
        self.outer = self.outer_proto = self.wrap = self.outer_port = 0
        self.summed = False
        self.idents: Any = None

    def next_ident(self) -> int:
        """Of the next outer header that may be taken apart."""
        ident: int = self.idents[0]
        self.idents[0] = ident + 1
        return ident & 0xFFFF


def _port(port: int) -> int:
    return port >> 8 | (port & 0xFF) << 8


class Conn(Timed):
    """One connection. Times are ns; `state` is a number of its protocol (ipvs.states.NAMES).

    entered   IN_THERE, OUT_THERE: which of its sides the table knows
    hashed    its place in the order of hashing; 0: it stands in no table
    course    how its packets leave, None: nobody asked yet
    version   of what is known about routes and neighbours, when `towards` and `back` were: the MACs that requests and
              answers leave with, -1: the plain path, -2: to be asked for
    """

    def __init__(self, life: Any, proto: int) -> None:
        self.begin(life, proto)

    def begin(self, life: Any, proto: int) -> None:
        """Nothing is known of it yet."""
        self.slot, self.due, self.stays = -1, 0, True
        self.life = life
        self.number = 0  # 1 for the first of the run; templates are not numbered
        self.proto = proto  # 0: a template by firewall mark
        self.flags = 0
        self.method = "nat"  # nat | local | tunnel | dr | bypass
        self.virtual: Any = None
        self.real: Any = None
        self.dest: Any = None
        self.service: Any = None
        self.state = self.old_state = self.in_pkts = self.n_control = 0
        self.timeout = NEW_TIMEOUT
        self.control: Any = None
        self.assured = False
        self.app: Any = None  # a helper's own data
        self.pe_data = b""
        self.synced = 0  # expiry that a backup was last told, ns
        self.client_mac: bytes | None = None  # where each side's frames came from
        self.real_mac: bytes | None = None
        self.hashed, self.entered = 0, 0
        self.course: Any = None
        self.version, self.towards, self.back = -1, -1, -1
        self._client: Any = None
        self._c0 = self._c1 = self._cport = 0
        self._six = False

    @property
    def client(self) -> Any:
        """Its client's end."""
        if self._client is None:
            address = pack("<QQ", self._c0, self._c1)
            port = (self._cport & 0xFF) << 8 | self._cport >> 8
            self._client = Endpoint(address if self._six else address[:4], port)
        return self._client

    @client.setter
    def client(self, end: Any) -> None:
        self._client = end
        self._c0, self._c1 = words(end.address)
        self._cport, self._six = _port(end.port), len(end.address) == 16

    @property
    def is_template(self) -> bool:
        return bool(self.flags & TEMPLATE)

    def passed(self, side: int, octets: int) -> None:
        """A packet of *octets* of L3, from the client (side 0) or from its real server."""
        if self.dest is not None:
            dest: Server = self.dest
            Server.passed(dest, side, octets)

    def learn_client(self, mac: bytes) -> None:
        """Where the client's frames come from: its answers may leave otherwise."""
        self.client_mac, self.version = mac, -1

    def learn_real(self, mac: bytes) -> None:
        """Where the real server's frames come from: its requests may leave otherwise."""
        self.real_mac, self.version = mac, -1

    def fire(self) -> None:
        """Its timer ran out."""
        self.life.expire(self)


class Entries:
    """The connections of one run, in their table, and the templates, in theirs: by what their clients would send from
    port 0 (L 6.4)."""

    def __init__(self, clock: Clock, deferred_moves: bool, by_real: bool, each: bool) -> None:
        self.clock, self.table, self.templates = clock, Table(shared=True), Table(shared=True)
        self.room = 0  # slots that the table has room for
        self.watched = False
        self.live = self.created = self.expired = self.peak = 0
        self.unported = 0  # connections that wait for their client's port
        self._hashings = 0
        # see ipvs/edition.py; *each*: thresholds are looked at with each connection, templates among them
        self._deferred_moves, self._by_real, self._each = deferred_moves, by_real, each

    # --- what the plain path adds ------------------------------------------------------------------------------------

    def hash(self, conn: Conn) -> None:
        """Enter it before its equals, by its ends."""
        raise NotImplementedError

    def unhash_session(self, conn: Conn) -> None:
        """A template of a session is found no more."""
        raise NotImplementedError

    def deferred(self, conn: Conn) -> None:
        """Its end was put off."""
        raise NotImplementedError

    def ended(self, conn: Conn) -> None:
        """It is over; told where it took part in connection tracking, or where all are `watched`."""
        raise NotImplementedError

    def delete(self, conn: Conn) -> None:
        """End it before its time."""
        raise NotImplementedError

    # --- a new one ---------------------------------------------------------------------------------------------------

    def placed(self, conn: Conn) -> None:
        """*conn* stands in a table from now on, the newest of all."""
        self._hashings += 1
        conn.hashed = self._hashings
        self.live += 1

    def slotted(self, conn: Conn) -> None:
        """*conn* has a slot, and the table room for it."""
        if conn.slot < 0:
            self.clock.take(conn)
        if conn.slot >= self.room:
            ranks = self.clock.capacity()
            self.room = len(ranks)
            self.table.point(ranks)
            self.templates.point(ranks)

    def open(self, course: Course, proto: int, word0: int, word1: int, a: int, b: int, c: int, d: int) -> Conn:
        """A connection of the first packet with this tuple (loop/table.py), scheduled to take *course*."""
        conn = self._scheduled(course, proto, word0, word1, a, b)
        Entries.slotted(self, conn)
        self._enter_answers(conn, course, word1)
        self.table.enter(2 * conn.slot, word0, word1, a, b, c, d)
        conn.entered = IN_THERE | OUT_THERE
        Entries.placed(self, conn)
        if self.live > self.peak:
            self.peak = self.live
        return conn

    def open_once(self, course: Course, proto: int, word0: int, word1: int, a: int, b: int) -> Conn:
        """One of this packet alone: no table knows it."""
        conn = self._scheduled(course, proto, word0, word1, a, b)
        conn.flags |= ONE_PACKET
        return conn

    def _scheduled(self, course: Course, proto: int, word0: int, word1: int, a: int, b: int) -> Conn:
        """Counted, but still in no table."""
        conn = Conn.__new__(Conn)
        conn.begin(self, proto)
        dest: Server = course.dest
        conn.course, conn.dest, conn.virtual, conn.real = course, dest, course.virtual, course.real
        conn.service, conn.method = course.service, course.method
        conn.flags = INACTIVE if course.kind == NAT else INACTIVE | NOOUTPUT
        Server.enter(dest)
        Server.opened(dest)
        self.created += 1
        conn.number = self.created
        conn._c0, conn._c1, conn._cport, conn._six = word0 & M32, 0, word1 & 0xFFFF, course.six
        if course.six:
            conn._c0, conn._c1 = a, b
        return conn

    def open_template(self, course: Course, proto: int, timeout: int, word0: int, word1: int, a: int, b: int, c: int,
                      d: int) -> Conn:  # fmt: skip
        """A template to the real server of *course*, for clients whose packets, but for ports, have this tuple."""
        conn = Conn(self, proto)
        conn.virtual, conn.real, conn.method = course.virtual, course.real, course.method
        conn._c0, conn._six = word0 & M32, course.six
        if course.six:
            conn._c0, conn._c1 = a, b
        conn.flags, conn.timeout = TEMPLATE, timeout
        self.bind(conn, course.dest)
        Entries.slotted(self, conn)
        self.templates.enter(2 * conn.slot, word0, word1, a, b, c, d)
        Entries.placed(self, conn)
        if self.live > self.peak:
            self.peak = self.live
        return conn

    def bind(self, conn: Conn, dest: Server) -> None:
        """*conn* refers to *dest* (L 6.5)."""
        conn.dest, conn.service = dest, dest.service  # type: ignore[attr-defined]
        conn.flags |= INACTIVE if conn.method == "nat" else INACTIVE | NOOUTPUT
        if not conn.flags & TEMPLATE:
            Server.enter(dest)
            return
        conn.flags &= ~ONE_PACKET
        dest.refs += 1
        dest.persistconns += 1
        if self._each:
            dest.bound()

    def adopt(self, conn: Conn, parent: Conn) -> None:
        """Attach *conn* to the template or control connection it belongs to."""
        conn.control = parent
        parent.n_control += 1

    def _enter_answers(self, conn: Conn, course: Course, word1: int) -> None:
        """What answers look like: from the real end under NAT, else from the virtual one (of 2.6 always from the real
        one), to the client."""
        word0, other, port = course.v0, course.v1, course.vport
        if course.kind == NAT or self._by_real:
            word0, other, port = course.r0, course.r1, course.rport
        ports = port | (word1 & 0xFFFF) << 16 | (word1 >> 32) << 32
        if course.six:
            mixed = self.table.mix(word0, other, conn._c0, conn._c1)
            self.table.enter(2 * conn.slot + 1, mixed, ports, word0, other, conn._c0, conn._c1)
        else:
            self.table.enter(2 * conn.slot + 1, word0 | conn._c0 << 32, ports, 0, 0, 0, 0)

    def clients(self) -> Any:
        """u8[n, 5]: the clients of all that stand in a table: both words of the address, the port, the protocol, and
        whether it is IPv6, as the packet's bytes are read by a little-endian machine."""
        found = np.empty((self.live, 5), np.uint64)
        self._tell_clients(found)
        return found

    def _tell_clients(self, found: Any) -> None:
        at = 0
        for thing in self.clock.things:
            if isinstance(thing, Conn):
                conn: Conn = thing
                if conn.hashed:
                    found[at, 0], found[at, 1], found[at, 2] = conn._c0, conn._c1, conn._cport
                    found[at, 3], found[at, 4] = conn.proto, conn._six
                    at += 1

    # --- its timer and its end ---------------------------------------------------------------------------------------

    def put(self, conn: Conn) -> None:
        """Let go of a connection after use: its timer starts anew; a one-packet connection is over."""
        if conn.flags & ONE_PACKET:
            Entries.expire(self, conn)
        else:
            self.clock.arm(conn, self.clock.now + conn.timeout)

    def unhash(self, conn: Conn) -> None:
        """It is found no more."""
        if conn.entered & IN_THERE:
            self.table.remove(2 * conn.slot)
        if conn.entered & OUT_THERE:
            self.table.remove(2 * conn.slot + 1)
        if conn.hashed:
            self.live -= 1
            if conn.flags & TEMPLATE and conn.pe_data:
                self.unhash_session(conn)
            elif conn.flags & TEMPLATE:
                self.templates.remove(2 * conn.slot)
        conn.hashed = conn.entered = 0

    def expire(self, conn: Conn) -> None:
        """The timer ran out: the connection ends, or stays for its children's sake."""
        if conn.n_control:
            conn.timeout = LATER
            if self._deferred_moves:
                Entries.unhash(self, conn)
                self.hash(conn)
            self.deferred(conn)
            self.clock.arm(conn, self.clock.now + LATER)
            return
        parent = conn.control if conn.timeout == 0 and not conn.flags & ONE_PACKET else None
        self._destroy(conn)
        if parent is not None and not parent.n_control and not (parent.is_template and parent.assured):
            self.delete(parent)

    def _destroy(self, conn: Conn) -> None:
        Entries.unhash(self, conn)
        self.clock.disarm(conn)
        if conn.control is not None:
            conn.control.n_control -= 1
            conn.control = None
        Entries.unbind(self, conn)
        if conn.flags & NO_CPORT:
            self.unported -= 1
        if not conn.flags & TEMPLATE:
            self.expired += 1
        if self.watched or conn.flags & NFCT:
            self.ended(conn)

    def unbind(self, conn: Conn) -> None:
        if conn.dest is None:
            return
        dest: Server = conn.dest
        if conn.flags & TEMPLATE:
            dest.persistconns -= 1
            dest.unbound(True)
            dest.refs -= 1
        else:
            Server.leave(dest, not conn.flags & INACTIVE)
