cimport cython

from lbreplay.loop.asking cimport Asking
from lbreplay.loop.opener cimport Opener, Pair
from lbreplay.loop.opening cimport Opening
from lbreplay.loop.slots cimport Slots
from lbreplay.loop.real cimport Dest
from lbreplay.loop.table cimport reverse_key
from lbreplay.loop.syn cimport Early, Proxied, Proxy, Waiting

cdef int ACK, ANSWERED, BEHIND, FULL_TCP, LOOKED_UP, MISSED, NONE, PURE, RESET, RST, STORMY, SYN, TCP
cdef int BAD_ACK, NO_DEST, NULL_ACK, OK_ACK, QLEN, SYN_CNT, WSCALE_SHIFT, SYN_PROXY
cdef unsigned long long M32

cdef class Behind(Opening):
    cdef public bint listed, proxies
    cdef unsigned int moved_by
    cdef readonly Proxy proxy
    cdef readonly Asking asking
    cdef readonly Early early
    cdef Waiting answered
    cdef public bytes shielded_ends
    cdef public bint handshakes
    cdef list made
    cdef int no_weight, listed_out, synack, synack_flagged, null_ack, bad_ack, accepted, held, held_full, no_ack
    cdef unsigned int[::1] moved
    cdef unsigned char[::1] scales
    cpdef shield(self, Proxy proxy, Asking asking, Early early, verdicts)
    @cython.locals(number=int, opener=Opener)
    cdef bint _answers(self, Py_ssize_t row, int worker) except? -1
    cdef Opener _opener(self, int worker, int number)
    cdef _answer_syn(self, Py_ssize_t row, int worker, Opener opener)
    @cython.locals(opener=Opener, mss=int, data=int)
    cdef bint _prove(self, Py_ssize_t row, int worker, int number, long long now) except? -1
    cdef bint _lose(self, Py_ssize_t row, int worker, int counter, int verdict) noexcept
    cdef bint _send_back(self, Py_ssize_t row, int worker) noexcept
    @cython.locals(slots=Slots, slot=Py_ssize_t, proxied=Proxied, pair=Pair)
    cdef _hold_first(self, Py_ssize_t row, Opener opener, int mss, int data, long long now)
    @cython.locals(slots=Slots, proxied=Proxied)
    cdef Proxied _remembered(self, Py_ssize_t row, Py_ssize_t slot, Opener opener, int mss, int data)
    @cython.locals(full=bint, frame=bytes)
    cdef _ask(self, Py_ssize_t row, Py_ssize_t slot, Pair pair, Opener opener, Proxied proxied, long long now)
    cdef bint _hears(self, Py_ssize_t slot) except? -1
    @cython.locals(slots=Slots, dest=Dest)
    cdef _settle_early(self, Py_ssize_t slot, Pair pair, Proxied proxied, Waiting answer, long long now)
    @cython.locals(slots=Slots)
    cdef _note(self, Py_ssize_t row, Py_ssize_t slot, int before)
    @cython.locals(slots=Slots, slot=Py_ssize_t)
    cdef bint _wait(self, Py_ssize_t row, Py_ssize_t handle, Proxied proxied, long long now) except? -1
    @cython.locals(number=int)
    cdef bint _is_early(self, Py_ssize_t row, int handle) except? -1
    cdef bint _keep(self, Py_ssize_t row) except? -1
    cdef bint _begins_again(self, Py_ssize_t row, Py_ssize_t slot, Proxied proxied) except? -1
    @cython.locals(seq=cython.uint, ack=cython.uint)
    cdef bint _is_stormy(self, Py_ssize_t row, Py_ssize_t slot, bint answer, Proxied proxied) except? -1
    @cython.locals(delta=cython.uint)
    cdef _move_numbers(self, Py_ssize_t row, Py_ssize_t handle, bint answer, bint stormy, Proxied proxied)
    cdef _expect(self, Py_ssize_t slot, unsigned int number)
