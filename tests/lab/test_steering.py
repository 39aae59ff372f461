"""Steering written down agrees with steering done."""

import ipaddress

import pytest
from lab.made_capture import setup

from lbreplay.burst import KIND_FRAGMENT, KIND_NONE, KIND_TCP, KIND_UDP
from lbreplay.lab.steering import Arrival, steer, steering
from lbreplay.model import Endpoint
from lbreplay.nic.steer import Nic


def end(text: str, port: int) -> Endpoint:
    return Endpoint(ipaddress.ip_address(text).packed, port)


MICROSOFT = Arrival(KIND_TCP, end("66.9.149.187", 2794), end("161.142.100.80", 1766))  # S 1.3, vector 1


def told(arrival: Arrival, *sets: str):
    made = setup(*sets)
    return steering(Nic(made), arrival)


def test_published_hash():
    """The hash, its input and the table entry of a published vector."""
    found = told(MICROSOFT, "workers=8")
    assert found["hash"]["value"] == "0x51ccc178"
    assert found["hash"]["bytes"] == "420995bba18e64500aea06e6"
    assert found["reta"] == {"size": 128, "index": 120, "low_bits": "1111000", "queue": 0}
    assert (found["by"], found["worker"], found["cpu_id"]) == ("rss", 0, 1)


def test_rules_are_tried_in_order_until_one_matches():
    """Rules of the address and protocol, each with its bits; others are only counted."""
    found = told(Arrival(KIND_UDP, end("192.168.100.2", 53), end("192.168.100.200", 1026)))["rules"]
    assert [rule["matched"] for rule in found["tried"]] == [False, False, True]
    last = found["tried"][-1]
    assert (last["port_bits"], last["mask_bits"], last["value_bits"]) == (
        "0000010000000010",
        "0000000000000011",
        "0000000000000010",
    )
    assert found["other"] == 4, "the rules for TCP come first"


def test_a_rule_leaves_the_hash_alone():
    """What a rule decides has a hash that nobody consults."""
    found = told(Arrival(KIND_TCP, end("192.168.100.2", 8080), end("192.168.100.200", 1027)))
    assert (found["by"], found["worker"], found["hash"]["used"], found["reta"]) == ("flow_director", 3, False, None)


@pytest.mark.parametrize(
    "kind, sets, why",
    [(KIND_UDP, ("device.rss=tcp",), "ixgbe"), (KIND_TCP, ("device.driver=i40e", "device.rss=ip"), "rss = ip")],
)
def test_no_hash(kind, sets, why):
    """Without a hash a frame goes to queue 0, and the driver and its setting are named."""
    found = told(Arrival(kind, end("1.2.3.4", 5), end("5.6.7.8", 9)), *sets)
    assert (found["by"], found["queue"], found["hash"]["value"]) == ("default", 0, None)
    assert why in found["hash"]["why"]


@pytest.mark.parametrize("kind", [KIND_NONE, KIND_FRAGMENT])
def test_odd_classes(kind):
    """Frames without ports, or without IP, are told too."""
    arrival = Arrival(kind, *((Endpoint(b"", 0),) * 2 if kind == KIND_NONE else (end("1.1.1.1", 0), end("2.2.2.2", 0))))
    found = told(arrival)
    assert found["queue"] == steer(Nic(setup()), arrival).queue
    assert found["rules"]["tried"] == []


def test_cards_that_stand_alone():
    """Without a replay several ports are told apart by routes too: an answer comes in where its real server is."""
    import arms

    from lbreplay.lab.steering import standing

    cards = standing(arms.setup(workers="2"))
    ends = bytes([192, 168, 100, 20]), 80, bytes([192, 168, 100, 200])
    assert [cards.steer_flow(3, 4, *ends, lport).rank for lport in (1026, 1025)] == [0, 1]
    assert cards.steer_flow(3, 4, bytes([198, 51, 100, 7]), 5, bytes([192, 0, 2, 10]), 80).queue >> 8 == 1
