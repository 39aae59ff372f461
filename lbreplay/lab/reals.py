"""Properties of real servers, as the statistics of a replay show them: whether they answer, and whether they share.

What a capture cannot show is not judged: without any answer it has one side only, or the answers go another way.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from lbreplay.burst import Burst
from lbreplay.journey import Replay
from lbreplay.lab.judge import NOTHING, Failure
from lbreplay.model import Service
from lbreplay.phrases import plural
from lbreplay.stats import UNEVEN, Result, due, shares
from lbreplay.wire.packet import TCP

Row = Mapping[str, Any]  # of a real server in the statistics
ENOUGH = 10  # connections a real server, below which their shares say nothing
ENOUGH_PACKETS = 100  # packets, likewise
SURE = 3  # times that, before one that gets too little is told
FEW = 5  # connections that nobody leaves unanswered by chance
ANSWERING = ("fnat", "nat")  # modes whose answers pass the balancer
LEAST = ("lc", "wlc", "sed", "nq")  # schedulers that go by live connections (D 10.3, L 13)
ONE_SIDED = (
    "no answer of a real server is in the capture: it has one side only, or they go another way (the real servers' "
    "default gateway, rp_filter), or packets are lost there"
)


class Answered:
    """The real servers that answer nothing, or nothing but one packet, while others of their service do. Services that
    nobody answers may be one-sided, and where answers reach another worker that is to blame."""

    def __init__(self, run: Replay) -> None:
        self._services = {s.name: s for s in run.setup.services if s.mode in ANSWERING}
        self.unjudged = NOTHING

    def see(self, burst: Burst) -> None:
        """See `Judge`."""

    def failure(self, result: Result) -> Failure | None:
        """See `Judge`."""
        judged = [stats for stats in result.services if stats["service"] in self._services]
        opened = sum(real["conns"] for stats in judged for real in stats["reals"])
        self.unjudged = ONE_SIDED if opened >= FEW else NOTHING
        if any(worker["wrong_worker"] for worker in result.workers):
            return None
        found = [said for stats in judged for said in self._lacking(stats)]
        return Failure(0, 0, "; ".join(found[:3])) if found else None

    def _lacking(self, stats: Row) -> Iterator[str]:
        if any(real["outpkts"] for real in stats["reals"]):
            lacks = ((real, _lack(self._services[stats["service"]], real)) for real in stats["reals"])
            yield from (f"{real['address']} of {stats['service']} {lack}" for real, lack in lacks if lack)


def _lack(service: Service, real: Row) -> str:
    """What is wrong with the answers of a real server, "": nothing."""
    conns, asked, answered = real["conns"], real["inpkts"], real["outpkts"]
    if conns < FEW:
        return ""
    if not answered:
        return f"answered none of {plural(conns, 'connection')}"
    if service.protocol == TCP and asked == answered == conns:
        return f"gave {plural(conns, 'connection')} a packet each and no more: it refuses them (RST), or is not heard"
    return ""


def answers(stats: Mapping[str, Any]) -> int:
    """Packets of real servers that passed."""
    return sum(real["outpkts"] for service in stats["services"] for real in service["reals"])


class Even:
    """No real server far above or below what its weight is due: of connections where there are enough, else of packets.
    Services whose scheduler or thresholds mean to be uneven, or whose real servers an event changes, are left alone."""

    def __init__(self, run: Replay, limit: float) -> None:
        setup, self._limit = run.setup, limit
        changed = {event.path[1] for event in setup.events if event.path[:1] == ("service",)}
        self._judged = {s.name: s for s in setup.services if _is_to_be_even(s) and s.name not in changed}

    def see(self, burst: Burst) -> None:
        """See `Judge`."""

    def failure(self, result: Result) -> Failure | None:
        """See `Judge`."""
        found = [said for s in result.services if s["service"] in self._judged for said in self._uneven(s)]
        return Failure(0, 0, "; ".join(found[:3])) if found else None

    def _uneven(self, stats: dict[str, Any]) -> Iterator[str]:
        found = _measure(stats)
        if found is None:
            return
        what, least, name = found
        whole = sum(real[what] for real in stats["reals"])
        for real, share, fair in zip(stats["reals"], shares(stats, what), due(stats), strict=True):
            many = share > self._limit * fair and fair * whole >= least
            few = share < fair / self._limit and fair * whole >= SURE * least
            if many or few:
                of = f"{real[what]:,} of {whole:,} {name} of {stats['service']}"
                hint = _hint(self._judged[stats["service"]])
                yield f"{real['address']} has {of}, {share / fair:.2f} times what its weight is due{hint}"


def _hint(service: Service) -> str:
    """What makes a scheduler's shares uneven though it works."""
    if service.persistent is not None:
        return " (persistent: the connections of a client, or of a network of the mask, stay together)"
    if service.scheduler in LEAST:
        return " (its scheduler goes by live connections: who refuses them, or ends them early, gets more)"
    return ""


def _is_to_be_even(service: Service) -> bool:
    chosen_otherwise = service.quic or any(real.max_conn for real in service.reals)
    return service.mode != "snat" and service.scheduler not in UNEVEN and not chosen_otherwise


def _measure(stats: Mapping[str, Any]) -> tuple[str, int, str] | None:
    """What the shares of real servers are taken of: connections where there are enough, else packets, else nothing."""
    for what, least, name in (("conns", ENOUGH, "connections"), ("inpkts", ENOUGH_PACKETS, "packets")):
        if sum(real[what] for real in stats["reals"]) >= least * max(len(stats["reals"]), 2):
            return what, least, name
    return None


def enough_to_share(stats: Mapping[str, Any]) -> int:
    """Services with enough to tell whether it is shared."""
    return sum(_measure(service) is not None for service in stats["services"])
