cimport cython

from lbreplay.loop cimport octets
from lbreplay.loop.md5 cimport Digest
from lbreplay.loop.real cimport Dest
from lbreplay.loop.turn cimport Choice

ctypedef unsigned long long u64

cdef int NOBODY, BUCKETS, MARK, SIZE_AT, MOST_DIGITS
cdef unsigned int START, SLOTS, KNUTH, GOLDEN
cdef u64 M32, M64
cdef Digest DIGEST
cdef unsigned char[::1] NUMBER

@cython.locals(total=u64)
cpdef long long ring_key(u64 number) noexcept
@cython.locals(place=u64)
cpdef long long stirred(u64 total) noexcept
@cython.locals(size=int, rest=u64, at=int)
cdef void _write(u64 number) noexcept
cdef u64 _stirred(u64 a) noexcept
@cython.locals(v0=u64, v1=u64, v2=u64, v3=u64, block=u64, turn=int)
cpdef unsigned int siphash(unsigned int value, unsigned int key) noexcept
@cython.locals(dest=Dest)
cdef int _taken(list dests, int at) noexcept
cpdef unsigned int bucket(unsigned int value, bint low) noexcept

@cython.locals(
    size=Py_ssize_t, at=Py_ssize_t, place=Py_ssize_t, byte=int, flip=int, shift=int, first=cython.longlong,
    counts=cython.longlong[::1], other_keys=cython.longlong[::1], other_owners=cython.int[::1],
)
cpdef in_order(long long[::1] keys, int[::1] owners)

cdef class Ring(Choice):
    cdef long long[::1] _keys
    cdef int[::1] _owners
    cdef Py_ssize_t _size
    cdef list _positions
    cpdef spread(self, keys, owners, list positions)
    cpdef int pick(self, list dests, unsigned int source, unsigned int dest, unsigned int port) except? -2
    @cython.locals(key=cython.longlong, low=Py_ssize_t, high=Py_ssize_t, middle=Py_ssize_t, at=int)
    cpdef int owner(self, list dests, u64 number) except? -2

@cython.locals(slots=cython.int[::1], places=cython.uint[::1], left=int, owner=int, _=int, at=cython.uint, skip=cython.uint)
cpdef filled(list starts, list skips, list turns)

cdef class Maglev(Choice):
    cdef public bint with_port, fallback
    cdef int[::1] _owners
    cdef Py_ssize_t _size
    cpdef fill(self, owners)
    @cython.locals(value=cython.uint, first=cython.uint, at=int)
    cpdef int pick(self, list dests, unsigned int source, unsigned int dest, unsigned int port) except? -2
    @cython.locals(offset=cython.uint, other=cython.uint, at=int)
    cdef int _fall_back(self, list dests, unsigned int value, unsigned int first) except? -2

cdef class Buckets(Choice):
    cdef public bint low, by_dest, with_port, fallback
    cdef int[::1] _owners
    cdef Py_ssize_t _size
    cpdef deal(self, owners)
    @cython.locals(value=cython.uint, home=int, at=int, offset=int)
    cpdef int pick(self, list dests, unsigned int source, unsigned int dest, unsigned int port) except? -2
