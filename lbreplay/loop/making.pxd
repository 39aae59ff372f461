cimport cython

from lbreplay.loop cimport octets
from lbreplay.loop.opener cimport Opener, Pair
from lbreplay.loop.ports cimport Bucket, LaddrCursor, Pool
from lbreplay.loop.real cimport Census, Dest
from lbreplay.loop.slots cimport Slots
from lbreplay.loop.table cimport Table
from lbreplay.loop.answers cimport Answers

ctypedef unsigned long long u64

cdef int MISSED, NONE, PROXIED, SNAT, STATES
cdef long long ORDERS
cdef u64 M32, SIX
cdef int MODE, ENDING

@cython.locals(swapped=u64)
cdef u64 _to(Pair pair, int port) noexcept

cdef class Making(Answers):
    cdef int begun, begun_way, begun_kind
    cdef int template
    cdef long long[::1] limits
    cdef public bint listening
    cdef readonly list missed, clashed, ended
    @cython.locals(older=int)
    cdef _compare(self, Py_ssize_t row, Py_ssize_t handle)
    cdef void _begin(self, int handle, int way, int kind) noexcept
    @cython.locals(cursor=LaddrCursor, port=int, trials=int, pair=Pair)
    cdef bint _bind(self, Py_ssize_t row, Opener opener, Dest dest, Py_ssize_t base, long long now) except? -1
    @cython.locals(slots=Slots, dest=Dest, slot=Py_ssize_t, kind=int)
    cdef _enter(self, Py_ssize_t row, Opener opener, Pair pair, int port, long long now)
    @cython.locals(slots=Slots, slot=Py_ssize_t, fraction=int)
    cdef Py_ssize_t _occupy(self, Py_ssize_t row, Opener opener, Pair pair, long long now) except -1
    @cython.locals(microseconds=int)
    cdef int _fraction(self, Opener opener) noexcept
    @cython.locals(slots=Slots, pair=Pair)
    cdef _move(self, Py_ssize_t slot, int old, int new, long long now)
    cdef _count_in(self, Py_ssize_t row, Opener opener, Dest dest)
    @cython.locals(word0=u64, word1=u64, c=u64, d=u64)
    cdef _enter_answers(self, Py_ssize_t slot, Opener opener, Pair pair, int port)
    cdef bint _refuse(self, Py_ssize_t row, int verdict) except? -1
    cdef long long _order(self, Py_ssize_t row) noexcept
    @cython.locals(table=Table, pool=Pool, handle=Py_ssize_t, word0=u64, word1=u64)
    cdef Bucket _bucket_of(self, Py_ssize_t slot, Pair pair)
    @cython.locals(slots=Slots, port=int, active=bint)
    cdef bint _close(self, Py_ssize_t slot, Pair pair) except? -1
