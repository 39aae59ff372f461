cimport cython

cdef int CODES

@cython.final
cdef class Count:
    cdef Py_ssize_t last, ways, looks, nobody
    cdef long long[::1] verdicts, steered, lookups, ibytes, opackets, obytes, wrong, moved_in, moved_out, of_rank
    cdef readonly Py_ssize_t first_wrong
    cdef unsigned char[::1] verdict, by, lookup, wrong_worker, leaving
    cdef short[::1] worker_index, redirected, owner
    cdef long long[::1] length, sent
    cdef object room
    cpdef add(self, burst)
    cdef _move_in(self, of)
    @cython.locals(row=Py_ssize_t, worker=Py_ssize_t)
    cpdef void run(self, Py_ssize_t size)
    cdef void _stray(self, Py_ssize_t row, Py_ssize_t worker) noexcept
    @cython.locals(rank=Py_ssize_t, sender=Py_ssize_t)
    cdef void _leave(self, Py_ssize_t row) noexcept
