cimport cython

from lbreplay.loop.draws cimport Draws

ctypedef unsigned long long u64

cdef int NO_PORT
cdef unsigned int M32, PEER_SEED
cdef double DOUBLE_STEP

cdef class Bucket:
    cdef int _size, _taken, _head, _released
    cdef unsigned short[::1] _ports, _ring
    cdef public long long miss
    cpdef long long used(self)
    cpdef int next(self) noexcept
    @cython.locals(port=int)
    cpdef int take(self, peer) except? -2
    cpdef give(self, int port)
    cdef _widen(self)

cdef class FittingBucket(Bucket):
    cdef dict _free
    cdef object _fits

cdef class Pool:
    cdef readonly object ports, fits
    cdef readonly list buckets
    @cython.locals(bucket=Bucket)
    cpdef Bucket numbered(self, Py_ssize_t number)
    @cython.locals(number=u64)
    cpdef Bucket towards(self, u64 low, u64 high, unsigned int port, bint six)

cdef u64 _number(u64 word) noexcept
@cython.locals(a=cython.uint, b=cython.uint, c=cython.uint, count=int)
cpdef unsigned int peer_hash(u64 low, u64 high, unsigned int port) noexcept
cdef unsigned int _rotated(unsigned int word, int count) noexcept

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
