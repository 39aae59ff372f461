"""The SIP persistence engine: datagrams of one call go to one real server, by their Call-ID (L 5.4, L 10 row 7).

The Call-ID is read as the kernel's SIP parser reads it (recorded): the first line is none of a header's, a line begins
behind CR, LF or CR LF, even in the body; the name is `Call-ID`, or `i` that no letter follows, in any case; behind
blanks and a colon stands the value, perhaps on a folded line. It is a word, or two joined by `@`, and CR or LF follow
it at once. A name without its colon or value fails the datagram, whatever follows; a value that begins with no word is
passed over.
"""

from __future__ import annotations

import re

from lbreplay.wire.packet import UDP, Packet

LONGEST = 255
LINE = re.compile(rb"\r\n|\r|\n")
NAME = re.compile(rb"Call-ID|i(?![A-Za-z])", re.IGNORECASE)
BLANKS = rb"[ \t]*(?:(?:\r\n|\r|\n)[ \t]+)?"  # perhaps with a line break, if the next line is folded
COLON = re.compile(BLANKS + rb":" + BLANKS + rb"(?=[^ \t\r\n])")
WORD = rb"[A-Za-z0-9!\"%'()*+\-./:<>?\[\\\]_`{}~]+"
VALUE = re.compile(WORD + rb"(?:@" + WORD + rb"|(?!@))")


def call_id(packet: Packet) -> bytes:
    """The Call-ID of a SIP message in a datagram; b"" where there is none that can be used."""
    if packet.proto != UDP or packet.l4_there < 8:
        return b""
    message, at = packet.l3[packet.l4_at + 8 :], 0
    while (value_at := _value(message, at)) is not None:
        if found := VALUE.match(message, value_at):
            ends = message[found.end() : found.end() + 1]
            return found.group() if ends in (b"\r", b"\n") and len(found.group()) <= LONGEST else b""
        at += value_at
    return b""


def _value(message: bytes, at: int) -> int | None:
    """Where the value of the next Call-ID from *at* on begins; None: there is none."""
    while line := LINE.search(message, at):
        name = NAME.match(message, line.end())
        if name is not None:
            colon = COLON.match(message, name.end())
            return colon.end() if colon else None
        at = line.end() + 1  # the first byte of a line is no line break
    return None
