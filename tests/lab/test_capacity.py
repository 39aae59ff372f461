"""capacity: the numbers of S 2.2, what runs out first, what a change brings, and a replay that exhausts the ports."""

from struct import pack

import pytest

from lbreplay.config.load import load
from lbreplay.errors import ConfigError
from lbreplay.journey import replay
from lbreplay.lab.capacity import capacity, first_limit, holding, with_workers

BASE = """
[[service]]
name = "web"
vip = "10.0.0.100:80"
laddr = ["192.168.100.200"]
scheduler = "rr"
[[service.real]]
address = "192.168.100.2:8080"
[[service.real]]
address = "192.168.100.3:8080"
"""
SHARED = 'service.web.real.192.168.100.3:8080.address="192.168.100.18:8080"'  # the bucket of 192.168.100.2:8080
UDP = """
[[service]]
name = "dns"
protocol = "udp"
vip = "10.0.0.100:53"
laddr = ["192.168.100.200"]
[[service.real]]
address = "192.168.100.2:8080"
"""
SNAT = """
[[service]]
name = "out"
mode = "snat"
match = "proto=tcp,src-range=192.168.100.0-192.168.100.255"
[[service.real]]
address = "203.0.113.1:0"
"""


def setup(*sets, text=BASE, view="rx"):
    """The base configuration with these settings."""
    return load("lb.toml", sets, text=text, view=view)


def web(*sets, text=BASE):
    """The room of the service."""
    return capacity(setup(*sets, text=text)).services[0]


@pytest.mark.parametrize(
    ("workers", "owned", "orphans"),
    [
        (1, 64511, 0), (2, 64511, 0), (3, 48383, 16128), (5, 40319, 24192), (6, 48383, 16128), (7, 56447, 8064),
        (8, 64511, 0), (9, 36287, 28224), (12, 48383, 16128), (17, 34271, 30240), (33, 33263, 31248), (63, 63503, 1008),
    ],
)  # fmt: skip
def test_ports_by_number_of_workers(workers, owned, orphans):
    """Owned and orphaned ports of a local address are those of the table of S 2.2."""
    room = capacity(setup(f"workers={workers}")).laddrs[0]
    assert (sum(room.ports), room.orphans) == (owned, orphans)
    assert room.pool == owned * 16


def test_pool_as_dpvs_shows_it():
    """A pool of a power of two of workers shows 1032176 free, of three 774128 (S 2.3)."""
    assert capacity(setup("workers=4")).laddrs[0].pool == 1032176
    assert capacity(setup("workers=3")).laddrs[0].pool == 774128


def test_real_servers_of_different_buckets():
    """Each has all ports of the address, the service both."""
    room = web("workers=4")
    assert [real.connections for real in room.reals] == [64511, 64511]
    assert room.connections == 2 * 64511
    assert [bucket.connections for bucket in room.buckets] == [64511, 64511]


def test_real_servers_of_one_bucket():
    """They share its ports: the service has no more than one of them alone."""
    room = web("workers=4", SHARED)
    assert [real.shares_with for real in room.reals] == [["192.168.100.18:8080"], ["192.168.100.2:8080"]]
    assert room.connections == 64511
    assert [bucket.reals for bucket in room.buckets] == [["192.168.100.2:8080", "192.168.100.18:8080"]]


def test_first_is_the_smallest_worker():
    """With even traffic rank 0, which has a port less, is full first, wherever the others are."""
    first = web("workers=4").first
    assert first.connections == 16127 * 4 * 2
    assert first.what.startswith("local ports of worker 0 in bucket 2 (192.168.100.2:8080)")


def test_first_is_the_heaviest_real_server():
    """By weight three of four connections go to one real server, whose bucket is full at four thirds of its room."""
    room = web("workers=2", "service.web.scheduler=wrr", "service.web.real.192.168.100.3:8080.weight=3")
    assert room.first.connections == int(32255 * 2 / 0.75)
    assert "192.168.100.3:8080" in room.first.what


def test_failover_fills_one_real_server():
    """Under fo only the heaviest real server takes connections."""
    room = web("workers=2", "service.web.scheduler=fo", "service.web.real.192.168.100.3:8080.weight=3")
    assert room.first.connections == 32255 * 2


def test_first_is_max_conn():
    """max_conn is rounded down to a multiple of the workers, and counts like any limit."""
    room = web("workers=4", "service.web.real.192.168.100.2:8080.max_conn=1003")
    assert room.reals[0].max_conn == 1000
    assert (room.first.what, room.first.connections) == ("max_conn of 192.168.100.2:8080", 2000)


def test_first_is_the_connection_pool():
    """A small connection pool is what runs out, and bounds the total."""
    room = capacity(setup("conn.pool_size=1000"))
    assert (room.services[0].first.connections, room.total) == (1000, 1000)


def test_services_that_share_an_address():
    """Services that share a local address and a real server share its ports, whatever their protocols."""
    room = capacity(setup("workers=4", text=BASE + UDP))
    assert [service.shares_with for service in room.services] == [["dns"], ["web"]]
    assert room.laddrs[0].connections == 2 * 64511 == sum(worker.connections for worker in room.workers)


