"""What real servers and hosts will make of a frame that left: remarks beside the bytes, a function each.

The balancer did what it does; what is remarkable is what the other end does about it. One more is a function of a Scene
and a line in REMARKS.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from lbreplay.dpvs.conn import IN, OUT
from lbreplay.ipvs.edition import edition
from lbreplay.lab.flows import between
from lbreplay.lab.probe import Shot
from lbreplay.loop.names import EOL, MSS, NOP, SACK_OK, TIMESTAMP, TOA, WSCALE
from lbreplay.model import Endpoint, Network, Service, Setup
from lbreplay.stack.route import Routes
from lbreplay.verdict import ENTRIES, Verdict
from lbreplay.wire import options
from lbreplay.wire.icmp import REQUEST_OF
from lbreplay.wire.packet import ACK, ICMP, ICMPV6, IPIP, IPV6_IN_IP, RST, SYN, TCP, UDP, Packet
from lbreplay.wire.uoa import IPO, OPP

REWRITTEN = (EOL, NOP, MSS, WSCALE, SACK_OK, TIMESTAMP)  # D 6.1
TURNED_ROUND = (Verdict.SYNPROXY_SYNACK, Verdict.SYNPROXY_SYNACK_FLAGGED)
PROXY_V1, PROXY_V2 = b"PROXY ", b"\r\n\r\n\x00\r\nQUIT\n"
THROUGH_ROUTER = {  # what becomes of direct routing to a real server that is no neighbour
    "dpvs": "DPVS asks for the real server's own MAC address all the same, and nobody on this network answers",
    "ipvs": "that router gets the frame with the virtual address as its destination, and sends it back or away",
}
QUIC, SHORT_HEADER = 443, 0x40
NO_SERVER = (Verdict.NO_DEST, Verdict.NO_DEST_UNREACHABLE)
FALLBACK = {  # scheduler that hashes -> the setting by which a weightless real server is passed over, "": there is none
    ("dpvs", "mh"): "mh_fallback = true",
    ("ipvs", "mh"): 'flags = ["mh-fallback"] (ipvsadm -b mh-fallback)',
    ("ipvs", "sh"): 'flags = ["sh-fallback"] (ipvsadm -b sh-fallback)',
    ("ipvs", "dh"): "",
}


class Scene(NamedTuple):
    """A frame that was handled. `sent` are the packets that left because of it, tags taken off; `service` is None where
    it was for none."""

    setup: Setup
    shot: Shot
    conn: Any  # of either profile
    mode: str
    service: Service | None
    packet: Packet
    sent: tuple[Packet, ...]
    rival: Any = None  # who has what it would need: an entry of connection tracking; in DPVS a connection's local end

    @property
    def side(self) -> int:
        return int(self.shot.story.side)


def scene(setup: Setup, shot: Shot, service: str | None, rival: Any = None) -> Scene:
    """*shot* as the remarks look at it; *service* is the name of the one it was for."""
    conn: Any = shot.story.conn
    mode = "" if conn is None else conn.mode.name if setup.profile == "dpvs" else conn.method
    of = next((one for one in setup.services if one.name == service), None)
    sent = tuple(Packet(left.frame, len(left.frame)).within() for left in shot.left)
    return Scene(setup, shot, conn, mode, of, shot.packet.within(), sent, rival)


def told(seen: Scene) -> list[str]:
    """All that is remarkable, in the order of the table."""
    return [sentence for remark in REMARKS for sentence in remark(seen)]


# --- full NAT ------------------------------------------------------------------------------------------------


def client_address_in_udp(seen: Scene) -> Iterator[str]:
    """UOA (D 7.4): the first datagrams are no UDP, or have an IP option, until a module reads them."""
    carried = [p for p in seen.sent if p.proto == OPP or (p.family == 4 and p.l4_at > 20 and p.l3[20] == IPO)]
    if seen.packet.proto != UDP or seen.side != IN or not carried:
        return
    how = "as IP protocol 248" if carried[0].proto == OPP else "with IP option 31"
    trail = seen.setup.udp.uoa_max_trail
    yield (
        f"sent {how}, the client's address in front of the datagram (UOA), as up to {trail} of a connection are: a "
        "real server without the kernel module uoa takes it for no UDP and drops it; load uoa.ko there, or set "
        "udp.uoa_max_trail = 0"
    )


def client_address_of_the_client(seen: Scene) -> Iterator[str]:
    """TOA (D 5.6): a client's own option stays behind the balancer's."""
    if seen.packet.proto != TCP or seen.side != IN or seen.mode != "fnat":
        return
    for sent in seen.sent:
        given, left = _toas(seen.packet), _toas(sent)
        if given and len(left) > 1:
            yield (
                f"the client sent a client-address option of its own, {given[0]}: it is left in behind the "
                f"balancer's, and a real server that reads another than the first one takes {given[0]} for the client"
            )


def _toas(packet: Packet) -> list[Endpoint]:
    """The addresses in the TCP options 254 of a packet."""
    if packet.proto != TCP or packet.l4_there < 20:
        return []
    tcp = bytes(packet.l3[packet.l4_at :])
    found = [o for o in options.walk(tcp) if o.kind == TOA and o.length in (8, 20)]
    return [Endpoint(tcp[o.at + 4 : o.at + o.length], int.from_bytes(tcp[o.at + 2 : o.at + 4])) for o in found]


def reflected_options(seen: Scene) -> Iterator[str]:
    """The SYN proxy turns the SYN round (D 6.1): what it does not know comes back as if the server had agreed."""
    if ENTRIES[seen.shot.burst.verdict[0]] not in TURNED_ROUND:
        return
    tcp = bytes(seen.packet.l3[seen.packet.l4_at :])
    kinds = [option.kind for option in options.walk(tcp) if option.kind not in REWRITTEN]
    if kinds:
        yield (
            f"option{'s' if len(kinds) > 1 else ''} {', '.join(map(str, kinds))} of the SYN come back in the SYN|ACK: "
            "the SYN proxy turns it round and touches only MSS, window scale, SACK permitted and timestamp, so the "
            "client takes what it proposed for negotiated (RFC 9293 3.1 forbids it)"
        )


# --- any mode ------------------------------------------------------------------------------------------------


def answers_past_the_proxy(seen: Scene) -> Iterator[str]:
    """The SYN proxy waits for a SYN|ACK that direct routing and tunnels send straight to the client (D 6.3)."""
    if seen.service is not None and seen.service.synproxy and seen.service.mode in ("dr", "tunnel") and seen.conn:
        yield (
            f"the SYN proxy waits for the real server's SYN|ACK, which in mode {seen.service.mode} goes straight to "
            'the client: the connection never opens; synproxy = false, or mode = "fnat"'
        )


def past_the_director(seen: Scene) -> Iterator[str]:
    """A real server of NAT that speaks to a client itself, where nothing translates it back."""
    packet, source = seen.packet, Endpoint(seen.packet.src, seen.packet.sport)
    theirs = (s for s in seen.setup.services if s.mode == "nat" and s.protocol == packet.proto)
    of = next((s for s in theirs if any(real.endpoint == source for real in s.reals)), None)
    as_clients_see = seen.setup.view == "client" and seen.shot.packet.frame == seen.shot.frame
    if of is not None and of.one_packet and seen.conn is None:
        yield f"{of.name} is of one packet: the request's connection is gone, and nothing translates its answer back"
        return
    if of is not None and (seen.conn is None or as_clients_see):
        yield (
            f"it comes from a real server of {of.name} itself: a client that asked {of.vip} and gets it from {source} "
            "resets it. It went past the director, which has to be the real server's gateway to its clients, or the "
            "capture was taken behind it (--view rx)"
        )


def from_elsewhere(seen: Scene) -> Iterator[str]:
    """An answer of a host with several addresses, from another one than was asked (D 2.1)."""
    source = Endpoint(seen.packet.src, seen.packet.sport)
    waits = seen.rival is not None and seen.setup.profile == "dpvs" and seen.conn is None
    if waits and source != seen.rival.real:
        yield (
            f"its destination is the local end of conn {seen.rival.number}, which is to {seen.rival.real}: {source} is "
            "not who was asked. A real server that answers from another of its addresses or ports is not recognized"
        )


def nobody_listens(seen: Scene) -> Iterator[str]:
    """A RST to a SYN has the number 0 (RFC 9293 3.10.7.1)."""
    packet = seen.packet
    refused = packet.proto == TCP and packet.flags & (SYN | RST | ACK) == RST | ACK and packet.seq == 0
    if refused and seen.side == OUT and seen.conn is not None:
        real = seen.conn.real
        yield (
            f"the real server refuses the connection: nothing listens on {real}, or a firewall there says so; a check "
            "of its health would take it out"
        )


def not_a_neighbour(seen: Scene) -> Iterator[str]:
    """Direct routing changes the MAC address only: real servers are on the balancer's own network (D 12.1, L 9)."""
    route = Routes(seen.setup).output(seen.conn.real.address) if seen.mode == "dr" and seen.side == IN else None
    if route is not None and route.via is not None and seen.sent:
        way = f"the way to {_text(seen.conn.real.address)} leads through {_text(route.via)}"
        yield f'{way}: {THROUGH_ROUTER[seen.setup.profile]}; mode = "tunnel" passes routers'


