cimport cython

from lbreplay.loop cimport octets

ctypedef unsigned long long u64

cdef Py_ssize_t MOST, FIXED

cdef class Pen:
    cdef readonly Py_ssize_t at, size, known, longest
    cdef unsigned char[::1] out, store
    cdef long long[::1] starts
    cdef dict texts
    cdef bytes _store
    cdef list _starts
    @cython.locals(first=Py_ssize_t, end=Py_ssize_t)
    cpdef Py_ssize_t learn(self, list pieces) except -1
    cpdef begin(self)
    cpdef written(self)
    cpdef room(self, Py_ssize_t more)
    cpdef _grow(self, Py_ssize_t more)
    cpdef write(self, bytes data)
    @cython.locals(at=Py_ssize_t)
    cdef void text(self, bytes data) noexcept
    @cython.locals(start=Py_ssize_t, size=Py_ssize_t)
    cdef void put(self, Py_ssize_t piece) noexcept
    @cython.locals(size=int, rest=u64, at=Py_ssize_t)
    cdef void number(self, u64 value) noexcept
    cdef void signed(self, long long value) noexcept
    @cython.locals(at=int, digit=int)
    cdef void hexadecimal(self, unsigned int word) noexcept
    @cython.locals(byte=int)
    cdef void end(self, u64 word, u64 port) noexcept
    @cython.locals(text=bytes)
    cdef wide_end(self, u64 low, u64 high, u64 port)
