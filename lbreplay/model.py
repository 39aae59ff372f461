"""What was asked for: a `Setup`, unchangeable and without behaviour. `config/` makes it, everything else reads it.

Addresses are raw bytes in network order (4 of IPv4, 16 of IPv6), so that they compare with what stands in a packet.
Ports are host integers. Times are seconds as configured; the engine counts in nanoseconds.
All are named tuples: as many frozen dataclasses take 9 ms to make, a tenth of the time to start.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from typing import NamedTuple

NANOSECOND = 1_000_000_000
NOTHING: Mapping[str, object] = {}
NOBODYS_MAC = bytes.fromhex("027063617000")  # the last byte counts devices


class Endpoint(NamedTuple):
    """An address and a port; `str()` gives `10.0.0.1:80` or `[2001:db8::1]:80`."""

    address: bytes
    port: int

    def __str__(self) -> str:
        text = ipaddress.ip_address(self.address)
        return f"[{text}]:{self.port}" if len(self.address) == 16 else f"{text}:{self.port}"


class Network(NamedTuple):
    """An address and a prefix length. The address keeps its host bits: `192.168.100.10/24` is an interface too."""

    address: bytes
    prefix: int

    def __contains__(self, address: object) -> bool:
        if not isinstance(address, bytes) or len(address) != len(self.address):
            return False
        shift = 8 * len(address) - self.prefix
        return int.from_bytes(address) >> shift == int.from_bytes(self.address) >> shift

    def __str__(self) -> str:
        return f"{ipaddress.ip_address(self.address)}/{self.prefix}"


class PortClass(NamedTuple):
    """The local ports of one worker: `port & mask == base` (D 11.3). What the port pool and the NIC's rules share."""

    mask: int
    base: int

    def owns(self, port: int) -> bool:
        return port & self.mask == self.base


class Worker(NamedTuple):
    """One lcore. `rank` counts forwarding workers by ascending cpu_id, 0 first (S 2.2); a KNI worker has rank -1."""

    rank: int
    cpu_id: int
    queues: tuple[int, ...]  # of the first device
    kind: str = "forward"  # or "kni"
    isolated: tuple[int, ...] = ()  # cpu ids of isolated receive lcores, by queue (S 1.7)
    more: tuple[tuple[int, ...], ...] = ()  # queues of the other devices, in their order

    def polls(self, port: int) -> tuple[int, ...]:
        """Its queues of device number *port*."""
        return self.more[port - 1] if 0 < port <= len(self.more) else () if port else self.queues


class Vlan(NamedTuple):
    """A VLAN device on the port: its 802.1Q id and the addresses on it."""

    id: int
    address: tuple[Network, ...] = ()
    mac: bytes | None = None  # None: the port's


class On(NamedTuple):
    """Where an address stands or a packet is: a device by its number, or the VLAN device of an id on it."""

    port: int = 0
    vlan: int | None = None


class Bond(NamedTuple):
    """What makes a device of several (S 3.7): `cards` are its slaves, as devices of their own.

    hash    which of them a frame comes in on, and leaves by in modes 2 and 4: layer2 | layer2+3 | layer3+4
    """

    cards: tuple[Device, ...]
    mode: int = 0  # of DPDK: 0 in turn, 1 the primary, 2 and 4 by the hash, 3 all, 5 and 6 by load
    hash: str = "layer2"
    primary: int = 0  # number of a slave


class Device(NamedTuple):
    """The port, or one of several (S 1, S 3)."""

    driver: str = "ixgbe"
    rss: frozenset[str] = frozenset({"ip", "tcp", "udp"})  # "all" is these three; empty: off
    rss_key: bytes | None = None  # None: the driver's
    reta: tuple[int, ...] | None = None  # None: worker queues in turn
    reta_size: int = 128
    mtu: int = 1500
    mac: bytes | None = None
    address: tuple[Network, ...] = ()
    rx_ip_checksum_offload: bool = True
    enforce: bool = False
    vlan: tuple[Vlan, ...] = ()
    sapool_address: tuple[bytes, ...] = ()
    name: str = "dpdk0"
    slaves: int = 0  # of a bond; 0: a plain port
    forward2kni: bool = False
    resolve: bool = False  # next hops are asked for their MACs (S 4.9)
    queues: int | None = None  # receive queues of the port; None: as many as workers poll
    bond: Bond | None = None

    @property
    def cards(self) -> tuple[Device, ...]:
        """The network cards behind it: the slaves of a bond, else itself."""
        return self.bond.cards if self.bond else (self,)


