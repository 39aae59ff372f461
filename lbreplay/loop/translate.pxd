cimport cython

from lbreplay.loop cimport octets
from lbreplay.loop.entry cimport Course
from lbreplay.loop.outer cimport Outer

ctypedef unsigned long long u64

cdef int NAT, TUNNEL, UDP, ETHERNET, RECORD, SOURCE, DEST, OUTER4, OUTER6

@cython.final
cdef class Translator(Outer):
    cdef list courses
    cdef bint lowers
    cdef unsigned char[::1] leaving, family, proto, answer, heads, mirrored, derived
    cdef long long[::1] at, caplen, sent
    cdef int[::1] course, mac
    cdef object room
    @cython.locals(row=Py_ssize_t, grown=Py_ssize_t)
    cpdef run(self, burst, heads, mirrored, derived)
    cdef _move_in(self, of)
    @cython.locals(course=Course)
    cdef int _outer(self, Py_ssize_t row) except? -1
    @cython.locals(total=Py_ssize_t, row=Py_ssize_t)
    cdef Py_ssize_t _growth(self, Py_ssize_t size) except? -1
    cdef _spread(self, burst, Py_ssize_t grown)
    @cython.locals(to=Py_ssize_t, row=Py_ssize_t, at=Py_ssize_t, there=Py_ssize_t, outer=int)
    cdef _lay_out(self, unsigned char[::1] made, Py_ssize_t size)
    @cython.locals(at=Py_ssize_t, side=int, six=bint, course=Course, inner=Py_ssize_t)
    cdef _row(self, Py_ssize_t row)
    cdef void _pass(self, Py_ssize_t row, Py_ssize_t at, bint six) noexcept
    cdef void _translate(self, Py_ssize_t row, Course course, int side) noexcept
    cdef void _header(self, Py_ssize_t at, bint six, bint lower) noexcept
    @cython.locals(buffer=cython.uchar[::1], head=Py_ssize_t)
    cdef void _macs(self, Py_ssize_t row, Py_ssize_t at) noexcept
    @cython.locals(size=Py_ssize_t)
    cdef void _trim(self, Py_ssize_t row, Py_ssize_t at) noexcept
    @cython.locals(buffer=cython.uchar[::1], at=Py_ssize_t, six=bint, udp=bint, l4=Py_ssize_t, place=Py_ssize_t, width=int, field=Py_ssize_t, old=u64, new=u64, before=u64, after=cython.uint)
    cdef void _end(self, Py_ssize_t row, int end, u64 low, u64 high, unsigned int port) noexcept
    @cython.locals(buffer=cython.uchar[::1], at=Py_ssize_t, six=bint, ends=u64)
    cdef void _put_udp(self, Py_ssize_t row, Py_ssize_t l4, Py_ssize_t field) noexcept
