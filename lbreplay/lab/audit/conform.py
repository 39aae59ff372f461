"""What a balancer sent, field by field, beside what the model sends: `audit --conform` (interface 9).

The frames that the balancer received are replayed. What it was free to choose is taken from what it sent: the real
server, the local address and port, and what it adds to the client's sequence numbers (D 5.5). A connection's choices
are those of most of its frames. Where the model chose otherwise, the real server's answers are readdressed to the
model's choice before they are replayed, until it chooses the same again, and what the model sends is readdressed
back. Every other field of every frame must then be equal; only time is the machine's.
"""

from __future__ import annotations

import json
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from lbreplay.errors import CaptureError
from lbreplay.lab.audit import legs
from lbreplay.lab.audit.legs import RECEIVED, SENT, Ends, Leg
from lbreplay.lab.diff import Difference, Rules, compare
from lbreplay.lab.fields import SUMS, Frame, brief, differing, flow, frames, write
from lbreplay.loop.parse import parse
from lbreplay.model import Endpoint, Setup
from lbreplay.wire import checksum, options
from lbreplay.wire.capture import open_capture
from lbreplay.wire.packet import TCP, UDP, Packet
from lbreplay.wire.uoa import OPP

PASSES = 4  # replays after which choices that still move are left as they are
WHOLE = 1 << 32
LIKE = 0.9  # share of equal bytes, from which on one frame is the other, changed
NAMED = 16  # departures that are named
ALL_SUMS = ("ip.sum", *SUMS)
Cause = dict[str, Any]  # a line of the trace
Sent = tuple[Frame, Cause]


class Departed(NamedTuple):
    """A field that is not the model's. `n`: the frame that was sent, or if none was, the one received before it."""

    n: int
    field: str
    sent: str
    modelled: str
    rule: str

    def document(self) -> dict[str, Any]:
        return self._asdict()


@dataclass
class Conformance:
    """How what was sent conforms: connections with both legs, those without a departure, and all departures."""

    frames: int = 0
    connections: int = 0
    conforming: int = 0
    sent: int = 0
    departures: list[Departed] = field(default_factory=list)

    def document(self) -> dict[str, Any]:
        return {
            "connections": self.connections,
            "conforming": self.conforming,
            "sent": self.sent,
            "departures": len(self.departures),
            "first": self.departures[0].document() if self.departures else None,
            "named": [departed.document() for departed in self.departures[:NAMED]],
        }


def conform(path: str, setup: Setup) -> Conformance:
    """Hold every frame that the balancer sent in *path* against the model. CaptureError: it holds no such frame."""
    came, went = parted(path, setup)
    if not went or not came:
        raise CaptureError(f"{path}: frames that the balancer received and frames that it sent expected in one capture")
    connections = _choices(came, went, setup)
    with tempfile.TemporaryDirectory(prefix="lbreplay-") as folder:
        found = _compared(_plainly(Path(folder), came, setup), went)
        if found.differences:
            settled = _compared(_settled(Path(folder), came, connections, setup), went)
            found = min(found, settled, key=lambda one: len(one.differences))
    departures = sorted((_departed(one, found.causes, came) for one in found.differences), key=lambda one: one.n)
    touched = {ends for one in found.differences for frame in (one.a, one.b) if frame for ends in _conversation(frame)}
    good = sum(not {_key(leg.front), _key(leg.back)} & touched for leg in connections)
    return Conformance(len(came) + len(went), len(connections), good, len(went), departures)


class Compared(NamedTuple):
    """Where what the model sends is not what was sent; the trace of what made each frame leave, by its identity."""

    differences: list[Difference]
    causes: dict[int, Cause]


def _compared(model: Sequence[Sent], went: Sequence[Frame]) -> Compared:
    found = compare([frame for frame, _ in model], went, Rules(frozenset({"time"}), order="flow"))
    return Compared(list(_paired(found.differences)), {id(frame): cause for frame, cause in model})


