"""Every form of TOML: each key path is found at its line and column."""

import pytest

from lbreplay.config.places import imported, toml

TEXT = '''\
# service = 1
seed = 1 # ]
"a b".'c' = [
  1, # [
  "x\\"]", { d = 2, e.f = [3] },
]
long = """
[no] "" \\" ="""
raw = \'\'\'a = 1
\'\'\'
[[service]]
vip = '1.1.1.1:80'
  [service.persistent]
  timeout = 3
  [[service.real]]
  weight = 0x1F
  [[service.real]]
  weight = 1
[[service]]
real = [{ weight = 1 }, { weight = 1979-05-27 07:32:00 }]
[x.y]
z=true'''


@pytest.mark.parametrize(
    "path, line, column",
    [
        ("seed", 2, 8),
        ("a b.c", 3, 13),
        ("a b.c[0]", 4, 3),
        ("a b.c[1]", 5, 3),
        ("a b.c[2].d", 5, 17),
        ("a b.c[2].e.f[0]", 5, 27),
        ("long", 7, 8),
        ("raw", 9, 7),
        ("service[0]", 11, 1),
        ("service[0].vip", 12, 7),
        ("service[0].persistent.timeout", 14, 13),
        ("service[0].real[1].weight", 18, 12),
        ("service[1].real[0].weight", 20, 20),
        ("service[1].real[1].weight", 20, 36),
        ("x.y.z", 22, 3),
    ],
)
def test_values(path: str, line: int, column: int) -> None:
    """Comments, strings of all four kinds, dotted and quoted keys, tables in line and lists of them."""
    assert str(toml("lb.toml", TEXT).of(path)) == f"lb.toml:{line}:{column}"


def test_names_and_what_is_not_there() -> None:
    """A wrong key is shown itself, a lacking one by the table that lacks it, what has no part in the file nowhere."""
    places = toml("lb.toml", TEXT)
    assert str(places.of("service[0].vip", name=True)) == "lb.toml:12:1"
    assert str(places.of("service[0].real[1].address")) == "lb.toml:17:3"
    assert places.of("device.rss") is None


def test_imported_lines(tmp_path) -> None:  # type: ignore[no-untyped-def]
    """A value of a script stands at the first word of its line."""
    script = tmp_path / "lb.sh"
    script.write_text("#!/bin/sh\n  ipvsadm -A\n")
    places = imported({("service", 0, "vip"): f"{script}:2", ("seed",): "as asked"})
    assert str(places.of("service[0].vip")) == f"{script}:2:3"
    assert places.of("seed") is None
