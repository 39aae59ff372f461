cimport cython

from lbreplay.loop.clock cimport Clock, Timed
from lbreplay.loop.server cimport Server
from lbreplay.loop.table cimport Table

ctypedef unsigned long long u64

cdef int NOOUTPUT, INACTIVE, NO_CPORT, TEMPLATE, ONE_PACKET, NFCT, IN_THERE, OUT_THERE, NAT
cdef long long NEW_TIMEOUT, LATER
cdef u64 M32

@cython.final
cdef class Course:
    cdef public int number, kind, mtu, entry, vport, rport, verdict, why
    cdef public bint told, six
    cdef public long long version
    cdef public Server dest
    cdef public object virtual, real, mac, method, service
    cdef public int outer, outer_proto, wrap, outer_port
    cdef public bint summed
    cdef public list idents
    cdef public u64 v0, v1, r0, r1, s0, s1
    cdef public long long met_version
    cdef public object met_mac
    cdef public int met_entry
    @cython.locals(ident=cython.longlong)
    cpdef int next_ident(self) except? -1

@cython.final
cdef class Conn(Timed):
    cdef public object life, method, virtual, real, service, app, pe_data, client_mac, real_mac
    cdef public Server dest
    cdef public Conn control
    cdef public Course course
    cdef public long long number, timeout, synced, hashed, version
    cdef public int proto, flags, state, old_state, in_pkts, n_control, entered, towards, back
    cdef public bint assured
    cdef object _client
    cdef u64 _c0, _c1
    cdef unsigned int _cport
    cdef bint _six
    cdef begin(self, life, int proto)
    cpdef passed(self, int side, long long octets)

cdef class Entries:
    cdef public Clock clock
    cdef public Table table, templates
    cdef public long long room, live, created, expired, peak, unported
    cdef long long _hashings
    cdef bint _deferred_moves, _by_real, _each
    cdef public bint watched
    cpdef void placed(self, Conn conn) noexcept
    cpdef slotted(self, Conn conn)
    @cython.locals(conn=Conn)
    cpdef Conn open(self, Course course, int proto, u64 word0, u64 word1, u64 a, u64 b, u64 c, u64 d)
    @cython.locals(conn=Conn)
    cpdef Conn open_once(self, Course course, int proto, u64 word0, u64 word1, u64 a, u64 b)
    @cython.locals(conn=Conn, dest=Server)
    cdef Conn _scheduled(self, Course course, int proto, u64 word0, u64 word1, u64 a, u64 b)
    @cython.locals(conn=Conn)
    cpdef Conn open_template(self, Course course, int proto, long long timeout, u64 word0, u64 word1, u64 a, u64 b, u64 c, u64 d)
    cpdef bind(self, Conn conn, Server dest)
    cpdef void adopt(self, Conn conn, Conn parent) noexcept
    @cython.locals(word0=u64, other=u64, port=u64, ports=u64, mixed=u64)
    cdef _enter_answers(self, Conn conn, Course course, u64 word1)
    cpdef clients(self)
    @cython.locals(at=Py_ssize_t, conn=Conn)
    cdef _tell_clients(self, u64[:, ::1] found)
    cpdef put(self, Conn conn)
    cpdef unhash(self, Conn conn)
    @cython.locals(parent=Conn)
    cpdef expire(self, Conn conn)
    cdef _destroy(self, Conn conn)
    @cython.locals(dest=Server)
    cpdef unbind(self, Conn conn)
