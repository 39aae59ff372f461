cimport cython

from lbreplay.loop cimport octets
from lbreplay.loop.table cimport Table
from lbreplay.loop.turn cimport Choice, Picker

ctypedef unsigned long long u64

cdef int DONE, ETH_VLAN, TAG_SIZE
cdef u64 SIX, M32

cdef class Rows:
    cdef object host
    cdef readonly Table table
    cdef public int why, reason
    cdef bint six
    cdef u64 word0, word1, a, b, c, d, ports
    cdef long long[::1] zones
    cdef u64[::1] wide_zones
    cdef unsigned char[::1] buffer, family, proto, flags, simple, ours, verdict, lookup, leaving, answer
    cdef unsigned char[::1] before, after, reason_of
    cdef long long[::1] at, time_ns
    cdef int[::1] l3_length, mac, service_of
    cdef unsigned int[::1] flow4, wide
    cdef unsigned short[::1] tag
    cdef short[::1] worker_index
    cdef object room
    cpdef bind(self, burst)
    cpdef _move_in(self, of)
    cdef bint _plain(self, int reason) noexcept
    @cython.locals(word1=u64, source=u64, dest=u64, ports=u64, at=Py_ssize_t)
    cdef void _read(self, Py_ssize_t row, int proto) noexcept
    @cython.locals(high=u64)
    cdef u64 _wide(self, Py_ssize_t at) noexcept
    @cython.locals(word1=u64, a=u64, b=u64)
    cdef (u64, u64, u64, u64) _client_words(self, Picker picker, Table templates) noexcept
    @cython.locals(word0=u64, word1=u64)
    cdef int _turned(self) noexcept
    cdef u64 _turned0(self) noexcept
    cdef u64 _turned1(self) noexcept
    @cython.locals(at=Py_ssize_t, width=Py_ssize_t)
    cpdef bytes table_key(self, Py_ssize_t row)
    cdef Py_ssize_t _inside(self, Py_ssize_t row) noexcept
    @cython.locals(at=Py_ssize_t, tag=int)
    cdef bytes _macs(self, Py_ssize_t row)
    cdef long long _zone(self, u64 low, u64 high) noexcept
    @cython.locals(address=cython.longlong, low=Py_ssize_t, high=Py_ssize_t, middle=Py_ssize_t)
    cdef long long _zone_of(self, u64 word) noexcept
    @cython.locals(first=u64, second=u64, begin=u64, low=Py_ssize_t, high=Py_ssize_t, middle=Py_ssize_t)
    cdef long long _wide_zone(self, u64 address, u64 more) noexcept
    @cython.locals(choice=Choice, place=int, source=u64, dest=u64, port=cython.uint)
    cdef int _pick(self, Py_ssize_t row, Picker picker) except? -2
