cimport cython

from lbreplay.loop.lists cimport Lists
from lbreplay.loop.slots cimport Slots
from lbreplay.loop.table cimport Table
from lbreplay.loop.unwanted cimport Unwanted

ctypedef unsigned long long u64

cdef int DIRECT, NONE, SNAT
cdef int KERNEL, UNASKED
cdef u64 M32

cdef class Answers(Unwanted):
    cdef public bint redirects
    cdef u64 marked
    @cython.locals(handle=int)
    cdef int _asked(self) except? -2
    cdef int _asked_of_many(self, int handle) except? -2
    cdef bint _unasked(self, Py_ssize_t row, int verdict) except? -1
    @cython.locals(table=Table, lists=Lists, word0=u64, word1=u64, port=u64, proto=u64, low=u64, high=u64, dest0=u64, dest1=u64)
    cdef bint _refused_answer(self, Py_ssize_t row, int handle) except? -1
    @cython.locals(home=int, found=int, rank=int)
    cdef int _found(self, int handle) except? -2
    @cython.locals(full=int)
    cdef int _owner(self, int handle) except? -2
    @cython.locals(table=Table, slot=Py_ssize_t, home=int, nobody=bint)
    cdef bint _strayed(self, Py_ssize_t row, int handle, int proto) except? -1
