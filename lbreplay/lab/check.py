"""Properties that a replay should have, a sentence each, and the first frame that breaks one (interface 1).

A property is an entry of PROPERTIES: its name, its sentence, and a judge, which sees every burst after its journey and
says at the end whether the sentence held. Judges only look; one more is a class or a function of a burst, and a line
in the table.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from lbreplay.arrays import Bool
from lbreplay.burst import Burst
from lbreplay.dpvs.conn import IN, Conn
from lbreplay.errors import CaptureError, ConfigError
from lbreplay.journey import Onlooker, Replay
from lbreplay.lab import fit
from lbreplay.lab.claims import Claims
from lbreplay.lab.judge import FATES, NOTHING, Failure, Frames, Judge
from lbreplay.lab.life import dead, service_of
from lbreplay.lab.outlived import Outlived
from lbreplay.lab.probe import looked_up
from lbreplay.lab.reals import Answered, Even, answers, enough_to_share
from lbreplay.loop.names import SNAT
from lbreplay.loop.verify import Verifier
from lbreplay.model import Setup
from lbreplay.phrases import plural
from lbreplay.stats import Result
from lbreplay.verdict import Fate, Verdict
from lbreplay.wire import checksum
from lbreplay.wire.capture import open_capture
from lbreplay.wire.packet import ACK, ETH_IPV4, ETH_IPV6, ICMP, ICMPV6, IPIP, IPV6_IN_IP, SYN, TCP, Packet

TUNNELED = {IPIP: ETH_IPV4.to_bytes(2), IPV6_IN_IP: ETH_IPV6.to_bytes(2)}
ENOUGH = 10  # connections a worker, below which imbalance says nothing


class Rows:
    """A property of single rows: *broken* marks those that break it."""

    def __init__(self, broken: Callable[[Burst], Bool]) -> None:
        self._broken, self._frames = broken, Frames()

    def see(self, burst: Burst) -> None:
        """See `Judge`."""
        self._frames.add((burst.first + np.flatnonzero(self._broken(burst))).tolist())

    def failure(self, result: Result) -> Failure | None:
        """See `Judge`."""
        return self._frames.failure()


# --- the judges ----------------------------------------------------------------------------------------------


def strayed(burst: Burst) -> Bool:
    """Rows whose connection is on another worker, and that nobody hands over."""
    return np.asarray(burst.wrong_worker & (burst.redirected < 0))


class KernelRows:
    """Rows of a service, answers of its real servers, and ICMP of a live connection, that go to the kernel."""

    def __init__(self, run: Replay) -> None:
        setup = run.setup
        self._about: set[int] = set()  # frames of ICMP that some worker has a connection for
        if setup.profile == "dpvs":
            self._machine, run.balancer.path.watch = run.balancer.machine, self._watch
        self._virtual = {(s.protocol, s.vip) for s in setup.services if s.vip is not None}
        self._reals = {(s.protocol, real.endpoint) for s in setup.services for real in s.reals}
        self._local = set(setup.local_addresses)

    def __call__(self, burst: Burst) -> Bool:
        marks: Bool = FATES[burst.verdict] == Fate.TO_KERNEL
        for row in np.flatnonzero(marks).tolist():
            ours = burst.first + row in self._about
            marks[row] = ours or self._ours(Packet(burst.frame(row), int(burst.length[row])).within())
        self._about.clear()
        return marks

    def _watch(self, packet: Packet) -> None:
        """Told by the balancer before it handles a packet."""
        inside = packet.within()
        if inside.proto in (ICMP, ICMPV6) and self._machine.has(looked_up(inside)):
            self._about.add(packet.n)

    def _ours(self, packet: Packet) -> bool:
        source, dest = (packet.proto, (packet.src, packet.sport)), (packet.proto, (packet.dst, packet.dport))
        answer = source in self._reals and packet.dst in self._local
        return dest in self._virtual or source in self._virtual or answer


UNSUMMED = "the SYN proxy of a dr or tunnel service: nobody fills the checksums of its SYN, which DPVS sends so (D 6.2)"


class Sums:
    """Checksums of what leaves, whoever made them wrong; transit is not the balancer's."""

    def __init__(self, run: Replay) -> None:
        self._offload, self._frames, self._unsummed = run.offload, Frames(), False

    def see(self, burst: Burst) -> None:
        """See `Judge`."""
        ours = burst.verdict != Verdict.FORWARDED_PLAIN
        rows = Verifier(burst).unsure(np.flatnonzero(burst.leaving & ours).tolist())
        wrong = {burst.first + row for row in rows if not sound(burst.frame(row), int(burst.length[row]))}
        made = [m for m in burst.made if m.own or m.cause < burst.first or ours[m.cause - burst.first]]
        made = [m for m in made if not sound(m.frame, m.length)]
        self._unsummed |= any(m.own for m in made)
        self._frames.add(sorted(wrong | {m.cause or burst.first + m.row for m in made}))

    def failure(self, result: Result) -> Failure | None:
        """See `Judge`."""
        return self._frames.failure(UNSUMMED if self._unsummed else self._carried())

    def _carried(self) -> str:
        """That the capture had them wrong: transmit offload leaves checksums to the NIC."""
        partial = self._offload.found.partial
        why = "the capture has partial checksums, left to transmit offload, and this balancer carries a checksum over"
        return f"{partial} segments: {why}" if partial else ""


