cimport cython

from lbreplay.loop.real cimport Dest

cdef int BY_ASKING, NOBODY

@cython.final
cdef class Turn:
    cdef public int at
    @cython.locals(count=int, at=int, dest=Dest)
    cpdef int next(self, list dests) except? -2

@cython.final
cdef class Load:
    cdef public unsigned long long overhead, mask
    cdef public int first
    @cython.locals(count=int, at=int, best=int, lowest=cython.ulonglong, own=cython.ulonglong, weight=cython.ulonglong, light=cython.ulonglong, dest=Dest)
    cpdef int least(self, list dests) except? -2

cdef class Picker:
    cdef public int by
    cdef public object turn
    cdef public list dests
    cdef public bint persistent
    cdef public unsigned long long mask, wide_mask
    cdef public long long template_timeout
