"""`[[device]]`: ports, bonds, workers' queues and homes of local addresses in the model, and what is refused."""

from __future__ import annotations

import pytest

from lbreplay.config.document import document
from lbreplay.config.found import inline
from lbreplay.config.load import load
from lbreplay.errors import ConfigError
from lbreplay.model import On, Setup

SERVICE = """
[[service]]
vip = "10.0.0.100:80"
laddr = {laddr}
real = [{{ address = "192.168.100.2:80" }}]
"""
ARMS = """
[[device]]
name = "dpdk0"
address = ["192.168.100.10/24"]
[[device]]
name = "dpdk1"
driver = "i40e"
queues = 2
address = ["10.0.0.1/24"]
vlan = [{ id = 100 }]
"""
BOND = """
[[device]]
name = "dpdk0"
driver = "i40e"
rss = "ip"
mac = "02:00:00:00:00:01"
[[device]]
name = "dpdk1"
driver = "mlx5"
[[device]]
name = "bond0"
slaves = ["dpdk0", "dpdk1"]
mode = 4
hash = "layer3+4"
[[device]]
name = "dpdk2"
"""


def made(text: str, laddr: str = '["192.168.100.200"]', head: str = "workers = 2\n") -> Setup:
    return load("lb.toml", text=head + text + SERVICE.format(laddr=laddr))


def test_two_arms() -> None:
    """Devices have their numbers in the order of the file, workers their queues of each, addresses their homes."""
    setup = made(ARMS, '["192.168.100.200", "10.9.9.9@dpdk1", "10.9.9.8@dpdk1.100"]')
    assert [device.name for device in setup.devices] == ["dpdk0", "dpdk1"]
    assert [[worker.polls(port) for port in range(3)] for worker in setup.workers] == [
        [(0,), (0,), ()],
        [(1,), (1,), ()],
    ]
    assert list(setup.homes.values()) == [On(0), On(1), On(1, 100)]
    assert setup.local_addresses == tuple(setup.homes)


def test_a_port_with_fewer_queues() -> None:
    """Of `workers = N`, those whose number a port has no queue of poll the others alone."""
    setup = made(ARMS, head="workers = 3\n")
    assert setup.workers[2].polls(0) == (2,) and setup.workers[2].polls(1) == ()


def test_a_bond_is_one_device() -> None:
    """Its slaves are cards behind it, each with its own driver and table; it has what its primary has (S 3.7)."""
    setup = made(BOND, '["192.168.100.200@bond0"]')
    bond, other = setup.devices
    assert (bond.name, other.name, bond.driver, bond.rss, bond.slaves) == ("bond0", "dpdk2", "i40e", {"ip"}, 2)
    assert [(card.driver, card.reta_size, card.rss) for card in bond.cards] == [
        ("i40e", 512, {"ip"}),
        ("mlx5", 512, {"ip"}),
    ]
    assert bond.bond is not None and (bond.bond.mode, bond.bond.hash, bond.bond.primary) == (4, "layer3+4", 0)
    assert setup.mac(0) == bytes.fromhex("020000000001") and setup.mac(1) == bytes.fromhex("027063617001")


def test_one_device_stays_what_it_is() -> None:
    """A list of one plain device is the same setup as the table, but for having named its local addresses' home."""
    one = made('[[device]]\nname = "dpdk0"\nrss = "ip"\n')
    assert one == made('[device]\nname = "dpdk0"\nrss = "ip"\n')
    assert not one.several and one.mac(0) is None and not one.homes


@pytest.mark.parametrize("text, laddr", [(ARMS, '["192.168.100.200@dpdk1.100"]'), (BOND, '["10.1.1.1@dpdk2"]')])
def test_the_document_gives_it_again(text: str, laddr: str) -> None:
    """What export compares says devices, bonds, queues, routes, neighbours and homes."""
    head = "workers = [{ cpu_id = 1, queues = { NAME = [0] } }, { cpu_id = 2, queues = [1] }]\n"
    names = ("dpdk0", "dpdk1") if text is ARMS else ("bond0", "dpdk2")
    tail = f'[[route]]\nto = "10.0.0.0/8"\ndevice = "{names[1]}"\n[[neighbor]]\naddress = "10.0.0.9"\n'
    tail += f'mac = "02:00:00:00:00:99"\ndevice = "{names[0]}"\n'
    setup = made(text, laddr, head.replace("NAME", names[0]))
    setup = load("lb.toml", text=head.replace("NAME", names[0]) + text + SERVICE.format(laddr=laddr) + tail)
    again = "\n".join(f"{key} = {inline(value)}" for key, value in document(setup).items())
    assert load("lb.toml", text=again) == setup


