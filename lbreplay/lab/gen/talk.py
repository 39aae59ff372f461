"""A conversation through the balancer: two ends, each of which answers what it heard.

The client hears what leaves for it, the real server what leaves for it, and each acknowledges that. How the server's
side gets into the capture depends on where it is taken: at clients it comes from the virtual address, at the balancer
from the real server, and what a real server under direct routing answers is not there at all.
"""

from __future__ import annotations

from lbreplay.lab.gen import frames
from lbreplay.lab.gen.clients import target
from lbreplay.lab.gen.stage import CLIENT_MAC, REAL_MAC, Heard, Stage
from lbreplay.model import Endpoint, Service
from lbreplay.wire import uoa
from lbreplay.wire.packet import FIN, IPIP, IPV6_IN_IP, SCTP, SYN, TCP, UDP, Packet

CLIENT_ISN, SERVER_ISN = 1000, 5_000_000


class Talk:
    """One client's conversation with *service*.

    to_server, to_client   what each heard last (at clients, `to_server` is what the virtual address was sent)
    inside                 what last left for the real server, wherever the capture is taken
    """

    def __init__(self, stage: Stage, service: Service, client: Endpoint, virtual: Endpoint | None = None) -> None:
        self.stage, self.service, self.client = stage, service, client
        self.virtual = virtual or target(service)
        self.proto = service.protocol
        self.to_server: Packet | None = None
        self.to_client: Packet | None = None
        self.inside: Packet | None = None
        self.options = frames.SYN_OPTIONS  # of SYNs
        self.of_ip: dict[str, int] = {}  # of what is sent: ttl, tos, df
        self._client_seq, self._client_ack = CLIENT_ISN, 0
        self._server_seq, self._server_ack = SERVER_ISN, 0
        direct = service.mode in ("dr", "tunnel")
        self._at_client = stage.view == "client" and service.vip is not None
        self._unseen = direct and not self._at_client

    def play(self, script: str) -> Talk:
        """Go through the words of a script (`scripts.py`)."""
        for word in script.split():
            who, _, what = word.partition(":")
            if who == "wait":
                self.stage.wait(float(what))
            elif who == "c":
                self.c(what)
            else:
                self.s(what)
        return self

    def restart(self, isn: int) -> None:
        """Begin anew with another sequence number, as the same client's next connection does."""
        self._client_seq, self._client_ack = isn, 0
        self._server_seq += 1_000_000

    def c(self, what: str, options: bytes = b"", body: bytes = b"") -> list[Heard]:
        """The client says *what*, flags or chunk and `+` payload; what leaves because of it."""
        said, body = _said(what, body)
        l3 = self._segment(self.client, self.virtual, said, body, self._client_seq, self._client_ack, options)
        self._client_seq += _length(self.proto, said, body)
        left = self.stage.packet(l3, CLIENT_MAC)
        if self._at_client:
            self._server_hears(_packet(l3))
        self._hear(left)
        return left

    def s(self, what: str, options: bytes = b"", body: bytes = b"") -> list[Heard]:
        """The server says *what*. A server that never heard anything says nothing."""
        heard = self.to_server
        if heard is None:
            return []
        said, body = _said(what, body)
        source, dest = (heard.dst, heard.dport), (heard.src, heard.sport)
        seq = self._server_seq
        l3 = self._segment(Endpoint(*source), Endpoint(*dest), said, body, seq, self._server_ack, options)
        self._server_seq += _length(self.proto, said, body)
        if self._unseen or self._at_client:
            self.to_client = _packet(l3)
        if self._unseen:
            self._client_hears(seq, said, body)
            return []
        left = self.stage.packet(l3, CLIENT_MAC if self._at_client else REAL_MAC)
        if self._at_client:
            self._client_hears(seq, said, body)
        self._hear(left)
        return left

    def _client_hears(self, seq: int, said: str, body: bytes) -> None:
        self._client_ack = seq + _length(self.proto, said, body)

    def _segment(self, src: Endpoint, dst: Endpoint, said: str, body: bytes, seq: int, ack: int,
                 options: bytes) -> bytes:  # fmt: skip
        if self.proto == TCP:
            options = options or (self.options if "S" in said else b"")
            return frames.tcp(src, dst, said, seq, ack if "A" in said else 0, body, options=options, **self.of_ip)
        if self.proto == UDP:
            return frames.udp(src, dst, body, **self.of_ip)
        return frames.sctp(src, dst, said, 0x7A67, body or bytes(12), **self.of_ip)

    def _hear(self, left: list[Heard]) -> None:
        """Whom the packets that left are for, by their destination."""
        for one in left:
            packet = understood(one.l3)
            if packet is None:
                continue
            if (packet.dst, packet.dport) == self.client:
                self.to_client = packet
                if self.proto == TCP and not self._at_client:
                    self._client_ack = _behind(packet)
            else:
                self.inside = packet
                if not self._at_client:
                    self._server_hears(packet)

    def _server_hears(self, packet: Packet) -> None:
        self.to_server = packet
        if packet.proto == TCP:
            self._server_ack = _behind(packet)


def understood(l3: bytes) -> Packet | None:
    """What a host makes of *l3*: a segment or datagram, taken out of a tunnel and from behind the client's address."""
    packet = _packet(l3)
    if packet.proto in (IPIP, IPV6_IN_IP):
        packet = _packet(l3[packet.l4_at :])
    elif packet.proto == uoa.OPP:
        at = packet.l4_at
        l3 = bytes(l3[:at]) + l3[at + int.from_bytes(l3[at + 2 : at + 4]) :]
        packet = _packet(l3[:9] + b"\x11" + l3[10:] if packet.family == 4 else l3[:6] + b"\x11" + l3[7:])
    whole = packet.proto in (TCP, UDP, SCTP) and not packet.is_fragment and packet.l4_there >= 8
    return packet if whole else None


def _packet(l3: bytes) -> Packet:
    frame = frames.frame(l3, bytes(6), bytes(6))
    return Packet(frame, len(frame))


def _said(what: str, body: bytes) -> tuple[str, bytes]:
    """Flags or chunk, and the payload: *body*, else as many bytes as *what* says."""
    said, _, size = what.partition("+")
    return said, body or frames.payload(int(size or 0))


def _length(proto: int, said: str, body: bytes) -> int:
    """Sequence numbers that a segment takes."""
    return len(body) + said.count("S") + said.count("F") if proto == TCP else 0


def _behind(packet: Packet) -> int:
    """The sequence number behind a segment that was heard."""
    body = max(packet.l3_length - packet.l4_at - packet.tcp_header_length, 0)
    return packet.seq + body + bool(packet.flags & SYN) + bool(packet.flags & FIN)
