"""The loop of the kernel's balancer: frames in capture order, each with all that becomes of it before the next one.

    for each row: timers due, look up, open, step, count; what is out of the ordinary goes to the plain path, one packet

It is a sister of loop/loop.py and stands on the same table, timers and turns. It is one of its own because the kernel's
story is another one: one worker, answers looked up before requests, hooks for what is delivered and what is forwarded,
no local ports, no learned fast path, timeouts without jitter. What `run` says (`why`, `reason`) is the same.

What is ordinary: complete TCP and UDP without IP options or tags (`simple`, loop/parse.py), addressed to this host, of
a connection (loop/entry.py) whose course is usable, or the first packet of a service that has a `Starter`; in the
client view, the answers of virtual addresses. ipvs/compile.py makes the records, and is the *host* that is asked about
what it takes words to say: see its methods `chart`, `towards`, `back`, `ready`, `pick`, `fire`.
"""

from __future__ import annotations

from typing import Any

from lbreplay.loop import octets
from lbreplay.loop.entry import Conn, Course, Entries
from lbreplay.loop.flags import INACTIVE, NAT, NFCT, NO_CPORT, NOOUTPUT, ONE_PACKET, TEMPLATE, TUNNEL
from lbreplay.loop.memo import UNKNOWN_NUMBER
from lbreplay.loop.names import (
    CLOCK,
    DONE,
    LOOKED_UP,
    MISSED,
    NONE,
    PLAIN,
    STATES,
    STEPS,
    SYN,
    TCP,
    UDP,
)
from lbreplay.loop.passing import Passing
from lbreplay.loop.real import Dest
from lbreplay.loop.server import Server
from lbreplay.loop.sync import Sync
from lbreplay.loop.turn import Picker
from lbreplay.loop.ways import Way

IN, OUT, IN_ONLY = range(3)  # tables of states
DATA, UNPRIVILEGED = 20, 1024  # port of FTP's data, and the first that others choose
CONTROL, FTP_DATA = 21 << 8, DATA << 8  # ports of FTP as a little-endian machine reads them
ODD = NO_CPORT | TEMPLATE | ONE_PACKET | NFCT  # connections with one of these flags are the plain path's
DF = 0x40  # in the first byte of the fragment word
ASK = -2  # `Conn.back`: nobody asked yet
NO_MAC = 1 << 48
UNKNOWN = UNKNOWN_NUMBER
# reasons, as numbers of C
UNSOUND, OTHER_HOST, FROM_LOCAL, SHARED, REUSED, DESERTED, ONE_OF_ITS_KIND, ROUTE, TOO_LONG, LAST_HOP, STRANGER = (
    Way.UNSOUND, Way.OTHER_HOST, Way.FROM_LOCAL, Way.SHARED, Way.REUSED, Way.DESERTED, Way.ONE_OF_ITS_KIND, Way.ROUTE,
    Way.TOO_LONG, Way.LAST_HOP, Way.STRANGER,
)  # fmt: skip
REFUSED, FTP, UNPORTED, TAGGED, PERSISTENT, SWITCHED = (
    Way.REFUSED, Way.FTP, Way.UNPORTED, Way.TAGGED, Way.PERSISTENT, Way.SWITCHED,
)  # fmt: skip


class Starter(Picker):
    """Who opens the connections of a service in the loop. `version`: what it says of courses is so as of then; `why`:
    the reason for which it opens none, 0: it does.

    courses   by position of the real server in `dests`
    mtu       the longest packet that all of them take
    once      its connections are of one packet
    """

    def __init__(self, service: Any) -> None:
        super().__init__()
        self.service, self.version, self.why, self.mtu = service, -1, 0, 0
        self.courses: list[Any] = []
        self.once = False


