"""Who claims a virtual address by ARP."""

import pytest
from lab.made_capture import TEXT, capture, frames, setup
from scapy.layers.l2 import ARP, Ether

from lbreplay.lab.check import check

BALANCER, SERVER, ASKER = "02:00:00:00:00:01", "02:00:00:00:00:03", "02:00:00:00:00:02"


def said(mac, address="10.0.0.100", op=2):
    return bytes(Ether(src=mac, dst=ASKER) / ARP(op=op, hwsrc=mac, psrc=address, hwdst=ASKER, pdst="10.0.0.1"))


def judged(tmp_path, made, *sets):
    return check(setup(*sets, text=TEXT), capture(tmp_path, made), ["claims"]).judgements[0]


@pytest.mark.parametrize(("sets", "first"), [((), 2), ((f'device.mac="{BALANCER}"',), 2)])
def test_a_real_server_that_answers_for_the_virtual_address(tmp_path, sets, first):
    """Beside the balancer, whose MAC is configured or was the first to be seen."""
    found = judged(tmp_path, [said(BALANCER), said(SERVER), said(SERVER)], *sets)
    assert (found.holds, found.failure.first, found.failure.others) == (False, first, 1)
    assert found.failure.detail.startswith(
        f"10.0.0.100 is claimed by {SERVER}, not by the balancer alone; a real server"
    )


def test_a_gratuitous_one_counts(tmp_path):
    """A request about one's own address is a claim too."""
    assert judged(tmp_path, [said(SERVER, op=1)], f'device.mac="{BALANCER}"').holds is False


def test_what_is_no_claim(tmp_path):
    """One owner, other addresses, a cut frame; without ARP there is nothing to judge."""
    assert judged(tmp_path, [said(BALANCER), said(BALANCER), said(SERVER, "10.0.0.7"), said(SERVER)[:30]]).holds
    assert judged(tmp_path, frames(1)).holds is None
