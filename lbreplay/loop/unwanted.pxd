cimport cython

from lbreplay.loop.ends cimport Ends
from lbreplay.loop.hops cimport Hops

ctypedef unsigned long long u64

cdef int ACK, MISSED_BIT, MOST, NONE, PURE, SYN, TRANSIT, UDP
cdef int STRANGER, MATCHED, LAST_HOP, UNINVITED, FROM_LOCAL, TAGGED, ROUTE
cdef u64 LINK_LOCAL

@cython.final
cdef class Seen:
    cdef public int verdict, lookup, reason
    cdef public long long count
    cdef public object moved

cdef class Unwanted(Hops):
    cdef public bint chancy, strays, passing
    cdef public long long asked
    cdef public dict passed, judged
    cpdef ends_of(self, Ends locals_, zones, wide_zones)
    cpdef forget_hops(self)
    cdef bint _refused(self, Py_ssize_t row, int proto) except? -1
    cdef bint _judged(self, Py_ssize_t row, key, u64 word0, u64 port, int proto) except? -1
    @cython.locals(kind=cython.longlong, missed=cython.longlong, zone=cython.longlong, seen=Seen)
    cdef bint _nobody(self, Py_ssize_t row, long long worker, long long proto, long long link, bint turned) except? -1
    @cython.locals(place=object)
    cdef bint _forward(self, Py_ssize_t row, int worker) except? -1
    cdef int _link(self, Py_ssize_t row) noexcept
