"""The verdicts: one name for every way a frame can end, with its fate, its sentence and its section.

Interface 4 gives the six fates and which verdict belongs to which; D 17 gives the names. A frame gets exactly one
final verdict. REASONS are never final: they say why the balancer let go of a packet, and stand in the trace beside
the verdict of what happened afterwards. A new way to end is one line here; counters and reports follow by themselves.
"""

from __future__ import annotations

from enum import IntEnum


class Fate(IntEnum):
    """The six ends of a frame; they add up to the frames of the capture."""

    TRANSMITTED = 0
    TO_KERNEL = 1
    DROPPED = 2
    HELD = 3
    CONSUMED = 4
    IGNORED = 5

    @property
    def label(self) -> str:
        return self.name.lower()


T, K, D, H, C, N = Fate


class Verdict(IntEnum):
    """One name for every way a frame can end: its number in the columns, and what is to know of it."""

    def __new__(cls, fate: Fate, section: str, sentence: str) -> Verdict:
        code = int.__new__(cls, len(cls.__members__))
        code._value_ = len(cls.__members__)
        code.fate, code.section, code.sentence = fate, section, sentence
        return code

    fate: Fate
    section: str
    sentence: str

    # transmitted
    FORWARDED_FAST = T, "D 12.3", "Translated and sent straight with the MAC addresses the connection learned."
    FORWARDED_SLOW = T, "D 12.1", "Translated and sent by route and neighbour."
    FORWARDED_FRAGMENTED = T, "D 12.4", "Translated, longer than the MTU, sent in fragments."
    FORWARDED_PLAIN = T, "D 1.6", "Not the balancer's: forwarded by route with its TTL lowered."
    ICMP_RELATED_FORWARDED = T, "D 9.1", "An ICMP error about a connection, translated and sent on."
    TCP_BAD_ACK_RST = T, "D 5.1", "An ACK to a service without a connection or valid cookie, answered with RST."
    SYNPROXY_SYNACK = T, "D 6.1", "A SYN to a SYN-proxy service, answered with SYN|ACK and a cookie."
    SYNPROXY_SYN_RETURNED = T, "D 6.1", "A SYN shorter than its data offset goes back as it came, MACs exchanged."
    SYNPROXY_SYNACK_FLAGGED = T, "D 6.1", "The same for a SYN that has ECE, CWR, PSH or URG too, counted apart."
    LOCAL_ECHO_REPLY = T, "D 1.6", "An echo request to an address of the balancer, answered."
    ARP_ANSWERED = T, "S 3.5", "An ARP request for an address of the balancer, answered."
    ND_ANSWERED = T, "S 4.7", "A neighbour solicitation that ends with its answer; DPVS hands it on as well."
    # to the kernel
    ETHERTYPE_UNHANDLED = K, "D 1.2", "No handler for this ethertype: to the kernel."
    OSPF = K, "D 1.3", "OSPF goes to the kernel before all hooks."
    LOCAL_TO_KERNEL = K, "D 1.6", "For an address of the balancer, but no connection and no handler: to the kernel."
    KERNEL_ROUTE = K, "D 1.6", "The route there belongs to the kernel, or the frame came to a kernel's queue."
    NO_ROUTE_TO_KERNEL = K, "D 1.6", "No route to this destination: to the kernel."
    MULTICAST = K, "D 1.6", "Broadcast or multicast that nothing here listens to: to the kernel."
    ARP_TO_KERNEL = K, "S 3.5", "ARP that is not a request for an address of the balancer: to the kernel."
    ND_TO_KERNEL = K, "S 4.7", "Neighbour discovery: to the kernel, be it answered here or not."
    # held
    TC_INGRESS_QUEUED = H, "D 14.4", "Queued by traffic control."
    SYNPROXY_ACK_ACCEPTED = H, "D 6.2", "An ACK with a valid cookie: held, and a SYN sent to the real server."
    SYNPROXY_HELD = H, "D 6.3", "Held until the real server answers the SYN."
    SYNPROXY_REUSED = H, "D 6.4", "An ACK with a valid cookie on a closed connection: held, a new SYN sent."
    NEIGH_QUEUED = H, "D 12.4", "Waits for the MAC address of the next hop."
    # consumed
    SYNPROXY_SYNACK_CONSUMED = C, "D 6.3", "The real server's SYN|ACK, which releases the held packets."
    # ignored
    OWN_TRANSMIT = N, "interface 3", "The balancer's own transmission in the capture: not received."
    REPLY_WITHOUT_CONN = N, "interface 3", "An answer of the virtual address whose connection nobody has."
    PORT_UNTOLD = N, "interface 2", "Nothing tells on which of several ports the frame came in."
    DIRECT_REPLY = N, "interface 3", "An answer that does not pass the balancer (direct routing, tunnel)."
    # dropped before the balancer
    TRUNCATED = D, "interface 4", "The capture cut the frame before a header that is needed."
    RX_PORT_UNKNOWN = D, "D 1.2", "Received on a port nobody configured."
    TC_INGRESS_DROP = D, "D 14.4", "Dropped by traffic control."
    VLAN_ERROR = D, "D 1.2", "Tagged for a VLAN without a device."
    RING_PACKET_TO_KERNEL = D, "D 1.2", "Redirected and then for the kernel: freed silently."
    FORWARD2KNI_TO_KERNEL = D, "D 1.2", "For the kernel, which has a copy already: freed silently."
    L3_OTHERHOST = D, "D 1.3", "IP to the MAC address of another host."
    L3_HEADER_ERROR = D, "D 1.3", "An IP header that cannot be."
    L3_CHECKSUM = D, "D 1.3", "The checksum of the IP header is wrong."
    L3_TRUNCATED = D, "D 1.3", "Shorter than the IP header says."
    IPV6_DISABLED = D, "D 1.4", "IPv6 is switched off."
    FRAGMENT_V4 = D, "D 1.5", "IPv4 fragments are dropped before everything else."
    UDP_TO_TCP_VIP = D, "D 1.5", "UDP to an address that only has TCP services (defence_drop)."
    TCP_HEADER_SHORT = D, "D 1.5", "TCP without a whole header."
    ARP_BAD_OPCODE = D, "S 3.5", "ARP that is neither request nor reply."
    ICMP_LOCAL_INVALID = D, "S 4.4", "An echo request with a wrong code or checksum."
    V6_NO_NEXT_HEADER = D, "D 1.6", "IPv6 without a next header, for an address of the balancer."
    TUNNEL_INPUT = D, "D 1.6", "A tunnel packet for a tunnel nobody configured."
    FORWARD_DISABLED = D, "D 1.6", "Transit, and forwarding is off."
    FORWARD_TTL = D, "S 4.5", "Transit whose TTL ran out: an ICMP error was sent."
    FORWARD_TOO_BIG = D, "S 4.5", "Transit longer than the MTU: an ICMP error was sent."
    ND_INVALID = D, "S 4.7", "Neighbour discovery that is malformed."
    # dropped by the balancer
    SYNPROXY_NO_DEST = D, "D 6.1", "A SYN to a SYN-proxy service whose real servers all have weight 0."
    SYNPROXY_ACL = D, "D 6.1", "A SYN to a SYN-proxy service from a source its lists refuse."
    SYNPROXY_L2_UNSUPPORTED = D, "D 6.1", "A SYN to a SYN-proxy service with a link header of another length."
    SYNPROXY_NULL_ACK = D, "D 6.2", "An ACK without payload while the SYN to the real server is deferred."
    SYNPROXY_NOT_ACK = D, "D 6.3", "Not an ACK while the real server has not answered the SYN."
    SYNPROXY_HOLD_FULL = D, "D 6.3", "More packets held than allowed."
    ICMP_MALFORMED = D, "D 9.1", "An ICMP error that cannot be read."
    ICMP_RELATED_BAD_CHECKSUM = D, "D 9.1", "An ICMP error about a connection with a wrong checksum."
    ICMP_RELATED_RATE_LIMITED = D, "D 9.1", "An ICMP error about a connection, over the limit."
    ICMP_RELATED_NO_ROUTE = D, "D 17 V26", "An ICMP error about a connection without a route to go on."
    ICMP_RELATED_TOO_BIG = D, "D 17 V26", "An ICMP error about a connection, longer than the MTU."
    ICMP_RELATED_NO_OUT_XMIT = D, "D 17 V26", "An ICMP error from a real server that answers clients directly."
    ACL_BLACKLIST = D, "D 14.2", "The source is on the service's blacklist."
    ACL_WHITELIST = D, "D 14.2", "The source is not on the service's whitelist."
    REDIRECT_RING_FULL = D, "D 4.4", "The ring to the owner of the connection was full."
    L4_HEADER_SHORT = D, "D 4.1", "The transport header is not whole."
    TCP_BAD_ACK_DROP = D, "D 15", "An ACK without a connection or valid cookie, dropped."
    TCP_DEFENCE = D, "D 5.1", "TCP without a connection to an address with TCP services (defence_drop)."
    NO_DEST = (
        D,
        "D 10.2",
        "The scheduler found no real server: none has weight, or without fallback the one hashed to has none.",
    )
    CONN_POOL_EMPTY = D, "D 2.4", "The pool of connections is empty."
    DEST_MAX_CONN = D, "D 2.8", "The chosen real server has all the connections it may have."
    LADDR_NONE = D, "D 11.1", "The service has no local address."
    LADDR_PORT_EXHAUSTED = D, "D 11.1", "No local port is left on this worker for this real server."
    LADDR_PROTO_UNSUPPORTED = D, "D 11.1", "Full NAT cannot bind a local address for this protocol."
    SNAT_PORT_EXHAUSTED = D, "D 11.3", "The SNAT address has no port left on this worker for this peer."
    SNAT_ADDR_WITHOUT_POOL = D, "D 11.3", "The SNAT address has no port pool."
    TEMPLATE_CONN_FAILED = D, "D 2.7", "The persistence template could not be made."
    QUIESCENT = D, "D 1.5", "The real server is gone or has weight 0: the connection ends."
    RATE_LIMIT_IN = D, "D 14.1", "Over the service's limit_proportion, from the client."
    RATE_LIMIT_OUT = D, "D 14.1", "Over the service's limit_proportion, from the real server."
    DEST_MISSING = D, "D 1.5", "The connection has no real server."
    NO_ROUTE = D, "D 12.1", "No route to where the translated packet goes."
    FRAG_NEEDED = D, "D 12.1", "Longer than the MTU with DF: an ICMP error was sent where one can be."
    TOO_BIG = D, "D 12.1", "IPv6 longer than the MTU: an ICMPv6 error was sent where one can be."
    TTL_EXCEEDED = D, "D 12.2", "The TTL ran out (xmit_ttl): an ICMP error was sent."
    L4_HANDLER_ERROR = D, "D 17 V66", "The transport header could not be translated."
    NAT64_UNSUPPORTED = D, "D 12.5", "NAT64 cannot translate extension headers or IPv4 options."
    UOA_ERROR = D, "D 7.4", "The client's address could not be put into the datagram."
    V6_OUTPUT_TOO_BIG = D, "D 12.4", "IPv6 that grew longer than the MTU."
    NEIGH_QUEUE_FULL = D, "D 12.4", "Too many packets wait for this next hop."
    NEIGH_TIMEOUT = D, "D 12.4", "The next hop never answered."
    TC_EGRESS_DROP = D, "D 14.4", "Dropped by traffic control on the way out."
    NO_TX_QUEUE = D, "D 17 V72", "The worker has no queue to send on."
    TX_BURST_REJECTED = D, "D 17 V72", "The NIC did not take the packet."
    # profile ipvs (L 20)
    NAT_FORWARDED = T, "L 9", "A request, translated and sent to its real server."
    DR_FORWARDED = T, "L 9", "A request, sent as it is to the MAC of its real server."
    TUNNEL_FORWARDED = T, "L 9", "A request, sent to its real server in an outer header."
    BYPASSED = T, "L 5.5", "No cache is left: sent to where it wanted to go (cache_bypass)."
    NAT_REPLIED = T, "L 10", "An answer, translated back and forwarded to the client."
    TUNNEL_ERROR_RETURNED = T, "L 11", "An ICMP error about a tunnelled packet, turned into one for the client."
    LOCAL_REAL_SERVER = K, "L 9", "The real server is the director itself: to its own stack."
    FRAGMENT_QUEUED = H, "L 3", "A fragment that waits for the rest of its datagram."
    TUNNEL_ERROR_CONSUMED = C, "L 11", "Fragmentation needed about a tunnelled packet without DF: nobody is told."
    MARTIAN_SOURCE = D, "L 10", "A foreign packet with a source that is ours or nobody's."
    MARTIAN_DEST = D, "L 3", "For an address that is nobody's here: a group nobody joined, 0.0.0.0/8, 127.0.0.0/8."
    SOURCE_ROUTED = D, "L 9", "It has a source route, which the director does not follow."
    OPTIONS_MALFORMED = D, "L 9", "IP options that cannot be: an ICMP parameter problem was sent where one can be."
    FORWARD_TO_MANY = D, "L 3", "Transit in a broadcast or multicast frame."
    DEFENCE_DROPPED = D, "L 14", "A new connection that drop_packet took."
    NO_DEST_UNREACHABLE = (
        D,
        "L 5.5",
        "No real server, or without sh-fallback, mh-fallback not the one hashed to, can take it: port unreachable.",
    )
    PERSISTENCE_FAILED = D, "L 5.4", "The persistence engine found no session in it."
    DEST_UNAVAILABLE = D, "L 4", "The real server of its connection was deleted."
    CONNTRACK_OLD = (
        D,
        "L 4.2",
        "A SYN that connection tracking counts to the old connection: dropped with it, repeated after 1 s.",
    )
    CONNTRACK_CLASH = D, "L 12", "Behind the director it would look like another tracked connection."
    CROSSING_REFUSED = D, "L 9", "A loopback source on its way to another host."
    HELPER_FAILED = D, "L 9", "A wrong checksum in a connection with a helper."
    REAL_WITHOUT_CONN = D, "L 10", "A NAT real server that speaks without a connection, told so (nat_icmp_send)."


