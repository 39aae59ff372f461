cimport cython

from lbreplay.loop.clock cimport Clock
from lbreplay.loop.ends cimport Ends
from lbreplay.loop.entry cimport Conn, Course, Entries
from lbreplay.loop.real cimport Dest
from lbreplay.loop.server cimport Server
from lbreplay.loop.sync cimport Sync
from lbreplay.loop.table cimport Table
from lbreplay.loop.turn cimport Load, Turn

ctypedef unsigned long long u64

cdef int BY_TURN, BY_LOAD, CLOCK, DONE, PLAIN, INACTIVE, LOOKED_UP, MISSED, NAT, NONE, NOOUTPUT, TEMPLATE, TUNNEL, STATES, STEPS
cdef int TCP, UDP, SYN, RST, IN, OUT, IN_ONLY, ODD, ASK, DF
cdef int UNSOUND, OTHER_HOST, FROM_LOCAL, SHARED, REUSED, DESERTED, ONE_OF_ITS_KIND, ROUTE, TOO_LONG, LAST_HOP, STRANGER
cdef int REFUSED, FTP, UNPORTED, TAGGED
cdef u64 SIX, M32, FTP_DATA

@cython.final
cdef class Starter:
    cdef public object service, turn
    cdef public long long version
    cdef public int why, mtu, by
    cdef public list dests, courses

@cython.final
cdef class Kernel:
    cdef object host
    cdef readonly Entries entries
    cdef Sync sync
    cdef Table table
    cdef readonly Clock clock
    cdef bint client_view, own_view, six
    cdef int answered, direct_reply, unasked, own
    cdef public int why, reason, shut, barred, families, longest, secure
    cdef public bint deserts, assures, lowers, discovers, data_passes
    cdef public int first
    cdef public long long version
    cdef public bytes port_mac
    cdef u64 word0, word1, a, b, c, d, ports, source1, dest0, dest1
    cdef unsigned int _head, _tail
    cdef bytes _mac
    cdef long long _zone, _zone_version
    cdef object _zone_mac
    cdef int _zone_entry
    cdef Ends virtual, locals, services
    cdef list starters
    cdef long long[::1] zones, limits
    cdef const unsigned char[::1] steps, active, finishing
    cdef int steady
    cdef unsigned char[::1] buffer, family, proto, flags, simple, ours, verdict, lookup, leaving, answer
    cdef long long[::1] at, time_ns
    cdef int[::1] l3_length, course, mac, ident
    cdef unsigned int[::1] flow4, wide
    cdef unsigned short[::1] tag
    cdef short[::1] worker_index
    cpdef know(self, Ends virtual, Ends services, list starters)
    cpdef place(self, Ends locals_, zones)
    cpdef rules(self, steps, limits, active, int steady, finishing)
    cpdef bind(self, burst)
    @cython.locals(now=cython.longlong)
    cpdef Py_ssize_t run(self, Py_ssize_t row, Py_ssize_t stop, long long event_ns) except? -1
    cdef bint _plain(self, int reason) noexcept
    @cython.locals(conn=Conn)
    cdef _clock(self, Py_ssize_t row, long long now)
    @cython.locals(handle=int)
    cdef bint _ordinary(self, Py_ssize_t row, long long now) except? -1
    @cython.locals(conn=Conn)
    cdef bint _forwarded(self, Py_ssize_t row, int handle, long long now) except? -1
    @cython.locals(handle=int, conn=Conn)
    cdef bint _from_here(self, Py_ssize_t row, long long now) except? -1
    @cython.locals(proto=int)
    cdef bint _is_answer(self, Py_ssize_t row) noexcept
    @cython.locals(word0=u64, word1=u64)
    cdef int _asked(self) noexcept
    cdef bint _ignored(self, Py_ssize_t row, int verdict) noexcept
    @cython.locals(word1=u64, source=u64, dest=u64, at=Py_ssize_t)
    cdef void _read(self, Py_ssize_t row) noexcept
    @cython.locals(high=u64)
    cdef u64 _wide(self, Py_ssize_t at) noexcept
    @cython.locals(total=cython.uint, word=int)
    cdef unsigned int _sum20(self, Py_ssize_t at) noexcept
    cdef int _ttl(self, Py_ssize_t row) noexcept
    @cython.locals(conn=Conn)
    cdef bint _request(self, Py_ssize_t row, Py_ssize_t slot, long long now) except? -1
    @cython.locals(dest=Server)
    cdef _carry(self, Py_ssize_t row, Conn conn, int lookup, long long now)
    cdef bint _reply(self, Py_ssize_t row, Conn conn, bint answer, long long now) except? -1
    cdef bint _charted(self, Conn conn) except? -1
    @cython.locals(course=Course)
    cdef _meet(self, Py_ssize_t row, Conn conn, bint answer)
    @cython.locals(zone=cython.longlong)
    cdef int _back(self, Conn conn) except? -3
    cdef int _asked_back(self, Conn conn) except? -3
    @cython.locals(address=cython.longlong, low=Py_ssize_t, high=Py_ssize_t, middle=Py_ssize_t)
    cdef long long _zone_of(self, u64 word) noexcept
    @cython.locals(buffer=cython.uchar[::1], some=int)
    cdef bint _named(self, Py_ssize_t at) noexcept
    @cython.locals(head=cython.uint, tail=cython.uint)
    cdef bytes _source_mac(self, Py_ssize_t row)
    @cython.locals(table=int, new=int, dest=Server)
    cdef _step(self, Py_ssize_t row, Conn conn, int side)
    cdef void _assure(self, Conn parent) noexcept
    cdef void _settle(self, Py_ssize_t row, int course, int entry, int lookup, int verdict) noexcept
    @cython.locals(proto=int, number=int, starter=Starter, at=int)
    cdef bint _open(self, Py_ssize_t row, long long now) except? -1
    @cython.locals(first=int)
    cdef bint _odd_source(self) noexcept
    @cython.locals(place=int)
    cdef int _pick(self, Py_ssize_t row, Starter starter) except? -2
    @cython.locals(turn=Turn)
    cdef int _by_turn(self, Starter starter) except? -2
    @cython.locals(load=Load)
    cdef int _by_load(self, Starter starter) except? -2
    @cython.locals(at=Py_ssize_t, width=Py_ssize_t)
    cdef bytes _ends(self, Py_ssize_t row)
    @cython.locals(conn=Conn)
    cdef _enter(self, Py_ssize_t row, Course course, int proto, long long now)
