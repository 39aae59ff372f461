"""The end of a connection (D 2.5): who may live on, who is told, what is given back.

An ESTABLISHED TCP connection tells both ends with a RST, the real server first (D 5.7); everything else ends silently.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from lbreplay.dpvs.conn import IN, INACTIVE, ONE_PACKET, OUT, SYNPROXY, TEMPLATE, Conn
from lbreplay.dpvs.forwarding import BINDINGS
from lbreplay.wire import craft
from lbreplay.wire.packet import ETH_IPV4, ETH_IPV6, TCP, Packet

if TYPE_CHECKING:
    from lbreplay.dpvs.machine import Machine
    from lbreplay.dpvs.xmit import Transmitter


class Expiry:
    """Ends connections on the machine; sends what they send when they end."""

    def __init__(self, machine: Machine, xmit: Transmitter) -> None:
        self.machine, self.xmit = machine, xmit
        self.resend: Callable[[Conn], bool] = _never  # the SYN that a SYN proxy keeps (D 6.3)

    def fire(self, slot: int) -> None:
        """The timer of *slot* went off: the connection ends, unless something keeps it."""
        machine = self.machine
        conn = machine.table.conns[slot]
        assert conn is not None, "timers of free slots do not fire"
        lcore = machine.lcores[max(conn.rank, 0)]
        machine.table.fraction[slot] = lcore.jitter_again()
        machine.set_timeout(conn, machine.state_timeout(conn))
        if conn.flags & SYNPROXY and self.resend(conn):
            lcore.counters["SYNPROXY_RS_ERROR"] += 1
            machine.touch(conn)
        elif machine.table.controlled[slot]:
            machine.touch(conn)
        else:
            self.end(conn)

    def end(self, conn: Conn) -> None:
        """Out of the tables, RSTs if it was established, and everything it took given back."""
        machine = self.machine
        if conn.flags & TEMPLATE:
            machine.templates.end(conn)
            conn.dest.persistconns -= 1
            conn.dest.admit()
            machine.table.free(conn)
            return
        if not conn.flags & ONE_PACKET:
            machine.unhash(conn)
        control = machine.table.control[conn.slot]
        if control:
            machine.table.controlled[control - 1] -= 1
        if conn.proto == TCP:
            self._tell_both(conn)
        machine.ended(conn)
        self._unbind(conn)
        machine.table.free(conn)
        machine.lcores[conn.rank].closed()

    def _unbind(self, conn: Conn) -> None:
        dest = conn.dest
        if conn.flags & INACTIVE:
            dest.inactconns -= 1
        else:
            dest.actconns -= 1
        dest.admit()
        BINDINGS[conn.mode.name].release(self.machine, conn)

    def _tell_both(self, conn: Conn) -> None:
        """The RST pair, each as a packet of the other side would be translated (D 5.7)."""
        machine, mode = self.machine, conn.mode
        state = machine.protocols[TCP].states[machine.table.state[conn.slot]]
        told = mode.answers and (mode.name != "snat" or machine.setup.behaviour.snat_expiry_rst)
        if state != "established" or not told:
            return
        seq, ack = machine.table.rs_seq[conn.slot], machine.table.rs_ack[conn.slot]  # 0 where nobody saved them
        cause, machine.cause = machine.cause, 0
        to_real = craft.expiry_rst(conn.client, conn.virtual, ack - conn.delta, 0)
        self.xmit.forward(conn, IN, made_packet(to_real, conn), own=True)
        to_client = craft.expiry_rst(conn.real, conn.local, seq, 0)
        self.xmit.forward(conn, OUT, made_packet(to_client, conn), own=True)
        machine.cause = cause


def _never(conn: Conn) -> bool:
    return False


def made_packet(l3: bytes, conn: Conn) -> Packet:
    """A packet of the balancer's own, to be sent like a received one: its link header is blank."""
    ethertype = ETH_IPV4 if l3[0] >> 4 == 4 else ETH_IPV6
    frame = craft.ethernet(bytes(6), bytes(6), ethertype, l3)
    return Packet(frame, len(frame), worker=conn.rank)
