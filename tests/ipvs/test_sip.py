"""The SIP persistence engine: by Call-ID, and connections that real servers open (L 5.4, L 10)."""

from __future__ import annotations

import craft
import pytest
from kernel import Kernel, service

from lbreplay.ipvs.sip import call_id
from lbreplay.wire.packet import Packet

VIP = "10.0.0.100:5060"
REALS = ("10.1.0.11:5060", "10.1.0.12:5060")
SIP = service(*REALS, vip=VIP, protocol="udp", persistent={"timeout": 60}, persistence_engine="sip")
MESSAGE = b"INVITE sip:bob SIP/2.0\r\nVia: x\r\nCall-ID: %b\r\n\r\n"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (MESSAGE % b"abc@host", b"abc@host"),
        (b"INVITE\r\ni: short\r\n", b"short"),
        (MESSAGE % (b"x" * 256), b""),
        (b"INVITE\r\nCall-ID: unfinished", b""),
        (b"INVITE\r\n\r\n", b""),
        (b"A\r\nCall-IDs: one@x\r\nCall-ID: two@x\r\n", b""),
        (b"A\r\nCall-ID: \r\nCall-ID: two@x\r\n", b""),
        (b"A\r\nCall-ID:\r\n folded@x\r\n", b"folded@x"),
        (b"A\r\nCall-ID: trail@x \r\n", b""),
        (b"A\rCall-ID: cr@x\r", b"cr@x"),
        (b"A\nI : lf@x\n", b"lf@x"),
        (b"A\r\nibis: no@x\r\ni: yes@x\r\n", b"yes@x"),
        (b"Call-ID: first@x\r\nCall-ID: second@x\r\n", b"second@x"),
        (b"A\r\nCall-ID: @x\r\nCall-ID: later@x\r\n", b"later@x"),
        (b"A\r\nCall-ID: none@\r\n", b""),
    ],
)
def test_call_id(text: bytes, found: bytes) -> None:
    """Long and short name of the header; too long, unfinished or missing is none."""
    frame = craft.udp("1.1.1.1:5060", VIP, text)
    assert call_id(Packet(frame, len(frame))) == found


def test_a_call_keeps_its_real_server() -> None:
    """Whatever port it comes from; another call goes on in turn; without a Call-ID the datagram is dropped."""
    k = Kernel(SIP)
    chosen = [
        k.send(craft.udp(f"198.51.100.1:{port}", VIP, MESSAGE % call)).real
        for port, call in ((1, b"one"), (2, b"one"), (3, b"two"), (4, b"one"))
    ]
    assert chosen == [REALS[1], REALS[1], REALS[0], REALS[1]]
    assert k.send(craft.udp("198.51.100.1:9", VIP, b"noise")).verdict == "persistence_failed"


def test_a_real_server_calls() -> None:
    """A datagram it sends first makes a connection, and leaves with the virtual address."""
    k = Kernel(SIP)
    seen = k.send(craft.udp(REALS[0], "198.51.100.7:5060", MESSAGE % b"three"))
    assert (seen.verdict, seen.story.new, str(seen.conn.virtual)) == ("nat_replied", True, VIP)
    assert k.send(craft.udp("198.51.100.7:5060", VIP, MESSAGE % b"three")).real == REALS[0]


def test_one_packet_connections_of_real_servers() -> None:
    """With one-packet scheduling what it sends first is translated, and nothing stays but the template (recorded)."""
    k = Kernel(SIP.replace("[[service.real]]", "one_packet = true\n[[service.real]]", 1))
    seen = k.send(craft.udp(REALS[0], "198.51.100.7:5060", MESSAGE % b"three"))
    assert (seen.verdict, len(k.parts.conns)) == ("nat_replied", 1)
    assert k.send(craft.udp(REALS[0], "198.51.100.7:5060", b"noise")).verdict == "forwarded_plain"


def test_a_call_moves_to_the_real_server_that_speaks() -> None:
    """Its template is of another: that one is found no more, a new one is made (recorded)."""
    k = Kernel(SIP)
    first = k.send(craft.udp("198.51.100.7:1", VIP, MESSAGE % b"call")).real
    other = next(real for real in REALS if real != first)
    k.send(craft.udp(other, "198.51.100.7:2", MESSAGE % b"call"))
    assert k.send(craft.udp("198.51.100.7:3", VIP, MESSAGE % b"call")).real == other


def test_who_added_a_real_server_last_has_it() -> None:
    """A later service without an engine takes what it sends first; without that service it is the call's again."""
    k = Kernel(SIP, service(REALS[0], name="other", vip="10.0.0.100:5061", protocol="udp"))
    call = craft.udp(REALS[0], "198.51.100.7:5060", MESSAGE % b"three")
    assert k.send(call).verdict == "forwarded_plain"
    k.remove(REALS[0], "other")
    assert k.send(call).verdict == "nat_replied"
