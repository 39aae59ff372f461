cimport cython

from lbreplay.loop cimport octets

cdef int KIND_NONE, KIND_OTHER, KIND_FRAGMENT, KIND_TCP, KIND_UDP, KIND_SCTP, TCP, UDP, SCTP, VLANS
cdef unsigned int IPV4, IPV6, TAG, FRAGMENT

@cython.final
cdef class Parser:
    cdef bint any_mac, check
    cdef const unsigned int[::1] heads
    cdef const unsigned short[::1] tails
    cdef unsigned char[::1] vlans
    cdef unsigned short[::1] tag
    cdef unsigned char[::1] buffer, family, proto, kind, flags, simple, ours
    cdef long long[::1] at, caplen
    cdef int[::1] l3_length, l4, header
    cdef unsigned int[::1] seq, ack, flow4, wide
    cdef object room
    cpdef parse(self, burst)
    cdef _move_in(self, of)
    @cython.locals(row=Py_ssize_t)
    cpdef void run(self, Py_ssize_t size)
    @cython.locals(at=Py_ssize_t, there=Py_ssize_t, tagged=bint, ethertype=cython.uint, first=int)
    cdef void _row(self, Py_ssize_t row) noexcept
    @cython.locals(vid=int)
    cdef void _take_tag(self, Py_ssize_t row, Py_ssize_t at) noexcept
    @cython.locals(head=cython.uint, tail=cython.uint)
    cdef int _is_of(self, Py_ssize_t at, int number) noexcept
    cdef int _is_ours(self, Py_ssize_t at) noexcept
    cdef void _no_ip(self, Py_ssize_t row) noexcept
    @cython.locals(l4=int, proto=int, kind=int, sound=bint)
    cdef void _v4(self, Py_ssize_t row, Py_ssize_t at, Py_ssize_t there, int first) noexcept
    @cython.locals(proto=int, kind=int, word=int, source=int, dest=int, sound=bint)
    cdef void _v6(self, Py_ssize_t row, Py_ssize_t at, Py_ssize_t there) noexcept
    cdef int _kind(self, int proto, Py_ssize_t l4_there) noexcept
    @cython.locals(tcp=bint, body=int, header=int)
    cdef void _transport(self, Py_ssize_t row, Py_ssize_t at, Py_ssize_t there, int l4, int l3_length, int proto, int kind, bint sound) noexcept
    cdef int _be16(self, Py_ssize_t at) noexcept
    cdef unsigned int _be32(self, Py_ssize_t at) noexcept
