"""A conversation, a line a frame: from which side it came, which worker had it, what became of it.

And the first frame of a kind.

The frames are those of the flow, both ways, and of every connection that they belong to: in a capture of both legs the
answers have other addresses than the requests.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from lbreplay.config.kinds import nearest
from lbreplay.errors import CaptureError, ConfigError
from lbreplay.journey import Replay
from lbreplay.lab.fields import Frame, dissect
from lbreplay.lab.flows import Flow, frames_among
from lbreplay.lab.life import tuples
from lbreplay.lab.probe import Probe
from lbreplay.model import Endpoint, Setup
from lbreplay.verdict import NAMES
from lbreplay.wire.capture import open_capture
from lbreplay.wire.packet import Packet

Document = dict[str, Any]
PASSES = 3  # in which connections that lead to further frames are followed
TOLD = ("n", "t_ns", "worker", "lookup", "conn", "new", "state", "verdict", "fate")  # of a line of the trace


def ladder(setup: Setup, path: str, wanted: Flow) -> Document:
    """Every frame of the conversation that *wanted* is a direction of. CaptureError where the capture has none."""
    flows = {wanted, Flow(wanted.kind, wanted.dest, wanted.source)}
    rungs: list[Document] = []
    conns: dict[int, Document] = {}
    for _ in range(PASSES):
        rungs, conns, more = _climb(setup, path, flows)
        if more <= flows:
            break
        flows |= more
    return {"flow": str(wanted), "connections": list(conns.values()), "frames": rungs}


def _climb(setup: Setup, path: str, flows: set[Flow]) -> tuple[list[Document], dict[int, Document], set[Flow]]:
    """The frames of *flows*, the connections they belong to, and the flows of these."""
    rungs: list[Document] = []
    conns: dict[int, Document] = {}
    more: set[Flow] = set()
    clients: set[Endpoint] = set()  # ends whose frames go to real servers
    with Probe(setup, path) as probe:
        for n in frames_among(flows, setup, path):
            frame, story, line = probe.tell(n)
            packet = Packet(frame, len(frame)).within()
            source = Endpoint(packet.src, packet.sport)
            if story.conn is not None:
                conns.setdefault(line["conn"], _connection(story.conn, line))
                more |= tuples(story.conn)
                clients |= {story.conn.client, getattr(story.conn, "local", story.conn.client)}
            clients |= set() if clients else {source}
            rungs.append(_rung(frame, "client" if source in clients else "real", line))
    return rungs, conns, more


def _connection(conn: Any, line: Document) -> Document:
    ends = {"client": str(conn.client), "virtual": str(conn.virtual), "laddr": line["laddr"], "real": str(conn.real)}
    return {"conn": line["conn"], "worker": getattr(conn, "rank", 0), "service": line["service"], **ends}


def _rung(frame: bytes, side: str, line: Document) -> Document:
    return {
        **{name: line[name] for name in TOLD},
        "from": side,
        "packet": _packet(dissect(Frame(0, 0, frame, len(frame)))),
        "by": line["steer"]["by"] if line["steer"] else None,
        "owner": line.get("owner"),
        "sent": len(line["out"]),
    }


def _packet(fields: Mapping[str, Any]) -> str:
    """`SYN|ACK`, `ACK`, `512 bytes`, `FIN|ACK 20 bytes`, `icmp 8/0`: data has flags that say more than ACK."""
    if "icmp.type" in fields:
        return f"icmp {fields['icmp.type']}/{fields['icmp.code']}"
    size = len(fields.get("payload", "")) // 2
    flags = str(fields.get("flags", ""))
    flags = "" if size and set(flags.split("|")) <= {"PSH", "ACK"} else flags
    return " ".join(filter(None, (flags, f"{size:,} bytes" if size or not flags else "")))


def known(verdict: str) -> int:
    """The code of a verdict by its name. ConfigError, with the nearest."""
    name = verdict.strip().lower()
    if name not in NAMES:
        raise ConfigError(
            f"--verdict: a name of `lbreplay run --help-verdicts` expected, got {verdict!r}{nearest(name, NAMES)}"
        )
    return NAMES.index(name)


def first_of(code: int, setup: Setup, path: str) -> int:
    """The first frame that ends with the verdict *code*. CaptureError, with what ends there are, where none does."""
    counts = np.zeros(256, np.int64)
    with open_capture(path) as source:
        run = Replay(setup, source, None, None)
        run.rewriting = False
        for burst in source.bursts(setup.burst_size):
            run.journey(burst)
            if (burst.verdict == code).any():
                return burst.first + int((burst.verdict == code).argmax())
            counts += np.bincount(burst.verdict, minlength=256)
    ends = ", ".join(f"{NAMES[at]} {counts[at]:,}" for at in np.argsort(-counts) if counts[at])
    raise CaptureError(f"{path}: no frame ends as {NAMES[code]}; there are {ends or 'none'}")
