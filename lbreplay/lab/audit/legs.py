"""Both legs of a balancer's connections in one capture: client -> virtual address, local address -> real server.

Full NAT changes both ends of a packet and keeps the rest: identification, TCP flags and window, data. So each frame
that the balancer sent is looked for among those that it received shortly before, first come first served; frames are
told apart by the direction that the capture records, else by the MAC address that receives and sends. Each pair is a
vote that two conversations are the legs of one connection; the client's address that the balancer itself puts into a
packet (TOA, D 5.6; UOA, D 7.4) is worth more than any number of votes. Most votes win, for as long as they last: local
ports are used again, and a conversation of the second leg belongs to whoever it was bound to at the time.
"""

from __future__ import annotations

import tempfile
from collections import Counter, defaultdict, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from lbreplay.burst import KIND_FRAGMENT, Burst
from lbreplay.config.rows import ODD, SORTS, U64, Rows, Sort, rows_of
from lbreplay.lab.fields import Frame, write
from lbreplay.loop.names import TOA
from lbreplay.loop.parse import parse
from lbreplay.model import Endpoint
from lbreplay.wire.capture import open_capture
from lbreplay.wire.fields import overlay
from lbreplay.wire.options import TOA_SIZE
from lbreplay.wire.packet import ACK, FIN, RST, SYN, TCP, UDP
from lbreplay.wire.uoa import IPO, OPP

MAX_DELAY = 50_000_000  # ns between a frame and its translation
TOLD = 1 << 20  # votes that a client's address is worth
MOST = 64  # frames waiting that a translation is compared with
SURE = 2  # votes from which on a pair is believed, where the conversation has no other
RECEIVED, SENT = 1, 2  # as pcapng says it
Ends = tuple[int, Endpoint, Endpoint]  # protocol, source, destination


class Seen(NamedTuple):
    """A TCP or UDP frame. `client`: whom the balancer says it is from."""

    n: int
    time_ns: int
    ends: Ends
    mark: int  # what full NAT keeps
    seq: int
    ack: int
    opens: bool  # TCP: a SYN; UDP: always
    acks: bool  # TCP: its acknowledgement counts
    ends_it: int  # TCP: 2 for a RST, 1 for a FIN, else 0
    side: int  # RECEIVED, SENT, 0: not told
    to_mac: bytes
    from_mac: bytes
    client: Endpoint | None


class Leg(NamedTuple):
    """A connection: its four ends, first and last frame, and how many frames were seen on both sides.

    `offset`: what full NAT adds to the client's sequence numbers (None: not TCP, or not seen).
    """

    proto: int
    client: Endpoint
    virtual: Endpoint
    local: Endpoint
    real: Endpoint
    first_n: int
    first_ns: int
    last_ns: int
    frames: int
    offset: int | None
    closed: bool  # by a reset, or by both sides
    sure: bool  # told by the balancer itself, or seen more than once or on the balancer's own port

    @property
    def front(self) -> Ends:
        return self.proto, self.client, self.virtual

    @property
    def back(self) -> Ends:
        return self.proto, self.local, self.real


@dataclass
class Pair:
    """Two conversations that may be one connection: `forth` is (client, virtual), (local, real) as first seen."""

    forth: tuple[Ends, Ends]
    first: Seen
    last_ns: int
    votes: int = 0
    finished: set[Ends] = field(default_factory=set)  # the directions that said FIN; both for a RST
    passed: bool = False  # a frame came to the MAC address that its translation left from
    opened: bool = False  # by a SYN, so `forth` is sure
    offsets: Counter[int] = field(default_factory=Counter)

    @property
    def offset(self) -> int | None:
        """What most frames of the client had added to their sequence numbers."""
        return self.offsets.most_common(1)[0][0] if self.offsets else None

    @property
    def steady(self) -> bool:
        """Whether most frames of the client had the same added: else these are frames of different connections."""
        most = self.offsets.most_common(1)
        return self.forth[0][0] != TCP or not most or 2 * most[0][1] > self.offsets.total()

    def leg(self) -> Leg:
        (proto, client, virtual), (_, local, real) = self.forth
        told, votes = divmod(self.votes, TOLD)
        offset = self.offset if proto == TCP else None
        n, time = self.first.n, self.first.time_ns
        sure = bool(told) or self.passed or votes >= SURE
        closed = len(self.finished) > 1
        return Leg(proto, client, virtual, local, real, n, time, self.last_ns, votes, offset, closed, sure)