class FlowDirector(NamedTuple):
    """The NIC's rules for local addresses (S 2)."""

    enabled: bool = True
    dst_port_mask: int | None = None  # None: "auto", the low bits for the number of workers
    byte_order: str = "network"  # or "host"
    strategy: str = "port-low"  # port-low | port-high | laddr | rss-port | off


class SaPool(NamedTuple):
    """Local ports of one address (D 11.3)."""

    low: int = 1025
    high: int = 65535
    hash_size: int = 16


class ConnSettings(NamedTuple):
    """`ipvs_defs { conn }` (D 16) and the two switches of chance."""

    init_timeout: int = 3
    pool_size: int = 2097151
    redirect: bool = False
    icmp_redirect_core: int = 0  # cpu_id of the worker that handles all ICMP echo; 0: none (S 4.1)
    table: str = "worker"  # or "shared"
    expire_quiescent_template: bool = False
    fast_xmit: bool = True
    xmit_ttl: bool = False
    timer_jitter: bool = True
    laddr_step: bool = True


TCP_TIMEOUT: Mapping[str, int] = {
    "none": 2,
    "established": 90,
    "syn_sent": 3,
    "syn_recv": 30,
    "fin_wait": 7,
    "time_wait": 7,
    "close": 3,
    "close_wait": 7,
    "last_ack": 7,
    "listen": 120,
    "synack": 30,
    "last": 2,
}
UDP_TIMEOUT: Mapping[str, int] = {"none": 2, "oneway": 300, "normal": 300, "last": 2}
SCTP_TIMEOUT: Mapping[str, int] = {
    "none": 2,
    "init1": 4,
    "init": 61,
    "cookie_sent": 61,
    "cookie_replied": 61,
    "cookie_wait": 61,
    "cookie": 61,
    "cookie_echoed": 61,
    "established": 900,
    "shutdown_sent": 61,
    "shutdown_received": 61,
    "shutdown_ack_sent": 61,
    "rejected": 4,
    "closed": 61,
    "last": 2,
}


class SynProxy(NamedTuple):
    """`tcp { synproxy }` (D 6). `secrets`: the words of both secrets, an integer stands for all of them."""

    mss: int = 1452
    ttl: int = 63
    sack: bool = True
    wscale: int = 0
    timestamp: bool = False
    close_client_window: bool = False
    defer_rs_syn: bool = False
    rs_syn_max_retry: int = 3
    ack_storm_thresh: int = 10
    max_ack_saved: int = 3
    conn_reuse: tuple[str, ...] = ("close", "time_wait")
    secrets: int = 0
    clock_start: int = 0


class Tcp(NamedTuple):
    defence_drop: bool = False
    toa: bool = True
    seq_adjust: bool = True
    isn_offset: int = 0x10000000
    timeout: Mapping[str, int] = TCP_TIMEOUT
    synproxy: SynProxy = SynProxy()


class Udp(NamedTuple):
    defence_drop: bool = False
    uoa_mode: str = "opp"  # or "ipo"
    uoa_max_trail: int = 3
    timeout: Mapping[str, int] = UDP_TIMEOUT


class Sctp(NamedTuple):
    timeout: Mapping[str, int] = SCTP_TIMEOUT


class Persistence(NamedTuple):
    timeout: int = 360
    netmask: int | None = None  # prefix length; None: 32 or 128


class DestCheck(NamedTuple):
    """Passive check of real servers (D 10.5), off unless a service asks for it."""

    down_retry: int = 1
    down_wait: int = 3
    inhibit_min: int = 5
    inhibit_max: int = 3600
    up_confirm: int = 1


class RealServer(NamedTuple):
    endpoint: Endpoint
    weight: int = 1
    max_conn: int = 0
    min_conn: int = 0
    mode: str | None = None  # ipvs profile: where it differs from the service's
    tunnel: Mapping[str, object] | None = None  # ipvs profile: type, port, checksum

    def __str__(self) -> str:
        return str(self.endpoint)


class AddressRange(NamedTuple):
    """Addresses and ports of a match service (D 10.1). A zero maximum: not tested."""

    low: bytes
    high: bytes
    low_port: int = 0
    high_port: int = 0


class Match(NamedTuple):
    """What `ipvsadm -H` matches, for SNAT. `text` is the spelling of the configuration."""

    protocol: int
    family: int  # 4 or 6
    source: AddressRange | None = None
    dest: AddressRange | None = None
    iif: str | None = None
    oif: str | None = None
    text: str = ""


