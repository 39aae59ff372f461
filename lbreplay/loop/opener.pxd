cimport cython

from lbreplay.loop.draws cimport Draws
from lbreplay.loop.ports cimport Bucket, LaddrCursor, Pool
from lbreplay.loop.real cimport Census, Dest
from lbreplay.loop.turn cimport Picker

cdef class Opener

cdef class Pair:
    cdef public int number, place, way, home, outer
    cdef public list ident
    cdef public bint at_home
    cdef public Opener opener
    cdef public Dest dest
    cdef public Bucket bucket
    cdef public Pool pool
    cdef public unsigned long long word0, word1, a, b, c, d

cdef class Opener(Picker):
    cdef public Census census
    cdef public LaddrCursor cursor
    cdef public Draws jitter
    cdef public bint ready, keeps, direct, fast, shielded, believes, weightless, proxied, lenient, quiesces
    cdef public dict lent
    cdef public int why, trail, growth, proxy_growth, rank, kind, limit, first_state, established, width
    cdef public unsigned int delta
    cdef public long long first_timeout
    cdef public list pairs
