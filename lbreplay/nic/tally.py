"""What each of several ports, and each slave of a bond, received and sent: `ports[]` of the statistics (interface 5).

A frame that leaves has the MAC of the port that it leaves by, so its source tells the port; of a bond the slave follows
from the mode: in turn, the primary, or by the transmit policy (S 3.7). What two slaves both send is counted on the
first of them, for it is written once.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from lbreplay.arrays import I64, U8
from lbreplay.burst import KIND_FRAGMENT, KIND_OTHER, KIND_TCP, KIND_UDP, Burst, Received
from lbreplay.model import Bond
from lbreplay.nic import bond as policy
from lbreplay.nic.ports import Ports
from lbreplay.wire.fields import overlay
from lbreplay.wire.packet import TCP, UDP, Packet

FIGURES = ("ipackets", "ibytes", "opackets", "obytes")
STEERED = ("default", "rss", "flow_director")  # the codes of column `by`
KINDS = {TCP: KIND_TCP, UDP: KIND_UDP}
Table = dict[str, Any]


class Tally:
    """Counts bursts by card."""

    def __init__(self, ports: Ports) -> None:
        self._ports, self._setup = ports, ports.setup
        count = len(ports.cards)
        self._first = [next(n for n, card in enumerate(ports.cards) if card.port == port)
                       for port in range(len(self._setup.devices))]  # fmt: skip
        self.figures = {name: np.zeros(count, np.int64) for name in FIGURES}
        self.steered = np.zeros((count, len(STEERED)), np.int64)
        self._turn = dict.fromkeys(range(len(self._setup.devices)), 0)

    def add(self, burst: Burst) -> None:
        """Count the received rows of *burst*, the rows that leave in place, and what was made."""
        came = np.flatnonzero(burst.worker_index >= 0)
        cards = self._ports.cards_of(burst.queue[came])
        self._count("ipackets", "ibytes", cards, burst.length[came])
        width = len(STEERED)
        pairs = np.bincount(cards * width + burst.by[came], minlength=self.steered.size)
        self.steered += pairs.reshape(self.steered.shape)
        rows = np.flatnonzero(burst.leaving)
        self._count("opackets", "obytes", self._rows(burst, rows), burst.sent[rows])
        for made in burst.made:
            if not isinstance(made, Received):
                card = self.leaves(made.frame)
                self.figures["opackets"][card] += 1
                self.figures["obytes"][card] += made.length

    def _count(self, packets: str, octets: str, cards: I64, length: Any) -> None:
        count = len(self._ports.cards)
        self.figures[packets] += np.bincount(cards, minlength=count)
        self.figures[octets] += np.bincount(cards, length, minlength=count).astype(np.int64)

    def leaves(self, frame: bytes) -> int:
        """The card that a frame leaves by, which is then behind it in turn."""
        port = self._ports.leaves_by(frame)
        bond = self._setup.devices[port].bond
        return self._first[port] + (0 if bond is None else self._slave(port, bond, frame))

    def _slave(self, port: int, bond: Bond, frame: bytes) -> int:
        if bond.mode not in policy.HASHED:
            return int(self._unhashed(port, bond, 1)[0])
        packet = Packet(frame, len(frame)).within()
        kind = KIND_FRAGMENT if packet.is_fragment else KINDS.get(packet.proto, KIND_OTHER)
        flow = packet.src + packet.dst + packet.sport.to_bytes(2) + packet.dport.to_bytes(2)
        return policy.slave_of(bond, frame[:12], kind, flow if packet.family else bytes(12))

    def _rows(self, burst: Burst, rows: I64) -> I64:
        """The card that each of *rows*, which leave in place, leaves by."""
        macs = overlay(burst.buffer, 12)[burst.at[rows]].view(np.uint8).reshape(-1, 12)
        cards = np.zeros(len(rows), np.int64)
        for mac, port in self._ports.own_macs.items():
            places = np.flatnonzero((macs[:, 6:] == np.frombuffer(mac, np.uint8)).all(axis=1))
            cards[places] = self._first[port]
            bond = self._setup.devices[port].bond
            if bond is not None and len(places):
                cards[places] += self._slaves(port, bond, burst, rows[places], macs[places])
        return cards

    def _slaves(self, port: int, bond: Bond, burst: Burst, rows: I64, macs: U8) -> I64:
        if bond.mode not in policy.HASHED:
            return self._unhashed(port, bond, len(rows))
        four = overlay(burst.buffer, 12)[burst.at[rows] + 26].view(np.uint8).reshape(-1, 12)  # rows are ordinary
        wide = np.flatnonzero(burst.family[rows] == 6)
        six = overlay(burst.buffer, 36)[burst.at[rows[wide]] + 22].view(np.uint8).reshape(-1, 36)
        return policy.slaves_of(bond, macs, burst.kind[rows], four, wide, six)

    def _unhashed(self, port: int, bond: Bond, count: int) -> I64:
        """In turn, or the primary: what load decides is nowhere modelled."""
        if bond.mode != policy.IN_TURN:
            return np.full(count, bond.primary, np.int64)
        turn = self._turn[port]
        self._turn[port] = turn + count
        return np.arange(turn, turn + count) % len(bond.cards)

    # --- the end -----------------------------------------------------------------------------------------------------

    def received(self, port: int) -> int:
        """Frames that a port received."""
        return sum(int(self.figures["ipackets"][n]) for n, card in enumerate(self._ports.cards) if card.port == port)

    def document(self) -> list[Table]:
        """A table a port; of a bond with one a slave."""
        return [self._port(number) for number in range(len(self._setup.devices))]

    def _port(self, number: int) -> Table:
        device = self._setup.devices[number]
        cards = [n for n, card in enumerate(self._ports.cards) if card.port == number]
        whole = {"port": device.name, **self._figures(cards)}
        if device.bond is not None:
            whole["slaves"] = [{"slave": self._ports.cards[n].name, **self._figures([n])} for n in cards]
        return whole

    def _figures(self, cards: list[int]) -> Table:
        steered = self.steered[cards].sum(axis=0).tolist()
        rules = sum(len(self._ports.cards[n].nic.rules) for n in cards)
        return {
            "driver": self._ports.cards[cards[0]].nic.driver,
            **{name: int(column[cards].sum()) for name, column in self.figures.items()},
            "steered": {"flow_director": steered[2], "rss": steered[1], "default": steered[0]},
            "rules": rules,
        }
