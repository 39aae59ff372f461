"""Where cards put frames: tests/nic/test_steer.py holds rows to single packets; here is who polls them in the end."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest

from lbreplay.burst import KIND_TCP, KIND_UDP, Burst
from lbreplay.config.load import load
from lbreplay.loop.ends import words
from lbreplay.loop.names import TCP, UDP
from lbreplay.loop.steer import Polls
from lbreplay.nic.steer import Nic


def rows(queues: list[int], workers: list[int]) -> Burst:
    nothing = np.zeros(len(queues), np.int64)
    burst = Burst.of(1, np.zeros(0, np.uint8), nothing, nothing, nothing, nothing)
    burst.queue[:], burst.worker_index[:] = queues, workers
    return burst


def test_workers_by_queue() -> None:
    """Of rows that were received; what is no queue, or nobody polls, is the last entry's."""
    polls, burst = Polls(np.array([4, 5, 6, 9], np.int16).data), rows([0, 1, 2, 3, 77, -1, 1], [0, 0, 0, 0, 0, 0, -1])
    polls.number(burst)
    assert burst.worker_index.tolist() == [4, 5, 6, 9, 9, 9, -1]


TEXT = """
workers = 4
{}
[[service]]
vip = "10.0.0.100:80"
scheduler = "rr"
laddr = ["192.168.100.200", "192.168.100.201"]
real = [{{ address = "192.168.100.2:8080" }}]
[[service]]
vip = "[2001:db8:1::100]:80"
protocol = "udp"
scheduler = "rr"
laddr = ["2001:db8:2::200"]
real = [{{ address = "[2001:db8:2::2]:8080" }}]
"""
SETTINGS = (
    "",
    "flow_director.dst_port_mask = 1",
    'flow_director.strategy = "off"',
    'flow_director.strategy = "off"\ndevice.rss = "ip"',
    'flow_director.strategy = "off"\ndevice.rss = "off"',
    'flow_director.byte_order = "host"\ndevice.reta_size = 512',
    "device.enforce = true",
)


@pytest.mark.parametrize("settings", SETTINGS)
def test_one_packet_goes_where_it_goes(settings: str) -> None:
    """Whatever its tuple: to a local address or another one, of both families, over TCP and UDP."""
    nic, rng = Nic(load("lb.toml", text=TEXT.format(settings))), Random(5)
    record = nic.steerer
    for _ in range(400):
        six = rng.random() < 0.5
        source = rng.randbytes(16 if six else 4)
        own = rng.choice(sorted({rule.laddr for rule in nic.rules if len(rule.laddr) == len(source)} or {source}))
        dest = rng.choice([own, rng.randbytes(len(source))])
        sport, dport, proto = rng.randrange(65536), rng.randrange(65536), rng.choice([TCP, UDP])
        kind = KIND_TCP if proto == TCP else KIND_UDP
        want = nic.steer_flow(kind, 6 if six else 4, source, sport, dest, dport)
        ends = (*words(source), *words(dest)) if six else (words(source)[0], words(dest)[0], 0, 0)
        ports = int.from_bytes(sport.to_bytes(2) + dport.to_bytes(2), "little")
        record.one(*ends, ports, proto == UDP, six)
        assert (record.to, record.polled, record.way, record.code, record.index, record.met) == want
