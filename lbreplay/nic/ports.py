"""Several network cards: which one a frame came in on, and then what its own RSS and rules say (D 1.1, S 3.7).

A card is a port of its own, or a slave of a bond, which is one port with a card a slave. In the column `queue` the
number of the card stands above the queue's, so that queue 3 of card 1 is 0x103, and -1 is a frame that no way tells.

    interface  the capture has an interface, or a file (--port), by the name of a port or a slave
    mac        the destination is the MAC of one port
    vlan       the tag is that of a VLAN device on one port
    side       clients and real servers: the port by which the route to the source leaves, else that of the destination

The first that tells decides. Of a bond the slave is told by an interface, else by the transmit policy. A port without a
configured MAC takes every unicast frame for its own; such a frame is given the port's MAC, so that everything behind
knows the port by it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np

from lbreplay.arrays import I64, U8, Bool, parted
from lbreplay.burst import BY_DEFAULT, QUEUE_BITS, Burst
from lbreplay.model import Device, Endpoint, Setup
from lbreplay.nic import bond as policy
from lbreplay.nic.cards import card_of, seen_by
from lbreplay.nic.flow_director import Imagined, Refusal, Rule
from lbreplay.nic.steer import Nic, Steered
from lbreplay.wire.fields import overlay

NOWHERE = -1
WAYS = ("interface", "mac", "vlan", "side")
ARP, TAG = 0x0806, 0x8100
MAC, MACS = 6, 12  # bytes


class Facing(Protocol):
    """Which port addresses are reached by (stack/facing.py)."""

    def zones(self) -> tuple[Sequence[int], Sequence[int]]:
        """Where zones of IPv4 addresses begin, as numbers, and the port that each is reached by; -1: none."""
        ...

    def port(self, address: bytes) -> int:
        """The port that an address is reached by, or is local on; -1: none."""
        ...

    def hop(self, address: bytes) -> bytes:
        """The MAC of the next hop towards an address."""
        ...


class Card(NamedTuple):
    """One card: the port it belongs to, its own name, and its RSS and rules."""

    port: int
    name: str
    nic: Nic
    rules: int  # of the cards before it


class Ports:
    """All cards of a setup. It answers as a Nic does; `rules` are those of all cards, one after the other."""

    def __init__(self, setup: Setup) -> None:
        self.setup = setup
        self.cards: list[Card] = []
        for number, device in enumerate(setup.devices):
            for card in device.cards:
                self._add(number, card)
        self.ports = np.array([card.port for card in self.cards], np.int64)
        self._first = [int(np.flatnonzero(self.ports == port)[0]) for port in range(len(setup.devices))]
        self.strategy = Together(self, self.cards[0].nic.strategy)
        self.rules: list[Rule] = [rule for card in self.cards for rule in card.nic.rules]
        self.refused: list[Refusal] = [refusal for card in self.cards for refusal in card.nic.refused]
        self.rss = self.cards[0].nic.rss
        self.own_macs: dict[bytes, int] = {}  # of ports and VLAN devices, with the port
        for number, device in enumerate(setup.devices):
            self.own_macs.setdefault(setup.mac(number) or b"", number)
            self.own_macs |= {vlan.mac: number for vlan in device.vlan if vlan.mac}
        self.arrivals = Arrivals(setup, self.cards, self._first)

    def _add(self, port: int, card: Device) -> None:
        """A card with the rules of those local addresses that are on its port, for workers that poll it."""
        seen = seen_by(self.setup, port, card)
        polling = {worker.rank for worker in seen.forwarding_workers if worker.queues}

        def held(rule: Rule) -> bool:
            return self.setup.home(rule.laddr).port == port and rule.rank in polling

        made = Nic(seen, held)
        self.cards.append(Card(port, card.name, made, sum(len(known.nic.rules) for known in self.cards)))

    def face(self, facing: Facing) -> None:
        """Routes are known from now on."""
        self.arrivals.facing = facing

    def imagined(self) -> Imagined | None:
        """Rules taken as installed that the first card to refuse some would refuse."""
        return next((told for card in self.cards if (told := card.nic.imagined()) is not None), None)

    def card(self, queue: int) -> Nic:
        """The card that has a queue."""
        return self.cards[max(card_of(queue), 0)].nic

    def arrived(self, queue: int) -> tuple[str, str | None]:
        """The port that has a queue, and of a bond the slave."""
        card = self.cards[max(card_of(queue), 0)]
        device = self.setup.devices[card.port]
        return device.name, card.name if device.bond else None

    def leaves_by(self, frame: bytes) -> int:
        """The port that a frame leaves by: its source MAC says it."""
        return self.own_macs.get(frame[MAC:MACS], 0)

    def leave_by(self, burst: Burst) -> I64:
        """The port of each row that leaves in place; of others it means nothing."""
        macs = overlay(burst.buffer, MACS)[burst.at].view(np.uint8).reshape(-1, MACS)
        ports = np.zeros(burst.size, np.int64)
        for mac, port in self.own_macs.items():
            ports[(macs[:, MAC:] == np.frombuffer(mac, np.uint8)).all(axis=1)] = port
        return ports

    # --- rows ----------------------------------------------------------------------------------------------------

    def steer(self, burst: Burst) -> None:
        """Fill queue, worker, by, hash, reta and rule of *burst*, each row by the card it came in on."""
        cards = self.arrivals.tell(burst)
        burst.by.fill(BY_DEFAULT)
        burst.hash.fill(0)
        for column in (burst.queue, burst.worker, burst.reta, burst.rule):
            column.fill(NOWHERE)
        for number, rows in parted(cards + 1):
            if number:
                self._by(number - 1, burst, rows)
        burst.simple &= cards >= 0

    def _by(self, number: int, burst: Burst, rows: I64) -> None:
        """Let card *number* steer *rows*."""
        card = self.cards[number]
        card.nic.steer_rows(burst, rows)
        burst.queue[rows] += number << QUEUE_BITS
        burst.rule[rows[burst.rule[rows] >= 0]] += card.rules

    # --- one packet ----------------------------------------------------------------------------------------------

    def steer_flow(self, kind: int, family: int, src: bytes, sport: int, dst: bytes, dport: int,
                   tag: bytes = b"") -> Steered:  # fmt: skip
        """Where a packet goes that comes in from *src*'s side."""
        number = self.card_from(kind, family, src, sport, dst, dport)
        return self.steer_on(number, kind, family, src, sport, dst, dport, tag)

    def steer_on(self, number: int, kind: int, family: int, src: bytes, sport: int, dst: bytes, dport: int,
                 tag: bytes = b"") -> Steered:  # fmt: skip
        """Where a packet goes that came in on card *number*."""
        card = self.cards[number]
        found = card.nic.steer_flow(kind, family, src, sport, dst, dport, tag)
        rule = found.rule + card.rules if found.rule >= 0 else found.rule
        return found._replace(queue=found.queue + (number << QUEUE_BITS), rule=rule)

    def card_from(self, kind: int, family: int, src: bytes, sport: int, dst: bytes, dport: int) -> int:
        """The card that a packet from *src* to a local address comes in on."""
        port = self.arrivals.side(src, dst)
        port = max(port, 0)
        bond = self.setup.devices[port].bond
        if bond is None:
            return self._first[port]
        macs = (self.setup.mac(port) or bytes(MAC)) + self.arrivals.hop(src)
        flow = src + dst + sport.to_bytes(2) + dport.to_bytes(2) if family else bytes(MACS)
        return self._first[port] + policy.slave_of(bond, macs, kind, flow)

    @staticmethod
    def cards_of(queue: Any) -> I64:
        """The number of the card of each queue, -1 where there is none."""
        return np.asarray(queue, np.int64) >> QUEUE_BITS


