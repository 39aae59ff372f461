"""The NIC's rules: which there are, in which order, which queue, and which of them a driver refuses."""

import ipaddress

import pytest

from lbreplay.model import EDITIONS, Device, Endpoint, FlowDirector, Service, Setup, Worker
from lbreplay.nic.flow_director import Matcher, Rule, holdable, imagined, install, port_table, queue_of, used_mask
from lbreplay.nic.strategies import STRATEGIES

LADDR = ipaddress.ip_address("192.168.100.200").packed
LADDR6 = ipaddress.ip_address("2001:db8::200").packed
DPVS = FlowDirector()


def setup(workers=4, laddrs=(LADDR,), flow_director=DPVS, edition="1.10", **device):
    """A port with these workers and local addresses."""
    ranks = tuple(Worker(rank, rank + 1, (rank,)) for rank in range(workers))
    service = Service("web", 6, Endpoint(bytes([10, 0, 0, 100]), 80), laddr=tuple(laddrs))
    return Setup(
        workers=ranks,
        services=(service,),
        device=Device(**device),
        flow_director=flow_director,
        behaviour=EDITIONS[edition],
    )


def wanted(configured):
    """The rules its strategy asks for."""
    return STRATEGIES[configured.flow_director.strategy](configured).rules()


def refused(configured):
    """The reasons of what its driver would refuse."""
    return [refusal.why for refusal in holdable(configured, wanted(configured))[1]]


def test_rules_of_an_address():
    """A rule for every worker and protocol, TCP first, lowest rank first, each to the worker's queue."""
    rules = wanted(setup(3))
    assert [(r.proto, r.rank, r.value, r.mask, r.queue) for r in rules] == [
        (proto, rank, rank, 3, rank) for proto in (6, 17) for rank in range(3)
    ]
    assert len(wanted(setup(8, [bytes([10, 0, 0, i]) for i in range(10)]))) == 160


def test_rule_text():
    """A rule reads as the contract has it, IPv6 too."""
    assert str(Rule(LADDR, 6, 2, 3, 2, 2)) == "192.168.100.200 & 0x3 == 2"
    assert str(Rule(LADDR6, 6, 0, 0, 0, 0)) == "2001:db8::200 & 0x0 == 0"


@pytest.mark.parametrize(
    ("flow_director", "mask"),
    [
        (FlowDirector(), 0x7),
        (FlowDirector(byte_order="host"), 0x700),
        (FlowDirector(dst_port_mask=0xF), 0xF),
        (FlowDirector(dst_port_mask=0x12F, byte_order="host"), 0x2F01),
    ],
)
def test_mask_as_the_nic_compares_it(flow_director, mask):
    """The mask is the right one or the configured one, with its bytes swapped where a host's order is read."""
    assert used_mask(setup(8, flow_director=flow_director), 7) == mask
    assert {rule.mask for rule in wanted(setup(8, flow_director=flow_director))} == {mask}


def test_queue_of_a_worker_with_several():
    """The counter is stepped first and wraps after 14 (S 1.7)."""
    worker = Worker(0, 1, (0, 4, 8))
    assert [queue_of(worker, nth) for nth in range(4)] == [4, 8, 0, 4]
    assert [queue_of(worker, nth) for nth in (13, 14, 15)] == [8, 0, 4]


def test_installed_unless_enforced():
    """Without `enforce` any driver gets all rules, a switched-off flow director none."""
    virtio = setup(driver="virtio")
    assert install(virtio, wanted(virtio)) == (wanted(virtio), [])
    off = setup(flow_director=FlowDirector(enabled=False))
    assert install(off, wanted(off)) == ([], [])
    enforced = setup(driver="virtio", enforce=True)
    held, refusals = install(enforced, wanted(enforced))
    assert (held, len(refusals)) == ([], 8)


def test_rules_that_are_only_imagined():
    """What is taken as installed and would be refused is told, but not with `enforce` or a single worker."""
    virtio = setup(driver="virtio")
    told = imagined(virtio, wanted(virtio))
    assert (told.refused, told.wanted) == (8, 8) and "virtio has no flow director" in str(told)
    for sound in (setup(driver="mlx5"), setup(1, driver="virtio"), setup(driver="virtio", enforce=True)):
        assert imagined(sound, wanted(sound)) is None
    off = setup(driver="virtio", flow_director=FlowDirector(enabled=False))
    assert imagined(off, wanted(off)) is None


@pytest.mark.parametrize(
    ("configured", "count", "why"),
    [
        (setup(driver="ixgbe"), 0, ""),
        (setup(driver="mlx5", laddrs=(LADDR, LADDR6)), 0, ""),
        (setup(driver="ixgbe", laddrs=(LADDR, LADDR6)), 8, "signature mode"),
        (setup(driver="i40e"), 8, "whole ports"),
        (setup(1, driver="i40e"), 0, ""),
        (setup(4, driver="i40e", flow_director=FlowDirector(strategy="laddr")), 0, ""),
        (setup(driver="igb"), 8, "no flow director"),
        (setup(driver="ixgbe", flow_director=FlowDirector(dst_port_mask=1)), 4, "conflicts"),
        (setup(8, driver="ixgbe", flow_director=FlowDirector(byte_order="host")), 14, "conflicts"),
        (setup(driver="mlx5", flow_director=FlowDirector(dst_port_mask=1)), 0, ""),
        (setup(8, driver="ixgbe", laddrs=[bytes([10, 0, 1, i]) for i in range(128)]), 1, "2047"),
        (setup(driver="mlx5", slaves=2), 0, ""),
        (setup(driver="mlx5", slaves=3), 4, "four handles"),
        (setup(driver="mlx5", slaves=5), 8, "four handles"),
        (setup(driver="mlx5", slaves=5, edition="1.8"), 0, ""),
    ],
)
def test_what_a_driver_refuses(configured, count, why):
    """Every driver refuses what S 2.4 and S 2.5 say it does."""
    reasons = refused(configured)
    assert len(reasons) == count
    assert all(why in reason for reason in reasons)


def test_port_table_takes_the_first():
    """Of two patterns that a port meets the first counts."""
    table = port_table([(1, 0), (3, 2), (3, 1)])
    assert table[0:4].tolist() == [0, 2, 0, -1]


def test_matcher_without_rules():
    """No rules, no match."""
    assert Matcher([]).find(LADDR, 6, 80) == -1
