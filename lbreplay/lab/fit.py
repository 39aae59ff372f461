"""Whether configuration and view fit a capture: did any frame meet a service, and did answers come back?

A replay that met nothing is green for the wrong reason: nothing was judged. `met` counts, in the statistics of a replay
(interface 5), the frames that meant something to the balancer: those of a connection, those that opened one, and those
that a service refused. `misfit` looks at the capture once more, only where nothing was met or no answer was, and says
what the capture holds instead and under which view it would be met.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from lbreplay.burst import Burst
from lbreplay.config.values import PROTOCOL
from lbreplay.errors import LbreplayError
from lbreplay.model import Setup
from lbreplay.phrases import plural
from lbreplay.verdict import Verdict

if TYPE_CHECKING:
    from lbreplay.config.survey import Seen

Document = Mapping[str, Any]  # the statistics of interface 5

NAMES = {number: name for name, number in PROTOCOL.items()}

# Verdicts of frames that a service took notice of without having, or opening, a connection (D 4.1, 5.1, 6, 10.2, 11,
# 14; L 5). Each verdict's own section says how it comes about.
NOTICED = (
    Verdict.TCP_BAD_ACK_RST,
    Verdict.TCP_BAD_ACK_DROP,
    Verdict.TCP_DEFENCE,
    Verdict.UDP_TO_TCP_VIP,
    Verdict.SYNPROXY_SYNACK,
    Verdict.SYNPROXY_SYNACK_FLAGGED,
    Verdict.SYNPROXY_SYN_RETURNED,
    Verdict.SYNPROXY_NO_DEST,
    Verdict.SYNPROXY_ACL,
    Verdict.ACL_BLACKLIST,
    Verdict.ACL_WHITELIST,
    Verdict.NO_DEST,
    Verdict.NO_DEST_UNREACHABLE,
    Verdict.CONN_POOL_EMPTY,
    Verdict.DEST_MAX_CONN,
    Verdict.LADDR_NONE,
    Verdict.LADDR_PORT_EXHAUSTED,
    Verdict.LADDR_PROTO_UNSUPPORTED,
    Verdict.SNAT_PORT_EXHAUSTED,
    Verdict.SNAT_ADDR_WITHOUT_POOL,
    Verdict.TEMPLATE_CONN_FAILED,
    Verdict.PERSISTENCE_FAILED,
    Verdict.DEFENCE_DROPPED,
    Verdict.RATE_LIMIT_IN,
)
OUT_OF_PORTS = (Verdict.LADDR_PORT_EXHAUSTED, Verdict.SNAT_PORT_EXHAUSTED)
TRIED = 20_000  # frames at the capture's beginning that are looked at again
NAMED = 3  # services named in the sentence
VIEWS = ("client", "lb", "rx")


class Misfit(NamedTuple):
    """What does not fit, and what to try, a sentence each."""

    sentence: str
    cure: str

    def __str__(self) -> str:
        return f"{self.sentence}; {self.cure}"


def answers(stats: Document) -> int:
    """Frames found as the real servers' side of a connection, on whichever worker."""
    return sum(worker["lookup"]["out"] + worker["wrong_worker"] for worker in stats["workers"])


def met(stats: Document) -> int:
    """Frames that met a service: of its connections, opening one, or refused by it. 0 is exact, more is about."""
    of_conns = sum(int(worker["lookup"]["in"] + worker["conns"]["created"]) for worker in stats["workers"])
    noticed = sum(int(stats["totals"]["verdicts"].get(verdict.name.lower(), 0)) for verdict in NOTICED)
    return of_conns + answers(stats) + noticed


def shows_nothing(stats: Document) -> bool:
    """Whether a replay says nothing about a balancer: nobody met a service, and nothing was sent."""
    return met(stats) == 0 and stats["totals"]["written"] == 0


def misfit(setup: Setup, path: str, stats: Document) -> Misfit | None:
    """Why configuration or view do not fit the capture *path*, None where they do. A file is read again."""
    if met(stats) and answers(stats):
        return None
    again = path if os.path.isfile(path) else None
    better = _better_view(setup, again, stats) if again else None
    if met(stats):
        return _unanswered(stats, setup.view, better) if better else None
    return _unmet(setup, stats, again, better)


