cimport cython

from lbreplay.loop cimport octets

ctypedef unsigned int u32

cdef u32 M32, A, B, C, D
cdef u32[::1] ADDED
cdef unsigned char[::1] TURNS, WORDS

@cython.final
cdef class Digest:
    cdef public u32 a, b, c, d
    cpdef void begin(self) noexcept
    @cython.locals(a=u32, b=u32, c=u32, d=u32, step=int, mixed=u32)
    cpdef void add(self, unsigned char[::1] block) noexcept
