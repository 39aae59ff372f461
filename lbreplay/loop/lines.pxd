cimport cython

from lbreplay.loop.pen cimport Pen
from lbreplay.loop.table cimport Table

ctypedef unsigned long long u64

cdef int FULL_TCP, FULL_UDP, TELLING, PROXYING, STORMY, STATES, UDP, BY_RSS, BY_FLOW_DIRECTOR, QUEUE, CARD
cdef u64 SIX

@cython.locals(found=list, row=Py_ssize_t)
cpdef list numbered(long long[::1] numbers, const unsigned char[::1] leaving, list made, long long written)

@cython.final
cdef class Lines(Pen):
    cdef Table table
    cdef public Py_ssize_t workers, steers, lookups, states, verdicts, whys, cards, words
    cdef list _ends, _reasons
    cdef long long[::1] ends, reasons
    cpdef know(self, list ends, list reasons)
    cpdef told(self)
    cdef public dict more
    cdef object bound
    cdef long long first
    cdef bint several
    cdef long long[::1] out_number, out_port, time_ns, conn
    cdef unsigned char[::1] proto, by, lookup, verdict, opened, before, after, reason, full
    cdef short[::1] worker_index, queue, reta, redirected
    cdef unsigned int[::1] hash
    cdef int[::1] rule, handle, service
    cpdef bind(self, burst, number, port)
    cdef _move_in(self, of)
    cpdef tell(self, Py_ssize_t row, Py_ssize_t stop)
    cdef _line(self, Py_ssize_t row)
    cdef void _received(self, Py_ssize_t row) noexcept
    @cython.locals(by=int)
    cdef void _steer(self, Py_ssize_t row) noexcept
    @cython.locals(udp=int)
    cdef _connection(self, Py_ssize_t row)
    @cython.locals(table=Table, handle=Py_ssize_t, word0=u64, word1=u64, kind=int, full=int)
    cdef _put_ends(self, Py_ssize_t row)
    @cython.locals(number=cython.longlong, numbers=bytes, ports=bytes)
    cdef _sent(self, Py_ssize_t row)