def read(path: str) -> list[Leg]:
    """The connections of *path* whose two legs are in it, by time. Raises CaptureError."""
    return tied(list(seen(path)))


def tied(frames: list[Seen]) -> list[Leg]:
    """The connections whose legs *frames* show."""
    pairs: dict[tuple[Ends, Ends], Pair] = {}
    for first, second in matched(frames):
        _vote(pairs, first, second)
    _tell(pairs, frames)
    _turn(pairs)
    legs = [pair.leg() for pair in _winners(pairs) if pair.steady]
    return sorted(_plausible(legs), key=lambda leg: (leg.first_ns, leg.first_n))


# --- frames ---------------------------------------------------------------------------------------------------


def seen(path: str) -> Iterator[Seen]:
    """The TCP and UDP frames of *path*, in order."""
    with open_capture(path, telling=True) as source:
        for burst in source.bursts(4096):
            parse(burst, None, False)
            found = [one for sort in SORTS for one in _of_sort(burst, sort)]
            yield from sorted([*found, *_uoa(burst)], key=lambda one: one.n)


def seen_of(frames: Sequence[tuple[Frame, int]]) -> Iterator[Seen]:
    """The same of frames that are at hand, each with its side (RECEIVED, SENT); they keep their numbers."""
    with tempfile.TemporaryDirectory(prefix="lbreplay-") as folder:
        path = str(Path(folder) / "frames.pcap")
        write(path, (frame for frame, _ in frames))
        for one in seen(path):
            frame, side = frames[one.n - 1]
            yield one._replace(n=frame.n, side=side)


def _of_sort(burst: Burst, sort: Sort) -> Iterator[Seen]:
    rows = rows_of(burst, sort)
    if not len(rows.number):
        return
    told = getattr(burst, "told", None)
    side = told.direction[rows.number].tolist() if told is not None else [0] * len(rows.number)
    marks, payload = _marks(burst, rows)
    clients = _clients(burst, rows, payload)
    ends = zip(
        (row.tobytes() for row in rows.src),
        rows.sport.tolist(),
        (row.tobytes() for row in rows.dst),
        rows.dport.tolist(),
        strict=True,
    )
    opens = (rows.flags & (SYN | ACK) == SYN).tolist() if sort[1] == TCP else [True] * len(rows.number)
    final = (np.where(rows.flags & RST, 2, rows.flags & FIN) * (sort[1] == TCP)).tolist()
    numbers = burst.seq[rows.number].tolist(), burst.ack[rows.number].tolist()
    acks = ((rows.flags & ACK > 0) & (sort[1] == TCP)).tolist()
    columns = zip(rows.number.tolist(), ends, marks.tolist(), *numbers, opens, acks, final, side, strict=True)
    for place, (row, (src, sport, dst, dport), mark, seq, ack, opening, acked, closing, way) in enumerate(columns):
        end = sort[1], Endpoint(src, sport), Endpoint(dst, dport)
        time, macs = int(burst.time_ns[row]), _macs(burst, row)
        said = opening, acked, closing, way
        yield Seen(burst.first + row, time, end, mark, seq, ack, *said, *macs, clients.get(place))


def _macs(burst: Burst, row: int) -> tuple[bytes, bytes]:
    """Destination and source."""
    macs = burst.buffer[burst.at[row] : burst.at[row] + 12].tobytes()
    return macs[:6], macs[6:]


def _marks(burst: Burst, rows: Rows) -> tuple[U64, Any]:
    """What full NAT keeps of each row, and where its data begins in the buffer."""
    tcp = rows.sort[1] == TCP
    header = burst.header[rows.number].astype(np.int64)
    payload = rows.l4 + header
    size = burst.l3_length[rows.number] - (burst.l4[rows.number] - 14) - header
    data = overlay(burst.buffer, 8)[payload].view(">u8").astype(np.uint64)
    there = np.minimum(burst.at[rows.number] + burst.caplen[rows.number] - payload, size)
    keep = np.clip(8 - there, 0, 8).astype(np.uint64) * np.uint64(8)
    data = np.where(keep < 64, data >> np.minimum(keep, np.uint64(63)), np.uint64(0))
    mark = size.astype(np.uint64) << np.uint64(8) | np.uint64(rows.sort[1])
    if rows.sort[0] == 4:
        mark ^= overlay(burst.buffer, 2)[rows.at + 4].view(">u2").astype(np.uint64) << np.uint64(40)
    if tcp:
        mark ^= rows.flags.astype(np.uint64) << np.uint64(32)
        mark = mark * np.uint64(ODD) ^ overlay(burst.buffer, 2)[rows.l4 + 14].view(">u2").astype(np.uint64)
    mixed: U64 = mark * np.uint64(ODD) ^ data
    return mixed, payload


