"""Captures and configurations that the lab's tests ask questions about."""

from __future__ import annotations

from pathlib import Path

import craft

from lbreplay.config.load import load
from lbreplay.model import Setup

VIP = "10.0.0.100:80"
TEXT = """
workers = 4
[conn]
timer_jitter = false
laddr_step = false
[[service]]
name = "web"
vip = "10.0.0.100:80"
scheduler = "wlc"
laddr = ["192.168.100.200"]
[[service.real]]
address = "192.168.100.2:8080"
[[service.real]]
address = "192.168.100.3:8080"
weight = 2
"""


def setup(*sets: str, view: str = "client", text: str = TEXT) -> Setup:
    return load("lb.toml", sets, text=text, view=view)


def client(number: int) -> str:
    return f"172.16.{number >> 8}.{number & 255}:3000"


def frames(connections: int = 24) -> list[bytes]:
    """Connections seen by their clients: four frames each."""
    made = []
    for number in range(1, connections + 1):
        end = client(number)
        made += [craft.syn(end, VIP), craft.tcp(VIP, end, "SA", 7, 1001)]
        made += [craft.tcp(end, VIP, "A", 1001, 8), craft.tcp(end, VIP, "PA", 1001, 8, b"GET /")]
    return made


def capture(folder: Path, made: list[bytes] | None = None) -> str:
    return str(craft.write(folder / "in.pcap", frames() if made is None else made))