class AccessList(NamedTuple):
    """A black or white list: single addresses (an `ipvsadm -k`/`-2` entry each), and ipsets of networks."""

    addresses: frozenset[bytes] = frozenset()
    sets: tuple[tuple[Network, ...], ...] = ()


NOBODY = AccessList()


class Service(NamedTuple):
    name: str
    protocol: int  # 6, 17, 132, 1, 58
    vip: Endpoint | None = None
    match: Match | None = None
    scheduler: str = "wlc"
    mode: str = "fnat"  # fnat | nat | dr | tunnel | snat
    laddr: tuple[bytes, ...] = ()
    persistent: Persistence | None = None
    mh_fallback: bool = False
    mh_port: bool = False
    conn_timeout: int = 0
    synproxy: bool = False
    one_packet: bool = False
    expire_quiescent: bool = False
    limit_proportion: int = 0
    blacklist: AccessList = NOBODY
    whitelist: AccessList = NOBODY
    proxy_protocol: str = "off"
    quic: bool = False
    hash_target: str = "source"
    dest_check: DestCheck | None = None
    reals: tuple[RealServer, ...] = ()  # in the order they were added
    fwmark: int = 0  # ipvs profile
    flags: tuple[str, ...] = ()  # ipvs profile
    persistence_engine: str = ""  # ipvs profile

    @property
    def family(self) -> int:
        """4 or 6."""
        if self.match is not None:
            return self.match.family
        if self.vip is None:  # by firewall mark: that of its real servers
            return 6 if self.reals and len(self.reals[0].endpoint.address) == 16 else 4
        return 6 if len(self.vip.address) == 16 else 4


class Route(NamedTuple):
    to: Network
    via: bytes | None = None  # None: on link
    mtu: int = 0  # 0: the device's
    source: bytes | None = None
    device: On | None = None  # None: the device whose network has the gateway, else the first


class Neighbor(NamedTuple):
    address: bytes
    mac: bytes
    device: On | None = None  # None: whichever it is asked of


class Event(NamedTuple):
    """A change in the middle of a replay. `path` names what changes, `value` is parsed and checked already.

    action "set": path like ("service", NAME, "real", "10.0.0.1:80", "weight"), ("service", NAME, "blacklist") or
        ("service", NAME, "laddr")
    action "remove": ("service", NAME, "real", "10.0.0.1:80") or ("service", NAME)
    action "add": ("service", NAME, "real") with a RealServer
    """

    at_ns: int
    action: str
    path: tuple[str, ...]
    value: object = None
    text: str = ""  # as written, for messages


class Behaviour(NamedTuple):
    """What differs between releases, each by name (D 15). The defaults are v1.10.2."""

    start: str = "spread"  # where rr, wrr, wlc begin: "spread" over the workers, or "head" of the list
    toa_in_syn: bool = False
    toa_prune: bool = True
    bad_ack: str = "rst"  # or "drop"
    conhash_spread: str = "all"  # or "edited": only the real server that was added or edited
    whitelist: str = "exact"  # or "bucket": services of one hash bucket shut each other out
    quiescent: str = "conn"  # or "service": the service's flag at packet time, weight 0 only
    udp_oneway: bool = True
    snat_expiry_rst: bool = True
    synproxy_window: str = "client"  # or "zero": SYN|ACK window 0, an update when exactly one ACK is held
    synproxy_wscale: bool = True  # windows of OUT packets are scaled
    frag_needed_sent: bool = True  # ICMP 3/4 from the IPv4 slow path
    too_big_mtu: str = "network"  # or "swapped" (not for what FNAT sends to real servers)
    uoa_nat64_port: str = "client"  # or "stray": bytes of the IPv6 header
    mh_port_is_synproxy: bool = False
    rr_restart: str = "changed"  # when rr starts anew: "changed", any change; "removed", who was pointed to is gone
    wrr_rounds: str = "threshold"  # "kernel": wrr of Linux 6.1 (L 13)
    overhead: int = 256  # inactive connections that one active weighs, for lc and wlc
    product_bits: int = 32  # of what wlc compares
    legacy_fdir: bool = False  # flow director filters of the old API (S 2.4)


