"""Plans about the connections of one service: their lives, states and ends, and who serves them."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator
from math import gcd

from lbreplay.ipvs import states as kernel
from lbreplay.lab.gen import frames, scripts
from lbreplay.lab.gen.clients import is_listed, listed, source_ports, unlisted
from lbreplay.lab.gen.scene import Scene, opening
from lbreplay.lab.gen.stage import SECOND
from lbreplay.lab.gen.talk import Talk
from lbreplay.lvs.protocols import Protocol, protocols
from lbreplay.model import Endpoint, Network, Service, Setup
from lbreplay.wire.packet import SCTP, TCP, UDP

SHORTLY = 0.05  # seconds before a timeout, and behind it
JITTER = 1.0  # a timeout of DPVS lasts up to a second more (D 2.5)
PROBE = {TCP: "A", UDP: "+20", SCTP: "data"}
TURNS, MOST_TURNS = 2, 160
FLOOD = 1200  # connections that filling a table or a port pool may take


def life(scene: Scene, service: Service) -> None:
    """Opened, talked and closed, by the client and by the server, on each worker."""
    for worker in scene.workers:
        for close in (scripts.CLOSE, scripts.SERVER_CLOSES):
            talk = scene.opened(service, worker)
            if talk is not None:
                talk.play(f"{scripts.DATA[service.protocol]} {close[service.protocol]}")


def aborts(scene: Scene, service: Service) -> None:
    """Refused and reset, by either side."""
    for script in scripts.ABORTS[service.protocol]:
        for talk in scene.talks(service, 2):
            talk.play(script)


def states(scene: Scene, service: Service, side: int) -> None:
    """Everything that this *side* can say in every state that can be reached."""
    protocol = _protocol(scene.setup, service)
    columns = protocol.sides(service.mode)
    for walk in _walks(protocol, service):
        for who, event, _ in scripts.steps(protocol, columns, True, walk.state):
            talk = scene.talk(service) if who == side else None
            if talk is not None:
                talk.play(f"{walk.script} {scripts.word(protocol, side, event)} c:{PROBE[service.protocol]}")


def timeouts(scene: Scene, service: Service) -> None:
    """In each state: still there just before its timeout, gone just behind it."""
    seconds = lifetimes(scene.setup, service)
    waiting: list[tuple[int, int, Talk]] = []
    for walk in _walks(_protocol(scene.setup, service), service):
        for late in (-SHORTLY, JITTER + SHORTLY):
            talk = scene.talk(service)
            if talk is not None:
                talk.play(walk.script)
                due = scene.stage.now + round((seconds[walk.state] + late) * SECOND)
                heapq.heappush(waiting, (due, len(waiting), talk))
    _probe(scene, service, waiting)


def _probe(scene: Scene, service: Service, waiting: list[tuple[int, int, Talk]]) -> None:
    """Let each conversation speak once more when it is due."""
    while waiting:
        due, _, talk = heapq.heappop(waiting)
        scene.stage.now = max(scene.stage.now, due)
        talk.c(PROBE[service.protocol])


def _walks(protocol: Protocol, service: Service) -> list[scripts.Walk]:
    """Behind a SYN-proxy a connection begins established."""
    if service.synproxy and service.protocol == TCP:
        begin = scripts.Walk(opening(service), protocol.states.index("established"))
        return scripts.walks(protocol, service.mode, _answers(service), begin)
    return scripts.walks(protocol, service.mode, _answers(service))


def _answers(service: Service) -> bool:
    return service.mode not in ("dr", "tunnel")


def _protocol(setup: Setup, service: Service) -> Protocol:
    return protocols(setup.behaviour)[service.protocol]


def lifetimes(setup: Setup, service: Service) -> list[float]:
    """Seconds that a connection of *service* lives idle, by state."""
    if setup.profile == "dpvs":
        return [ns / SECOND for ns in _protocol(setup, service).timeout(setup, service)]
    given = setup.ipvs.get("timeout") or {}
    assert isinstance(given, dict), "the schema says so"
    if service.protocol == TCP:
        found: list[float] = list(kernel.TCP_SECONDS)
        found[kernel.ESTABLISHED] = given.get("tcp") or found[kernel.ESTABLISHED]
        found[kernel.FIN_WAIT] = given.get("tcpfin") or found[kernel.FIN_WAIT]
        return found
    if service.protocol == SCTP:
        return list(kernel.SCTP_SECONDS["2.6" if setup.edition == "2.6" else "6.1"])
    return [given.get("udp") or kernel.UDP_SECONDS] * 3


def reuse(scene: Scene, service: Service) -> None:
    """The same client again: at once, in each closing state, and after the connection is gone."""
    endings = (
        ("c:FA", "s:FA", "c:FA s:FA c:A", "s:FA c:FA s:A", "c:R", "s:R")
        if service.protocol == TCP
        else ("",)
        if service.protocol == UDP
        else ("c:abort", "c:shutdown")
    )
    for ending in endings:
        for pause in (0.1, 5, 130, 1000):
            talk = scene.opened(service)
            if talk is not None:
                talk.play(f"{ending} wait:{pause}")
                Talk(scene.stage, service, talk.client).play(f"{opening(service)} c:{PROBE[service.protocol]}")


def turnover(scene: Scene, service: Service) -> None:
    """As many clients as take the scheduler through all its real servers twice; some of them leave again."""
    count = turns(service)
    close = scripts.CLOSE[service.protocol]
    for worker in scene.workers:
        here = count if worker == scene.workers[0] else min(count, 4 * len(service.reals) + 1)
        for n, talk in enumerate(scene.talks(service, here, worker)):
            talk.play(opening(service) if n % 3 else f"{opening(service)} {close}")


def turns(service: Service) -> int:
    """Connections of two rounds: by weight where weights count. Hashes are asked with 8 clients a real server."""
    weights = [real.weight for real in service.reals if real.weight]
    rounds = sum(weights) // gcd(*weights) if weights else 1
    each = rounds if service.scheduler != "rr" else len(weights)
    hashed = 8 * len(weights) if service.scheduler in ("conhash", "mh", "sh", "dh") else 0
    return min(max(TURNS * each, 3 * len(weights), hashed, 3) + 1, MOST_TURNS)


def persistence(scene: Scene, service: Service) -> None:
    """Clients of one network stay with their real server, others do not, nor the same ones when it is forgotten."""
    assert service.persistent is not None, "the plan applies"
    networks: dict[int, list[bytes]] = {}
    full = 32 if service.family == 4 else 128
    for address in scene.clients.of(service):
        prefix = service.persistent.netmask or full
        networks.setdefault(int.from_bytes(address) >> (full - prefix), []).append(address)
    chosen = [group[:3] for group in networks.values()][:4]
    timeout = service.persistent.timeout
    for pause in (0, timeout - 1, timeout + 62):
        scene.stage.wait(pause)
        for port, address in _with_ports(service, chosen):
            Talk(scene.stage, service, Endpoint(address, port + pause)).play(opening(service))


def _with_ports(service: Service, groups: list[list[bytes]]) -> Iterator[tuple[int, bytes]]:
    first = source_ports(service)[0]
    for n, address in enumerate(address for group in groups for address in group):
        yield first + n % 7, address


def lists(scene: Scene, service: Service) -> None:
    """Each address on a list and beside it, some of each network and its edges, and somebody on none."""
    subjects = dict.fromkeys(_subjects(service))
    port = source_ports(service)[0]
    for n, address in enumerate(subjects):
        if len(address) == (4 if service.family == 4 else 16):
            Talk(scene.stage, service, Endpoint(address, port + n % 97)).play(opening(service))


def _subjects(service: Service) -> Iterator[bytes]:
    for given in (service.blacklist, service.whitelist):
        yield from listed(given)[:200]
        for network in (net for group in given.sets for net in group):
            yield from _edges(network)
        for address in sorted(given.addresses)[:50]:
            yield from _edges(Network(address, 8 * len(address)))
        outside = unlisted(given, service.family)
        if outside is not None and not is_listed(service.blacklist, outside):
            yield outside


def _edges(network: Network) -> list[bytes]:
    """The first and last address of a network, and those just outside."""
    size = len(network.address)
    bits = 8 * size - network.prefix
    low = int.from_bytes(network.address) >> bits << bits
    high = low + (1 << bits) - 1
    return [n.to_bytes(size) for n in (low - 1, low, high, high + 1) if 0 < n < 1 << 8 * size]


def limits(scene: Scene, service: Service) -> None:
    """More packets than limit_proportion lets pass, both ways; more connections than the real servers may have."""
    if service.limit_proportion:
        for talk in scene.talks(service, 2):
            talk.play(opening(service))
            for _ in range(60):
                talk.play(f"c:{PROBE[service.protocol]} s:{PROBE[service.protocol]}")
    highest = sum(real.max_conn for real in service.reals)
    if highest:
        for worker in scene.workers:
            for talk in scene.talks(service, min(highest + 3, 100), worker):
                talk.play(opening(service))


def fill(scene: Scene, service: Service) -> None:
    """One connection more than fit: local ports of a worker, or the table of connections."""
    for talk in scene.talks(service, room(scene.setup, service) + 3, scene.workers[0]):
        talk.c({TCP: "S", UDP: "+10", SCTP: "init"}[service.protocol])


def room(setup: Setup, service: Service) -> int:
    """Connections of *service* that fit on one worker: ports of all real servers' buckets, or the table."""
    span = (setup.sa_pool.high - setup.sa_pool.low + 1) // (setup.port_mask + 1) + 1
    addresses = len(service.laddr) or len(setup.device.sapool_address) or 1
    buckets = max(min(len(service.reals), setup.sa_pool.hash_size), 1)
    return min(span * addresses * buckets, setup.conn.pool_size)


