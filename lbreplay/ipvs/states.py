"""State machines and timeouts (L 8), normal and secure.

The normal table of TCP is DPVS's own (`lvs/protocols/tcp.py`), and SCTP's likewise, with rows for connections of which
only the client's side is seen. Editions differ in the four cells NONE + ACK from the client (`none_ack`: CL or ES).
2.6 keeps another machine for SCTP that nobody wrote down; it gets this one with its timeouts (L 22).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from lbreplay.loop.entry import Conn
from lbreplay.loop.flags import CLOSING, INACTIVE, NOOUTPUT, STEADY, SYNCED
from lbreplay.lvs.protocols import sctp, tcp
from lbreplay.lvs.protocols.table import read
from lbreplay.model import NANOSECOND
from lbreplay.wire.packet import SCTP, TCP, UDP, Packet

if TYPE_CHECKING:
    from lbreplay.ipvs.edition import Edition
    from lbreplay.ipvs.sysctl import Sysctls

SETS = ("in", "out", "in_only")
IN, OUT, IN_ONLY = range(3)

SECURE = """
              NO  ES  SS  SR  FW  TW  CL  CW  LA  LI  SA
in      syn   SR  .   ES  .   SR  SR  SR  SR  SR  SR  .
in      fin   CL  CW  .   TW  TW  .   .   .   .   .   .
in      ack   CL  .   .   .   .   .   .   .   CL  .   .
in      rst   CL  CL  CL  .   CL  CL  .   CL  .   .   CL
in      none  CL  CL  CL  CL  CL  CL  CL  CL  CL  CL  CL
out     syn   SS  .   .   SA  SS  SS  SS  SS  SS  .   .
out     fin   TW  FW  .   TW  .   .   .   TW  .   .   TW
out     ack   ES  .   .   ES  .   .   .   .   .   ES  ES
out     rst   CL  CL  .   CL  CL  .   .   CL  CL  CL  CL
out     none  CL  CL  CL  CL  CL  CL  CL  CL  CL  CL  CL
in_only syn   SA  .   ES  .   SA  SA  SA  SA  SA  SA  .
in_only fin   CL  FW  .   TW  .   .   .   .   .   .   TW
in_only ack   CL  .   .   ES  .   .   .   .   CL  .   ES
in_only rst   CL  CL  CL  .   CL  CL  .   CL  .   .   CL
in_only none  CL  CL  CL  CL  CL  CL  CL  CL  CL  CL  CL
"""
SCTP_IN_ONLY = """
in_only data               ES  .   .   .   .   ES  .   .   .   .   .   .   .   .
in_only init               I1  IN  .   IN  IN  IN  .   .   .   .   .   .   IN  IN
in_only init_ack           CE  CE  CE  CE  CE  CE  .   .   .   .   .   .   .   .
in_only cookie_echo        ES  ES  ES  ES  ES  ES  .   .   .   .   .   .   .   .
in_only cookie_ack         ES  .   .   ES  ES  .   ES  ES  .   .   .   .   .   .
in_only shutdown           SR  .   .   .   .   .   .   .   SR  .   .   .   .   .
in_only shutdown_ack       CL  IN  .   .   .   .   .   .   CL  CL  .   CL  .   .
in_only shutdown_complete  CL  CL  CL  CL  CL  .   .   .   .   .   CL  CL  .   .
in_only error              CL  .   .   .   .   .   .   .   .   .   .   .   .   .
in_only abort              CL  CL  CL  CL  CL  RJ  CL  CL  CL  CL  CL  CL  CL  CL
"""
NONE_ACK = "in      ack   CL", "in_only ack   CL"  # in either table: the cells that differ between editions

TCP_NAMES = ("NONE", "ESTABLISHED", "SYN_SENT", "SYN_RECV", "FIN_WAIT", "TIME_WAIT", "CLOSE", "CLOSE_WAIT",
             "LAST_ACK", "LISTEN", "SYNACK")  # fmt: skip
TCP_SECONDS = (2, 900, 120, 60, 120, 120, 10, 60, 30, 120, 120)
SCTP_NAMES = ("NONE", "INIT1", "INIT", "C-SENT", "C-REPLIED", "C-WAIT", "COOKIE", "C-ECHOED", "ESTABLISHED", "S-SENT",
              "S-RECEIVED", "S-ACK-SENT", "REJECTED", "CLOSED")  # fmt: skip
SCTP_SECONDS = {
    "6.1": (2, 4, 61, 61, 61, 61, 61, 61, 900, 61, 61, 61, 4, 61),
    "2.6": (2, 60, 60, 60, 60, 60, 60, 60, 900, 60, 60, 60, 60, 10),
}
UDP_SECONDS = 300
NAMES = {TCP: TCP_NAMES, UDP: ("UDP",), SCTP: SCTP_NAMES}
ESTABLISHED, FIN_WAIT, TIME_WAIT, CLOSE, LISTEN = (
    TCP_NAMES.index(name) for name in ("ESTABLISHED", "FIN_WAIT", "TIME_WAIT", "CLOSE", "LISTEN")
)
SCTP_CLOSED = SCTP_NAMES.index("CLOSED")
STATES = 16  # of a protocol, at most
# what a backup is told of, by edition and state (L 15); what is not here is not told of, of SCTP by number alone
TOLD = {
    "6.1": (
        {"ESTABLISHED": SYNCED | STEADY}
        | dict.fromkeys(("FIN_WAIT", "CLOSE_WAIT", "TIME_WAIT", "CLOSE"), SYNCED | CLOSING | STEADY),
        {},
    ),
    "2.6": (
        {"ESTABLISHED": SYNCED | STEADY} | dict.fromkeys(("FIN_WAIT", "CLOSE_WAIT", "TIME_WAIT"), SYNCED | CLOSING),
        dict.fromkeys(("CLOSED", "S-ACK-SENT"), SYNCED | CLOSING | STEADY),
    ),
}


def synced(edition: str) -> tuple[bytes, bytes]:
    """What loop/sync.py does with a connection, by state: of TCP, and of SCTP."""
    of_tcp, of_sctp = TOLD[edition]
    told = [of_tcp.get(name, 0) for name in TCP_NAMES], [of_sctp.get(name, SYNCED | STEADY) for name in SCTP_NAMES]
    return bytes(told[0]).ljust(STATES, b"\0"), bytes(told[1]).ljust(STATES, b"\0")


def tcp_table(text: str, none_ack: str) -> tuple[bytes, ...]:
    """A table of TCP with the edition's answer to an ACK in NONE."""
    for cell in NONE_ACK:
        assert cell in text, "the cells that differ are there"
        text = text.replace(cell, cell[:-2] + none_ack)
    return read(text, tcp.STATES, SETS, tcp.EVENTS)


