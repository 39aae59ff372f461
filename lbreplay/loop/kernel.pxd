cimport cython

from lbreplay.loop.clock cimport Clock
from lbreplay.loop.ends cimport Ends
from lbreplay.loop.entry cimport Conn, Course, Entries
from lbreplay.loop.real cimport Dest
from lbreplay.loop.rows cimport Rows
from lbreplay.loop.server cimport Server
from lbreplay.loop.sync cimport Sync
from lbreplay.loop.table cimport Table
from lbreplay.loop.turn cimport Picker

ctypedef unsigned long long u64

cdef int CLOCK, DONE, PLAIN, INACTIVE, LOOKED_UP, MISSED, NAT, NONE, NOOUTPUT, TEMPLATE, TUNNEL, STATES, STEPS
cdef int TCP, UDP, SYN, RST, IN, OUT, IN_ONLY, ODD, ASK, DF
cdef int UNSOUND, OTHER_HOST, FROM_LOCAL, SHARED, REUSED, DESERTED, ONE_OF_ITS_KIND, ROUTE, TOO_LONG, LAST_HOP, STRANGER
cdef int REFUSED, FTP, UNPORTED, TAGGED, PERSISTENT
cdef u64 SIX, M32, FTP_DATA

@cython.final
cdef class Starter(Picker):
    cdef public object service
    cdef public long long version
    cdef public int why, mtu
    cdef public list courses

@cython.final
cdef class Kernel(Rows):
    cdef readonly Entries entries
    cdef Sync sync
    cdef readonly Clock clock
    cdef bint client_view, own_view
    cdef int answered, direct_reply, unasked, own
    cdef public int shut, barred, families, longest, secure
    cdef public bint deserts, assures, quiesces, lowers, discovers, data_passes
    cdef public int first
    cdef public long long version
    cdef public bytes port_mac
    cdef unsigned int _head, _tail
    cdef bytes _mac
    cdef long long _zone, _zone_version
    cdef object _zone_mac
    cdef int _zone_entry
    cdef Ends virtual, locals, services
    cdef list starters
    cdef long long[::1] limits
    cdef const unsigned char[::1] steps, active, finishing
    cdef int steady
    cdef unsigned char[::1] opened
    cdef long long[::1] conn
    cdef int[::1] course, ident, handle
    cpdef know(self, Ends virtual, Ends services, list starters)
    cpdef place(self, Ends locals_, zones)
    cpdef rules(self, steps, limits, active, int steady, finishing)
    @cython.locals(now=cython.longlong)
    cpdef Py_ssize_t run(self, Py_ssize_t row, Py_ssize_t stop, long long event_ns) except? -1
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
    cdef bint _ignored(self, Py_ssize_t row, int verdict) noexcept
    @cython.locals(total=cython.uint, word=int)
    cdef unsigned int _sum20(self, Py_ssize_t at) noexcept
    cdef int _ttl(self, Py_ssize_t row) noexcept
    @cython.locals(conn=Conn)
    cdef bint _request(self, Py_ssize_t row, Py_ssize_t slot, long long now) except? -1
    @cython.locals(dest=Server, old=int)
    cdef _carry(self, Py_ssize_t row, Conn conn, int lookup, long long now)
    @cython.locals(old=int)
    cdef bint _reply(self, Py_ssize_t row, Conn conn, bint answer, long long now) except? -1
    cdef _tell(self, Py_ssize_t row, Conn conn, int old, int lookup)
    cdef bint _charted(self, Conn conn) except? -1
    @cython.locals(course=Course)
    cdef _meet(self, Py_ssize_t row, Conn conn, bint answer)
    @cython.locals(zone=cython.longlong)
    cdef int _back(self, Conn conn) except? -3
    cdef int _asked_back(self, Conn conn) except? -3
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
    cdef int _picked(self, Py_ssize_t row, Starter starter) except? -2
    @cython.locals(at=int, dest=Dest)
    cdef bint _is_anybody(self, list dests) except? -1
    @cython.locals(first=int)
    cdef bint _odd_source(self) noexcept
    @cython.locals(conn=Conn)
    cdef Conn _enter(self, Py_ssize_t row, Course course, int proto)
    @cython.locals(at=int, template=Conn, course=Course, conn=Conn)
    cdef bint _open_by_template(self, Py_ssize_t row, Starter starter, int proto, long long now) except? -1
    @cython.locals(word0=u64, word1=u64, a=u64, b=u64, handle=int)
    cdef Conn _template(self, Starter starter)
    @cython.locals(dest=Server)
    cdef bint _serves(self, Starter starter, Conn template) except? -1
    @cython.locals(word0=u64, word1=u64, a=u64, b=u64, timeout=cython.longlong)
    cdef Conn _make_template(self, Starter starter, Course course, int proto)

