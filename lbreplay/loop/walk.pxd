cimport cython
from lbreplay.loop cimport octets

cdef long long SECOND

@cython.final
cdef class Walker:
    cdef bint big
    cdef Py_ssize_t field, add
    cdef long long least, most, stop
    cdef readonly Py_ssize_t at
    cdef readonly bint bad
    cdef readonly long long[::1] starts
    @cython.locals(fit=Py_ssize_t)
    cpdef Py_ssize_t run(self, unsigned char[::1] chunk, Py_ssize_t at, Py_ssize_t end) except -1
    @cython.locals(found=Py_ssize_t, length=cython.longlong)
    cdef Py_ssize_t _walk(self, unsigned char[::1] chunk, Py_ssize_t at, Py_ssize_t end) noexcept

@cython.final
cdef class Heads:
    cdef bint big
    cdef Py_ssize_t size, caplen_at, length_at
    cdef long long unit, fractions
    cdef readonly bint odd
    cdef readonly long long[::1] at, caplen, length, time_ns
    cpdef read(self, unsigned char[::1] chunk, const long long[::1] starts, Py_ssize_t found)
    @cython.locals(row=Py_ssize_t, at=Py_ssize_t, seconds=cython.longlong, fraction=cython.longlong, captured=cython.longlong, whole=cython.longlong)
    cdef void _read(self, unsigned char[::1] chunk, const long long[::1] starts, Py_ssize_t found) noexcept
