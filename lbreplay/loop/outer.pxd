cimport cython

from lbreplay.loop cimport octets
from lbreplay.loop.entry cimport Course
from lbreplay.loop.jenkins cimport Jenkins

ctypedef unsigned long long u64

cdef int GRE, GUE, UDP, IPIP, IPV6_IN_IP, OUTER4, OUTER6, ECN, CONGESTION, ECT_0
cdef int DONT_FRAGMENT, SUMMED, IPV4, IPV6
cdef unsigned int EPHEMERAL, EPHEMERAL_PORTS
cdef u64 M32

cdef class Outer:
    cdef bint modern
    cdef public bint discovers
    cdef Jenkins _hash
    cdef unsigned char[::1] buffer
    cdef int[::1] l3_length, ident
    @cython.locals(size=Py_ssize_t)
    cdef void _wrap(self, Py_ssize_t row, Course course, Py_ssize_t outer, Py_ssize_t inner, bint six) noexcept
    @cython.locals(buffer=cython.uchar[::1], tos=int, word=cython.uint)
    cdef void _wrap4(self, Py_ssize_t row, Course course, Py_ssize_t outer, Py_ssize_t inner) noexcept
    @cython.locals(buffer=cython.uchar[::1], tos=int)
    cdef void _wrap6(self, Py_ssize_t row, Course course, Py_ssize_t outer, Py_ssize_t inner) noexcept
    cdef int _tos(self, int tos) noexcept
    @cython.locals(buffer=cython.uchar[::1])
    cdef void _gue(self, Course course, Py_ssize_t outer, Py_ssize_t at, Py_ssize_t size, Py_ssize_t inner, bint six) noexcept
    @cython.locals(total=u64, after=cython.uint)
    cdef void _sum_udp(self, Py_ssize_t field, Py_ssize_t at, Py_ssize_t size, u64 ends) noexcept
    @cython.locals(buffer=cython.uchar[::1], words=Jenkins, at=Py_ssize_t, l4=Py_ssize_t, sport=cython.uint)
    cdef unsigned int _flow_port(self, Py_ssize_t inner, bint six) noexcept
    cdef void _gre(self, Course course, Py_ssize_t at, Py_ssize_t size, bint six) noexcept
    cdef void _put_header_sum(self, Py_ssize_t l3) noexcept
    cdef void _put_address(self, Py_ssize_t at, bint six, u64 low, u64 high) noexcept
    cdef unsigned int _word(self, unsigned int number) noexcept
