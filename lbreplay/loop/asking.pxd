cimport cython

from lbreplay.loop cimport octets
from lbreplay.loop.table cimport Table

ctypedef unsigned int u32
ctypedef unsigned long long u64

cdef u64 M32
cdef int MACS, TAG, BASE, ETHERNET, MSS, NOP, SACK_BIT, SACK_OK, SYN, TCP, TIMESTAMP, TIMESTAMP_BIT, WSCALE, WSCALE_SHIFT
cdef long long CLOCK, MICROSECOND
cdef int MOST, HEAD, TTL, WINDOW, DONT_FRAGMENT, VERSION6, ECN_TOS, TOA, TOA4, TOA6

@cython.final
cdef class Asking:
    cdef readonly Table table
    cdef bint tells
    cdef object room
    cdef unsigned char[::1] made, heads, tags, mirrored, buffer, family
    cdef long long[::1] at, time_ns
    cdef unsigned short[::1] tag
    cdef int[::1] l4
    cdef unsigned int[::1] seq
    cpdef link(self, heads, tags, mirrored)
    cpdef bind(self, burst)
    @cython.locals(four=bint, made=cython.uchar[::1], l4=Py_ssize_t, l3=Py_ssize_t, at=Py_ssize_t, end=Py_ssize_t, ends=u64)
    cpdef bytes frame(self, Py_ssize_t row, Py_ssize_t slot, int entry, u32 delta, bint full, int mss, u32 data)
    @cython.locals(made=cython.uchar[::1], size=int)
    cdef int _put_link(self, Py_ssize_t row, int entry, bint four) noexcept
    @cython.locals(made=cython.uchar[::1], size=int)
    cdef int _put_client(self, int at, Py_ssize_t l4, bint four) noexcept
    @cython.locals(made=cython.uchar[::1], sack=bint, stamp=bint, place=int, scale=int)
    cdef int _put_options(self, int at, bint full, long long now, int mss, u32 data) noexcept
    @cython.locals(made=cython.uchar[::1], byte=int)
    cdef void _put_timestamp(self, int at, bint full, long long now) noexcept
    @cython.locals(made=cython.uchar[::1], other=Py_ssize_t, word=int, half=u64)
    cdef void _put_ip(self, int l3, Py_ssize_t l4, Py_ssize_t slot, bint four, int size) noexcept
    @cython.locals(made=cython.uchar[::1], ports=u64)
    cdef void _put_tcp(self, int at, Py_ssize_t slot, u32 seq, int size, u64 ends) noexcept
