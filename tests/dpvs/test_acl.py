"""Black and white lists refuse whom D 14.2 says."""

import pytest
from made_server import address, endpoint, service

from lbreplay.dpvs.acl import AccessControl, bucket
from lbreplay.model import EDITIONS, AccessList, Behaviour, Network, Service

FRIEND, STRANGER = address("172.16.0.5"), address("172.16.0.9")
LIST = AccessList(addresses=frozenset({FRIEND}))


def judge(control: AccessControl, made: Service, src: bytes) -> str:
    assert made.vip is not None
    refusal = control.refusal(made.protocol, src, *made.vip)
    return "" if refusal is None else refusal.name.lower()


def test_nobody_lists_anything() -> None:
    """Then the test is false and nobody is refused."""
    control = AccessControl([service()], Behaviour())
    assert not control
    assert judge(control, service(), STRANGER) == ""


def test_blacklist() -> None:
    """The listed are refused, of that protocol, address and port only."""
    black = service(blacklist=LIST)
    control = AccessControl([black], Behaviour())
    assert control
    assert judge(control, black, FRIEND) == "acl_blacklist"
    assert judge(control, black, STRANGER) == ""
    assert control.refusal(17, FRIEND, address("10.0.0.100"), 80) is None
    assert control.refusal(6, FRIEND, address("10.0.0.100"), 81) is None


def test_whitelist() -> None:
    """Who is not listed is refused; what the real server answers has another destination and passes."""
    white = service(whitelist=LIST)
    control = AccessControl([white], Behaviour())
    assert judge(control, white, FRIEND) == ""
    assert judge(control, white, STRANGER) == "acl_whitelist"
    assert control.refusal(6, address("10.0.0.1"), address("10.0.1.1"), 1025) is None


def test_sets_of_networks() -> None:
    """A network lists all in it; an attached set without networks lists nobody, so a whitelist of it refuses all."""
    network = AccessList(sets=((), (Network(address("172.16.0.0"), 24),)))
    both = service(blacklist=network)
    assert judge(AccessControl([both], Behaviour()), both, STRANGER) == "acl_blacklist"
    assert judge(AccessControl([both], Behaviour()), both, address("172.16.1.1")) == ""
    shut = service(whitelist=AccessList(sets=((),)))
    assert judge(AccessControl([shut], Behaviour()), shut, FRIEND) == "acl_whitelist"


@pytest.mark.parametrize(
    "name, protocol, vip, shut",
    [("same", 6, "10.0.0.101:49", True), ("udp", 17, "10.0.0.100:44368", True), ("open", 6, "10.0.0.101:80", False)],
)
def test_bucket_shuts_out_others(name: str, protocol: int, vip: str, shut: bool) -> None:
    """Edition 1.8: services in the bucket of a whitelist entry refuse everybody, the others nobody."""
    ip, port = vip.split(":")
    other = service(name, ip, int(port), protocol=protocol)
    white = service(whitelist=LIST)
    old = AccessControl([white, other], EDITIONS["1.8"])
    assert [judge(old, white, who) for who in (FRIEND, STRANGER)] == ["", "acl_whitelist"]
    assert [judge(old, other, who) for who in (FRIEND, STRANGER)] == (["acl_whitelist"] * 2 if shut else ["", ""])
    assert judge(AccessControl([white, other], Behaviour()), other, STRANGER) == ""


def test_bucket_of_ipv6() -> None:
    """Only the first 32 bits count."""
    assert bucket(6, *endpoint("2001:db8:1::100", 80)) == bucket(6, *endpoint("2001:db8:ffff::9", 80))
    assert bucket(6, *endpoint("2001:db8:1::100", 80)) != bucket(6, *endpoint("2001:db8:1::100", 81))


def test_lists_are_replaced_and_flushed() -> None:
    """An event puts a new list in place of the old one; a removed service takes its lists along."""
    made = service(blacklist=LIST)
    control = AccessControl([made], EDITIONS["1.8"])
    control.replace(made, blacklist=AccessList(frozenset({STRANGER})))
    assert [judge(control, made, who) for who in (FRIEND, STRANGER)] == ["", "acl_blacklist"]
    control.replace(made, whitelist=LIST)
    assert judge(control, made, address("172.16.0.7")) == "acl_whitelist"
    control.remove(made)
    assert not control
    assert judge(control, made, STRANGER) == ""


def test_match_services_have_no_lists() -> None:
    """Entries need a virtual address."""
    assert not AccessControl([Service("out", 6, blacklist=LIST)], Behaviour())
