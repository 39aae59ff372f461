"""The drivers as data: each has what a port needs, and the configuration knows the same ones."""

import pytest

from lbreplay.burst import KIND_FRAGMENT, KIND_NONE, KIND_OTHER, KIND_SCTP, KIND_TCP, KIND_UDP
from lbreplay.config.schema import RETA_SIZE
from lbreplay.nic.profiles import ANY_MASK, NO_RULES, PAIR, PROFILES, RANDOM_KEY, SYMMETRIC_KEY, TUPLE, rss_key


def test_configuration_knows_the_same_drivers():
    """The drivers a user may name, and their table sizes, are those of the profiles."""
    assert {profile.name: profile.reta_size for profile in PROFILES.values()} == RETA_SIZE


def test_keys_cover_ipv6():
    """Every fixed key is long enough for an IPv6 tuple: 36 bytes and four more."""
    assert all(len(p.key) >= 40 for p in PROFILES.values() if p.key is not RANDOM_KEY)


def test_nothing_hashes_what_is_not_ip():
    """No driver has an input for frames that are not IP."""
    assert not any(KIND_NONE in profile.inputs for profile in PROFILES.values())


def test_configured_key_wins():
    """A configured key is taken as it is, whatever the driver."""
    assert rss_key("ixgbe", SYMMETRIC_KEY, 0) == SYMMETRIC_KEY
    assert rss_key("ixgbe", None, 0) == PROFILES["ixgbe"].key


@pytest.mark.parametrize(
    ("driver", "sctp_input", "kind_of_rules"),
    [
        ("bnxt", PAIR, ANY_MASK),
        ("hns3", 0, ANY_MASK),
        ("ena", PAIR, NO_RULES),
        ("gve", PAIR, NO_RULES),
        ("vmxnet3", PAIR, NO_RULES),
    ],
)
def test_drivers_of_clouds_and_servers(driver, sctp_input, kind_of_rules):
    """Under `all` each hashes TCP and UDP by ports, SCTP as published, and holds masked rules or none (S 1.8)."""
    profile = PROFILES[driver]
    hashed = {kind: next((form for name, form in forms if name in ("ip", "tcp", "udp")), 0)
              for kind, forms in profile.inputs.items()}  # fmt: skip
    assert hashed == {KIND_OTHER: PAIR, KIND_FRAGMENT: PAIR, KIND_TCP: TUPLE, KIND_UDP: TUPLE, KIND_SCTP: sctp_input}
    assert (profile.port_masks, bool(profile.why)) == (kind_of_rules, kind_of_rules == NO_RULES)
