cimport cython

from lbreplay.loop.opener cimport Opener, Pair
from lbreplay.loop.real cimport Dest
from lbreplay.loop.slots cimport Slots
from lbreplay.loop.table cimport Table
from lbreplay.loop.templates cimport Templates

ctypedef unsigned long long u64

cdef int BARE, MET, NONE, SNAT
cdef int PERSISTENT, POOL, TOO_LONG
cdef class Opening(Templates):
    cdef public bint matching
    cdef public long long pool_size
    cdef public int barred
    @cython.locals(opener=Opener, at=int, dest=Dest)
    cdef bint _open(self, Py_ssize_t row, int worker, int number, long long now) except? -1
    @cython.locals(at=int, way=int, strayed=bint, dest=Dest, port=int)
    cdef bint _open_outwards(self, Py_ssize_t row, Opener opener, long long now) except? -1
    @cython.locals(slots=Slots, slot=Py_ssize_t, told=int, word0=u64, word1=u64, ports=u64)
    cdef _enter_outwards(self, Py_ssize_t row, Opener opener, Pair pair, int way, u64 port, long long now)
