"""What only several ports can have wrong: each mistake, and its neighbour that is right."""

from __future__ import annotations

import arms
import pytest

from lbreplay.lab import port_lints
from lbreplay.lab.doctor import Finding, judge
from lbreplay.model import Setup

FOUR = "4"


def found(setup: Setup) -> dict[str, Finding]:
    """Findings by code."""
    return {finding.code: finding for finding in judge(setup)}


def test_nothing_wrong() -> None:
    """DPVS's two-arm full NAT as its tutorial has it."""
    assert not judge(arms.setup(workers=FOUR))


def test_a_local_address_on_the_clients_port() -> None:
    """Its answers come in by the other port: an error that names the right -F; with redirect, one more hop."""
    wrong = arms.setup(workers=FOUR, laddr="192.0.2.200@dpdk1")
    finding = found(wrong)["laddr-elsewhere"]
    assert finding.severity == "error" and finding.where == "service.web.laddr[0]"
    assert finding.what == "192.0.2.200 is on dpdk1, its real servers on dpdk0"
    assert "3/4 of the connections" in finding.leads_to and "-F dpdk0" in finding.cure
    helped = wrong._replace(conn=wrong.conn._replace(redirect=True))
    assert found(helped)["laddr-elsewhere"].severity == "warning"


WORKERS = "[{ cpu_id = 1, queues = { dpdk0 = [0], dpdk1 = [0] } }, { cpu_id = 2, queues = { %s = [1] } }]"


def test_workers_that_poll_one_port() -> None:
    """Without a queue of the clients' port a worker idles; without one of the local addresses' it has no rule."""
    idle, blind = found(arms.setup(workers=WORKERS % "dpdk0")), found(arms.setup(workers=WORKERS % "dpdk1"))
    assert {"worker-without-port", "ports-unequal"} == set(idle)
    assert idle["worker-without-port"].what == "worker 1 polls no queue of dpdk1"
    assert idle["ports-unequal"].what == "queues by port: dpdk0 2, dpdk1 1"
    assert {"worker-without-rules", "ports-unequal"} == set(blind)
    assert blind["worker-without-rules"].severity == "error"


def test_a_virtual_address_on_the_real_servers_port() -> None:
    """As a host's own address where no client comes; in a network of that port it serves clients there."""
    listed = arms.setup(workers=FOUR)
    devices = listed.devices
    vip = listed.services[0].vip
    assert vip is not None
    own = devices[0].address[0]._replace(address=vip.address, prefix=32)
    moved = listed._replace(device=devices[0]._replace(address=(*devices[0].address, own)))
    assert found(moved)["vip-elsewhere"].what == "192.0.2.10 is an address of dpdk0, clients come in by dpdk1"
    near = own._replace(address=own.address[:3] + b"\x01", prefix=24)
    assert not found(listed._replace(device=devices[0]._replace(address=(*devices[0].address, own, near))))


@pytest.mark.parametrize("more, wrong", [
    ("", False),
    ('[[route]]\nto = "10.0.0.0/8"\nvia = "192.168.100.1"\ndevice = "dpdk1"\n', True),
    ('[[route]]\nto = "10.0.0.0/8"\nvia = "192.168.100.1"\ndevice = "dpdk1"\n[[neighbor]]\n'
     'address = "192.168.100.1"\nmac = "02:00:00:00:00:09"\ndevice = "dpdk1"\n', False),
    ('[[route]]\nto = "10.0.0.0/8"\nvia = "192.168.100.1"\ndevice = "dpdk0"\n', False),
])  # fmt: skip
def test_a_gateway_of_another_port(more: str, wrong: bool) -> None:
    """A route leaves by a port where nobody has the gateway's address, unless a neighbour says who does."""
    assert ("gateway-elsewhere" in found(arms.setup(workers=FOUR, more=more))) == wrong


def test_ports_are_judged_each() -> None:
    """What a card refuses is its own fault: rules are only where local addresses are, hashing matters where clients
    come in."""
    inside = found(arms.setup(workers=FOUR, first='driver = "virtio"'))
    assert inside["nic-no-rules"].where.startswith("device.dpdk0.") and "dpdk0" in inside["nic-no-rules"].what
    assert "nic-no-rules" not in found(arms.setup(workers=FOUR, second='driver = "virtio"'))
    assert "rss-unhashed" not in found(arms.setup(workers=FOUR, first='rss = "udp"'))
    assert found(arms.setup(workers=FOUR, second='rss = "udp"'))["rss-unhashed"].where == "device.dpdk1.rss"


def test_a_bond_of_three() -> None:
    """Each slave is asked, with the local addresses of its bond."""
    seen = list(port_lints.each(arms.bonded()))
    assert [name for name, _ in seen] == ["dpdk0", "dpdk1"] and all(one.local_addresses for _, one in seen)
