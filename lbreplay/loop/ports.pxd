cimport cython

from lbreplay.loop.draws cimport Draws

cdef int NO_PORT
cdef double DOUBLE_STEP

cdef class Bucket:
    cdef object _ports, _released
    cdef int _size, _taken
    cdef public long long miss
    cpdef long long used(self)
    cpdef int take(self, peer) except? -2
    cpdef give(self, int port)

cdef class FittingBucket(Bucket):
    cdef dict _free
    cdef object _fits

@cython.final
cdef class LaddrCursor:
    cdef readonly tuple laddrs
    cdef public object heard
    cdef long long[::1] counts
    cdef Draws _chance
    cdef bint _stepping
    cdef public int at
    cdef int _size
    cdef dict _gone
    @cython.locals(step=int)
    cpdef int next(self) except? -2
