cimport cython

from lbreplay.loop.clock cimport Clock
from lbreplay.loop.entry cimport Conn

cdef int SYNCED, CLOSING, STEADY, TCP, SCTP, ONE_PACKET, TEMPLATE
cdef long long LEAST_REFRESH

@cython.final
cdef class Sync:
    cdef Clock clock
    cdef bint modern, spares
    cdef const unsigned char[::1] _tcp, _sctp
    cdef public long long conns, templates, deferrals
    cdef public int threshold, period
    cdef long long refresh
    @cython.locals(due=bint)
    cpdef packet(self, Conn conn, int pkts)
    cpdef deferred(self, Conn conn)
    cdef bint _left_out(self, Conn conn) noexcept
    cdef _parent(self, Conn parent)
    cdef void _told(self, Conn conn) noexcept
    @cython.locals(kind=int)
    cdef bint _due(self, Conn conn, int pkts) noexcept
    cdef bint _regular(self, int pkts) noexcept
    @cython.locals(half=cython.longlong, least=cython.longlong, moved=cython.longlong)
    cdef bint _refreshed(self, Conn conn) noexcept
