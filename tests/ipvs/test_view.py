"""Where the capture was taken (interface 3 and 8)."""

from __future__ import annotations

import craft
import pytest
from kernel import CLIENT, VIP, A, Kernel, service
from scapy.layers.inet import IP, TCP


def test_client_view_turns_answers() -> None:
    """What the virtual address says is the real server's answer, translated back to what was captured, TTL lowered."""
    k = Kernel(service(A), view="client")
    k.send(craft.syn(CLIENT, VIP))
    seen = k.send(craft.tcp(VIP, CLIENT, "SA", ttl=60))
    assert (seen.verdict, seen.story.lookup) == ("nat_replied", "out")
    assert (seen.only[IP].src, seen.only[TCP].sport, seen.only[IP].ttl) == ("10.0.0.100", 80, 59)


@pytest.mark.parametrize(("mode", "verdict"), [("dr", "direct_reply"), ("tunnel", "direct_reply")])
def test_direct_answers(mode: str, verdict: str) -> None:
    """They do not pass the director."""
    k = Kernel(service(A, mode=mode), view="client")
    k.send(craft.syn(CLIENT, VIP))
    assert k.send(craft.tcp(VIP, CLIENT, "SA")).verdict == verdict


def test_answer_without_connection() -> None:
    """Nobody asked."""
    assert Kernel(service(A), view="client").send(craft.tcp(VIP, CLIENT, "SA")).verdict == "reply_without_conn"


@pytest.mark.parametrize("src", [VIP, "10.1.0.50:9"])
def test_lb_view(src: str) -> None:
    """The virtual address's frames, and those from the port's own MAC, are the director's own."""
    frame = craft.tcp(src, CLIENT, mac=craft.OURS)
    assert Kernel(service(A), view="lb").send(frame).verdict == "own_transmit"


def test_rx_view() -> None:
    """Everything was received: a foreign packet with our own address as source is dropped."""
    assert Kernel(service(A), view="rx").send(craft.tcp(VIP, CLIENT)).verdict == "martian_source"
