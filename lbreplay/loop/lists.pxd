cimport cython

from lbreplay.loop cimport octets
from lbreplay.loop.ends cimport Ends

ctypedef unsigned long long u64

cdef int NONE
cdef u64 BUCKETS, M32

@cython.final
cdef class Lists:
    cdef Ends _ends
    cdef bint _by_bucket
    cdef const unsigned char[::1] _shut, _closes
    cdef u64[::1] _spans
    cdef long long[::1] _starts
    cdef int _black, _white
    @cython.locals(number=int, first=u64, second=u64, closed=bint)
    cpdef int refusal(self, u64 low, u64 high, u64 dest0, u64 dest1, u64 port, u64 proto, bint six) noexcept
    @cython.locals(spans=u64[::1], low=Py_ssize_t, high=Py_ssize_t, begin=Py_ssize_t, middle=Py_ssize_t, at=Py_ssize_t)
    cdef bint _has(self, Py_ssize_t which, u64 first, u64 second) noexcept

cpdef long long bucket(u64 proto, u64 word, u64 port) noexcept