def sound(frame: bytes, length: int) -> bool:
    """Whether the checksums of a frame are right, as far as they can be judged; inside a tunnel too."""
    packet = Packet(frame, length).within()
    if packet.proto in TUNNELED and packet.l4_there >= 20 and checksum.verify_ip_header(packet.l3):
        inner = packet.l3[packet.l4_at :]
        return sound(frame[:12] + TUNNELED[packet.proto] + inner, length - packet.l3_at - packet.l4_at + 14)
    if not packet.family or not packet.complete:
        return True
    if not checksum.verify_ip_header(packet.l3):
        return False
    if packet.is_fragment or packet.l4_there < 8 or packet.proto == (ICMPV6 if packet.family == 4 else ICMP):
        return True
    return checksum.verify_l4(packet.l3, packet.l4_at, packet.proto)


class Unheard:
    """Hears of connections and does not mind, but for what an heir says; the loop notes what it hears of others."""

    def opened(self, conn: Conn) -> None:
        """Told by the machine."""

    def closed(self, conn: Conn) -> None:
        """Told by the machine."""

    def ended(self, slots: list[int]) -> None:
        """Told by the machine."""


class Unique(Unheard):
    """Two live connections with the same local end towards the same real server: their answers cannot be told apart."""

    def __init__(self, run: Replay) -> None:
        self._machine, self._loop = run.balancer.machine, run.balancer.loop
        self._machine.watches.append(self)
        self._clashed: set[int] = set()  # frames of a burst, of the plain path
        self._frames = Frames()

    def opened(self, conn: Conn) -> None:
        """Told by the machine."""
        full = self._machine.table.full
        alike = self._machine.tuples.all(_answer_key(conn))
        if sum((handle & 1) != (full[handle >> 1] == SNAT) for handle in alike) > 1:
            self._clashed.add(self._machine.cause)

    def see(self, burst: Burst) -> None:
        """See `Judge`."""
        self._frames.add(sorted(self._clashed.union(self._loop.clashed)))
        self._clashed.clear()

    def failure(self, result: Result) -> Failure | None:
        """See `Judge`."""
        return self._frames.failure()


def _answer_key(conn: Conn) -> bytes:
    """What an answer is found by, protocol included; SNAT's come from the other side."""
    return conn.in_key if conn.mode.name == "snat" else conn.out_key


class Missed(Unheard):
    """Local ports that were asked for and not there, also where another local address had one."""

    def __init__(self, run: Replay) -> None:
        self._machine, self._loop, self._frames = run.balancer.machine, run.balancer.loop, Frames()
        self._machine.watches.append(self)
        self._missed: set[int] = set()  # frames of a burst, of the plain path
        for lcore in self._machine.lcores:
            for server in lcore.servers.by_name.values():
                server.laddrs.heard = self._tried

    def _tried(self, laddr: bytes, port: int | None) -> None:
        if port is None:
            self._missed.add(self._machine.cause)

    def see(self, burst: Burst) -> None:
        """See `Judge`."""
        outside = (burst.first + np.flatnonzero(burst.verdict == Verdict.SNAT_PORT_EXHAUSTED)).tolist()
        self._frames.add(sorted(self._missed.union(self._loop.missed, outside)))
        self._missed.clear()

    def failure(self, result: Result) -> Failure | None:
        """See `Judge`."""
        missed = sum(worker["sa_pool"]["miss"] for worker in result.workers)
        return self._frames.failure(f"{plural(missed, 'port')} missed in all")


