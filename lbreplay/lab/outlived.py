"""Connections that a timeout ended though their ends went on using them (D 2.5, D 5.7; L 8).

DPVS gives an established connection 90 s, an application that says nothing for longer finds it gone: it is answered
with a RST, or by the kernel. What was ended is remembered, and what then comes for it is held against that.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from lbreplay.arrays import I64, U8, Bool
from lbreplay.burst import Burst
from lbreplay.ipvs.states import name
from lbreplay.journey import Replay
from lbreplay.lab.fit import NOTICED
from lbreplay.lab.judge import FATES, Failure, Frames
from lbreplay.lab.life import setting, setting_of
from lbreplay.loop.flags import ONE_PACKET, TEMPLATE
from lbreplay.loop.names import SNAT, STATES
from lbreplay.loop.table import reverse_key
from lbreplay.model import NANOSECOND, Endpoint
from lbreplay.phrases import plural
from lbreplay.stats import Result
from lbreplay.verdict import Fate, Verdict
from lbreplay.wire.packet import FIN, RST, SCTP, SYN, TCP

IN_USE = frozenset({"ESTABLISHED", "FIN_WAIT", "CLOSE_WAIT", "NORMAL", "ONEWAY", "UDP"})  # states with two ends
STATEFUL = (TCP, SCTP)  # of the others any packet of a client may open a connection again
ANSWERED = (Verdict.TCP_BAD_ACK_RST, Verdict.TCP_BAD_ACK_DROP)  # by the service, for want of a connection
MOST = 200_000  # ended connections that are remembered, the last ones


class Ended(NamedTuple):
    """A connection that timed out: when its last packet came, after how long, by which setting, and the tuples under
    which a packet may come for it; an answer as the client sees it is one."""

    last_ns: int
    after_ns: int
    setting: str
    keys: tuple[bytes, ...]


class Outlived:
    """The property's judge. A connection counts once, with the first frame that comes for it."""

    def __init__(self, run: Replay) -> None:
        self._setup, self._frames = run.setup, Frames()
        self._ended: dict[bytes, Ended] = {}
        self._found: list[tuple[int, Ended]] = []  # the pause in ns
        self._tell = LISTEN[run.setup.profile](self, run.balancer)
        self.kept = False  # something is told when a packet may be of it

    def ended(self, ended: Ended) -> None:
        """A timeout ended a connection that was in use."""
        for key in ended.keys:
            if key not in self._ended or self._ended[key].last_ns <= ended.last_ns:
                self._ended.pop(key, None)
                self._ended[key] = ended
        while len(self._ended) > MOST:
            del self._ended[next(iter(self._ended))]

    def see(self, burst: Burst) -> None:
        """See `Judge`."""
        unhelped = np.flatnonzero(_unhelped(burst)).tolist() if self._ended or self.kept else []
        if unhelped and self.kept:
            self._tell()
            self.kept = False
        self._frames.add([burst.first + row for row in unhelped if self._outlived(burst, row)])

    def _outlived(self, burst: Burst, row: int) -> bool:
        """Whether the row goes on with a connection that was ended before it; it is forgotten then."""
        family, proto = int(burst.family[row]), int(burst.proto[row])  # the bytes may be those of its answer by now
        ends = burst.flow4[row] if family == 4 else burst.wide[row]
        ended = self._ended.get(bytes((proto,)) + ends.tobytes()) if family else None
        pause = int(burst.time_ns[row]) - ended.last_ns if ended is not None else 0
        if ended is None or pause <= ended.after_ns or (proto == TCP and burst.flags[row] & (SYN | RST | FIN)):
            return False
        for key in ended.keys:
            self._ended.pop(key, None)
        self._found.append((pause, ended))
        return True

    def failure(self, result: Result) -> Failure | None:
        """See `Judge`."""
        if not self._found:
            return None
        pause, ended = max(self._found, key=lambda found: found[0])
        many = len(self._found) > 1
        silence = f"{'up to ' if many else ''}{pause / NANOSECOND:.0f} s of silence"
        what = f"{ended.setting or 'the timeout of its state'} = {ended.after_ns // NANOSECOND}"
        cure = f"{'they were' if many else 'it was'} gone; a longer timeout, or keepalives more often"
        return self._frames.failure(f"{plural(len(self._found), 'connection')} went on after {silence}, {what}: {cure}")


def _unhelped(burst: Burst) -> Bool:
    """Rows that no connection took anywhere, for want of one."""
    refused = np.isin(burst.verdict, (*NOTICED, Verdict.OWN_TRANSMIT))
    lost = (FATES[burst.verdict] != Fate.TRANSMITTED) | (burst.verdict == Verdict.FORWARDED_PLAIN)
    unhelped: Bool = (lost & ~refused) | np.isin(burst.verdict, ANSWERED)
    return unhelped


# --- hearing of ends -----------------------------------------------------------------------------------------


