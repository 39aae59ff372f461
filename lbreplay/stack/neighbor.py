"""Neighbours: the MAC address of a next hop.

A replay takes every next hop for resolved (D 12.4): what an ARP reply or a neighbour advertisement taught, else its
`[[neighbor]]`, else the MAC its side's frames came from, else 02:00 and the last four bytes of its address
(interface 2).
A learned entry stands before a configured one, as DPVS finds it first (S 3.5).

With `device.resolve` next hops are asked first, each worker by itself (`dpvs/resolve.py`): the states of an entry are
the table below (S 4.9), and a frame made here says whom it goes to.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from lbreplay.model import Neighbor

STATES = ("none", "send", "reachable", "probe", "delay")
TIMEOUT = (2, 3, 60, 30, 3)  # seconds, by state; reachable is `neigh_defs timeout`
QUEUE_LENGTH = 128  # `unres_queue_length`: the packet that finds more than this waiting is dropped
GONE = "gone"  # the entry is removed, what waits for it is freed
NEXT = {  # event: the next state, a column per old state; "" keeps it and leaves the timer alone
    #            none         send         reachable    probe        delay
    "request": ("send",      "send",      "",          "delay",     "delay"),
    "reply":   ("reachable", "reachable", "reachable", "reachable", "reachable"),
    "confirm": ("",          "",          "reachable", "reachable", "reachable"),
    "packet":  ("",          "",          "",          "probe",     ""),
    "timer":   (GONE,        "none",      "probe",     "none",      "none"),
}  # fmt: skip


class Addressed(bytes):
    """A frame that leaves with the MAC of *hop*, once that is known; *port* and *tag*: the device it leaves by."""

    hop: bytes
    tag: int | None
    port: int

    @classmethod
    def to(cls, frame: bytes, hop: bytes, tag: int | None, port: int = 0) -> Addressed:
        made = cls(frame)
        made.hop, made.tag, made.port = hop, tag, port
        return made


class Neighbors:
    """MAC addresses of next hops, for the run, each on its device, or on any."""

    def __init__(self, neighbors: Iterable[Neighbor]) -> None:
        self._known = {(n.device and n.device.port, n.address): n.mac for n in neighbors}
        self.version = 0  # changes when an entry does
        self.taught: Callable[[bytes, bytes, int], None] | None = None  # keeps it, where next hops are asked

    @property
    def any(self) -> bool:
        """Whether there is any entry."""
        return bool(self._known)

    def learn(self, address: bytes, mac: bytes, port: int = 0) -> None:
        """What ARP or neighbour discovery said about *address* on device *port*."""
        if self.taught is not None:
            self.taught(address, mac, port)
        elif self.known(address, port) != mac:
            self._known[port, address] = mac
            self.version += 1

    def hops(self) -> set[bytes]:
        """The next hops that somebody told of."""
        return {address for _, address in self._known}

    def known(self, hop: bytes, port: int = 0) -> bytes | None:
        """The MAC that somebody told of *hop* on device *port*."""
        return self._known.get((port, hop)) or self._known.get((None, hop))

    def static(self, hop: bytes, port: int = 0) -> bytes | None:
        """The MAC of *hop* that nobody has to be asked for: its `[[neighbor]]`, or a group's."""
        return self.mac(hop, None, port) if self.known(hop, port) or (len(hop) == 16 and hop[0] == 0xFF) else None

    def mac(self, hop: bytes, fallback: bytes | None, port: int = 0) -> bytes:
        """MAC of next hop *hop* on device *port*; *fallback* is the one its side's frames came from."""
        if len(hop) == 16 and hop[0] == 0xFF:
            return b"\x33\x33" + hop[-4:]
        return self.known(hop, port) or fallback or derived(hop)


def derived(address: bytes) -> bytes:
    """The MAC of an address nobody told: 02:00 and its last four bytes (interface 2)."""
    return b"\x02\x00" + address[-4:]
