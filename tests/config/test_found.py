"""What an import found is written as TOML that says where each value came from."""

import tomllib

import pytest

from lbreplay.config.found import Found, inline, quoted
from lbreplay.errors import ConfigError


def test_values_notes_and_rest() -> None:
    """Plain values first, tables, lists of tables; a comment behind each value; the rest at the end."""
    found = Found()
    found.put(("device", "mtu"), 1500, "etc/dpvs.conf:7")
    found.put(("workers",), 4, "dpvs.conf:20")
    entry = found.append(("service",), {"vip": "10.0.0.1:80"}, "setup.sh:1")
    found.append((*entry, "real"), {"address": "10.0.0.2:80"}, "setup.sh:2")
    found.put((*entry, "laddr"), ["10.0.0.3"], "a/setup.sh:3, b/more.sh:4")
    found.warn("dpvs.conf:9", "odd")
    found.leave("dpvs.conf:10", "lldp\x07 off")
    text = found.text()
    assert tomllib.loads(text) == found.document
    assert text.index("workers = 4  # dpvs.conf:20") < text.index("[device]") < text.index("[[service]]  # setup.sh:1")
    assert "mtu = 1500  # dpvs.conf:7" in text
    assert 'laddr = ["10.0.0.3"]  # setup.sh:3, more.sh:4' in text
    assert "# Warnings:\n#   dpvs.conf:9: odd" in text
    assert "#   dpvs.conf:10: lldp  off" in text


def test_workers_in_full_have_a_line_each() -> None:
    """A list of small tables stays in line, with its notes."""
    found = Found()
    found.append(("workers",), {"cpu_id": 3, "queues": [0]}, "dpvs.conf:1")
    assert "  { cpu_id = 3, queues = [0] },  # dpvs.conf:1" in found.text()
    assert tomllib.loads(found.text()) == {"workers": [{"cpu_id": 3, "queues": [0]}]}


def test_strict_refuses_what_is_odd() -> None:
    """With strict a warning is an error."""
    with pytest.raises(ConfigError, match=r"dpvs\.conf:9: odd"):
        Found(strict=True).warn("dpvs.conf:9", "odd")


@pytest.mark.parametrize("value", [True, 7, 1.5, 'a"b\\c\n\x7f\x00é', [1, "x"], {"a": [1], "b": {}}, [], {}])
def test_inline_values_are_toml(value: object) -> None:
    """Every value comes back as it was."""
    assert tomllib.loads(f"x = {inline(value)}") == {"x": value}
    assert "\n" not in inline(value)


def test_quoted_is_one_line() -> None:
    """Control characters are escaped."""
    assert quoted("a\tb\x7f") == '"a\\tb\\u007f"'
