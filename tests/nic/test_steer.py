"""Steering: columns and single packets agree, rules go before RSS, and wrong masks do what S 2.4 says."""

import ipaddress

import numpy as np
import pytest

from lbreplay.burst import (
    BY_DEFAULT,
    BY_FLOW_DIRECTOR,
    BY_RSS,
    KIND_FRAGMENT,
    KIND_NONE,
    KIND_SCTP,
    KIND_TCP,
    KIND_UDP,
    Burst,
)
from lbreplay.model import Device, Endpoint, FlowDirector, Service, Setup, Worker
from lbreplay.nic.steer import Nic

LADDR4 = tuple(ipaddress.ip_address(a).packed for a in ("192.168.100.200", "192.168.100.201", "10.9.100.200"))
LADDR6 = tuple(ipaddress.ip_address(a).packed for a in ("2001:db8::200", "2001:db8:1::200"))
CLIENT, CLIENT6 = bytes([172, 16, 0, 1]), ipaddress.ip_address("2001:db8:ffff::1").packed
DPVS = FlowDirector()
SIZE = 80  # bytes of a frame


def setup(workers=4, *, laddrs=LADDR4 + LADDR6, flow_director=DPVS, **device):
    """A port with these workers, one queue each, and local addresses."""
    service = Service("web", 6, Endpoint(bytes([10, 0, 0, 100]), 80), laddr=laddrs)
    ranks = tuple(Worker(rank, rank + 1, (rank,)) for rank in range(workers))
    return Setup(workers=ranks, services=(service,), flow_director=flow_director, device=Device(**device))


def burst_of(packets):
    """A burst with the columns parsing fills, of (kind, family, src, sport, dst, dport)."""
    at, size = np.arange(len(packets)) * SIZE, np.full(len(packets), SIZE)
    burst = Burst.of(1, np.zeros(len(packets) * SIZE, np.uint8), at, size, size, at)
    burst.kind[:], burst.family[:] = [p[0] for p in packets], [p[1] for p in packets]
    burst.l4[:] = np.where(burst.family == 4, 34, 54)
    for row, start in enumerate((at + burst.l4 + 4).tolist()):
        burst.buffer[start : start + 4] = list(tag(row))
    flows = [p[2] + p[4] + p[3].to_bytes(2) + p[5].to_bytes(2) for p in packets]
    for row, flow in enumerate(flows):
        (burst.wide if burst.family[row] == 6 else burst.flow4)[row] = list(flow) if burst.family[row] else 0
    return burst


def tag(row):
    """The SCTP verification tag of a row of `burst_of`."""
    return (row * 0x9E3779B1 % 2**32).to_bytes(4)


def packets(count, seed=0):
    """Random packets of every kind and both families, many of them to local addresses."""
    random = np.random.default_rng(seed)
    made = []
    for kind in random.integers(KIND_NONE, KIND_SCTP + 1, count).tolist():
        family = 4 if random.random() < 0.6 else 6
        pool = (LADDR4 if family == 4 else LADDR6) + (random.bytes(4 if family == 4 else 16),)
        src, dst = random.bytes(len(pool[0])), pool[random.integers(len(pool))]
        sport, dport = random.integers(0, 65536, 2).tolist() if kind >= KIND_TCP else (0, 0)
        made.append((kind, 0 if kind == KIND_NONE else family, src, sport, dst, dport))
    return [(k, f, s[:4], sp, d[:4], dp) if f != 6 else (k, f, s, sp, d, dp) for k, f, s, sp, d, dp in made]


def rows_of(columns):
    """Columns as tuples, a row each."""
    return [tuple(int(v) for v in row) for row in zip(*columns, strict=True)]


SETUPS = {
    "dpvs": setup(),
    "eight": setup(8, reta_size=512, driver="mlx5"),
    "three": setup(3, rss=frozenset({"tcp"})),
    "narrow": setup(4, flow_director=FlowDirector(dst_port_mask=1)),
    "wide": setup(4, flow_director=FlowDirector(dst_port_mask=15)),
    "host order": setup(8, flow_director=FlowDirector(byte_order="host")),
    "high": setup(8, flow_director=FlowDirector(strategy="port-high")),
    "laddr": setup(3, flow_director=FlowDirector(strategy="laddr")),
    "off": setup(4, flow_director=FlowDirector(strategy="off")),
    "disabled": setup(4, flow_director=FlowDirector(enabled=False)),
    "enforced": setup(4, driver="ixgbe", enforce=True),
    "i40e": setup(4, driver="i40e", rss=frozenset({"ip", "sctp"})),
}


@pytest.mark.parametrize("name", SETUPS)
def test_columns_agree_with_single_packets(name):
    """A row of the columns is what `steer_flow` says of its packet, and of some rows the others stay as they are."""
    nic, sent = Nic(SETUPS[name]), packets(400)
    burst = burst_of(sent)
    nic.steer(burst)
    columns = burst.queue, burst.worker, burst.by, burst.hash, burst.reta, burst.rule
    tags = [tag(row) if packet[0] == KIND_SCTP else b"" for row, packet in enumerate(sent)]
    assert rows_of(columns) == [tuple(nic.steer_flow(*p, t)) for p, t in zip(sent, tags, strict=True)]
    again, rows = burst_of(sent), np.arange(3, 400, 3)
    some = again.queue, again.worker, again.by, again.hash, again.reta, again.rule
    for column in some:
        column.fill(77)
    nic.steer_rows(again, rows)
    wanted = [told if row % 3 == 0 and row else (77,) * 6 for row, told in enumerate(rows_of(columns))]
    assert rows_of(some) == wanted