def proxy_header(seen: Scene) -> Iterator[str]:
    """The header of the PROXY protocol in front of the client's data (D 5.8)."""
    if seen.side != IN or seen.service is None or seen.service.proxy_protocol == "off":
        return
    if any(header in sent.l3 and header not in seen.packet.l3 for sent in seen.sent for header in (PROXY_V1, PROXY_V2)):
        yield (
            "a header of the PROXY protocol goes in front of the client's data: a real server that does not expect it "
            "takes it for the request and answers 400, or closes (nginx: listen ... proxy_protocol)"
        )


def moved_quic(seen: Scene) -> Iterator[str]:
    """A short header belongs to a connection under way (RFC 9000 17.3): its client has a new address or port."""
    packet, service = seen.packet, seen.service
    if packet.proto != UDP or service is None or service.quic or not seen.shot.story.new or packet.dport != QUIC:
        return
    payload = packet.l3[packet.l4_at + 8 :]
    if payload and payload[0] & 0xC0 == SHORT_HEADER:
        yield (
            "it looks like QUIC under way (a short header) and opens a connection here: its client has another port or "
            "address than before, and this real server need not be the one that knows it; service.quic = true goes by "
            "the connection ID"
        )


def no_scaling(seen: Scene) -> Iterator[str]:
    """The SYN proxy answers for the real server before it is asked (D 6.1)."""
    offered = [_offers_scaling(one) for one in (seen.packet, *seen.sent)]
    if ENTRIES[seen.shot.burst.verdict[0]] in TURNED_ROUND and offered[0] and not any(offered[1:]):
        yield (
            "the SYN|ACK takes the window scaling away that the client offers, as tcp.synproxy.wscale is 0: at most "
            "64 KB are under way, 5 Mbit/s over 100 ms"
        )


