"""TCP: the state table of D 5.2.

The event is the first of RST, SYN, FIN, ACK that is set, so SYN|ACK is a SYN; a segment with none of them closes the
connection whatever its state (a quirk, kept). Nothing here refuses a packet: what does not fit is translated all the
same. LAST_ACK, LISTEN and SYNACK are never entered. Connections of direct routing and tunnels see one side only.
"""

from __future__ import annotations

from lbreplay.lvs.protocols.table import Protocol, numbered, read

FIN, SYN, RST, ACK = 1, 2, 4, 16  # bits of the flags byte

STATES = numbered("""
    NO none         ES established  SS syn_sent     SR syn_recv
    FW fin_wait     TW time_wait    CL close        CW close_wait
    LA last_ack     LI listen       SA synack
""")
SYN_SENT = list(STATES).index("SS")
SETS = ("in", "out", "in_only")
EVENTS = ("syn", "fin", "ack", "rst", "none")

# column set, event      a column per old state
TABLE = """
              NO  ES  SS  SR  FW  TW  CL  CW  LA  LI  SA
in      syn   SR  .   ES  .   SR  SR  SR  SR  SR  SR  SR
in      fin   CL  CW  .   TW  TW  .   .   .   .   .   TW
in      ack   CL  .   .   ES  .   .   .   .   CL  .   ES
in      rst   CL  CL  CL  .   CL  CL  .   CL  .   .   SR
in      none  CL  CL  CL  CL  CL  CL  CL  CL  CL  CL  CL
out     syn   SS  .   .   .   SS  SS  SS  SS  SS  .   SR
out     fin   TW  FW  .   TW  .   .   .   TW  .   .   TW
out     ack   ES  .   .   ES  .   .   .   .   .   ES  ES
out     rst   CL  CL  .   CL  CL  .   .   CL  CL  CL  CL
out     none  CL  CL  CL  CL  CL  CL  CL  CL  CL  CL  CL
in_only syn   SR  .   ES  .   SR  SR  SR  SR  SR  SR  SR
in_only fin   CL  FW  .   TW  .   .   .   .   .   .   TW
in_only ack   CL  .   .   ES  .   .   .   .   CL  .   ES
in_only rst   CL  CL  CL  .   CL  CL  .   CL  .   .   CL
in_only none  CL  CL  CL  CL  CL  CL  CL  CL  CL  CL  CL
"""


def event(flags: int) -> int:
    """The event of a segment's *flags*."""
    for bit, name in ((RST, "rst"), (SYN, "syn"), (FIN, "fin"), (ACK, "ack")):
        if flags & bit:
            return EVENTS.index(name)
    return EVENTS.index("none")


TCP = Protocol(
    name="tcp",
    number=6,
    states=tuple(STATES.values()),
    events=EVENTS,
    sets=SETS,
    next=read(TABLE, STATES, SETS, EVENTS),
    event=bytes(map(event, range(256))),
    modes={"dr": (2, 2), "tunnel": (2, 2)},
    lasting=frozenset({"established"}),
)
