cimport cython

from lbreplay.loop.ends cimport Ends
from lbreplay.loop.hops cimport Hops
from lbreplay.loop.lists cimport Lists
from lbreplay.loop.memo cimport Memo

ctypedef unsigned long long u64

cdef int ACK, MISSED_BIT, NONE, PURE, SYN, TRANSIT, UDP
cdef int STRANGER, MATCHED, LAST_HOP, UNINVITED, FROM_LOCAL, TAGGED, ROUTE
cdef int UNKNOWN
cdef u64 LINK_LOCAL

@cython.final
cdef class Seen:
    cdef public int verdict, lookup, reason
    cdef public long long count
    cdef public object moved

cdef class Unwanted(Hops):
    cdef public bint chancy, strays, passing
    cdef public long long asked
    cdef readonly list seen
    cdef Memo _passed
    cdef public Lists lists
    cpdef ends_of(self, Ends locals_, zones, wide_zones)
    cpdef forget_passed(self)
    cpdef remember(self, u64 asked, Seen seen)
    @cython.locals(lists=Lists, verdict=int)
    cdef bint _refused(self, Py_ssize_t row, int proto) noexcept
    cdef bint _dropped(self, Py_ssize_t row, int verdict) noexcept
    @cython.locals(kind=cython.longlong, missed=cython.longlong, zone=cython.longlong, known=int, seen=Seen)
    cdef bint _nobody(self, Py_ssize_t row, long long worker, long long proto, long long link, bint turned) except? -1
    cdef bint _forward(self, Py_ssize_t row, int worker) except? -1
    cdef int _link(self, Py_ssize_t row) noexcept
