"""The whole story of one frame (interface 1): why it came to its worker, what the tables said, what became of it.

`explain` gives a document of plain dicts and lists; `report/explain.py` draws it. The only place of scapy, which
dissects the bytes before and after; it takes half a second to import, so only inside `dissected`.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from typing import Any

from lbreplay.annotate import comment
from lbreplay.annotate import told as told_of
from lbreplay.burst import KIND_OTHER
from lbreplay.dpvs.conn import IN, Conn
from lbreplay.dpvs.laddr import sub_pool
from lbreplay.journey import KIND, Replay
from lbreplay.lab import life, remarks
from lbreplay.lab.answer import answer
from lbreplay.lab.fields import Frame, brief
from lbreplay.lab.flows import flow_text, message
from lbreplay.lab.probe import Left, Probe, Shot, looked_up
from lbreplay.lab.steering import Arrival, steering
from lbreplay.model import NANOSECOND, Endpoint, Setup
from lbreplay.nic.ports import WAYS, WORDS, Ports
from lbreplay.verdict import ENTRIES, NAMES, REASONS, Fate
from lbreplay.wire import icmp
from lbreplay.wire.packet import ACK, ICMP, ICMPV6, SCTP, SYN, TCP, UDP

Document = dict[str, Any]
TOA = (254, 253)  # kinds of the option that carries the client's address
CHOICE = {  # of a scheduler, in a sentence (D 10.3)
    "rr": "the next valid real server after the cursor",
    "wrr": "the next valid real server whose weight reaches the sinking threshold",
    "wlc": "the least (256 x active + inactive) / weight, the first of equals from the worker's start",
    "conhash": "the owner of the next place on the ring after the hash of the source address",
    "mh": "the owner of the source's slot in a table of 4093",
    "fo": "the greatest weight, the first of equals",
}


def explain(setup: Setup, path: str, n: int) -> Document:
    """The story of frame *n* of the capture *path*. CaptureError where there is no such frame."""
    with Probe(setup, path) as probe:
        return told(probe, probe.shoot(n))


def explained(setup: Setup, path: str, frames: list[int]) -> dict[int, Document]:
    """The stories of several *frames*, in one replay."""
    with Probe(setup, path) as probe:
        return {n: told(probe, probe.shoot(n)) for n in sorted(set(frames))}


def lines(setup: Setup, path: str, frames: list[int]) -> dict[int, str]:
    """The story of each of *frames* in a line, and the verdict's sentence."""
    with Probe(setup, path) as probe:
        return {n: line(probe, probe.shoot(n)) for n in sorted(set(frames))}


def line(probe: Probe, shot: Shot) -> str:
    """`#17 worker 2 (flow director, ...) conn 5 out -> client: forwarded_fast`."""
    text = comment(shot.burst, 0, told_of(shot.story), probe.run.nic)
    verdict = NAMES[shot.burst.verdict[0]]
    text = text if text.endswith(verdict) else f"{text}: {verdict}"
    if shot.story.wrong_worker and shot.story.owner < 0 and shot.before is not None:
        owners = [f"worker {entry['worker']}" for entry in shot.before.tables if entry["conn"] is not None]
        text += f"; {', '.join(owners)} has the connection"
    return text


def told(probe: Probe, shot: Shot) -> Document:
    """The document of one frame that was handled."""
    run, burst = probe.run, shot.burst
    verdict = ENTRIES[burst.verdict[0]]
    dpvs = run.setup.profile == "dpvs"
    conn = shot.story.conn if dpvs else None
    name = _service(run, shot) if dpvs else run.balancer.connection(shot.story)["service"] or _vip_of(run.setup, shot)
    return {
        "schema": 1,
        "line": line(probe, shot),
        "frame": _frame(shot),
        "received_as": _received_as(shot),
        "steering": _steering(run, shot),
        "tables": _tables(run, shot),
        "service": name,
        "scheduler": _scheduler(run, shot),
        "laddr": _laddr(run, shot),
        "connection": _kernel_connection(shot) if conn is None else _connection(run, shot, conn),
        "life": life.told(probe, shot),
        "reasons": [{"name": name, "sentence": REASONS.get(name, "")} for name in shot.story.reasons],
        "verdict": verdict.name.lower(),
        "fate": verdict.fate.label,
        "why": verdict.sentence,
        "source": verdict.section,
        "notes": [
            *([] if conn is None else _notes(run, shot, conn)),
            *remarks.told(remarks.scene(run.setup, shot, name, _rival(run, shot))),
        ],
        "sent": [_sent(run, shot, left) for left in shot.left],
        "answer": None if conn is None else answer(probe, shot, conn),
    }  # fmt: skip