class Balanced:
    """No worker above *limit* times the mean. To blame is the frame with which the busiest one passed it."""

    def __init__(self, run: Replay, limit: float) -> None:
        self._limit, self._workers = limit, len(run.setup.forwarding_workers)
        self._index = [i for i, worker in enumerate(run.setup.workers) if worker.kind == "forward"]
        self._seen: list[tuple[int, Any]] = []

    def see(self, burst: Burst) -> None:
        """See `Judge`."""
        self._seen.append((burst.first, burst.worker_index.astype(np.int16)))

    def failure(self, result: Result) -> Failure | None:
        """See `Judge`."""
        received = [result.workers[index]["ipackets"] for index in self._index]
        most, mean = max(received), sum(received) / len(received)
        allowed = int(self._limit * mean)
        if most <= self._limit * mean:
            return None
        rank = received.index(most)
        detail = f"worker {rank} received {plural(most, 'frame')}, {most / mean:.2f} times the mean of {mean:.1f}"
        return Failure(self._nth(self._index[rank], allowed), most - allowed - 1, detail)

    def _nth(self, index: int, nth: int) -> int:
        """The frame that worker *index* received after *nth* others."""
        for first, column in self._seen:
            rows = np.flatnonzero(column == index)
            if nth < len(rows):
                return int(first + rows[nth])
            nth -= len(rows)
        raise AssertionError("more frames were counted than seen")


class Fits:
    """Something met a service, and answers came where the capture has them."""

    def __init__(self, run: Replay) -> None:
        self._setup = run.setup

    def see(self, burst: Burst) -> None:
        """See `Judge`."""

    def failure(self, result: Result) -> Failure | None:
        """See `Judge`."""
        found = fit.misfit(self._setup, result.capture["path"], result.document())
        return Failure(0, 0, str(found)) if found else None


class Held:
    """The NIC's rules, of which a replay takes more as installed than the driver would."""

    def see(self, burst: Burst) -> None:
        """See `Judge`."""

    def failure(self, result: Result) -> Failure | None:
        """See `Judge`."""
        return Failure(0, 0, str(result.imagined)) if result.imagined else None


class Request(NamedTuple):
    """A row that goes to a real server; `began`: as the first one of its connection."""

    row: int
    conn: int  # its number
    service: str
    real: str
    began: bool


class Living:
    """No packet to a real server that was removed, and no new connection to one without weight."""

    def __init__(self, run: Replay) -> None:
        self._run, self._frames, self._what = run, Frames(), ""
        self._dead = dead(run.setup)
        self._first_ns: int | None = None
        self._fine: set[int] = set()  # connections whose real server is nowhere removed
        if self._dead and run.balancer.stories is None:
            run.balancer.stories = {}

    def see(self, burst: Burst) -> None:
        """See `Judge`."""
        if self._first_ns is None and burst.size:
            self._first_ns = int(burst.time_ns[0])
        if self._dead:
            self._frames.add([burst.first + one.row for one in self._requests(burst) if self._wrong(burst, one)])

    def _requests(self, burst: Burst) -> Iterator[Request]:
        """What goes to real servers."""
        stories = self._run.balancer.stories
        told = (FATES[burst.verdict] == Fate.TRANSMITTED) & ((burst.handle & 1) == IN) & (burst.conn > 0)
        began = burst.opened | (_is_syn(burst) & (burst.before != burst.after))
        told[list(stories)] = True
        for row in np.flatnonzero(told).tolist():
            if row not in stories:
                if began[row] or burst.conn[row] not in self._fine:
                    service, real = self._run.balancer.party(burst, row)
                    yield Request(row, int(burst.conn[row]), service, real, bool(began[row]))
            elif stories[row].conn is not None and stories[row].side == IN:
                conn, begins = stories[row].conn, stories[row].new or _begins_anew(stories[row])
                yield Request(row, conn.number, service_of(conn), str(conn.real), begins)

    def _wrong(self, burst: Burst, asked: Request) -> bool:
        """Whether it went to a real server that it should not go to; the first one is described."""
        row, conn, service, real, began = asked
        spells, at = self._dead.get((service, real), ()), int(burst.time_ns[row]) - (self._first_ns or 0)
        if not any(spell.removed for spell in spells):
            self._fine.add(conn)
        spell = next((one for one in spells if one.begin <= at < one.end), None)
        if spell is None or not (spell.removed or began) or FATES[burst.verdict[row]] != Fate.TRANSMITTED:
            return False
        self._what = self._what or f"{real} of {service} {spell}"
        return True

    def failure(self, result: Result) -> Failure | None:
        """See `Judge`."""
        return self._frames.failure(self._what)


