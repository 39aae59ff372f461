"""The life of a connection behind the story of its frame: when it began its last state, how it ended, what keeps it.

The frames of a flow are gone through one by one in a replay of their own, up to the frame in question; everything in
between goes the ordinary way. A connection that is found leads to the frames of its other side, and those are gone
through too.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from lbreplay.dpvs.conn import EXPIRE_QUIESCENT, IN, ONE_PACKET
from lbreplay.lab.fields import FLAGS
from lbreplay.lab.flows import Flow, frames_among
from lbreplay.lab.probe import Probe, Shot
from lbreplay.model import NANOSECOND, Endpoint, Event, RealServer, Service, Setup
from lbreplay.verdict import ENTRIES, Verdict
from lbreplay.wire.packet import ACK, ICMP, ICMPV6, SYN, TCP, Packet

FOREVER = 1 << 62  # ns
LOOKED_THROUGH = 400  # frames of a flow, the last ones
PASSES = 3  # a tuple, its connection's other tuples, and those of the connection before
NAMES = {6: "tcp", 17: "udp", 132: "sctp"}
SLOPPY = "after a failover ipvs.sloppy_tcp = 1 would schedule it, and a sync daemon would have kept its connection"
OPENING = ("SYN_RECV", "SYN_SENT", "ONEWAY")  # states of connections that no real server has answered
NO_QUIESCENT = "what is there lives on until it times out; in DPVS 1.8 expire_quiescent looks at weight 0 only"
OF_KERNEL = {  # ipvsadm --set (L 8)
    (6, "ESTABLISHED"): "ipvs.timeout.tcp",
    (6, "FIN_WAIT"): "ipvs.timeout.tcpfin",
    (17, "UDP"): "ipvs.timeout.udp",
}
CLOSED = ("TIME_WAIT", "CLOSE")  # states in which conn_reuse_mode lets a SYN begin anew (L 4.2)


class Visit(NamedTuple):
    """A frame of a flow, just handled. `due_ns`: when its connection is to end, if nothing comes."""

    n: int
    time_ns: int
    flags: int
    conn: Any  # of either profile
    new: bool
    before: str
    after: str
    due_ns: int
    verdict: Verdict


class Past(NamedTuple):
    """What was found: the visits before the frame, when connections ended (by number), the time of the first frame."""

    visits: Sequence[Visit]
    ended_ns: dict[int, int]
    alive: frozenset[int]  # numbers of connections that live on behind the frame
    first_ns: int


def told(probe: Probe, shot: Shot) -> list[str]:
    """Sentences about the life of the connection that *shot*, just handled by *probe*, belongs to or would."""
    packet, setup = shot.packet, probe.run.setup
    lost = ENTRIES[shot.burst.verdict[0]] is Verdict.REPLY_WITHOUT_CONN
    if shot.before is None and setup.profile == "dpvs" and not lost:
        return []
    if not packet.family or packet.proto in (ICMP, ICMPV6) or packet.is_fragment:
        return []
    past = _past(setup, probe, shot)
    return [*_before(setup, shot, past), *_unanswered(probe, shot, past), *_kept(probe, shot, past)]


# --- going through the frames --------------------------------------------------------------------------------


def _past(setup: Setup, probe: Probe, shot: Shot) -> Past:
    """The frames of this flow before it, and those of every connection that they lead to; without any, no replay."""
    wanted, past = _flows_of(shot), Past((), {}, frozenset(), probe.first_ns)
    for _ in range(PASSES):
        frames = frames_among(wanted, setup, probe.path, shot.burst.first)[-LOOKED_THROUGH:]
        if not frames:
            break
        past = _visited(setup, probe.path, shot.burst.first, frames)
        more = wanted | {flow for visit in past.visits for flow in tuples(visit.conn)}
        if more == wanted:
            break
        wanted = more
    return past


def _flows_of(shot: Shot) -> frozenset[Flow]:
    """Its tuple as captured and as received, both ways."""
    packets = (Packet(shot.frame, len(shot.frame)).within(), shot.packet.within())
    ends = [(p.proto, Endpoint(p.src, p.sport), Endpoint(p.dst, p.dport)) for p in packets]
    return frozenset({flow for tuple_ in ends for flow in Flow.both(*tuple_)} | tuples(shot.story.conn))


def tuples(conn: Any) -> set[Flow]:
    """Every tuple that a frame of *conn* may have in a capture."""
    if conn is None:
        return set()
    local = getattr(conn, "local", conn.client)
    return {*Flow.both(conn.proto, conn.client, conn.virtual), *Flow.both(conn.proto, local, conn.real)}


def _visited(setup: Setup, path: str, n: int, frames: Sequence[int]) -> Past:
    """A replay of its own that looks at *frames*, up to frame *n*."""
    with Probe(setup, path) as probe:
        ended: dict[int, int] = {}
        probe.tell_ends(ended)
        visits = [visit for frame in frames if (visit := _visit(probe, frame)).conn is not None]
        probe.pass_by(n)
        alive = {visit.conn.number for visit in visits if probe.is_alive(visit.conn)}
        return Past(visits, ended, frozenset(alive), probe.first_ns)


def _visit(probe: Probe, n: int) -> Visit:
    burst, story = probe.pass_by(n)
    conn, verdict = story.conn, ENTRIES[burst.verdict[0]]
    before, after = probe.states(story)
    flags = story.packet.within().flags if story.packet is not None else 0
    due = probe.due_ns(conn) if conn is not None else 0
    return Visit(n, int(burst.time_ns[0]), flags, conn, story.new, before, after, due, verdict)


# --- what was before -----------------------------------------------------------------------------------------


def _before(setup: Setup, shot: Shot, past: Past) -> Iterator[str]:
    conn = shot.story.conn
    if conn is not None and not shot.story.new:
        yield from _since(past, [visit for visit in past.visits if visit.conn.number == conn.number], shot)
        return
    gone = [visit for visit in past.visits if visit.conn.number not in past.alive]
    if conn is not None:
        gone = [visit for visit in gone if visit.conn.number != conn.number]
    if gone:
        yield _end(setup, shot, past, [visit for visit in gone if visit.conn.number == gone[-1].conn.number])
    elif conn is None and not past.visits:
        yield from _never(setup, shot)


def _since(past: Past, visits: list[Visit], shot: Shot) -> Iterator[str]:
    """Which frame began the state that this frame found."""
    began = _beginning(visits)
    if began is not None:
        yield f"it was in {began.after} since frame {began.n}{_word(began.flags)}, {_at(past, began.time_ns)}"


def _beginning(visits: Sequence[Visit]) -> Visit | None:
    """The visit that led to the state behind the last one, None: none of those looked through."""
    state = visits[-1].after if visits else ""
    changes = [v for v in visits if v.after == state and state and (v.new or v.before != v.after)]
    return changes[-1] if changes else None


def _end(setup: Setup, shot: Shot, past: Past, visits: list[Visit]) -> str:
    """How the connection that these frames had came to its end."""
    last, conn = visits[-1], visits[-1].conn
    number = conn.number
    frames = f"frame {visits[0].n}" if len(visits) == 1 else f"frames {visits[0].n} to {last.n}"
    head = f"conn {number} of {frames} "
    if conn.flags & _one_packet(setup):
        return f"{head}was of one packet: it is in no table, and its local port was given back at once"
    if last.verdict is Verdict.QUIESCENT:
        return f"{head}ended with frame {last.n}, as its real server was gone or weightless (expire_quiescent)"
    ended = past.ended_ns.get(number, last.due_ns)
    began = _beginning(visits)
    since = f", which began with frame {began.n}{_word(began.flags)}" if began is not None else ""
    if ended < last.due_ns:
        return f"{head}ended {_at(past, ended)} in {last.after}{since}: {_cut_short(setup, shot, past, ended)}"
    idle = (last.due_ns - last.time_ns) // NANOSECOND
    told = "; both ends were sent a RST" if _resets(setup, conn, last.after) else ""
    by = setting(setup, conn, last.after)
    limit = f"timeout {idle} s{f' ({by})' if by else ''}"
    return f"{head}expired {_at(past, ended)} in {last.after or 'its only state'}{since}, {limit}{told}"


def _cut_short(setup: Setup, shot: Shot, past: Past, ended: int) -> str:
    """Why a connection ended before its time."""
    events = [event for event in setup.events if past.first_ns + event.at_ns == ended]
    if events:
        return f"the event {_said(events[0])}"
    if ended == int(shot.burst.time_ns[0]):
        return "this frame begins anew in its place"
    return "a frame began anew in its place, or a defence took it"


def _never(setup: Setup, shot: Shot) -> Iterator[str]:
    """No frame before it had a connection: it began before the capture, or is never in a table."""
    packet = shot.packet
    of_one = [service for service in setup.services if service.one_packet and service.mode == "fnat"]
    answers = [
        s.name for s in of_one if packet.dst in s.laddr and any(packet.src == r.endpoint.address for r in s.reals)
    ]
    if answers:
        yield f"connections of service {answers[0]} are of one packet: they are in no table, and no answer finds them"
    elif packet.proto == TCP and not packet.flags & SYN and shot.story.lookup == "miss":
        began = "none of the frames before it had a connection of this flow: it began before the capture, or elsewhere"
        yield began + (f"; {SLOPPY}" if setup.profile == "ipvs" and not setup.ipvs.get("sloppy_tcp") else "")


def _resets(setup: Setup, conn: Any, state: str) -> bool:
    """D 5.7."""
    if setup.profile != "dpvs" or conn.proto != TCP or state != "ESTABLISHED" or not conn.mode.answers:
        return False
    return bool(conn.mode.name != "snat" or setup.behaviour.snat_expiry_rst)


def _one_packet(setup: Setup) -> int:
    from lbreplay.loop.flags import ONE_PACKET as KERNELS

    return ONE_PACKET if setup.profile == "dpvs" else KERNELS


def _unanswered(probe: Probe, shot: Shot, past: Past) -> Iterator[str]:
    """A connection that is opened again and again, and one that is opened though it is in use."""
    conn, packet = shot.story.conn, shot.packet
    asks = packet.proto == TCP and packet.flags & (SYN | ACK) == SYN and shot.story.side == IN
    if conn is None or shot.story.new or not asks:
        return
    state = probe.states(shot.story)[0]
    visits = [visit for visit in past.visits if visit.conn.number == conn.number]
    if state == "ESTABLISHED":
        yield (
            "a SYN changes nothing in ESTABLISHED: the same real server gets it and answers with an ACK of the numbers "
            "it has (RFC 9293 3.10.7.4); the client, which has forgotten them, resets, and its next SYN begins anew"
        )
    elif state in OPENING and visits and all(visit.flags & (SYN | ACK) == SYN for visit in visits):
        yield (
            f"the client repeats its SYN, since frame {visits[0].n}: {conn.real} did not answer through the balancer. "
            "It may not get it (firewall, MTU), drop it (rp_filter), or answer another way (its default gateway)"
        )


# --- what keeps it -------------------------------------------------------------------------------------------


def _kept(probe: Probe, shot: Shot, past: Past) -> Iterator[str]:
    """A connection whose real server would get no new one: why it is still there, and what would end it."""
    conn: Any = shot.story.conn
    setup = probe.run.setup
    dest = None if conn is None else conn.dest
    if dest is None or (dest.available and dest.weight):
        return
    service = conn.server.service if setup.profile == "dpvs" else conn.service.service
    said = f"real server {conn.real} {_gone(setup, service.name, str(dest.real), dest.available, shot, past)}"
    yield f"{said}: {_dpvs(setup, shot, conn) if setup.profile == 'dpvs' else _kernel(probe, shot, dest)}"


def _gone(setup: Setup, service: str, real: str, there: bool, shot: Shot, past: Past) -> str:
    """`was removed at 30 s`, `has weight 0 since 5 s`."""
    now = int(shot.burst.time_ns[0])
    of_it = [e for e in setup.events if e.path[:2] == ("service", service) and past.first_ns + e.at_ns <= now]
    if not there:
        removals = [e for e in of_it if e.action == "remove" and e.path[2:] in (("real", real), ())]
        return f"was removed at {_seconds(removals[-1].at_ns)}" if removals else "is gone"
    edits = [e for e in of_it if e.path[2:] == ("real", real, "weight") and e.value == 0]
    return f"has weight 0 since {_seconds(edits[-1].at_ns)}" if edits else "has weight 0"


def _dpvs(setup: Setup, shot: Shot, conn: Any) -> str:
    key = f"service.{conn.server.service.name}.expire_quiescent"
    if shot.story.new and conn.control is not None:
        cure = "conn.expire_quiescent_template = true would let the template expire"
        return f"the client's persistence template chose it all the same; {cure}"
    if setup.behaviour.quiescent == "service" and not conn.dest.available:
        return NO_QUIESCENT
    if conn.flags & EXPIRE_QUIESCENT:
        return f"{key} ends it"
    return f"the connection lives on, and every packet renews its timeout; {key} = true would end it at its next packet"


def _kernel(probe: Probe, shot: Shot, dest: Any) -> str:
    story: Any = shot.story
    sysctls = probe.run.balancer.parts.sysctls
    if not dest.available:
        if sysctls["expire_nodest_conn"]:
            return "ipvs.expire_nodest_conn ends it"
        return "what still comes is dropped until it expires; ipvs.expire_nodest_conn = 1 would end it at once"
    if story.new:
        cure = "ipvs.expire_quiescent_template = 1 would let the template go"
        return f"the client's persistence template chose it all the same; {cure}"
    alone = probe.run.balancer.parts.edition.weightless == "always"  # expire_nodest_conn, whatever conn_reuse_mode says
    again = shot.packet.proto == TCP and shot.packet.flags & SYN and story.before in CLOSED
    if again and not sysctls["conn_reuse_mode"]:
        cure = f"1 would schedule this SYN anew{', and so would ipvs.expire_nodest_conn = 1' if alone else ''}"
        return f"a SYN in {story.before} keeps it, because ipvs.conn_reuse_mode = 0; {cure}"
    if again and story.conn.control is not None:
        return "the connection is its template's, so that ipvs.conn_reuse_mode leaves it where it is"
    needed = "" if alone or sysctls["conn_reuse_mode"] else " and ipvs.conn_reuse_mode = 1"
    cure = f"ipvs.expire_nodest_conn = 1{needed} would schedule its next SYN anew"
    return f"the connection lives on, and every packet renews its timeout; {cure}"


class Spell(NamedTuple):
    """When a real server is gone or without weight, in ns from the first frame; `str()` says so, and what ends it."""

    begin: int
    end: int
    removed: bool
    cure: str

    def __str__(self) -> str:
        state = "was removed" if self.removed else "has weight 0"
        since = f"{' at' if self.removed else ' since'} {_seconds(self.begin)}" if self.begin >= 0 else ""
        return f"{state}{since}: {self.cure}"


def dead(setup: Setup) -> dict[tuple[str, str], list[Spell]]:
    """By service and real server, when it is to get nothing, or no new connection. Real servers of SNAT are none."""
    found: dict[tuple[str, str], list[Spell]] = {}
    for service in setup.services:
        if service.mode == "snat":
            continue
        names = {str(real): real.weight for real in service.reals}
        changes = [event for event in setup.events if event.path[:2] == ("service", service.name)]
        names |= {str(event.value): 1 for event in changes if event.action == "add"}
        for name, weight in names.items():
            if spells := list(_spells(setup, service, name, weight, changes)):
                found[service.name, name] = spells
    return found


def _spells(setup: Setup, service: Service, name: str, weight: int, changes: Sequence[Event]) -> Iterator[Spell]:
    """The times of one real server, from its weight at the beginning through its changes."""
    state, begin = "" if weight else "weightless", -1
    for event in changes:
        after = _turn(event, name, state)
        if after != state:
            if state:
                yield Spell(begin, event.at_ns, state == "removed", _cure(setup, service, state))
            state, begin = after, event.at_ns
    if state:
        yield Spell(begin, FOREVER, state == "removed", _cure(setup, service, state))


def _turn(event: Event, name: str, state: str) -> str:
    """What *event* makes of a real server: removed, weightless or, in good order, nothing."""
    if event.action == "remove" and event.path[2:] in (("real", name), ()):
        return "removed"
    if event.action == "add" and str(event.value) == name:
        return "" if isinstance(event.value, RealServer) and event.value.weight else "weightless"
    if event.path[2:] == ("real", name, "weight") and state != "removed":
        return "" if event.value else "weightless"
    return state


def _cure(setup: Setup, service: Service, state: str) -> str:
    """The settings that end what goes there."""
    if setup.profile == "dpvs":
        template = "conn.expire_quiescent_template = true keeps new ones away"
        old = setup.behaviour.quiescent == "service"
        quiescent = NO_QUIESCENT if old else f"service.{service.name}.expire_quiescent = true ends its connections"
        return quiescent if state == "removed" or not service.persistent else template
    reuse = "ipvs.conn_reuse_mode = 1 or ipvs.expire_nodest_conn = 1 schedule a SYN anew"
    template = "ipvs.expire_quiescent_template = 1 keeps new ones away"
    return (
        "ipvs.expire_nodest_conn = 1 ends its connections"
        if state == "removed"
        else (template if service.persistent else reuse)
    )


def service_of(conn: Any) -> str:
    """The name of a connection's service, of either profile."""
    server = getattr(conn, "server", None)
    if server is not None:
        return str(server.service.name)
    return "" if conn.service is None else str(conn.service.service.name)


