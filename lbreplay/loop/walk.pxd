cimport cython
from lbreplay.loop cimport octets

cdef long long SECOND

@cython.final
cdef class Walker:
    cdef unsigned char[::1] chunk
    cdef bint big
    cdef Py_ssize_t field, add
    cdef long long least, most, stop
    cdef readonly Py_ssize_t at
    cdef readonly bint bad
    @cython.locals(found=Py_ssize_t, length=cython.longlong)
    cpdef Py_ssize_t run(self, Py_ssize_t at, Py_ssize_t end, long long[::1] starts)

@cython.final
cdef class Reader:
    cdef unsigned char[::1] chunk
    cdef bint big
    cdef Py_ssize_t caplen_at, length_at
    cdef long long unit, fractions
    @cython.locals(row=Py_ssize_t, at=Py_ssize_t, odd=bint, seconds=cython.longlong, fraction=cython.longlong, captured=cython.longlong, whole=cython.longlong)
    cpdef bint run(self, const long long[::1] starts, long long[::1] time_ns, long long[::1] caplen, long long[::1] length)
