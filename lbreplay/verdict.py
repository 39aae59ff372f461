"""The verdicts: one name for every way a frame can end, with its fate, its sentence and its section.

Interface 4 gives the six fates and which verdict belongs to which; D 17 gives the names. A frame gets exactly one
final verdict. REASONS are never final: they say why the balancer let go of a packet, and stand in the trace beside
the verdict of what happened afterwards. A new way to end is one line here; counters and reports follow by themselves.
"""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple


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


class Entry(NamedTuple):
    fate: Fate
    section: str
    sentence: str


T, K, D, H, C, N = Fate
_TABLE: dict[str, tuple[Fate, str, str]] = {
    # transmitted
    "forwarded_fast": (T, "D 12.3", "Translated and sent straight with the MAC addresses the connection learned."),
    "forwarded_slow": (T, "D 12.1", "Translated and sent by route and neighbour."),
    "forwarded_fragmented": (T, "D 12.4", "Translated, longer than the MTU, sent in fragments."),
    "forwarded_plain": (T, "D 1.6", "Not the balancer's: forwarded by route with its TTL lowered."),
    "icmp_related_forwarded": (T, "D 9.1", "An ICMP error about a connection, translated and sent on."),
    "tcp_bad_ack_rst": (T, "D 5.1", "An ACK to a service without a connection or valid cookie, answered with RST."),
    "synproxy_synack": (T, "D 6.1", "A SYN to a SYN-proxy service, answered with SYN|ACK and a cookie."),
    "local_echo_reply": (T, "D 1.6", "An echo request to an address of the balancer, answered."),
    "arp_answered": (T, "S 3.5", "An ARP request for an address of the balancer, answered."),
    "nd_answered": (T, "S 4.7", "A neighbour solicitation for an address of the balancer, answered."),
    # to the kernel
    "ethertype_unhandled": (K, "D 1.2", "No handler for this ethertype: to the kernel."),
    "ospf": (K, "D 1.3", "OSPF goes to the kernel before all hooks."),
    "local_to_kernel": (K, "D 1.6", "For an address of the balancer, but no connection and no handler: to the kernel."),
    "kernel_route": (K, "D 1.6", "The route of this destination belongs to the kernel, or the frame came to a kernel queue."),
    "no_route_to_kernel": (K, "D 1.6", "No route to this destination: to the kernel."),
    "multicast": (K, "D 1.6", "Broadcast or multicast that nothing here listens to: to the kernel."),
    "arp_to_kernel": (K, "S 3.5", "ARP that is not a request for an address of the balancer: to the kernel."),
    "nd_to_kernel": (K, "S 4.7", "Neighbour discovery that is not answered here: to the kernel."),
    # held
    "tc_ingress_queued": (H, "D 14.4", "Queued by traffic control."),
    "synproxy_ack_accepted": (H, "D 6.2", "An ACK with a valid cookie: held, and a SYN sent to the real server."),
    "synproxy_held": (H, "D 6.3", "Held until the real server answers the SYN."),
    "synproxy_reused": (H, "D 6.4", "An ACK with a valid cookie on a closed connection: held, a new SYN sent."),
    "neigh_queued": (H, "D 12.4", "Waits for the MAC address of the next hop."),
    # consumed
    "synproxy_synack_consumed": (C, "D 6.3", "The real server's SYN|ACK, which releases the held packets."),
    # ignored
    "own_transmit": (N, "interface 3", "The balancer's own transmission in the capture: not received."),
    "reply_without_conn": (N, "interface 3", "An answer of the virtual address whose connection nobody has."),
    "direct_reply": (N, "interface 3", "An answer that does not pass the balancer (direct routing, tunnel)."),
    # dropped before the balancer
    "truncated": (D, "interface 4", "The capture cut the frame before a header that is needed."),
    "rx_port_unknown": (D, "D 1.2", "Received on a port nobody configured."),
    "tc_ingress_drop": (D, "D 14.4", "Dropped by traffic control."),
    "vlan_error": (D, "D 1.2", "Tagged for a VLAN without a device."),
    "ring_packet_to_kernel": (D, "D 1.2", "Redirected and then for the kernel: freed silently."),
    "forward2kni_to_kernel": (D, "D 1.2", "For the kernel, which has a copy already: freed silently."),
    "l3_otherhost": (D, "D 1.3", "IP to the MAC address of another host."),
    "l3_header_error": (D, "D 1.3", "An IP header that cannot be."),
    "l3_checksum": (D, "D 1.3", "The checksum of the IP header is wrong."),
    "l3_truncated": (D, "D 1.3", "Shorter than the IP header says."),
    "ipv6_disabled": (D, "D 1.4", "IPv6 is switched off."),
    "fragment_v4": (D, "D 1.5", "IPv4 fragments are dropped before everything else."),
    "udp_to_tcp_vip": (D, "D 1.5", "UDP to an address that only has TCP services (defence_drop)."),
    "tcp_header_short": (D, "D 1.5", "TCP without a whole header."),
    "arp_bad_opcode": (D, "S 3.5", "ARP that is neither request nor reply."),
    "icmp_local_invalid": (D, "S 4.4", "An echo request with a wrong code or checksum."),
    "v6_no_next_header": (D, "D 1.6", "IPv6 without a next header, for an address of the balancer."),
    "tunnel_input": (D, "D 1.6", "A tunnel packet for a tunnel nobody configured."),
    "forward_disabled": (D, "D 1.6", "Transit, and forwarding is off."),
    "forward_ttl": (D, "S 4.5", "Transit whose TTL ran out: an ICMP error was sent."),
    "forward_too_big": (D, "S 4.5", "Transit longer than the MTU: an ICMP error was sent."),
    "nd_invalid": (D, "S 4.7", "Neighbour discovery that is malformed."),
    # dropped by the balancer
    "synproxy_no_dest": (D, "D 6.1", "A SYN to a SYN-proxy service whose real servers all have weight 0."),
    "synproxy_acl": (D, "D 6.1", "A SYN to a SYN-proxy service from a source its lists refuse."),
    "synproxy_l2_unsupported": (D, "D 6.1", "A SYN to a SYN-proxy service with a link header of another length."),
    "synproxy_null_ack": (D, "D 6.2", "An ACK without payload while the SYN to the real server is deferred."),
    "synproxy_not_ack": (D, "D 6.3", "Not an ACK while the real server has not answered the SYN."),
    "synproxy_hold_full": (D, "D 6.3", "More packets held than allowed."),
    "icmp_malformed": (D, "D 9.1", "An ICMP error that cannot be read."),
    "icmp_related_bad_checksum": (D, "D 9.1", "An ICMP error about a connection with a wrong checksum."),
    "icmp_related_rate_limited": (D, "D 9.1", "An ICMP error about a connection, over the limit."),
    "icmp_related_no_route": (D, "D 17 V26", "An ICMP error about a connection without a route to go on."),
    "icmp_related_too_big": (D, "D 17 V26", "An ICMP error about a connection, longer than the MTU."),
    "icmp_related_no_out_xmit": (D, "D 17 V26", "An ICMP error from a real server that answers clients directly."),
    "acl_blacklist": (D, "D 14.2", "The source is on the service's blacklist."),
    "acl_whitelist": (D, "D 14.2", "The source is not on the service's whitelist."),
    "redirect_ring_full": (D, "D 4.4", "The ring to the owner of the connection was full."),
    "l4_header_short": (D, "D 4.1", "The transport header is not whole."),
    "tcp_bad_ack_drop": (D, "D 15", "An ACK without a connection or valid cookie, dropped."),
    "tcp_defence": (D, "D 5.1", "TCP without a connection to an address with TCP services (defence_drop)."),
    "no_dest": (D, "D 10.2", "The scheduler found no real server."),
    "conn_pool_empty": (D, "D 2.4", "The pool of connections is empty."),
    "dest_max_conn": (D, "D 2.8", "The chosen real server has all the connections it may have."),
    "laddr_none": (D, "D 11.1", "The service has no local address."),
    "laddr_port_exhausted": (D, "D 11.1", "No local port is left on this worker for this real server."),
    "laddr_proto_unsupported": (D, "D 11.1", "Full NAT cannot bind a local address for this protocol."),
    "snat_port_exhausted": (D, "D 11.3", "The SNAT address has no port left on this worker for this peer."),
    "snat_addr_without_pool": (D, "D 11.3", "The SNAT address has no port pool."),
    "template_conn_failed": (D, "D 2.7", "The persistence template could not be made."),
    "quiescent": (D, "D 1.5", "The real server is gone or has weight 0: the connection ends."),
    "rate_limit_in": (D, "D 14.1", "Over the service's limit_proportion, from the client."),
    "rate_limit_out": (D, "D 14.1", "Over the service's limit_proportion, from the real server."),
    "dest_missing": (D, "D 1.5", "The connection has no real server."),
    "no_route": (D, "D 12.1", "No route to where the translated packet goes."),
    "frag_needed": (D, "D 12.1", "Longer than the MTU with DF: an ICMP error was sent where one can be."),
    "too_big": (D, "D 12.1", "IPv6 longer than the MTU: an ICMPv6 error was sent where one can be."),
    "ttl_exceeded": (D, "D 12.2", "The TTL ran out (xmit_ttl): an ICMP error was sent."),
    "l4_handler_error": (D, "D 17 V66", "The transport header could not be translated."),
    "nat64_unsupported": (D, "D 12.5", "NAT64 cannot translate extension headers or IPv4 options."),
    "uoa_error": (D, "D 7.4", "The client's address could not be put into the datagram."),
    "v6_output_too_big": (D, "D 12.4", "IPv6 that grew longer than the MTU."),
    "neigh_queue_full": (D, "D 12.4", "Too many packets wait for this next hop."),
    "neigh_timeout": (D, "D 12.4", "The next hop never answered."),
    "tc_egress_drop": (D, "D 14.4", "Dropped by traffic control on the way out."),
    "no_tx_queue": (D, "D 17 V72", "The worker has no queue to send on."),
    "tx_burst_rejected": (D, "D 17 V72", "The NIC did not take the packet."),
}

REASONS = {
    "not_for_host": "Broadcast, multicast or another host's: the balancer does not look at it.",
    "proto_unsupported": "Not a protocol the balancer handles.",
    "icmp_unrelated": "An ICMP message about no connection on this worker.",
    "tcp_not_syn": "TCP without a connection that is not a SYN.",
    "no_service": "No service for this address and port.",
    "no_xmit_function": "An answer the balancer does not forward in this mode.",
    "redirected": "Handed to the worker that owns the connection.",
}

NAMES: tuple[str, ...] = tuple(_TABLE)
ENTRIES: tuple[Entry, ...] = tuple(Entry(*row) for row in _TABLE.values())

Verdict = IntEnum("Verdict", {name.upper(): code for code, name in enumerate(NAMES)})  # type: ignore[misc]
PENDING = 255  # a row whose fate is not known yet
