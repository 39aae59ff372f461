cimport cython

cdef int BUCKET_BITS, NONE, NOWHERE, HEAP
cdef long long RING, NEVER

@cython.final
cdef class Timers:
    cdef public long long nearest
    cdef long long _other, _open, _ringed
    cdef int[::1] _heads, _after, _ahead, _where
    cdef long long[::1] _look, _when, _order, _who
    cdef Py_ssize_t _slots, _size
    cdef object _memory, _entries
    cdef unsigned char[:] _alive
    cdef long long[:] _last_use, _timeout, _armed
    cdef short[:] _rank
    cpdef point(self, dict columns)
    cpdef _room(self, Py_ssize_t slots)
    cpdef _heap(self, Py_ssize_t size)
    cpdef void look_at(self, long long when) noexcept
    @cython.locals(bucket=cython.longlong)
    cpdef arm(self, Py_ssize_t slot, long long deadline)
    @cython.locals(at=Py_ssize_t, head=int)
    cdef void _hang(self, Py_ssize_t slot, long long bucket) noexcept
    @cython.locals(at=Py_ssize_t, after=int, ahead=int)
    cpdef void drop(self, Py_ssize_t slot) noexcept
    @cython.locals(when=cython.longlong, order=cython.longlong, slot=Py_ssize_t, deadline=cython.longlong)
    cpdef Py_ssize_t due(self, long long now) except? -2
    @cython.locals(nearest=cython.longlong)
    cdef void _tell(self) noexcept
    @cython.locals(at=Py_ssize_t, slot=Py_ssize_t)
    cdef _open_until(self, long long bucket)
    @cython.locals(order=cython.longlong, who=cython.longlong, at=Py_ssize_t)
    cdef _push(self, long long when, Py_ssize_t slot)
    @cython.locals(last=Py_ssize_t, at=Py_ssize_t, child=Py_ssize_t, when=cython.longlong, order=cython.longlong, who=cython.longlong)
    cdef void _pop(self) noexcept
    cdef void _copy(self, Py_ssize_t source, Py_ssize_t to) noexcept
    cdef bint _before(self, long long when, long long order, long long who, Py_ssize_t other) noexcept