class Kernel(Passing):
    """The rows of bursts."""

    def __init__(self, host: Any, entries: Entries, sync: Sync, view: str, verdicts: Any) -> None:
        super().__init__(host, entries.table, view, verdicts)
        self.entries, self.sync, self.clock = entries, sync, entries.clock
        self.shut = 0  # reason for which the loop takes nothing
        self.barred = 0  # reason for which it opens no connection
        self.deserts = False  # a weightless real server's connections end with a first packet (expire_nodest_conn)
        self.families = 0  # that are looked at: 1 IPv4, 2 IPv6
        self.secure = 0  # which tables of states
        self.assures = False  # templates become ASSURED
        self.quiesces = False  # a weightless real server's templates serve no more (expire_quiescent_template)
        self.lowers = True  # the TTL, on the way to a real server
        self.discovers = True  # DF of an outer header is that of the inner one
        self.sums_up = True  # packets of connections of one packet are numbered by their templates
        self.thins = False  # connections are looked through, while there are any (drop_entry)
        self.speakers: Any = None  # `Ends` of real servers who are told that nobody knows of what they say
        self.data_passes = False  # what comes from the port of FTP's data opens nothing
        self._head, self._tail = 0, 0
        self._mac: Any = b""  # the source MAC that came last

    # --- what is read ------------------------------------------------------------------------------------------------

    def rules(self, first: Any, steps: Any, limits: Any, active: Any, steady: int, finishing: Any) -> None:
        """Which flags of TCP a first segment has; new states by table, step and state, of normal and secure machines;
        timeouts (ns) of TCP and UDP by state; which states count as active; the one that assures a template; and in
        which a first packet may begin anew."""
        self.forget()
        self.first, self.steps, self.limits, self.active = first, steps, limits, active
        self.steady, self.finishing = steady, finishing

    def _move_in(self, of: Any) -> None:
        Passing._move_in(self, of)
        self.ident, self.conn, self.opened, self.handle = of["ident"], of["conn"], of["opened"], of["handle"]

    # --- the story ---------------------------------------------------------------------------------------------------

    def run(self, row: int, stop: int, event_ns: int) -> int:
        """Take rows from *row* on; the first that is not taken. The next event is due at *event_ns*."""
        while row < stop:
            now = self.time_ns[row]
            if now >= event_ns:
                self.why = CLOCK
                return row
            if now >= self.clock.timers.nearest:
                self._clock(row, now)
            if now > self.clock.now:
                self.clock.now = now
            if not self._ordinary(row, now):
                self.why = PLAIN
                return row
            row += 1
        self.why = DONE
        return stop

    def _clock(self, row: int, now: int) -> None:
        """Timers due at or before *now*, in their order."""
        thing = self.clock.due(now)
        while thing is not None:
            if isinstance(thing, Conn):
                conn: Conn = thing
                Entries.expire(self.entries, conn)
            else:
                self.host.fire(row, thing)
            thing = self.clock.due(now)

    def _ordinary(self, row: int, now: int) -> bool:
        """One row, up to its verdict; False: it is not ordinary after all, and nothing has happened."""
        self.asked = NONE
        if self.shut:
            return self._plain(self.shut)
        if not self.simple[row]:
            return self._plain(UNSOUND)
        if self.tag[row]:
            return self._plain(TAGGED)
        self._read(row, self.proto[row])
        if self.own_view and self.port_mac and self._source_mac(row) == self.port_mac:
            return self._ignored(row, self.own)
        if self._is_local(self.a, self.b):
            return self._from_here(row, now)
        if not self._is_looked_at():
            return self._pass(row)
        if not self.ours[row]:
            return self._not_for_us(row)
        if not self.port_mac and not self._named(self.at[row]):
            return self._plain(OTHER_HOST)
        if not self.six and not self._is_summed(row):
            return self._plain(UNSOUND)
        handle = self.table.first(self.word0, self.word1, self.a, self.b, self.c, self.d)
        if handle >= 0 and self.table.behind(handle) >= 0:
            return self._plain(SHARED)
        if self.speakers is not None and not (handle >= 0 and handle & 1) and self._is_speaker(row):
            return self._plain(SWITCHED)
        if not self._is_local(self.c, self.d):
            return self._forwarded(row, handle, now)
        if handle < 0:
            return self._open(row, now)
        if handle & 1:
            return self._plain(SHARED)
        return self._request(row, handle >> 1, now)

    def _forwarded(self, row: int, handle: int, now: int) -> bool:
        """A packet on its way through: an answer of a real server, or no business of the balancer."""
        if handle < 0:
            return self._pass(row)
        if not handle & 1:
            return self._plain(STRANGER)
        conn: Conn = self.clock.things[handle >> 1]
        return self._reply(row, conn, False, now)

    def _is_looked_at(self) -> bool:
        """Whether IPVS looks at packets of the family."""
        return self.families & (2 if self.six else 1) != 0

    def _is_speaker(self, row: int) -> bool:
        """Whether the row comes from the end of a real server (`nat_icmp_send`)."""
        return self.speakers.find(self.a, self.b, self.ports & 0xFFFF, self.proto[row], self.six) >= 0

    def _not_for_us(self, row: int) -> bool:
        """A packet to another host's MAC, or to a group's: that may be an answer all the same."""
        if not self.buffer[self.at[row]] & 1:
            return self._pass(row)
        handle = self.table.first(self.word0, self.word1, self.a, self.b, self.c, self.d)
        if handle >= 0 or self.speakers is not None:
            return self._plain(OTHER_HOST)
        return self._pass(row)

    # --- what a local address says -----------------------------------------------------------------------------------

    def _from_here(self, row: int, now: int) -> bool:
        """A packet with a local source was not received as it is: it answers for a real server, or is our own."""
        if not self.client_view:
            return self._pass(row)
        handle = self._turned()
        if handle < 0:
            return self._plain(UNPORTED) if self.entries.unported else self._pass(row)
        if not self._is_looked_at():
            return self._plain(STRANGER)
        if handle & 1 or self.table.behind(handle) >= 0 or not self.table.alone(handle + 1):
            return self._plain(SHARED)
        conn: Conn = self.clock.things[handle >> 1]
        if conn.dest is None:
            return self._plain(ONE_OF_ITS_KIND)
        if not self._charted(conn):
            return False
        if conn.course.kind != NAT:
            return self._ignored(row, self.direct_reply)
        return self._reply(row, conn, True, now)

    # --- a known connection ------------------------------------------------------------------------------------------

    def _request(self, row: int, slot: int, now: int) -> bool:
        """A client's packet (L 4.1 steps 9 to 14), unless its connection does not hold (L 4.2 rows 5 and 6)."""
        conn: Conn = self.clock.things[slot]
        if conn.flags & ODD or conn.app is not None or conn.dest is None:
            return self._plain(ONE_OF_ITS_KIND)
        if not conn.dest.available:
            return self._plain(DESERTED)
        if self.proto[row] == TCP and self.flags[row] & SYN and (self.deserts or self.finishing[conn.state]):
            return self._plain(REUSED)
        if not self._charted(conn):
            return False
        if conn.towards < 0:
            return self._plain(ROUTE)
        if self.l3_length[row] > conn.course.mtu:
            return self._plain(TOO_LONG)
        if self.lowers and self._ttl(row) <= 1:
            return self._plain(LAST_HOP)
        if conn.client_mac is None:
            conn.client_mac = self._source_mac(row)
        self._carry(row, conn, LOOKED_UP)
        return True

    def _carry(self, row: int, conn: Conn, lookup: int) -> None:
        """Counted, its state changed, sent."""
        dest: Server = conn.dest
        old = conn.state
        Server.passed(dest, 0, self.l3_length[row])
        self._step(row, conn, IN)
        self._tell(row, conn, old, lookup)
        self._number(conn)
        if conn.course.kind == TUNNEL and not self.six and not (self.discovers and self.buffer[self.at[row] + 20] & DF):
            self.ident[row] = conn.course.next_ident()
        self._settle(row, 2 * conn.course.number, conn.towards, lookup, conn.course.verdict)
        Entries.put(self.entries, conn)

    def _number(self, conn: Conn) -> None:
        """A packet's number, by which a backup would be told of the connection (L 15)."""
        if self.sums_up and conn.flags & ONE_PACKET:
            if conn.control is not None:
                conn.control.in_pkts += 1
            return
        conn.in_pkts += 1
        self.sync.packet(conn, conn.in_pkts)

    def _reply(self, row: int, conn: Conn, answer: bool, now: int) -> bool:
        """A real server's packet (L 10 row 6); *answer*: the client's side heard it."""
        if conn.flags & ODD or conn.app is not None or conn.dest is None or not conn.entered & 2:
            return self._plain(ONE_OF_ITS_KIND)
        if not self._charted(conn):
            return False
        if conn.course.kind != NAT:
            return self._plain(ONE_OF_ITS_KIND)
        if self.l3_length[row] > self.longest:
            return self._plain(TOO_LONG)
        if self._ttl(row) <= 1:
            return self._plain(LAST_HOP)
        if answer and not (self.port_mac or self._named(self.at[row] + 6)):
            return self._plain(OTHER_HOST)
        if conn.back == ASK:
            conn.back = self._back(conn)
        if conn.back < 0:
            return self._plain(ROUTE)
        if conn.real_mac is None:
            self._meet(row, conn, answer)
        old = conn.state
        Server.passed(conn.dest, 1, self.l3_length[row])
        self._step(row, conn, OUT)
        self._tell(row, conn, old, LOOKED_UP + OUT)
        self.clock.arm(conn, now + conn.timeout)
        self.answer[row] = answer
        self._settle(row, 2 * conn.course.number + 1, conn.back, LOOKED_UP + 1, self.answered)
        return True

    def _tell(self, row: int, conn: Conn, old: int, lookup: int) -> None:
        """What who looks on is told of a row's connection, and which side of it."""
        self.conn[row], self.service_of[row] = conn.number, conn.course.number
        self.opened[row], self.handle[row] = lookup == MISSED, lookup == LOOKED_UP + OUT
        self.before[row], self.after[row] = old, conn.state

    def _charted(self, conn: Conn) -> bool:
        """Whether it is known how packets of a connection leave; else they are the plain path's."""
        if conn.course is None or conn.course.version != self.version:
            self.host.chart(conn)
        if conn.course.why:
            return self._plain(conn.course.why)
        if conn.version != self.version:
            conn.towards, conn.back, conn.version = self.host.towards(conn), ASK, self.version
        return True

    def _meet(self, row: int, conn: Conn, answer: bool) -> None:
        """The first packet of the real server's side tells its MAC: where no neighbour is known, requests leave with
        it. The MAC of an answer that the client heard is the one that requests leave with already."""
        course: Course = conn.course
        if answer:
            conn.real_mac = course.mac
            return
        conn.real_mac = self._source_mac(row)
        if course.told:
            return
        if course.met_version != self.version or course.met_mac != conn.real_mac:
            course.met_entry = self.host.towards(conn)
            course.met_version, course.met_mac = self.version, conn.real_mac
        conn.towards = course.met_entry

    def _back(self, conn: Conn) -> int:
        """With what the answer at hand goes to the client: all of its zone behind one MAC have the same way."""
        zone, mac = self._zone(self.c, self.d), self._number_of(conn.client_mac)
        entry = self._ways_back.get(zone, mac)
        if entry == UNKNOWN:
            entry = self.host.back(conn)
            self._ways_back.put(zone, mac, entry)
        return entry

    def _number_of(self, mac: bytes | None) -> int:
        """A MAC as a number, of none one that is no MAC."""
        if mac is None:
            return NO_MAC
        number = 0
        for at in range(6):
            number = number << 8 | mac[at]
        return number

    def _source_mac(self, row: int) -> Any:
        """The source MAC of a row; most come from the same."""
        at = self.at[row] + 6
        head, tail = octets.word32(self.buffer, at), octets.word16(self.buffer, at + 4)
        if head != self._head or tail != self._tail or not self._mac:
            self._head, self._tail, self._mac = head, tail, bytes(self.buffer[at : at + 6])
        return self._mac

    def _step(self, row: int, conn: Conn, side: int) -> None:
        """The state, and its timeout (L 8); who counts as active (L 7)."""
        if self.proto[row] == UDP:
            conn.timeout = self.limits[STATES]
            if side == OUT and conn.control is not None:
                self._assure(conn.control)
            return
        table = side
        if conn.flags & NOOUTPUT:
            if side == OUT:
                conn.flags &= ~NOOUTPUT
            else:
                table = IN_ONLY
        new = self.steps[((self.secure * 3 + table) * STEPS + self.flags[row]) * STATES + conn.state]
        if new != conn.state and self.active[new] == (conn.flags & INACTIVE != 0):
            dest: Server = conn.dest
            conn.flags ^= INACTIVE
            Dest.activate(dest, 1 if self.active[new] else -1)
        conn.state, conn.timeout = new, self.limits[new]
        if new == self.steady and conn.control is not None:
            self._assure(conn.control)

    def _assure(self, parent: Conn) -> None:
        """A template of a connection that was answered is to stay (of editions that know it)."""
        if parent.flags & TEMPLATE and self.assures:
            parent.assured = True

    def _settle(self, row: int, course: int, entry: int, lookup: int, verdict: int) -> None:
        """Verdict, and what the row leaves with."""
        self.verdict[row], self.lookup[row], self.leaving[row] = verdict, lookup, 1
        self.course[row], self.mac[row] = course, entry

    # --- a new connection --------------------------------------------------------------------------------------------

    def _open(self, row: int, now: int) -> bool:
        """The first packet of a service that has a starter (L 5.1, 5.3)."""
        proto = self.proto[row]
        if self.entries.unported:
            return self._plain(UNPORTED)
        if proto == TCP and not self.first[self.flags[row]]:
            return self._pass(row)
        number = self._service(proto, self.ports >> 16)
        if number < 0:
            return self._open_otherwise(row, proto)
        starter: Starter = self.starters[number]
        if starter.version != self.version:
            self.host.ready(starter)
        if starter.why:
            return self._plain(starter.why)
        if self.barred:
            return self._plain(self.barred)
        if self.data_passes and self.ports & 0xFFFF == FTP_DATA:
            return self._plain(FTP)
        if not self.six and self._odd_source():
            return self._plain(FROM_LOCAL)
        if self.l3_length[row] > starter.mtu:
            return self._plain(TOO_LONG)
        if self.lowers and self._ttl(row) <= 1:
            return self._plain(LAST_HOP)
        if starter.persistent:
            return self._open_by_template(row, starter, proto)
        at = self._picked(row, starter)
        if at < 0:
            return self._plain(REFUSED)
        self._carry(row, self._enter(row, starter, starter.courses[at], proto), MISSED)
        return True

    def _service(self, proto: int, port: int) -> int:
        """The number of the service on *port* of the address that the packet at hand is for, or NONE."""
        return self.services.find(self.c, self.d, port, proto, self.six)

    def _open_otherwise(self, row: int, proto: int) -> bool:
        """Its port is no service's own: one of FTP takes data connections, and one of all ports everything (L 5.2)."""
        port = octets.swapped16(self.ports >> 16)
        if proto == TCP and (port == DATA or port >= UNPRIVILEGED) and self._service(proto, CONTROL) >= 0:
            return self._plain(FTP)
        return self._plain(PERSISTENT) if self._service(proto, 0) >= 0 else self._pass(row)

    def _open_by_template(self, row: int, starter: Starter, proto: int) -> bool:
        """One to the real server that the client's template names; without a template one is picked, and told by a new
        one (L 5.4)."""
        template = self._template(starter)
        if template is None:
            at = self._picked(row, starter)
            if at < 0:
                return self._plain(REFUSED)
            template = self._make_template(starter, starter.courses[at], proto)
        elif not self._serves(starter, template):
            return self._plain(PERSISTENT)
        course: Course = starter.courses[template.dest.place]
        conn = self._enter(row, starter, course, proto)
        self.entries.adopt(conn, template)
        Entries.put(self.entries, template)
        self._carry(row, conn, MISSED)
        return True

    def _template(self, starter: Starter) -> Any:
        """The newest template of the client at hand, or None."""
        word0, word1, a, b = self._client_words(starter, self.entries.templates)
        handle = self.entries.templates.first(word0, word1, a, b, self.c, self.d)
        return self.clock.things[handle >> 1] if handle >= 0 else None

    def _serves(self, starter: Starter, template: Conn) -> bool:
        """Whether a template is of use as it is (L 6.6), to a real server of the service as it is."""
        dest: Server = template.dest
        if dest is None or not dest.available or (self.quiesces and dest.weight == 0):
            return False
        return dest.place < len(starter.dests) and starter.dests[dest.place] is dest

    def _make_template(self, starter: Starter, course: Course, proto: int) -> Conn:
        word0, word1, a, b = self._client_words(starter, self.entries.templates)
        timeout = starter.template_timeout
        return Entries.open_template(self.entries, course, proto, timeout, word0, word1, a, b, self.c, self.d)

    def _picked(self, row: int, starter: Starter) -> int:
        """The position of the real server that takes the row, or NONE."""
        return self._pick(row, starter) if self._is_anybody(starter.dests) else NONE

    def _is_anybody(self, dests: list[Any]) -> bool:
        """Whether somebody may be picked. Where nobody may, the plain path is to ask the scheduler, which may move."""
        for at in range(len(dests)):
            dest = dests[at]
            if Dest.may_be_picked(dest):
                return True
        return False

    def _enter(self, row: int, starter: Starter, course: Course, proto: int) -> Conn:
        """The connection of the first packet at hand."""
        if starter.once:
            conn = self.entries.open_once(course, proto, self.word0, self.word1, self.a, self.b)
        else:
            conn = Entries.open(self.entries, course, proto, self.word0, self.word1, self.a, self.b, self.c, self.d)
        if self.thins:
            self.host.wake()
        conn.client_mac = self._source_mac(row)
        conn.towards, conn.back, conn.version = course.entry, ASK, self.version
        return conn