REASONS = {
    "not_for_host": "Broadcast, multicast or another host's: the balancer does not look at it.",
    "proto_unsupported": "Not a protocol the balancer handles.",
    "icmp_unrelated": "An ICMP message that is no error about a connection of this worker.",
    "icmp_quotes_other_protocol": "An ICMPv6 error about another protocol: the packet it quotes is what goes on.",
    "icmp_untranslated": "An ICMP error of a type that is translated for nobody's connection.",
    "icmp_quote_short": "An ICMP error that quotes too little: a look-up wants the whole quoted transport header.",
    "icmp_quote_fragment": "An ICMP error that quotes a fragment: no connection is looked for.",
    "icmp_refused": "An ICMP error about a connection, whose quoted packet the lists of its service refuse.",
    "icmp_redirected": "ICMP echo, handed to the worker that handles all of it (icmp_redirect_core).",
    "tcp_not_syn": "TCP without a connection that is not a SYN.",
    "no_service": "No service for this address and port.",
    "no_xmit_function": "An answer the balancer does not forward in this mode.",
    "redirected": "Handed to the worker that owns the connection.",
}

NAMES: tuple[str, ...] = tuple(verdict.name.lower() for verdict in Verdict)
ENTRIES: tuple[Verdict, ...] = tuple(Verdict)
PENDING = 255  # a row whose fate is not known yet
