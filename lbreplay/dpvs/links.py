"""With which MACs a connection's packets leave, so that the loop can send them (D 12.3, interface 2).

`refresh` decides, for each side of a connection, whether its ordinary packets are the loop's at all (ODD, below), and
if so enters the MACs they leave with, else minus the reason (loop/ways.py). It is asked whenever something it looks at
changed: a new connection, the first packet of the other side, a plain packet, an event.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from lbreplay import memory
from lbreplay.burst import BY_FLOW_DIRECTOR
from lbreplay.dpvs.conn import (
    EXPIRE_QUIESCENT,
    IN,
    NOFASTXMIT,
    ONE_PACKET,
    OUT,
    SYNPROXY,
    TEMPLATE,
    Conn,
    Macs,
)
from lbreplay.dpvs.xmit import tag_of
from lbreplay.loop.names import BARE, BEHIND, DIRECT, FULL_TCP, FULL_UDP, MET, NONE, PROXIED, SNAT
from lbreplay.loop.names import TEMPLATE as TEMPLATE_KIND
from lbreplay.loop.ways import Way
from lbreplay.lvs.protocols.tcp import SYN_SENT
from lbreplay.wire.packet import IPIP, IPV6_IN_IP, TCP, UDP

if TYPE_CHECKING:
    from lbreplay.dpvs.machine import Machine
    from lbreplay.dpvs.view import View
    from lbreplay.dpvs.xmit import Transmitter
    from lbreplay.loop.real import Dest
    from lbreplay.model import Endpoint
    from lbreplay.nic.steer import Steered
    from lbreplay.stack import RouteEntry

MIRRORED = bytes(6)  # stands for the MAC that a row came to
HEAD, ENDS, HOME = 16, 32, 5  # bytes of an entry of `heads`, of `outers`; numbers of one of `homes`
ENTRIES = 64  # of each, to begin with
MOST_ROUTES = 65536  # remembered; then anew


def _never(slot: int) -> bool:
    return False


class Links:
    """The table of MACs that rows leave with: `heads` has HEAD bytes an entry, MACs and a VLAN's tag, `tags` how many
    bytes of a tag there are; `fast` whether that is the fast path, `mirrored` whether the source is the MAC that the
    row itself came to (interface 2, where the port has none of its own)."""

    def __init__(self, machine: Machine, xmit: Transmitter, view: View) -> None:
        self.machine, self.xmit = machine, xmit
        self.view: View = view
        setup = machine.setup
        self.watches_answers = setup.view == "client"
        self._numbers = setup.tcp.seq_adjust
        # an answer that comes in elsewhere is handed to its owner, where only one worker can have its tuple (D 4.4)
        director = setup.flow_director
        self.hands_on = setup.conn.redirect and setup.conn.table != "shared" and director.strategy != "off"
        self._slow_is_plain = Way.TTL if setup.conn.xmit_ttl else Way.RESOLVED if setup.resolves else Way.LOOP
        self.mtu = setup.device.mtu
        self.overlapping: bool = setup.conn.table == "shared" and setup.flow_director.strategy == "off"
        self._ids: dict[tuple[bytes, bytes, bool], int] = {}
        self.heads, self.tags = memory.zeros("B", HEAD * ENTRIES), memory.zeros("B", ENTRIES)
        self.fast, self.mirrored = memory.zeros("B", ENTRIES), memory.zeros("B", ENTRIES)
        self.outers = memory.zeros("B", ENDS * ENTRIES)  # source and destination of outer headers, IPv4 in the first 8
        self._outer_ids: dict[bytes, int] = {}
        self._slow: dict[tuple[bytes, bytes | None], int] = {}
        self.quiesces: Callable[[int], bool] = _never  # whether the service of a slot quiesces with its real server
        self.homes = memory.zeros("q", HOME * ENTRIES)  # queue, rank, by, reta, rule of answers, client view
        self._home_ids: dict[tuple[int, ...], int] = {}
        right = director.dst_port_mask is None and director.byte_order == "network" and not setup.several
        # of several ports, a rule is on that of its address alone, and answers come in on that of their real server
        self._by_low_bits = director.strategy == "port-low" and right
        self._pool_home: dict[tuple[bytes, int, int], Steered] = {}
        self.shortest_mtu = min([*(device.mtu for device in setup.devices), *(r.mtu for r in setup.routes if r.mtu)])

    def refresh(self, conn: Conn) -> None:
        """Enter how both sides of *conn* leave from now on."""
        table, slot = self.machine.table, conn.slot
        table.delta[slot], table.fdata[slot] = conn.delta, conn.fdata
        table.full[slot] = self._kind(conn)
        table.limit[slot] = self.machine.limit_of(conn.server.service)
        met = conn.in_seen is not None and (conn.in_macs is not None or not self.may_be_fast(conn))
        table.met[slot] = MET if met else 0
        if table.full[slot] == FULL_TCP and conn.server.service.proxy_protocol != "off":
            table.met[slot] |= PROXIED
            table.isn[slot] = conn.isn
        if conn.proxy is not None:
            table.met[slot] |= BEHIND
            table.proxied[slot] = conn.proxy
        if conn.mode.kind == SNAT:
            table.met[slot] = MET if conn.out_seen is not None else MET | BARE  # it began inside
        odd = next((-way for way, asks in ODD if asks(self, conn)), 0)
        table.mac[2 * slot] = odd or self._side(conn, IN)
        table.mac[2 * slot + 1] = odd or (self._side(conn, OUT) if self._comes_home(conn) else -Way.ELSEWHERE)

    def refresh_all(self) -> None:
        """The same for every live connection: an event or a neighbour changed what they depend on."""
        self._slow.clear()
        self._pool_home.clear()
        table = self.machine.table
        for slot, alive in enumerate(table.columns["alive"][: table.used].tolist()):
            if not alive:
                continue
            conn = table.conns[slot] if slot in table.made or self._may_end(slot) else None
            if conn is not None and not conn.flags & TEMPLATE:
                self.refresh(conn)
            elif conn is None and table.full[slot] != TEMPLATE_KIND:
                self._relink(slot)

    def _relink(self, slot: int) -> None:
        """What of a connection without a Conn leaves by its route."""
        table, real = self.machine.table, self.dest(slot).address
        if table.full[slot] == DIRECT:
            table.mac[2 * slot] = self.direct_way(real)
            return
        if table.full[slot] == SNAT:
            real = self.machine.tuples.key(2 * slot + 1)[1 : 1 + len(real)]  # it is inside
        if not table.forth[slot]:
            table.mac[2 * slot] = self.way(real, table.server[slot] - 1)
        if not table.back[slot]:
            client = self.machine.tuples.key(2 * slot)
            table.mac[2 * slot + 1] = self.way(client[1 : 1 + len(real)], table.client[slot] - 1)

    def _may_end(self, slot: int) -> bool:
        """Whether an event may have something to say about a connection that the loop opened."""
        return self.quiesces(slot)

    def dest(self, slot: int) -> Dest:
        """The real server of a connection."""
        dest = self.machine.dests[self.machine.table.dest[slot]]
        assert dest is not None, "it has a connection"
        return dest

    def may_be_fast(self, conn: Conn) -> bool:
        return self.xmit.may_be_fast(conn, 4 if len(conn.client.address) == 4 else 6)

    def _kind(self, conn: Conn) -> int:
        if not conn.mode.full or self.overlapping:
            return conn.mode.kind
        return FULL_TCP if conn.proto == TCP else FULL_UDP

    def unnumbered(self, conn: Conn) -> bool:
        """Whether its next SYN still decides by how much sequence numbers move: its first one was lost (D 5.5)."""
        return conn.mode.full and conn.proto == TCP and self._numbers and not conn.has_isn

    def unsettled(self, conn: Conn) -> bool:
        """Whether a SYN proxy has still to hear of its real server (D 6.3)."""
        return conn.proto != TCP or self.machine.table.state[conn.slot] == SYN_SENT

    def ending(self, conn: Conn) -> bool:
        """Whether its next packet may end it (D 1.5, step 8)."""
        dest = conn.dest
        watched = conn.flags & EXPIRE_QUIESCENT or conn.server.service.expire_quiescent
        return bool(watched) and (not dest.available or dest.weight == 0)

    def _comes_home(self, conn: Conn) -> bool:
        """Client view: whether the NIC gives the answers to the worker that has the connection."""
        return not self.watches_answers or self._homed(conn.slot, conn.rank, self.view.home(conn))

    def _homed(self, slot: int, rank: int, home: Steered) -> bool:
        self.machine.table.home[slot] = self.home_id((home.queue, home.rank, home.by, home.reta, home.rule))
        self.machine.table.home_hash[slot] = 0 if home.by == BY_FLOW_DIRECTOR else home.hash
        return home.rank == rank or (self.hands_on and home.rank >= 0)

    # --- connections without a Conn ----------------------------------------------------------------------------

    def way(self, to: bytes, told: int = NONE) -> int:
        """What goes to *to* by its route leaves with; *told*: the entry that its frames told, if it was heard of."""
        return self._slow_id(to, None if told < 0 else self.macs_of(told)[0])

    @property
    def alike(self) -> bool:
        """Whether the way to an address depends on nothing but its route and what its frames told."""
        return not self.machine.stack.neighbors.any

    def direct_way(self, real: bytes) -> int:
        """The same by direct routing: to the real server's own MAC, gateways ignored (D 12.1)."""
        stack = self.machine.stack
        route = stack.route(real)
        if route is None or route.local or route.open or route.mtu != self.mtu:
            return -Way.ROUTE
        return self._id(stack.neighbors.mac(real, None, route.port), self._own(route), False)

    def _own(self, route: RouteEntry) -> bytes:
        """The MAC that leaves by a route, with the tag of its VLAN behind it."""
        return (self.machine.stack.mac(route.port, route.vlan) or MIRRORED) + tag_of(route.vlan)

    def outer(self, real: bytes, family: int) -> tuple[int, list[int]]:
        """Of tunnels to *real*: the entry of the outer header's ends, and what counts its identifications (D 12.1)."""
        stack = self.machine.stack
        route = stack.route(real)
        assert route is not None, "there is a way to it"
        source = route.source or (stack.select(real) if len(real) == 16 else None) or bytes(len(real))
        found = self._outer_ids.setdefault(source + real, len(self._outer_ids))
        if ENDS * found == len(self.outers):
            self.outers = memory.grown(self.outers, 2 * ENDS * found)
        self.outers[ENDS * found : ENDS * found + 2 * len(real)] = source + real
        return found, stack.idents(source, real, IPIP if family == 4 else IPV6_IN_IP)

    def answering(self, head: bytes) -> int:
        """What goes back to where frames with the MACs of *head* came from leaves with."""
        return self._id(head[6:12], head[0:6] + head[12:], True)

    def comes_home(self, slot: int, rank: int, out_key: bytes, laddr: bytes) -> bool:
        """`_comes_home` by the key of the answers. Under rules by low bits all ports of a pool share one rule."""
        place = laddr, rank, out_key[0]
        home = self._pool_home.get(place)
        if home is None:
            width = (len(out_key) - 5) // 2
            ports = int.from_bytes(out_key[-4:-2]), int.from_bytes(out_key[-2:])
            home = self.view.steer(out_key[0], out_key[1 : 1 + width], ports[0], laddr, ports[1], b"")
            if self._by_low_bits and home.by == BY_FLOW_DIRECTOR:
                self._pool_home[place] = home
        return self._homed(slot, rank, home)

    def pool_home(self, rank: int, proto: int, laddr: bytes, port: int, peer: Endpoint) -> tuple[int, bool] | None:
        """Entry of `homes` for all answers to a pool's ports and whether they come home; None where ports differ."""
        home = self._pool_home.get((laddr, rank, proto))
        if home is None:
            home = self.view.steer(proto, peer.address, peer.port, laddr, port, b"")
            if not self._by_low_bits or home.by != BY_FLOW_DIRECTOR:
                return None
            self._pool_home[laddr, rank, proto] = home
        at_home = home.rank == rank or (self.hands_on and home.rank >= 0)
        return self.home_id((home.queue, home.rank, home.by, home.reta, home.rule)), at_home

    def meet(self, slot: int, macs: Macs) -> None:
        """The real server's side was heard of: what goes there leaves with *macs* from now on."""
        self.machine.table.mac[2 * slot] = self.told(macs)
        self.machine.table.met[slot] = 1

    def told(self, macs: Macs) -> int:
        """The entry of MACs that frames told: towards a port whose MTU is not the first one's, none (TOA asks it)."""
        return self._id(*macs, True) if self.machine.stack.mtu_of(macs[1]) == self.mtu else -Way.ROUTE

    def macs_of(self, entry: int) -> Macs:
        """The MACs (destination, source) of an entry, with the tag behind them, if there is one."""
        head = self.heads[HEAD * entry : HEAD * entry + 12 + self.tags[entry]].tobytes()
        return head[:6], head[6:]

    def home_id(self, home: tuple[int, ...]) -> int:
        """The entry of `homes` for queue, rank, by, reta, rule."""
        found = self._home_ids.get(home)
        if found is None:
            found = self._home_ids[home] = len(self._home_ids)
            if HOME * found == len(self.homes):
                self.homes = memory.grown(self.homes, 2 * HOME * found)
            self.homes[HOME * found : HOME * (found + 1)] = memory.listed("q", home)
        return found

    def _side(self, conn: Conn, side: int) -> int:
        if self.may_be_fast(conn):
            if conn.out_macs is None:
                return -Way.UNLEARNED  # the next packet of the client's side is still to be learned from
            learned = conn.in_macs if side == IN else conn.out_macs
            if learned is not None:
                return self.told(learned)
        return -self._slow_is_plain or self._slow_side(conn, side)

    def _slow_side(self, conn: Conn, side: int) -> int:
        to, there = (conn.real, conn.in_seen) if side == IN else (conn.client, conn.out_seen)
        return self._slow_id(to.address, there and there[0])

    def _slow_id(self, to: bytes, seen: bytes | None) -> int:
        """By route and neighbour towards *to*; *seen* is the MAC its side's frames came from."""
        key = to, seen
        found = self._slow.get(key)
        if found is None:
            if len(self._slow) > MOST_ROUTES:
                self._slow.clear()
            found = self._slow[key] = self._route(to, seen)
        return found

    def _route(self, to: bytes, seen: bytes | None) -> int:
        stack = self.machine.stack
        route = stack.route(to)
        if route is None or route.local or route.open or route.mtu != self.mtu:
            return -Way.ROUTE
        hop = stack.neighbors.mac(route.via or to, seen, route.port)
        return self._id(hop, self._own(route), False)

    def _id(self, dst: bytes, src: bytes, fast: bool) -> int:
        key = dst, src, fast
        found = self._ids.get(key)
        if found is None:
            found = self._ids[key] = len(self._ids)
            if found == len(self.tags):
                self.heads, self.tags = memory.grown(self.heads, 2 * HEAD * found), memory.grown(self.tags, 2 * found)
                self.fast, self.mirrored = memory.grown(self.fast, 2 * found), memory.grown(self.mirrored, 2 * found)
            self.heads[HEAD * found : HEAD * (found + 1)] = (dst + src).ljust(HEAD, b"\0")
            self.tags[found] = len(src) - 6
            self.fast[found], self.mirrored[found] = fast, src[:6] == MIRRORED
        return found