class Together:
    """The choice of local ports with several cards: who owns a port is the same on all; whether an answer comes home by
    its hash alone, the card says that it comes in on."""

    def __init__(self, ports: Ports, owners: Any) -> None:
        self._ports, self._owners = ports, owners
        self.ports, self.room, self.rules = owners.ports, owners.room, owners.rules

    def fits(self, rank: int, laddr: bytes, lport: int, peer: Endpoint, proto: int) -> bool:
        """See `Strategy.fits`."""
        kind = {6: 3, 17: 4, 132: 5}.get(proto, 1)
        number = self._ports.card_from(kind, 4 if len(laddr) == 4 else 6, *peer, laddr, lport)
        fits: bool = self._ports.cards[number].nic.strategy.fits(rank, laddr, lport, peer, proto)
        return fits


class Arrivals:
    """Tells which card frames came in on. `decided` counts frames by the way that told, `ways` has its number for each
    row of the last burst; the others are `undecided`."""

    def __init__(self, setup: Setup, cards: Sequence[Card], first: Sequence[int]) -> None:
        self._setup, self._cards, self._first = setup, cards, first
        self.facing: Facing | None = None
        self.names: Sequence[str] = ()  # of the capture's interfaces
        self.decided = dict.fromkeys(WAYS, 0)
        self.undecided = 0
        self._macs = [setup.mac(port) or bytes(MAC) for port in range(len(setup.devices))]
        self._strict = [device.mac is not None for device in setup.devices]
        vlans = [(vlan.id, port) for port, device in enumerate(setup.devices) for vlan in device.vlan]
        self._vlans = {tag: port for tag, port in vlans if [known for known, _ in vlans].count(tag) == 1}

    def tell(self, burst: Burst) -> I64:
        """The card of each row, NOWHERE where no way tells; frames get the MAC of a port that has none configured."""
        self._known = np.full(burst.size, NOWHERE, np.int64)  # cards
        self.ways = np.full(burst.size, NOWHERE, np.int64)
        ports = np.full(burst.size, NOWHERE, np.int64)
        macs = overlay(burst.buffer, MACS)[burst.at].view(np.uint8).reshape(-1, MACS)
        for way, judge in zip(WAYS, (self._by_interface, self._by_mac, self._by_vlan, self._by_side), strict=True):
            open_rows = np.flatnonzero(ports == NOWHERE)
            if not open_rows.size:
                break
            ports[open_rows] = found = judge(burst, open_rows, macs)
            self.ways[open_rows[found >= 0]] = WAYS.index(way)
            self.decided[way] += int(np.count_nonzero(found >= 0))
        self.undecided += int(np.count_nonzero(ports == NOWHERE))
        self._address(burst, ports, macs)
        return self._slaves(burst, ports, macs)

    def _by_interface(self, burst: Burst, rows: I64, macs: U8) -> I64:
        """The interface has the name of a port or a slave, or begins with it and a colon, as OUT has it."""
        interface = vars(burst).get("interface")
        if interface is None or not len(self.names):
            return np.full(len(rows), NOWHERE, np.int64)
        number = {device.name: (port, NOWHERE) for port, device in enumerate(self._setup.devices)}
        number = {card.name: (card.port, n) for n, card in enumerate(self._cards)} | number
        ends = np.array([number.get(name.partition(":")[0], (NOWHERE, NOWHERE)) for name in self.names], np.int64)
        found = ends[interface[rows]]
        self._known[rows] = found[:, 1]
        ports: I64 = found[:, 0]
        return ports

    def _by_mac(self, burst: Burst, rows: I64, macs: U8) -> I64:
        found = np.full(len(rows), NOWHERE, np.int64)
        dest = macs[rows, :MAC]
        for port, mac in enumerate(self._macs):
            found[(dest == np.frombuffer(mac, np.uint8)).all(axis=1)] = port
        return found

    def _by_vlan(self, burst: Burst, rows: I64, macs: U8) -> I64:
        if not self._vlans:
            return np.full(len(rows), NOWHERE, np.int64)
        tags = overlay(burst.buffer, 4)[burst.at[rows] + MACS].view(">u2").reshape(-1, 2)
        ids = np.where(tags[:, 0] == TAG, tags[:, 1] & 0xFFF, 0)
        return np.array([self._vlans.get(tag, NOWHERE) for tag in ids.tolist()], np.int64)

    def _by_side(self, burst: Burst, rows: I64, macs: U8) -> I64:
        """By source, else by destination: of IPv4 all at once, the rest one by one."""
        assert self.facing is not None, "a replay has routes"
        starts, ports = (np.asarray(column, np.int64) for column in self.facing.zones())
        found = np.full(len(rows), NOWHERE, np.int64)
        for end in (slice(0, 4), slice(4, 8)):
            four = (burst.family[rows] == 4) & (found == NOWHERE)
            numbers = np.ascontiguousarray(burst.flow4[rows[four], end]).view(">u4")[:, 0].astype(np.int64)
            found[four] = ports[np.searchsorted(starts, numbers, "right") - 1]
        for place in np.flatnonzero(burst.family[rows] != 4).tolist():
            found[place] = self._odd_side(burst, int(rows[place]))
        return found

    def _odd_side(self, burst: Burst, row: int) -> int:
        """Of IPv6, and of ARP by the address that it comes from; nothing else says."""
        if burst.family[row] == 6:
            flow = burst.wide[row].tobytes()
            return self.side(flow[:16], flow[16:32])
        frame = burst.frame(row)
        at = 18 if frame[12:14] == TAG.to_bytes(2) else 14
        if int.from_bytes(frame[at - 2 : at]) != ARP or len(frame) < at + 28:
            return NOWHERE
        return self.side(frame[at + 14 : at + 18], frame[at + 24 : at + 28])

    def side(self, source: bytes, dest: bytes) -> int:
        """The port that faces *source*, else the one *dest* is reached by or local on."""
        if self.facing is None or not source:
            return NOWHERE
        port = self.facing.port(source)
        return port if port >= 0 else self.facing.port(dest)

    def hop(self, address: bytes) -> bytes:
        """The MAC that frames from *address* come from."""
        return self.facing.hop(address) if self.facing is not None else bytes(MAC)

    # --- what a port makes of its frames -----------------------------------------------------------------------------

    def _address(self, burst: Burst, ports: I64, macs: U8) -> None:
        """`ours`, by the MAC of each row's port; a unicast frame to a port that none is configured for gets it."""
        burst.ours.fill(False)
        for port, mac in enumerate(self._macs):
            own = np.frombuffer(mac, np.uint8)
            rows = np.flatnonzero(ports == port)
            if not self._strict[port]:
                unicast = rows[(macs[rows, 0] & 1 == 0) & (burst.caplen[rows] >= MAC)]
                overlay(burst.buffer, MAC)[burst.at[unicast]] = own.view("V6")[0]
                macs[unicast, :MAC] = own
            burst.ours[rows] = (macs[rows, :MAC] == own).all(axis=1)

    def _slaves(self, burst: Burst, ports: I64, macs: U8) -> I64:
        """The card of each row: the port's only one, the slave that an interface names, or that of the policy."""
        cards = np.append(np.array(self._first, np.int64), NOWHERE)[ports]
        for port, device in enumerate(self._setup.devices):
            if device.bond is not None:
                rows = np.flatnonzero((ports == port) & (self._known == NOWHERE))
                cards[rows] += policy.received_by(device.bond, burst, rows, macs[rows])
        told: Bool = self._known >= 0
        cards[told] = self._known[told]
        return cards

    def sentence(self, received: Callable[[int], int]) -> str:
        """How frames were told apart, and how many no way told; *received* says how many a port got."""
        counts = ", ".join(f"{device.name} {received(port)}" for port, device in enumerate(self._setup.devices))
        ways = ", ".join(f"{WORDS[way]} {count}" for way, count in self.decided.items() if count)
        open_ = f"; no way tells of {self.undecided}" if self.undecided else ""
        return f"received by port: {counts} (told by {ways or 'nothing'}{open_})"


WORDS = {
    "interface": "the capture's interfaces",
    "mac": "destination MAC",
    "vlan": "VLAN",
    "side": "the side of the balancer it comes from",
}