# Linux releases whose IPVS a replay knows: the design documents', mainline, and stable ones with fixes of their own
KERNELS = (
    "2.6", *(f"4.{minor}" for minor in range(4, 21)), *(f"5.{minor}" for minor in range(20)),
    "6.0", "6.1", "6.1.170", "6.1.192",
)  # fmt: skip
EDITIONS = {
    "1.10": Behaviour(),
    "1.8": Behaviour(
        start="head",
        toa_in_syn=True,
        toa_prune=False,
        conhash_spread="edited",
        whitelist="bucket",
        quiescent="service",
        udp_oneway=False,
        snat_expiry_rst=False,
        synproxy_window="zero",
        synproxy_wscale=False,
        frag_needed_sent=False,
        too_big_mtu="swapped",
        uoa_nat64_port="stray",
        mh_port_is_synproxy=True,
        legacy_fdir=True,
    ),
}


class Mark(NamedTuple):
    """ipvs profile: the rule that gives packets a firewall mark."""

    mark: int
    to: Network | None = None
    protocol: int | None = None
    ports: tuple[int, ...] | None = None  # any of these destination ports
    local: bool = False


NOTHING_HOME: Mapping[bytes, On] = {}


class Setup(NamedTuple):
    """Everything a replay needs to know, judged and complete."""

    seed: int = 0
    profile: str = "dpvs"
    edition: str = "1.10"
    behaviour: Behaviour = Behaviour()
    workers: tuple[Worker, ...] = ()
    device: Device = Device()
    flow_director: FlowDirector = FlowDirector()
    sa_pool: SaPool = SaPool()
    conn: ConnSettings = ConnSettings()
    tcp: Tcp = Tcp()
    udp: Udp = Udp()
    sctp: Sctp = Sctp()
    ipv4_forwarding: bool = False
    ipv6_forwarding: bool = False
    services: tuple[Service, ...] = ()
    routes: tuple[Route, ...] = ()
    neighbors: tuple[Neighbor, ...] = ()
    events: tuple[Event, ...] = ()
    view: str = "client"  # client | lb | rx (interface 3)
    burst_size: int = 4096
    ipvs: Mapping[str, object] = NOTHING  # ipvs profile: sysctls and switches
    marks: tuple[Mark, ...] = ()
    drafted: bool = False  # True: made from the capture, no file was given
    others: tuple[Device, ...] = ()  # the devices behind the first
    homes: Mapping[bytes, On] = NOTHING_HOME  # with several devices: each local address, and the one it is on

    @property
    def forwarding_workers(self) -> tuple[Worker, ...]:
        """The workers that run the balancer, by rank."""
        return tuple(w for w in self.workers if w.kind == "forward")

    @property
    def devices(self) -> tuple[Device, ...]:
        """Every device, by number."""
        return self.device, *self.others

    @property
    def several(self) -> bool:
        """Whether there is more than one card."""
        return bool(self.others) or self.device.bond is not None

    @property
    def resolves(self) -> bool:
        """Whether next hops are asked for their MACs, by some device."""
        return any(device.resolve for device in self.devices)

    def shields(self, service: Service) -> bool:
        """Whether a SYN proxy answers for a service: in some releases mh-port is its flag."""
        return service.synproxy or (self.behaviour.mh_port_is_synproxy and service.mh_port)

    def mac(self, port: int) -> bytes | None:
        """The MAC of a device. One of several has one of its own in any case: what is sent to it, and what it sends,
        tells it from the others. None: every unicast frame is ours (interface 2)."""
        return self.devices[port].mac or (NOBODYS_MAC[:5] + bytes((port,)) if self.several else None)

    def home(self, address: bytes) -> On:
        """The device that a local address is on."""
        return self.homes.get(address, On())

    def name(self, on: On) -> str:
        """A device's name, or that of a VLAN device as `dpip vlan add` gives it (S 6.5)."""
        name = self.devices[on.port].name
        return name if on.vlan is None else f"{name}.{on.vlan}"

    @property
    def local_addresses(self) -> tuple[bytes, ...]:
        """Every address with a port pool, in the order it appears: laddrs of all services, sapool addresses, and what
        events make local addresses of."""
        if self.homes:
            return tuple(self.homes)
        seen = dict.fromkeys(a for s in self.services for a in s.laddr)
        seen.update(dict.fromkeys(self.device.sapool_address))
        later = (event.value for event in self.events if event.path[-1:] == ("laddr",))
        seen.update(dict.fromkeys(a for value in later if isinstance(value, tuple) for a in value))
        return tuple(seen)

    @property
    def port_mask(self) -> int:
        """2^s - 1 for the smallest s with 2^s >= number of forwarding workers (D 11.3, S 2.2)."""
        return (1 << max(len(self.forwarding_workers) - 1, 0).bit_length()) - 1
