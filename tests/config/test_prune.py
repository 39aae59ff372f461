"""Configurations without some of their parts."""

from lbreplay.config.prune import parts, without

DOCUMENT = {
    "workers": 4,
    "device": {"mtu": 1500, "rss": "all"},
    "service": [{"vip": "a", "real": [{"x": 1}]}, {"vip": "b"}],
}


def test_parts_by_depth():
    """Keys of tables and entries of lists."""
    assert parts(DOCUMENT, 1) == [("workers",), ("device",), ("service",)]
    assert parts(DOCUMENT, 2) == [("device", "mtu"), ("device", "rss"), ("service", 0), ("service", 1)]
    assert ("service", 0, "real", 0) in parts(DOCUMENT, 4)


def test_without():
    """What is left empty goes too; what was given empty stays; the document is as it was."""
    pruned = without(DOCUMENT, {("device", "mtu"), ("device", "rss"), ("service", 0, "real", 0), ("service", 1)})
    assert pruned == {"workers": 4, "service": [{"vip": "a"}]}
    assert without({"modules": []}, ()) == {"modules": []}
    assert DOCUMENT["device"] == {"mtu": 1500, "rss": "all"}
