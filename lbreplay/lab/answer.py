"""What the other side of a connection sends next, and what becomes of it: the packet is made and replayed.

Nothing is concluded from the connection: whatever the tables, the NIC and the balancer do to the made packet is told.
That ends what the replay is good for, so the answer is asked for last.
"""

from __future__ import annotations

from struct import pack
from typing import Any

from lbreplay.burst import QUEUE_BITS
from lbreplay.dpvs.conn import IN, Conn
from lbreplay.dpvs.machine import TIMER_TICK
from lbreplay.lab.flows import between
from lbreplay.lab.probe import Probe, Shot
from lbreplay.lab.remarks import shared_network
from lbreplay.model import Endpoint
from lbreplay.nic.ports import Ports
from lbreplay.stats import STEERED
from lbreplay.verdict import ENTRIES
from lbreplay.wire import checksum, craft
from lbreplay.wire.icmp import REQUEST_OF
from lbreplay.wire.packet import ACK, ETH_IPV4, ETH_IPV6, ICMP, ICMPV6, RST, SCTP, SYN, TCP, UDP, Packet

SIDES = {  # who a packet of a side goes to: by whether the connection is SNAT's, from the first side on
    False: ("real server", "client"),
    True: ("inside host", "remote host"),
}
SECOND_CHUNK = 2  # INIT ACK


def answer(probe: Probe, shot: Shot, conn: Conn) -> dict[str, Any] | None:
    """Where the next packet of the side that *shot* was sent to will land; None where there will be none, or where it
    does not pass the balancer."""
    if not (conn.mode.answers and shot.left and shot.packet.proto == conn.proto) or shot.packet.flags & RST:
        return None
    if conn.mode.name == "nat" and shot.story.side == IN and shared_network(probe.run.setup, conn) is not None:
        return None  # the real server answers its neighbour straight
    if conn.proto == SCTP and probe.run.nic.rss.tagged:
        return None  # its verification tag decides, and only the other side knows it
    source, dest = (conn.real, conn.local) if shot.story.side == IN else (conn.client, conn.virtual)
    l3 = craft.ip(source.address, dest.address, conn.proto, _transport(shot, source, dest))
    checksum.l4(l3, 20 if len(source.address) == 4 else 40, conn.proto)
    came = probe.shoot_made(_framed(probe, shot, bytes(l3), source.address), TIMER_TICK)
    return {
        "from": SIDES[conn.mode.name == "snat"][shot.story.side],
        "flow": between(conn.proto, source, dest),
        **_landed(probe, came, conn),
    }


def _landed(probe: Probe, came: Shot, conn: Conn) -> dict[str, Any]:
    burst, story = came.burst, came.story
    rank, verdict, nic = int(burst.worker[0]), ENTRIES[burst.verdict[0]], probe.run.nic
    queue = int(burst.queue[0])
    return {
        **({"port": nic.arrived(queue)[0]} if isinstance(nic, Ports) else {}),
        "by": STEERED[burst.by[0]],
        "queue": queue & (1 << QUEUE_BITS) - 1,
        "worker": rank if rank >= 0 else None,
        "owner": conn.rank,
        "handed_to": story.owner if story.owner >= 0 else None,
        "alive": came.before is not None and any(entry["conn"] == conn.number for entry in came.before.tables),
        "home": story.conn is conn,
        "verdict": verdict.name.lower(),
        "fate": verdict.fate.label,
    }


def _transport(shot: Shot, source: Endpoint, dest: Endpoint) -> bytes:
    """A transport header that answers what left."""
    packet, ports = shot.packet, pack(">HH", source.port, dest.port)
    if packet.proto == TCP:
        asked = Packet(shot.left[-1].frame, len(shot.left[-1].frame)).flags & (SYN | ACK)
        flags = SYN | ACK if asked == SYN else ACK
        return ports + pack(">IIBBHHH", 1, packet.seq + 1 & 0xFFFFFFFF, 0x50, flags, 0xFFFF, 0, 0)
    if packet.proto == UDP:
        return ports + pack(">HH", 8, 0)
    if packet.proto == SCTP:
        return ports + bytes(8) + pack(">BBH", SECOND_CHUNK, 0, 4)
    assert packet.proto in (ICMP, ICMPV6), "nothing else makes connections"
    asked = packet.l3[packet.l4_at]
    replies = {request: reply for reply, request in REQUEST_OF[packet.proto].items()}
    kind = replies.get(asked, REQUEST_OF[packet.proto].get(asked, asked))
    return pack(">BBH", kind, 0, 0) + packet.l3[packet.l4_at + 4 : packet.l4_at + 8]


def _framed(probe: Probe, shot: Shot, l3: bytes, source: bytes) -> bytes:
    """A frame as the port that faces *source* receives it, tagged where the route there leaves by a VLAN device."""
    stack, route = probe.run.balancer.machine.stack, probe.run.balancer.machine.stack.route(source)
    port = 0 if route is None else route.port
    device = probe.run.setup.devices[port]
    vlan = next((vlan for vlan in device.vlan if route is not None and vlan.id == route.vlan), None)
    mac = (vlan and vlan.mac) or stack.mac(port) or shot.packet.dst_mac
    hop = (route.via if route is not None else None) or source
    ethertype = ETH_IPV4 if len(source) == 4 else ETH_IPV6
    return craft.ethernet(mac, stack.neighbors.mac(hop, None, port), ethertype, l3, vlan.id if vlan else None)
