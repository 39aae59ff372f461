"""The numbers and words of the lints; that each mistake is found is held by test_doctor.py."""

import pytest

from lbreplay.config.load import load
from lbreplay.lab.lints import _bits, by_bucket, lost_answers, separating_size, share

TEXT = """
workers = 8
[[service]]
name = "web"
vip = "10.0.0.100:80"
laddr = ["192.168.100.200"]
[[service.real]]
address = "10.0.0.1:80"
[[service.real]]
address = "10.0.255.250:443"
[[service.real]]
address = "10.0.0.17:80"
"""


def setup(*sets):
    """The configuration with these settings."""
    return load("lb.toml", sets, text=TEXT)


def test_buckets():
    """Real servers stand in the buckets of the published vectors (D 18), ascending."""
    found = by_bucket(setup().services[0], 16)
    assert {number: list(map(str, peers)) for number, peers in found.items()} == {
        1: ["10.0.0.1:80", "10.0.0.17:80"],
        5: ["10.0.255.250:443"],
    }


def test_separating_size():
    """The size proposed parts the real servers, and no smaller one does."""
    service = setup().services[0]
    size = separating_size(service)
    assert len(by_bucket(service, size)) == 3
    assert all(len(by_bucket(service, smaller)) < 3 for smaller in range(1, size))


def test_no_separating_size():
    """More real servers than buckets cannot be parted."""
    service = setup().services[0]
    assert separating_size(service._replace(reals=service.reals * 43)) is None


@pytest.mark.parametrize(
    ("sets", "lost"),
    [
        ([], 0),
        (["flow_director.dst_port_mask=15"], 7 / 16),
        (["flow_director.dst_port_mask=3"], 1 / 2),
        (["flow_director.byte_order=host"], 7 / 8),
        (["workers=4", "flow_director.dst_port_mask=1"], 1 / 2),
        (["flow_director.strategy=port-high"], 0),
    ],
)
def test_lost_answers(sets, lost):
    """The share of answers that go astray is that of S 2.7, counted over all ports."""
    assert lost_answers(setup(*sets)) == pytest.approx(lost, abs=2e-4)


@pytest.mark.parametrize(("mask", "text"), [(0, "none"), (7, "0-2"), (0x700, "8-10"), (0x107, "0-2, 8"), (1, "0")])
def test_bits(mask, text):
    """Bits of a mask are told as runs."""
    assert _bits(mask) == text


@pytest.mark.parametrize(
    ("value", "text"), [(0.875, "7/8"), (0.43748, "7/16"), (2 / 3, "2/3"), (0.77, "77 %"), (0, "0 %")]
)
def test_share(value, text):
    """Shares are fractions where they are one."""
    assert share(value) == text
