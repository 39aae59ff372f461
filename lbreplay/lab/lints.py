"""Where the mistakes of `doctor` are: one generator a mistake, each yields the places it finds.

What a Spot knows fills the texts in `doctor.LINTS`. Shares of lost answers are counted from the very rules the replay
would use: every local port of every worker, sent through them; a port without a rule reaches its worker by luck, once
in as many tries as there are workers.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from ipaddress import ip_address
from itertools import groupby
from typing import Any, NamedTuple

from lbreplay.burst import KIND_OTHER, KIND_SCTP, KIND_TCP, KIND_UDP
from lbreplay.dpvs.laddr import sub_pool
from lbreplay.ipvs.edition import edition
from lbreplay.lab.remarks import THROUGH_ROUTER
from lbreplay.loop.names import MAX_TRIALS
from lbreplay.loop.real import kept_weight
from lbreplay.model import Endpoint, RealServer, Service, Setup
from lbreplay.nic.flow_director import Refusal, Rule, holdable, matters, port_table, used_mask
from lbreplay.nic.profiles import PROFILES, TUPLE
from lbreplay.nic.rss import Rss, indirection
from lbreplay.nic.strategies import STRATEGIES, Strategy
from lbreplay.phrases import plural
from lbreplay.stack.route import Routes
from lbreplay.stats import ALIKE

ICMP, TCP, UDP, ICMPV6, SCTP = 1, 6, 17, 58, 132
NAMES = {TCP: "tcp", UDP: "udp", SCTP: "sctp"}
KINDS = {TCP: KIND_TCP, UDP: KIND_UDP, SCTP: KIND_SCTP}
DIRECT = ("dr", "tunnel")  # modes whose answers go past the balancer
PORT_STRATEGIES = ("port-low", "port-high")
FTP = 21
QUEUES_OF_A_PORT = 16  # S 1.7
MAX_HASH_SIZE = 128  # S 2.3

Spots = Iterator["Spot"]


class Spot(NamedTuple):
    """A place: its key path, what stands there, and the facts that the texts of its lint ask for."""

    where: str
    what: str
    facts: Mapping[str, Any] = {}


# ---- what the NIC's rules compare


def mask_byte_order(setup: Setup) -> Spots:
    """The right mask, read in the other byte order."""
    right, used = _right_mask(setup), _used_mask(setup)
    configured = setup.flow_director.dst_port_mask
    if used != right and (configured is None or configured == right) and _rules_matter(setup):
        what = f"the mask {right:#06x} read in host byte order is {used:#06x}"
        yield Spot("flow_director.byte_order", what, _mask_facts(setup))


def mask_narrow(setup: Setup) -> Spots:
    """Some bits of the rank are not compared."""
    for right, used in _wrong_mask(setup):
        if used & right == used:
            yield _mask_spot(setup, f"compares {used:#x}, {_count(setup)} workers need {right:#x}")


def mask_wide(setup: Setup) -> Spots:
    """More than the bits of the rank are compared."""
    for right, used in _wrong_mask(setup):
        if used & right == right:
            yield _mask_spot(setup, f"compares {used:#x}, {_count(setup)} workers need no more than {right:#x}")


def mask_wrong_bits(setup: Setup) -> Spots:
    """Neither."""
    for right, used in _wrong_mask(setup):
        if used & right not in (used, right):
            yield _mask_spot(setup, f"compares {used:#x} (bits {_bits(used)}), the rank is in {right:#x}")


def no_port_rules(setup: Setup) -> Spots:
    """Several workers, local addresses, and nothing that brings answers home."""
    director = setup.flow_director
    if _count(setup) == 1 or not setup.local_addresses:
        return
    if director.strategy == "off":
        yield Spot("flow_director.strategy", '"off": no rules', {"lost": share(unlucky(setup))})
    elif not director.enabled and director.strategy != "rss-port":
        yield Spot("flow_director.enabled", "false: no rules are installed", {"lost": share(unlucky(setup))})


def ports_unowned(setup: Setup) -> Spots:
    """Several workers and no division of the ports."""
    if _count(setup) > 1 and setup.local_addresses and setup.flow_director.strategy == "off":
        yield Spot("flow_director.strategy", f'"off": {_count(setup)} workers bind the same ports')


def _rules_matter(setup: Setup) -> bool:
    """Whether rules of port masks are installed and more than one worker depends on them."""
    director = setup.flow_director
    return (
        _count(setup) > 1 and bool(setup.local_addresses) and director.enabled and director.strategy in PORT_STRATEGIES
    )


def _right_mask(setup: Setup) -> int:
    """The bits of the port that are the rank."""
    shift = 16 - setup.port_mask.bit_length() if setup.flow_director.strategy == "port-high" else 0
    return setup.port_mask << shift


def _used_mask(setup: Setup) -> int:
    """The bits that the NIC compares."""
    return used_mask(setup, _right_mask(setup))


def _wrong_mask(setup: Setup) -> Iterator[tuple[int, int]]:
    """(right, used) of a mask that is wrong by itself, not by its byte order."""
    right, used = _right_mask(setup), _used_mask(setup)
    if used != right and _rules_matter(setup) and not any(mask_byte_order(setup)):
        yield right, used


def _mask_spot(setup: Setup, what: str) -> Spot:
    return Spot("flow_director.dst_port_mask", what, _mask_facts(setup))


def _mask_facts(setup: Setup) -> dict[str, str]:
    return {
        "right": f"{_right_mask(setup):#x}",
        "bits": _bits(_used_mask(setup)),
        "lost": share(lost_answers(setup)),
    }


def lost_answers(setup: Setup) -> float:
    """The share of all owned local ports whose answer reaches another worker, by the rules as they are installed."""
    strategy, pool = _strategy(setup), setup.sa_pool
    laddr = setup.local_addresses[0]
    rules = [rule for rule in strategy.rules() if (rule.laddr, rule.proto) == (laddr, TCP)]
    place = port_table([(rule.mask, rule.value) for rule in rules]).tolist()
    lost = total = 0.0
    for worker in setup.forwarding_workers:
        for port in strategy.ports(laddr, worker.rank, pool.low, pool.high):
            total += 1
            lost += unlucky(setup) if place[port] < 0 else rules[place[port]].rank != worker.rank
    return lost / total if total else 0.0


# ---- what the driver can hold


def nic_refuses(code: str) -> Callable[[Setup], Spots]:
    """Rules that the driver would refuse for the reason *code*."""

    def find(setup: Setup) -> Spots:
        if not setup.flow_director.enabled or not matters(setup, code):
            return
        wanted = _strategy(setup).rules()
        refused = [refusal for refusal in holdable(setup, wanted)[1] if refusal.code == code]
        if refused:
            facts = {"lost": share(unlucky(setup))}
            yield Spot(_refused_at(setup, code), _refused_what(wanted, refused), facts)

    return find


def _refused_at(setup: Setup, code: str) -> str:
    return {"bond": "device.slaves"}.get(code, "device.driver")


def _refused_what(wanted: Sequence[Rule], refused: Sequence[Refusal]) -> str:
    addresses = list(dict.fromkeys(str(ip_address(refusal.rule.laddr)) for refusal in refused))
    return f"{refused[0].why}: {len(refused)} of {len(wanted)} rules refused, of {_listed(addresses)}"


# ---- services that rules do not help


def sctp_without_rules(setup: Setup) -> Spots:
    """SCTP full NAT and SNAT over several workers."""
    if setup.flow_director.strategy == "rss-port" and Rss(setup).inputs[KIND_SCTP] == TUPLE:
        return
    for service in setup.services:
        if _count(setup) > 1 and service.protocol == SCTP and service.mode in ("fnat", "snat"):
            what = f"SCTP over {_count(setup)} workers"
            yield Spot(key(service, "protocol"), what, {"lost": share(unlucky(setup))})


def icmp_without_rules(setup: Setup) -> Spots:
    """SNAT of ICMP over several workers, unless one of them handles it all anyway."""
    hashed = Rss(setup).inputs[KIND_OTHER]
    for service in setup.services if hashed and _count(setup) > 1 else ():
        echo_core = service.protocol == ICMP and setup.conn.icmp_redirect_core
        if service.mode == "snat" and service.protocol in (ICMP, ICMPV6) and not echo_core:
            core = "conn.icmp_redirect_core = CPU_ID, " if service.protocol == ICMP else ""
            facts = {"lost": share(unlucky(setup)), "core": core}
            yield Spot(key(service, "protocol"), f"SNAT of ICMP over {_count(setup)} workers", facts)


def nat_with_many_workers(setup: Setup) -> Spots:
    """NAT over several workers: there is no local address to make rules of."""
    for service in setup.services:
        if _count(setup) > 1 and service.mode == "nat":
            what = f"NAT over {_count(setup)} workers"
            yield Spot(key(service, "mode"), what, {"lost": share(unlucky(setup))})


# ---- answers, lists and sources


def synproxy_without_answers(setup: Setup) -> Spots:
    """A SYN proxy before a mode whose answers go past it."""
    for service in setup.services:
        if service.synproxy and service.mode in DIRECT:
            yield Spot(key(service, "synproxy"), f"a SYN proxy in mode {service.mode}")


def one_packet_without_answers(setup: Setup) -> Spots:
    """One packet scheduling where answers have to be translated back."""
    for service in setup.services:
        if service.one_packet and service.mode in ("fnat", "nat") and not service.persistence_engine:
            yield Spot(key(service, "one_packet"), f"one packet scheduling in mode {service.mode}")


def services_on_any_port(setup: Setup) -> Spots:
    """Port 0, which means any port to the kernel and nothing to DPVS."""
    for service in setup.services:
        if setup.profile == "dpvs" and service.vip is not None and service.vip.port == 0:
            yield Spot(key(service, "vip"), f"port 0 at {ip_address(service.vip.address)}")


def lists_of_match_services(setup: Setup) -> Spots:
    """Black and white lists of services without an address."""
    for service in setup.services:
        for name in ("blacklist", "whitelist") if service.match is not None else ():
            listed = getattr(service, name)
            if listed.addresses or listed.sets:
                yield Spot(key(service, name), f"a {name} of a service that is found by its match")


def tunnels_from_nobody(setup: Setup) -> Spots:
    """Tunnels to IPv4 real servers over a route that names no source; of IPv6 an address is selected."""
    routes = Routes(setup)
    for service in setup.services if setup.profile == "dpvs" else ():
        for real in service.reals if service.mode == "tunnel" else ():
            address = real.endpoint.address
            route = routes.output(address)
            if len(address) == 4 and route is not None and route.source is None:
                yield Spot(key(service, f"real.{real}"), f"the route to {ip_address(address)} names no source")


def real_servers_beside_clients(setup: Setup) -> Spots:
    """NAT of a virtual address on the real servers' own network, where clients are too."""
    devices = (one for device in setup.devices for one in (device.address, *(vlan.address for vlan in device.vlan)))
    networks = [network for addresses in devices for network in addresses]
    for service, vip in ((one, one.vip) for one in setup.services if one.mode == "nat" and one.vip is not None):
        for real in service.reals:
            shared = [one for one in networks if real.endpoint.address in one and vip.address in one]
            if shared and shared[0].prefix < 8 * len(real.endpoint.address):
                yield Spot(key(service, f"real.{real}"), f"{vip} and {real} are both of {shared[0]}")
                break


