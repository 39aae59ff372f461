"""Whose balancer files are of, and what a file is."""

import pytest

from lbreplay.config.whose import signs, what

KERNEL = [
    "ipvsadm -A -t 10.0.0.1:80 -s lc",
    "ipvsadm -A -t 10.0.0.1:80 -ssh",
    "-A -t 10.0.0.1:80 -s lblcr",
    "lb_algo dh",
    "lvs_sched ovf",
    "ipvsadm -A -f 1 -s rr",
    "-A -f 1 -s rr",
    "virtual_server fwmark 3",
    "fwmark 3",
    "persistence_engine sip",
    "sh-port",
    "-a -t 10.0.0.1:80 -r 10.0.1.1:80 -i --tun-type gue",
    "-A -t 10.0.0.1:80 -s sh -b sh-port",
    "sysctl -w net.ipv4.vs.drop_entry=1",
    "echo 1 /proc/sys/net/ipv4/vs/conntrack",
    "modprobe ip_vs_rr",
    "sysctl -w net.ipv4.ip_forward=1",
    "echo 1 /proc/sys/net/ipv4/conf/all/send_redirects",
    "ifconfig eth0:0 10.0.0.1 netmask 255.255.255.255 up",
    "ip addr add 10.0.0.1/32 dev eth0 label eth0:0",
    "iptables -t mangle -A PREROUTING -d 10.0.0.1 -j MARK --set-mark 1",
]
DPVS = [
    "dpip addr add 10.0.0.1/24 dev dpdk0",
    "ipvsadm --add-laddr -z 10.0.2.1 -t 10.0.0.1:80 -F dpdk0",
    "ipvsadm -Pt 10.0.0.1:80 -z 10.0.2.1 -F dpdk0",
    "ipvsadm -A -t 10.0.0.1:80 -s conhash",
    "ipvsadm -a -t 10.0.0.1:80 -r 10.0.1.1:80 -b",
    "-a -t 10.0.0.1:80 -r 10.0.1.1:80 -b -w 1",
    "ipvsadm -at 10.0.0.1:80 -r 10.0.1.1:80 -b",
    "ipvsadm -A -H proto=tcp,src-range=10.0.0.1-10.0.0.9 -s rr",
    "ipvsadm -A -t 10.0.0.1:80 -j enable",
    "lb_kind FNAT",
    "laddr_group_name g",
    "daddr_group_name g",
    "local_address_group g",
    "virtual_server match SNAT",
    "syn_proxy",
]
EITHERS = [
    "ipvsadm -A -t 10.0.0.1:80 -s rr -p 50 -M 255.255.255.0",
    "ipvsadm -A -t 10.0.0.1:80 -s mh",
    "ipvsadm -a -t 10.0.0.1:80 -r 10.0.1.1:80 -m -w 2",
    "ipvsadm -a -t 10.0.0.1:80 -r 10.0.1.1:80 -g",
    "-a -t 10.0.0.1:80 -r 10.0.1.1:80 -i -w 1",
    "ipvsadm -ln",
    "lb_algo wlc",
    "lb_kind NAT",
    "virtual_server 10.0.0.1 80",
    "real_server 10.0.1.1 80",
    "persistence_timeout 50",
    "ipvsadm --set 900 120 300",
    "ip addr add 10.0.0.1/32 dev dpdk0.kni",
]


@pytest.mark.parametrize("line, profiles", [(line, ["ipvs"]) for line in KERNEL] + [(line, ["dpvs"]) for line in DPVS])
def test_signs(line: str, profiles: list[str]) -> None:
    """What only one balancer's tools would take tells whose it is."""
    assert list(signs([("k:1", line)])) == profiles


@pytest.mark.parametrize("line", EITHERS)
def test_what_either_would_take_tells_nothing(line: str) -> None:
    """The same words in both."""
    assert signs([("k:1", line)]) == {}


def test_the_first_sign_is_named() -> None:
    """With the name of its file and its line."""
    found = signs([("/a/k:1", "lb_algo rr"), ("/a/k:2", "lb_algo lc"), ("/a/k:3", "lb_algo sh")])
    assert str(found["ipvs"]) == "lb_algo lc at k:2"


@pytest.mark.parametrize(
    "text, said",
    [
        ("IP Virtual Server version 1.2.1 (size=4096)\nProt LocalAddress:Port\n", ", got a listing of ipvsadm -L"),
        ("TCP  0A000001:0050 rr\nProt LocalAddress:Port Scheduler Flags\n", ", got a listing of ipvsadm -L"),
        ("[[service]]\nvip = 1\n", ", got a configuration of lbreplay (-c reads it)"),
        ("<init> netif_defs {\n}\n", ", got a dpvs.conf (--dpvs-conf reads it)"),
        ("! x\nvirtual_server 10.0.0.1 80 {\n}\n", ", got a keepalived.conf (--keepalived reads it)"),
        ("#!/bin/sh\nipvsadm -C\n", ", got a shell script (--script reads it)"),
        ("-A -t 10.0.0.1:80 -s rr\n", ", got a save of ipvsadm (--ipvsadm-save reads it)"),
        ("*filter\n:INPUT ACCEPT\n", ", got a save of iptables"),
        ('{"a": 1}', ", got JSON or XML"),
        ("#!/bin/sh\ntrue\n", ", got a shell script without ipvsadm or dpip in it"),
        (" \n", ", got an empty file"),
        ("hello\n", ", got a file without any"),
    ],
)
def test_what_a_file_is(text: str, said: str) -> None:
    """By what stands in it, with what reads it or what to print instead."""
    assert what(text, "").startswith(said)


def test_what_a_file_is_besides_what_it_should_be() -> None:
    """A reader that refuses a file of its own kind does not call it that."""
    assert what("-A -t 10.0.0.1:80 -s rr\n", "--ipvsadm-save") == ", got a file without any"