def _offers_scaling(packet: Packet) -> bool:
    if packet.proto != TCP or packet.l4_there < 20:
        return False
    return any(option.kind == WSCALE for option in options.walk(bytes(packet.l3[packet.l4_at :])))


def to_itself(seen: Scene) -> Iterator[str]:
    """A host drops a packet that it would have sent itself."""
    for sent in seen.sent:
        if sent.family and sent.src == sent.dst:
            yield (
                f"source equals destination, {_text(sent.src)}: the host takes it for a martian and drops it; it can "
                "reach itself only where the director changes the source too (full NAT, or masquerading)"
            )


def on_the_real_servers_network(seen: Scene) -> Iterator[str]:
    """NAT keeps the client's address: on a network of its own the real server answers it directly."""
    if seen.mode != "nat" or seen.side != IN or not seen.sent or seen.conn is None:
        return
    client, network = seen.conn.client.address, shared_network(seen.setup, seen.conn)
    if network is not None:
        yield (
            f"the client {_text(client)} is on the real server's network {network}: the answer goes straight to it, "
            "past the director, with the real server's own address, and the client resets or ignores it"
        )


def shared_network(setup: Setup, conn: Any) -> Network | None:
    """The network on link that the client and the real server of *conn* are both of, None: there is none."""
    client, real = conn.client.address, conn.real.address
    return next((one for one in _networks(setup) if client in one and real in one), None)