def _sent(run: Replay, shot: Shot, left: Left) -> Document:
    """A frame that left; where it is what became of the received one, every field before and after."""
    became = not left.own and ENTRIES[shot.burst.verdict[0]].fate == Fate.TRANSMITTED
    return {
        "n": left.n,
        "worker": left.worker,
        "own": left.own,
        **({"port": run.setup.devices[run.nic.leaves_by(left.frame)].name} if isinstance(run.nic, Ports) else {}),
        "packet": _brief(left.frame),
        "fields": changes(shot.packet.frame if became else b"", left.frame),
    }


def _frame(shot: Shot) -> Document:
    burst = shot.burst
    first = int(burst.time_ns[0])
    return {"n": burst.first, "t_ns": first, "length": int(burst.length[0]), "captured": int(burst.caplen[0]),
            "packet": _brief(shot.frame)}  # fmt: skip


def _brief(frame: bytes) -> str:
    """The frame in a line, without its time."""
    return brief(Frame(0, 0, frame, len(frame))).split(" ", 1)[1]


def _received_as(shot: Shot) -> Document | None:
    """What the balancer received instead of the captured frame (interface 3)."""
    if not _turned(shot):
        return None
    return {
        "packet": _brief(shot.packet.frame),
        "why": "seen by the client, this is the real server's answer: it is taken back to what the real server sent",
    }


def _turned(shot: Shot) -> bool:
    """Whether the balancer received another frame; the MAC of a port that has none configured makes none."""
    return shot.packet.frame[12:] != shot.frame[12:]


def _steering(run: Replay, shot: Shot) -> Document | None:
    """None: the balancer did not receive it."""
    if shot.burst.worker_index[0] < 0:
        return None
    queue = int(shot.burst.queue[0])
    return {**_port(run, shot, queue), **steering(run.nic.card(queue), _arrival(shot))}


def _port(run: Replay, shot: Shot, queue: int) -> Document:
    """Of several ports, which one it came in by, and what told."""
    if not isinstance(run.nic, Ports):
        return {}
    port, slave = run.nic.arrived(queue)
    told = "the real server is on its side" if _turned(shot) else WORDS[WAYS[run.nic.arrivals.ways[0]]]
    return {"port": port, "slave": slave, "told_by": told}


def _arrival(shot: Shot) -> Arrival:
    burst, packet = shot.burst, shot.packet
    if _turned(shot):
        return arrival(packet.proto, Endpoint(packet.src, packet.sport), Endpoint(packet.dst, packet.dport))
    if burst.family[0] == 0:
        return Arrival(int(burst.kind[0]), Endpoint(b"", 0), Endpoint(b"", 0))
    flow = (burst.wide if burst.family[0] == 6 else burst.flow4)[0].tobytes()
    width = (len(flow) - 4) // 2
    ports = int.from_bytes(flow[-4:-2]), int.from_bytes(flow[-2:])
    return Arrival(int(burst.kind[0]), Endpoint(flow[:width], ports[0]), Endpoint(flow[width : 2 * width], ports[1]))


def arrival(proto: int, source: Endpoint, dest: Endpoint) -> Arrival:
    """An ordinary packet of a flow."""
    return Arrival(KIND.get(proto, KIND_OTHER), source, dest)


def _tables(run: Replay, shot: Shot) -> Document | None:
    """Which worker's table was asked and what each of them had; None where none was asked. `unread`: the packet quotes
    too little to ask for what it is about."""
    before, story = shot.before, shot.story
    if before is None or not story.lookup:
        return None
    receiver = int(shot.burst.worker[0])
    unread = "icmp_quote_short" in story.reasons
    asked = set() if unread else {receiver, story.owner} - {-1}
    return {
        "asked_for": flow_text(looked_up(shot.packet)),
        "unread": unread,
        "answer": story.lookup,
        "workers": [{**entry, "asked": entry["worker"] in asked} for entry in before.tables],
        "redirect": before.redirect if run.setup.conn.redirect else None,
        "redirect_on": run.setup.conn.redirect,
        "wrong_worker": story.wrong_worker,
        "unhelped": _unhelped(run, shot) if story.wrong_worker and story.owner < 0 else "",
    }


def _unhelped(run: Replay, shot: Shot) -> str:
    """Why nobody hands a packet to the worker that has its connection."""
    if shot.packet.proto in (ICMP, ICMPV6) and icmp.quoted_key(shot.packet.l3, shot.packet.l4_at) is not None:
        return "the NIC steers an ICMP error by its outer addresses, and no worker hands one over"
    return "" if run.setup.conn.redirect else "redirect is off: nobody hands the packet over"