def _clients(burst: Burst, rows: Rows, payload: Any) -> dict[int, Endpoint]:
    """Of rows with a client address: in the first option of TCP, or in the IP option in front of UDP."""
    found = {}
    if rows.sort[1] == TCP:
        there = payload <= burst.at[rows.number] + burst.caplen[rows.number]
        for place in np.flatnonzero(there & (payload - rows.l4 >= 20 + TOA_SIZE[4])).tolist():
            option = burst.buffer[rows.l4[place] + 20 : payload[place]].tobytes()
            if option[0] == TOA and option[1] in TOA_SIZE.values() and len(option) >= option[1]:
                found[place] = _endpoint(option[: option[1]])
    elif rows.sort[0] == 4:
        for place in np.flatnonzero(rows.l4 - rows.at >= 28).tolist():
            option = burst.buffer[rows.at[place] + 20 : rows.l4[place]].tobytes()
            if option[:2] == bytes((IPO, 8)):
                found[place] = _endpoint(option[:8])
    return found


def _endpoint(option: bytes) -> Endpoint:
    """Of an option: type, length, port, address."""
    return Endpoint(option[4:], int.from_bytes(option[2:4]))


def _uoa(burst: Burst) -> Iterator[Seen]:
    """Datagrams behind the private header that carries a client's address (D 7.4)."""
    for row in np.flatnonzero((burst.proto == OPP) & (burst.kind != KIND_FRAGMENT)).tolist():
        frame, six = burst.frame(row), burst.family[row] == 6
        at = int(burst.l4[row]) + (4 if frame[12:14] == b"\x81\0" else 0)
        head, width = frame[at : at + 24], 16 if six else 4
        size = int.from_bytes(head[2:4])
        udp = frame[at + size : at + size + 8]
        if size not in (12, 24) or len(head) < size or head[1] != UDP or len(udp) < 8:
            continue
        ip = frame[at - 32 : at] if six else frame[at - 8 : at]
        ports = int.from_bytes(udp[:2]), int.from_bytes(udp[2:4])
        ends = UDP, Endpoint(ip[:width], ports[0]), Endpoint(ip[width:], ports[1])
        told = getattr(burst, "told", None)
        side = int(told.direction[row]) if told is not None else 0
        time, client = int(burst.time_ns[row]), _endpoint(head[4:size])
        yield Seen(burst.first + row, time, ends, 0, 0, 0, True, False, 0, side, *_macs(burst, row), client)


# --- pairs ----------------------------------------------------------------------------------------------------


def matched(frames: list[Seen]) -> Iterator[tuple[Seen, Seen]]:
    """Frames and their translations: of equal marks, both ends changed, first come first served."""
    waiting: dict[int, deque[Seen]] = defaultdict(deque)
    for frame in frames:
        queue = waiting[frame.mark]
        while queue and queue[0].time_ns < frame.time_ns - MAX_DELAY:
            queue.popleft()
        some = () if frame.side == RECEIVED else islice(queue, MOST)
        able = [one for one in some if _translates(one, frame)]
        if able:
            first = next((one for one in able if one.to_mac == frame.from_mac), able[0])
            queue.remove(first)
            yield first, frame
        elif frame.side != SENT:
            queue.append(frame)


def _translates(first: Seen, second: Seen) -> bool:
    """Whether *second* may be what the balancer made of *first*: other addresses on both sides."""
    ends = {end.address for end in first.ends[1:]}
    return not ends & {end.address for end in second.ends[1:]}