def _is_syn(burst: Burst) -> Bool:
    return np.asarray((burst.proto == TCP) & (burst.flags & (SYN | ACK) == SYN))


def _begins_anew(story: Any) -> bool:
    """A SYN on a connection that was over."""
    packet = story.packet.within()
    return bool(packet.proto == TCP and packet.flags & (SYN | ACK) == SYN and story.before != story.after)


class Conserved:
    """The numbers add up."""

    def see(self, burst: Burst) -> None:
        """See `Judge`."""

    def failure(self, result: Result) -> Failure | None:
        """See `Judge`."""
        t, workers = result.totals, result.workers
        sums = {
            "fates": (sum(t[fate.label] for fate in Fate), t["frames"]),
            "frames read": (result.capture["frames"], t["frames"]),
            "received by workers": (sum(w["ipackets"] for w in workers), t["received"]),
            "sent by workers": (sum(w["opackets"] for w in workers), t["written"]),
        }
        wrong = [f"{name}: {a} is not {b}" for name, (a, b) in sums.items() if a != b]
        return Failure(0, 0, "; ".join(wrong)) if wrong else None


class Property(NamedTuple):
    """A sentence and who judges it; `{limit}` stands for --max-imbalance. `ports`: of profiles with local ports.

    `judged` says of the statistics how much there was to judge: 0, and nothing broken, is neither good nor bad.
    """

    sentence: str
    judge: Callable[[Replay, float], Judge]
    judged: Callable[[fit.Document], int]
    ports: bool = False


def _created(stats: fit.Document) -> int:
    return sum(worker["conns"]["created"] + worker["sa_pool"]["miss"] for worker in stats["workers"])


def _verdict(name: str) -> Callable[[fit.Document], int]:
    return lambda stats: int(stats["totals"]["verdicts"].get(name, 0))


def _total(name: str) -> Callable[[fit.Document], int]:
    return lambda stats: int(stats["totals"][name])


PROPERTIES: dict[str, Property] = {
    "fits": Property(
        "Configuration and view fit the capture: its frames meet a service.", lambda run, _: Fits(run), _total("frames")
    ),
    "home": Property(
        "Every answer comes home to the worker of its connection.", lambda run, _: Rows(strayed), fit.answers
    ),
    "rules": Property(
        "The NIC can hold every rule that is taken as installed.", lambda run, _: Held(), _total("received"), ports=True
    ),
    "unique-ports": Property(
        "No two live connections share local address, local port and real server.",
        lambda run, _: Unique(run),
        _created,
        ports=True,
    ),
    "no-port-missed": Property("No local port is missed.", lambda run, _: Missed(run), _created, ports=True),
    "balance": Property("No worker receives more than {limit:g} times the mean.", Balanced, _total("received")),
    "answered": Property("Real servers answer what is opened to them.", lambda run, _: Answered(run), answers),
    "even": Property(
        "No real server gets {limit:g} times more, or less, than its weight is due.",
        Even,
        enough_to_share,
    ),
    "living": Property(
        "No packet goes to a removed real server, no new connection to one of weight 0.",
        lambda run, _: Living(run),
        fit.met,
    ),
    "timeouts": Property(
        "No connection that its ends go on using is ended by a timeout.", lambda run, _: Outlived(run), fit.met
    ),
    "claims": Property(
        "No other host claims a virtual address by ARP.", lambda run, _: Claims(run), _verdict("arp_to_kernel")
    ),
    "checksums": Property("Every checksum of what leaves is valid.", lambda run, _: Sums(run), _total("written")),
    "no-kernel": Property(
        "No packet of a configured service goes to the kernel.", lambda run, _: Rows(KernelRows(run)), fit.met
    ),
    "conservation": Property(
        "Every frame has one end, and the numbers add up.", lambda run, _: Conserved(), _total("frames")
    ),
}


# --- judging -------------------------------------------------------------------------------------------------


