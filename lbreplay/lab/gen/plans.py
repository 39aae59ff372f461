"""What there is to show of a configuration: a line a case, about one thing each.

A plan of a service is played once for each service that it applies to, a plan of the network once. Sentences are the
descriptions of the cases; `{service}` is filled in.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from lbreplay.lab.gen import connections, network, packets
from lbreplay.lab.gen.connections import FLOOD, room
from lbreplay.lab.gen.scene import Scene
from lbreplay.model import NOBODY, Service, Setup
from lbreplay.wire.packet import ICMP, ICMPV6, SCTP, TCP, UDP


class OfService(NamedTuple):
    """`applies` to a service under a setup; `play` puts it on the stage."""

    name: str
    sentence: str
    play: Callable[[Scene, Service], None]
    applies: Callable[[Setup, Service], bool] = lambda setup, service: True


class OfNetwork(NamedTuple):
    """The same for all services together."""

    name: str
    sentence: str
    play: Callable[[Scene, list[Service]], None]
    applies: Callable[[Setup], bool] = lambda setup: True


def _limited(setup: Setup, service: Service) -> bool:
    return bool(service.limit_proportion or any(real.max_conn for real in service.reals))


def _listed(setup: Setup, service: Service) -> bool:
    return service.blacklist != NOBODY or service.whitelist != NOBODY


def _fills(setup: Setup, service: Service) -> bool:
    return setup.profile == "dpvs" and room(setup, service) <= FLOOD


OF_SERVICE = (
    OfService("life", "Connections of {service} opened, talked and closed by either side, on every worker.",
              connections.life),
    OfService("aborts", "Connections of {service} refused and reset by either side.", connections.aborts,
              lambda setup, service: service.protocol in (TCP, SCTP)),
    OfService("states-in", "Everything a client of {service} can say in every state of a connection.",
              connections.per_side(0)),
    OfService("states-out", "Everything a real server of {service} can say in every state of a connection.",
              connections.per_side(1), lambda setup, service: service.mode not in ("dr", "tunnel")),
    OfService("timeouts", "Idle connections of {service} just before and just behind each state's timeout.",
              connections.timeouts),
    OfService("reuse", "The same client of {service} again, in each closing state and after the timeouts.",
              connections.reuse),
    OfService("turnover", "The scheduler of {service} through all its real servers twice, some clients leaving.",
              connections.turnover, lambda setup, service: bool(service.reals)),
    OfService("persistence", "Clients of {service} stay with a real server until its template expires.",
              connections.persistence, lambda setup, service: service.persistent is not None),
    OfService("lists", "Sources on the lists of {service}, at their edges, and on none.", connections.lists, _listed),
    OfService("limits", "More packets and connections than {service} may have.", connections.limits, _limited),
    OfService("fill", "One connection of {service} more than fit.", connections.fill, _fills),
    OfService("synproxy", "The SYN-proxy of {service}: cookies, waiting, retries, and new handshakes.",
              connections.syn_proxy, lambda setup, service: service.protocol == TCP and setup.profile == "dpvs"
              and setup.shields(service)),
    OfService("dest-check", "Real servers of {service} that fail are taken out and come back.", connections.dest_check,
              lambda setup, service: service.dest_check is not None),
    OfService("first-packets", "What opens a connection of {service} and what does not.", packets.first_packets),
    OfService("odd", "Packets of {service} with unusual headers, wrong checksums, other MACs, cut short.", packets.odd),
    OfService("sizes", "Packets of {service} about as long as the MTU and longer, with and without DF.", packets.sizes),
    OfService("fragments", "Packets of {service} in fragments.", packets.fragments),
    OfService("errors", "ICMP errors about connections of {service}, from both sides.", packets.errors),
    OfService("quic", "QUIC connection ids of {service}.", packets.quic,
              lambda setup, service: service.protocol == UDP and (service.quic or service.hash_target == "quic")),
    OfService("proxy-header", "Clients of {service} that bring a proxy protocol header.", packets.proxy_header,
              lambda setup, service: service.proxy_protocol != "off"),
    OfService("helper", "FTP's data connections of {service}.", packets.helper,
              lambda setup, service: setup.profile == "ipvs" and service.protocol == TCP and service.family == 4
              and service.vip is not None and service.vip.port == 21),
)  # fmt: skip

OF_NETWORK = (
    OfNetwork("events", "Connections before, between and after the configuration's events.", connections.events,
              lambda setup: any(event.at_ns >= 0 for event in setup.events)),
    OfNetwork("rules", "A packet for every rule of the NIC.", network.rules, lambda setup: setup.profile == "dpvs"),
    OfNetwork("entries", "A client through every entry of the redirection table.", network.entries,
              lambda setup: setup.profile == "dpvs" and bool(setup.services)),
    OfNetwork("wanderers", "Answers that the NIC gives to another worker than the connection's.", network.wanderers,
              lambda setup: len(setup.forwarding_workers) > 1),
    OfNetwork("unrouted", "Clients that no route leads back to.", network.unrouted, lambda setup: bool(setup.routes)),
    OfNetwork("echo-out", "Echo requests from inside, answered (SNAT).", packets.icmp_flows,
              lambda setup: any(s.match is not None and s.protocol in (ICMP, ICMPV6) for s in setup.services)),
    OfNetwork("strays", "Packets to and from the balancer's addresses that belong to nothing.", network.strays),
    OfNetwork("link", "ARP, VLAN tags, groups, and frames for others.", network.link),
    OfNetwork("ip-input", "IP headers that are broken, cut or impossible.", network.ip_input),
    OfNetwork("icmp", "ICMP messages to the balancer.", network.icmp),
    OfNetwork("discovery", "Neighbour discovery, right and malformed.", network.discovery),
    OfNetwork("transit", "Packets on their way to somebody else.", network.transit),
    OfNetwork("neighbours", "Next hops that do not answer, and then do.", network.neighbours,
              lambda setup: setup.device.resolve),
)  # fmt: skip
