cimport cython

from lbreplay.loop cimport octets

ctypedef unsigned long long u64

cdef int TCP, UDP, ETHERNET, TAG

@cython.final
cdef class Look:
    cdef long long most, thorough, sample
    cdef readonly long long large, headers, wrong, segments, partial
    cdef object room
    cdef unsigned char[::1] buffer, simple, family, proto
    cdef unsigned short[::1] tag
    cdef long long[::1] at, length
    cdef int[::1] l4, l3_length
    cpdef look(self, burst)
    cdef _move_in(self, of)
    @cython.locals(row=Py_ssize_t, place=cython.longlong)
    cdef void _run(self, long long before, Py_ssize_t size) noexcept
    @cython.locals(at=Py_ssize_t, l4=int, four=bint, ends=u64, pseudo=u64, given=cython.uint)
    cdef void _sum(self, Py_ssize_t row) noexcept