def _service(run: Replay, shot: Shot) -> str | None:
    """The service that a frame without a connection was for."""
    if shot.story.conn is not None:
        return shot.story.conn.server.service.name
    packet = shot.packet
    if shot.before is None or not packet.family:
        return None
    server = run.balancer.machine.lcores[max(packet.worker, 0)].servers.find(packet.proto, packet.dst, packet.dport)
    return None if server is None else server.service.name


def _vip_of(setup: Setup, shot: Shot) -> str | None:
    """The kernel's service of the packet's destination, where no connection tells."""
    packet = shot.packet.within()
    dest = Endpoint(packet.dst, packet.dport)
    return next((s.name for s in setup.services if s.vip == dest and s.protocol == packet.proto), None)


def _scheduler(run: Replay, shot: Shot) -> Document | None:
    """Who could be chosen, with the numbers before the choice; None where nothing was to be chosen."""
    if shot.before is None:
        return None
    name = _service(run, shot)
    chosen = shot.story.conn.real if shot.story.conn is not None and shot.story.new else None
    if name not in shot.before.scheduling:
        return None
    if chosen is None and NAMES[shot.burst.verdict[0]] not in UNOPENED:
        return None
    own, candidates = shot.before.scheduling[name]
    service = next(s for s in run.setup.services if s.name == name)
    by_template = shot.story.conn is not None and bool(shot.story.conn.control)
    return {
        "name": service.scheduler,
        "rule": "the client's persistence template names it" if by_template else CHOICE.get(service.scheduler, ""),
        "numbers": own,
        "candidates": [
            {**one, "load": 256 * one["actconns"] + one["inactconns"], "chosen": one["real"] == str(chosen)}
            for one in candidates
        ],
    }


UNOPENED = ("no_dest", "dest_max_conn", "laddr_none", "laddr_port_exhausted", "snat_port_exhausted", "conn_pool_empty")


def _laddr(run: Replay, shot: Shot) -> Document | None:
    """The local addresses that were tried, and the bucket their ports came from (D 11)."""
    if not shot.trials:
        return None
    conn, size = shot.story.conn, run.setup.sa_pool.hash_size
    bucket = None if conn is None else sub_pool(conn.real, size)
    free = {} if shot.before is None else shot.before.free
    return {
        "bucket": bucket,
        "buckets": size,
        "trials": [
            {"laddr": str(ipaddress.ip_address(laddr)), "port": port, "free_before": free.get(laddr)}
            for laddr, port in shot.trials
        ],
    }


def _connection(run: Replay, shot: Shot, conn: Conn) -> Document:
    table, story = run.balancer.machine.table, shot.story
    protocol = run.balancer.machine.protocols.get(conn.proto)
    states = protocol.states if protocol is not None else ()
    alive = table.conns[conn.slot] is conn
    timeout = table.timeout[conn.slot] if alive else None
    deadline = shot.before.deadline_ns if shot.before is not None else None
    now = int(shot.burst.time_ns[0])
    return {
        "number": conn.number,
        "new": story.new,
        "side": ("in", "out")[story.side],
        "worker": conn.rank,
        "mode": conn.mode.name,
        **_ends(conn),
        "state": [states[s].upper() for s in (story.before, story.after) if 0 <= s < len(states)],
        "seconds_left": None if deadline is None else (deadline - now) / NANOSECOND,
        "timeout": None if timeout is None else timeout / NANOSECOND,
    }


ENDS = ("client", "virtual", "local", "real")


def _ends(conn: Conn) -> Document:
    """The four ends; those of ICMP have no ports."""
    if conn.proto not in (ICMP, ICMPV6):
        return {name: str(getattr(conn, name)) for name in ENDS} | {"message": None}
    ends: Document = {name: str(ipaddress.ip_address(getattr(conn, name).address)) for name in ENDS}
    return ends | {"message": message(conn.proto, conn.client.port, conn.virtual.port)}


def _notes(run: Replay, shot: Shot, conn: Conn) -> Iterator[str]:
    """What a packet that was sent is without, and why."""
    packet, setup = shot.packet, run.setup
    asked = packet.flags & ACK and packet.ack == conn.fdata
    in_syn = packet.flags & SYN and setup.behaviour.toa_in_syn
    if packet.proto != TCP or not conn.mode.full or shot.story.side != IN or not shot.left or not (asked or in_syn):
        return
    size = 8 if len(conn.client.address) == 4 else 20
    options = dissected(shot.left[-1].frame).get(("TCP", "options"), "")
    if "TOA" in options:
        return
    if not setup.tcp.toa:
        yield "no client address in it: tcp.toa is off"
    elif packet.tcp_header_length + size > 60:
        header = packet.tcp_header_length
        yield f"no client address in it: the TCP header has {header} bytes, {size} more do not fit into 60"
    elif packet.l3_length + size > setup.device.mtu:
        yield f"no client address in it: {packet.l3_length} bytes, {size} more do not fit into the MTU"


