cimport cython

cdef int BLOCK

@cython.final
cdef class Draws:
    cdef object _source
    cdef double[::1] _block
    cdef int _at
    cpdef double one(self) except? -1
    cpdef void skip(self, long long count)