# --- words ---------------------------------------------------------------------------------------------------


def setting(setup: Setup, conn: Any, state: str) -> str:
    """The setting behind the timeout of *conn* in *state*, "" where none is."""
    if setup.profile != "dpvs":
        return OF_KERNEL.get((conn.proto, state), "")
    return setting_of(conn.server.service, conn.proto, state)


def setting_of(service: Service, proto: int, state: str) -> str:
    """The same of DPVS's connections of *service*."""
    if proto not in NAMES or not state:
        return ""
    if service.conn_timeout and state in ("ESTABLISHED", "NORMAL"):
        return f"service.{service.name}.conn_timeout"
    return f"{NAMES[proto]}.timeout.{state.lower()}"


def _word(flags: int) -> str:
    """` (SYN|ACK)`."""
    names = "|".join(name for bit, name in enumerate(FLAGS) if flags >> bit & 1)
    return f" ({names})" if names else ""


def _at(past: Past, time_ns: int) -> str:
    return f"at {_seconds(time_ns - past.first_ns)}"


def _seconds(ns: int) -> str:
    return f"{ns / NANOSECOND:.3f}".rstrip("0").rstrip(".") + " s"


def _said(event: Event) -> str:
    return f"{event.action} {event.text} at {_seconds(event.at_ns)}"
