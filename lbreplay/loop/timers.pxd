cimport cython

cdef int BUCKET_BITS, NONE
cdef long long RING, NEVER, SLOT

@cython.final
cdef class Timers:
    cdef public long long nearest
    cdef long long _other, _open, _ringed
    cdef int[::1] _heads, _slot, _after
    cdef long long[::1] _when, _order, _who
    cdef Py_ssize_t _size
    cdef int _notes, _spare
    cdef unsigned char[:] _alive
    cdef long long[:] _last_use, _timeout, _armed, _look
    cdef short[:] _rank
    cpdef point(self, dict columns)
    cdef _room(self)
    cpdef _heap(self, Py_ssize_t size)
    cpdef void look_at(self, long long when) noexcept
    @cython.locals(bucket=cython.longlong, look=cython.longlong)
    cpdef arm(self, Py_ssize_t slot, long long deadline)
    @cython.locals(at=Py_ssize_t, note=int)
    cdef _hang(self, Py_ssize_t slot, long long bucket)
    @cython.locals(note=int)
    cdef int _note(self) except -1
    cpdef void drop(self, Py_ssize_t slot) noexcept
    @cython.locals(when=cython.longlong, order=cython.longlong, slot=Py_ssize_t, deadline=cython.longlong)
    cpdef Py_ssize_t due(self, long long now) except? -2
    @cython.locals(nearest=cython.longlong)
    cdef void _tell(self) noexcept
    @cython.locals(note=int)
    cdef _open_until(self, long long bucket)
    @cython.locals(slot=Py_ssize_t, after=int)
    cdef int _read(self, int note, long long look) except? -2
    @cython.locals(order=cython.longlong, who=cython.longlong, at=Py_ssize_t)
    cdef _push(self, long long when, Py_ssize_t slot)
    @cython.locals(last=Py_ssize_t, at=Py_ssize_t, child=Py_ssize_t, when=cython.longlong, order=cython.longlong, who=cython.longlong)
    cdef void _pop(self) noexcept
    cdef void _copy(self, Py_ssize_t source, Py_ssize_t to) noexcept
    cdef bint _before(self, long long when, long long order, long long who, Py_ssize_t other) noexcept
