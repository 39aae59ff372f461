"""Next hops that are asked for their MACs, each worker by itself (S 4.9; `device.resolve`).

    nothing known   the packet waits, an ARP request or a neighbour solicitation goes out
    known           it leaves; an entry that grew old is asked for again on the way
    no answer       the entry goes, and what waits for it is freed: its verdict stays `neigh_queued`

Answers reach all workers at once. Packets of connections confirm the next hop of the side they came from (D 4.3).
The states and their timeouts are data in `stack/neighbor.py`; the random fifth of a second on top is left out.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from lbreplay.dpvs.conn import IN
from lbreplay.model import NANOSECOND
from lbreplay.stack.neighbor import GONE, NEXT, QUEUE_LENGTH, STATES, TIMEOUT, Addressed
from lbreplay.verdict import Verdict
from lbreplay.wire import craft
from lbreplay.wire.packet import SCTP, TCP, UDP, Packet

if TYPE_CHECKING:
    from lbreplay.dpvs.conn import Conn
    from lbreplay.dpvs.machine import Machine

ACK = 0x10
UNKNOWN = ("none", "send")
Hop = tuple[int, bytes]  # of a device, an address on it
Later = Callable[[int, Callable[[], None]], None]


class _Entry:
    """What one worker knows of one next hop, and what waits for it."""

    def __init__(self) -> None:
        self.state = "none"
        self.mac = b""
        self.since: int | None = None  # when the timer last started anew in this state
        self.serial = 0  # a timer that was set before the last one is void
        self.waiting: list[tuple[Addressed, int, bool]] = []


class Resolver:
    """Entries of all workers. `send` takes the place of `Machine.send` for frames that go to a next hop."""

    def __init__(self, machine: Machine, later: Later) -> None:
        self._machine, self._later = machine, later
        self._entries: list[dict[Hop, _Entry]] = [{} for _ in machine.lcores]
        machine.stack.neighbors.taught = self.taught

    def send(self, frame: Addressed, length: int, worker: int, own: bool) -> Verdict | None:
        """Let *frame* leave, or wait (NEIGH_QUEUED, NEIGH_QUEUE_FULL)."""
        known, hop = self._entries[worker], (frame.port, frame.hop)
        static = self._machine.stack.neighbors.static(frame.hop, frame.port)
        if static is not None and hop not in known:
            self._leave(frame, static, length, worker, own)
            return None
        entry = known.get(hop)
        if entry is None:
            entry = known[hop] = _Entry()
            self._start(worker, hop, entry)
        if entry.state in UNKNOWN:
            return self._wait(entry, frame, length, worker, own)
        self._leave(frame, entry.mac, length, worker, own)
        self._event("packet", worker, hop, entry)
        if entry.state == "probe":
            self._ask(frame, worker, entry)
        return None

    def _wait(self, entry: _Entry, frame: Addressed, length: int, worker: int, own: bool) -> Verdict:
        if len(entry.waiting) > QUEUE_LENGTH:
            return Verdict.NEIGH_QUEUE_FULL
        entry.waiting.append((frame, length, own))
        if entry.state == "none":
            self._ask(frame, worker, entry)
        return Verdict.NEIGH_QUEUED

    def _leave(self, frame: Addressed, mac: bytes, length: int, worker: int, own: bool) -> None:
        self._machine.send(mac + bytes(frame[6:]), length, worker, own)

    def _ask(self, frame: Addressed, worker: int, entry: _Entry) -> None:
        """Send a request for the next hop of *frame*, from the port's address for it (none: nothing is sent)."""
        source, mac = self._machine.stack.select(frame.hop), bytes(frame[6:12])
        if source is not None:
            make = craft.arp_request if len(frame.hop) == 4 else craft.neighbor_solicitation
            request = make(frame.hop, source, mac, frame.tag)
            self._machine.send(request, len(request), worker, True)
        self._event("request", worker, (frame.port, frame.hop), entry)

    def taught(self, address: bytes, mac: bytes, port: int) -> None:
        """An answer, or a solicitation from *address*: all workers learn of it, and what waited leaves."""
        hop = port, address
        for worker, known in enumerate(self._entries):
            entry = known.setdefault(hop, _Entry())
            entry.mac = mac
            self._event("reply", worker, hop, entry)
            waiting, entry.waiting = entry.waiting, []
            for frame, length, own in waiting:
                self._leave(frame, mac, length, worker, own)

    def confirm(self, conn: Conn, side: int, packet: Packet) -> None:
        """A packet of a connection tells that the next hop it came from is alive (D 4.3)."""
        told = {TCP: packet.flags & ACK, UDP: side != IN, SCTP: True}.get(packet.proto)
        address = conn.client.address if side == IN else conn.real.address
        route = self._machine.stack.route(address) if told else None
        if route is None:
            return
        hop = route.port, route.via or address
        entry = self._entries[packet.worker].get(hop)
        if entry is not None:
            self._event("confirm", packet.worker, hop, entry)

    # --- states and timers -----------------------------------------------------------------------------------

    def _event(self, name: str, worker: int, hop: Hop, entry: _Entry) -> None:
        """Step *entry*. Staying in its state starts the timer anew only when half of it is over (S 4.9)."""
        new = NEXT[name][STATES.index(entry.state)]
        if new == GONE:
            del self._entries[worker][hop]
        elif new and new != entry.state:
            entry.state, entry.since = new, None
            self._start(worker, hop, entry)
        elif new and (entry.since is None or self._machine.now - entry.since >= _timeout(entry) // 2):
            entry.since = self._machine.now
            self._start(worker, hop, entry)

    def _start(self, worker: int, hop: Hop, entry: _Entry) -> None:
        entry.serial += 1
        serial = entry.serial

        def over() -> None:
            if entry.serial == serial:
                self._event("timer", worker, hop, entry)

        self._later(self._machine.now + _timeout(entry), over)


def _timeout(entry: _Entry) -> int:
    return TIMEOUT[STATES.index(entry.state)] * NANOSECOND