def test_the_tag_is_hashed_where_the_nic_does():
    """Of SCTP, by i40e: two associations with one pair of ends go apart (S 1.1)."""
    packet = (KIND_SCTP, 4, CLIENT, 7, LADDR4[0], 80)
    for name, apart in (("i40e", True), ("dpvs", False)):
        nic = Nic(SETUPS[name])
        assert (len({nic.steer_flow(*packet, tag(row)).hash for row in range(9)}) > 1) is apart


@pytest.mark.parametrize("name", SETUPS)
def test_first_matching_rule_wins(name):
    """The rule of a packet is the first of the list that matches it; fragments and SCTP meet none (S 2.4)."""
    nic = Nic(SETUPS[name])
    for kind, family, src, sport, dst, dport in packets(300, seed=1):
        proto = {KIND_TCP: 6, KIND_UDP: 17}.get(kind)
        wanted = next((i for i, rule in enumerate(nic.rules) if rule.matches(dst, proto, dport)), -1)
        assert nic.steer_flow(kind, family, src, sport, dst, dport).rule == wanted


@pytest.mark.parametrize("workers", [1, 2, 3, 5, 8, 16, 64])
@pytest.mark.parametrize("strategy", ["port-low", "port-high", "laddr"])
def test_every_owned_port_steers_home(workers, strategy):
    """The answer to a worker's local port comes back to it, in every strategy with rules."""
    configured = setup(workers, flow_director=FlowDirector(strategy=strategy))
    nic = Nic(configured)
    for laddr in (LADDR4[0], LADDR6[0]):
        source = CLIENT if len(laddr) == 4 else CLIENT6
        for rank in range(workers):
            for port in list(nic.strategy.ports(laddr, rank, 1025, 65535))[:: 64512 // workers // 3 or 1]:
                kind, family = (KIND_TCP, KIND_UDP)[port % 2], 4 if len(laddr) == 4 else 6
                steered = nic.steer_flow(kind, family, source, 80, laddr, port)
                assert (steered.rank, steered.by) == (rank, BY_FLOW_DIRECTOR)


def test_by_which_means():
    """TCP to a local address by rule, to the VIP by RSS, ARP by default."""
    nic, vip = Nic(setup()), bytes([10, 0, 0, 100])
    assert nic.steer_flow(KIND_TCP, 4, CLIENT, 80, LADDR4[0], 1026)[:3] == (2, 2, BY_FLOW_DIRECTOR)
    assert nic.steer_flow(KIND_TCP, 4, CLIENT, 80, vip, 80).by == BY_RSS
    assert nic.steer_flow(KIND_FRAGMENT, 4, CLIENT, 0, LADDR4[0], 0).by == BY_RSS
    assert nic.steer_flow(KIND_NONE, 0, b"", 0, b"", 0) == (0, 0, BY_DEFAULT, 0, -1, -1)


def test_orphan_residue_goes_by_rss():
    """With three workers ports of residue 3 match nothing (S 2.2)."""
    steered = Nic(setup(3)).steer_flow(KIND_TCP, 4, CLIENT, 80, LADDR4[0], 1027)
    assert (steered.by, steered.rule) == (BY_RSS, -1)


@pytest.mark.parametrize(
    ("flow_director", "hits"),
    [
        (FlowDirector(), 1.0),
        (FlowDirector(dst_port_mask=15), 0.5),
        (FlowDirector(byte_order="host"), 0.125),
        (FlowDirector(enabled=False), 0.0),
    ],
)
def test_share_of_ports_that_meet_a_rule(flow_director, hits):
    """Of 8 workers: too wide a mask loses half of the ports, the wrong byte order seven eighths (S 2.4, S 2.7)."""
    nic = Nic(setup(8, flow_director=flow_director))
    met = [nic.steer_flow(KIND_TCP, 4, CLIENT, 80, LADDR4[0], port).rule >= 0 for port in range(2048, 63488)]
    assert sum(met) / len(met) == hits


def test_narrow_mask_collapses_on_lower_ranks():
    """A mask of one bit sends ranks 2 and 3 to 0 and 1 (S 2.7)."""
    nic = Nic(setup(4, flow_director=FlowDirector(dst_port_mask=1)))
    assert [nic.steer_flow(KIND_TCP, 4, CLIENT, 80, LADDR4[0], port).rank for port in range(2000, 2004)] == [0, 1, 0, 1]


def test_kni_queue_has_no_rank():
    """What a configured table sends to a KNI worker's queue has rank -1."""
    base = setup(1, laddrs=())
    kni = base._replace(workers=(*base.workers, Worker(-1, 9, (1,), "kni")), device=Device(reta=(1,)))
    assert Nic(kni).steer_flow(KIND_TCP, 4, CLIENT, 1, CLIENT, 2)[:2] == (1, -1)


def test_many_local_addresses():
    """Addresses that share their last bytes, and more than one page of them, each find their own rules."""
    laddrs = tuple(bytes([10, high, 0, low]) for high in range(20) for low in range(1, 11))
    nic = Nic(setup(4, laddrs=laddrs))
    sent = [(KIND_TCP, 4, CLIENT, 80, laddr, 1025 + i % 3) for i, laddr in enumerate(laddrs)]
    burst = burst_of(sent)
    nic.steer(burst)
    assert [nic.rules[rule].laddr for rule in burst.rule] == list(laddrs)
    assert burst.rule.tolist() == [nic.steer_flow(*packet).rule for packet in sent]