# What takes all packets of a connection to the plain path, in this order
ODD: tuple[tuple[Way, Callable[[Links, Conn], Any]], ...] = (
    (Way.MODE, lambda links, conn: not conn.mode.rewrites),
    (Way.OTHER_PROTOCOL, lambda links, conn: conn.proto not in (TCP, UDP)),
    (Way.SYN_PROXY, lambda links, conn: conn.flags & SYNPROXY and links.unsettled(conn)),
    (Way.ONE_PACKET, lambda links, conn: conn.flags & ONE_PACKET),
    (Way.UOA, lambda links, conn: conn.flags & NOFASTXMIT),
    (Way.FAMILIES, lambda links, conn: len(conn.client.address) != len(conn.real.address)),
    (Way.LIMITED, lambda links, conn: 0 < conn.server.service.limit_proportion < 100),
    (Way.PROXY_PROTOCOL, lambda links, conn: conn.server.service.proxy_protocol != "off" and conn.proto != TCP),
    (Way.CHECKED, lambda links, conn: conn.server.service.dest_check is not None),
    (Way.ENDING, lambda links, conn: links.ending(conn)),
    (Way.UNNUMBERED, lambda links, conn: links.unnumbered(conn)),
    (Way.OVERLAPPING, lambda links, conn: links.overlapping),
)  # fmt: skip