# ---- RSS


def unhashed_services(setup: Setup) -> Spots:
    """Protocols of services that the driver does not hash under `device.rss`."""
    inputs = Rss(setup).inputs
    for proto, name in NAMES.items():
        services = [service.name for service in setup.services if service.protocol == proto]
        if _count(setup) > 1 and services and not inputs[KINDS[proto]]:
            rss = "|".join(sorted(setup.device.rss)) or "off"
            what = f'"{rss}" on {setup.device.driver} leaves {name.upper()} without hash: {_listed(services)}'
            yield Spot("device.rss", what, {"rss": _hashing(setup, proto)})


def _hashing(setup: Setup, proto: int) -> str:
    """The shortest setting that hashes *proto* too."""
    name = NAMES[proto]
    if proto != SCTP:
        return '"all"'
    takes = [word for word, _ in PROFILES[setup.device.driver].inputs.get(KIND_SCTP, ())]
    return f'"{"|".join(sorted({*setup.device.rss, name if name in takes else "ip"}))}"'


def rss_port_over_addresses(setup: Setup) -> Spots:
    """The strategy that chooses ports by RSS, where RSS does not see ports."""
    if setup.flow_director.strategy != "rss-port" or _count(setup) == 1:
        return
    inputs = Rss(setup).inputs
    protocols = sorted({s.protocol for s in setup.services if s.mode in ("fnat", "snat") and s.protocol in KINDS})
    for proto in protocols:
        if inputs[KINDS[proto]] != TUPLE:
            what = f'"rss-port", but {setup.device.driver} hashes no ports of {NAMES[proto].upper()} here'
            yield Spot("flow_director.strategy", what)