def test_snat_address():
    """The peers of an SNAT address are anybody, so all its buckets are in use."""
    room = capacity(setup("workers=4", "device.sapool_address=['203.0.113.1']", text=BASE + SNAT)).laddrs[1]
    assert (room.connections, room.buckets, room.services) == (1032176, 16, ["out"])


def test_changes():
    """One more address doubles it, 8 instead of 9 workers own the orphans, a hash size parts real servers."""
    found = {change.what: change.connections for change in web("workers=9", SHARED).changes}
    assert found["one more local address"] == 4031 * 9 * 2
    assert found["8 instead of 9 workers"] == 8063 * 8
    assert found["16 instead of 9 workers"] == 4031 * 16
    assert found["hash_size 3 instead of 16"] == 4031 * 9 * 2
    assert [change.what for change in web("workers=8").changes] == [
        "one more local address",
        "9 instead of 8 workers",
    ]


def test_rates():
    """Connections a second are those that fit, divided by how long each keeps its port."""
    steady = setup("workers=4", "conn.timer_jitter=false", "tcp.timeout.time_wait=7", text=BASE + UDP)
    first, second = capacity(steady, duration=3).services
    assert first.hold_seconds == 10
    assert first.per_second == first.first.connections / 10 == 4 * first.per_second_and_worker
    assert second.hold_seconds == 303
    jittery = setup()
    assert holding(jittery, jittery.services[0], 0) == 7.5
    once = setup("service.dns.one_packet=true", text=BASE + UDP)
    assert capacity(once).services[1].per_second is None


@pytest.mark.parametrize(
    ("strategy", "connections"),
    [("port-low", 64511), ("port-high", 64511), ("rss-port", 64511), ("laddr", 64511), ("off", 64511 * 4)],
)
def test_strategies(strategy, connections):
    """Every strategy divides the same ports, but off, which divides nothing."""
    assert web("workers=4", f"flow_director.strategy={strategy}").reals[0].connections == connections


def test_with_workers():
    """Another number of workers has a queue each and new ranks."""
    changed = with_workers(setup(), 3)
    assert [(worker.rank, worker.queues) for worker in changed.workers] == [(0, (0,)), (1, (1,)), (2, (2,))]


def syn(client, port):
    """A SYN to the service as a frame."""
    tcp = pack(">HHIIBBHHH", port, 80, 1000, 0, 0x50, 2, 8192, 0, 0)
    addresses = bytes([172, 16, client >> 8, client & 255]) + bytes([10, 0, 0, 100])
    ip = pack(">BBHHHBBH", 0x45, 0, 40, 0, 0, 64, 6, 0) + addresses
    return bytes.fromhex("027063617000 020000000001 0800") + ip + tcp


def capture(path, frames):
    """Write *frames*, a microsecond apart, as a pcap."""
    head = pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1)
    body = b"".join(pack("<IIII", 1_700_000_000, n, len(f), len(f)) + f for n, f in enumerate(frames))
    path.write_bytes(head + body)
    return str(path)


@pytest.mark.parametrize(
    ("sets", "expected"),
    [
        (["workers=4", SHARED], 128),
        (["workers=4"], 256),
        (["workers=3"], 192),
        (["workers=4", "sa_pool.hash_size=1"], 128),
        (["workers=4", "service.web.laddr=['192.168.100.200', '192.168.100.201']"], 512),
        (["workers=4", "flow_director.strategy=port-high", "sa_pool.low=49000", "sa_pool.high=49299"], 2 * 300),
        (["workers=4", "flow_director.strategy=rss-port"], 256),
        (["workers=4", "flow_director.strategy=laddr", f"service.web.laddr={[f'10.9.9.{i}' for i in range(5)]}"], 1280),
    ],
)
def test_a_replay_that_exhausts_the_ports(tmp_path, sets, expected):
    """More SYNs than fit open exactly as many connections as capacity says, worker by worker."""
    configured = setup("sa_pool.low=60000", "sa_pool.high=60127", "conn.laddr_step=false", *sets)
    frames = [syn(n >> 9, 1024 + (n & 511)) for n in range(6000)]
    result = replay(configured, capture(tmp_path / "in.pcap", frames), None)
    room = capacity(configured, used=result.workers)
    assert room.services[0].connections == expected == sum(w["conns"]["created"] for w in result.workers)
    assert [w.connections for w in room.workers] == [w.peak for w in room.workers]
    assert all(w.missed for w in room.workers if w.connections)
    assert result.totals["verdicts"]["laddr_port_exhausted"] == 6000 - expected


def test_first_limit_comes_first(tmp_path):
    """Under even traffic no connection fails before about the number that runs out first."""
    configured = setup("sa_pool.low=60000", "sa_pool.high=60511", "workers=2", "conn.laddr_step=false")
    limit = first_limit(configured, configured.services[0])
    frames = [syn(n >> 9, 1024 + (n & 511)) for n in range(int(limit.connections * 0.85))]
    result = replay(configured, capture(tmp_path / "in.pcap", frames), None)
    assert "laddr_port_exhausted" not in result.totals["verdicts"]
    assert sum(w["conns"]["created"] for w in result.workers) == len(frames)


def test_the_kernel_is_refused():
    """Its connections take no ports."""
    setup = load("lb.toml", text='profile = "ipvs"')
    with pytest.raises(ConfigError, match="memory and by max_conn"):
        capacity(setup)
