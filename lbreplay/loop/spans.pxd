cimport cython

ctypedef unsigned long long u64

cdef int ANY

@cython.final
cdef class Span:
    cdef readonly int proto, tag, way
    cdef readonly bint six
    cdef readonly list openers
    cdef u64[::1] _bounds
    cdef int[::1] _ports
    cpdef bint looks_at(self, int proto, bint six, int tag, int way) noexcept
    @cython.locals(bounds=u64[::1], at=Py_ssize_t)
    cpdef bint covers(self, Py_ssize_t end, u64 high, u64 low, int port) noexcept
