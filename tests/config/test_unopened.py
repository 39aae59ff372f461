"""Flows that nobody was seen to open, and whose service they may be of."""

from ipaddress import ip_address

import pytest

from lbreplay.config import unopened
from lbreplay.config.unopened import Ends, Unopened, special_of
from lbreplay.config.values import endpoint

WEB, DNS = (4, 6), (4, 17)


def ends(source: str, dest: str) -> Ends:
    """A flow by its first frame."""
    first, second = endpoint(source), endpoint(dest)
    return Ends(first.address, first.port, second.address, second.port)


@pytest.mark.parametrize(
    "source, dest, server",
    [
        ("10.0.0.1:4000", "10.0.0.2:80", "10.0.0.2:80"),
        ("10.0.0.2:80", "10.0.0.1:4000", "10.0.0.2:80"),
        ("10.0.0.1:500", "10.0.0.2:500", "10.0.0.2:500"),
    ],
)
def test_whose_service(source: str, dest: str, server: str) -> None:
    """The end with the lower port, whichever way the first frame went."""
    flow = ends(source, dest)
    assert str(flow.server) == server and flow.client == endpoint("10.0.0.1:1").address


def test_guesses() -> None:
    """By their flows; what was opened after all, or is of a service that is known, is none."""
    flows = Unopened()
    flows.note(WEB, 1, ends("10.0.0.1:4000", "10.0.0.9:80"))
    flows.note(WEB, 2, ends("10.0.0.9:80", "10.0.0.2:4000"))
    flows.note(DNS, 1, ends("10.0.0.1:5000", "10.0.0.9:53"))
    flows.note(WEB, 3, ends("10.0.0.1:4001", "10.0.0.8:80"))
    flows.note(WEB, 4, ends("10.0.0.1:4002", "10.0.0.7:80"))
    flows.note(WEB, 5, ends("10.0.0.6:80", "10.0.0.1:4003")._replace(answer=True))
    flows.opened(WEB, 3)
    flows.opened(WEB, 99)
    known = {(6, endpoint("10.0.0.7:80"))}
    found = [(guess.protocol, str(guess.endpoint), guess.flows, len(guess.clients)) for guess in flows.guesses(known)]
    assert found == [(6, "10.0.0.9:80", 2, 2), (17, "10.0.0.9:53", 1, 1)]
    assert (flows.under_way(), flows.unanswered(), flows.answers()) == (3, 1, 1)


@pytest.mark.parametrize(
    "address, what",
    [
        ("127.0.0.1", "loopback"),
        ("::1", "loopback"),
        ("169.254.1.1", "link-local"),
        ("fe80::1", "link-local"),
        ("224.0.0.1", "group"),
        ("255.255.255.255", "group"),
        ("ff02::1", "group"),
        ("0.0.0.0", "group"),
        ("10.0.0.1", ""),
        ("2001:db8::1", ""),
    ],
)
def test_addresses_that_no_service_has(address: str, what: str) -> None:
    """Of the host itself, of the link alone, and groups: their flows are counted by that, and are nobody's service."""
    assert special_of(ip_address(address).packed) == what
    flows = Unopened()
    flows.note(WEB, 1, Ends(ip_address(address).packed, 4000, ip_address(address).packed, 80))
    assert flows.special() == ({what: 1} if what else {}) and bool(flows.guesses(())) != bool(what)


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond the limit flows are counted alone."""
    monkeypatch.setattr(unopened, "MAX_PAIRS", 2)
    flows = Unopened()
    for number in range(5):
        flows.note(WEB, number, ends("10.0.0.1:4000", "10.0.0.9:80"))
    assert (flows.under_way(), flows.missed) == (2, 3)
