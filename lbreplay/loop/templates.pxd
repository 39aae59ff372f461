cimport cython

from lbreplay.loop.making cimport Making
from lbreplay.loop.opener cimport Opener, Pair
from lbreplay.loop.real cimport Census, Dest
from lbreplay.loop.slots cimport Slots
from lbreplay.loop.table cimport Table

ctypedef unsigned long long u64

cdef int NONE, TEMPLATE, PERSISTENT
cdef class Templates(Making):
    cdef public Table templates
    cdef public Census master
    @cython.locals(slot=int, pair=Pair, done=bint)
    cdef bint _open_by_template(self, Py_ssize_t row, Opener opener, long long now) except? -1
    @cython.locals(word0=u64, word1=u64, a=u64, b=u64, slot=int, dest=Dest)
    cdef int _template(self, Py_ssize_t row, Opener opener) except? -2
    @cython.locals(at=int, dest=Dest, slots=Slots, pair=Pair, slot=Py_ssize_t, fraction=int)
    cdef bint _make_template(self, Py_ssize_t row, Opener opener, long long now) except? -1
    @cython.locals(word0=u64, word1=u64, a=u64, b=u64, older=int)
    cdef _enter_template(self, Py_ssize_t slot, Opener opener)
    cdef _touch(self, Py_ssize_t slot, Py_ssize_t row, long long now)
    cdef bint _end_template(self, Py_ssize_t slot, Pair pair) except? -1
