"""doctor: every mistake is found where it is and nowhere else, with its numbers and a cure that cures."""

import pytest

from lbreplay.config.load import load
from lbreplay.lab.doctor import ERROR, LINTS, WARNING, document, judge, verdict

BASE = """
workers = 8
[[service]]
name = "web"
vip = "10.0.0.100:80"
laddr = ["192.168.100.200"]
[[service.real]]
address = "192.168.100.2:8080"
[[service.real]]
address = "192.168.100.3:8080"
"""
UDP = """
[[service]]
name = "dns"
protocol = "udp"
vip = "10.0.0.100:53"
laddr = ["192.168.100.200"]
[[service.real]]
address = "192.168.100.2:5353"
"""
SCTP = UDP.replace('"udp"', '"sctp"')
SNAT = """
[[service]]
name = "out"
mode = "snat"
match = "proto=tcp,src-range=192.168.100.0-192.168.100.255"
[[service.real]]
address = "203.0.113.1:0"
"""
PROXIED = ["service.web.laddr=[]", "service.web.synproxy=true"]
NAT_HERE = [
    *("service.web.mode=nat", "service.web.laddr=[]", "service.web.vip=192.168.100.7:80"),
    "device.address=['192.168.100.1/24']",
]
SNAT_ICMP = """
[[service]]
name = "ping"
protocol = "icmp"
mode = "snat"
match = "proto=icmp,src-range=192.168.100.0-192.168.100.255"
[[service.real]]
address = "203.0.113.1:0"
"""
V6 = """
[[service]]
name = "six"
vip = "[2001:db8::100]:80"
laddr = ["2001:db8::200"]
[[service.real]]
address = "[2001:db8::2]:8080"
"""
WEIGHTS_LATER = '[[event]]\nat = 1\nset = "service.web.real.192.168.100.2:8080.weight=32768"\n'
REAL_LATER = '[[event]]\nat = 1\nadd = "service.web.real"\nvalue = { address = "192.168.100.9:8080", weight = 40000 }\n'
DIRECT = BASE.replace("8080", "80").replace('laddr = ["192.168.100.200"]\n', "")
KERNEL = 'profile = "ipvs"\n[[service]]\n'
HEAVY = ["service.web.real.192.168.100.2:8080.weight=3"]
ONE_PACKET = """
profile = "ipvs"
[[service]]
name = "dns"
vip = "10.0.0.100:53"
protocol = "udp"
one_packet = true
mode = "nat"
[[service.real]]
address = "10.9.0.2:53"
"""
FAR = """
profile = "ipvs"
edition = "6.1"
[device]
address = ["10.0.0.1/24"]
[[route]]
to = "0.0.0.0/0"
via = "10.0.0.254"
[[service]]
name = "web"
vip = "10.0.0.100:80"
mode = "dr"
[[service.real]]
address = "10.9.0.2:80"
"""
KERNEL_TRACKED = """
profile = "ipvs"
edition = "6.1"
[ipvs]
conntrack = 1
[[service]]
name = "web"
vip = "10.0.0.100:80"
[[service.real]]
address = "10.9.0.2:80"
"""
KNI = "workers=[{cpu_id=1,queues=[0]},{cpu_id=2,queues=[1]},{cpu_id=5,kind='kni',queues=[2]}]"
LADDRS = [f"10.1.0.{i}" for i in range(1, 200)]


def setup(*sets, text=BASE):
    """The base configuration with these settings."""
    return load("lb.toml", sets, text=text)


def codes(configured):
    """What doctor finds, by code."""
    return [finding.code for finding in judge(configured)]


