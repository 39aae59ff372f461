cimport cython

from lbreplay.loop cimport octets
from lbreplay.loop.cookie cimport Cookies

ctypedef unsigned int u32
ctypedef unsigned long long u64

cdef int TCP, ETHERNET, TAG, BASE, FIN, SYN, RST, PSH, ACK, EOL, NOP, MSS, WSCALE, SACK_OK, TIMESTAMP
cdef u32 M32
cdef long long MINUTE, MICROSECOND, CLOCK, KEPT
cdef int RESET_TTL, MSS_ABSENT, MAX_WSCALE, SACK_BIT, TIMESTAMP_BIT, WSCALE_SHIFT, MSS_SHIFT
cdef int[::1] SIZES
cdef int STORM, KINDS

@cython.final
cdef class Waiting:
    cdef readonly bytes frame
    cdef readonly long long length, time_ns, n
    cdef readonly int worker, port
    cdef public u32 seq, ack, tail
    cdef public u64 head
    cdef public int l3_length, scale
    cdef public bint ordinary

@cython.final
cdef class Early:
    cdef dict _kept
    cpdef keep(self, bytes key, Waiting answer)
    @cython.locals(answer=Waiting)
    cpdef Waiting find(self, bytes key, u32 ack)
    cpdef Waiting take(self, bytes key)

@cython.final
cdef class Proxied:
    cdef public u32 isn, delta
    cdef public int scale_real, scale_told, retries, mss
    cdef public u32 data
    cdef public list held
    cdef u32 _seq, _ack
    cdef bint _heard
    cdef int _repeats
    @cython.locals(fresh=Proxied)
    cpdef Proxied again(self)
    @cython.locals(same=bint)
    cpdef int repeated(self, u32 seq, u32 ack) noexcept

@cython.final
cdef class Proxy:
    cdef readonly int mss, wscale, retries, most_held
    cdef readonly bint sack, defers
    cdef int ttl, storm
    cdef bint stamps
    cdef readonly int asking
    cdef readonly bytes reuses
    cdef readonly bint closed
    cdef bint scaled
    cdef readonly bint resets
    cdef readonly u32 believed
    cdef long long first
    cdef long long start_ns
    cdef object room
    cdef public long long first_ns
    cdef readonly Cookies cookies
    cdef readonly long long[::1] counts
    cdef unsigned char[::1] buffer, family
    cdef long long[::1] at, time_ns, caplen, length
    cdef unsigned short[::1] tag
    cdef int[::1] l3_length, l4, header
    cdef unsigned int[::1] seq, ack, flow4, wide
    cpdef bind(self, burst)
    cpdef void count(self, Py_ssize_t rank, int kind) noexcept
    cpdef long long minute(self, long long now) noexcept
    cpdef bint stormy(self, Proxied proxied, int rank, int flags, u32 seq, u32 ack) noexcept
    cpdef int scales(self, Proxied proxied) noexcept
    cpdef int offer(self, Py_ssize_t row) noexcept
    cpdef int offered(self, u32 data) noexcept
    @cython.locals(at=Py_ssize_t, time_ns=cython.longlong, n=cython.longlong, made=Waiting)
    cpdef Waiting waiting(self, Py_ssize_t row, int rank)
    @cython.locals(buffer=cython.uchar[::1], at=Py_ssize_t, end=Py_ssize_t, size=int)
    cdef int _scale(self, Py_ssize_t row) noexcept
    cdef void _aim(self, Py_ssize_t row) noexcept
    @cython.locals(now=cython.longlong, at=Py_ssize_t, data=u32, cookie=u32)
    cpdef void answer(self, Py_ssize_t row) noexcept
    @cython.locals(at=Py_ssize_t, payload=int)
    cpdef void refuse(self, Py_ssize_t row) noexcept
    cdef Py_ssize_t _l4(self, Py_ssize_t row) noexcept
    @cython.locals(buffer=cython.uchar[::1], place=Py_ssize_t, end=Py_ssize_t, mss=int, data=u32, kind=int, size=int)
    cdef u32 _edit_options(self, Py_ssize_t at, int header, long long now) noexcept
    @cython.locals(asked=int, mss=int)
    cdef int _edit_mss(self, Py_ssize_t at, int before) noexcept
    @cython.locals(asked=int)
    cdef u32 _edit_scale(self, Py_ssize_t at, u32 data) noexcept
    cdef u32 _edit_timestamp(self, Py_ssize_t at, long long now) noexcept
    cdef u32 _edit_sack(self, Py_ssize_t at) noexcept
    @cython.locals(byte=int)
    cdef void _blank(self, Py_ssize_t at, int size) noexcept
    @cython.locals(index=int)
    cdef int _index(self, int mss) noexcept
    @cython.locals(buffer=cython.uchar[::1], first=Py_ssize_t)
    cdef void _turn_round(self, Py_ssize_t row, Py_ssize_t at, int ttl) noexcept
    @cython.locals(byte=Py_ssize_t)
    cdef void _swap(self, Py_ssize_t at, Py_ssize_t size) noexcept
    @cython.locals(place=Py_ssize_t)
    cdef void _put_length(self, Py_ssize_t at, int length, bint four) noexcept
    @cython.locals(buffer=cython.uchar[::1], size=int, total=u64)
    cdef void _sum_up(self, Py_ssize_t row, Py_ssize_t at) noexcept
