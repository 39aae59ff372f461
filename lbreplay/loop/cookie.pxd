cimport cython

ctypedef unsigned int u32

cdef int NONE, MAX_AGE, INDICES, MSS_SHIFT, MARK, ENDS4, BLOCK
cdef u32 M32, LOW, UNUSED
cdef unsigned int[::1] TURNS, SINES
cdef int[::1] WORDS

@cython.final
cdef class Cookies:
    cdef u32 secret, a, b, c, d
    cdef unsigned int[::1] block, ends, padding
    cdef bint six
    cpdef void aim4(self, u32 source, u32 dest, u32 ports) noexcept
    @cython.locals(word=int)
    cpdef void aim6(self, unsigned int[::1] flow, Py_ssize_t at) noexcept
    cdef u32 _turned(self, u32 ports) noexcept
    @cython.locals(first=u32, second=u32)
    cpdef u32 make(self, u32 seq, u32 data, long long minute) noexcept
    @cython.locals(rest=u32, age=u32, data=u32)
    cpdef int check(self, u32 seq, u32 cookie, long long minute) noexcept
    @cython.locals(block=cython.uint[::1], secret=u32, word=int)
    cdef u32 _hash(self, u32 count) noexcept
    @cython.locals(a=u32, b=u32, c=u32, d=u32, step=int, mixed=u32)
    cdef void _add(self, unsigned int[::1] block) noexcept