def _paired(found: Sequence[Difference]) -> Iterator[Difference]:
    """Frames that are missing beside those that are too many in the same conversation, or like them: changed ones."""
    extra: dict[str, list[Frame]] = defaultdict(list)
    missing: list[Frame] = []
    for one in found:
        if one.a is None and one.b is not None:
            extra[flow(one.b)].append(one.b)
    for one in found:
        if one.a is not None and one.b is None and extra[flow(one.a)]:
            sent = extra[flow(one.a)].pop(0)
            yield _difference(one.a, sent)
        elif one.a is not None and one.b is None:
            missing.append(one.a)
        elif one.a is not None:
            yield one
    left = [frame for rest in extra.values() for frame in rest]
    for frame in missing:
        likeness, at = max(((_alike(frame, other), -n) for n, other in enumerate(left)), default=(0.0, 0))
        yield _difference(frame, left.pop(-at)) if likeness >= LIKE else Difference(frame, None)
    yield from (Difference(None, frame) for frame in left)


def _alike(one: Frame, other: Frame) -> float:
    """The share of bytes that are equal."""
    same = sum(a == b for a, b in zip(one.data, other.data, strict=False))
    return same / max(len(one.data), len(other.data), 1)


def _difference(model: Frame, sent: Frame) -> Difference:
    return Difference(model, sent, tuple(differing(model, sent, frozenset({"time"}))))


# --- received and sent ------------------------------------------------------------------------------------------


