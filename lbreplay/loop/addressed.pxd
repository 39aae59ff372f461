from lbreplay.loop.ends cimport Ends
from lbreplay.loop.rows cimport Rows
from lbreplay.loop.slots cimport Slots
from lbreplay.loop.table cimport Table
from lbreplay.loop.timers cimport Timers

ctypedef unsigned long long u64

cdef int ETHERNET

cdef class Addressed(Rows):
    cdef readonly Slots slots
    cdef readonly Timers timers
    cdef bint client_view
    cdef public int mtu
    cdef int no_dest, max_conn, no_port, no_template, fast, slow, unasked, direct_reply, own_transmit
    cdef int forwarded_plain, no_outside_port, no_outside_pool
    cdef long long first
    cdef unsigned char[::1] own, by, opened, full, wrong
    cdef int[::1] l4, header, rule, handle
    cdef unsigned int[::1] seq, ack, hash, fdata, delta
    cdef short[::1] queue, worker, reta, owner, redirected
    cdef long long[::1] conn
    cdef Ends virtual, services, locals
    cdef readonly list openers
    cdef Py_ssize_t places
    cpdef know(self, Ends virtual, Ends services, list openers, Py_ssize_t places)
    cdef int _service(self, int proto) noexcept
    cdef bint _is_local(self, u64 low, u64 high) noexcept
    cdef int _payload(self, Py_ssize_t row) noexcept
