"""UDP: one event, a datagram (D 7.2). A connection is ONEWAY until the other side answers, then NORMAL for good.

The other side is the real server, and for SNAT the Internet, so SNAT reads the mirrored rows. Up to v1.9.4 there is no
ONEWAY (ALWAYS_NORMAL). A service's conn_timeout replaces every state's, then that of NORMAL only.
"""

from __future__ import annotations

from lbreplay.lvs.protocols.table import Protocol, numbered, read

STATES = numbered("NO none  OW oneway  NM normal")
SETS = ("in", "out", "snat_in", "snat_out")
EVENTS = ("datagram",)

# column set, event         a column per old state
TABLE = """
                    NO  OW  NM
in        datagram  OW  .   .
out       datagram  NM  NM  .
snat_in   datagram  NM  NM  .
snat_out  datagram  OW  .   .
"""
NORMAL_TABLE = """
                    NO  OW  NM
in        datagram  NM  NM  .
out       datagram  NM  NM  .
snat_in   datagram  NM  NM  .
snat_out  datagram  NM  NM  .
"""


def _protocol(table: str, lasting: frozenset[str]) -> Protocol:
    return Protocol(
        name="udp",
        number=17,
        states=tuple(STATES.values()),
        events=EVENTS,
        sets=SETS,
        next=read(table, STATES, SETS, EVENTS),
        event=bytes(256),
        modes={"snat": (2, 3)},
        lasting=lasting,
    )


UDP = _protocol(TABLE, frozenset(STATES.values()))
ALWAYS_NORMAL = _protocol(NORMAL_TABLE, frozenset({"normal"}))
