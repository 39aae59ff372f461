"""The transmit policies of a bond, against their definition done word by word in plain Python."""

from __future__ import annotations

import struct

import numpy as np
import pytest

from lbreplay.burst import KIND_FRAGMENT, KIND_OTHER, KIND_TCP, KIND_UDP
from lbreplay.model import Bond, Device
from lbreplay.nic import bond as policy

SLAVES = 3


def expected(name: str, macs: bytes, kind: int, flow: bytes) -> int:
    """DPDK's burst_xmit_l2_hash, l23 and l34, read as a little-endian machine reads them."""
    code = 0
    if name != "layer3+4":
        for word in struct.unpack("<6H", macs):
            code ^= word
    if name != "layer2":
        for word in struct.unpack(f"<{(len(flow) - 4) // 4}I", flow[:-4]):
            code ^= word
        if name == "layer3+4" and kind in (KIND_TCP, KIND_UDP):
            sport, dport = struct.unpack("<2H", flow[-4:])
            code ^= sport ^ dport
        code ^= code >> 16
    code ^= code >> 8
    return code % SLAVES


@pytest.mark.parametrize("name", ["layer2", "layer2+3", "layer3+4"])
def test_rows_take_the_slave_of_the_definition(name: str) -> None:
    """IPv4 and IPv6, TCP, fragments and others, in one column and one by one."""
    random = np.random.default_rng(20)
    bond = Bond((Device(),) * SLAVES, 4, name)
    kinds = [KIND_TCP, KIND_UDP, KIND_FRAGMENT, KIND_OTHER] * 8
    macs = random.integers(0, 256, (len(kinds), 12), np.uint8)
    flows = [random.integers(0, 256, 36 if n % 3 == 0 else 12, np.uint8).tobytes() for n in range(len(kinds))]
    flow4 = np.array([list(f) if len(f) == 12 else [0] * 12 for f in flows], np.uint8)
    rows6 = np.array([n for n, f in enumerate(flows) if len(f) == 36])
    flow6 = np.array([list(flows[n]) for n in rows6], np.uint8)
    found = policy.slaves_of(bond, macs, np.array(kinds, np.uint8), flow4, rows6, flow6).tolist()
    wanted = [expected(name, m.tobytes(), k, f) for m, k, f in zip(macs, kinds, flows, strict=True)]
    assert found == wanted and len(set(wanted)) == SLAVES
    assert [policy.slave_of(bond, m.tobytes(), k, f) for m, k, f in zip(macs, kinds, flows, strict=True)] == wanted


def test_of_active_backup_the_primary_receives() -> None:
    """Mode 1: whatever a hash would say."""
    bond = Bond((Device(),) * 2, policy.ACTIVE_BACKUP, "layer2", 1)
    assert policy.slave_of(bond, bytes(range(12)), KIND_TCP, bytes(12)) == 1
