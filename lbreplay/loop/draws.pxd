cimport cython

ctypedef unsigned long long u64

cdef u64 M32, M64, TIMES_HIGH, TIMES_LOW
cdef double UNIT

@cython.final
cdef class Draws:
    cdef u64 _high, _low, _more_high, _more_low
    @cython.locals(word=u64, turn=u64)
    cpdef double one(self) noexcept
    @cython.locals(_=cython.longlong)
    cpdef void skip(self, long long count)
    @cython.locals(low=u64, high=u64)
    cdef void _step(self) noexcept
    @cython.locals(low=u64, high=u64, times_low=u64, times_high=u64, inner=u64, outer=u64)
    cdef u64 _upper(self, u64 word) noexcept
