cimport cython

from lbreplay.loop.opener cimport Opener, Pair
from lbreplay.loop.ports cimport LaddrCursor
from lbreplay.loop.real cimport Census, Dest
from lbreplay.loop.slots cimport Slots
from lbreplay.loop.table cimport Table
from lbreplay.loop.timers cimport Timers
from lbreplay.loop.turn cimport Load, Turn

ctypedef unsigned long long u64

cdef int BY_TURN, BY_LOAD, NONE, DONE, PLAIN, CLOCK, TCP, UDP, FIN, SYN, RST, ACK, PURE, UDP_STEP, STATES, STEPS, FULL_TCP, DIRECT, MOST
cdef int LOOKED_UP, MISSED, HOME, MISSED_BIT
cdef int UNSOUND, KERNEL, TOO_LONG, STRANGER, MATCHED, LAST_HOP, UNINVITED, FROM_LOCAL
cdef int OWNED_ELSEWHERE, UNASKED, SYN_PROXY, POOL, ELSEWHERE, MODE, PERSISTENT, ENDING, TAGGED, TAG_SIZE, ROUTE, PROXY_PROTOCOL, UOA, PROXIED, PROXYING, ETHERNET, TRANSIT, TEMPLATE, FULL_UDP, SNAT, TELLING, TUNNEL, MET, BARE, TRAILS, AWAY
cdef long long ORDERS
cdef u64 SIX, M32, LINK_LOCAL

@cython.locals(turned=u64, _=int)
cdef u64 _big(u64 word) noexcept

@cython.final
cdef class Places:
    cdef u64 _last
    cdef u64[::1] _ends
    cdef int[::1] _numbers
    cdef readonly dict wide
    @cython.locals(at=u64)
    cdef _put(self, u64 end, int number)
    cdef u64 _home(self, u64 end) noexcept
    @cython.locals(end=u64, at=u64)
    cpdef int find(self, u64 address, u64 port, u64 proto) noexcept

@cython.final
cdef class Seen:
    cdef public int verdict, lookup
    cdef public long long count
    cdef public object moved

