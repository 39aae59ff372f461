"""What a director is made of."""

from __future__ import annotations

from kernel import Kernel

from lbreplay.ipvs.parts import Story


def test_the_kernel_always_sums_ip_headers() -> None:
    """Whatever the port's offload is said to be."""
    k = Kernel()
    assert not k.parts.setup.device.rx_ip_checksum_offload
    import craft
    from kernel import CLIENT, VIP
    from scapy.layers.inet import IP

    bad = craft.parse(craft.syn(CLIENT, VIP))
    bad[IP].chksum = 1
    assert k.send(bytes(bad)).verdict == "l3_checksum"


def test_side_of_a_story() -> None:
    """A hit of the answers' look-up is the real server's side."""
    story = Story()
    sides = []
    for story.lookup in ("", "in", "miss", "out"):
        sides.append(story.side)
    assert sides == [0, 0, 0, 1]
