"""Settings of profile ipvs that its edition lacks, or no kernel takes: one line with the key's path."""

from __future__ import annotations

import re

import pytest
from kernel import A, service

from lbreplay.config.ipvs import LATER_SYSCTLS
from lbreplay.config.load import load
from lbreplay.config.schema import SYSCTLS
from lbreplay.errors import ConfigError

REFUSED = [
    ("ipvs.conn_reuse_mode", "[ipvs]\nconn_reuse_mode = 1"),
    ("ipvs.conn_tab_bits", "[ipvs]\nconn_tab_bits = 21"),
    ("ipvs.modules[0]", '[ipvs]\nmodules = ["ip_vs_pe_sip"]'),
    ("ipvs.modules[0]", '[ipvs]\nmodules = ["ip_vs_irc"]'),
    ("ipvs.drop_pocket", "[ipvs]\ndrop_pocket = 1"),
    ("ipvs.drop_packet", "[ipvs]\ndrop_packet = 4"),
    ("ipvs.sync_threshold", '[ipvs]\nsync_threshold = "3"'),
    ("ipvs.sync_threshold", '[ipvs]\nsync_threshold = "50 3"'),
    ("event[0]", service(A) + '\n[[event]]\nat = 1\nset = "ipvs.sloppy_tcp=1"'),
    ("service[0].scheduler", service(A, scheduler="mh")),
    ("service[0].scheduler", service(A, scheduler="conhash")),
    ("service[0].mode", service(A, mode="fnat")),
    ("service[0].real[0].min_conn", service(A) + "\nmin_conn = 3\nmax_conn = 2"),
    ("service[0].real[0].tunnel", service(A, mode="tunnel") + '\ntunnel = { type = "gre" }'),
    ("service[0].real[0].tunnel.port", service(A, mode="tunnel") + '\ntunnel = { type = "gue" }'),
    ("service[0].flags", service(A).replace("[[service.real]]", 'flags = ["sh-port"]\n[[service.real]]')),
    ("service[0].persistence_engine", service(A, persistence_engine="sip")),
    ("service[0].laddr", service(A).replace("[[service.real]]", 'laddr = ["10.0.0.2"]\n[[service.real]]')),
    ("tcp", "[tcp]\ntoa = false"),
    ("workers", "workers = 2"),
]


@pytest.mark.parametrize(("path", "text"), REFUSED, ids=[path for path, _ in REFUSED])
def test_refused(path: str, text: str) -> None:
    """What is wrong, where."""
    with pytest.raises(ConfigError) as refused:
        load("lb.toml", (), text=f'profile = "ipvs"\n{text}')
    place = re.compile(rf"lb\.toml:\d+:\d+: {re.escape(path)}: [^\n]+$")
    assert any(place.match(line) for line in refused.value.lines)


@pytest.mark.parametrize("text", ["[ipvs]\ndrop_packet = 1", "[[mark]]\nmark = 1", service(A, scheduler="nq")])
def test_not_under_dpvs(text: str) -> None:
    """The kernel's settings belong to its profile."""
    with pytest.raises(ConfigError):
        load("lb.toml", (), text=text)


def test_a_period_of_0() -> None:
    """Later kernels take it."""
    text = 'profile = "ipvs"\nedition = "{}"\n[ipvs]\nsync_threshold = "3 0"'
    assert load("lb.toml", (), text=text.format("6.1")).ipvs["sync_threshold"] == "3 0"
    with pytest.raises(ConfigError, match="below the period"):
        load("lb.toml", (), text=text.format("2.6"))


def test_defaults() -> None:
    """The documents' kernel, direct routing, one worker, forwarding on."""
    setup = load("lb.toml", (), text='profile = "ipvs"')
    assert (setup.edition, len(setup.workers), setup.ipv4_forwarding) == ("2.6", 1, True)


def test_later_sysctls_are_known() -> None:
    """The list names switches that there are."""
    assert set(SYSCTLS) >= set(LATER_SYSCTLS)
