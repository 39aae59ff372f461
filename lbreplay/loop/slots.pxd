cimport cython

from lbreplay.loop.timers cimport Timers

@cython.final
cdef class Stack:
    cdef readonly Py_ssize_t size
    cdef int[::1] _slots
    cpdef push(self, int slot)
    cpdef int pop(self) noexcept
    @cython.locals(at=Py_ssize_t, first=Py_ssize_t, place=Py_ssize_t)
    cpdef clear(self, unsigned int[::1] records, Py_ssize_t size)
    @cython.locals(at=Py_ssize_t)
    cpdef take(self, Stack other)

cdef class Slots:
    cdef readonly Timers timers
    cdef public long long used, live, created, capacity
    cdef readonly Stack _free, _freed
    cdef public dict made, proxied
    cdef unsigned char[:] alive, state, full, met
    cdef long long[:] timeout, last_use, armed, number
    cdef short[:] rank, limit, trail
    cdef int[:] dest, pair, control, controlled, fraction, client, server, back, forth, home, mac
    cdef unsigned int[:] isn, home_hash, delta, fdata, rs_seq, rs_ack
    cpdef point(self, dict columns)
    @cython.locals(slot=Py_ssize_t)
    cpdef Py_ssize_t take(self, int dest, int rank) except -1
    cpdef free_slot(self, Py_ssize_t slot)