OF_PORTS = {  # test_port_lints.py has them
    "laddr-elsewhere", "worker-without-rules", "gateway-elsewhere", "vip-elsewhere", "ports-unequal",
    "worker-without-port",
}  # fmt: skip
CASES = [
    ("mask-byte-order", ["flow_director.byte_order=host"], BASE, "7/8"),
    ("mask-byte-order", ["flow_director.byte_order=host", "flow_director.dst_port_mask=7"], BASE, "0x0700"),
    ("mask-narrow", ["flow_director.dst_port_mask=1"], BASE, "3/4"),
    ("mask-narrow", ["flow_director.dst_port_mask=0"], BASE, "7/8"),
    ("mask-wide", ["flow_director.dst_port_mask=15"], BASE, "7/16"),
    ("mask-wrong-bits", ["flow_director.dst_port_mask=0x00f8"], BASE, "bits 3-7"),
    ("no-port-rules", ["flow_director.enabled=false"], BASE, "7/8"),
    ("nic-no-rules", ["device.driver=igb"], BASE, "16 of 16"),
    ("nic-no-rules", ["device.driver=virtio"], BASE, "flow_director.enabled"),
    ("nic-port-mask", ["device.driver=i40e"], BASE, "laddr"),
    ("nic-ipv6", ["device.driver=ixgbe"], BASE + V6, "2001:db8::200"),
    ("nic-ipv6", ["device.driver=ixgbe", "workers=1"], BASE + V6, "signature"),
    ("nic-bond", ["device.slaves=3"], BASE, "8 of 16"),
    ("nic-rule-count laddr-beyond-trials", [f"service.web.laddr={LADDRS[:128]}"], BASE, "1 of 2048"),
    ("sctp-no-rules", [], BASE + SCTP, "7/8"),
    ("synproxy-direct synproxy-no-checksums", ["service.web.mode=dr", *PROXIED], BASE, "a SYN proxy in mode dr"),
    ("one-packet-no-way-back", ["service.dns.one_packet=true"], BASE + UDP, "never in a table"),
    ("port-zero", ["service.web.vip=10.0.0.100:0", "service.web.persistent={}"], BASE, "port 0 at 10.0.0.100"),
    ("list-on-match snat-without-pool", ["service.out.blacklist=['192.168.100.9']"], BASE + SNAT, "a blacklist of"),
    ("tunnel-source", ["service.web.mode=tunnel", "service.web.laddr=[]"], BASE, "0.0.0.0"),
    ("nat-one-network", ["workers=1", *NAT_HERE], BASE, "are both of 192.168.100.1/24"),
    ("icmp-no-rules", [], BASE + SNAT_ICMP, "7/8"),
    ("nat-many-workers", ["service.web.mode=nat", "service.web.laddr=[]"], BASE, "7/8"),
    ("rss-unhashed", ["device.rss=tcp"], BASE + UDP, '"all"'),
    ("rss-unhashed nic-port-mask", ["device.rss=ip", "device.driver=i40e"], BASE, "TCP"),
    ("rss-port-pairs", ["device.rss=ip", "flow_director.strategy=rss-port"], BASE, "TCP"),
    ("rank-not-power-of-two", ["workers=9"], BASE, "28,224 of 64,511"),
    ("worker-without-ports", ["flow_director.strategy=laddr"], BASE, "7/8"),
    ("worker-without-ports", ["flow_director.strategy=port-high", "sa_pool.low=8192"], BASE, "worker 0 own no port"),
    ("laddr-is-vip", ["service.web.laddr=['10.0.0.100']"], BASE, "port 80 sends the whole service to worker 0"),
    ("snat-without-pool", [], BASE + SNAT, "203.0.113.1"),
    ("laddr-beyond-trials", [f"service.web.laddr={LADDRS[:17]}"], BASE, "17 local addresses"),
    ("shared-bucket", ["service.web.real.192.168.100.3:8080.address=192.168.100.18:8080"], BASE, "64,511 connections"),
    ("shared-bucket", ["sa_pool.hash_size=1"], BASE, "hash_size = 2"),
    ("max-conn-unlimited", ["service.web.real.192.168.100.2:8080.max_conn=7"], BASE, "max_conn = 8 or more"),
    ("weight-negative", ["service.web.real.192.168.100.2:8080.weight=65535"], BASE, "weight 65535 is -1 in DPVS"),
    ("weight-negative", [], BASE + WEIGHTS_LATER, "weight 32768 is -32768 in DPVS"),
    (
        "synproxy-no-checksums synproxy-direct tunnel-source",
        ['service.web.mode="tunnel"', "service.web.synproxy=true"],
        DIRECT,
        "tunnel service",
    ),
    ("weight-negative", [], BASE + REAL_LATER, "service.web.real.192.168.100.9:8080.weight"),
    ("persistence-prefix nic-ipv6", ["service.six.persistent={netmask=64}"], V6, "a prefix of 64 bits"),
    ("no-weight", [f"service.web.real.192.168.100.{i}:8080.weight=0" for i in (2, 3)], BASE, "all 2 real"),
    ("queue-without-worker", ["workers=[{cpu_id=1,queues=[0]},{cpu_id=2,queues=[2]}]"], BASE, "queue 1"),
    ("queue-beyond-16", ["workers=32"], BASE, "up to 31"),
    ("reta-kni", [KNI, "device.reta=[0,1,2,2]"], BASE, "1/2"),
    ("reta-kni", [KNI, "edition=1.8"], BASE, "1/3"),
    ("real-without-route", [], BASE + '[[route]]\nto = "10.0.0.0/8"\n', "no route leads to 192.168.100.3"),
    ("weights-ignored", ["service.web.scheduler=rr", *HEAVY], BASE, "rr with weights 1, 3"),
    ("one-packet-no-way-back", [], ONE_PACKET, "in mode nat"),
    ("direct-through-router", [], FAR, "leads through 10.0.0.254"),
    ("ftp-without-data", ["service.web.vip=10.0.0.100:21"], BASE, "FTP in mode fnat"),
    ("conntrack-unused", [], KERNEL_TRACKED, "conntrack = 1"),
    ("reused-port-delay", ['edition="5.4"'], KERNEL_TRACKED, "5.9"),
    (
        "mark-without-rule",
        [],
        KERNEL + 'fwmark = 7\nreal = [{ address = "10.1.0.2:0" }]',
        "no [[mark]] gives the mark 7",
    ),
    ("no-real", [], KERNEL + 'vip = "10.0.0.100:80"', "no_dest_unreachable"),
    (
        "port-not-translated",
        [],
        KERNEL + 'vip = "10.0.0.100:80"\nreal = [{ address = "10.1.0.2:8080" }]',
        "the port 80",
    ),
    (
        "ftp-without-helper",
        [],
        KERNEL + 'vip = "10.0.0.100:21"\nmode = "nat"\nreal = [{ address = "10.1.0.2:21" }]',
        "ip_vs_ftp",
    ),
    ("reta-idle", ["device.reta=[0,1,2,3]"], BASE, "workers 4, 5, 6, 7"),
]


