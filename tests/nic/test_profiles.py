"""The drivers as data: each has what a port needs, and the configuration knows the same ones."""

from lbreplay.burst import KIND_NONE
from lbreplay.config.schema import RETA_SIZE
from lbreplay.nic.profiles import PROFILES, RANDOM_KEY, SYMMETRIC_KEY, rss_key


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
