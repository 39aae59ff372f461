cimport cython

ctypedef unsigned long long u64

cdef int UNKNOWN, LEAST
cdef long long MOST
cdef u64 FULL

@cython.final
cdef class Memo:
    cdef u64 _k0, _k1
    cdef readonly long long size
    cdef Py_ssize_t _last
    cdef int _shift
    cdef u64[::1] _words
    cdef int[::1] _numbers
    cpdef clear(self)
    cpdef _renew(self, int bits)
    cpdef int get(self, u64 first, u64 second) noexcept
    @cython.locals(at=Py_ssize_t)
    cpdef put(self, u64 first, u64 second, int number)
    @cython.locals(mixed=u64, at=Py_ssize_t)
    cdef Py_ssize_t _place(self, u64 first, u64 second) noexcept
    @cython.locals(words=u64[::1], numbers=cython.int[::1], at=Py_ssize_t, to=Py_ssize_t)
    cdef _grow(self)
