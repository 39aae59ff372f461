"""SCTP: the state table of D 8. The event is the first chunk's, but an ABORT behind a COOKIE chunk counts.

The same rows serve every mode, direct routing and tunnel too.
"""

from __future__ import annotations

from lbreplay.lvs.protocols.table import Protocol, numbered, read

STATES = numbered("""
    NO none                 I1 init1              IN init            CS cookie_sent
    CR cookie_replied       CW cookie_wait        CO cookie          CE cookie_echoed
    ES established          SS shutdown_sent      SR shutdown_received
    SA shutdown_ack_sent    RJ rejected           CL closed
""")
SETS = ("in", "out")
EVENTS = (
    "data",
    "init",
    "init_ack",
    "cookie_echo",
    "cookie_ack",
    "shutdown",
    "shutdown_ack",
    "shutdown_complete",
    "error",
    "abort",
)

# set, event            a column per old state
TABLE = """
                        NO  I1  IN  CS  CR  CW  CO  CE  ES  SS  SR  SA  RJ  CL
in   data               ES  .   .   .   .   .   .   .   .   .   .   .   .   .
in   init               I1  IN  .   .   .   .   .   .   .   .   .   .   IN  IN
in   init_ack           CW  CW  CW  .   .   CO  .   .   .   .   .   .   .   .
in   cookie_echo        CR  IN  .   CR  .   .   .   .   .   .   .   .   .   .
in   cookie_ack         ES  .   .   .   .   .   .   ES  .   .   .   .   .   .
in   shutdown           SR  .   .   .   .   .   .   .   SR  .   .   .   .   .
in   shutdown_ack       CL  IN  .   .   .   .   .   .   .   CL  .   CL  .   .
in   shutdown_complete  CL  CL  CL  .   .   .   .   .   .   .   .   CL  .   .
in   error              CL  .   .   .   .   .   .   CL  .   .   .   .   .   .
in   abort              CL  CL  CL  CL  CL  RJ  CL  CL  CL  CL  CL  CL  CL  CL
out  data               ES  .   .   .   .   .   .   .   .   .   .   .   .   .
out  init               CW  CW  CW  CW  CW  .   CW  CW  .   CW  CW  CW  CW  CW
out  init_ack           CS  CS  CS  .   .   .   .   .   .   .   .   .   .   .
out  cookie_echo        CE  CE  CE  CE  CE  CE  CE  .   .   .   .   .   .   .
out  cookie_ack         ES  ES  ES  ES  ES  ES  ES  ES  .   .   .   .   .   .
out  shutdown           SS  SS  SS  SS  SS  SS  SS  SS  SS  .   .   .   .   .
out  shutdown_ack       SA  SA  SA  SA  SA  .   .   .   .   SA  SA  .   .   .
out  shutdown_complete  CL  .   .   .   .   .   .   .   .   .   .   .   .   .
out  error              CL  CL  CL  CL  CL  .   .   .   .   .   .   .   .   .
out  abort              CL  RJ  CL  CL  CL  CL  CL  CL  CL  CL  CL  CL  CL  CL
"""

# chunk type (RFC 9260, 3.2): event. DATA, SACK, HEARTBEAT and its answer, ECNE, CWR and what is unknown are data
CHUNKS = {
    1: "init",
    2: "init_ack",
    6: "abort",
    7: "shutdown",
    8: "shutdown_ack",
    9: "error",
    10: "cookie_echo",
    11: "cookie_ack",
    14: "shutdown_complete",
}
ABORT, COOKIE = 6, (10, 11)
CHUNK_HEADER = 4


def event(chunks: bytes) -> int:
    """The event of a packet whose *chunks* follow the 12-byte common header; too short for one: data."""
    if not chunks:
        return EVENTS.index("data")
    kind = chunks[0]
    if kind in COOKIE and len(chunks) >= CHUNK_HEADER:
        length = int.from_bytes(chunks[2:4])
        following = length + 3 & ~3  # chunks begin at multiples of 4
        if length >= CHUNK_HEADER and len(chunks) >= following + CHUNK_HEADER and chunks[following] == ABORT:
            kind = ABORT
    return SCTP.event[kind]


SCTP = Protocol(
    name="sctp",
    number=132,
    states=tuple(STATES.values()),
    events=EVENTS,
    sets=SETS,
    next=read(TABLE, STATES, SETS, EVENTS),
    event=bytes(EVENTS.index(CHUNKS.get(kind, "data")) for kind in range(256)),
    modes={},
    lasting=frozenset({"established"}),
)