def test_sound_configuration():
    """Nothing is found in a configuration without mistakes, with one worker or eight."""
    assert judge(setup()) == judge(setup("workers=1")) == []


@pytest.mark.parametrize(("code", "sets", "text", "says"), CASES)
def test_mistake(code, sets, text, says):
    """The mistake is found once, with no other than those named, and its texts carry what matters."""
    findings = {finding.code: finding for finding in judge(setup(*sets, text=text))}
    assert sorted(findings) == sorted(code.split())
    assert says in " ".join(findings[code.split()[0]])


def test_unowned_ports_are_found_beside_the_missing_rules():
    """Strategy off is two mistakes: answers go astray, and ports are bound twice."""
    assert codes(setup("flow_director.strategy=off")) == ["no-port-rules", "ports-unowned"]


def test_mistakes_that_configurations_refuse():
    """What a configuration file cannot say, a Setup can: no local address; masks that a NIC would not mix."""
    base = setup()
    bare = base._replace(services=(base.services[0]._replace(laddr=()),))
    assert "no-laddr" in codes(bare)


def test_every_lint_has_a_case():
    """A new lint comes with a case here, or where there are several ports; one-mask needs a mix that no strategy
    makes."""
    tested = {case[0].split()[0] for case in CASES} | {"ports-unowned", "no-laddr"} | OF_PORTS
    assert {lint.code for lint in LINTS} - tested == {"nic-one-mask"}


@pytest.mark.parametrize("helper", ["conn.redirect=true", "conn.table=shared"])
@pytest.mark.parametrize(
    "sets", [["flow_director.dst_port_mask=1"], ["flow_director.enabled=false"], ["device.driver=i40e"]]
)
def test_redirect_softens_wrong_steering(helper, sets):
    """Where workers help each other a wrong rule costs a hop: a warning."""
    assert [finding.severity for finding in judge(setup(*sets))] == [ERROR]
    softened = judge(setup(*sets, helper))
    assert [finding.severity for finding in softened] == [WARNING]
    assert "hop" in softened[0].leads_to


@pytest.mark.parametrize(
    ("sets", "cure"),
    [
        (["device.driver=i40e"], ["flow_director.strategy=laddr", f"service.web.laddr={LADDRS[:8]}"]),
        (["device.driver=virtio"], ["flow_director.strategy=rss-port"]),
        (["flow_director.dst_port_mask=1"], ["flow_director.dst_port_mask=7"]),
        (["flow_director.dst_port_mask=1"], ["flow_director.dst_port_mask=auto"]),
        (["sa_pool.hash_size=1"], ["sa_pool.hash_size=2"]),
        (["workers=9"], ["workers=8"]),
        (["device.reta=[0]"], ["device.reta=default"]),
    ],
)
def test_cures_cure(sets, cure):
    """What a finding tells to do makes it go away."""
    assert codes(setup(*sets))
    assert not codes(setup(*sets, *cure))


def test_exit_status_and_document():
    """Errors fail, warnings only when strict; the document counts both."""
    errors, warnings = judge(setup("flow_director.dst_port_mask=1")), judge(setup("workers=9"))
    assert [verdict(found, strict) for found in (errors, warnings, []) for strict in (False, True)] == [
        1,
        1,
        0,
        1,
        0,
        0,
    ]
    told = document(errors + warnings)
    assert (told["errors"], told["warnings"], len(told["findings"])) == (1, 1, 2)
    assert told["findings"][0]["where"] == "flow_director.dst_port_mask"


def test_errors_come_first():
    """Findings are ordered by severity, then as in the table."""
    found = judge(setup("workers=9", "device.driver=i40e", "flow_director.dst_port_mask=1"))
    assert [finding.severity for finding in found] == [ERROR, ERROR, WARNING]
