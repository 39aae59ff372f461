cimport cython

ctypedef unsigned long long u64

cdef int NONE
cdef u64 FULL, LOW, HIGH, END

@cython.final
cdef class Ends:
    cdef Py_ssize_t _last
    cdef int _shift
    cdef u64[::1] _words
    cdef int[::1] _numbers
    @cython.locals(at=Py_ssize_t)
    cdef _put(self, u64 low, u64 high, u64 end, int number)
    cdef Py_ssize_t _home(self, u64 low, u64 high, u64 end) noexcept
    @cython.locals(end=u64, at=Py_ssize_t, place=Py_ssize_t)
    cpdef int find(self, u64 low, u64 high, u64 port, u64 proto, u64 six) noexcept
