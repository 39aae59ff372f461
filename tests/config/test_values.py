"""Words of a configuration become values, or are refused."""

import pytest

from lbreplay.config import values
from lbreplay.model import AddressRange, Endpoint, Network


@pytest.mark.parametrize(
    "text, address, port",
    [("10.0.0.1:80", "0a000001", 80), ("[2001:db8::1]:443", "20010db8000000000000000000000001", 443)],
)
def test_endpoint_takes_both_families(text: str, address: str, port: int) -> None:
    """An endpoint is an address and a port, IPv6 in brackets, and spells itself the same way."""
    assert values.endpoint(text) == Endpoint(bytes.fromhex(address), port)
    assert str(values.endpoint(text)) == text


@pytest.mark.parametrize(
    "text", ["10.0.0.1", "2001:db8::1:80", "[10.0.0.1]:80", "10.0.0.1:65536", "10.0.0.1:+80", ":80"]
)
def test_endpoint_refuses(text: str) -> None:
    """Neither a lone address nor a bare IPv6 address nor a port out of range is an endpoint."""
    with pytest.raises(ValueError):
        values.endpoint(text)


def test_network_keeps_host_bits() -> None:
    """The address of an interface stays whole; alone it is a network of one."""
    assert values.network("192.168.100.10/24") == Network(bytes([192, 168, 100, 10]), 24)
    assert values.network("::1").prefix == 128


@pytest.mark.parametrize("text", ["10.0.0.0/33", "10.0.0.0/", "10.0.0.0/-1", "fe80::1%eth0", "10.0.0"])
def test_network_refuses(text: str) -> None:
    """Prefixes out of range, zones and broken addresses are refused."""
    with pytest.raises(ValueError):
        values.network(text)


@pytest.mark.parametrize(
    "text, types",
    [("all", {"ip", "tcp", "udp"}), ("off", set()), ("tcp|udp", {"tcp", "udp"}), ("sctp", {"sctp"})],
)
def test_rss_types(text: str, types: set[str]) -> None:
    """`all` leaves SCTP out, `off` is nothing, names are joined by a bar."""
    assert values.rss(text) == types


def test_rss_keys() -> None:
    """A key is the driver's, symmetric, or hex of the right length."""
    assert values.rss_key("default") is None
    assert values.rss_key("symmetric") == b"\x6d\x5a" * 20
    assert values.rss_key(":".join(["6d"] * 40)) == b"\x6d" * 40
    with pytest.raises(ValueError):
        values.rss_key("6d5a")


def test_match_of_snat() -> None:
    """A match has a protocol, ranges and devices; one port or address stands for a range of one."""
    match = values.match("proto=udp,src-range=192.168.0.1-192.168.0.9:53,oif=dpdk1")
    low, high = bytes([192, 168, 0, 1]), bytes([192, 168, 0, 9])
    assert (match.protocol, match.family, match.oif) == (17, 4, "dpdk1")
    assert match.source == AddressRange(low, high, 53, 53)
    assert values.address_range("[fd00::1-fd00::2]:1-9").high_port == 9
    assert values.match("af=ipv6,proto=icmpv6").family == 6


@pytest.mark.parametrize(
    "text", ["", "proto=tcp", "proto=tcp,src-range=10.0.0.1-::1", "af=ipv4,proto=ip", "af=ipv4,x=1"]
)
def test_match_refuses(text: str) -> None:
    """A match needs one family, a protocol that is balanced, and keys that exist."""
    with pytest.raises(ValueError):
        values.match(text)
