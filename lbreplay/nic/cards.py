"""Cards by number, and what of a setup is one card's (nic/ports.py has several of them)."""

from __future__ import annotations

from lbreplay.burst import QUEUE_BITS
from lbreplay.model import Device, Setup


def card_of(queue: int) -> int:
    """The number of the card that has a queue, as the column `queue` says it."""
    return queue >> QUEUE_BITS


def queue_of_card(queue: int) -> int:
    """The number of a queue within its card."""
    return queue & ((1 << QUEUE_BITS) - 1)


def seen_by(setup: Setup, port: int, card: Device) -> Setup:
    """*setup* as one card has it: its own driver, and the workers' queues of its port."""
    workers = tuple(worker._replace(queues=worker.polls(port), more=()) for worker in setup.workers)
    device = card._replace(slaves=setup.devices[port].slaves)
    return setup._replace(device=device, others=(), workers=workers)


def of_interface(setup: Setup, name: str) -> Setup | None:
    """*setup* as the port or slave has it that a capture's interface is named after; None: it is named after none."""
    if not setup.several:
        return setup
    wanted = name.partition(":")[0]
    cards = [(port, card) for port, device in enumerate(setup.devices) for card in (*device.cards, device)]
    return next((seen_by(setup, port, card) for port, card in cards if card.name == wanted), None)


def judging(setup: Setup) -> tuple[bytes | None, bool, list[tuple[int, bytes | None]]]:
    """What parsing asks of the port: its MAC (of several: judged when the port is known), and whether IP header
    checksums are verified (by one of several, by all; those that do not judge again, one by one), and VLAN devices."""
    mac = None if setup.several else setup.device.mac
    one = setup.profile == "dpvs" and not setup.several
    vlans = [(vlan.id, vlan.mac) for vlan in setup.device.vlan] if one else []
    return mac, not all(device.rx_ip_checksum_offload for device in setup.devices), vlans