class _OfDpvs:
    """Hears of DPVS's connections. What the loop ended is kept as columns, and told when a packet may be of it."""

    def __init__(self, judge: Outlived, balancer: Any) -> None:
        self._judge, self._balancer, self._machine = judge, balancer, balancer.machine
        self._kept: list[_Silent] = []
        self._in_use = np.zeros((256, STATES), np.bool_)  # by protocol and state
        for number, protocol in self._machine.protocols.items():
            self._in_use[number, : len(protocol.states)] = [state.upper() in IN_USE for state in protocol.states]

    def opened(self, conn: Any) -> None:
        """Told by the machine."""

    def closed(self, conn: Any) -> None:
        """Told by the machine."""
        machine = self._machine
        state, last = machine.state_name(conn).upper(), int(machine.table.last_use[conn.slot])
        after = machine.state_timeout(conn)
        if state in IN_USE and machine.now - last >= after:
            asked, answered = bytes(conn.in_key), bytes(conn.out_key)
            inside_asks = conn.mode.name == "snat"
            keys = _keys(conn.proto, answered, asked) if inside_asks else _keys(conn.proto, asked, answered)
            self._judge.ended(Ended(last, after, setting(machine.setup, conn, state), keys))

    def ended(self, ended: list[int]) -> None:
        """Told by the machine."""
        slots, tuples = np.array(ended), self._machine.tuples
        columns = {name: np.asarray(column) for name, column in self._machine.table.columns.items()}
        state, limit = columns["state"][slots], columns["limit"][slots]
        proto = np.asarray(tuples.words)[2 * slots * tuples.step + 1] >> np.uint64(32) & np.uint64(0xFF)
        after = np.asarray(self._machine.limits).reshape(-1, STATES)[limit, state]
        some = np.flatnonzero(self._in_use[proto.astype(np.int64), state] & (columns["timeout"][slots] >= after))
        for places, asked in self._balancer.came_as_rows(2 * slots[some]):
            rows = some[places]
            ((_, answered),) = self._balancer.came_as_rows(2 * slots[rows] + 1)
            told = (columns["last_use"][slots[rows]], after[rows], state[rows], limit[rows])
            self._judge.kept = True
            self._kept.append(_Silent(proto[rows], asked, answered, columns["full"][slots[rows]] == SNAT, *told))
        while sum(len(kept.state) for kept in self._kept[1:]) > MOST:
            del self._kept[0]

    def tell(self) -> None:
        """Tell the judge of what was kept."""
        services, protocols = self._machine.setup.services, self._machine.protocols
        for kept in self._kept:
            for proto, asked, answered, inside_asks, last, after, state, limit in zip(*kept, strict=True):
                keys = [bytes((int(proto),)) + ends.tobytes() for ends in (asked, answered)]
                by = setting_of(services[limit], int(proto), protocols[int(proto)].states[state].upper())
                self._judge.ended(
                    Ended(int(last), int(after), by, _keys(int(proto), *keys[:: -1 if inside_asks else 1]))
                )
        self._kept.clear()


class _Silent(NamedTuple):
    """Connections that the loop ended, one entry each: protocol, source, destination and ports of what the client and
    the real server send, whether the inside host is the client, and what `Ended` says; the row of their timeouts."""

    proto: Any
    asked: U8
    answered: U8
    inside_asks: Bool
    last_ns: I64
    after_ns: I64
    state: U8
    limit: Any


def _of_dpvs(judge: Outlived, balancer: Any) -> Callable[[], None]:
    hears = _OfDpvs(judge, balancer)
    balancer.machine.watches.append(hears)
    return hears.tell


def _of_the_kernel(judge: Outlived, balancer: Any) -> Callable[[], None]:
    """What deleting, drop_entry and rescheduling end is no matter of timeouts."""
    parts = balancer.parts

    def told(conn: Any) -> None:
        state, dropping = name(conn, False), parts.sysctls.always("drop_entry")
        kept = conn.dest is not None and conn.dest.available and not conn.flags & (TEMPLATE | ONE_PACKET)
        if kept and conn.timeout and state in IN_USE and not dropping:
            asked, answered = _key(conn.proto, conn.client, conn.virtual), _key(conn.proto, conn.real, conn.client)
            keys = _keys(conn.proto, asked, answered)
            last = parts.clock.now - conn.timeout
            judge.ended(Ended(last, conn.timeout, setting(parts.setup, conn, state), keys))

    parts.conns.listen(told)
    return _nothing


def _nothing() -> None:
    """Nothing is kept: the kernel's connections are told of when they end."""


def _key(proto: int, source: Endpoint, dest: Endpoint) -> bytes:
    """A tuple as packets spell it."""
    ports = source.port.to_bytes(2) + dest.port.to_bytes(2)
    return bytes((proto,)) + source.address + dest.address + ports


def _keys(proto: int, asked: bytes, answered: bytes) -> tuple[bytes, ...]:
    """What goes on with a connection: answers of the real server, also as the client sees them; packets of the client
    that cannot open another one."""
    answers = (answered, reverse_key(asked))
    return (asked, *answers) if proto in STATEFUL else answers


LISTEN = {"dpvs": _of_dpvs, "ipvs": _of_the_kernel}
