"""Who owns which local port, so that answers come home, and the rules the NIC needs for it (interface 2).

port_low     DPVS: the low bits of the port are the worker's rank
port_high    old DPVS: contiguous blocks, the high bits are the rank
laddr        a local address belongs to one worker, with all its ports
rss_port     no rules: the port is chosen so that RSS of the answer comes home
off          no ownership, no rules
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from lbreplay.model import Endpoint, Setup
from lbreplay.nic.flow_director import Rule
from lbreplay.nic.strategies.laddr import LaddrStrategy
from lbreplay.nic.strategies.off import OffStrategy
from lbreplay.nic.strategies.port_high import PortHighStrategy
from lbreplay.nic.strategies.port_low import PortLowStrategy
from lbreplay.nic.strategies.rss_port import RssPortStrategy


class Strategy(Protocol):
    """The choice behind a local port."""

    def ports(self, laddr: bytes, rank: int, low: int, high: int) -> Sequence[int]:
        """What worker *rank* may bind of *laddr* between *low* and *high*, ascending."""
        ...

    def fits(self, rank: int, laddr: bytes, lport: int, peer: Endpoint, proto: int) -> bool:
        """Whether *peer*'s answer to this local port comes home to *rank* by this choice alone."""
        ...

    def room(self, laddr: bytes, rank: int, low: int, high: int, peers: Sequence[Endpoint], proto: int) -> int:
        """How many of `ports` are of use towards *peers*, which share them."""
        ...

    def rules(self) -> list[Rule]:
        """The rules wanted, in order of matching: by address, protocol and rank."""
        ...


STRATEGIES: dict[str, Callable[[Setup], Strategy]] = {
    "port-low": PortLowStrategy,
    "port-high": PortHighStrategy,
    "laddr": LaddrStrategy,
    "rss-port": RssPortStrategy,
    "off": OffStrategy,
}