def starved(setup: Setup, path: str, stats: Document) -> Misfit | None:
    """Where a drafted configuration ran out of local ports: the draft is to blame, not the balancer."""
    verdicts = stats["totals"]["verdicts"]
    lost = sum(verdicts.get(verdict.name.lower(), 0) for verdict in OUT_OF_PORTS)
    if not lost or not setup.drafted:
        return None
    most = max(len(service.laddr) for service in setup.services)
    told = f"{plural(lost, 'frame')} found no local port, which is the draft's doing"
    return Misfit(told, f"lbreplay init {path} --laddrs {min(2 * most, 64)} -o lb.toml drafts more local addresses")


def _unanswered(stats: Document, view: str, better: str) -> Misfit:
    ignored = stats["totals"]["ignored"]
    told = f"no answer of a real server came under --view {view}"
    told += f", {plural(ignored, 'frame')} taken for the balancer's own" if ignored else ""
    return Misfit(told, f"under --view {better} answers are met")


def _unmet(setup: Setup, stats: Document, path: str | None, better: str | None) -> Misfit:
    frames = stats["totals"]["frames"]
    told = f"none of the {frames:,} frames met a service" if frames != 1 else "the only frame met no service"
    if better:
        return Misfit(told, f"under --view {better} they do")
    opened = _opened(path) if path else None
    if opened is None:
        return Misfit(told, "lbreplay init drafts a configuration from a capture")
    if not opened:
        return Misfit(
            told, f"the capture opens no connection to anybody: nothing in it can be balanced{_mostly(stats)}"
        )
    if {(s.protocol, s.vip) for s in setup.services} & {(s.protocol, s.endpoint) for s in opened}:
        return Misfit(
            f"{told}, though the capture opens {_listed(opened)}", f"look at what became of them{_mostly(stats)}"
        )
    return Misfit(f"{told}: the capture opens {_listed(opened)}", f"lbreplay init {path} drafts services for these")


def _mostly(stats: Document) -> str:
    """`: 3 ended as vlan_error (Tagged for a VLAN without a device)`, the most frequent end of all."""
    verdicts = stats["totals"]["verdicts"]
    name = max(verdicts, key=lambda one: int(verdicts[one]), default="")
    return f"; {verdicts[name]:,} ended as {name} ({Verdict[name.upper()].sentence.rstrip('.')})" if name else ""


def _opened(path: str) -> list[Seen] | None:
    """The services that the capture opens connections to, the busiest first; None where it cannot be read."""
    from lbreplay.config.survey import Survey

    try:
        return Survey(_beginning(path)).services()
    except LbreplayError:
        return None  # the replay has said what is wrong with the capture


def _listed(found: Sequence[Seen]) -> str:
    """`34 connections to tcp 203.0.113.10:443, ...`"""
    told = [f"{plural(s.connections, 'connection')} to {NAMES[s.protocol]} {s.endpoint}" for s in found[:NAMED]]
    return ", ".join(told) + (f" and {plural(len(found) - NAMED, 'service')} more" if len(found) > NAMED else "")


def _better_view(setup: Setup, path: str, stats: Document) -> str | None:
    """The view under which the capture's beginning meets what it did not under this one."""
    count = answers if met(stats) else met
    tried = {view: count(_replayed(setup, path, view)) for view in VIEWS if view != setup.view}
    best = max(tried, key=lambda view: tried[view])
    return best if tried[best] else None


def _replayed(setup: Setup, path: str, view: str) -> Document:
    """The statistics of the capture's beginning under another view."""
    from lbreplay.journey import Replay
    from lbreplay.wire.capture import open_capture

    with open_capture(path) as source:
        run = Replay(setup._replace(view=view), source, None, None)
        for burst in _until(source.bursts(setup.burst_size)):
            run.journey(burst)
        return run.result().document()


def _beginning(path: str) -> Iterator[Burst]:
    from lbreplay.wire.capture import open_capture

    with open_capture(path) as source:
        yield from _until(source.bursts(4096))


def _until(bursts: Iterator[Burst]) -> Iterator[Burst]:
    """Bursts up to some TRIED frames."""
    for burst in bursts:
        yield burst
        if burst.first + burst.size > TRIED:
            return
