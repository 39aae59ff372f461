"""A small balancer and a scene in front of it, for tests of what is generated."""

from __future__ import annotations

from pathlib import Path

from lbreplay.config.load import load
from lbreplay.lab.gen.clients import Clients
from lbreplay.lab.gen.scene import Scene
from lbreplay.lab.gen.stage import Stage
from lbreplay.model import Setup

TEXT = """
workers = 4

[[service]]
name = "web"
vip = "203.0.113.10:80"
scheduler = "rr"
laddr = ["198.19.0.1"]
real = [{ address = "198.18.0.1:8080" }, { address = "198.18.0.2:8080" }, { address = "198.18.0.3:8080" }]

[[service]]
name = "dns"
vip = "203.0.113.53:53"
protocol = "udp"
laddr = ["198.19.0.2"]
real = [{ address = "198.18.0.3:53", weight = 2 }, { address = "198.18.0.4:53" }]
"""
SCTP = """
[[service]]
name = "sig"
vip = "203.0.113.60:36412"
protocol = "sctp"
laddr = ["198.19.0.3"]
real = [{ address = "198.18.0.3:36412" }]
"""


def setup(more: str = "", view: str = "client", text: str = TEXT) -> Setup:
    """The setup of TEXT and what stands behind it, `--set` assignments a line each in front of a service."""
    sets = [line for line in more.splitlines() if line and not line.startswith("[") and "." in line.partition("=")[0]]
    rest = "\n".join(line for line in more.splitlines() if line not in sets)
    return load("lb.toml", sets, view=view, text=text + rest)


def scene(more: str = "", view: str = "client", text: str = TEXT) -> Scene:
    """A scene before its first frame."""
    made = setup(more, view, text)
    return Scene(made, Stage(made, view), Clients(made))


def written(folder: Path, text: str = TEXT) -> Path:
    """The configuration as a file."""
    path = folder / "lb.toml"
    path.write_text(text)
    return path
