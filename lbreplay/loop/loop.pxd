cimport cython

from lbreplay.loop.opener cimport Opener, Pair
from lbreplay.loop.behind cimport Behind
from lbreplay.loop.real cimport Dest
from lbreplay.loop.slots cimport Slots
from lbreplay.loop.syn cimport Proxied
from lbreplay.loop.table cimport Table

ctypedef unsigned long long u64

cdef int AWAY, BARE, BEHIND, CLOCK, DIRECT, DONE, FULL_TCP, HANDED_ON, LOOKED_UP, MET, MISSED, NONE, PLAIN, PROXIED, PROXYING
cdef int PURE, RST, ACK, SNAT, STATES, STEPS, SYN, TCP, TEMPLATE, TRAILS, TUNNEL, UDP, UDP_STEP
cdef int FAR, NEAR
cdef int UNSOUND, KERNEL, TOO_LONG, OWNED_ELSEWHERE, SYN_PROXY, POOL, ELSEWHERE, PROXY_PROTOCOL, UOA
cdef u64 M32

@cython.final
cdef class Loop(Behind):
    cdef u64[::1] _marks
    cdef unsigned char[::1] _replies
    cdef public Py_ssize_t due
    cdef const unsigned char[::1] steps
    cpdef rules(self, steps, limits)
    @cython.locals(now=cython.longlong, ahead=Py_ssize_t)
    cpdef Py_ssize_t run(self, Py_ssize_t row, Py_ssize_t stop, long long event_ns) except? -1
    @cython.locals(at=Py_ssize_t, proto=int)
    cdef void _foresee(self, Py_ssize_t row) noexcept
    @cython.locals(until=cython.longlong)
    cdef bint _clock(self, long long now, long long event_ns) except? -1
    @cython.locals(worker=int, proto=int, handle=int)
    cdef bint _ordinary(self, Py_ssize_t row, long long now) except? -1
    cdef bint _sent_it(self, Py_ssize_t row) noexcept
    cdef bint _from_virtual(self, int proto) noexcept
    @cython.locals(slots=Slots, slot=Py_ssize_t)
    cdef bint _known(self, Py_ssize_t row, Py_ssize_t handle, bint answer, long long now) except? -1
    @cython.locals(slots=Slots, slot=Py_ssize_t, proxied=Proxied, stormy=bint)
    cdef bint _step_behind(self, Py_ssize_t row, Py_ssize_t handle, bint answer, long long now) except? -1
    @cython.locals(slots=Slots)
    cdef bint _is_told_elsewhere(self, Py_ssize_t slot) except? -1
    cdef bint _is_first(self, Py_ssize_t row, Py_ssize_t slot) noexcept
    @cython.locals(slots=Slots, pair=Pair, growth=int, first=int)
    cdef bint _introduce(self, Py_ssize_t row, Py_ssize_t slot, long long now) except? -1
    @cython.locals(slots=Slots, pair=Pair)
    cdef bint _has_room(self, Py_ssize_t row, Py_ssize_t slot) except? -1
    @cython.locals(slots=Slots, handle=int, slot=Py_ssize_t, found=int)
    cdef bint _answer(self, Py_ssize_t row, int proto, long long now) except? -1
    @cython.locals(home=Py_ssize_t)
    cdef int _bring_home(self, Py_ssize_t row, Py_ssize_t slot) except -1
    @cython.locals(strayed=bint)
    cdef bint _proves(self, Py_ssize_t row, int worker, int number, long long now) except? -1
    @cython.locals(first=bint, kind=int, number=int, rank=int, opener=Opener)
    cdef bint _missed(self, Py_ssize_t row, int worker, int proto, long long now) except? -1
    @cython.locals(handle=int)
    cdef bint _hand_on(self, Py_ssize_t row, int rank, long long now) except? -1
    cdef void _handed(self, Py_ssize_t row, int rank) noexcept
    @cython.locals(slots=Slots, slot=Py_ssize_t, side=int, entry=int, fdata=cython.uint, kind=int, step=int, table=int, old=int, new=int)
    cdef int _step(self, Py_ssize_t row, Py_ssize_t handle, bint answer, long long now) except -1
    @cython.locals(slots=Slots, flags=int, seq=cython.uint, ack=cython.uint, end=cython.uint, head=int, last=cython.uint)
    cdef int _remember(self, Py_ssize_t row, Py_ssize_t slot, bint answer) except -1
    @cython.locals(slots=Slots, slot=Py_ssize_t, dest=Dest)
    cdef int _settle(self, Py_ssize_t row, Py_ssize_t handle, int entry, unsigned int fdata, int kind, int lookup) except -1
    @cython.locals(pair=Pair, ident=cython.longlong)
    cdef int _enclose(self, Py_ssize_t row, Py_ssize_t slot) except -1
    cdef bint _came_to(self, Py_ssize_t row, Py_ssize_t handle) except? -1
    cdef bint _begins(self, Py_ssize_t row) except? -1
    @cython.locals(slots=Slots, number=int, pair=Pair, proxied=Proxied)
    cpdef bint end(self, Py_ssize_t slot) except? -1
