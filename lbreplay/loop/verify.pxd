cimport cython

from lbreplay.loop cimport octets

cdef int TCP, UDP, IPV4, IPV6, TAG, FRAGMENT

@cython.final
cdef class Verifier:
    cdef unsigned char[::1] buffer
    cdef long long[::1] at, caplen
    @cython.locals(row=Py_ssize_t, found=list)
    cpdef list unsure(self, list rows)
    @cython.locals(ethertype=int, version=int)
    cdef bint _right(self, Py_ssize_t at, Py_ssize_t there) noexcept
    @cython.locals(header=int, size=int)
    cdef bint _right_v4(self, Py_ssize_t at, Py_ssize_t there) noexcept
    @cython.locals(size=int)
    cdef bint _right_v6(self, Py_ssize_t at, Py_ssize_t there) noexcept
    @cython.locals(pseudo=octets.u64)
    cdef bint _right_l4(self, Py_ssize_t at, int size, int proto, Py_ssize_t ends, int width) noexcept
    cdef int _be16(self, Py_ssize_t at) noexcept