def syn_proxy(scene: Scene, service: Service) -> None:
    """Cookies right, wrong and old; segments before the real server answers; a real server that never does; a new
    handshake in each state that allows it."""
    proxy = scene.setup.tcp.synproxy
    for script in (
        "c:SE", "c:SP", "c:SU", "c:SC", "c:S s:SA c:PA+20 s:SA c:A", "c:S s:SA c:A+0 s:R", "c:S s:SA c:A wait:1 s:RA",
        "c:S c:A " + "c:PA+10 " * (proxy.max_ack_saved + 3) + "s:SA c:A", "c:S c:A c:F c:S c:R s:SA",
        "c:S wait:600 c:A", "c:S s:SA c:A wait:40 c:A", f"c:S s:SA c:A s:SA {'c:A ' * (proxy.ack_storm_thresh + 3)}",
    ):  # fmt: skip
        for talk in scene.talks(service, 1):
            talk.play(script)
    for options in (b"", frames.MSS, frames.MSS + b"\4\2\x08\x0a" + bytes(8) + b"\1\3\3\4", frames.STAMP):
        for talk in scene.talks(service, 1):
            talk.c("S", options or b"\1\1\1\0")
            talk.play("s:SA c:A s:SA c:PA+30")
    for ending in ("c:FA s:FA c:A", "c:FA", "s:FA", "c:R", "s:R"):
        for talk in scene.talks(service, 1):
            talk.play(f"{opening(service)} {ending}")
            again = Talk(scene.stage, service, talk.client)
            again.restart(77_000)
            again.play(opening(service))
    for talk in scene.talks(service, 1):
        talk.play("c:S s:SA")
        talk.c("A", frames.STAMP)
        short = frames.tcp(talk.client, talk.virtual, "S", 1, 0)
        scene.stage.packet(frames.resummed(short, len(short) - 8, b"\xf0"))  # says that it is longer


