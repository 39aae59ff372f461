"""The FTP helper, `ip_vs_ftp` (L 12): data connections follow their control connection through NAT.

It reads the payload of established control connections, makes the data connection's entry before its first packet, and
writes the virtual address into the server's answer. What that adds to the length moves the server's sequence numbers.
"""

from __future__ import annotations

import re
from struct import pack_into
from typing import TYPE_CHECKING

from lbreplay.ipvs.conn import Connections
from lbreplay.ipvs.states import ESTABLISHED, LISTEN, States
from lbreplay.loop.entry import Conn
from lbreplay.loop.flags import NFCT, NO_CPORT
from lbreplay.model import Endpoint
from lbreplay.wire import checksum, options
from lbreplay.wire.length import set_length
from lbreplay.wire.packet import TCP

if TYPE_CHECKING:
    from lbreplay.ipvs.edition import Edition
    from lbreplay.ipvs.skb import Skb
    from lbreplay.ipvs.tracking import Tracking
    from lbreplay.model import Setup

M32 = 0xFFFFFFFF
PORTS = (21,)
SIX = rb"(\d+),(\d+),(\d+),(\d+),(\d+),(\d+)"
# what 2.6 reads, and what 6.1 reads: PORT with any terminator but the packet's end, 227 with or without a parenthesis
PORT = {False: rb"PORT " + SIX + rb"\r", True: rb"PORT +" + SIX + rb"[^\d]"}
PASSIVE = {
    False: rb"227 Entering Passive Mode \(" + SIX + rb"\)",
    True: rb"227 (?:[^(\d]*\(+|[^(\d]*(?=\d))" + SIX + rb"[^\d]",
}
EPSV = {4: rb"EPSV(?:\r| 1\r)", 6: rb"EPSV(?:\r| 2\r)"}
EPRT = {4: rb"EPRT +([!-~])1\1([0-9.]+)\1(\d+)\1", 6: rb"EPRT +([!-~])2\1([0-9A-Fa-f:.]+)\1(\d+)\1"}
EXTENDED_PASSIVE = rb"229 [^(]*\(+(([!-~])\2\2(\d+)\2)"


class Sequence:
    """How the server's numbers were moved: by *after* behind *place*, by *before* up to it."""

    __slots__ = ("after", "before", "place")

    def __init__(self) -> None:
        self.place = self.before = self.after = 0

    def grown(self, seq: int, by: int) -> None:
        """The segment at *seq* (as the server sent it) became longer."""
        if by and (self.before == self.after == 0 or _later(seq, self.place)):
            self.place, self.before, self.after = seq, self.after, self.after + by

    def of(self, seq: int) -> int:
        """What is added to the server's *seq*."""
        return self.after if _later(seq, self.place) else self.before

    def acknowledged(self, ack: int, modern: bool) -> int:
        """What is taken from the client's *ack*."""
        shift = self.before if modern else self.after
        return self.after if _later(ack - shift, self.place) else self.before


class Control:
    """A control connection: what was asked for (`""`, `pasv` or `epsv`), and its numbers."""

    __slots__ = ("passive", "sequence")

    def __init__(self) -> None:
        self.passive = ""
        self.sequence = Sequence()


