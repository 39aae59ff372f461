cimport cython

from lbreplay.loop cimport octets
from lbreplay.loop.pen cimport Pen
from lbreplay.loop.table cimport Table

cdef int BY_RSS, BY_FLOW_DIRECTOR, QUEUE, CARD, ENHANCED, TAIL, COMMENT, HASH, NUMBER, VERDICT, TOEPLITZ

@cython.final
cdef class Notes(Pen):
    cdef Table table
    cdef public Py_ssize_t words, rules, verdicts, ports
    cdef public long long interfaces, unit
    cdef object bound
    cdef long long first
    cdef unsigned char[::1] buffer, leaving, family, by, verdict, opened, answer, wrong
    cdef long long[::1] frames, caplen, sent, time_ns, conn, interface
    cdef short[::1] worker_index, worker, queue, reta, redirected
    cdef unsigned int[::1] flow4, wide, hash, came_with
    cdef int[::1] rule, handle
    cpdef bind(self, burst, hash, interface)
    cdef _move_in(self, of)
    cpdef Py_ssize_t tell(self, Py_ssize_t row, Py_ssize_t stop) except -1
    @cython.locals(begin=Py_ssize_t, size=Py_ssize_t, stamp=cython.longlong, length=cython.longlong)
    cdef _block(self, Py_ssize_t row)
    @cython.locals(begin=Py_ssize_t)
    cdef void _options(self, Py_ssize_t row) noexcept
    cdef Py_ssize_t _option(self, int code, int size) noexcept
    cdef void _word(self, unsigned int word) noexcept
    cdef void _byte(self, int byte) noexcept
    cdef void _pad(self, Py_ssize_t begin) noexcept
    cdef void _comment(self, Py_ssize_t row) noexcept
    @cython.locals(by=int)
    cdef void _received(self, Py_ssize_t row) noexcept
    cdef unsigned int _port(self, Py_ssize_t row) noexcept
