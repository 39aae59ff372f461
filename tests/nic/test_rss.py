"""RSS: the published vectors of the Toeplitz hash, the tables, and which packets are hashed over what."""

import ipaddress

import numpy as np
import pytest

from lbreplay.burst import KIND_FRAGMENT, KIND_NONE, KIND_OTHER, KIND_SCTP, KIND_TCP, KIND_UDP
from lbreplay.model import Device, Setup, Worker
from lbreplay.nic.profiles import I40E_KEY, INTEL_KEY, MLX5_KEY, PAIR, SYMMETRIC_KEY, TAGGED, TUPLE
from lbreplay.nic.rss import Rss, toeplitz

WORKERS = tuple(Worker(rank, rank + 1, (rank,)) for rank in range(8))
ALL = frozenset({"ip", "tcp", "udp"})
KEYS = (INTEL_KEY, I40E_KEY, MLX5_KEY, SYMMETRIC_KEY)
VECTORS = """
66.9.149.187 2794 161.142.100.80 1766
    323e8fc2 51ccc178 fc95823d 91166563 27cc1570 85d36feb 0a590a59 9fcc9fcc 0 4
199.92.111.2 14230 65.69.140.83 4739
    d718262a c626b0ea 3ac722bd f6526a2c 4ad6a48c aaef97ac 7ba97ba9 60d760d7 2 0
24.19.198.95 12898 12.22.207.184 38024
    d2d0a5de 5c2b394a a2f19c26 0acf9004 a709f56d 8b7ddcf5 a55aa55a 3a3e3a3e 2 0
38.27.205.30 48228 209.142.163.6 2217
    82989176 afc7327f 898112d2 d7b036bb 502fc7e3 45141288 f8a7f8a7 d26ed26e 7 1
153.39.163.191 44251 202.188.127.2 1303
    5d1809c5 10e828a2 186ef2bf afd95f18 f67a7ce1 1deaabe7 57545754 f23ef23e 2 0
3ffe:2501:200:1fff::7 2794 3ffe:2501:200:3::1 1766
    2cc18cd5 40207d3d 629e1062 00dd2579 c1f387a5 cb1268c0 867e867e 13eb13eb 5 5
3ffe:501:8::260:97ff:fe40:efab 14230 ff02::1 4739
    0f0c461c dde51bbf ed8053f4 143c3989 1c7e4a21 92acc45d 2def2def 36913691 7 3
3ffe:1900:4545:3:200:f8ff:fe21:67cf 44251 fe80::200:f8ff:fe21:67cf 38024
    4b61e985 02d1feef 6d199763 5121c175 f9dea035 47e13b60 c85ec85e 08090809 7 5
"""
ROWS = [" ".join(pair).split() for pair in zip(*[iter(VECTORS.strip().splitlines())] * 2, strict=True)]
BY_KEY = [(row, key, n) for row in ROWS for n, key in enumerate(KEYS)]


def rss(driver="ixgbe", names=ALL, key=None, reta_size=128, workers=WORKERS):
    """RSS of a port with these settings."""
    device = Device(driver=driver, rss=names, rss_key=key, reta_size=reta_size)
    return Rss(Setup(workers=workers, device=device))


def packed(row):
    """(source, port, destination, port) of a vector."""
    return ipaddress.ip_address(row[0]).packed, int(row[1]), ipaddress.ip_address(row[2]).packed, int(row[3])


def wire(row):
    """The vector's bytes as the NIC reads them."""
    src, sport, dst, dport = packed(row)
    return src + dst + sport.to_bytes(2) + dport.to_bytes(2)


@pytest.mark.parametrize(("row", "key", "n"), BY_KEY)
def test_published_hashes(row, key, n):
    """Every published vector holds for every key: by definition, for one packet, and for a column."""
    pair, full = int(row[4 + 2 * n], 16), int(row[5 + 2 * n], 16)
    assert toeplitz(key, wire(row)[:-4]) == pair
    assert toeplitz(key, wire(row)) == full
    port = rss(key=key)
    assert port.hash_flow(KIND_OTHER, *packed(row)) == pair
    assert port.hash_flow(KIND_TCP, *packed(row)) == full
    flow = np.frombuffer(wire(row) * 3, np.uint8).reshape(3, -1)
    kind = np.array([KIND_OTHER, KIND_UDP, KIND_NONE], np.uint8)
    assert port.hash_column(kind, flow).tolist() == [pair, full, 0]