def _vote(pairs: dict[tuple[Ends, Ends], Pair], first: Seen, second: Seen) -> None:
    """*second* is *first* translated."""
    key = _conversation(first.ends), _conversation(second.ends)
    forth = first.ends, second.ends
    pair = pairs.get(key)
    if pair is None:
        pair = pairs.get((key[1], key[0]))
        forth = _reversed(second.ends), _reversed(first.ends)
    if pair is None:
        forth = first.ends, second.ends
        pair = pairs[key] = Pair(forth, first, second.time_ns)
    pair.votes += 1
    if first.ends_it:
        pair.finished |= {first.ends} | ({_reversed(first.ends)} if first.ends_it > 1 else set())
    pair.passed |= first.to_mac == second.from_mac
    pair.last_ns = max(pair.last_ns, second.time_ns)
    if first.ends[0] == TCP and first.opens and not pair.opened:
        pair.opened, pair.forth = True, (first.ends, second.ends)
    if first.ends == pair.forth[0]:
        pair.offsets[(second.seq - first.seq) % (1 << 32)] += 1
    elif first.acks:
        pair.offsets[(first.ack - second.ack) % (1 << 32)] += 1


def _conversation(ends: Ends) -> Ends:
    """The same for both directions."""
    proto, one, other = ends
    return (proto, one, other) if one <= other else (proto, other, one)


def _reversed(ends: Ends) -> Ends:
    return ends[0], ends[2], ends[1]


def _tell(pairs: dict[tuple[Ends, Ends], Pair], frames: list[Seen]) -> None:
    """Where the balancer says who the client is, that pair is right, also if no frame was matched."""
    last: dict[tuple[int, Endpoint], Seen] = {}
    for frame in frames:
        if frame.client is None:
            last[frame.ends[0], frame.ends[1]] = frame
            continue
        front = last.get((frame.ends[0], frame.client))
        if front is None or front.ends[1:] == frame.ends[1:]:
            continue
        key = _conversation(front.ends), _conversation(frame.ends)
        pair = pairs.get(key) or pairs.get((key[1], key[0]))
        if pair is None:
            pair = pairs[key] = Pair((front.ends, frame.ends), front, frame.time_ns)
        if pair.forth[0] != front.ends:
            pair.offsets.clear()
        pair.first = min(pair.first, front, key=lambda one: one.n)
        pair.forth, pair.opened = (front.ends, frame.ends), True
        pair.votes = pair.votes % TOLD + TOLD
        pair.last_ns = max(pair.last_ns, frame.time_ns)


def _turn(pairs: dict[tuple[Ends, Ends], Pair]) -> None:
    """Conversations that were under way: a virtual address is where others opened connections to."""
    virtual = {(pair.forth[0][0], pair.forth[0][2]) for pair in pairs.values() if pair.opened}
    for pair in pairs.values():
        (proto, _, _), (_, local, _) = pair.forth
        if not pair.opened and (proto, local) in virtual:
            pair.forth = _reversed(pair.forth[1]), _reversed(pair.forth[0])
            pair.offsets.clear()


def _winners(pairs: dict[tuple[Ends, Ends], Pair]) -> Iterator[Pair]:
    """Of pairs that contradict each other at the same time, the one with most votes."""
    taken: dict[Ends, list[Pair]] = defaultdict(list)
    for pair in sorted(pairs.values(), key=lambda pair: (-pair.votes, pair.first.n)):
        legs = [_conversation(ends) for ends in pair.forth]
        if not any(_overlap(pair, other) for leg in legs for other in taken[leg]):
            for leg in legs:
                taken[leg].append(pair)
            yield pair


def _overlap(one: Pair, other: Pair) -> bool:
    return one.first.time_ns <= other.last_ns and other.first.time_ns <= one.last_ns


def _plausible(legs: list[Leg]) -> list[Leg]:
    """Those whose ends play one part each: a virtual address is no local one, a local address no client."""
    virtual = Counter((leg.proto, leg.virtual) for leg in legs)
    locals_, reals = Counter(leg.local.address for leg in legs), Counter((leg.proto, leg.real) for leg in legs)
    good = []
    for leg in legs:
        parts = locals_[leg.virtual.address] + locals_[leg.client.address] + reals[leg.proto, leg.virtual]
        if leg.sure and parts < virtual[leg.proto, leg.virtual]:
            good.append(leg)
    return good