class States:
    """The machines of one run. `step` moves a connection and sets its timeout."""

    def __init__(self, edition: Edition, sysctls: Sysctls, given: Mapping[str, Any]) -> None:
        self._sysctls = sysctls
        self._assured = edition.assured
        self._tcp = {
            False: tcp_table(tcp.TABLE, edition.none_ack),
            True: tcp_table(SECURE, edition.none_ack),
        }
        self._sctp = read(sctp.TABLE.rstrip() + SCTP_IN_ONLY, sctp.STATES, SETS, sctp.EVENTS)
        self._active = {
            TCP: frozenset(TCP_NAMES.index(name) for name in edition.active),
            SCTP: frozenset({SCTP_NAMES.index("ESTABLISHED")}),
        }
        self.timeouts = {
            TCP: [NANOSECOND * s for s in TCP_SECONDS],
            SCTP: [NANOSECOND * s for s in SCTP_SECONDS[edition.sctp]],
            UDP: [NANOSECOND * UDP_SECONDS],
        }
        self.seconds(**given)

    def seconds(self, tcp: int = 0, tcpfin: int = 0, udp: int = 0) -> None:
        """`ipvsadm --set`: 0 leaves a timeout as it is."""
        for proto, state, value in ((TCP, ESTABLISHED, tcp), (TCP, FIN_WAIT, tcpfin), (UDP, 0, udp)):
            if value:
                self.timeouts[proto][state] = value * NANOSECOND

    def rows(self, secure: bool) -> tuple[bytes, ...]:
        """The machine of TCP, normal or secure: a row of new states for each column set and event."""
        return self._tcp[secure]

    def active(self, proto: int) -> frozenset[int]:
        """The states of a protocol in which connections count as active."""
        return self._active[proto]

    def step(self, conn: Conn, packet: Packet, columns: int) -> None:
        """Take *packet* into account; *columns* is IN or OUT. AH and ESP have no states (L 3)."""
        if packet.proto == TCP == conn.proto:
            self._step_tcp(conn, packet, columns)
        elif packet.proto == SCTP == conn.proto:
            self._step_sctp(conn, packet, columns)
        elif packet.proto == UDP == conn.proto:
            conn.timeout = self.timeouts[UDP][0]
            if columns == OUT:
                self._assure(conn)

    def _step_tcp(self, conn: Conn, packet: Packet, columns: int) -> None:
        if packet.l4_there < 20:
            return
        rows = self._tcp[self._sysctls.always("secure_tcp")]
        event = tcp.TCP.event[packet.flags]
        self._move(conn, rows[_seen(conn, columns) * len(tcp.EVENTS) + event][conn.state])
        if conn.state == ESTABLISHED:
            self._assure(conn)

    def _step_sctp(self, conn: Conn, packet: Packet, columns: int) -> None:
        event = sctp.event(packet.l3[packet.l4_at + 12 :])
        if packet.l4_there < 16:
            return
        self._move(conn, self._sctp[_seen(conn, columns) * len(sctp.EVENTS) + event][conn.state])
        if SCTP_NAMES[conn.state] == "ESTABLISHED":
            self._assure(conn)

    def _move(self, conn: Conn, new: int) -> None:
        """The new state, its timeout, and the counts of active and inactive connections (L 7)."""
        if new != conn.state and conn.dest is not None:
            active = new in self._active[conn.proto]
            if active == bool(conn.flags & INACTIVE):
                conn.flags ^= INACTIVE
                conn.dest.actconns += 1 if active else -1
                conn.dest.inactconns += -1 if active else 1
        conn.state = new
        conn.timeout = self.timeouts[conn.proto][new]

    def _assure(self, conn: Conn) -> None:
        if self._assured and conn.control is not None and conn.control.is_template:
            conn.control.assured = True


def _seen(conn: Conn, columns: int) -> int:
    """The column set: of a connection whose answers were never seen, the client's packets have their own."""
    if conn.flags & NOOUTPUT:
        if columns == OUT:
            conn.flags &= ~NOOUTPUT
        else:
            return IN_ONLY
    return columns


def name(conn: Conn, assured: bool) -> str:
    """The state as listings show it (L 18). *assured*: the edition tells templates apart."""
    if conn.is_template:
        if assured:
            return "ASSURED" if conn.assured else "NONE"
        return "NONE" if conn.proto == 0 else NAMES[conn.proto][0]
    return NAMES[conn.proto][conn.state]
