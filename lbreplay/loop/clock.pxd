cimport cython

from lbreplay.loop.timers cimport Timers

cdef long long NEVER
cdef int LEAST

cdef class Timed:
    cdef public Py_ssize_t slot
    cdef public long long due
    cdef public bint stays

@cython.final
cdef class Clock:
    cdef public long long now
    cdef long long _order, _step
    cdef readonly list things
    cdef list _free
    cdef readonly Timers timers
    cdef dict _columns
    cdef unsigned char[:] _alive
    cdef long long[:] _last_use, _armed
    cdef _point(self)
    cpdef capacity(self)
    cpdef take(self, Timed thing)
    @cython.locals(slot=Py_ssize_t)
    cpdef arm(self, Timed thing, long long due)
    cpdef bint waits(self, Timed thing)
    cpdef rest(self, Timed thing)
    cpdef disarm(self, Timed thing)
    @cython.locals(slot=Py_ssize_t, thing=Timed)
    cpdef due(self, long long until)
    cpdef advance(self, long long until)