def dest_check(scene: Scene, service: Service) -> None:
    """Real servers that refuse and that do not answer are taken out, and come back."""
    for script in ("c:S s:RA", "c:S") if service.protocol == TCP else ("c:+30",):
        for talk in scene.talks(service, 6 * max(len(service.reals), 1)):
            talk.play(script)
        for pause in (0.5, 4, 35, 130):
            scene.stage.wait(pause)
            for talk in scene.talks(service, len(service.reals) + 1):
                talk.play(f"{opening(service)} s:{PROBE[service.protocol]}")


def events(scene: Scene, services: list[Service]) -> None:
    """Before, between and after the configuration's events: new connections, and more of the old ones."""
    old: list[Talk] = []
    for at in _around(scene.setup):
        scene.stage.until(at)
        for talk in old[-40:]:
            talk.play(f"c:{PROBE[talk.proto]} s:{PROBE[talk.proto]}")
        for service in services:
            old += [talk.play(opening(service)) for talk in scene.talks(service, 2 * len(service.reals) or 2)]


def _around(setup: Setup) -> Iterator[float]:
    times = sorted({event.at_ns / SECOND for event in setup.events if event.at_ns >= 0})
    yield 0
    for at, following in zip(times, [*times[1:], times[-1] + 4], strict=True):
        yield at + min((following - at) / 2, 2)
    yield times[-1] + 200


def per_side(side: int) -> Callable[[Scene, Service], None]:
    """`states` of one side."""
    return lambda scene, service: states(scene, service, side)
