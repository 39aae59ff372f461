cimport cython

from lbreplay.loop cimport octets
from lbreplay.loop.syn cimport Proxy
from lbreplay.loop.table cimport Table

ctypedef unsigned long long u64

cdef int NONE, DIRECT, FULL_TCP, RECORD, TCP, ETHERNET, BASE, SYN, RST, ACK, EOL, NOP, MSS, SACK, TIMESTAMP, TOA
cdef int STORMY, ANSWERED, RESET, PROXYING, PROXY4, PROXY6, PROXY_FIXED
cdef const unsigned char[::1] PROXY_HEAD
cdef int MACS, TAG, HEAD, TRANSIT, TELLING, TUNNEL, UDP, OPP, IPO, OPP_HEAD, IPIP, IPV6_IN_IP, OUTER4, OUTER6, DONT_FRAGMENT, ENDS
cdef int BLOCKS, TIMESTAMP_SIZE, MSS_SIZE, BLOCK, ALIGNED_HEADER, TOA4, TOA6, MOST_HEADER
cdef unsigned int ALIGNED
cdef u64 M32

@cython.final
cdef class Rewriter:
    cdef readonly Table table
    cdef Proxy proxy
    cdef public bint behind
    cdef unsigned char[::1] scales
    cdef unsigned int[::1] moved
    cdef bint toa, toa_in_syn, opp, grows
    cdef int mtu
    cdef object odd
    cdef dict _odd
    cdef unsigned char[::1] heads, tags, mirrored, outers, buffer, _old, leaving, answer, family, proto, flags, full
    cdef long long[::1] at, caplen, sent
    cdef int[::1] l3_length, l4, header, handle, mac, room, shift
    cdef unsigned short[::1] tag
    cdef unsigned int[::1] seq, ack, fdata, delta
    cpdef link(self, heads, tags, mirrored, outers)
    cdef object bound
    cpdef bind(self, burst)
    cdef _move_in(self, of)
    @cython.locals(row=Py_ssize_t)
    cdef int _rows(self, Py_ssize_t size) except -1
    cdef bint _stays(self, Py_ssize_t row) except? -1
    cdef int _edit(self, Py_ssize_t row) except -1
    cdef void _turn_round(self, Py_ssize_t row) noexcept
    @cython.locals(size=Py_ssize_t)
    cdef void _shrink(self, Py_ssize_t row) noexcept
    @cython.locals(at=Py_ssize_t)
    cdef void _set_size(self, Py_ssize_t row, Py_ssize_t size) noexcept
    @cython.locals(first=int)
    cdef void _edit_options(self, Py_ssize_t row) noexcept
    @cython.locals(at=Py_ssize_t, end=Py_ssize_t, size=int, fits=bint)
    cdef Py_ssize_t _find(self, Py_ssize_t row, int kind, int length) noexcept
    @cython.locals(at=Py_ssize_t, byte=int)
    cdef void _blank_timestamp(self, Py_ssize_t row) noexcept
    @cython.locals(at=Py_ssize_t, lower=int)
    cdef void _lower_mss(self, Py_ssize_t row) noexcept
    @cython.locals(at=Py_ssize_t, edge=Py_ssize_t)
    cdef void _shift_sack(self, Py_ssize_t row, unsigned int by) noexcept
    cdef void _lower(self, Py_ssize_t at, unsigned int by) noexcept
    cdef bint _is_asked(self, Py_ssize_t row) noexcept
    @cython.locals(size=int)
    cdef int _make_room(self, Py_ssize_t row) except -1
    @cython.locals(at=Py_ssize_t, there=Py_ssize_t, shift=Py_ssize_t, tag=int)
    cdef int _fit(self, Py_ssize_t row) except? -1
    cdef _spread(self, burst)
    @cython.locals(total=Py_ssize_t, row=Py_ssize_t)
    cdef Py_ssize_t _growing(self, Py_ssize_t size) noexcept
    @cython.locals(row=Py_ssize_t)
    cdef int _put_grown(self, Py_ssize_t size) except -1
    @cython.locals(begin=Py_ssize_t, end=Py_ssize_t, to=Py_ssize_t, row=Py_ssize_t, at=Py_ssize_t, there=Py_ssize_t)
    cdef int _lay_out(self, Py_ssize_t size) except -1
    @cython.locals(size=int, there=Py_ssize_t, to=Py_ssize_t, shift=int, tag=int, growth=int, odd=cython.uchar[::1])
    cdef int _lay_out_asked(self, Py_ssize_t at, Py_ssize_t row) except -1
    @cython.locals(head=Py_ssize_t)
    cdef void _lay_out_behind(self, Py_ssize_t at, Py_ssize_t there, Py_ssize_t to, Py_ssize_t row, int growth) noexcept
    cdef int _growth(self, Py_ssize_t row) noexcept
    cdef Py_ssize_t _place(self, Py_ssize_t row) noexcept
    cdef void _put_more(self, Py_ssize_t to, Py_ssize_t row, int size) noexcept
    @cython.locals(at=Py_ssize_t)
    cdef void _put_length(self, Py_ssize_t to, bint four, int length) noexcept
    @cython.locals(four=bint, at=Py_ssize_t)
    cdef void _put_telling(self, Py_ssize_t to, Py_ssize_t row, int size) noexcept
    @cython.locals(four=bint, at=Py_ssize_t, ends=int, length=int, byte=int)
    cdef void _put_proxy(self, Py_ssize_t to, Py_ssize_t row, int size) noexcept
    @cython.locals(ends=Py_ssize_t, length=int)
    cdef void _put_outer(self, Py_ssize_t at, Py_ssize_t row, int size) noexcept
    @cython.locals(l4=Py_ssize_t, four=bint, at=Py_ssize_t)
    cdef void _put_toa(self, Py_ssize_t to, Py_ssize_t row, int size) noexcept
    cdef void _put(self, Py_ssize_t row) noexcept
    @cython.locals(at=Py_ssize_t, entry=Py_ssize_t)
    cdef void _put_macs(self, Py_ssize_t row) noexcept
    @cython.locals(at=Py_ssize_t, total=int)
    cdef void _lower_ttl(self, Py_ssize_t row) noexcept
    @cython.locals(other=Py_ssize_t, at=Py_ssize_t, word=u64, source=u64, dest=u64, ends=u64, total=u64, l4=Py_ssize_t)
    cdef void _put_ipv4(self, Py_ssize_t row) noexcept
    @cython.locals(other=Py_ssize_t, at=Py_ssize_t, word=int, ends=u64, l4=Py_ssize_t)
    cdef void _put_ipv6(self, Py_ssize_t row) noexcept
    cdef void _put64(self, Py_ssize_t at, u64 word) noexcept
    @cython.locals(total=u64)
    cdef void _put_l4(self, Py_ssize_t row, Py_ssize_t at, Py_ssize_t length, u64 ports, u64 ends) noexcept
    @cython.locals(buffer=cython.uchar[::1], window=int)
    cdef void _scale_window(self, Py_ssize_t at, int scales) noexcept
    @cython.locals(seq=cython.uint, ack=cython.uint, moved=cython.uint, first=u64, second=u64)
    cdef u64 _put_numbers(self, Py_ssize_t row, Py_ssize_t at) noexcept
