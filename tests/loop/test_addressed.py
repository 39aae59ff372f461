"""To whom rows are addressed, and where answers go, by zones of both families."""

from __future__ import annotations

import craft
from rig import setup, tcp
from twins import both


def test_ports_of_wide_ends_differ_too() -> None:
    """Of IPv6, a service by each."""
    made = setup(vip="[2001:db8:1::100]:80", reals=("[2001:db8:2::2]:8080",), laddr="[2001:db8:2::200]:1025")
    frames = [tcp("[2001:db8:c::1]:3000", f"[2001:db8:1::100]:{port}", "S", 1) for port in (80, 81, 80)]
    plain, rows = both(made, frames + [craft.tick()])
    assert plain.verdicts[0] == plain.verdicts[2] == "forwarded_slow" != plain.verdicts[1] and 1 not in rows
