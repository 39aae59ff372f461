cimport cython

from lbreplay.loop cimport octets

cdef int RECORD
cdef long long SECOND

@cython.final
cdef class Runs:
    cdef object room
    cdef readonly Py_ssize_t runs, size, begin, end
    cdef unsigned char[::1] buffer, leaving
    cdef long long[::1] at, caplen
    cpdef look(self, burst)
    cdef _move_in(self, of)
    @cython.locals(row=Py_ssize_t, begin=Py_ssize_t)
    cdef void _look(self, Py_ssize_t size) noexcept
    @cython.locals(row=Py_ssize_t, to=Py_ssize_t)
    cpdef Py_ssize_t gather(self, burst, long long unit, unsigned char[::1] target)
    @cython.locals(size=Py_ssize_t)
    cdef Py_ssize_t _put(self, bytes frame, long long length, long long time_ns, long long unit, unsigned char[::1] target, Py_ssize_t to) noexcept
    @cython.locals(begin=Py_ssize_t, end=Py_ssize_t)
    cdef Py_ssize_t _copy(self, Py_ssize_t row, Py_ssize_t stop, unsigned char[::1] target, Py_ssize_t to) noexcept