@pytest.mark.parametrize("row", ROWS)
def test_published_queues(row):
    """128 entries over 8 queues and 512 over 6, which 512 is no multiple of."""
    code = int(row[5], 16)
    assert rss().reta[code % 128] == int(row[12])
    assert rss(reta_size=512, workers=WORKERS[:6]).reta[code % 512] == int(row[13])


@pytest.mark.parametrize(
    ("driver", "names", "inputs"),
    [  # kinds: none, other IP, fragment, TCP, UDP, SCTP (S 1.4)
        ("ixgbe", "ip tcp udp", (0, PAIR, PAIR, TUPLE, TUPLE, PAIR)),
        ("ixgbe", "tcp", (0, 0, 0, TUPLE, 0, 0)),
        ("ixgbe", "ip", (0, PAIR, PAIR, PAIR, PAIR, PAIR)),
        ("ixgbe", "udp", (0, 0, 0, 0, TUPLE, 0)),
        ("ixgbe", "sctp", (0, 0, 0, 0, 0, 0)),
        ("ixgbe", "", (0, 0, 0, 0, 0, 0)),
        ("i40e", "ip tcp udp", (0, PAIR, PAIR, TUPLE, TUPLE, 0)),
        ("i40e", "ip", (0, PAIR, PAIR, 0, 0, 0)),
        ("i40e", "tcp", (0, 0, 0, TUPLE, 0, 0)),
        ("i40e", "sctp", (0, 0, 0, 0, 0, TAGGED)),
        ("mlx5", "ip tcp udp", (0, PAIR, PAIR, TUPLE, TUPLE, PAIR)),
    ],
)
def test_hash_inputs(driver, names, inputs):
    """What is hashed over what follows the driver and the `rss` setting."""
    assert rss(driver, frozenset(names.split())).inputs == inputs


def test_symmetric_key_ignores_direction():
    """Under the symmetric key both directions of a flow hash alike."""
    port = rss(key=SYMMETRIC_KEY)
    for row in ROWS:
        src, sport, dst, dport = packed(row)
        assert port.hash_flow(KIND_TCP, src, sport, dst, dport) == port.hash_flow(KIND_TCP, dst, dport, src, sport)


def test_ports_do_not_count_where_the_pair_is_hashed():
    """SCTP on ixgbe is hashed over the addresses, whatever its ports."""
    flow = np.frombuffer(wire(ROWS[0]), np.uint8).reshape(1, -1)
    code = rss().hash_column(np.array([KIND_SCTP], np.uint8), flow)
    assert code[0] == int(ROWS[0][4], 16) == rss().hash_flow(KIND_FRAGMENT, *packed(ROWS[0]))


def test_table_leaves_the_kni_queue_out():
    """The default table takes the forwarding workers' queues in turn (S 1.5)."""
    workers = (Worker(0, 1, (0, 3)), Worker(1, 2, (1,)), Worker(-1, 3, (2,), "kni"))
    assert rss(workers=workers).reta[:6] == (0, 3, 1, 0, 3, 1)


def test_configured_table_is_repeated():
    """A configured list is repeated to the table's size."""
    port = Rss(Setup(workers=WORKERS, device=Device(reta=(0, 0, 5), reta_size=8)))
    assert port.reta == (0, 0, 5, 0, 0, 5, 0, 0)


def test_drawn_key_comes_from_the_seed():
    """A driver that draws its key draws the same one from the same seed."""
    device = Device(driver="ice")
    first, again, other = (Rss(Setup(seed=s, workers=WORKERS, device=device)).key for s in (1, 1, 2))
    assert first == again != other
    assert len(first) == 52