class Helpers:
    """The helper modules that are loaded."""

    def __init__(self, setup: Setup, edition: Edition, conns: Connections, states: States, tracking: Tracking) -> None:
        modules = setup.ipvs.get("modules") or ()
        self._loaded = "ip_vs_ftp" in modules  # type: ignore[operator]
        self._modern, self._strict = edition.ftp_extended, edition.ftp_strict
        self._conns, self._states, self._tracking = conns, states, tracking

    def binds(self, port: int) -> bool:
        """Whether a helper is registered for a virtual port."""
        return self._loaded and port in PORTS

    def bind(self, conn: Conn) -> None:
        """Give a new NAT connection its helper, if one is registered for its virtual port (L 6.5)."""
        if conn.proto == TCP and conn.method == "nat" and self.binds(conn.virtual.port):
            conn.app = Control()

    # --- from the client -------------------------------------------------------------------------------------

    def request(self, conn: Conn, skb: Skb) -> bool:
        """Read a client's segment, before it is translated. False: its checksum is wrong."""
        if not _sound(skb):
            return False
        sequence = conn.app.sequence
        if sequence.after:
            self._acknowledge(skb, sequence)
        if conn.state == ESTABLISHED:
            self._read_request(conn, bytes(skb.l3[_payload_at(skb) :]))
        return True

    def _acknowledge(self, skb: Skb, sequence: Sequence) -> None:
        at = skb.packet.l4_at
        by = sequence.acknowledged(skb.packet.ack, self._modern)
        pack_into(">I", skb.l3, at + 8, skb.packet.ack - by & M32)
        if self._modern:
            tcp = skb.l3[at:]
            options.shift_sack(tcp, -by)
            skb.l3[at:] = tcp
        checksum.l4(skb.l3, at, TCP)

    def _read_request(self, conn: Conn, payload: bytes) -> None:
        family = 4 if len(conn.client.address) == 4 else 6
        if re.search(rb"PASV\r\n", payload, re.IGNORECASE):
            conn.app.passive = "pasv"
        elif self._modern and re.search(EPSV[family], payload, re.IGNORECASE):
            conn.app.passive = "epsv"
        elif found := re.match(PORT[self._modern], payload, re.IGNORECASE):
            self._active(conn, self._six(found.groups()))
        elif self._modern and (found := re.match(EPRT[family], payload, re.IGNORECASE)):
            self._active(conn, self._spelled(found.group(2), found.group(3)))

    def _active(self, conn: Conn, client: Endpoint | None) -> None:
        """The server will connect to *client* from its data port."""
        if client is None:
            return
        conn.app.passive = ""
        virtual = Endpoint(conn.virtual.address, conn.virtual.port - 1)
        real = Endpoint(conn.real.address, conn.real.port - 1)
        data = self._conns.find_in(TCP, client, virtual) or self._data(conn, client, virtual, real, 0)
        self._listen(data)

    # --- from the server -------------------------------------------------------------------------------------

    def reply(self, conn: Conn, skb: Skb) -> bool | None:
        """Read and rewrite a server's segment, before it is translated. None: its checksum is wrong; True: changed."""
        if not _sound(skb):
            return None
        packet, sequence = skb.packet, conn.app.sequence
        moved = sequence.of(packet.seq)
        at = _payload_at(skb)
        payload = bytes(skb.l3[at:])
        written = self._answered(conn, payload) if conn.app.passive and conn.state == ESTABLISHED else payload
        if moved:
            pack_into(">I", skb.l3, packet.l4_at + 4, packet.seq + moved & M32)
        if written != payload:
            skb.l3[at:] = written
            set_length(skb.l3, len(skb.l3) + skb.missing)
            sequence.grown(packet.seq, len(written) - len(payload))
        return bool(moved) or written != payload

    def _answered(self, conn: Conn, payload: bytes) -> bytes:
        """The payload with the virtual address in place of the server's; as it is where it says nothing."""
        if conn.app.passive == "pasv":
            found = re.match(PASSIVE[self._modern], payload, re.IGNORECASE)
            real = self._six(found.groups()) if found else None
        else:
            found = re.match(EXTENDED_PASSIVE, payload, re.IGNORECASE)
            real = self._port(conn.real.address, found.group(3)) if found else None
        if found is None or real is None:
            return payload
        data = self._expect(conn, real)
        if conn.app.passive == "pasv":
            start, end, text = found.start(1), found.end(6), _spell(data.virtual)
        else:
            start, end, text = found.start(1), found.end(1), b"|||%d|" % data.virtual.port
        conn.app.passive = ""
        return payload[:start] + text + payload[end:]

    def _expect(self, conn: Conn, real: Endpoint) -> Conn:
        """The client will connect to *real*, from a port nobody knows yet."""
        client = Endpoint(conn.client.address, 0)
        virtual = Endpoint(conn.virtual.address, real.port)
        data = self._conns.find_out(TCP, real, client) or self._data(conn, client, virtual, real, NO_CPORT)
        self._listen(data)
        return data

    # --- data connections ------------------------------------------------------------------------------------

    def _data(self, conn: Conn, client: Endpoint, virtual: Endpoint, real: Endpoint, flags: int) -> Conn:
        data = self._conns.new(TCP, client, virtual, real, conn.dest, flags | conn.flags & NFCT)
        self._conns.adopt(data, conn)
        return data

    def _listen(self, data: Conn) -> None:
        data.state = LISTEN
        data.timeout = self._states.timeouts[TCP][LISTEN]
        self._conns.put(data)

    def _six(self, numbers: tuple[bytes, ...]) -> Endpoint | None:
        """h1,h2,h3,h4,p1,p2; older editions take each modulo 256."""
        values = [int(number) for number in numbers[:6]]
        if self._strict and max(values) > 255:
            return None
        *host, high, low = (value & 255 for value in values)
        return Endpoint(bytes(host), high << 8 | low)

    def _spelled(self, address: bytes, port: bytes) -> Endpoint | None:
        from ipaddress import ip_address

        try:
            return self._port(ip_address(address.decode()).packed, port)
        except ValueError:
            return None

    def _port(self, address: bytes, port: bytes) -> Endpoint | None:
        value = int(port)
        return None if self._strict and value > 0xFFFF else Endpoint(address, value & 0xFFFF)


def _later(seq: int, than: int) -> bool:
    """Whether *seq* lies after *than*, modulo 2^32."""
    return 0 < seq - than & M32 < 0x80000000


def _sound(skb: Skb) -> bool:
    """Whether the segment is whole and its checksum right; of one that the capture cut nobody knows."""
    packet = skb.packet
    whole = packet.l4_there >= 20
    return whole and (not packet.complete or checksum.verify_l4(packet.l3, packet.l4_at, TCP))


def _payload_at(skb: Skb) -> int:
    at = skb.packet.l4_at
    return at + (skb.l3[at + 12] >> 4) * 4


def _spell(endpoint: Endpoint) -> bytes:
    return b",".join(b"%d" % byte for byte in (*endpoint.address, endpoint.port >> 8, endpoint.port & 255))