def test_set_names_a_device() -> None:
    """--set reaches a device of the list by its name, and the only one without."""
    text = "workers = 2\n" + ARMS + SERVICE.format(laddr='["192.168.100.200"]')
    assert load("lb.toml", ["device.dpdk1.mtu=9000"], text=text).others[0].mtu == 9000
    assert load("lb.toml", ["device.mtu=9000"], text=SERVICE.format(laddr='["192.168.100.200"]')).device.mtu == 9000


@pytest.mark.parametrize(
    "text, laddr, head, message",
    [
        (ARMS.replace("dpdk1", "dpdk0"), '["1.1.1.1"]', "", "device[1]: a name of its own expected, got that of"),
        ("device = []\n", '["1.1.1.1"]', "", "device: at least one device expected, got none"),
        (ARMS, '["1.1.1.1"]', "", "service[0].laddr[0]: ADDRESS@DEVICE expected, for the networks of dpdk0, dpdk1"),
        (ARMS, '["1.1.1.1@dpdk7"]', "", "service[0].laddr[0]: a device (dpdk0, dpdk1, dpdk1.100) expected"),
        (ARMS, '["1.1.1.1@dpdk0"]', "workers = [{ cpu_id = 1, queues = { dpdk0 = [0], dpdk1 = [2] } }]\n",
         "workers[0].queues.dpdk1: a queue of dpdk1 (0 to 1) expected, got 2"),
        (ARMS, '["1.1.1.1@dpdk0"]', "workers = [{ cpu_id = 1, queues = { dpdk9 = [0] } }]\n",
         "workers[0].queues.dpdk9: a device (dpdk0, dpdk1) expected"),
        (ARMS, '["1.1.1.1@dpdk0"]', "workers = [{ cpu_id = 1, queues = {} }]\n", "workers[0].queues: at least one"),
        (ARMS, '["1.1.1.1@dpdk0"]', "workers = [{ cpu_id = 1, queues = [0] }, { cpu_id = 2, queues = [0] }]\n",
         "workers[1].queues: a queue no other worker has expected, got 0 of workers[0].queues"),
        (ARMS.replace('vlan = [{ id = 100 }]', 'sapool_address = ["1.1.1.1"]'), '["1.1.1.1@dpdk0"]', "",
         "device[1].sapool_address[0]: one device expected, got another in service[0].laddr[0]"),
        (BOND.replace('["dpdk0", "dpdk1"]', '["dpdk0", "dpdk9"]'), '["1.1.1.1@bond0"]', "",
         "device[2].slaves[1]: a device (dpdk0, dpdk1, dpdk2) expected"),
        (BOND.replace('["dpdk0", "dpdk1"]', '["dpdk0", "dpdk0"]'), '["1.1.1.1@bond0"]', "",
         "device[2].slaves[1]: a device of no other bond expected, dpdk0 is bond0's"),
        (BOND.replace("mode = 4", 'primary = "dpdk2"'), '["1.1.1.1@bond0"]', "",
         'device[2].primary: one of slaves expected, got "dpdk2"'),
        (BOND, '["1.1.1.1@dpdk0"]', "", "service[0].laddr[0]: a device (bond0, dpdk2) expected"),
        ('[device]\nslaves = ["dpdk0"]\n', '["1.1.1.1"]', "", "device.slaves: their number expected in [device]"),
    ],
)  # fmt: skip
def test_refusals(text: str, laddr: str, head: str, message: str) -> None:
    """One line with the key path and what would be right."""
    with pytest.raises(ConfigError) as refused:
        made(text, laddr, head)
    assert message in str(refused.value), refused.value


def test_the_kernels_balancer_has_one() -> None:
    """Several devices are DPVS's."""
    text = 'profile = "ipvs"\n' + ARMS + '[[service]]\nvip = "10.0.0.100:80"\n'
    with pytest.raises(ConfigError, match=r'device: 1 device expected under profile = "ipvs", got 2'):
        load("lb.toml", text=text)
