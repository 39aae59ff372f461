cimport cython
from lbreplay.loop cimport octets

cdef Py_ssize_t RECORD, PAD
cdef long long SECOND
cdef unsigned int M32

@cython.final
cdef class Layer:
    cdef object room
    cdef readonly long long raised, octets
    cdef public long long last_ns
    cdef long long unit
    cdef long long[::1] at, caplen, length, sent, time_ns
    @cython.locals(row=Py_ssize_t, before=cython.longlong)
    cpdef bint settle(self, long long[::1] time_ns)
    @cython.locals(row=Py_ssize_t, size=Py_ssize_t)
    cpdef fill(self, burst, const long long[::1] at, const long long[::1] caplen, const long long[::1] length, const long long[::1] time_ns, Py_ssize_t start, long long begin)
    cdef _move_in(self, of)
    @cython.locals(row=Py_ssize_t, count=Py_ssize_t, size=Py_ssize_t)
    cpdef gather(self, burst, unsigned char[::1] source, const long long[::1] more)
    @cython.locals(row=Py_ssize_t, at=Py_ssize_t, there=Py_ssize_t, head=Py_ssize_t, to=Py_ssize_t)
    cdef void _copy(self, Py_ssize_t size, unsigned char[::1] source, const long long[::1] more, unsigned char[::1] data) noexcept
    cpdef put_heads(self, burst)
    @cython.locals(row=Py_ssize_t, at=Py_ssize_t, when=cython.longlong)
    cdef void _put_heads(self, Py_ssize_t size, unsigned char[::1] data) noexcept
