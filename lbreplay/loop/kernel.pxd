cimport cython

from lbreplay.loop.clock cimport Clock
from lbreplay.loop cimport octets
from lbreplay.loop.ends cimport Ends
from lbreplay.loop.entry cimport Conn, Course, Entries
from lbreplay.loop.passing cimport Passing
from lbreplay.loop.real cimport Dest
from lbreplay.loop.server cimport Server
from lbreplay.loop.sync cimport Sync
from lbreplay.loop.table cimport Table
from lbreplay.loop.turn cimport Picker

ctypedef unsigned long long u64

cdef int CLOCK, DONE, PLAIN, INACTIVE, LOOKED_UP, MISSED, NAT, NONE, NOOUTPUT, ONE_PACKET, TEMPLATE, TUNNEL, STATES, STEPS
cdef int TCP, UDP, IN, OUT, IN_ONLY, ODD, ASK, DF, UNKNOWN
cdef int UNSOUND, OTHER_HOST, FROM_LOCAL, SHARED, REUSED, DESERTED, ONE_OF_ITS_KIND, ROUTE, TOO_LONG, LAST_HOP, STRANGER
cdef int REFUSED, FTP, UNPORTED, TAGGED, PERSISTENT, SWITCHED
cdef u64 NO_MAC
cdef int DATA, UNPRIVILEGED, CONTROL, FTP_DATA

@cython.final
cdef class Starter(Picker):
    cdef public object service
    cdef public long long version
    cdef public int why, mtu
    cdef public list courses
    cdef public bint once

@cython.final
cdef class Kernel(Passing):
    cdef readonly Entries entries
    cdef Sync sync
    cdef readonly Clock clock
    cdef public int shut, barred, families, secure
    cdef public bint deserts, assures, quiesces, lowers, discovers, data_passes, sums_up, thins
    cdef public Ends speakers
    cdef unsigned int _head, _tail
    cdef bytes _mac
    cdef long long[::1] limits
    cdef const unsigned char[::1] steps, active, finishing
    cdef int steady
    cdef unsigned char[::1] opened
    cdef long long[::1] conn
    cdef int[::1] ident, handle
    cpdef rules(self, first, steps, limits, active, int steady, finishing)
    @cython.locals(now=cython.longlong)
    cpdef Py_ssize_t run(self, Py_ssize_t row, Py_ssize_t stop, long long event_ns) except? -1
    @cython.locals(conn=Conn)
    cdef _clock(self, Py_ssize_t row, long long now)
    @cython.locals(handle=int)
    cdef bint _ordinary(self, Py_ssize_t row, long long now) except? -1
    @cython.locals(conn=Conn)
    cdef bint _forwarded(self, Py_ssize_t row, int handle, long long now) except? -1
    cdef bint _is_looked_at(self) noexcept
    cdef bint _is_speaker(self, Py_ssize_t row) noexcept
    cdef bint _not_for_us(self, Py_ssize_t row) except? -1
    @cython.locals(handle=int, conn=Conn)
    cdef bint _from_here(self, Py_ssize_t row, long long now) except? -1
    @cython.locals(conn=Conn)
    cdef bint _request(self, Py_ssize_t row, Py_ssize_t slot, long long now) except? -1
    @cython.locals(dest=Server, old=int)
    cdef _carry(self, Py_ssize_t row, Conn conn, int lookup)
    cdef _number(self, Conn conn)
    @cython.locals(old=int)
    cdef bint _reply(self, Py_ssize_t row, Conn conn, bint answer, long long now) except? -1
    cdef _tell(self, Py_ssize_t row, Conn conn, int old, int lookup)
    cdef bint _charted(self, Conn conn) except? -1
    @cython.locals(course=Course)
    cdef _meet(self, Py_ssize_t row, Conn conn, bint answer)
    @cython.locals(zone=cython.longlong, mac=u64, entry=int)
    cdef int _back(self, Conn conn) except? -3
    @cython.locals(number=u64, at=int)
    cdef u64 _number_of(self, bytes mac) except? 0
    @cython.locals(at=Py_ssize_t, head=cython.uint, tail=cython.uint)
    cdef bytes _source_mac(self, Py_ssize_t row)
    @cython.locals(table=int, new=int, dest=Server)
    cdef _step(self, Py_ssize_t row, Conn conn, int side)
    cdef void _assure(self, Conn parent) noexcept
    cdef void _settle(self, Py_ssize_t row, int course, int entry, int lookup, int verdict) noexcept
    @cython.locals(proto=int, number=int, starter=Starter, at=int)
    cdef bint _open(self, Py_ssize_t row, long long now) except? -1
    cdef int _service(self, int proto, int port) noexcept
    @cython.locals(port=int)
    cdef bint _open_otherwise(self, Py_ssize_t row, int proto) except? -1
    cdef int _picked(self, Py_ssize_t row, Starter starter) except? -2
    @cython.locals(at=int, dest=Dest)
    cdef bint _is_anybody(self, list dests) except? -1
    @cython.locals(conn=Conn)
    cdef Conn _enter(self, Py_ssize_t row, Starter starter, Course course, int proto)
    @cython.locals(at=int, template=Conn, course=Course, conn=Conn)
    cdef bint _open_by_template(self, Py_ssize_t row, Starter starter, int proto) except? -1
    @cython.locals(word0=u64, word1=u64, a=u64, b=u64, handle=int)
    cdef Conn _template(self, Starter starter)
    @cython.locals(dest=Server)
    cdef bint _serves(self, Starter starter, Conn template) except? -1
    @cython.locals(word0=u64, word1=u64, a=u64, b=u64, timeout=cython.longlong)
    cdef Conn _make_template(self, Starter starter, Course course, int proto)

