"""Cards by number, and a setup as one of them has it."""

from __future__ import annotations

import arms

from lbreplay.nic.cards import card_of, judging, of_interface, queue_of_card, seen_by


def test_a_queue_says_its_card() -> None:
    """As the column has it."""
    assert (card_of(0x103), queue_of_card(0x103)) == (1, 3) and (card_of(7), queue_of_card(7)) == (0, 7)


def test_a_setup_as_one_card_has_it() -> None:
    """Its driver alone, and the queues that workers poll of its port."""
    setup = arms.setup(second='driver = "i40e"')
    seen = seen_by(setup, 1, setup.devices[1])
    assert seen.device.driver == "i40e" and not seen.several
    assert [worker.queues for worker in seen.workers] == [worker.polls(1) for worker in setup.workers]


def test_of_several_ports_the_mac_is_judged_later() -> None:
    """When the port is known; VLAN devices too."""
    assert judging(arms.setup())[0] is None and judging(arms.setup())[2] == []


def test_the_card_of_an_interface() -> None:
    """By the name of a port, a slave, or one of these and a colon; of one port, whatever it is called."""
    both, bond = arms.setup(second='driver = "i40e"'), arms.bonded()
    assert [seen and seen.device.driver for seen in (of_interface(both, name) for name in ("dpdk1:worker2", "x"))] == [
        "i40e",
        None,
    ]
    assert [(of_interface(bond, name) or both).device.driver for name in ("dpdk0", "dpdk1")] == ["mlx5", "i40e"]
