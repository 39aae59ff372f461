"""Frames to columns: what the NIC and the balancer need to know of each row.

Nothing is judged here but one thing: which rows are *simple*. A simple row is complete TCP or UDP over IPv4 without
options or IPv6 without extension headers that passes every input check of D 1.3 and D 1.4, so that only its connection
decides what becomes of it. Every other row takes the plain path (`wire/packet.py`, `stack/`), which judges in DPVS's
order and finds the name for what is wrong.

    family u1   4, 6, 0            kind u1    KIND_*: what the NIC's hash sees (S 1.4)
    proto u1    L4 protocol        flags u1   TCP flags
    l3_length i4 (by the IP header), l4 i4 (offset of L4 in the frame, 34 or 54 for simple rows)
    header i4   TCP header bytes, 8 of UDP
    seq ack u4
    flow4 u1[n,12]   of IPv4: src, dst, sport, dport as on the wire; ports 0 where the NIC sees none
    wide u1[n,36]    the same of IPv6
    simple b1
    ours b1     sent to this host's MAC address
    tag u2      1 + id of its VLAN device, 0: no tag; simple rows are what stands behind the tag

Bounds: a frame's captured bytes are `caplen` from `at` on; the buffer goes on for PAD bytes behind the last frame,
which is more than headers take (126 bytes at most), so what a short frame does not have reads as something, and
is believed only behind a test of the length.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lbreplay.burst import Burst
from lbreplay.loop import octets

KIND_NONE, KIND_OTHER, KIND_FRAGMENT, KIND_TCP, KIND_UDP, KIND_SCTP = range(6)  # as in burst.py
TCP, UDP, SCTP = 6, 17, 132
IPV4, IPV6, TAG = 0x0008, 0xDD86, 0x0081  # ethertypes as `octets.word16` reads them
FRAGMENT = 0xFF3F  # more fragments, and the offset, read so too
VLANS = 4096  # ids
NOBODYS = b"\xff\xff\xff\xff\xff\xff"  # a MAC that no unicast frame is sent to
Vlan = tuple[int, bytes | None]  # id, MAC

COLUMNS = (
    "family", "proto", "kind", "flags", "simple", "ours", "l3_length", "l4", "header", "seq", "ack", "flow4", "wide",
    "tag",
)  # fmt: skip


def parse(burst: Burst, mac: bytes | None, check_ip_checksum: bool, vlans: Sequence[Vlan] = ()) -> None:
    """Fill the columns of *burst*: see `Parser`."""
    Parser(mac, check_ip_checksum, vlans).parse(burst)


class Parser:
    """The rows of bursts, one after the other. *mac*: of the port, None where every unicast frame is ours (interface
    2); *vlans*: the port's VLAN devices, id and MAC each, None where they have none of their own."""

    def __init__(self, mac: bytes | None, check_ip_checksum: bool, vlans: Sequence[Vlan]) -> None:
        self.any_mac, self.check, self.vlans = mac is None, check_ip_checksum, bytearray(VLANS)
        macs = [mac or NOBODYS, *(mac or NOBODYS for _, mac in vlans)]  # of the port, and of each device by number
        self.heads = memoryview(b"".join(mac[:4] for mac in macs)).cast("I")
        self.tails = memoryview(b"".join(mac[4:] for mac in macs)).cast("H")
        for number, (vid, _) in enumerate(vlans, 1):
            self.vlans[vid] = number
        self.room: Any = None

    def parse(self, burst: Burst) -> None:
        """Fill the columns COLUMNS of *burst*."""
        if burst.room is not self.room:
            self.room = burst.room
            self._move_in(burst.room.flat)
        self.buffer = burst.data
        self.run(burst.size)

    def _move_in(self, of: Any) -> None:
        """The columns of another room."""
        self.at, self.caplen, self.tag = of["at"], of["caplen"], of["tag"]
        self.family, self.proto, self.kind, self.flags = of["family"], of["proto"], of["kind"], of["flags"]
        self.simple, self.ours, self.seq, self.ack = of["simple"], of["ours"], of["seq"], of["ack"]
        self.l3_length, self.l4, self.header = of["l3_length"], of["l4"], of["header"]
        self.flow4, self.wide = of["flow4"], of["wide"]

    def run(self, size: int) -> None:
        """Every row."""
        for row in range(size):
            self._row(row)

    def _row(self, row: int) -> None:
        at, there = self.at[row], self.caplen[row]
        self.ours[row], self.tag[row] = self._is_ours(at), 0
        tagged = octets.word16(self.buffer, at + 12) == TAG
        if tagged:
            at += 4
            there -= 4
        ethertype, first = octets.word16(self.buffer, at + 12), self.buffer[at + 14]
        if ethertype == IPV4 and there >= 34 and 0x45 <= first <= 0x4F:
            self._v4(row, at, there, first)
        elif ethertype == IPV6 and there >= 54 and first >> 4 == 6:
            self._v6(row, at, there)
        else:
            self._no_ip(row)
        if tagged:
            self._take_tag(row, self.at[row])

    def _take_tag(self, row: int, at: int) -> None:
        """What comes to a VLAN device of the port is as simple as without its tag (D 1.2), which has 4 bytes."""
        vid = self._be16(at + 14) & 0xFFF
        if not self.vlans[vid]:
            self.simple[row] = 0
            return
        self.tag[row] = 1 + vid
        if not self.ours[row]:
            self.ours[row] = self._is_of(at, self.vlans[vid])

    def _is_of(self, at: int, number: int) -> int:
        head, tail = octets.word32(self.buffer, at), octets.word16(self.buffer, at + 4)
        return head == self.heads[number] and tail == self.tails[number]

    def _is_ours(self, at: int) -> int:
        return not self.buffer[at] & 1 if self.any_mac else self._is_of(at, 0)

    def _no_ip(self, row: int) -> None:
        self.family[row] = self.proto[row] = self.flags[row] = self.simple[row] = 0
        self.kind[row] = KIND_NONE
        self.l3_length[row] = self.l4[row] = self.header[row] = self.seq[row] = self.ack[row] = 0
        self.flow4[3 * row] = self.flow4[3 * row + 1] = self.flow4[3 * row + 2] = 0

    def _v4(self, row: int, at: int, there: int, first: int) -> None:
        """*at* is where the frame begins as if it had no tag, *there* how many bytes of it are."""
        l4, proto = (first & 15) * 4 + 14, self.buffer[at + 23]
        kind = KIND_FRAGMENT if octets.word16(self.buffer, at + 20) & FRAGMENT else self._kind(proto, there - l4)
        self.family[row] = 4
        self.flow4[3 * row] = octets.word32(self.buffer, at + 26)
        self.flow4[3 * row + 1] = octets.word32(self.buffer, at + 30)
        self.flow4[3 * row + 2] = octets.word32(self.buffer, at + l4) if kind >= KIND_TCP else 0
        sound = l4 == 34 and (not self.check or octets.checksum(octets.total(self.buffer, at + 14, 20)) == 0)
        self._transport(row, at, there, l4, self._be16(at + 16), proto, kind, sound)

    def _v6(self, row: int, at: int, there: int) -> None:
        proto = self.buffer[at + 20]
        kind = self._kind(proto, there - 54)
        self.family[row] = 6
        for word in range(8):
            self.wide[9 * row + word] = octets.word32(self.buffer, at + 22 + 4 * word)
        self.wide[9 * row + 8] = octets.word32(self.buffer, at + 54) if kind >= KIND_TCP else 0
        source, dest = self.buffer[at + 22], self.buffer[at + 38]
        sound = source != 0 and source != 0xFF and dest != 0 and dest != 0xFF  # none is unspecified, mapped, multicast
        self._transport(row, at, there, 54, self._be16(at + 18) + 40, proto, kind, sound)

    def _kind(self, proto: int, l4_there: int) -> int:
        """What the NIC takes a packet for: without ports to read (of SCTP: the tag) it is other IP."""
        if proto == TCP and l4_there >= 4:
            return KIND_TCP
        if proto == UDP and l4_there >= 4:
            return KIND_UDP
        return KIND_SCTP if proto == SCTP and l4_there >= 8 else KIND_OTHER

    def _transport(
        self, row: int, at: int, there: int, l4: int, l3_length: int, proto: int, kind: int, sound: int
    ) -> None:
        """The rest of an IP row; *sound*: its IP header is ordinary. The L4 header need not be there, see Bounds."""
        tcp, at = proto == TCP, at + l4
        body, header = l3_length + 14 - l4, (self.buffer[at + 12] >> 4) * 4 if tcp else 8
        self.proto[row], self.kind[row], self.l3_length[row], self.l4[row] = proto, kind, l3_length, l4
        self.header[row], self.flags[row] = header, self.buffer[at + 13] if tcp else 0
        self.seq[row], self.ack[row] = self._be32(at + 4), self._be32(at + 8)
        if kind == KIND_TCP:
            sound = sound and header >= 20
        else:
            sound = sound and kind == KIND_UDP and self._be16(at + 4) == body
        self.simple[row] = sound and l3_length + 14 <= there and header <= body

    def _be16(self, at: int) -> int:
        return octets.swapped(octets.word16(self.buffer, at)) >> 16

    def _be32(self, at: int) -> int:
        return octets.swapped(octets.word32(self.buffer, at))
