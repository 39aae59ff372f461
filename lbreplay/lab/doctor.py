"""Judging a configuration without a capture: what will go wrong, why, and what cures it (S 2.7, S 6, D 2.8, D 11).

`LINTS` is the table: a line a mistake, with what it leads to and its cure; `lab/lints.py` finds the places. A mistake
that sends answers to another worker breaks connections only where no worker helps the other: with redirect or a
shared connection table it costs a hop, and is a warning.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from lbreplay.lab import lints, port_lints
from lbreplay.lab.lints import Spot
from lbreplay.model import Setup

ERROR, WARNING = "error", "warning"
HOP = "each of these answers takes one more hop, as redirect or the shared table allows"
NO_POOL = "DPVS makes no pool while flow_director.enabled is true; without rules the answers take one more hop"


class Finding(NamedTuple):
    """A mistake at a place: `where` is a key path, `leads_to` what follows, `cure` what to do."""

    code: str
    severity: str  # ERROR or WARNING
    where: str
    what: str
    leads_to: str
    cure: str
    source: str  # sections of the dossiers


class Lint(NamedTuple):
    """A kind of mistake. Texts are filled in by what a Spot knows.

    `helped`: what it leads to where workers help each other; it is a warning then.
    """

    code: str
    severity: str
    find: Callable[[Setup], Iterator[Spot]]
    leads_to: str
    cure: str
    source: str
    helped: str = ""
    each_port: bool = False  # asked of each of several ports by itself


LINTS = (
    Lint(
        "mask-byte-order", ERROR, lints.mask_byte_order,
        "the NIC compares bits {bits} of the port; {lost} of the answers reach another worker, and a NIC that refuses "
        "equal rules lets one worker only open connections",
        'flow_director.byte_order = "network": the mask in network order (htons), as DPDK takes it since 16.04',
        "S 2.4, S 2.7", helped=HOP,
    ),
    Lint(
        "mask-narrow", ERROR, lints.mask_narrow,
        "the rules of several ranks are equal and the lowest wins: {lost} of the answers reach another worker; a NIC "
        "that refuses equal rules leaves those workers without local ports",
        "flow_director.dst_port_mask = {right} (or \"auto\")",
        "S 2.7", helped=HOP,
    ),
    Lint(
        "mask-wide", ERROR, lints.mask_wide,
        "ports with an extra bit set meet no rule and follow RSS: {lost} of the answers reach another worker",
        "flow_director.dst_port_mask = {right} (or \"auto\")",
        "S 2.7", helped=HOP,
    ),
    Lint(
        "mask-wrong-bits", ERROR, lints.mask_wrong_bits,
        "the compared bits are not those of the rank: {lost} of the answers reach another worker",
        "flow_director.dst_port_mask = {right} (or \"auto\")",
        "S 2.4, S 2.7", helped=HOP,
    ),
    Lint(
        "no-port-rules", ERROR, lints.no_port_rules,
        "answers follow RSS: {lost} of the connections never see theirs, and a retry from another port may work",
        "flow_director.enabled = true, or conn.redirect = true, or one worker",
        "S 2.7, S 2.8", helped=HOP,
    ),
    Lint(
        "ports-unowned", ERROR, lints.ports_unowned,
        "two workers may bind the same local port towards the same real server, which takes both for one connection",
        'flow_director.strategy = "port-low"; redirect does not help here',
        "S 2.2",
    ),
    Lint(
        "nic-no-rules", ERROR, lints.nic_refuses("no-rules"),
        "DPVS makes no pool for these addresses, or without rules {lost} of the answers reach another worker "
        "(device.enforce = true replays that)",
        "flow_director.enabled = false with conn.redirect = true, flow_director.strategy = \"rss-port\", one worker, "
        "or a NIC with port masks (mlx5, ixgbe)",
        "S 2.4, S 2.5, S 2.7", helped=NO_POOL, each_port=True,
    ),
    Lint(
        "nic-port-mask", ERROR, lints.nic_refuses("port-mask"),
        "no answer meets a rule: {lost} of them reach another worker (device.enforce = true replays that)",
        'flow_director.strategy = "laddr" (rules without ports, a local address or more a worker), '
        "flow_director.enabled = false with conn.redirect = true, or a NIC with port masks (mlx5, ixgbe)",
        "S 2.4, S 2.5", helped=NO_POOL, each_port=True,
    ),
    Lint(
        "nic-ipv6", ERROR, lints.nic_refuses("ipv6"),
        "the pools of these addresses are not made and IPv6 full NAT fails",
        "fdir_mode signature (then IPv6 local addresses only), or mlx5",
        "S 2.4, S 2.5", each_port=True,
    ),
    Lint(
        "nic-bond", ERROR, lints.nic_refuses("bond"),
        "a pool has four rule handles and each protocol takes one a slave: no worker gets the pool",
        "at most two slaves",
        "S 2.5", each_port=True,
    ),
    Lint(
        "nic-one-mask", ERROR, lints.nic_refuses("one-mask"),
        "the port has one mask for all its rules; those with another are refused",
        "one strategy, one mask for all local addresses",
        "S 2.5", each_port=True,
    ),
    Lint(
        "nic-rule-count", ERROR, lints.nic_refuses("count"),
        "the pools of the last local addresses are missing on some workers, and their connections fail there",
        "fewer local addresses or workers (rules = local addresses x workers x 2), or pballoc 128k or 256k",
        "S 2.4, S 2.7", each_port=True,
    ),
    Lint(
        "sctp-no-rules", ERROR, lints.sctp_without_rules,
        "NICs get no rules for SCTP, so answers follow RSS: {lost} of the connections never see theirs",
        "conn.redirect = true, or one worker",
        "S 2.3, S 2.6", helped=HOP,
    ),
    Lint(
        "icmp-no-rules", ERROR, lints.icmp_without_rules,
        "no rule of a NIC is about ICMP, so echo replies follow RSS over another pair of addresses: {lost} of them "
        "reach a worker that does not have their session",
        "conn.redirect = true, {core}device.rss = \"tcp|udp\" (ICMP then all comes to queue 0), or one worker",
        "S 2.6, D 9.2", helped=HOP,
    ),
    Lint(
        "nat-many-workers", ERROR, lints.nat_with_many_workers,
        "answers of real servers carry the client's address, which RSS hashes anew: {lost} of the connections fail",
        'conn.redirect = true, one worker, or mode = "fnat"',
        "S 2.6", helped=HOP,
    ),
    Lint(
        "synproxy-direct", ERROR, lints.synproxy_without_answers,
        "the SYN proxy waits for the real server's SYN|ACK, which goes straight to the client: every connection hangs",
        'mode = "fnat" (or "nat"), or synproxy = false',
        "D 6.3",
    ),
    Lint(
        "one-packet-no-way-back", ERROR, lints.one_packet_without_answers,
        "a connection of one packet is never in a table, so answers find nobody: no client gets one",
        'one_packet = false, or mode = "dr" or "tunnel", whose answers do not pass the balancer',
        "D 2.3",
    ),
    Lint(
        "port-zero", ERROR, lints.services_on_any_port,
        "DPVS looks a service up by its exact port: nothing is ever forwarded",
        "a service for each port; the kernel's IPVS knows services of any port",
        "D 10.1",
    ),
    Lint(
        "list-on-match", WARNING, lints.lists_of_match_services,
        "lists are looked up by virtual address and port, which such a service does not have: nobody is refused",
        "a narrower src-range in the match, or a filter in front",
        "D 14.2",
    ),
    Lint(
        "tunnel-source", WARNING, lints.tunnels_from_nobody,
        "the outer source is 0.0.0.0, which the real server's host drops as a martian",
        "source = ADDRESS in the [[route]] there, or device.address = ADDRESS/PREFIX of that network",
        "D 12.1",
    ),
    Lint(
        "direct-through-router", ERROR, lints.direct_routing_through_routers,
        "{so}",
        'real servers on the balancer\'s own network, or mode = "tunnel" or "fnat"',
        "D 12.1, L 9",
    ),
    Lint(
        "real-without-route", ERROR, lints.real_servers_without_route,
        "every packet to it is dropped: no_route",
        "a [[route]] there (dpip route add), or device.address with the prefix of its network",
        "D 12.1, L 9",
    ),
    Lint(
        "weights-ignored", WARNING, lints.weights_of_no_effect,
        "each real server gets the same share, whatever its weight above 0",
        'scheduler = "wrr", or wlc',
        "D 10.3, L 13",
    ),
    Lint(
        "ftp-without-data", WARNING, lints.ftp_of_dpvs,
        "DPVS has no helper for FTP: the addresses in PORT and PASV stay, and data connections meet no service",
        "a service for each port of the passive range, persistent; or the kernel's IPVS with ip_vs_ftp",
        "D 10.1",
    ),
    Lint(
        "nat-one-network", WARNING, lints.real_servers_beside_clients,
        "a client of this network gets the real server's answer straight, past the director, from an address that it "
        "never asked",
        'mode = "fnat" or "dr", or real servers on a network of their own with the director as their gateway',
        "S 2.6, L 10",
    ),
    Lint(
        "rss-unhashed", WARNING, lints.unhashed_services,
        "all frames of clients arrive at queue 0: one worker carries these services, the others idle",
        "device.rss = {rss}",
        "S 1.4, S 1.6, S 2.7", each_port=True,
    ),
    Lint(
        "rss-port-pairs", ERROR, lints.rss_port_over_addresses,
        "the answers of a real server to a local address all reach one worker, so the others find no port that fits",
        'device.rss = "all"',
        "S 1.4", each_port=True,
    ),
    Lint(
        "rank-not-power-of-two", WARNING, lints.orphan_ports,
        "{orphans} of {ports} local ports of every address belong to nobody; nothing is steered wrong",
        "workers = {down} or {up}: {down} workers own all {ports}",
        "S 2.2, S 2.7",
    ),
    Lint(
        "worker-without-ports", ERROR, lints.workers_without_ports,
        "they open no connection of this service: laddr_port_exhausted, for {share} of its clients",
        "{cure}",
        "S 2.2, D 11",
    ),
    Lint(
        "laddr-is-vip", ERROR, lints.laddr_is_vip,
        "clients' packets meet the rules of the local address: port {port} sends the whole service to worker {rank}",
        "a local address of its own",
        "S 2.7",
    ),
    Lint(
        "no-laddr", ERROR, lints.services_without_laddr,
        "no connection can be made: laddr_none",
        "service.laddr = [...] (ipvsadm -P)",
        "D 11.1",
    ),
    Lint(
        "snat-without-pool", ERROR, lints.snat_without_pool,
        "the address has no ports to give: snat_addr_without_pool",
        "device.sapool_address = [...] (dpip addr add ... sapool)",
        "D 11.2, S 2.7",
    ),
    Lint(
        "laddr-beyond-trials", WARNING, lints.many_laddrs,
        "a connection tries 16 of them at most: it can fail while others have ports",
        "16 local addresses a service, or fewer that are never full",
        "S 2.3, D 11.1",
    ),
    Lint(
        "shared-bucket", WARNING, lints.shared_buckets,
        "they share the bucket's ports: together {room} connections at a time, not as many each",
        "{cure}",
        "S 2.3, D 11.3",
    ),
    Lint(
        "max-conn-unlimited", WARNING, lints.max_conn_below_workers,
        "the limit is divided by the workers and rounds to 0, which means none",
        "max_conn = {least} or more",
        "D 2.8",
    ),
    Lint(
        "no-weight", WARNING, lints.services_without_weight,
        "every new connection is dropped: no_dest",
        "a real server with a weight above 0",
        "D 10.2",
    ),
    Lint(
        "weight-negative", WARNING, lints.negative_weights,
        "DPVS keeps weights in 16 bits with a sign: the real server is never picked",
        "a weight up to 32767",
        "D 10.2",
    ),
    Lint(
        "synproxy-no-checksums", ERROR, lints.synproxy_without_sums,
        "only NAT and full NAT fill the checksums of the SYN to the real server: it leaves with 0 and is dropped there",
        'mode = "fnat", or synproxy = false',
        "D 6.2, D 19",
    ),
    Lint(
        "persistence-prefix", WARNING, lints.loose_persistence,
        "DPVS compares memory it never set with the masked address: whether a template is found is not determined",
        "a prefix of 128 bits, which is the default",
        "D 2.7",
    ),
    Lint(
        "queue-without-worker", ERROR, lints.queues_without_worker,
        "DPVS does not start: queue ids count from 0 without a gap; a NIC that has the queue fills it and nobody reads",
        "give every queue from 0 to {last} to a worker",
        "S 1.7", each_port=True,
    ),
    Lint(
        "queue-beyond-16", WARNING, lints.queues_beyond_limit,
        "DPVS takes queue ids 0 to 15 and reads others as 0",
        "at most 16 queues a port",
        "S 1.7", each_port=True,
    ),
    Lint(
        "reta-kni", ERROR, lints.kni_in_table,
        "{share} of what RSS spreads disappears into the kernel",
        "leave the KNI worker's queues out of device.reta; before DPVS 1.9.2 keep the KNI worker off this port",
        "S 1.5, S 2.7", each_port=True,
    ),
    Lint(
        "reta-idle", WARNING, lints.workers_outside_table,
        "RSS sends them nothing: no new connection begins there, the others carry more",
        'device.reta = "default", or list their queues',
        "S 1.5", each_port=True,
    ),
    Lint(
        "laddr-elsewhere", ERROR, port_lints.laddrs_elsewhere,
        "answers come in by {there}, which has no rule for the address and answers no ARP for it: {lost} of the "
        "connections never see theirs",
        'laddr = ["{laddr}@{there}"] (ipvsadm --add-laddr -F {there})',
        "S 2.3, S 3.5", helped=HOP,
    ),
    Lint(
        "worker-without-rules", ERROR, port_lints.workers_without_rules,
        "no rule of {port} can name a queue of theirs: the answers to their connections follow RSS to other workers",
        "a queue of {port} for {who}, as DPVS wants it: every worker lists every port",
        "S 1.7", helped=HOP,
    ),
    Lint(
        "gateway-elsewhere", ERROR, port_lints.gateways_elsewhere,
        "nobody on {here} answers for {via}: what goes that way waits for its MAC and is lost",
        'device = "{there}" in the route, or a [[neighbor]] for {via} on {here}',
        "S 4.9",
    ),
    Lint(
        "vip-elsewhere", WARNING, port_lints.virtual_addresses_elsewhere,
        "ARP for it is not answered on {there} (arp_to_kernel), unless a router there has a route to it",
        "the address on {there} (dpip addr add {vip}/32 dev {there})",
        "S 3.5, S 4.3",
    ),
    Lint(
        "ports-unequal", WARNING, port_lints.unequal_ports,
        "frames of {fewest} reach {count} of the workers alone: those carry what it brings, the others idle beside it",
        "as many queues on every port, one a worker",
        "S 1.7",
    ),
    Lint(
        "worker-without-port", WARNING, port_lints.workers_without_port,
        "what comes in by {port} never reaches them: they open no connection of its clients",
        "a queue of {port} for {who}, as DPVS wants it: every worker lists every port",
        "S 1.7",
    ),
    Lint(
        "mark-without-rule", WARNING, lints.marks_without_rule,
        "no packet belongs to the service",
        "[[mark]] with mark = {mark}, and with to, protocol and ports as in the director's firewall",
        "L 5.2",
    ),
    Lint(
        "conntrack-unused", WARNING, lints.tracking_of_nobody,
        "it changes nothing: the kernel tracks connections only where a firewall rule asks it to",
        "ipvs.tracking = true if there are such rules (masquerading, kube-proxy's), else conntrack = 0",
        "L 4.2",
    ),
    Lint(
        "reused-port-delay", WARNING, lints.first_syns_lost,
        "the first SYN of a client port whose connection is over is dropped: each costs the client a second",
        "ipvs.conn_reuse_mode = 0 (then the real server stays the same), Linux 5.9 or later, or ipvs.conntrack = 0",
        "L 4.2, L 23",
    ),
    Lint(
        "no-real", WARNING, lints.services_without_reals,
        "every new connection is refused: no_dest_unreachable",
        "[[service.real]], or an event that adds one",
        "L 5.3",
    ),
    Lint(
        "port-not-translated", WARNING, lints.ports_not_translated,
        "packets arrive there with the service's port, as ipvsadm would have written it",
        "the port {port}, or mode = \"nat\"",
        "L 9, L 18",
    ),
    Lint(
        "ftp-without-helper", WARNING, lints.ftp_without_helper,
        "the addresses in PORT and PASV stay as they are, and data connections belong to nobody",
        'ipvs.modules = ["ip_vs_ftp"]',
        "L 12",
    ),
)  # fmt: skip


def judge(setup: Setup) -> list[Finding]:
    """Everything that is wrong with *setup*, errors first, in the order of the table."""
    helped = setup.conn.redirect or setup.conn.table == "shared"
    found = [_finding(lint, spot, helped) for lint in LINTS for spot in _spots(lint, setup)]
    return sorted(found, key=lambda finding: finding.severity != ERROR)


def _spots(lint: Lint, setup: Setup) -> Iterator[Spot]:
    """The places of a mistake; of several ports, those of each that clients come in by or that has rules."""
    if not (lint.each_port and setup.several):
        yield from lint.find(setup)
        return
    fronts = port_lints.fronts(setup) if lint.code == "rss-unhashed" else None
    for name, seen in port_lints.each(setup):
        for spot in lint.find(seen) if fronts is None or name in fronts else ():
            where = spot.where.replace("device.", f"device.{name}.", 1)
            yield spot._replace(where=where, what=f"{name}: {spot.what}")


def verdict(findings: Sequence[Finding], strict: bool) -> int:
    """The exit status: 1 where there are errors, or with *strict* warnings."""
    return int(any(strict or finding.severity == ERROR for finding in findings))


def document(findings: Sequence[Finding]) -> Mapping[str, Any]:
    """The findings for JSON."""
    errors = sum(finding.severity == ERROR for finding in findings)
    return {
        "schema": 1,
        "errors": errors,
        "warnings": len(findings) - errors,
        "findings": [finding._asdict() for finding in findings],
    }


def _finding(lint: Lint, spot: Spot, helped: bool) -> Finding:
    """*lint* at *spot*; redirect and the shared table turn wrong steering into a hop."""
    softened = helped and lint.helped
    return Finding(
        code=lint.code,
        severity=WARNING if softened else lint.severity,
        where=spot.where,
        what=spot.what,
        leads_to=lint.helped if softened else lint.leads_to.format(**spot.facts),
        cure=lint.cure.format(**spot.facts),
        source=lint.source,
    )