@cython.final
cdef class Loop:
    cdef object host
    cdef readonly Slots slots
    cdef readonly Table table
    cdef readonly Timers timers
    cdef bint client_view, six
    cdef public bint redirects, listed, chancy, proxies, strays, passing, alike, matching
    cdef public long long asked
    cdef public dict passed, judged, ways_back, transits
    cdef Places locals
    cdef long long[::1] zones
    cdef u64[::1] wide_zones
    cdef public int mtu
    cdef int no_dest, max_conn, no_port, no_template, fast, slow, unasked, direct_reply, own_transmit, forwarded_plain, no_outside_port, no_outside_pool
    cdef public int why, reason, barred
    cdef bint _plain(self, int reason) noexcept
    cdef public Py_ssize_t due
    cdef public long long pool_size
    cdef public Table templates
    cdef public Census master
    cdef int template
    cdef long long version, first
    cdef public list dests, all_pairs
    cdef u64 _head, _tail
    cdef int _client_entry, _tag
    cdef unsigned short[::1] tag
    cdef Places virtual, services
    cdef readonly list openers
    cdef Py_ssize_t places, entries, home_entries
    cdef const unsigned char[::1] steps, is_fast
    cdef long long[::1] limits, homes
    cdef u64 word0, word1, a, b, c, d, ports
    cdef unsigned char[::1] buffer, family, proto, flags, simple, ours, own, by, answer, opened, verdict, lookup, leaving, full, wrong
    cdef long long[::1] at, time_ns, conn
    cdef int[::1] l3_length, l4, header, rule, handle, mac
    cdef unsigned int[::1] seq, ack, flow4, wide, hash, fdata, delta
    cdef short[::1] queue, worker, reta, owner, redirected, worker_index
    cpdef know(self, Places virtual, Places services, list openers, Py_ssize_t places)
    cpdef ends_of(self, Places locals_, zones, wide_zones)
    cpdef rules(self, steps, limits)
    cpdef link(self, fast, homes)
    cpdef forget_hops(self)
    cpdef bind(self, burst)
    @cython.locals(now=cython.longlong)
    cpdef Py_ssize_t run(self, Py_ssize_t row, Py_ssize_t stop, long long event_ns) except? -1
    @cython.locals(until=cython.longlong)
    cdef bint _clock(self, long long now, long long event_ns) except? -1
    @cython.locals(worker=int, proto=int, handle=int)
    cdef bint _ordinary(self, Py_ssize_t row, long long now) except? -1
    cdef bint _sent_it(self, Py_ssize_t row) noexcept
    cdef bint _known(self, Py_ssize_t row, Py_ssize_t handle, bint answer, long long now) except? -1
    @cython.locals(slots=Slots)
    cdef bint _is_told_elsewhere(self, Py_ssize_t slot) except? -1
    cdef bint _is_first(self, Py_ssize_t row, Py_ssize_t slot) noexcept
    cdef int _payload(self, Py_ssize_t row) noexcept
    @cython.locals(slots=Slots, pair=Pair, growth=int, first=int)
    cdef bint _introduce(self, Py_ssize_t row, Py_ssize_t slot, long long now) except? -1
    @cython.locals(slots=Slots, pair=Pair)
    cdef bint _has_room(self, Py_ssize_t row, Py_ssize_t slot) except? -1
    @cython.locals(home=int, found=int, rank=int)
    cdef int _found(self, int handle) except? -2
    @cython.locals(table=Table, slot=Py_ssize_t, home=int, nobody=bint)
    cdef bint _strayed(self, Py_ssize_t row, int handle, int proto) except? -1
    @cython.locals(full=int)
    cdef int _owner(self, int handle) except? -2
    @cython.locals(slots=Slots, handle=int, slot=Py_ssize_t, found=int)
    cdef bint _answer(self, Py_ssize_t row, int proto, long long now) except? -1
    @cython.locals(first=bint, number=int, rank=int)
    cdef bint _missed(self, Py_ssize_t row, int worker, int proto, long long now) except? -1
    @cython.locals(handle=int)
    cdef bint _hand_on(self, Py_ssize_t row, int rank, long long now) except? -1
    cdef void _handed(self, Py_ssize_t row, int rank) noexcept
    cdef bint _unasked(self, Py_ssize_t row, int verdict) except? -1
    cdef bint _refused(self, Py_ssize_t row, int proto) except? -1
    cdef bint _refused_answer(self, Py_ssize_t row, int handle) except? -1
    cdef bint _judged(self, Py_ssize_t row, key, u64 word0, u64 port, int proto) except? -1
    @cython.locals(kind=cython.longlong, missed=cython.longlong, zone=cython.longlong, seen=Seen)
    cdef bint _nobody(self, Py_ssize_t row, long long worker, long long proto, long long link, bint turned) except? -1
    @cython.locals(place=object)
    cdef bint _forward(self, Py_ssize_t row, int worker) except? -1
    cdef int _link(self, Py_ssize_t row) noexcept
    cdef bint _goes_to_service(self, int proto) except? -1
    cdef bint _is_local(self, u64 address, u64 more) except? -1
    cdef _wide_end(self, u64 address, u64 more, int port, int proto)
    @cython.locals(first=u64, second=u64, begin=u64, low=Py_ssize_t, high=Py_ssize_t, middle=Py_ssize_t)
    cdef long long _wide_zone(self) noexcept
    @cython.locals(low=Py_ssize_t, high=Py_ssize_t, middle=Py_ssize_t)
    cdef long long _zone(self, long long address) noexcept
    @cython.locals(word1=u64, source=u64, dest=u64, at=Py_ssize_t)
    cdef void _read(self, Py_ssize_t row, int proto) noexcept
    @cython.locals(high=u64)
    cdef u64 _wide(self, Py_ssize_t at) noexcept
    @cython.locals(at=Py_ssize_t)
    cdef bint _from_virtual(self, Py_ssize_t row, int proto) except? -1
    @cython.locals(ports=u64, word0=u64, word1=u64, handle=int)
    cdef int _asked(self) except? -2
    cdef int _asked_of_many(self, int handle) except? -2
    @cython.locals(slots=Slots, slot=Py_ssize_t, side=int, entry=int, fdata=cython.uint, kind=int, step=int, table=int, old=int, new=int)
    cdef _step(self, Py_ssize_t row, Py_ssize_t handle, bint answer, long long now)
    @cython.locals(slots=Slots, pair=Pair)
    cdef int _trail(self, Py_ssize_t row, Py_ssize_t slot) except? -1
    cdef long long _order(self, Py_ssize_t row) noexcept
    @cython.locals(slots=Slots, pair=Pair)
    cdef _move(self, Py_ssize_t slot, int old, int new, long long now)
    @cython.locals(slots=Slots, at=Py_ssize_t, dest=Dest, pair=Pair, head=u64, tail=u64, version=cython.longlong, first=bint)
    cdef _meet(self, Py_ssize_t row, Py_ssize_t slot, bint answer)
    @cython.locals(at=Py_ssize_t, tag=int)
    cdef _macs(self, Py_ssize_t row)
    cdef Py_ssize_t _inside(self, Py_ssize_t row) noexcept
    @cython.locals(high=u64)
    cdef u64 _u64(self, Py_ssize_t at) noexcept
    @cython.locals(high=u64)
    cdef u64 _u32(self, Py_ssize_t at) noexcept
    @cython.locals(slots=Slots, flags=int, ack=cython.uint, end=cython.uint, head=int, last=cython.uint)
    cdef _remember(self, Py_ssize_t row, Py_ssize_t slot, bint answer)
    @cython.locals(home=Py_ssize_t)
    cdef _bring_home(self, Py_ssize_t row, Py_ssize_t slot)
    @cython.locals(slots=Slots, slot=Py_ssize_t, dest=Dest)
    cdef _settle(self, Py_ssize_t row, Py_ssize_t handle, int entry, unsigned int fdata, int kind, int lookup)
    @cython.locals(pair=Pair, ident=cython.longlong)
    cdef _enclose(self, Py_ssize_t row, Py_ssize_t slot)
    @cython.locals(dest=Dest)
    cdef Dest _dest(self, Py_ssize_t slot)
    @cython.locals(opener=Opener, at=int, dest=Dest)
    cdef bint _open(self, Py_ssize_t row, int worker, int number, long long now) except? -1
    @cython.locals(slot=int, pair=Pair, done=bint)
    cdef bint _open_by_template(self, Py_ssize_t row, Opener opener, long long now) except? -1
    @cython.locals(word0=u64, word1=u64, a=u64, b=u64, slot=int, dest=Dest)
    cdef int _template(self, Py_ssize_t row, Opener opener) except? -2
    @cython.locals(word0=u64, word1=u64, a=u64, b=u64)
    cdef (u64, u64, u64, u64) _client_words(self, Opener opener) noexcept
    @cython.locals(at=int, dest=Dest, slots=Slots, pair=Pair, slot=Py_ssize_t, fraction=cython.longlong)
    cdef bint _make_template(self, Py_ssize_t row, Opener opener, long long now) except? -1
    @cython.locals(word0=u64, word1=u64, a=u64, b=u64, older=int)
    cdef _enter_template(self, Py_ssize_t slot, Opener opener)
    cdef _touch(self, Py_ssize_t slot, Py_ssize_t row, long long now)
    cdef bint _end_template(self, Py_ssize_t slot, Pair pair) except? -1
    @cython.locals(at=Py_ssize_t, number=int)
    cdef int _service(self, Py_ssize_t row, int proto) except? -2
    @cython.locals(place=int)
    cdef int _pick(self, Py_ssize_t row, Opener opener) except? -2
    @cython.locals(turn=Turn)
    cdef int _by_turn(self, Opener opener) except? -2
    @cython.locals(load=Load)
    cdef int _by_load(self, Opener opener) except? -2
    @cython.locals(at=Py_ssize_t, width=Py_ssize_t)
    cpdef table_key(self, Py_ssize_t row)
    cdef bint _refuse(self, Py_ssize_t row, int verdict) except? -1
    @cython.locals(cursor=LaddrCursor, port=int, trials=int, pair=Pair)
    cdef bint _bind(self, Py_ssize_t row, Opener opener, Dest dest, Py_ssize_t base, long long now) except? -1
    @cython.locals(slots=Slots, dest=Dest, slot=Py_ssize_t, kind=int)
    cdef _enter(self, Py_ssize_t row, Opener opener, Pair pair, int port, long long now)
    @cython.locals(slots=Slots, slot=Py_ssize_t, fraction=cython.longlong)
    cdef Py_ssize_t _occupy(self, Py_ssize_t row, Opener opener, Pair pair, long long now) except -1
    cdef _count_in(self, Py_ssize_t row, Opener opener, Dest dest)
    @cython.locals(at=int, way=int, strayed=bint, dest=Dest, port=int)
    cdef bint _open_outwards(self, Py_ssize_t row, Opener opener, long long now) except? -1
    @cython.locals(slots=Slots, slot=Py_ssize_t, told=int, word0=u64, word1=u64, ports=u64)
    cdef _enter_outwards(self, Py_ssize_t row, Opener opener, Pair pair, int way, u64 port, long long now)
    @cython.locals(slots=Slots)
    cdef _meet_remote(self, Py_ssize_t row, Py_ssize_t slot)
    cdef int _way_on(self, Py_ssize_t row) except? -1000
    @cython.locals(slots=Slots, told=int)
    cdef _link_back(self, Py_ssize_t row, Py_ssize_t slot, Opener opener, Pair pair)
    @cython.locals(place=cython.longlong)
    cdef int _way_back(self, Py_ssize_t row, int told) except? -1000
    @cython.locals(word0=u64, word1=u64, c=u64, d=u64)
    cdef _enter_answers(self, Py_ssize_t slot, Opener opener, Pair pair, int port)
    @cython.locals(at=Py_ssize_t, head=u64, tail=u64)
    cdef int _client(self, Py_ssize_t row) except? -2
    @cython.locals(home=bint)
    cdef bint _at_home(self, Py_ssize_t slot, Pair pair) except? -1
    @cython.locals(slots=Slots, number=int, pair=Pair, port=int, active=bint)
    cpdef bint end(self, Py_ssize_t slot) except? -1
