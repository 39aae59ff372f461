"""One frame as a Python object: what the plain path works on, packet by packet.

Columns carry the many; a `Packet` carries the odd one: anything that is not ordinary TCP or UDP of a known connection.
It holds the frame as captured, and the L3 packet trimmed to its own length. Parsing judges nothing: fields that are
not there are 0 or empty, and `stack/` and `dpvs/` decide what that means.
"""

from __future__ import annotations

from struct import unpack_from

ETH_IPV4, ETH_IPV6, ETH_ARP, ETH_VLAN, ETH_LLDP = 0x0800, 0x86DD, 0x0806, 0x8100, 0x88CC
ICMP, IPIP, TCP, UDP, IPV6_IN_IP, GRE, ICMPV6, OSPF, SCTP = 1, 4, 6, 17, 41, 47, 58, 89, 132
HOP_BY_HOP, ROUTING, FRAGMENT, ESP, AH, NO_NEXT, DEST_OPTIONS = 0, 43, 44, 50, 51, 59, 60
FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16


class Packet:
    """A received frame.

    l3_at       offset of the L3 header in the frame (14, or 18 behind one 802.1Q tag that was taken off)
    ethertype   of what is at l3_at; `tag` is the 802.1Q tag control field or None
    family      4, 6 or 0
    l3          the L3 packet from its header on, at most its own total length; shorter where the capture cut it
    l3_length   its length by the IP header (4: total length, 6: 40 + payload length), so padding is not counted
    l4_at       offset of the L4 header in l3; IPv6 extension headers are skipped as `ip6_skip_exthdr` does (S 4.7)
    proto       protocol of what is at l4_at (44 for a later IPv6 fragment)
    l2class     class by destination MAC (stack/link.py: HOST, BROADCAST, MULTICAST, OTHERHOST)
    sport dport flags seq ack    0 where they are not there or make no sense
    """

    __slots__ = (
        "ack",
        "dport",
        "dst",
        "dst_mac",
        "ethertype",
        "extended",
        "family",
        "flags",
        "frame",
        "l2class",
        "l3",
        "l3_at",
        "l3_length",
        "l4_at",
        "l4_there",
        "length",
        "n",
        "port",
        "proto",
        "row",
        "seq",
        "sport",
        "src",
        "src_mac",
        "tag",
        "time_ns",
        "worker",
    )

    def __init__(self, frame: bytes, length: int, time_ns: int = 0, n: int = 0, row: int = 0, worker: int = 0,
                 port: int = 0) -> None:  # fmt: skip
        self.frame = frame
        self.length = length  # of the frame on the wire
        self.time_ns = time_ns
        self.n = n
        self.row = row
        self.worker = worker  # rank of the worker that has the packet now
        self.port = port  # number of the device it came in by
        self.l2class = 0
        self.dst_mac, self.src_mac = frame[0:6], frame[6:12]
        self.ethertype = int.from_bytes(frame[12:14])
        self.l3_at = 14
        self.tag: int | None = None
        self.reparse()

    def untag(self) -> None:
        """Take off one 802.1Q tag and read what is behind it."""
        self.tag = int.from_bytes(self.frame[14:16])
        self.ethertype = int.from_bytes(self.frame[16:18])
        self.l3_at = 18
        self.reparse()

    def quoted(self, at: int) -> Packet:
        """The packet that stands at *at* of L3, as if it had been received: with all that is behind it."""
        rest, length = self.l3[at:], self.l3_length - at
        link = self.dst_mac + self.src_mac + self.ethertype.to_bytes(2)
        inner = Packet(link + rest, len(link) + length, self.time_ns, self.n, self.row, self.worker, self.port)
        inner.l2class, inner.tag, inner.l3, inner.l3_length = self.l2class, self.tag, rest, length
        return inner

    def within(self) -> Packet:
        """This packet, or of a tagged one what is behind its tag."""
        if self.ethertype != ETH_VLAN or self.tag is not None:
            return self
        copy = Packet(self.frame, self.length, self.time_ns, self.n, self.row, self.worker, self.port)
        copy.untag()
        return copy

    def reparse(self) -> None:
        """Read L3 and L4 from l3_at on."""
        self.family = self.proto = self.sport = self.dport = self.flags = self.seq = self.ack = 0
        self.src = self.dst = b""
        self.l4_at = self.l4_there = 0
        self.extended = False
        self.l3 = self.frame[self.l3_at :]
        self.l3_length = self.length - self.l3_at
        if self.ethertype == ETH_IPV4 and len(self.l3) >= 20:
            self._parse_v4()
        elif self.ethertype == ETH_IPV6 and len(self.l3) >= 40:
            self._parse_v6()

    def _parse_v4(self) -> None:
        self.family = 4
        total = int.from_bytes(self.l3[2:4])
        self.l4_at = (self.l3[0] & 15) * 4
        self.proto = self.l3[9]
        self.src, self.dst = self.l3[12:16], self.l3[16:20]
        if self.l4_at <= total <= self.l3_length:
            self.l3_length = total
            self.l3 = self.l3[:total]
        if self.l4_at >= 20 and not self.is_fragment:
            self._parse_l4()

    def _parse_v6(self) -> None:
        self.family = 6
        payload = int.from_bytes(self.l3[4:6])
        self.src, self.dst = self.l3[8:24], self.l3[24:40]
        jumbo = payload == 0 and self.l3[6] == HOP_BY_HOP
        if not jumbo and 40 + payload <= self.l3_length:
            self.l3_length = 40 + payload
            self.l3 = self.l3[: self.l3_length]
        self.proto, self.l4_at, _ = skip_extensions(self.l3)
        self.extended = self.l4_at != 40
        self._parse_l4()

    def _parse_l4(self) -> None:
        l4 = self.l3[self.l4_at :]
        self.l4_there = len(l4)
        if self.proto in (TCP, UDP, SCTP) and len(l4) >= 4:
            self.sport, self.dport = unpack_from(">HH", l4)
        if self.proto == TCP and len(l4) >= 20:
            self.seq, self.ack = unpack_from(">II", l4, 4)
            self.flags = l4[13]

    @property
    def is_fragment(self) -> bool:
        """IPv4: MF set or offset not 0."""
        return self.family == 4 and unpack_from(">H", self.l3, 6)[0] & 0x3FFF != 0

    @property
    def dont_fragment(self) -> bool:
        return self.family == 4 and self.l3[6] & 0x40 != 0

    @property
    def ttl(self) -> int:
        """TTL or hop limit."""
        return self.l3[8] if self.family == 4 else self.l3[7]

    @property
    def vlan(self) -> int | None:
        """VLAN id of the tag that was taken off, None for an untagged frame."""
        return None if self.tag is None else self.tag & 0xFFF

    @property
    def complete(self) -> bool:
        """Whether the capture has the whole L3 packet."""
        return len(self.l3) >= self.l3_length

    @property
    def tcp_header_length(self) -> int:
        """By its data offset, at least 20 and at most what the packet holds."""
        return max(20, min((self.l3[self.l4_at + 12] >> 4) * 4, self.l3_length - self.l4_at))

    @property
    def key(self) -> bytes:
        """Key of the connection tables: protocol, source, destination, ports, as they stand in the packet (D 2.1)."""
        return flow_key(self.proto, self.src, self.sport, self.dst, self.dport)


def flow_key(proto: int, src: bytes, sport: int, dst: bytes, dport: int) -> bytes:
    """13 bytes (IPv4) or 37 (IPv6): what makes a packet belong to one side of a connection."""
    return b"%c%b%b%b%b" % (proto, src, dst, sport.to_bytes(2), dport.to_bytes(2))


def skip_extensions(l3: bytes, at: int = 40) -> tuple[int, int, bool]:
    """(protocol, offset, well-formed) behind the IPv6 extension headers of *l3*, which begin *at* (S 4.7).

    A first fragment is looked through, a later one stops with protocol 44, no-next-header stops with 59.
    A header that runs over the end stops there and is not well-formed.
    """
    proto = l3[6]
    while proto in (HOP_BY_HOP, ROUTING, DEST_OPTIONS, AH, FRAGMENT):
        if at + 8 > len(l3):
            return proto, at, False
        if proto == FRAGMENT:
            if int.from_bytes(l3[at + 2 : at + 4]) & 0xFFF8:
                return FRAGMENT, at, True
            size = 8
        else:
            size = (l3[at + 1] + 2) * 4 if proto == AH else (l3[at + 1] + 1) * 8
        proto, at = l3[at], at + size
    return proto, at, True
