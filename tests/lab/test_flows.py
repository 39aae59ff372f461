"""Flows as people write them."""

import craft
import pytest
from lab.made_capture import VIP, capture, client, setup

from lbreplay.burst import KIND_TCP
from lbreplay.errors import CaptureError, ConfigError
from lbreplay.lab.flows import flow, frames_of


def test_reading():
    """With and without a protocol, blanks or not, IPv6 in brackets."""
    assert str(flow("10.0.0.5:4000 > 192.0.2.10:80")) == "10.0.0.5:4000 > 192.0.2.10:80"
    assert flow("tcp 10.0.0.5:4000>192.0.2.10:80").kind == KIND_TCP
    assert str(flow("udp [2001:db8::1]:1 -> [2001:db8::2]:53")) == "udp [2001:db8::1]:1 > [2001:db8::2]:53"


@pytest.mark.parametrize("text", ["", "10.0.0.5:4000", "10.0.0.5 > 1.2.3.4:80", "1.2.3.4:1 > [::1]:2", "x:1 > y:2"])
def test_refused(text):
    """Anything else is refused with an example."""
    with pytest.raises(ConfigError, match=r"--flow: .* expected, got"):
        flow(text)


def test_frames(tmp_path):
    """One direction of one flow."""
    path = capture(tmp_path)
    assert frames_of(flow(f"{client(2)} > {VIP}"), setup(), path) == [5, 7, 8]
    assert frames_of(flow(f"tcp {VIP} > {client(2)}"), setup(), path) == [6]


def test_other_protocol_and_family(tmp_path):
    """The same ports over UDP, and IPv6, are other flows."""
    path = capture(
        tmp_path,
        [craft.udp("1.1.1.1:5", "2.2.2.2:6"), craft.tcp("1.1.1.1:5", "2.2.2.2:6"), craft.syn("[::5]:7", "[::6]:8")],
    )
    assert frames_of(flow("1.1.1.1:5 > 2.2.2.2:6"), setup(), path) == [1, 2]
    assert frames_of(flow("udp 1.1.1.1:5 > 2.2.2.2:6"), setup(), path) == [1]
    assert frames_of(flow("[::5]:7 > [::6]:8"), setup(), path) == [3]


def test_not_there(tmp_path):
    """A flow without a frame is an error."""
    with pytest.raises(CaptureError, match=r"in.pcap: flow 9.9.9.9:9 > 8.8.8.8:8: none of its frames is here"):
        frames_of(flow("9.9.9.9:9 > 8.8.8.8:8"), setup(), capture(tmp_path))