def parted(path: str, setup: Setup) -> tuple[list[Frame], list[Frame]]:
    """The frames that the balancer received, and those that it sent, with their numbers in *path*."""
    came: list[Frame] = []
    went: list[Frame] = []
    ours = {service.vip.address for service in setup.services if service.vip}
    ours |= {*setup.local_addresses, *(network.address for network in setup.device.address)}
    with open_capture(path, telling=True) as source:
        for burst in source.bursts(4096):
            parse(burst, setup.device.mac, False)
            told = getattr(burst, "told", None)
            wide = dict(zip(burst.rows6.tolist(), burst.flow6, strict=True))
            for row in range(burst.size):
                frame = Frame(burst.first + row, int(burst.time_ns[row]), burst.frame(row), int(burst.length[row]))
                side = int(told.direction[row]) if told is not None else 0
                flow = wide.get(row, burst.flow4[row])
                address = flow[: (len(flow) - 4) // 2].tobytes() if burst.family[row] else b""
                (went if _is_sent(frame, side, address in ours, setup.device.mac) else came).append(frame)
    return came, went


def _is_sent(frame: Frame, side: int, from_us: bool, mac: bytes | None) -> bool:
    """By the direction that was recorded, else by the port's MAC address, else by addresses of the balancer."""
    if side in (RECEIVED, SENT):
        return side == SENT
    if mac is None:
        return from_us
    to, by = frame.data[:6], frame.data[6:12]
    return by == mac or (from_us and to != mac and not to[0] & 1)


# --- choices ----------------------------------------------------------------------------------------------------


class Choice(NamedTuple):
    """The balancer's and the model's choices for one connection."""

    proto: int
    theirs: Leg
    ours: Leg

    @property
    def same(self) -> bool:
        return self.theirs[3:5] == self.ours[3:5] and self._shift == 0

    @property
    def _shift(self) -> int:
        if self.theirs.offset is None or self.ours.offset is None:
            return 0
        return (self.theirs.offset - self.ours.offset) % WHOLE

    def as_ours(self, packet: Packet) -> Frame:
        """A real server's answer as the model would receive it."""
        return _readdressed(packet, self.ours.real, self.ours.local, ack=-self._shift)

    def alone(self, packet: Packet) -> Frame:
        """What the model sends to the client by itself: it acknowledges less what was added (D 5.7)."""
        return _readdressed(packet, self.ours.virtual, self.ours.client, ack=-self._shift)

    def as_theirs(self, packet: Packet) -> Frame:
        """What the model sends to the real server as the balancer would."""
        return _readdressed(packet, self.theirs.local, self.theirs.real, seq=self._shift)


def _choices(came: Sequence[Frame], went: Sequence[Frame], setup: Setup) -> list[Leg]:
    """The connections of both legs that the configuration could have made."""
    reals = {(service.protocol, real.endpoint) for service in setup.services for real in service.reals}
    both = sorted([(one, RECEIVED) for one in came] + [(one, SENT) for one in went], key=lambda pair: pair[0].n)
    found = legs.tied(list(legs.seen_of(both)))
    return [leg for leg in found if (leg.proto, leg.real) in reals and leg.local.address in setup.local_addresses]


def _plainly(folder: Path, came: Sequence[Frame], setup: Setup) -> list[Sent]:
    """What the model sends by itself: a balancer without chance in it may have chosen the same."""
    return list(zip(*_replayed(folder, came, setup), strict=True))


def _settled(folder: Path, came: Sequence[Frame], theirs: Sequence[Leg], setup: Setup) -> list[Sent]:
    """What the model sends, in the balancer's terms: replayed until it chooses as answers were readdressed."""
    choices: list[Choice] = []
    for _ in range(PASSES):
        answer = _readdressing({_reversed(choice.theirs.back): choice for choice in choices}, Choice.as_ours)
        received = [answer(frame) for frame in came]
        sent, causes = _replayed(folder, received, setup)
        numbered = [frame._replace(n=_after(cause, received)) for frame, cause in zip(sent, causes, strict=True)]
        ours = _choices(received, numbered, setup)
        before, choices = choices, [choice for choice in _matched(theirs, ours) if not choice.same]
        if [choice.ours[1:5] for choice in choices] == [choice.ours[1:5] for choice in before]:
            break
    back = _readdressing({choice.ours.back: choice for choice in choices}, Choice.as_theirs)
    alone = _readdressing({_reversed(choice.ours.front): choice for choice in choices}, Choice.alone)
    both = zip(sent, causes, strict=True)
    return [(back(frame if cause.get("n") else alone(frame)), cause) for frame, cause in both]


def _after(cause: Cause, received: Sequence[Frame]) -> int:
    """The number in the capture of the frame that made one leave."""
    return received[cause["n"] - 1].n if cause.get("n") else 0


def _matched(theirs: Sequence[Leg], ours: Sequence[Leg]) -> Iterator[Choice]:
    """The connections that one frame of a client opened; the others of one client first to first."""
    opened = {(leg.front, leg.first_n): leg for leg in ours}
    waiting: dict[Ends, list[Leg]] = defaultdict(list)
    for leg in ours:
        waiting[leg.front].append(leg)
    for leg in theirs:
        same = opened.get((leg.front, leg.first_n))
        found = same if same in waiting[leg.front] else next(iter(waiting[leg.front]), None)
        if found is not None:
            waiting[leg.front].remove(found)
            yield Choice(leg.proto, leg, found)


def _readdressing(moved: dict[Ends, Choice], change: Callable[[Choice, Packet], Frame]) -> Callable[[Frame], Frame]:
    """What does *change* to the frames between the ends of *moved*."""

    def readdress(frame: Frame) -> Frame:
        packet = Packet(frame.data, frame.length, frame.time_ns, frame.n)
        choice = moved.get(_ends(packet))
        return change(choice, packet) if choice is not None else frame

    return readdress if moved else lambda frame: frame


def _ends(packet: Packet) -> Ends:
    proto, at = _transport(packet)
    ports = packet.l3[at : at + 4].ljust(4, b"\0")
    ends = (packet.src, int.from_bytes(ports[:2])), (packet.dst, int.from_bytes(ports[2:]))
    source, dest = (Endpoint(*end) for end in ends)
    return proto, source, dest


def _transport(packet: Packet) -> tuple[int, int]:
    """Protocol and offset in L3 of what has the ports: behind the header that carries a client's address (D 7.4)."""
    if packet.proto != OPP:
        return packet.proto, packet.l4_at
    return UDP, packet.l4_at + int.from_bytes(packet.l3[packet.l4_at + 2 : packet.l4_at + 4])


def _reversed(ends: Ends) -> Ends:
    return ends[0], ends[2], ends[1]


def _readdressed(packet: Packet, source: Endpoint, dest: Endpoint, seq: int = 0, ack: int = 0) -> Frame:
    """*packet* between other ends, its numbers moved, its checksums right if they were."""
    l3, (proto, at), width = bytearray(packet.l3), _transport(packet), len(packet.src)
    first = 12 if width == 4 else 8
    l3[first : first + 2 * width] = source.address + dest.address
    l3[at : at + 4] = source.port.to_bytes(2) + dest.port.to_bytes(2)
    if proto == TCP and len(l3) >= at + 20:
        for place, by in ((at + 4, seq), (at + 8, ack)):
            l3[place : place + 4] = ((int.from_bytes(l3[place : place + 4]) + by) % WHOLE).to_bytes(4)
        with memoryview(l3)[at:] as tcp:
            options.shift_sack(tcp, ack)
    if packet.proto == OPP:
        old, new = (bytes(x[first : first + 2 * width] + x[at : at + 4]) for x in (packet.l3, l3))
        checksum.update_l4(l3, at, proto, old, new)
    else:
        checksum.settle(l3, at, proto, packet.l3, at)
    checksum.ip_header(l3)
    frame = packet.frame[: packet.l3_at] + bytes(l3) + packet.frame[packet.l3_at + len(l3) :]
    return Frame(packet.n, packet.time_ns, frame, packet.length)


# --- the replay -------------------------------------------------------------------------------------------------


def _replayed(folder: Path, received: Sequence[Frame], setup: Setup) -> tuple[list[Frame], list[Cause]]:
    """What the model sends, and of each frame the line of the trace that made it leave."""
    from lbreplay.journey import replay

    capture, out, trace = (str(folder / name) for name in ("in.pcap", "out.pcap", "trace"))
    write(capture, received)
    replay(setup._replace(view="rx"), capture, out, trace=trace)
    sent = list(frames(out))
    causes: list[Cause] = [{} for _ in sent]
    with open(trace, encoding="utf-8") as lines:
        for line in map(json.loads, lines):
            for number in line.get("out") or ():
                causes[number - 1] = line
    return sent, causes


# --- departures -------------------------------------------------------------------------------------------------


def _departed(found: Difference, causes: dict[int, Cause], came: Sequence[Frame]) -> Departed:
    cause = causes.get(id(found.a), {}) if found.a is not None else {}
    rule = f"{cause['verdict']}: {cause['why']}" if "verdict" in cause else "sent by itself" if found.a else ""
    if found.b is None:
        assert found.a is not None, "one of both is there"
        before = came[cause["n"] - 1].n if cause.get("n") else _before(found.a, came)
        return Departed(before, "frame", "(none)", brief(found.a), rule)
    if found.a is None:
        return Departed(found.b.n, "frame", brief(found.b), "(none)", "the model sends nothing like it")
    name, modelled, sent = min(found.fields, key=lambda one: one[0] in ALL_SUMS)
    return Departed(found.b.n, name, sent, modelled, rule)


def _before(frame: Frame, came: Sequence[Frame]) -> int:
    """The last frame received by the time of *frame*."""
    return max((one.n for one in came if one.time_ns <= frame.time_ns), default=1)


def _conversation(frame: Frame) -> Iterator[Ends]:
    """The conversation that a frame belongs to, the same for both directions."""
    packet = Packet(frame.data, frame.length, frame.time_ns, frame.n)
    if packet.family:
        yield _key(_ends(packet))


def _key(ends: Ends) -> Ends:
    proto, one, other = ends
    return (proto, one, other) if one <= other else (proto, other, one)