@dataclass
class Judgement:
    """A property judged. `holds` is None where the capture cannot say, and `unjudged` why not."""

    name: str
    sentence: str
    holds: bool | None
    failure: Failure | None = None
    line: str = ""  # the story of the first frame, in a line
    unjudged: str = ""

    def document(self) -> dict[str, Any]:
        found = self.failure
        return {
            "name": self.name,
            "sentence": self.sentence,
            "holds": self.holds,
            "frame": (found.first or None) if found else None,
            "others": found.others if found else 0,
            "detail": found.detail if found else self.unjudged,
            "line": self.line,
        }


@dataclass
class Checked:
    """All judgements over a capture."""

    path: str
    frames: int
    judgements: list[Judgement] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    damage: CaptureError | None = None  # why reading stopped before the end
    result: Result | None = None  # of the replay that was judged

    @property
    def failed(self) -> int:
        return sum(j.holds is False for j in self.judgements)

    @property
    def judged(self) -> int:
        """Properties that had something to judge."""
        return sum(j.holds is not None for j in self.judgements)

    def document(self) -> dict[str, Any]:
        """Ready for `json.dumps`."""
        properties = [j.document() for j in self.judgements]
        return {
            "schema": 1,
            "capture": self.path,
            "frames": self.frames,
            "failed": self.failed,
            "judged": self.judged,
            "properties": properties,
        }


def chosen(names: Iterable[str], profile: str = "dpvs") -> list[str]:
    """The properties called *names*, none: all of *profile*. ConfigError for an unknown one, with the nearest."""
    given = list(names)
    for name in given:
        if name not in PROPERTIES:
            near = difflib.get_close_matches(name, PROPERTIES, 1)
            tip = f"; nearest is {near[0]!r}" if near else ""
            raise ConfigError(f"--assert: {', '.join(PROPERTIES)} expected, got {name!r}{tip}")
        if PROPERTIES[name].ports and profile != "dpvs":
            raise ConfigError(f"--assert: {name}: the {profile} profile has no local ports")
    return given or [name for name, known in PROPERTIES.items() if profile == "dpvs" or not known.ports]


def check(
    setup: Setup,
    path: str,
    names: Iterable[str] = (),
    limit: float | None = None,
    watch: Onlooker | None = None,
) -> Checked:
    """Replay *path* and judge the properties *names* (none: all).

    *limit* is how many times the mean a worker may receive (default 2); without it and without its name, balance is
    judged only where there are connections enough. *watch* looks on. Raises ConfigError, CaptureError.
    """
    given = list(names)
    wanted, most = chosen(given, setup.profile), 2.0 if limit is None else limit
    with open_capture(path) as source:
        run = Replay(setup, source, None, None)
        judges = {name: PROPERTIES[name].judge(run, most) for name in wanted}
        if watch is not None:
            watch.attach(run)
            run.watch = watch
        for burst in source.lent(setup.burst_size):
            run.journey(burst)
            for judge in judges.values():
                judge.see(burst)
        result, damage = run.result(), source.damage
    if not result.totals["frames"]:
        raise damage or CaptureError(f"{path}: no packet in it")
    warnings = [warning for warning in result.warnings if warning != str(damage)]
    found = Checked(path, result.totals["frames"], warnings=warnings, damage=damage, result=result)
    stats, too_small = result.document(), not given and limit is None and not _enough(result)
    for name, judge in judges.items():
        judgement = _judgement(name, most, judge, judge.failure(result), stats, too_small)
        found.judgements.append(judgement)
    return _explained(setup, path, found)


TOO_FEW = "too few connections to judge"


def _judgement(
    name: str, most: float, judge: Judge, failure: Failure | None, stats: fit.Document, too_small: bool
) -> Judgement:
    known = PROPERTIES[name]
    sentence = known.sentence.format(limit=most)
    if failure is None and not known.judged(stats):
        return Judgement(name, sentence, None, unjudged=getattr(judge, "unjudged", NOTHING))
    if failure is not None and too_small and name == "balance":
        return Judgement(name, sentence, None, unjudged=TOO_FEW)
    return Judgement(name, sentence, failure is None, failure)


def _enough(result: Result) -> bool:
    created = sum(worker["conns"]["created"] for worker in result.workers)
    return bool(created >= ENOUGH * len(result.workers))


def _explained(setup: Setup, path: str, found: Checked) -> Checked:
    """Each first frame with its story in a line, in one more replay."""
    from lbreplay.lab.explain import lines

    told = lines(setup, path, [j.failure.first for j in found.judgements if j.failure and j.failure.first])
    for judgement in found.judgements:
        if judgement.failure:
            judgement.line = told.get(judgement.failure.first, "")
    return found
