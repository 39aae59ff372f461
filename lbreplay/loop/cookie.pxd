cimport cython

from lbreplay.loop cimport octets
from lbreplay.loop.md5 cimport Digest

ctypedef unsigned int u32

cdef int NONE, MAX_AGE, INDICES, MSS_SHIFT, MARK, SIZE_AT, ENDS4, BLOCK
cdef u32 M32, LOW, UNUSED

@cython.final
cdef class Cookies:
    cdef u32 secret
    cdef Digest digest
    cdef unsigned char[::1] block, padding
    cdef unsigned int[::1] ends
    cdef bint six
    cpdef void aim4(self, u32 source, u32 dest, u32 ports) noexcept
    @cython.locals(word=int)
    cpdef void aim6(self, unsigned int[::1] flow, Py_ssize_t at) noexcept
    cdef u32 _turned(self, u32 ports) noexcept
    @cython.locals(first=u32, second=u32)
    cpdef u32 make(self, u32 seq, u32 data, long long minute) noexcept
    @cython.locals(rest=u32, age=u32, data=u32)
    cpdef int check(self, u32 seq, u32 cookie, long long minute) noexcept
    cdef u32 _hash(self, u32 count) noexcept
    @cython.locals(block=cython.uchar[::1], ends=cython.uint[::1], at=int)
    cdef void _fill4(self, u32 count) noexcept
    @cython.locals(block=cython.uchar[::1], secret=u32, word=int)
    cdef void _fill6(self, u32 count) noexcept
