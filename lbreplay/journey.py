"""The journey of a packet, from the capture to the capture.

parse    bytes -> columns
steer    columns -> queue and worker
balance  connection, translation, verdict          (or, in the ipvs profile, the kernel's director)
write    what leaves
count    from the columns, once
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Protocol

from lbreplay.also import Also
from lbreplay.burst import KIND_SCTP, KIND_TCP, KIND_UDP, Burst
from lbreplay.dpvs.balancer import Balancer
from lbreplay.dpvs.view import Steer
from lbreplay.errors import CaptureError
from lbreplay.loop import WHY
from lbreplay.loop.parse import Parser
from lbreplay.model import Setup
from lbreplay.nic.cards import judging
from lbreplay.nic.steer import Nic, Steered
from lbreplay.stats import Counters, Result
from lbreplay.wire.capture import Capture, CaptureInfo, Sink, is_pcapng, open_capture, open_sink
from lbreplay.wire.offload import BOTH, CARRIED, DROPPED, PASSED, RIGHT, Offload

if TYPE_CHECKING:
    from lbreplay.annotate import Annotator
    from lbreplay.nic.ports import Ports
    from lbreplay.nic.tally import Tally
    from lbreplay.trace import Trace

KIND = {6: KIND_TCP, 17: KIND_UDP, 132: KIND_SCTP}
LARGE = 1 << 14  # frames of a capture that is worth a compiler


def _balancer(setup: Setup, nic: Nic | Ports, home: Steer) -> Any:
    return Balancer(setup, nic.strategy, home, nic.steerer if isinstance(nic, Nic) else None)


def _director(setup: Setup, nic: Nic | Ports, home: Steer) -> Any:
    from lbreplay.ipvs.director import Director  # a tenth of the time to start, of no use to DPVS

    return Director(setup)


def nic(setup: Setup) -> Nic | Ports:
    """The one card, or all of them."""
    if not setup.several:
        return Nic(setup)
    from lbreplay.nic.ports import Ports

    return Ports(setup)


ENGINES: dict[str, Callable[[Setup, Nic | Ports, Steer], Any]] = {"dpvs": _balancer, "ipvs": _director}


def replay(
    setup: Setup,
    in_path: str,
    out_path: str | None,
    *,
    trace: str | None = None,
    also: frozenset[str] | set[str] = frozenset(),
    drops: str | None = None,
    watch: Onlooker | None = None,
) -> Result:
    """Send every frame of *in_path* through the balancer; write what leaves to *out_path*; return what was counted.

    *also* "received" puts the received frames among what leaves, "kernel" those for the kernel, "dropped" writes
    dropped ones to *drops*. *watch* looks on. Raises CaptureError, also where nothing could be read; *out_path* is then
    as it was.
    """
    with ExitStack() as stack:
        source = stack.enter_context(open_capture(in_path, telling=setup.several))
        notes = _annotator() if any(path and is_pcapng(path) for path in (out_path, drops)) else None
        sink = stack.enter_context(open_sink(out_path, source.info, notes)) if out_path else None
        dropped = stack.enter_context(open_sink(drops, source.info, notes)) if drops and "dropped" in also else None
        tell = stack.enter_context(_trace(trace, setup)) if trace else None
        run = Replay(setup, source, sink, tell, Also(also, dropped) if also else None)
        if notes is not None:
            notes.attach(run.nic, run.balancer)
        if watch is not None:
            watch.attach(run)
            run.watch = watch
        result = run.run()
        if not source.frames:
            raise source.damage or CaptureError(f"{in_path}: no packet in it")
        return result


def _annotator() -> Annotator:
    from lbreplay.annotate import Annotator

    return Annotator()


def _trace(path: str, setup: Setup) -> Trace:
    from lbreplay.trace import Trace

    return Trace(path, setup)


class Source(Protocol):
    """A capture being read: see `wire.capture.Capture`."""

    info: CaptureInfo
    frames: int
    bytes: int
    first_ns: int
    last_ns: int
    warnings: list[str]

    @property
    def damage(self) -> CaptureError | None: ...

    def lent(self, size: int) -> Iterator[Burst]: ...


class Onlooker(Protocol):
    """Somebody who looks on at a replay."""

    def attach(self, run: Replay) -> None:
        """Before the first burst."""

    def see(self, burst: Burst) -> None:
        """A burst behind its journey."""


def _ends_of_wrong_checksums(setup: Setup) -> tuple[str, str]:
    """What a received segment's, and an IP header's, wrong checksum comes to: full NAT and NAT of DPVS compute what
    leaves anew (D 5.5, D 12.1), direct routing and tunnels pass it on, the kernel adds the difference (L 9)."""
    if setup.profile == "ipvs":
        return CARRIED, DROPPED
    direct = {service.mode in ("dr", "tunnel") for service in setup.services}
    end = BOTH if len(direct) > 1 else PASSED if direct == {True} else RIGHT
    return end, end if setup.device.rx_ip_checksum_offload else DROPPED


class Teller(Protocol):
    """Whom the story of every frame is told."""

    def write(self, burst: Burst, balancer: Any, nic: Nic | Ports) -> None:
        """A burst behind its journey."""


class Replay:
    """One run: the stages with their state."""

    def __init__(
        self, setup: Setup, source: Source, sink: Sink | None, trace: Teller | None, also: Also | None = None
    ) -> None:
        self.setup, self.source, self.sink, self.trace, self.also = setup, source, sink, trace, also
        self.watch: Onlooker | None = None
        self.rewriting = True  # without it the bytes, and lengths, of what leaves stay as they came
        self.nic = nic(setup)
        self.balancer = ENGINES[setup.profile](setup, self.nic, self._home)
        self.tally = None if isinstance(self.nic, Nic) else self._tally()
        self.parser = Parser(*judging(setup))
        self.offload = Offload(setup.device.mtu, *_ends_of_wrong_checksums(setup))
        self.counters = Counters(setup)
        if trace is not None:
            self.balancer.stories = {}

    def run(self) -> Result:
        """The whole capture.

        Without the cyclic collector: nothing here makes cycles, and walking a million live connections again and
        again took a quarter of the time.
        """
        collecting = gc.isenabled()
        gc.disable()
        try:
            return self._run()
        finally:
            if collecting:
                gc.enable()

    def _run(self) -> Result:
        for burst in self.source.lent(self.setup.burst_size):
            self.journey(burst)
        return self.result()

    def result(self) -> Result:
        """What was counted so far."""
        gauges = self.balancer.gauges()
        slow = [WHY] if WHY and self.source.frames > LARGE else []
        warnings = [*self.source.warnings, *self.offload.warnings(), *gauges.get("warnings", ()), *slow]
        ports = self.tally.document() if self.tally else []
        result = self.counters.result(gauges | {"warnings": warnings, "ports": ports}, self._capture())
        return result._replace(imagined=self.nic.imagined(), damage=self.source.damage, notes=self._told())

    def journey(self, burst: Burst) -> None:
        """One burst, all the way."""
        self.parse(burst)
        self.travel(burst)

    def parse(self, burst: Burst) -> None:
        """Fill the columns that the bytes tell."""
        self.parser.parse(burst)
        self.offload.look(burst)

    def travel(self, burst: Burst) -> None:
        """The rest of the way of a burst that is parsed."""
        self.steer(burst)
        self.balancer.balance(burst)
        self.depart(burst)

    def steer(self, burst: Burst) -> None:
        """To queues and workers."""
        self.nic.steer(burst)

    def depart(self, burst: Burst) -> None:
        """The way of *burst* from the balancer to the capture and the counters."""
        if self.also is not None:
            self.also.keep(burst)
        if self.rewriting:
            self.balancer.rewrite(burst)
        written = burst if self.also is None else self.also.leaving(burst)
        if self.sink is not None:
            self.sink.write(written)
        self.counters.add(burst)
        if self.tally is not None:
            self.tally.add(burst)
        if self.trace is not None:
            self.trace.write(written, self.balancer, self.nic)
        if self.watch is not None:
            self.watch.see(burst)

    def _tally(self) -> Tally:
        """Several ports are told apart by routes and the capture's interfaces, and counted each by itself."""
        from lbreplay.nic.tally import Tally

        assert not isinstance(self.nic, Nic), "asked of several"
        self.nic.face(self.balancer.machine.stack.facing)
        self.nic.arrivals.names = self.source.names if isinstance(self.source, Capture) else ()
        return Tally(self.nic)

    def _told(self) -> list[str]:
        """By what ports were told apart."""
        if self.tally is None or isinstance(self.nic, Nic):
            return []
        return [self.nic.arrivals.sentence(self.tally.received)]

    def _home(self, proto: int, src: bytes, sport: int, dst: bytes, dport: int, tag: bytes = b"") -> Steered:
        """Where the NIC sends a packet of this tuple (of SCTP: and verification *tag*)."""
        kind = KIND.get(proto, 1)
        return self.nic.steer_flow(kind, 4 if len(src) == 4 else 6, src, sport, dst, dport, tag)

    def _capture(self) -> dict[str, Any]:
        source, info = self.source, self.source.info
        return {
            "path": info.path,
            "format": info.format,
            "linktype": info.linktype,
            "frames": source.frames,
            "bytes": source.bytes,
            "first_ns": source.first_ns,
            "last_ns": source.last_ns,
        }
