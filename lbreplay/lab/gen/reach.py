"""Verdicts that a configuration cannot reach, each with its reason.

A line a verdict: what must be so for it to be reached. The first condition that is not is the reason. Verdicts of
which nothing is said are within reach of every configuration that has a service or an address.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from lbreplay.lab.gen.connections import FLOOD, room
from lbreplay.lab.gen.scene import reachable
from lbreplay.lab.gen.stage import own_addresses
from lbreplay.model import NOBODY, RealServer, Service, Setup
from lbreplay.verdict import NAMES
from lbreplay.wire.packet import TCP, UDP

KERNEL_FIRST = NAMES.index("nat_forwarded")  # from here on: verdicts of profile ipvs only
SHARED = (  # DPVS's verdicts that the kernel's profile has too (L 20)
    "forwarded_plain", "icmp_related_forwarded", "ethertype_unhandled", "local_to_kernel", "multicast",
    "arp_to_kernel", "own_transmit", "reply_without_conn", "direct_reply", "truncated", "vlan_error", "l3_otherhost",
    "l3_header_error", "l3_checksum", "l3_truncated", "forward_disabled", "forward_ttl", "forward_too_big",
    "icmp_malformed", "icmp_related_bad_checksum", "l4_header_short", "no_route", "frag_needed",
    "ttl_exceeded", "l4_handler_error",
)  # fmt: skip


class Ask(NamedTuple):
    """Of whom it is asked what can be reached."""

    setup: Setup
    view: str

    @property
    def services(self) -> list[Service]:
        return reachable(self.setup)

    def any(self, fits: Callable[[Service], object]) -> bool:
        """Whether some service fits, at the start or behind an event."""
        return any(fits(service) for service in self.services)

    def changes(self, *keys: str) -> bool:
        """Whether an event sets one of *keys* of a service or real server, or takes one away or adds one."""
        return any(event.action != "set" or event.path[-1] in keys for event in self.setup.events)

    def local(self, size: int) -> bool:
        return any(len(address) == size for address in own_addresses(self.setup))

    def serves(self, protocol: int) -> bool:
        return self.any(lambda service: service.protocol == protocol)


Condition = tuple[Callable[[Ask], object], str]
Rule = tuple[Condition, ...]


def _never(reason: str) -> Rule:
    return ((lambda ask: False, reason),)


def _given(ask: Ask, service: Service, real: RealServer) -> bool:
    """Whether *real* is ever given a connection; a SNAT address needs a pool."""
    pool = service.mode != "snat" or real.endpoint.address in ask.setup.local_addresses
    return pool and (real.weight > 0 or ask.changes("weight"))


def _has_v4(service: Service) -> bool:
    return service.family == 4 or _nat64(service)


def _relists(ask: Ask) -> bool:
    return ask.changes("blacklist", "whitelist")


def _deserted(service: Service) -> bool:
    """Nobody may be given a connection from the start."""
    return not any(real.weight for real in service.reals)


def _proxied(ask: Ask, service: Service) -> bool:
    return service.protocol == TCP and ask.setup.shields(service)


def _nat64(service: Service) -> bool:
    return service.family == 6 and any(len(real.endpoint.address) == 4 for real in service.reals)


def _full_room(ask: Ask) -> bool:
    return ask.any(lambda service: room(ask.setup, service) <= FLOOD)


SERVES: Condition = (
    lambda ask: ask.any(lambda s: any(_given(ask, s, real) for real in s.reals)),
    "no service has a real server that is given connections",
)
TCP_VIP: Condition = (
    lambda ask: ask.any(lambda s: s.protocol == TCP and s.vip),
    "no TCP service has a virtual address",
)
PROXIED: Condition = (lambda ask: ask.any(lambda s: _proxied(ask, s)), "no TCP service has synproxy")
PROXY_ASKS: Condition = (
    lambda ask: ask.any(lambda s: _proxied(ask, s) and not _deserted(s)), "no service with synproxy has real servers",
)  # fmt: skip
DIRECT: Condition = (lambda ask: ask.any(lambda s: s.mode in ("dr", "tunnel")), "no service forwards directly")
V4: Condition = (lambda ask: ask.local(4), "the balancer has no IPv4 address")
V6: Condition = (lambda ask: ask.local(16), "the balancer has no IPv6 address")
ROUTED: Condition = (lambda ask: ask.setup.routes, "no [[route]]: everything is reachable")
FORWARDS: Condition = (
    lambda ask: ask.setup.ipv4_forwarding or ask.setup.ipv6_forwarding, "ipv4.forwarding and ipv6.forwarding are off",
)  # fmt: skip
LIMITED: Condition = (lambda ask: ask.any(lambda s: 0 < s.limit_proportion < 100), "no service has limit_proportion")
RESOLVES: Condition = (lambda ask: ask.setup.device.resolve, "device.resolve is off: next hops are known")
SNATS: Condition = (lambda ask: ask.any(lambda s: s.mode == "snat"), "no SNAT service")
NOT_COPIED: Condition = (
    lambda ask: not ask.setup.device.forward2kni,
    "device.forward2kni: the kernel has a copy already",
)
CLIENTS: Condition = (lambda ask: ask.view == "client", "only in --view client")
TRAFFIC_CONTROL = _never("traffic control is not modelled")

DPVS: Mapping[str, Rule] = {
    "forwarded_fast": (SERVES, (lambda ask: ask.setup.conn.fast_xmit, "conn.fast_xmit is off"), (
        lambda ask: ask.any(lambda s: s.mode == "fnat" or (s.mode == "nat" and s.family == 4)) and
        not all(map(_nat64, ask.services)), "SNAT, direct modes, NAT64 and NAT of IPv6 have no fast path")),
    "forwarded_slow": (SERVES,),
    "forwarded_fragmented": (SERVES, (
        lambda ask: ask.any(lambda s: s.family == 4 and s.mode != "dr"), "only IPv4 is fragmented, and not under dr")),
    "forwarded_plain": (FORWARDS,),
    "port_untold": ((lambda ask: ask.setup.several, "one device receives every frame"),),
    "icmp_related_forwarded": (SERVES,),
    "tcp_bad_ack_rst": (
        TCP_VIP,
        (lambda ask: ask.setup.behaviour.bad_ack == "rst", 'behaviour.bad_ack is "drop" in this edition'),
    ),
    "synproxy_synack": (PROXIED, PROXY_ASKS),
    "synproxy_synack_flagged": (PROXIED, PROXY_ASKS),
    "synproxy_syn_returned": (PROXIED, PROXY_ASKS),
    "local_echo_reply": ((lambda ask: ask.local(4) or ask.local(16), "the balancer has no address"),),
    "arp_answered": (V4,),
    "nd_answered": _never("a solicitation that is answered goes on to the kernel, and ends there"),
    "kernel_route": (NOT_COPIED, (
        lambda ask: any(w.kind == "kni" for w in ask.setup.workers) and _kernel_queue(ask),
        "no queue that receives belongs to a KNI worker",
    )),
    "ethertype_unhandled": (NOT_COPIED,), "ospf": (NOT_COPIED,), "local_to_kernel": (NOT_COPIED,),
    "multicast": (NOT_COPIED,), "arp_to_kernel": (NOT_COPIED,), "nd_to_kernel": (V6, NOT_COPIED),
    "no_route_to_kernel": (ROUTED, NOT_COPIED, (
        lambda ask: not _default_route(ask.setup), "a default route takes everything",
    )),
    "tc_ingress_queued": TRAFFIC_CONTROL, "tc_ingress_drop": TRAFFIC_CONTROL, "tc_egress_drop": TRAFFIC_CONTROL,
    "synproxy_ack_accepted": (PROXIED, PROXY_ASKS),
    "synproxy_held": (PROXIED, PROXY_ASKS),
    "synproxy_reused": (PROXIED, PROXY_ASKS, (lambda ask: ask.setup.tcp.synproxy.conn_reuse, "conn_reuse is empty")),
    "synproxy_synack_consumed": (PROXIED, PROXY_ASKS),
    "synproxy_no_dest": (PROXIED, (
        lambda ask: ask.changes("weight") or ask.any(lambda s: _proxied(ask, s) and _deserted(s)),
        "every service with synproxy has real servers of some weight",
    )),
    "synproxy_acl": (PROXIED, (
        lambda ask: _relists(ask) or ask.any(lambda s: _proxied(ask, s) and _lists(s)),
        "no service with synproxy has lists",
    )),
    "synproxy_l2_unsupported": _never("every frame of a replay has an Ethernet header"),
    "synproxy_null_ack": (TCP_VIP, (lambda ask: ask.setup.tcp.synproxy.defer_rs_syn, "synproxy.defer_rs_syn is off")),
    "synproxy_not_ack": (PROXIED, PROXY_ASKS),
    "synproxy_hold_full": (PROXIED, PROXY_ASKS),
    "neigh_queued": (RESOLVES,),
    "neigh_queue_full": (RESOLVES,),
    "neigh_timeout": _never("what waits in vain keeps the verdict neigh_queued"),
    "own_transmit": ((lambda ask: ask.view == "lb", "only in --view lb"),),
    "reply_without_conn": (CLIENTS, (lambda ask: ask.any(lambda s: s.vip), "no service has a virtual address")),
    "direct_reply": (CLIENTS, DIRECT),
    "rx_port_unknown": _never("a replay has one port, and it is configured"),
    "ring_packet_to_kernel": ((lambda ask: ask.setup.conn.redirect, "conn.redirect is off"), (
        lambda ask: len(ask.setup.forwarding_workers) > 1, "one worker hands nothing over"), (
        lambda ask: ask.any(lambda s: s.mode in ("dr", "tunnel")),
        "what the owner of a connection is handed, it forwards",
    )),
    "forward2kni_to_kernel": ((lambda ask: ask.setup.device.forward2kni, "device.forward2kni is off"),),
    "l3_otherhost": ((lambda ask: ask.setup.device.mac, "device.mac is unset: every unicast frame is the balancer's"),),
    "l3_checksum": ((lambda ask: not ask.setup.device.rx_ip_checksum_offload,
                     "device.rx_ip_checksum_offload: wrong header checksums pass"),),
    "ipv6_disabled": _never("IPv6 cannot be switched off here"),
    "udp_to_tcp_vip": ((lambda ask: ask.setup.udp.defence_drop, "udp.defence_drop is off"), TCP_VIP, (
        lambda ask: _tcp_only(ask), "every virtual address of a TCP service has a UDP service too")),
    "tcp_defence": ((lambda ask: ask.setup.tcp.defence_drop, "tcp.defence_drop is off"), TCP_VIP),
    "icmp_local_invalid": ((lambda ask: ask.local(4) or ask.local(16), "the balancer has no address"),),
    "v6_no_next_header": (V6,),
    "tunnel_input": (V4,),
    "forward_disabled": ((
        lambda ask: not (ask.setup.ipv4_forwarding and ask.setup.ipv6_forwarding), "forwarding is on"),),
    "nd_invalid": (V6,),
    "icmp_malformed": (),
    "icmp_related_bad_checksum": (SERVES,),
    "icmp_related_rate_limited": (LIMITED, SERVES),
    "icmp_related_no_route": (SERVES, (lambda ask: _strands(ask), "every client has a route")),
    "icmp_related_too_big": (SERVES, (
        lambda ask: ask.any(lambda s: s.mode in ("dr", "tunnel") or s.family == 6),
        "errors over IPv4 are fragmented, and there is no other service",
    )),
    "icmp_related_no_out_xmit": ((
        lambda ask: ask.any(lambda s: s.mode in ("dr", "tunnel")), "no service forwards directly"),),
    "acl_blacklist": ((lambda ask: ask.changes("blacklist") or ask.any(lambda s: s.blacklist != NOBODY),
                       "no service has a blacklist"),),
    "acl_whitelist": ((lambda ask: ask.changes("whitelist") or ask.any(lambda s: s.whitelist != NOBODY),
                       "no service has a whitelist"),),
    "redirect_ring_full": _never("rings between workers have no end here"),
    "l4_header_short": (),
    "tcp_bad_ack_drop": (TCP_VIP,),
    "no_dest": ((lambda ask: ask.changes("weight") or ask.any(_deserted) or ask.any(_limited),
                 "every service has a real server of some weight and without limit"),),
    "conn_pool_empty": (SERVES, (
        lambda ask: ask.setup.conn.pool_size <= FLOOD and _full_room(ask),
        "it takes conn.pool_size connections, more than a generated case opens",
    )),
    "dest_max_conn": ((lambda ask: ask.changes("max_conn") or ask.any(_limited), "no real server has max_conn"),),
    "laddr_none": _never("a full-NAT service without laddr is refused as a configuration"),
    "laddr_port_exhausted": ((lambda ask: ask.any(lambda s: s.mode == "fnat" and s.reals), "no full-NAT service"), (
        lambda ask: ask.any(lambda s: (s.mode == "fnat" and room(ask.setup, s) <= FLOOD < ask.setup.conn.pool_size)
                            or (s.mode == "fnat" and room(ask.setup, s) < ask.setup.conn.pool_size <= FLOOD)),
        "it takes more connections than a generated case opens",
    )),
    "laddr_proto_unsupported": _never("a full-NAT service has TCP, UDP or SCTP: others are refused as a configuration"),
    "snat_port_exhausted": (SNATS, (
        lambda ask: ask.any(lambda s: s.mode == "snat" and room(ask.setup, s) <= FLOOD),
        "it takes more connections than a generated case opens",
    )),
    "snat_addr_without_pool": (SNATS, (
        lambda ask: ask.any(lambda s: s.mode == "snat" and any(
            r.endpoint.address not in ask.setup.local_addresses for r in s.reals)), "every SNAT address has a pool",
    )),
    "template_conn_failed": ((lambda ask: ask.any(lambda s: s.persistent), "no service is persistent"), (
        lambda ask: ask.setup.conn.pool_size <= FLOOD or ask.any(lambda s: s.persistent and _limited(s)),
        "neither the pool of connections nor a real server of a persistent service is full",
    )),
    "quiescent": ((lambda ask: ask.changes("weight"), "no event takes a real server out"), (
        lambda ask: ask.any(lambda s: s.expire_quiescent or (s.persistent and ask.setup.behaviour.quiescent == "conn")),
        "no service has expire_quiescent or, in an edition where that is the same, persistence",
    )),
    "rate_limit_in": (LIMITED, SERVES),
    "rate_limit_out": (LIMITED, SERVES),
    "dest_missing": _never("a connection keeps its real server as long as it lives"),
    "too_big": ((lambda ask: ask.any(lambda s: s.family == 6), "no IPv6 service"), SERVES),
    "frag_needed": ((lambda ask: ask.any(_has_v4), "no IPv4 service or real server"), SERVES),
    "l4_handler_error": ((lambda ask: ask.any(lambda s: s.protocol != UDP and s.mode not in ("dr", "tunnel")),
                          "no TCP or SCTP service that translates"), SERVES),
    "ttl_exceeded": ((lambda ask: ask.setup.conn.xmit_ttl, "conn.xmit_ttl is off"), SERVES),
    "nat64_unsupported": ((lambda ask: ask.any(_nat64), "no IPv6 service has an IPv4 real server"),),
    "uoa_error": _never("an address that does not fit is left out, or sent before the datagram"),
    "v6_output_too_big": ((lambda ask: ask.local(16), "no IPv6 address or service"),),
    "no_tx_queue": _never("every worker has a queue to send on"),
    "tx_burst_rejected": _never("the NIC of a replay takes every packet"),
}  # fmt: skip


def _uses(mode: str) -> Condition:
    return lambda ask: ask.any(lambda s: mode in (s.mode, *(r.mode for r in s.reals))), f"nobody is served by {mode}"


def _sets(ask: Ask, name: str) -> bool:
    return any(event.path[-1] == name for event in ask.setup.events)


def _sysctl(name: str) -> Condition:
    return lambda ask: ask.setup.ipvs.get(name) or _sets(ask, name), f"ipvs.{name} is off"


def _newer(reason: str) -> Condition:
    return lambda ask: ask.setup.edition != "2.6", f"in edition 2.6 {reason}"


NATS = _uses("nat")
TRACKED: Condition = (lambda ask: ask.setup.ipvs.get("tracking") or ask.setup.ipvs.get("conntrack")
                      or ask.setup.ipvs.get("modules"), "no connection tracking")  # fmt: skip

IPVS: Mapping[str, Rule] = {
    "own_transmit": DPVS["own_transmit"],
    "reply_without_conn": DPVS["reply_without_conn"],
    "direct_reply": DPVS["direct_reply"],
    "forwarded_plain": (FORWARDS,),
    "l3_otherhost": DPVS["l3_otherhost"],
    "l3_checksum": (),
    "forward_disabled": DPVS["forward_disabled"],
    "no_route": (ROUTED, (lambda ask: not _default_route(ask.setup), "a default route takes everything")),
    "l4_handler_error": (NATS,),
    "nat_forwarded": (NATS,),
    "nat_replied": (NATS,),
    "dr_forwarded": (_uses("dr"),),
    "tunnel_forwarded": (_uses("tunnel"),),
    "bypassed": (_sysctl("cache_bypass"), (lambda ask: ask.any(lambda s: s.fwmark), "no firewall-mark service")),
    "tunnel_error_returned": (_uses("tunnel"), _newer("errors about tunnelled packets are nobody's")),
    "tunnel_error_consumed": (_uses("tunnel"), _newer("errors about tunnelled packets are nobody's")),
    "local_real_server": (
        (
            lambda ask: ask.any(lambda s: any(r.endpoint.address in own_addresses(ask.setup) for r in s.reals)),
            "no real server is the director itself",
        ),
    ),
    "source_routed": (V4,),
    "options_malformed": (V4,),
    "martian_dest": (),
    "defence_dropped": (
        (lambda ask: ask.setup.ipvs.get("drop_packet") == 3 or _sets(ask, "drop_packet"), "ipvs.drop_packet is not 3"),
    ),
    "no_dest_unreachable": (
        (
            lambda ask: (
                ask.changes("weight")
                or ask.any(_deserted)
                or ask.any(_limited)
                or ask.any(lambda s: s.vip is not None and s.vip.port == 0 and not s.persistent)
            ),
            "every service has a real server of some weight and without threshold",
        ),
    ),
    "persistence_failed": ((lambda ask: ask.any(lambda s: s.persistence_engine), "no persistence engine"),),
    "dest_unavailable": (
        (lambda ask: any(e.action == "remove" for e in ask.setup.events), "no event removes a real server"),
    ),
    "conntrack_old": (TRACKED, (lambda ask: ask.serves(TCP), "no TCP service")),
    "conntrack_clash": (TRACKED, NATS),
    "crossing_refused": _never("packets with a loopback source are martians before"),
    "helper_failed": (
        NATS,
        (
            lambda ask: ask.setup.ipvs.get("modules") or (ask.view != "client" and ask.any(lambda s: s.family == 6)),
            "no helper, and no answer over IPv6 that comes in fragments",
        ),
    ),
    "real_without_conn": (_sysctl("nat_icmp_send"),),
}


def _lists(service: Service) -> bool:
    return NOBODY not in (service.blacklist, service.whitelist) or service.blacklist != service.whitelist


def _limited(service: Service) -> bool:
    return any(real.max_conn for real in service.reals)


def _kernel_queue(ask: Ask) -> bool:
    kernel = {queue for worker in ask.setup.workers if worker.kind == "kni" for queue in worker.queues}
    reta = ask.setup.device.reta
    return bool(kernel & set(reta)) if reta is not None else True


def _default_route(setup: Setup) -> bool:
    """Whether both families have a route that takes everything."""
    return {len(route.to.address) for route in setup.routes if route.to.prefix == 0} == {4, 16}


def _strands(ask: Ask) -> bool:
    """Whether a service has clients that no route leads back to."""
    default = {len(route.to.address) for route in ask.setup.routes if route.to.prefix == 0}
    return bool(ask.setup.routes) and ask.any(lambda s: (4 if s.family == 4 else 16) not in default)


def _tcp_only(ask: Ask) -> bool:
    tcp = {s.vip.address for s in ask.services if s.vip and s.protocol == TCP}
    return bool(tcp - {s.vip.address for s in ask.services if s.vip and s.protocol == UDP})


def unreachable(setup: Setup, view: str) -> dict[str, str]:
    """Verdict -> why no capture reaches it under *setup*, in the order of the verdicts."""
    ask = Ask(setup, view)
    found = {}
    for number, name in enumerate(NAMES):
        reason = _reason(ask, name, number)
        if reason:
            found[name] = reason
    return found


def _reason(ask: Ask, name: str, number: int) -> str:
    kernel = ask.setup.profile == "ipvs"
    if kernel != (number >= KERNEL_FIRST) and not (kernel and name in SHARED):
        return f"only profile {'dpvs' if kernel else 'ipvs'}"
    rule = (IPVS if kernel else DPVS).get(name, ())
    return next((reason for holds, reason in rule if not holds(ask)), "")
