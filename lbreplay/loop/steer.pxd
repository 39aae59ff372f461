cimport cython

from lbreplay.loop cimport octets

cdef int NONE, KIND_TCP, KIND_UDP, KIND_SCTP, BY_DEFAULT, BY_RSS, BY_FLOW_DIRECTOR, PAIR, TUPLE, TAGGED
cdef int WORD, WORDS4, WORDS6, PORTS, TAG, TAG_SIZE, VERIFICATION

@cython.final
cdef class Rules:
    cdef unsigned int[::1] addresses
    cdef int[::1] following, first, table, places
    cdef short[::1] tails
    cdef Py_ssize_t words
    @cython.locals(dport=Py_ssize_t, slot=Py_ssize_t, place=int)
    cdef int find(self, unsigned int[::1] flow, Py_ssize_t at, int udp) noexcept
    @cython.locals(word=Py_ssize_t)
    cdef bint _is(self, Py_ssize_t slot, unsigned int[::1] flow, Py_ssize_t at) noexcept

@cython.final
cdef class Steerer:
    cdef unsigned int[::1] hash4, hash6
    cdef unsigned char[::1] inputs
    cdef short[::1] reta_of, ranks, queues, owners
    cdef unsigned int last
    cdef Rules rules4, rules6
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
    @cython.locals(kind=int, six=bint, form=int, rule=int, index=Py_ssize_t)
    cdef void _row(self, Py_ssize_t row) noexcept
    cdef void _put(self, Py_ssize_t row, int by, int reta, int queue, int rank) noexcept
    cdef unsigned int _hash(self, Py_ssize_t row, int form, bint six) noexcept
    @cython.locals(at=Py_ssize_t, code=cython.uint, word=Py_ssize_t)
    cdef unsigned int _hashed(self, unsigned int[::1] table, unsigned int[::1] flow, Py_ssize_t row, Py_ssize_t words, int form) noexcept
    @cython.locals(at=Py_ssize_t, low=cython.uint, entry=cython.uint)
    cdef unsigned int _entry(self, unsigned int[::1] table, Py_ssize_t place, unsigned int word) noexcept
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
