cimport cython

from lbreplay.loop cimport octets
from lbreplay.loop.opener cimport Opener, Pair
from lbreplay.loop.ports cimport Bucket, Pool
from lbreplay.loop.real cimport Dest
from lbreplay.loop.slots cimport Slots
from lbreplay.loop.spans cimport Span
from lbreplay.loop.table cimport Table
from lbreplay.loop.templates cimport Templates

ctypedef unsigned long long u64

cdef int BARE, MET, NONE, SNAT
cdef int POOL, TOO_LONG
cdef class Opening(Templates):
    cdef public list spans
    cdef public dict devices
    cdef public long long pool_size
    cdef public int barred
    @cython.locals(opener=Opener, at=int, dest=Dest)
    cdef bint _open(self, Py_ssize_t row, int worker, int number, long long now) except? -1
    cdef bint _may_open(self, Opener opener) except? -1
    @cython.locals(way=int, tag=int, ports=u64, span=Span)
    cdef Opener _matched(self, Py_ssize_t row, int worker, int proto)
    @cython.locals(number=int)
    cdef bint _covers(self, Span span, Py_ssize_t end, u64 low, u64 high, u64 port) noexcept
    @cython.locals(tag=cython.longlong, place=cython.longlong)
    cdef int _leaves_by(self, Py_ssize_t row) except? -1000
    @cython.locals(bucket=Bucket)
    cdef int _outside_port(self, Py_ssize_t row, Pool pool) except? -2
    @cython.locals(at=int, way=int, strayed=bint, dest=Dest, port=int, pair=Pair)
    cdef bint _open_outwards(self, Py_ssize_t row, Opener opener, long long now) except? -1
    @cython.locals(slots=Slots, slot=Py_ssize_t, told=int, word0=u64, word1=u64, ports=u64)
    cdef _enter_outwards(self, Py_ssize_t row, Opener opener, Pair pair, int way, u64 port, long long now)
