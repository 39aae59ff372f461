cimport cython

cdef unsigned int M32, SEED

@cython.final
cdef class Jenkins:
    cdef unsigned int _a, _b, _c
    cpdef void start(self, unsigned int count) noexcept
    cpdef void mix(self, unsigned int x, unsigned int y, unsigned int z) noexcept
    cpdef unsigned int end(self, unsigned int x) noexcept
    @cython.locals(a=cython.uint, c=cython.uint)
    cdef void _turn(self, int count) noexcept
    @cython.locals(c=cython.uint)
    cdef void _settle(self, int count) noexcept
    cdef unsigned int _rotated(self, unsigned int word, int count) noexcept
