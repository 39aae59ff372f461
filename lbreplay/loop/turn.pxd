cimport cython

from lbreplay.loop.real cimport Dest

ctypedef unsigned long long u64

cdef int NOBODY

cdef class Choice:
    cpdef int pick(self, list dests, unsigned int source, unsigned int dest, unsigned int port) except? -2

cdef class Picker:
    cdef public Choice choice
    cdef public list dests
    cdef public bint persistent
    cdef public unsigned long long mask, wide_mask
    cdef public long long template_timeout

cdef class Turn(Choice):
    cdef public int at
    @cython.locals(count=int, at=int, each=Dest)
    cpdef int pick(self, list dests, unsigned int source, unsigned int dest, unsigned int port) except? -2

cdef class Rounds(Choice):
    cdef public int at
    cdef public long long threshold, greatest, step
    @cython.locals(start=int, each=Dest)
    cpdef int pick(self, list dests, unsigned int source, unsigned int dest, unsigned int port) except? -2
    cdef void _advance(self, int count) noexcept

cdef class KernelRounds(Choice):
    cdef public int at
    cdef public long long threshold, greatest, step
    @cython.locals(untested=int, each=Dest)
    cpdef int pick(self, list dests, unsigned int source, unsigned int dest, unsigned int port) except? -2
    cdef void _next_round(self) noexcept

cdef class Load(Choice):
    cdef public u64 overhead, mask, idle, own
    cdef public bint weighted, lazy
    cdef public int first
    @cython.locals(count=int, at=int, best=int, lowest=u64, load=u64, weight=u64, light=u64, each=Dest)
    cpdef int pick(self, list dests, unsigned int source, unsigned int dest, unsigned int port) except? -2

cdef class Greatest(Choice):
    cdef public bint roomy
    @cython.locals(at=int, best=int, greatest=cython.longlong, each=Dest)
    cpdef int pick(self, list dests, unsigned int source, unsigned int dest, unsigned int port) except? -2
    cdef bint _has_room(self, Dest dest) noexcept
