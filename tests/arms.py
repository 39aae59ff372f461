"""Two ports in a few lines: clients on dpdk1, real servers on dpdk0, as in DPVS's tutorial.

run = play([syn(CLIENT, VIP), ...])            # rig.Played of a setup with both
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import rig

from lbreplay.config.load import load
from lbreplay.model import Setup

INSIDE, OUTSIDE = "02:00:00:00:aa:00", "02:00:00:00:aa:01"  # MACs of dpdk0 and dpdk1
CLIENT, VIP, REAL, LADDR = "198.51.100.7:3000", "192.0.2.10:80", "192.168.100.20:80", "192.168.100.200:1025"
RS_MAC, GATEWAY = "02:00:00:00:02:20", "02:00:00:00:00:01"
DEVICES = """
[[device]]
name = "dpdk0"
mac = "{inside}"
address = ["192.168.100.10/24"]
{first}
[[device]]
name = "dpdk1"
mac = "{outside}"
address = ["192.0.2.1/24"]
{second}
"""
SERVICE = """
[conn]
timer_jitter = false
laddr_step = false
[[service]]
name = "web"
vip = "192.0.2.10:80"
mode = "{mode}"
scheduler = "rr"
{laddr}
real = [{{ address = "192.168.100.20:80" }}]
[[route]]
to = "0.0.0.0/0"
via = "192.0.2.254"
"""


def setup(
    *, mode: str = "fnat", laddr: str = "192.168.100.200@dpdk0", workers: str = "1", first: str = "",
    second: str = "", inside: str = INSIDE, outside: str = OUTSIDE, more: str = "", view: str = "rx",
) -> Setup:  # fmt: skip
    """The setup; *first* and *second* are more keys of dpdk0 and dpdk1, MACs "" leave them unset."""
    devices = DEVICES.format(inside=inside, outside=outside, first=first, second=second).replace('mac = ""\n', "")
    addresses = f'laddr = ["{laddr}"]' if mode == "fnat" else ""
    text = f"workers = {workers}\n" + devices + SERVICE.format(mode=mode, laddr=addresses) + more
    return load("lb.toml", text=text, view=view)


def play(frames: Iterable[Any], made: Setup | None = None, **options: Any) -> rig.Played:
    """Replay *frames*; *options* are those of `setup`."""
    return rig.play(made or setup(**options), frames)


def to(mac: str, frame: bytes) -> bytes:
    """*frame* sent to another MAC."""
    return bytes.fromhex(mac.replace(":", "")) + frame[6:]


def flows(count: int = 64) -> list[tuple[str, str]]:
    """Clients' flows."""
    return [(f"198.51.100.{n + 1}:{1000 + n}", VIP) for n in range(count)]


def bonded(policy: str = "layer3+4", mode: int = 4) -> Setup:
    """Two slaves of different drivers as one port, which serves clients and real servers."""
    text = f"""
workers = 4
[[device]]
name = "dpdk0"
driver = "mlx5"
[[device]]
name = "dpdk1"
driver = "i40e"
[[device]]
name = "bond0"
slaves = ["dpdk0", "dpdk1"]
mode = {mode}
hash = "{policy}"
mac = "{OUTSIDE}"
address = ["192.168.100.10/24"]
[[service]]
vip = "{VIP}"
laddr = ["192.168.100.200"]
real = [{{ address = "192.168.100.20:80" }}]
"""
    return load("lb.toml", text=text, view="rx")