def _networks(setup: Setup) -> Iterator[Network]:
    """Networks that are on link: of the port's and its VLAN devices' addresses, and routes without a gateway."""
    devices = (setup.device.address, *(vlan.address for vlan in setup.device.vlan))
    for network in (one for addresses in devices for one in addresses if one.prefix < 8 * len(one.address)):
        size = 8 * len(network.address)
        host = int.from_bytes(network.address) >> size - network.prefix << size - network.prefix
        yield Network(host.to_bytes(size // 8), network.prefix)
    yield from (route.to for route in setup.routes if route.via is None and route.to.prefix)


def nobodys_tunnel(seen: Scene) -> Iterator[str]:
    """The outer source is the route's preferred one (D 12.1)."""
    for sent in seen.sent:
        if sent.proto in (IPIP, IPV6_IN_IP) and not any(sent.src):
            yield (
                f"the outer source is {_text(sent.src)}, for the route to {_text(sent.dst)} names none: the real "
                "server's host drops it as a martian; source = ADDRESS in its [[route]] (dpip route ... src), or an "
                "address of the port in that network"
            )
            return


def no_fallback(seen: Scene) -> Iterator[str]:
    """A scheduler that hashes meets a real server without weight, and looks no further (D 10.3, L 13)."""
    if ENTRIES[seen.shot.burst.verdict[0]] not in NO_SERVER or seen.service is None:
        return
    name = seen.service.scheduler
    cure = FALLBACK.get((seen.setup.profile, name))
    allowed = seen.service.mh_fallback or f"{name}-fallback" in seen.service.flags
    if cure is not None and not allowed:
        means = f"{cure} would pass it over" if cure else "another scheduler would"
        yield (
            f"{name} hashes the client to a real server that is weightless or full, and without fallback looks no "
            f"further though others may have weight; {means}"
        )


def a_second_lost(seen: Scene) -> Iterator[str]:
    """A SYN that dies with an old entry of connection tracking (L 4.2, L 23)."""
    if ENTRIES[seen.shot.burst.verdict[0]] is Verdict.CONNTRACK_OLD:
        every = edition(seen.setup.edition).conntrack_drops == "any"
        newer = ", Linux 5.9 and later schedule most such SYNs at once" if every else ""
        yield (
            "the client uses a port again whose connection was over; that ends with its entry of connection tracking, "
            "and this SYN with it: its repetition, a second later, is scheduled. ipvs.conn_reuse_mode = 0 keeps the "
            f"real server instead{newer}, and ipvs.conntrack = 0 loses nothing"
        )


def looks_like_another(seen: Scene) -> Iterator[str]:
    """Two connections that are one behind the director (L 12)."""
    if ENTRIES[seen.shot.burst.verdict[0]] is not Verdict.CONNTRACK_CLASH or seen.rival is None:
        return
    (proto, *asked), (_, *answered) = seen.rival.tuples
    packet = seen.packet
    if asked == [Endpoint(packet.src, packet.sport), Endpoint(packet.dst, packet.dport)]:
        yield (
            "to connection tracking it is invalid, of no state or window of its connection: it would begin another one "
            "that looks the same, and dies; net.netfilter.nf_conntrack_tcp_be_liberal = 1 lets windows pass"
        )
        return
    other = f"{between(proto, *asked)} already, whose answers are {between(proto, *answered)}"
    yield (
        f"connection tracking has {other}: behind the director both would look the same, so this one dies; another "
        "client port, masquerading, or ipvs.conntrack = 0 lets both live"
    )


def unasked_reply(seen: Scene) -> Iterator[str]:
    """SNAT opens a session for any ICMP from inside, a reply too (D 9.2)."""
    packet = seen.packet
    reply = packet.proto in (ICMP, ICMPV6) and packet.l4_there and packet.l3[packet.l4_at] in REQUEST_OF[packet.proto]
    if reply and seen.shot.story.new and seen.mode == "snat":
        yield (
            "a reply opened this session: nobody asked through the balancer, the request came another way or to "
            "another worker, and whoever asked gets the reply from the SNAT address"
        )


def _text(address: bytes) -> str:
    return str(ipaddress.ip_address(address))


REMARKS: tuple[Callable[[Scene], Iterator[str]], ...] = (
    client_address_in_udp,
    client_address_of_the_client,
    reflected_options,
    answers_past_the_proxy,
    to_itself,
    on_the_real_servers_network,
    nobodys_tunnel,
    no_fallback,
    past_the_director,
    from_elsewhere,
    nobody_listens,
    not_a_neighbour,
    proxy_header,
    moved_quic,
    no_scaling,
    a_second_lost,
    looks_like_another,
    unasked_reply,
)
