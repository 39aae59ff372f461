"""A director as tests drive it: a configuration in a few words, frames in, what left and what is known of it out.

k = Kernel(edition="2.6")                 # a NAT service on 10.0.0.100:80 with real servers A, B and C
k = Kernel(service(mode="dr"), "drop_packet = 3")
seen = k.send(craft.syn(CLIENT, VIP))     # .verdict, .sent (packets), .conn
k.wait(60)
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any

import craft
import numpy as np
from scapy.packet import Packet as Dissected

from lbreplay.burst import RECORD, Burst, Made
from lbreplay.config.load import load
from lbreplay.ipvs.director import Director
from lbreplay.ipvs.parts import Story
from lbreplay.ipvs.states import name
from lbreplay.loop.entry import Conn
from lbreplay.loop.parse import parse
from lbreplay.model import Endpoint, Event, RealServer
from lbreplay.verdict import Verdict
from lbreplay.wire.packet import Packet

CLIENT, VIP = "198.51.100.1:40000", "10.0.0.100:80"
A, B, C = "10.1.0.11:8080", "10.1.0.12:8080", "10.1.0.13:8080"
SECOND = 10**9
WORLD = """
profile = "ipvs"
edition = "{edition}"
[ipvs]
{ipvs}
[device]
mac = "02:70:63:61:70:00"
address = ["10.0.0.1/24", "10.1.0.1/16", "10.0.0.100/32", "2001:db8::1/64"]
[[route]]
to = "0.0.0.0/0"
via = "10.0.0.254"
[[route]]
to = "::/0"
via = "2001:db8::254"
{tables}
"""


def endpoint(text: str) -> Endpoint:
    address, port = craft.split(text)
    return Endpoint(ip_address(address).packed, port)


def real(address: str, **keys: Any) -> str:
    return "\n".join(("[[service.real]]", f'address = "{address}"', *_lines(keys)))


def service(*reals: str, name: str = "web", vip: str | None = VIP, **keys: Any) -> str:
    """A `[[service]]`; *reals* are addresses or `real(...)` texts."""
    keys = {"scheduler": "rr", "mode": "nat"} | keys | ({"vip": vip} if vip else {})
    servers = [text if "\n" in text else real(text) for text in reals or (A, B, C)]
    return "\n".join(("[[service]]", f'name = "{name}"', *_lines(keys), *servers))


def _lines(keys: dict[str, Any]) -> list[str]:
    return [f"{key} = {_toml(value)}" for key, value in keys.items()]


def _toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{k} = {_toml(v)}" for k, v in value.items()) + " }"
    if isinstance(value, bool):
        return str(value).lower()
    return f'"{value}"' if isinstance(value, str) else str(value)


@dataclass
class Seen:
    """What became of one frame."""

    verdict: str
    frames: list[bytes]
    story: Story

    @property
    def sent(self) -> list[Dissected]:
        return [craft.parse(frame) for frame in self.frames]

    @property
    def only(self) -> Dissected:
        assert len(self.frames) == 1, f"one frame leaves, not {len(self.frames)}"
        return self.sent[0]

    @property
    def conn(self) -> Conn:
        assert self.story.conn is not None
        return self.story.conn

    @property
    def real(self) -> str:
        return str(self.conn.real)


class Kernel:
    def __init__(self, *tables: str, ipvs: str = "", edition: str = "6.1.192", view: str = "rx") -> None:
        text = WORLD.format(edition=edition, ipvs=ipvs, tables="\n".join(tables or (service(),)))
        self.setup = load("lb.toml", (), view=view, text=text)
        self.director = Director(self.setup)
        self.parts = self.director.parts
        self.now, self.n = craft.START, 0
        self.director.start(self.now)

    def wait(self, seconds: float) -> None:
        """Time passes."""
        self.now += round(seconds * SECOND)
        self.director.advance(self.now)

    def send(self, frame: bytes, after: float = 0.001) -> Seen:
        """A frame comes *after* seconds."""
        self.wait(after)
        self.n += 1
        net = self.parts.net
        made: list[Made] = []
        net.out, net.cause = made, self.n
        story = self.parts.story = Story()
        seen = self.director.view.judge(Packet(frame, len(frame), self.now, self.n))
        verdict = seen if isinstance(seen, Verdict) else self.director.path.handle(seen)
        return Seen(verdict.name.lower(), [m.frame for m in made], story)

    def answer(self, seen: Seen, flags: str = "A", **fields: Any) -> Seen:
        """The real server answers what it was sent."""
        return self.send(craft.reply(seen.frames[-1], flags, **fields))

    def handshake(self, client: str = CLIENT, vip: str = VIP) -> Seen:
        """SYN, SYN|ACK, ACK; the last."""
        self.answer(self.send(craft.syn(client, vip)), "SA")
        return self.send(craft.tcp(client, vip, "A", 1001, 5001))

    def set(self, address: str, of: str = "web", **keys: int) -> None:
        """`ipvsadm -e`, now."""
        self._events(Event(0, "set", ("service", of, "real", address, key), value) for key, value in keys.items())

    def sysctl(self, name: str, value: int) -> None:
        self._events([Event(0, "set", ("ipvs", name), value)])

    def remove(self, address: str = "", of: str = "web") -> None:
        """`ipvsadm -d` of a real server, or `-D` of the service."""
        self._events([Event(0, "remove", ("service", of, "real", address) if address else ("service", of))])

    def add(self, address: str, of: str = "web") -> None:
        """`ipvsadm -a`."""
        self._events([Event(0, "add", ("service", of, "real"), RealServer(endpoint(address)))])

    def _events(self, events: Iterable[Event]) -> None:
        self.director.events._left = list(events)
        self.director.events.start(self.now)
        self.director.advance(self.now)

    def state(self, conn: Conn) -> tuple[str, int]:
        """(state, seconds left) as a listing shows them."""
        return name(conn, self.parts.edition.assured), (conn.due - self.now) // SECOND

    def dest(self, address: str, of: str = "web") -> Any:
        return next(d for d in self.parts.services.by_name[of].dests if str(d.real) == address)

    def counts(self, address: str, of: str = "web") -> tuple[int, int]:
        """(active, inactive) of a real server."""
        dest = self.dest(address, of)
        return dest.actconns, dest.inactconns


def burst(first: int, record: craft.Record, mac: bytes | None) -> Burst:
    """One frame as a burst, as a port with *mac* receives it."""
    time, length, data = record
    buffer = np.frombuffer(bytes(RECORD) + data + bytes(256), np.uint8).copy()
    column = [np.array([value], np.int64) for value in (RECORD, len(data), length, time)]
    made = Burst.of(first, buffer, *column)
    parse(made, mac, False)
    return made
