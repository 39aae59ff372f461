cimport cython

cdef class Dest:
    # what is read of every real server when one is picked: together, one line of a cache
    cdef public long long weight, actconns, inactconns
    cdef public bint available, overload, inhibited
    cdef public int id, place
    cdef public long long inpkts, inbytes, outpkts, outbytes  # what every packet counts, beside whether it does
    cdef public object real, endpoint, address, port
    cdef public long long max_conn, persistconns, conns
    cdef long long met_version
    cdef int met_told, met_way
    cdef unsigned long long met_head, met_tail
    cpdef bint may_be_picked(self) noexcept
    cpdef void activate(self, long long count) noexcept
    cpdef void admit(self) noexcept
    cpdef void count(self, int side, long long packets, long long octets) noexcept
    cpdef bint is_full(self) noexcept

cdef class Census:
    cdef public long long created, expired, active, peak, passed
    cpdef void opened(self) noexcept
    cpdef void closed(self) noexcept
