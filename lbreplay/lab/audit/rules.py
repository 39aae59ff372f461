"""Packets whose queue is not the table's: the bits of the local port that decide, the addresses, the mask (S 2.4).

A rule sends packets to one address by some bits of their destination port. The search weighs, in bits, how surprising
it is that all packets of one address that agree in these bits have one queue, if their queues came by chance. Too few
bits mix queues, too many leave too little that agrees, so the right ones weigh most. Values that stay mixed have no
rule (five bits' worth of values, three workers) and go by the table.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lbreplay.arrays import I64

DISSENT = 8.0  # bits against, for each packet with another queue than its fellows
CLAIM = 3.0  # bits to say that a value has a rule
ENOUGH = 5.0  # bits for an address to be looked at as one with rules; the whole explanation decides (`solve`)
LOOKED_AT = 4096  # packets of the busiest addresses,
EACH = 256  # at most so many of one
TOGETHER = 12.0  # and for all addresses together
PORT = 16  # bits
F64 = NDArray[np.float64]
CLIMBS = 3  # masks from which single bits are tried


class Rules(NamedTuple):
    """`queues`: by number of the address and value (port & mask). `spread`: bits that say one queue."""

    mask: int
    queues: dict[tuple[int, int], int]
    spread: float

    @property
    def cost(self) -> float:
        """Bits that say the rules: the mask, each value's queue, where all agree once, and the addresses."""
        pooled = self.by_value
        return (
            PORT + (CLAIM + self.spread) * len(self.queues if pooled is None else pooled) + CLAIM * len(self.addresses)
        )

    def with_queues(self, queues: dict[tuple[int, int], int]) -> Rules:
        """The same with other *queues*."""
        return self._replace(queues=queues)

    @property
    def addresses(self) -> list[int]:
        return sorted({address for address, _ in self.queues})

    @property
    def by_value(self) -> dict[int, int] | None:
        """The queue of each value, None where addresses differ."""
        found: dict[int, int] = {}
        for (_, value), queue in self.queues.items():
            if found.setdefault(value, queue) != queue:
                return None
        return found

    def look_up(self, address: I64, port: I64) -> I64:
        """The queue of each packet by rule, -1: none is about it."""
        result = np.full(len(port), -1, np.int64)
        value = port & self.mask
        for (number, wanted), queue in self.queues.items():
            result[(address == number) & (value == wanted)] = queue
        return result


def search(address: I64, port: I64, queue: I64) -> Rules | None:
    """The rules behind the queues of packets to *address* (a number for each) and *port*. None: none are seen."""
    if not len(queue) or queue.min() == queue.max():
        return None
    bits = -np.log2(np.bincount(queue) / len(queue), where=np.bincount(queue) > 0, out=np.zeros(int(queue.max()) + 1))
    some = _busiest(address)
    mask = _best_mask(address[some], port[some], queue[some], bits)
    return _rules(mask, address, port, queue, bits)


def _busiest(address: I64) -> I64:
    """Some packets of each of the addresses with most."""
    counts = np.bincount(address)
    order = np.argsort(address, kind="stable")
    rank = np.arange(len(order)) - np.repeat(np.cumsum(counts) - counts, counts)
    some = order[rank < EACH]
    return some[np.argsort(-counts[address[some]], kind="stable")][:LOOKED_AT]


def _best_mask(address: I64, port: I64, queue: I64, bits: F64) -> int:
    """The mask that weighs most; of equals the one with fewest bits, then the lowest."""
    weighed: dict[int, float] = {}

    def weigh(mask: int) -> float:
        if mask not in weighed:
            weighed[mask] = sum(_weights(mask, address, port, queue, bits)[1])
        return weighed[mask]

    for mask in candidates():
        weigh(mask)
    rank = lambda mask: (-weighed[mask], mask.bit_count(), mask)  # noqa: E731
    for start in sorted(weighed, key=rank)[:CLIMBS]:
        while True:
            better = min((start ^ 1 << bit for bit in range(PORT)), key=lambda mask: -weigh(mask))
            if weighed[better] <= weighed[start]:
                break
            start = better
    return min(weighed, key=rank)


def candidates() -> list[int]:
    """Runs of bits, and what a host of the other byte order makes of them."""
    runs = {(1 << size) - 1 << low for low in range(PORT) for size in range(PORT - low + 1)}
    swapped = {(mask & 0xFF) << 8 | mask >> 8 for mask in runs}
    return sorted(mask for mask in runs | swapped if mask.bit_count() <= 8)


Weighed = tuple[list[tuple[int, int, int]], list[float]]  # (address, value, queue) of classes, what each weighs


def _weights(mask: int, address: I64, port: I64, queue: I64, bits: F64) -> Weighed:
    """The classes of packets under *mask* that are worth a rule, with what they weigh."""
    which, place = np.unique(address << PORT | (port & mask), return_inverse=True)
    seen = np.bincount(place * len(bits) + queue, minlength=len(which) * len(bits)).reshape(-1, len(bits))
    most, common = seen.max(1), seen.argmax(1)
    weight = (most - 1) * bits[common] - (seen.sum(1) - most) * DISSENT - CLAIM
    good = np.flatnonzero(weight > 0).tolist()
    classes = [(int(which[i]) >> PORT, int(which[i]) & 0xFFFF, int(common[i])) for i in good]
    return classes, weight[good].tolist()


def _rules(mask: int, address: I64, port: I64, queue: I64, bits: F64) -> Rules | None:
    """The classes of the addresses that weigh enough; where all agree, of every value at every address."""
    classes, weights = _weights(mask, address, port, queue, bits)
    of_address: dict[int, float] = {}
    for (number, _, _), weight in zip(classes, weights, strict=True):
        of_address[number] = of_address.get(number, 0.0) + weight
    sure = {number for number, weight in of_address.items() if weight >= ENOUGH}
    queues = {(number, value): found for number, value, found in classes if number in sure}
    if not queues or sum(of_address[number] for number in sure) < TOGETHER:
        return None
    rules = Rules(mask, queues, float(np.log2(len(bits))))
    if (by_value := rules.by_value) is None:
        return rules
    sure |= _like(by_value, mask, address, port, queue)
    every = {(number, value): found for number in sorted(sure) for value, found in by_value.items()}
    return rules.with_queues(every)


def _like(by_value: dict[int, int], mask: int, address: I64, port: I64, queue: I64) -> set[int]:
    """Addresses with fewer packets, which all go as the rules of the others would send them, to two queues at least."""
    expected = np.array([by_value.get(value, -1) for value in (port & mask).tolist()], np.int64)
    found = set()
    for number in np.unique(address[expected >= 0]).tolist():
        mine = (address == number) & (expected >= 0)
        if (queue[mine] == expected[mine]).all() and len(np.unique(expected[mine])) > 1:
            found.add(number)
    return found