def kni_in_table(setup: Setup) -> Spots:
    """Queues of a KNI worker in the indirection table: configured, or filled in by DPVS before 1.9.2."""
    kni = {queue for worker in setup.workers if worker.kind == "kni" for queue in worker.queues}
    table = indirection(setup)
    there = sum(queue in kni for queue in table)
    if there:
        what = f"lists {_listed(sorted(map(str, kni & set(table))))}, of the KNI worker"
        yield Spot("device.reta", what, {"share": share(there / len(table))})
    elif kni and setup.device.reta is None and setup.edition == "1.8":
        queues = sum(len(worker.queues) for worker in setup.workers)
        yield Spot("workers", "a KNI worker under edition 1.8", {"share": share(len(kni) / queues)})


def workers_outside_table(setup: Setup) -> Spots:
    """Forwarding workers of whose queues none is in the table."""
    table = set(indirection(setup))
    idle = [str(w.rank) for w in setup.forwarding_workers if w.queues and not table & set(w.queues)]
    if idle:
        yield Spot("device.reta", f"no queue of {_workers(idle)} in the table of {setup.device.reta_size}")


# ---- workers, queues, ports


def orphan_ports(setup: Setup) -> Spots:
    """Residues that are nobody's rank."""
    count, pool = _count(setup), setup.sa_pool
    if count & (count - 1) == 0 or not setup.local_addresses or setup.flow_director.strategy not in PORT_STRATEGIES:
        return
    strategy, ports = _strategy(setup), pool.high + 1 - pool.low
    owned = sum(len(strategy.ports(setup.local_addresses[0], rank, pool.low, pool.high)) for rank in range(count))
    up = 1 << count.bit_length()
    facts = {"orphans": f"{ports - owned:,}", "ports": f"{ports:,}", "down": up // 2, "up": up}
    yield Spot("workers", f"{count} is no power of two", facts)


def workers_without_ports(setup: Setup) -> Spots:
    """Workers that own no port of any local address of a service."""
    strategy, pool = _strategy(setup), setup.sa_pool
    for service in setup.services:
        empty = [
            str(worker.rank)
            for worker in setup.forwarding_workers
            if service.laddr
            and not any(len(strategy.ports(laddr, worker.rank, pool.low, pool.high)) for laddr in service.laddr)
        ]
        if empty:
            needed = f"{_count(setup)} local addresses or more, one for each worker"
            cure = needed if setup.flow_director.strategy == "laddr" else 'flow_director.strategy = "port-low"'
            facts = {"share": share(len(empty) / _count(setup)), "cure": cure}
            yield Spot(key(service, "laddr"), f"{_workers(empty)} own no port of {_addresses(service)}", facts)


def queues_without_worker(setup: Setup) -> Spots:
    """Gaps in the queue ids of all workers."""
    polled = {queue for worker in setup.workers for queue in worker.queues}
    last = max(polled, default=0)
    missing = sorted(set(range(last + 1)) - polled)
    if missing:
        yield Spot("workers", f"no worker polls {_listed([f'queue {queue}' for queue in missing])}", {"last": last})


def queues_beyond_limit(setup: Setup) -> Spots:
    """More queues than DPVS counts."""
    last = max((queue for worker in setup.workers for queue in worker.queues), default=0)
    if last >= QUEUES_OF_A_PORT and setup.profile == "dpvs":
        yield Spot("workers", f"queue ids up to {last}")


# ---- services and their addresses


def laddr_is_vip(setup: Setup) -> Spots:
    """A local address that is a virtual address too."""
    strategy = _strategy(setup)
    rules = strategy.rules() if setup.flow_director.enabled else []
    for service in setup.services:
        if service.vip is None or service.vip.address not in setup.local_addresses or _count(setup) == 1:
            continue
        address, port = service.vip
        proto = service.protocol if service.protocol in (TCP, UDP) else TCP
        rank = next((rule.rank for rule in rules if rule.matches(address, proto, port)), None)
        if rank is not None:
            yield Spot(key(service, "vip"), f"{ip_address(address)} is a local address", {"port": port, "rank": rank})


def services_without_laddr(setup: Setup) -> Spots:
    """Full NAT without a local address."""
    for service in setup.services:
        if service.mode == "fnat" and not service.laddr:
            yield Spot(key(service, "laddr"), "full NAT without a local address")


def snat_without_pool(setup: Setup) -> Spots:
    """SNAT to an address that has no pool."""
    for service in setup.services:
        for real in service.reals if service.mode == "snat" and service.protocol in KINDS else ():
            if real.endpoint.address not in setup.local_addresses:
                address = ip_address(real.endpoint.address)
                yield Spot(key(service, f"real.{real}"), f"{address} has no port pool")


def many_laddrs(setup: Setup) -> Spots:
    """More local addresses than a connection tries."""
    for service in setup.services:
        if len(service.laddr) > MAX_TRIALS:
            yield Spot(key(service, "laddr"), plural(len(service.laddr), "local address"))


def max_conn_below_workers(setup: Setup) -> Spots:
    """Limits that divide to nothing."""
    count = _count(setup)
    for service in setup.services:
        for real in service.reals:
            if 0 < real.max_conn < count:
                what = f"max_conn = {real.max_conn} over {count} workers"
                yield Spot(key(service, f"real.{real}.max_conn"), what, {"least": count})


def services_without_weight(setup: Setup) -> Spots:
    """Services whose real servers all weigh nothing."""
    for service in setup.services:
        if service.reals and not any(real.weight for real in service.reals):
            yield Spot(key(service, "real"), f"all {len(service.reals)} real servers have weight 0")


def negative_weights(setup: Setup) -> Spots:
    """Weights that DPVS keeps as negative numbers."""
    for where, weight in _weights(setup) if setup.profile == "dpvs" else ():
        if kept_weight(weight) < 0:
            yield Spot(where, f"weight {weight} is {kept_weight(weight)} in DPVS")


def _weights(setup: Setup) -> Iterator[tuple[str, int]]:
    """Where weights stand: of real servers, and of what events set and add."""
    for service in setup.services:
        yield from ((key(service, f"real.{real}.weight"), real.weight) for real in service.reals)
    for event in setup.events:
        if isinstance(event.value, RealServer):
            yield ".".join((*event.path, str(event.value), "weight")), event.value.weight
        elif event.path[-1] == "weight" and isinstance(event.value, int):
            yield ".".join(event.path), event.value


def synproxy_without_sums(setup: Setup) -> Spots:
    """Services with the SYN proxy whose packets nobody translates."""
    for service in setup.services:
        if setup.profile == "dpvs" and setup.shields(service) and service.mode in ("dr", "tunnel"):
            yield Spot(key(service, "synproxy"), f"SYN proxy of a {service.mode} service")


def loose_persistence(setup: Setup) -> Spots:
    """IPv6 services whose templates are for more than one client."""
    for service in setup.services:
        prefix = service.persistent and service.persistent.netmask
        if setup.profile == "dpvs" and service.family == 6 and prefix is not None and prefix < 128:
            yield Spot(key(service, "persistent"), f"a prefix of {prefix} bits")


def shared_buckets(setup: Setup) -> Spots:
    """Real servers of a service that take their ports from one bucket."""
    for service in setup.services:
        if service.mode != "fnat" or not service.laddr:
            continue
        shared = [peers for peers in by_bucket(service, setup.sa_pool.hash_size).values() if len(peers) > 1]
        if shared:
            what = "; ".join(" and ".join(map(str, peers)) for peers in shared[:3])
            more = f" and {len(shared) - 3} buckets more" if len(shared) > 3 else ""
            facts = {"room": f"{_bucket_room(setup, service):,}", "cure": _bucket_cure(service)}
            yield Spot(key(service, "real"), f"one bucket of {setup.sa_pool.hash_size} for {what}{more}", facts)


def by_bucket(service: Service, hash_size: int) -> dict[int, list[Endpoint]]:
    """The real servers of *service* by the bucket of the pool that they take ports from (D 11.3), ascending."""
    found: dict[int, list[Endpoint]] = defaultdict(list)
    for real in service.reals:
        found[sub_pool(real.endpoint, hash_size)].append(real.endpoint)
    return dict(sorted(found.items()))


def separating_size(service: Service) -> int | None:
    """The smallest `hash_size` that gives each real server a bucket of its own, None: none up to 128."""
    count = len(service.reals)
    sizes = range(max(count, 1), MAX_HASH_SIZE + 1)
    return next((size for size in sizes if len(by_bucket(service, size)) == count), None)


def _bucket_cure(service: Service) -> str:
    size = separating_size(service)
    return f"sa_pool.hash_size = {size} separates them" if size else "more local addresses"


def _bucket_room(setup: Setup, service: Service) -> int:
    strategy, pool = _strategy(setup), setup.sa_pool
    return sum(
        len(strategy.ports(laddr, worker.rank, pool.low, pool.high))
        for laddr in service.laddr
        for worker in setup.forwarding_workers
    )


def direct_routing_through_routers(setup: Setup) -> Spots:
    """Real servers of direct routing behind a gateway: nobody there knows the virtual address as theirs."""
    routes = Routes(setup)
    for service in setup.services:
        for real in service.reals:
            direct = (real.mode or service.mode) == "dr"
            route = routes.output(real.endpoint.address) if direct else None
            if route is not None and route.via is not None:
                what = f"the way to {ip_address(real.endpoint.address)} leads through {ip_address(route.via)}"
                yield Spot(key(service, f"real.{real}"), what, {"so": THROUGH_ROUTER[setup.profile]})


def real_servers_without_route(setup: Setup) -> Spots:
    """Real servers that no route leads to; a configuration without a route has everything on link."""
    routes = Routes(setup)
    for service in setup.services:
        for real in service.reals if service.mode != "snat" else ():
            if routes.output(real.endpoint.address) is None and not routes.is_local(real.endpoint.address):
                yield Spot(key(service, f"real.{real}"), f"no route leads to {ip_address(real.endpoint.address)}")


def weights_of_no_effect(setup: Setup) -> Spots:
    """Different weights under a scheduler that looks at none."""
    for service in setup.services:
        weights = sorted({real.weight for real in service.reals if real.weight})
        if service.scheduler in ALIKE and len(weights) > 1:
            told = _listed([str(weight) for weight in weights])
            yield Spot(key(service, "scheduler"), f"{service.scheduler} with weights {told}")


def ftp_of_dpvs(setup: Setup) -> Spots:
    """FTP where no helper exists; direct routing and tunnels need none for the answers, but still for passive ports."""
    for service in setup.services if setup.profile == "dpvs" else ():
        if _is_ftp(service):
            yield Spot(key(service, "vip"), f"FTP in mode {service.mode}")


def _is_ftp(service: Service) -> bool:
    return service.vip is not None and (service.protocol, service.vip.port) == (TCP, FTP)


# ---- of the kernel


def marks_without_rule(setup: Setup) -> Spots:
    """Services by a firewall mark that nothing gives."""
    given = {rule.mark for rule in setup.marks}
    for service in setup.services:
        if service.fwmark and service.fwmark not in given:
            yield Spot(key(service, "fwmark"), f"no [[mark]] gives the mark {service.fwmark}", {"mark": service.fwmark})


def tracking_of_nobody(setup: Setup) -> Spots:
    """`conntrack` where nothing says that connection tracking is in use (L 4.2)."""
    told = setup.profile != "ipvs" or "tracking" in setup.ipvs or not setup.ipvs.get("conntrack")
    if (
        not told
        and not any(_is_ftp(s) and s.mode == "nat" for s in setup.services)
        and edition(setup.edition).tracking == "asked"
    ):
        yield Spot("ipvs.conntrack", "conntrack = 1, and nothing says that connection tracking is in use")


def first_syns_lost(setup: Setup) -> Spots:
    """Ports that clients use again, before Linux 5.9 (L 23)."""
    if setup.profile != "ipvs" or not setup.ipvs.get("conntrack") or not setup.ipvs.get("conn_reuse_mode", 1):
        return
    if edition(setup.edition).conntrack_drops == "any" and setup.ipvs.get("tracking", True):
        yield Spot("ipvs.conntrack", f"conntrack = 1 with conn_reuse_mode in Linux {setup.edition}")


def services_without_reals(setup: Setup) -> Spots:
    """Services that nobody stands behind, now or later; DPVS's are refused before."""
    later = {event.path[1] for event in setup.events if event.action == "add"}
    for service in setup.services:
        if setup.profile == "ipvs" and not service.reals and service.name not in later:
            yield Spot(key(service, "real"), "no real server")


def ports_not_translated(setup: Setup) -> Spots:
    """Real servers of direct routing and tunnels with a port of their own."""
    for service in setup.services if setup.profile == "ipvs" else ():
        port = service.vip.port if service.vip is not None else 0
        for real in service.reals if port else ():
            mode = real.mode or service.mode
            if mode in ("dr", "tunnel") and real.endpoint.port != port:
                yield Spot(key(service, f"real.{real}"), f"port {real.endpoint.port} in mode {mode}", {"port": port})


def ftp_without_helper(setup: Setup) -> Spots:
    """NAT of FTP without the module that finds the data connections."""
    modules: Any = setup.ipvs.get("modules", ())
    for service in setup.services if setup.profile == "ipvs" and "ip_vs_ftp" not in modules else ():
        if service.mode == "nat" and _is_ftp(service):
            yield Spot(key(service, "vip"), "FTP by NAT without ip_vs_ftp")


# ---- words and numbers


def _strategy(setup: Setup) -> Strategy:
    return STRATEGIES[setup.flow_director.strategy](setup)


def _count(setup: Setup) -> int:
    return len(setup.forwarding_workers)


def unlucky(setup: Setup) -> float:
    """The share of what RSS spreads that reaches another worker."""
    return 1 - 1 / _count(setup)


def share(value: float) -> str:
    """`7/8` where it is that, else a percentage."""
    for below in (*range(2, 17), 32, 64):
        above = round(value * below)
        if abs(value - above / below) < 0.0005 and 0 < above < below:
            return f"{above}/{below}"
    return f"{100 * value:.0f} %"


def _bits(mask: int) -> str:
    """`0-2, 8` of 0x107."""
    set_bits = [bit for bit in range(16) if mask >> bit & 1]
    runs = [[bit for _, bit in run] for _, run in groupby(enumerate(set_bits), lambda pair: pair[1] - pair[0])]
    return ", ".join(str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs) or "none"


def key(service: Service, rest: str) -> str:
    """Where something of a service stands."""
    return f"service.{service.name}.{rest}"


def _addresses(service: Service) -> str:
    return _listed([str(ip_address(laddr)) for laddr in service.laddr])


def _workers(ranks: Sequence[str]) -> str:
    return f"worker{'s' if len(ranks) > 1 else ''} {_listed(ranks)}"


def _listed(items: Sequence[str]) -> str:
    """The first few, and how many more."""
    return ", ".join(items[:4]) + (f" and {len(items) - 4} more" if len(items) > 4 else "")
