cimport cython

from lbreplay.loop cimport octets
from lbreplay.loop.addressed cimport Addressed
from lbreplay.loop.opener cimport Opener, Pair
from lbreplay.loop.memo cimport Memo
from lbreplay.loop.real cimport Dest
from lbreplay.loop.slots cimport Slots
from lbreplay.loop.steer cimport Steerer
from lbreplay.loop.table cimport Table
from lbreplay.loop.timers cimport Timers

ctypedef unsigned long long u64

cdef int AWAY, BARE, FULL_UDP, HOME, MET, NONE, TELLING, TRAILS, UDP, UNKNOWN
cdef u64 M32

cdef class Hops(Addressed):
    cdef public bint alike
    cdef long long version
    cdef Memo _ways_back, _transits, _homes
    cdef public Steerer card
    cdef public bint hands_on
    cdef public list dests, all_pairs
    cdef u64 _head, _tail
    cdef int _client_entry, _tag
    cdef Py_ssize_t entries, home_entries
    cdef const unsigned char[::1] is_fast
    cdef long long[::1] homes
    cpdef link(self, fast, homes)
    cpdef forget_hops(self)
    @cython.locals(dest=Dest)
    cdef Dest _dest(self, Py_ssize_t slot)
    @cython.locals(entry=int)
    cdef int _way_on(self, Py_ssize_t row) except? -1000
    @cython.locals(place=u64, way=int)
    cdef int _way_back(self, Py_ssize_t row, long long told) except? -1000
    @cython.locals(at=Py_ssize_t, head=u64, tail=u64)
    cdef int _client(self, Py_ssize_t row) except? -2
    @cython.locals(slots=Slots, told=int)
    cdef _link_back(self, Py_ssize_t row, Py_ssize_t slot, Opener opener, Pair pair)
    @cython.locals(home=bint)
    cdef bint _at_home(self, Py_ssize_t slot, Pair pair) except? -1
    @cython.locals(table=Table, card=Steerer, handle=Py_ssize_t, a=u64, b=u64, c=u64, d=u64, word0=u64, word1=u64)
    cdef bint _steered_home(self, Py_ssize_t slot) except? -1
    @cython.locals(home=Py_ssize_t)
    cdef Py_ssize_t _home(self, Py_ssize_t slot) except? -1
    @cython.locals(home=int)
    cdef int _home_of(self, Steerer card) except? -1000
    @cython.locals(slots=Slots, at=Py_ssize_t, dest=Dest, pair=Pair, head=u64, tail=u64, version=cython.longlong, first=bint)
    cdef _meet(self, Py_ssize_t row, Py_ssize_t slot, bint answer)
    cdef _hear(self, Py_ssize_t slot, Dest dest, u64 head, u64 tail, bytes frame)
    @cython.locals(news=bint)
    cdef bint _is_news(self, Dest dest, long long version, u64 head, u64 tail) noexcept
    cdef _ask_towards(self, Py_ssize_t slot, Dest dest, bytes macs, bint answer)
    @cython.locals(slots=Slots)
    cdef _meet_remote(self, Py_ssize_t row, Py_ssize_t slot)
    @cython.locals(slots=Slots, pair=Pair)
    cdef int _trail(self, Py_ssize_t row, Py_ssize_t slot) except? -1
