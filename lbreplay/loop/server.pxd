cimport cython

from lbreplay.loop.real cimport Dest

cdef class Counts:
    cdef public long long conns, inpkts, inbytes, outpkts, outbytes

cdef class Server(Dest):
    cdef public long long refs, upper, lower
    cdef public Counts counts
    cpdef enter(self)
    cpdef leave(self, bint active)
    cpdef void opened(self) noexcept
    @cython.locals(counts=Counts)
    cpdef void passed(self, int side, long long octets) noexcept
