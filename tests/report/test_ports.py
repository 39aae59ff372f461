"""The table by port: a row a port, slaves under their bond."""

import io

from lbreplay.report import layout, tables
from lbreplay.report.ports import columns

FIGURES = {
    "driver": "ixgbe", "ipackets": 1200, "ibytes": 0, "opackets": 7, "obytes": 0, "rules": 8,
    "steered": {"flow_director": 1000, "rss": 150, "default": 50},
}  # fmt: skip


def shown(ports: list[dict[str, object]]) -> list[list[str]]:
    out = io.StringIO()
    layout.show(columns(ports), tables.console(out))
    return [line.split() for line in out.getvalue().splitlines()[3:]]


def test_a_row_a_port_and_a_slave() -> None:
    """The figures stand under their headings, the slaves behind their bond."""
    bond = {"port": "bond0", **FIGURES, "slaves": [{"slave": "dpdk0", **FIGURES}]}
    row = ["ixgbe", "1,200", "1,000", "150", "50", "8", "7"]
    assert shown([bond, {"port": "dpdk2", **FIGURES}]) == [["bond0", *row], ["dpdk0", *row], ["dpdk2", *row]]
