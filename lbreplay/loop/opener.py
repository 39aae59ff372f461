"""What new connections are made of, as records: who opens them for a service, and of which pairs (D 2.4, D 11).

A *pair* is a real server and a local address of one service on one worker. A connection of a pair has the pair's bucket
of ports, and of the tuple of its answers all but the local port; its end gives back to the pair what it took.
dpvs/opener makes these records and keeps them up to date; the loop reads them.
"""

from __future__ import annotations

from typing import Any

from lbreplay.loop.names import UNKNOWN
from lbreplay.loop.ports import Bucket, LaddrCursor
from lbreplay.loop.real import Census, Dest
from lbreplay.loop.turn import Picker


class Pair:
    """`number` is what connections know it by. word0, word1, a to d: the tuple of answers, but for the local port
    (loop/table.py). `way`: with what the client's packets leave (entry of dpvs/links); `home`: where answers come in,
    `at_home` whether that is the worker that has the connection. `outer`: the ends of tunnels' outer headers (entry of
    dpvs/links), `ident` the identification of the next one, in a list of one (stack/output). `pool`: the ports of an
    outside address (SNAT), in place of a bucket; None: it has none."""

    def __init__(self, number: int, opener: Opener, dest: Dest, place: int, bucket: Bucket, words: Any) -> None:
        self.number, self.opener, self.dest, self.bucket = number, opener, dest, bucket
        self.place = place  # of the local address in the service's list
        self.word0, self.word1, self.a, self.b, self.c, self.d = words
        self.way = self.home = UNKNOWN
        self.outer, self.ident = 0, [0]
        self.at_home = False
        self.pool: Any = None


class Opener(Picker):
    """A service on one worker, which is the worker's `rank`. `ready`: what it says of real servers is so now; `why`:
    not 0, where new connections are made by the plain path, for a reason of loop/ways.py."""

    def __init__(self, census: Census, cursor: LaddrCursor, jitter: Any) -> None:
        super().__init__()
        self.census, self.cursor = census, cursor
        self.jitter = jitter  # loop.draws.Draws of the fractions of timeouts, None where they are 0
        self.ready, self.why = False, 0
        self.rank = self.kind = self.delta = self.limit = self.first_state = 0
        self.established = -1  # the state that counts as active; -1: none
        self.first_timeout = 0  # ns
        self.width = 1  # local addresses; of NAT and direct routing the client itself
        self.keeps = self.direct = False  # its connections keep the client's end (NAT); nothing but MACs changes
        self.fast = True  # they may take the fast path (D 12.3), and learn MACs
        self.trail = 0  # of their first datagrams leave by the slow path (slots.trail)
        self.lenient = True  # a template of a real server without weight is used
        self.quiesces = False  # connections end with their real server
        self.lent: dict[int, Any] = {}  # openers of this worker with the real servers of another, by its rank
        self.shielded = False  # a SYN proxy answers its clients first (D 6)
        self.believes = False  # it was said that ACKs are believed (interface 3)
        self.weightless = False  # none of its real servers has a weight
        self.proxied = False  # the client's first byte has a proxy header before it
        self.proxy_growth = 0  # bytes of that header; 0: it is for the plain path to make (version 1)
        self.growth = 0  # bytes by which those grow that tell the client's address, or all in tunnels
        self.pairs: list[Any] = []  # by position of the real server, then of the local address
