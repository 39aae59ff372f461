cimport cython

from lbreplay.loop cimport octets

# words of tuples
ctypedef unsigned long long u64

cdef int NONE, LEAST
cdef u64 SIX, FULL, HANDLE, FILLED

@cython.locals(width=Py_ssize_t, dest=Py_ssize_t, ports=Py_ssize_t, turned=bytes)
cpdef bytes reverse_key(bytes key)

@cython.final
cdef class Table:
    cdef u64 _k0, _k1, _m0, _m1, _m2, _m3
    cdef public bint shared
    cdef public long long size
    cdef bint _has_wide, _chained
    cdef Py_ssize_t _handles
    cdef short[:] _ranks
    cdef readonly u64[::1] words, wide
    cdef readonly Py_ssize_t step
    cdef u64[::1] _places
    cdef int[::1] _links
    cdef u64 _marked
    cdef Py_ssize_t _last, _at, _most
    cdef int _shift
    cpdef point(self, ranks, words=*, Py_ssize_t step=*)
    cpdef reach(self, Py_ssize_t handle)
    cpdef _room(self, Py_ssize_t handles)
    cpdef _hold(self, words, Py_ssize_t step)
    cpdef _chain(self, Py_ssize_t handles)
    cpdef _widen(self, Py_ssize_t handles)
    cpdef _renew(self, int bits)
    @cython.locals(old=u64[::1], size=Py_ssize_t, at=Py_ssize_t, to=Py_ssize_t, place=u64)
    cdef _grow(self)
    @cython.locals(mixed=u64)
    cdef u64 _hash(self, u64 word0, u64 word1) noexcept
    cpdef u64 mix(self, u64 a, u64 b, u64 c, u64 d)
    @cython.locals(at=Py_ssize_t)
    cdef bint _same(self, Py_ssize_t handle, u64 word0, u64 word1, u64 a, u64 b, u64 c, u64 d) noexcept
    cpdef int first(self, u64 word0, u64 word1, u64 a, u64 b, u64 c, u64 d) noexcept
    @cython.locals(place=u64, at=Py_ssize_t)
    cpdef int at(self, u64 marked, u64 word0, u64 word1, u64 a, u64 b, u64 c, u64 d) noexcept
    @cython.locals(handle=int)
    cpdef int find(self, u64 word0, u64 word1, u64 a, u64 b, u64 c, u64 d, int rank) noexcept
    cpdef int of(self, int handle, int rank) noexcept
    @cython.locals(marked=u64)
    cpdef u64 foresee(self, u64 word0, u64 word1) noexcept
    @cython.locals(place=u64, at=Py_ssize_t)
    cpdef void bring(self, u64 marked) noexcept
    @cython.locals(word0=u64, word1=u64, at=Py_ssize_t)
    cpdef int newest(self, Py_ssize_t handle) noexcept
    cpdef int found(self, int handle, int rank) noexcept
    cpdef int behind(self, Py_ssize_t handle) noexcept
    cdef int _before(self, Py_ssize_t handle) noexcept
    cpdef bint alone(self, Py_ssize_t handle) noexcept
    @cython.locals(older=int, at=Py_ssize_t)
    cpdef enter(self, Py_ssize_t handle, u64 word0, u64 word1, u64 a, u64 b, u64 c, u64 d)
    @cython.locals(place=u64)
    cdef void _put(self, Py_ssize_t handle) noexcept
    @cython.locals(behind=int, ahead=int)
    cpdef void remove(self, Py_ssize_t handle) noexcept
    @cython.locals(place=u64, at=Py_ssize_t)
    cdef void _find(self, Py_ssize_t handle) noexcept
    @cython.locals(at=Py_ssize_t, place=u64, home=Py_ssize_t)
    cdef void _close(self, Py_ssize_t hole) noexcept
    cpdef u64 word(self, Py_ssize_t handle, int number) noexcept
    cpdef u64 wide_word(self, Py_ssize_t handle, int number) noexcept
