cimport cython

from lbreplay.loop cimport octets
from lbreplay.loop.ends cimport Ends
from lbreplay.loop.memo cimport Memo
from lbreplay.loop.rows cimport Rows

ctypedef unsigned long long u64

cdef int IN_TRANSIT, NONE, UDP, UNKNOWN
cdef int STRANGER, LAST_HOP, TOO_LONG, UNSOUND, OTHER_HOST
cdef u64 M32

@cython.final
cdef class Fate:
    cdef public int verdict, lookup, reason, entry

cdef class Passing(Rows):
    cdef bint client_view, own_view
    cdef int answered, direct_reply, unasked, own
    cdef public long long version
    cdef public int longest
    cdef public bytes port_mac
    cdef const unsigned char[::1] first
    cdef public bint passing
    cdef public long long asked
    cdef readonly list fates
    cdef Memo _passed, _ways_back
    cdef Ends virtual, locals, services
    cdef list starters
    cdef int[::1] course
    cpdef know(self, Ends virtual, Ends services, list starters)
    cpdef place(self, Ends locals_, zones, wide_zones)
    cpdef forget(self)
    cpdef remember(self, long long asked, Fate fate)
    @cython.locals(from_here=cython.longlong, kind=cython.longlong, proto=cython.longlong, zone=cython.longlong, known=int)
    cdef bint _pass(self, Py_ssize_t row) except? -1
    cdef bint _is_sound(self, Py_ssize_t row) noexcept
    cdef bint _fare(self, Py_ssize_t row, Fate fate) noexcept
    cdef bint _ignored(self, Py_ssize_t row, int verdict) noexcept
    @cython.locals(proto=int)
    cdef bint _is_answer(self, Py_ssize_t row) noexcept
    cdef bint _is_local(self, u64 low, u64 high) noexcept
    cdef long long _link(self, Py_ssize_t row) noexcept
    @cython.locals(buffer=cython.uchar[::1], some=int)
    cdef bint _named(self, Py_ssize_t at) noexcept
    cdef bint _is_summed(self, Py_ssize_t row) noexcept
    cdef int _ttl(self, Py_ssize_t row) noexcept
    @cython.locals(first=int)
    cdef bint _odd_source(self) noexcept
