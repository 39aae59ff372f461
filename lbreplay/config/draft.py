"""A configuration drafted from a capture: what `init` prints and what `run` takes when no configuration is given.

Virtual services are what the survey found, busiest first. Each gets two real servers and a local address of its own
from 198.18.0.0/15, the network for benchmarks (RFC 2544), IPv6 services from 2001:db8::/32, the one for documents
(RFC 3849); addresses that turn up in the capture are left out. Behind them stand services that nobody was seen to open
a connection to, as `unopened` guesses them. Lines `# Note:` say what of the capture no balancer takes, and what to
capture instead. The same capture gives the same text. Of the kernel a
draft has no local addresses and one worker: services are forwarded by NAT, so that answers pass it too.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Iterator, Sequence

from lbreplay.burst import Burst
from lbreplay.config.legs import Tied
from lbreplay.config.survey import BENCHMARK, MAX_CLIENTS, Balancer, Seen, Survey
from lbreplay.config.unopened import Guess
from lbreplay.model import Endpoint
from lbreplay.phrases import plural

SHOWN = 256  # services written out; a scan of ports would fill pages
REALS4, LADDRS4 = 0, 1 << 16  # offsets in 198.18.0.0/15: 198.18.x.x and 198.19.x.x
REALS6, LADDRS6 = (int(ipaddress.ip_address(f"2001:db8:198:{net}::")) for net in (18, 19))
PORTS = 64_511  # of a local address towards one real server: sa_pool.low to high
PROTOCOL = {6: "tcp", 17: "udp", 132: "sctp"}
NOTE = "# Note: "
# What no balancer takes, by what the survey counted, and what to capture instead.
SPECIAL = {
    "loopback": "to loopback addresses, which no balancer receives: capture on the interface that clients reach",
    "link-local": "between link-local addresses, which nobody routes to a balancer: capture traffic to routed ones",
    "group": "to groups or reserved addresses, which are not balanced: capture traffic to a unicast address",
}
UNDER_WAY = "under way when the capture begins, which no balancer takes up: capture from before clients connect"
ANSWERS = "seen from the answers alone: capture both directions"
UNANSWERED = "of datagrams that nobody answers: where there were answers, capture both directions"
TWICE = "with two VLAN tags, of which DPVS takes off one: capture behind the outer tag"
NOTHING = (
    "nothing in the capture is TCP, UDP or SCTP over IP between two hosts: capture where clients reach the service"
)


def drafted(capture: str, profile: str = "dpvs") -> str:
    """The draft of the file *capture*, with numbers as they are by default. Raises CaptureError."""
    from lbreplay.wire.capture import open_capture

    with open_capture(capture) as source:
        return draft(source.bursts(4096), profile=profile)


def draft(bursts: Iterable[Burst], *, reals: int = 2, laddrs: int = 1, workers: int = 4, profile: str = "dpvs") -> str:
    """TOML text of a configuration of *profile* under which the capture replays. Reads all of *bursts*.

    Numbers of real servers, local addresses and workers are for what has to be made up.
    """
    survey = Survey(bursts)
    balancer = survey.balancer()
    found = [seen for seen in survey.services() if not balancer.behind(seen)]
    guessed = _guessed(survey, balancer, SHOWN - len(found))
    addresses = _Addresses(survey, guessed)
    lines: list[str] = []
    every: list[Seen | Guess] = [*found[:SHOWN], *guessed]
    for seen in every:
        lines += ["", *_head(seen)]
        known = balancer.tied.get((seen.protocol, seen.endpoint))
        if profile == "ipvs":
            lines += _behind_kernel(seen, known, addresses, reals)
        else:
            lines += _seen_behind(known) if known else _made_up(seen, addresses, reals, laddrs)
    opening = [*_opening(survey, [*found, *guessed], bool(balancer.tied), profile), *_notes(survey, found)]
    vlans = [line for vlan in survey.vlans.most_common(SHOWN) if vlan[0] for line in _vlan(*vlan)]
    if profile == "ipvs":
        return "\n".join([*opening, 'profile = "ipvs"', *vlans, *lines]) + "\n"
    head = [*opening, f"workers = {workers}"]
    if any(tied.keeps_client for tied in balancer.tied.values()):
        head += ["", "[conn]", "redirect = true  # the answers of NAT arrive on any worker"]
    if any(re.match(r'laddr = .*"\S*:', line) for line in lines):
        head += ["", "[device]", 'driver = "mlx5"  # ixgbe cannot hold rules for IPv6 local addresses']
    return "\n".join([*head, *vlans, *lines]) + "\n"


def _vlan(number: int, frames: int) -> Iterator[str]:
    yield from ("", f"[[device.vlan]]  # {plural(frames, 'frame')}", f"id = {number}")


def _opening(survey: Survey, found: Sequence[Seen | Guess], tied: bool, profile: str) -> Iterator[str]:
    yield f"# Drafted from a capture of {plural(survey.frames, 'frame')}."
    if not found:
        yield "# Nobody opens a connection in it, so there is no service."
    elif tied:
        yield "# Both legs of the balancer's connections are in it (--view lb): what is behind services was seen."
    else:
        yield f"# Real servers{' and local addresses' * (profile == 'dpvs')} are made up."
    left = len(found) - SHOWN + survey.missed
    if left > 0:
        yield f"# {left} less busy services are left out."


def _guessed(survey: Survey, balancer: Balancer, room: int) -> list[Guess]:
    """Services that nobody was seen to open, as far as there is room; nothing of what is behind a balancer."""
    known = {(seen.protocol, seen.endpoint) for seen in survey.services()} | balancer.reals
    ours = balancer.laddrs
    guesses = survey.unopened.guesses(known)
    return [g for g in guesses if g.endpoint.address not in ours and not g.clients <= ours][: max(room, 0)]


def _notes(survey: Survey, found: list[Seen]) -> Iterator[str]:
    """What of the capture no balancer takes, one sentence each, and what to capture instead."""
    flows = survey.unopened
    counted = [
        (flows.under_way(), "connection", UNDER_WAY),
        (flows.answers(), "connection", ANSWERS),
        (flows.unanswered(), "flow", UNANSWERED),
        *((count, "flow", SPECIAL[what]) for what, count in sorted(survey.special().items())),
        (survey.twice, "frame", TWICE),
    ]
    said = [f"{plural(count, noun)} {sentence}" for count, noun, sentence in counted if count]
    yield from (f"{NOTE}{sentence}." for sentence in said or ([] if found else [NOTHING]))


def notes(text: str) -> list[str]:
    """The notes of a draft."""
    return [line.removeprefix(NOTE) for line in text.splitlines() if line.startswith(NOTE)]


def _head(seen: Seen | Guess) -> Iterator[str]:
    yield f"[[service]]  # {_told(seen) if isinstance(seen, Seen) else _told_guess(seen)}"
    yield f'vip = "{seen.endpoint}"'
    yield f'protocol = "{PROTOCOL[seen.protocol]}"'
    yield 'scheduler = "rr"'


def _made_up(seen: Seen | Guess, addresses: _Addresses, reals: int, laddrs: int) -> Iterator[str]:
    peak = seen.openings.peak if isinstance(seen, Seen) else 0
    width, needed = len(seen.endpoint.address), _laddrs(peak, reals)
    many = f"  # {needed} for some {peak} connections at a time" if needed > laddrs else ""
    yield f"laddr = [{', '.join(_quoted(addresses.laddr(width)) for _ in range(max(laddrs, needed)))}]{many}"
    yield from _made_up_reals(seen, addresses, reals)


def _laddrs(peak: int, reals: int) -> int:
    """Local addresses for *peak* connections at a time to *reals* real servers, which have ports of their own each
    (D 11.2), and a quarter more, since clients do not spread evenly over workers."""
    return -(-peak * 5 // (4 * PORTS * reals))


def _made_up_reals(seen: Seen | Guess, addresses: _Addresses, reals: int) -> Iterator[str]:
    for _ in range(reals):
        yield from ("", "[[service.real]]")
        yield f'address = "{Endpoint(addresses.real(len(seen.endpoint.address)), seen.endpoint.port)}"'


def _behind_kernel(seen: Seen | Guess, tied: Tied | None, addresses: _Addresses, reals: int) -> Iterator[str]:
    """NAT to the real servers that were seen, or made up."""
    yield 'mode = "nat"' if tied is None or tied.keeps_client else 'mode = "nat"  # full NAT was seen'
    yield from _seen_reals(tied) if tied else _made_up_reals(seen, addresses, reals)


def _seen_behind(tied: Tied) -> Iterator[str]:
    """Local addresses and real servers as the second legs showed them."""
    how = "by their client address option" if tied.by_toa == tied.connections else "by identification, length and time"
    if tied.keeps_client:
        yield f'mode = "nat"  # the client\'s address goes through; seen {how}'
    else:
        yield f"laddr = [{', '.join(_quoted(laddr) for laddr in sorted(tied.laddrs))}]  # seen {how}"
    yield from _seen_reals(tied)


def _seen_reals(tied: Tied) -> Iterator[str]:
    for real, count in sorted(tied.reals.items()):
        yield from ("", f"[[service.real]]  # {plural(count, 'connection')}", f'address = "{real}"')


def _told_guess(guess: Guess) -> str:
    how = "not answered" if PROTOCOL[guess.protocol] == "udp" else "already under way"
    return f"a guess: {plural(len(guess.clients), 'client')}, {plural(guess.flows, 'flow')} {how}"


def _told(seen: Seen) -> str:
    clients = plural(len(seen.clients), "client")
    more = "at least " if len(seen.clients) == MAX_CLIENTS else ""
    return f"{more}{clients}, {plural(seen.connections, 'connection')}, {size(seen.octets)}"


def size(number: int) -> str:
    """Bytes for people: `987 B`, `1.2 MB`."""
    scaled, unit = float(number), "B"
    for larger in ("kB", "MB", "GB", "TB"):
        if scaled < 1000:
            break
        scaled, unit = scaled / 1000, larger
    return f"{number} B" if unit == "B" else f"{scaled:.1f} {unit}"


def _quoted(address: bytes) -> str:
    return f'"{ipaddress.ip_address(address)}"'


class _Addresses:
    """Free addresses, one after the other."""

    def __init__(self, survey: Survey, guessed: Sequence[Guess]) -> None:
        self._used = survey.benchmark
        services: list[Seen | Guess] = [*survey.services(), *guessed]
        self._vips = {seen.endpoint.address for seen in services}
        self._clients = {client for seen in services for client in seen.clients if len(client) == 16}
        self._next = {"real": {4: REALS4, 16: REALS6}, "laddr": {4: LADDRS4, 16: LADDRS6}}

    def real(self, width: int) -> bytes:
        return self._free("real", width)

    def laddr(self, width: int) -> bytes:
        return self._free("laddr", width)

    def _free(self, use: str, width: int) -> bytes:
        number = self._next[use][width] + 1
        while self._taken(number, width):
            number += 1
        self._next[use][width] = number
        return (number + BENCHMARK if width == 4 else number).to_bytes(width)

    def _taken(self, number: int, width: int) -> bool:
        if width == 4:
            return bool(self._used[number % len(self._used)]) or number & 0xFF in (0, 0xFF)
        address = number.to_bytes(16)
        return address in self._vips or address in self._clients
