cimport cython

from lbreplay.loop cimport octets

ctypedef unsigned long long u64

cdef u64 M32
cdef int NONE, KIND_TCP, KIND_UDP, KIND_SCTP, BY_DEFAULT, BY_RSS, BY_FLOW_DIRECTOR, PAIR, TUPLE, TAGGED
cdef int WORD, WORDS4, WORDS6, PORTS, TAG_SIZE, VERIFICATION
cdef unsigned int TAG

@cython.final
cdef class Rules:
    cdef u64[::1] lows, highs
    cdef int[::1] following, first, table, places
    cdef short[::1] tails
    cdef bint some
    @cython.locals(slot=Py_ssize_t, place=int)
    cdef int find(self, u64 low, u64 high, Py_ssize_t tail, Py_ssize_t dport, int udp) noexcept

@cython.final
cdef class Steerer:
    cdef unsigned int[::1] hashes
    cdef unsigned char[::1] inputs
    cdef short[::1] reta_of, ranks, queues, owners
    cdef unsigned int last
    cdef Rules rules4, rules6
    cdef readonly unsigned int code
    cdef readonly int way, to, polled, index, met
    cdef object room
    cdef unsigned char[::1] buffer, kind, family, by
    cdef long long[::1] at
    cdef int[::1] l4, rule
    cdef unsigned int[::1] flow4, wide, hash
    cdef short[::1] queue, worker, reta
    cpdef rules(self, Rules four, Rules six)
    @cython.locals(row=Py_ssize_t, size=Py_ssize_t)
    cpdef steer(self, burst)
    cpdef steer_rows(self, burst, rows)
    @cython.locals(place=Py_ssize_t)
    cdef void _some(self, const long long[::1] rows) noexcept
    cdef _bind(self, burst)
    @cython.locals(kind=int, six=bint, form=int, code=cython.uint, rule=int, index=Py_ssize_t)
    cdef void _row(self, Py_ssize_t row) noexcept
    @cython.locals(form=int)
    cpdef one(self, u64 a, u64 b, u64 c, u64 d, u64 ports, bint udp, bint six)
    @cython.locals(source=cython.uint, dest=cython.uint)
    cdef unsigned int _halves(self, u64 a, u64 b, u64 c, u64 d) noexcept
    cdef void _put(self, Py_ssize_t row, int by, int reta, int queue, int rank) noexcept
    @cython.locals(dest=cython.uint, ports=cython.uint)
    cdef int _rule4(self, Py_ssize_t row, int kind) noexcept
    @cython.locals(at=Py_ssize_t, low=u64, high=u64)
    cdef int _rule6(self, Py_ssize_t row, int kind) noexcept
    @cython.locals(high=u64)
    cdef u64 _half(self, Py_ssize_t at) noexcept
    @cython.locals(at=Py_ssize_t, code=cython.uint)
    cdef unsigned int _hash4(self, Py_ssize_t row, int form) noexcept
    @cython.locals(at=Py_ssize_t, code=cython.uint, word=Py_ssize_t)
    cdef unsigned int _hash6(self, Py_ssize_t row, int form) noexcept
    @cython.locals(at=Py_ssize_t, low=cython.uint)
    cdef unsigned int _entry(self, Py_ssize_t place, unsigned int word) noexcept
    @cython.locals(at=Py_ssize_t, tagged=int)
    cdef unsigned int _tag(self, Py_ssize_t row) noexcept

@cython.final
cdef class Polls:
    cdef short[::1] workers
    cdef int last
    cdef object room
    cdef short[::1] queue, worker_index
    cpdef number(self, burst)
    @cython.locals(row=Py_ssize_t, queue=int)
    cdef void _run(self, Py_ssize_t size) noexcept