def _rival(run: Replay, shot: Shot) -> Any:
    """What stood in the way of the last packet that connection tracking dropped; in DPVS the connection whose local end
    a packet goes to that belongs to none."""
    if run.setup.profile != "dpvs":
        return run.balancer.parts.tracking.tracker.rival
    packet = shot.packet.within()
    if (
        shot.story.conn is not None
        or packet.proto not in (TCP, UDP, SCTP)
        or packet.dst not in run.setup.local_addresses
    ):
        return None
    local = Endpoint(packet.dst, packet.dport)
    conns = run.balancer.machine.table.conns
    return next((c for c in conns if c is not None and (c.proto, c.local) == (packet.proto, local)), None)


def _kernel_connection(shot: Shot) -> Document | None:
    """The same of the ipvs profile, which has one worker and no local address."""
    conn: Any = shot.story.conn
    if conn is None:
        return None
    return {
        "number": conn.number,
        "new": shot.story.new,
        "side": ("in", "out")[shot.story.side],
        "worker": 0,
        "mode": conn.method,
        **{name: str(getattr(conn, name)) for name in ("client", "virtual", "real")},
        "local": str(conn.client),
        "message": None,
        "state": [str(state) for state in (shot.story.before, shot.story.after) if state],
        "seconds_left": None,
        "timeout": conn.timeout / NANOSECOND,
    }


# --- bytes before and after ----------------------------------------------------------------------------------


def changes(before: bytes, after: bytes) -> list[Document]:
    """The fields of both frames by layer, in the order of the wire; *before* b"": nothing to compare with."""
    old, new = dissected(before), dissected(after)
    return [
        {"layer": key[0], "field": key[1], "before": old.get(key), "after": new.get(key),
         "changed": bool(before) and old.get(key) != new.get(key)}
        for key in _in_order(list(old), list(new))
    ]  # fmt: skip


Key = tuple[str, str]


def _in_order(old: list[Key], new: list[Key]) -> Iterator[Key]:
    """Both lists merged: what only one has stands where it stood there."""
    known, told, waiting = set(new), set(), iter(new)
    for key in old:
        if key not in known:
            yield key
        while key in known and key not in told:
            told.add(other := next(waiting))
            yield other
    yield from waiting


def dissected(frame: bytes) -> dict[Key, str]:
    """(layer, field) -> text of every field of *frame*, by scapy; layers of a kind are counted: `IP`, `IP 2`."""
    if not frame:
        return {}
    import scapy.layers.inet
    import scapy.layers.inet6
    import scapy.layers.sctp  # noqa: F401  layers bind themselves to each other when imported
    from scapy.layers.l2 import Ether
    from scapy.packet import NoPayload, Raw

    fields: dict[Key, str] = {}
    layer, seen = (Ether if len(frame) >= 14 else Raw)(frame), {}  # type: ignore[var-annotated]
    while not isinstance(layer, NoPayload):
        name = layer.name
        seen[name] = seen.get(name, 0) + 1
        name = name if seen[name] == 1 else f"{name} {seen[name]}"
        if isinstance(layer, Raw):
            fields[name, "load"] = _payload(layer.load)
        else:
            for field in layer.fields_desc:
                if field.name in layer.fields:
                    fields[name, field.name] = _text(layer, field, layer.fields[field.name])
        layer = layer.payload
    return fields


def _text(layer: Any, field: Any, value: Any) -> str:
    if layer.name == "TCP" and field.name == "options":
        return ", ".join(_option(*option) for option in value)
    if field.name in ("sport", "dport"):
        return str(value)
    return str(field.i2repr(layer, value))


def _option(name: object, value: Any) -> str:
    """A TCP option; 254 of the length of an address and a port is the client's address (D 5.6)."""
    if name in TOA and isinstance(value, bytes) and len(value) in (6, 18):
        return f"TOA {Endpoint(value[2:], int.from_bytes(value[:2]))}"
    text = value.hex() if isinstance(value, bytes) else str(value or "")
    return f"{name} {text}".strip()


def _payload(data: bytes) -> str:
    shown = data[:16].hex(" ")
    return f"{len(data)} bytes: {shown}{' ...' if len(data) > 16 else ''}"
