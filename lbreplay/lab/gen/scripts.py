"""Conversations as words, and the shortest ones that lead through every state of a protocol.

    c:SA+20     the client sends (TCP: these flags, SCTP: this chunk), with so many bytes behind the header
    s:A         the server sends
    wait:2.5    seconds pass

The walks follow the protocol's own table of states (`lvs/protocols`), so a state that is added is walked to.
"""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

from lbreplay.lvs.protocols import Protocol
from lbreplay.wire.packet import SCTP, TCP, UDP

OPEN = {TCP: "c:S s:SA c:A", UDP: "c:+40 s:+60", SCTP: "c:init s:init_ack c:cookie_echo s:cookie_ack"}
DATA = {
    TCP: "c:PA+120 s:A s:A+900 s:PA+300 c:A c:PA+50 s:A",
    UDP: "c:+40 c:+41 s:+200 c:+42 c:+43 s:+60",
    SCTP: "c:data+100 s:sack s:data+600 c:sack",
}
CLOSE = {TCP: "c:FA s:A s:FA c:A", UDP: "", SCTP: "c:shutdown s:shutdown_ack c:shutdown_complete"}
SERVER_CLOSES = {TCP: "s:FA c:A c:FA s:A", UDP: "", SCTP: "s:shutdown c:shutdown_ack s:shutdown_complete"}
ABORTS = {
    TCP: ("c:S s:RA", "c:S s:SA c:RA", "c:S s:SA c:A c:PA+30 s:R", "c:S s:SA c:A s:A+30 c:R"),
    UDP: (),
    SCTP: ("c:init s:abort", "c:init s:init_ack c:cookie_echo s:cookie_ack c:abort"),
}
OF_EVENT = {
    TCP: {"syn": ("S", "SA"), "fin": ("FA", "FA"), "ack": ("A", "A"), "rst": ("R", "R"), "none": ("P", "P")},
    UDP: {"datagram": ("+30", "+30")},
}


class Walk(NamedTuple):
    """A script that ends in *state*, by its number."""

    script: str
    state: int


def word(protocol: Protocol, side: int, event: str) -> str:
    """What makes this *event*, said by the client (side 0) or the server (1)."""
    said = OF_EVENT[protocol.number][event][side] if protocol.number in OF_EVENT else event
    return f"{'cs'[side]}:{said}"


def walks(protocol: Protocol, mode: str, answers: bool, begin: Walk | None = None) -> list[Walk]:
    """The shortest walk to each state that can be reached, *begin* or a first packet first; *answers*: the balancer
    sees the server's side too."""
    columns = protocol.sides(mode)
    begin = begin or _first(protocol, columns)
    found, queue = {begin.state: begin.script}, deque([begin.state])
    while queue:
        at = queue.popleft()
        for side, event, new in steps(protocol, columns, answers, at):
            if new not in found:
                found[new] = f"{found[at]} {word(protocol, side, event)}"
                queue.append(new)
    return [Walk(script, state) for state, script in found.items()]


def steps(protocol: Protocol, columns: tuple[int, int], answers: bool, state: int) -> list[tuple[int, str, int]]:
    """(side, event, new state) of everything that can be said in *state*."""
    sides = (0, 1) if answers else (0,)
    return [(side, event, protocol.step(columns[side], number, state))
            for side in sides for number, event in enumerate(protocol.events)]  # fmt: skip


def _first(protocol: Protocol, columns: tuple[int, int]) -> Walk:
    event = {TCP: "syn", UDP: "datagram", SCTP: "init"}[protocol.number]
    return Walk(word(protocol, 0, event), protocol.step(columns[0], protocol.events.index(event), 0))
