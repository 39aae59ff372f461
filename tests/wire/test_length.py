"""The length field of IP headers."""

import pytest

from lbreplay.wire.craft import ipv4, ipv6
from lbreplay.wire.length import grow, is_cut, set_length, total_length


@pytest.mark.parametrize("l3", [ipv4(bytes(4), bytes(4), 17, bytes(30)), ipv6(bytes(16), bytes(16), 17, bytes(30))])
def test_length_follows_the_header(l3):
    """Set, grown and read in either family; a packet with fewer bytes than it says was cut."""
    whole = len(l3)
    assert total_length(l3) == whole and not is_cut(l3)
    grow(l3, 8)
    assert total_length(l3) == whole + 8 and is_cut(l3)
    set_length(l3)
    assert total_length(l3) == whole
    set_length(l3, whole + 100)
    assert total_length(l3) == whole + 100
