"""The SIP persistence engine: datagrams of one call go to one real server, by their Call-ID (L 5.4, L 10 row 7)."""

from __future__ import annotations

import re

from lbreplay.wire.packet import UDP, Packet

LONGEST = 255
HEADER = re.compile(rb"\r?\n(?:Call-ID|i)[ \t]*:[ \t]*([^\r\n]*)[\r\n]", re.IGNORECASE)


def call_id(packet: Packet) -> bytes:
    """The Call-ID of a SIP message in a datagram; b"" where there is none that can be used."""
    if packet.proto != UDP or packet.l4_there < 8:
        return b""
    found = HEADER.search(packet.l3, packet.l4_at + 8)
    value = found.group(1) if found else b""
    return value if len(value) <= LONGEST else b""
