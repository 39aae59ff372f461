"""The configuration as data: every key of interface 2 and 8 with its kind, default, sentence and profile.

One tree. Judging (`load.py`), the nearest known name of a wrong key, `--set`, and the JSON Schema of `lbreplay schema`
all read it; a new setting is a field in `model.py` and a line here. Ranges are those of ipvsadm, dpip and dpvs.conf
(S 6.2, 6.4); the defaults stand in the model and are taken from there.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from lbreplay import model
from lbreplay.config import values
from lbreplay.config.kinds import (
    ByName,
    ByProfile,
    Choice,
    Either,
    Flag,
    Int,
    Json,
    Key,
    Kind,
    Many,
    PowerOfTwo,
    Refused,
    Seconds,
    Table,
    Text,
    Where,
    check,
)
from lbreplay.edge import within
from lbreplay.model import AccessList, Network

MAX_WORKERS = 64  # lcores are bits of a 64-bit mask (S 1.7)
DAY_365 = 31535999  # seconds; the longest timeout DPVS takes (S 6.2)

RETA_SIZE = {  # S 1.5, S 1.8
    "ixgbe": 128, "i40e": 512, "ice": 512, "mlx5": 512, "igb": 128, "virtio": 128, "bnxt": 128, "hns3": 512, "ena": 128,
    "gve": 128, "vmxnet3": 128, "ideal": 128,
}  # fmt: skip
KERNELS = "2.6, 4.4 to 6.1, 6.1.170 or 6.1.192"
DPVS_SCHEDULERS = ("rr", "wrr", "wlc", "conhash", "mh", "fo")
IPVS_SCHEDULERS = ("rr", "wrr", "lc", "wlc", "sed", "nq", "sh", "dh", "lblc", "lblcr", "fo", "ovf", "mh")
SYSCTLS = {  # net.ipv4.vs.NAME -> highest value (L 17)
    "amemthresh": 2**31 - 1, "am_droprate": 2**31 - 1, "drop_entry": 3, "drop_packet": 3, "secure_tcp": 3,
    "cache_bypass": 1, "expire_nodest_conn": 1, "expire_quiescent_template": 1, "nat_icmp_send": 1,
    "lblc_expiration": 2**31 - 1, "lblcr_expiration": 2**31 - 1, "debug_level": 12, "conntrack": 1, "snat_reroute": 1,
    "sync_version": 1, "sync_ports": 64, "sync_persist_mode": 1, "sync_qlen_max": 2**31 - 1,
    "sync_sock_size": 2**31 - 1, "sloppy_tcp": 1, "sloppy_sctp": 1,
    "sync_refresh_period": 2**31 - 1, "sync_retries": 3, "pmtu_disc": 1,
    "backup_only": 1, "conn_reuse_mode": 3, "schedule_icmp": 1, "ignore_tunneled": 1, "run_estimation": 1,
}  # fmt: skip


def _plain(value: object) -> object:
    """A default of the model as TOML holds it."""
    return list(value) if isinstance(value, tuple) else value


def _section(of: type[NamedTuple], keys: Mapping[str, tuple[Kind, str]], live: bool = False) -> Table:
    """A table whose keys are fields of *of*, all of which have a default."""
    default = {name: _plain(value) for name, value in of._field_defaults.items()}
    return Table({name: Key(kind, default[name], sentence, live=live) for name, (kind, sentence) in keys.items()})


def _timeouts(default: Mapping[str, int]) -> Table:
    return Table({name: Key(Int(1, DAY_365), value, f"seconds in {name.upper()}") for name, value in default.items()})


def _word(text: str) -> str:
    if not text.strip():
        raise ValueError("empty")
    return text


class _Subjects:
    """Who a list names: addresses, networks, and `@file` with one of them a line (an ipset)."""

    types = (list,)
    expected = 'a list of addresses, networks or "@file"'

    def read(self, value: list[Any], where: Where) -> AccessList:
        addresses: set[bytes] = set()
        networks: list[Network] = []
        sets: list[tuple[Network, ...]] = []
        for n, text in enumerate(value):
            at = where.item(n)
            if isinstance(text, str) and text.startswith("@"):
                sets.append(self._file(text[1:], at))
                continue
            found: Network = check(Text(values.network, 'an address, a network or "@file"'), text, at)
            if found.prefix == 8 * len(found.address):
                addresses.add(found.address)
            else:
                networks.append(found)
        return AccessList(frozenset(addresses), (*sets, *([tuple(networks)] if networks else [])))

    def _file(self, name: str, at: Where) -> tuple[Network, ...]:
        from pathlib import Path  # 2 ms to load, and few configurations name a file

        path = Path(at.folder) / name
        within.judge(str(path))
        try:
            lines = path.read_text("utf-8").splitlines()
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or "not UTF-8 text"
            raise Refused(at.path, f"{path}: {reason}") from None
        found = []
        for n, line in enumerate(lines, 1):
            if text := line.partition("#")[0].strip():
                try:
                    found.append(values.network(text))
                except ValueError:
                    raise Refused(at.path, f"{path}, line {n}: an address or a network expected, got {text}") from None
        return tuple(found)

    def json(self) -> Json:
        return {"type": "array", "items": {"type": "string"}}


ADDRESS = Text(values.address, "an IP address")
ENDPOINT = Text(values.endpoint, "ADDRESS:PORT, of IPv6 [ADDRESS]:PORT,", r"^(\[[0-9A-Fa-f:.]+\]|[0-9.]+):[0-9]+$")
NETWORK = Text(values.network, "ADDRESS/PREFIX")
MAC = Text(values.mac, "a MAC address like 02:00:00:00:00:01", r"^([0-9A-Fa-f]{2}[:-]){5}[0-9A-Fa-f]{2}$")
WORD = Text(_word, "a word")
LADDR = Text(values.local_address, "an IP address, or ADDRESS@DEVICE,")
QUEUES = Many(Int(0, 255))

WORKER = Table(
    {
        "cpu_id": Key(Int(0, 1023), None, "the lcore; ranks follow ascending cpu_id", required=True),
        "queues": Key(
            Either(QUEUES, ByName(QUEUES)),
            None,
            "receive queues of this worker, the same of every device, or by the device's name",
            required=True,
        ),
        "kind": Key(Choice("forward", "kni"), "forward", "forward: runs the balancer; kni: feeds the kernel"),
        "isolated": Key(Many(Int(0, 1023)), [], "cpu ids of isolated receive lcores, by queue"),
    }
)

VLAN = Table(
    {
        "id": Key(Int(1, 4094), None, "802.1Q id", required=True),
        "address": Key(Many(NETWORK), [], "addresses of the VLAN device"),
        "mac": Key(MAC, None, "its MAC; default: the port's"),
    }
)

DEVICE = Table(
    {
        "name": Key(WORD, "dpdk0", "name of the port, as match texts say it"),
        "driver": Key(Choice(*RETA_SIZE), "ixgbe", "decides key, table size and what rules the NIC can hold"),
        "rss": Key(Text(values.rss, 'all, ip, tcp, udp, sctp, "tcp|udp" or off'), "all", "what the NIC hashes"),
        "rss_key": Key(Text(values.rss_key, "default, symmetric, or 40 or 52 bytes in hex"), "default", "Toeplitz key"),
        "reta": Key(Either(Choice("default"), QUEUES), "default", "redirection table; a list is repeated to its size"),
        "reta_size": Key(PowerOfTwo(1, 4096), None, "entries of the redirection table; default: the driver's"),
        "mtu": Key(Int(68, 9216), 1500, "bytes"),
        "mac": Key(MAC, None, "default: unset, every unicast frame is ours"),
        "address": Key(Many(NETWORK), [], "addresses of the port itself"),
        "rx_ip_checksum_offload": Key(Flag(), True, "bad IP header checksums pass; false: they are dropped"),
        "enforce": Key(Flag(), False, "rules that this driver would refuse are not installed"),
        "vlan": Key(Many(VLAN), [], "VLAN devices on the port"),
        "sapool_address": Key(Many(ADDRESS), [], "addresses with a port pool that no service lists (SNAT)"),
        "slaves": Key(Either(Int(0, 32), Many(WORD)), 0, "of a bond: devices by name, or their number; 0: none"),
        "mode": Key(Int(0, 6), 0, "of a bond: which slave a frame leaves by, as DPDK numbers it"),
        "hash": Key(Choice("layer2", "layer2+3", "layer3+4"), "layer2", "of a bond: its transmit policy"),
        "primary": Key(WORD, None, "of a bond: the slave whose settings it has; default: the first"),
        "queues": Key(Int(1, 256), None, "receive queues of the port; default: as many as workers poll"),
        "forward2kni": Key(Flag(), False, "every frame goes to the kernel too"),
        "resolve": Key(Flag(), False, "next hops without a [[neighbor]] are asked for their MACs, packets wait"),
    }
)

FLOW_DIRECTOR = Table(
    {
        "enabled": Key(Flag(), True, 'the rules "dst = local address, (dst port & mask) == rank"'),
        "dst_port_mask": Key(Either(Choice("auto"), Int(0, 65535)), "auto", "an integer models a wrong one"),
        "byte_order": Key(Choice("network", "host"), "network", "how the driver reads the mask"),
        "strategy": Key(
            Choice("port-low", "port-high", "laddr", "rss-port", "off"), "port-low", "who owns which local port"
        ),
    }
)

SYNPROXY = _section(
    model.SynProxy,
    {
        "mss": (Int(0, 65535), "MSS of the SYN|ACK; 0 is what a wrong wscale in dpvs.conf gives"),
        "ttl": (Int(1, 255), "TTL of the SYN|ACK"),
        "sack": (Flag(), "SACK permitted is answered"),
        "wscale": (Int(0, 14), "window scale of the SYN|ACK; 0: not answered"),
        "timestamp": (Flag(), "timestamps are answered"),
        "close_client_window": (Flag(), "the client's window is closed until the real server answers"),
        "defer_rs_syn": (Flag(), "the SYN to the real server waits for the client's first data"),
        "rs_syn_max_retry": (Int(1, 99), "SYNs sent again to the real server"),
        "ack_storm_thresh": (Int(1, 999), "repeated ACKs that are let through"),
        "max_ack_saved": (Int(1, 63), "ACKs held for the real server's answer"),
        "conn_reuse": (
            Many(Choice("close", "time_wait", "fin_wait", "close_wait", "last_ack")),
            "states whose connection a new client may take",
        ),
        "secrets": (Int(0, 2**32 - 1), "every word of both secrets"),
        "clock_start": (Int(0, 2**32 - 1), "seconds the minute counter ran before the first frame"),
    },
)

TCP = Table(
    {
        **_section(
            model.Tcp,
            {
                "defence_drop": (Flag(), "non-SYN segments without a connection are dropped"),
                "toa": (Flag(), "the client's address as a TCP option; false leaves it out"),
                "seq_adjust": (Flag(), "sequence numbers are moved; false leaves them alone"),
                "isn_offset": (Int(0, 2**32 - 1), "DPVS's initial sequence number = the client's + this"),
            },
        ).keys,
        "timeout": Key(_timeouts(model.TCP_TIMEOUT), None, "seconds by state (D 5.3)"),
        "synproxy": Key(SYNPROXY, None, "the SYN proxy (D 6)"),
    }
)

UDP = Table(
    {
        **_section(
            model.Udp,
            {
                "defence_drop": (Flag(), "datagrams to a VIP without UDP service are dropped"),
                "uoa_mode": (Choice("opp", "ipo"), "the client's address as private protocol 248, or as IP option"),
                "uoa_max_trail": (Int(0, 255), "datagrams that carry it; 0: off"),
            },
        ).keys,
        "timeout": Key(_timeouts(model.UDP_TIMEOUT), None, "seconds by state (D 7.2)"),
    }
)

CONN = _section(
    model.ConnSettings,
    {
        "init_timeout": (Int(1, DAY_365), "seconds before the first state"),
        "pool_size": (Int(1, 2**31 - 1), "connections that fit"),
        "redirect": (Flag(), "packets of another worker's connections are handed to it"),
        "icmp_redirect_core": (Int(0, 1023), "cpu_id of the worker that handles all IPv4 ICMP echo; 0: the receiver"),
        "table": (Choice("worker", "shared"), "a table a worker, or one for all"),
        "expire_quiescent_template": (Flag(), "templates of real servers of weight 0 expire"),
        "fast_xmit": (Flag(), "packets leave with the MACs their connection learned"),
        "xmit_ttl": (Flag(), "the TTL is lowered"),
        "timer_jitter": (Flag(), "the fraction of a second DPVS adds to a timeout (D 2.5)"),
        "laddr_step": (Flag(), "the 5 % double step of rr and wrr (D 11.1)"),
    },
)

SA_POOL = _section(
    model.SaPool,
    {
        "low": (Int(1, 65535), "first local port"),
        "high": (Int(1, 65535), "last local port"),
        "hash_size": (Int(1, 128), "buckets of a pool"),
    },
)

BEHAVIOUR = Table(
    {
        "start": Key(Choice("spread", "head"), None, "where rr, wrr and wlc begin"),
        "bad_ack": Key(Choice("rst", "drop"), None, "an ACK without a connection"),
        "conhash_spread": Key(Choice("all", "edited"), None, "whose replicas follow a change of weights"),
        "whitelist": Key(Choice("exact", "bucket"), None, "whom a whitelist shuts out"),
        "quiescent": Key(Choice("conn", "service"), None, "whose flag ends connections of weight 0"),
        "synproxy_window": Key(Choice("client", "zero"), None, "window of the SYN|ACK"),
        "too_big_mtu": Key(Choice("network", "swapped"), None, "byte order of the MTU in ICMPv6 2/0"),
        "rr_restart": Key(Choice("changed", "removed"), None, "when rr starts anew"),
        "wrr_rounds": Key(Choice("threshold", "kernel"), None, "the rounds of wrr"),
        "overhead": Key(Int(1, 2**20), None, "inactive connections that one active weighs, for lc and wlc"),
        "product_bits": Key(Int(8, 64), None, "of what wlc compares"),
        "uoa_nat64_port": Key(Choice("client", "stray"), None, "port in the UOA of NAT64"),
        **{
            name: Key(Flag(), None, f"as the edition has it: {sentence}")
            for name, sentence in {
                "toa_in_syn": "the client address option in the SYN",
                "toa_prune": "other options give way to it",
                "udp_oneway": "UDP has a one-way state",
                "snat_expiry_rst": "RSTs at expiry under SNAT",
                "synproxy_wscale": "windows towards the client are scaled",
                "frag_needed_sent": "ICMP 3/4 from the slow path",
                "mh_port_is_synproxy": "the mh-port flag is the SYN proxy's",
                "legacy_fdir": "flow director filters of the old API",
            }.items()
        },
    }
)

TUNNEL = Table(
    {
        "type": Key(Choice("ipip", "gre", "gue"), "ipip", "encapsulation"),
        "port": Key(Int(1, 65535), None, "UDP port of gue"),
        "checksum": Key(Flag(), False, "the outer header carries a checksum"),
    }
)

MODE = ByProfile(Choice("fnat", "nat", "dr", "tunnel", "snat"), Choice("nat", "dr", "tunnel"))

REAL = Table(
    {
        "address": Key(ENDPOINT, None, "ADDRESS:PORT; under SNAT ADDRESS:0", required=True),
        "weight": Key(Int(0, 65535), 1, "share of new connections; 0: none", live=True),
        "max_conn": Key(Int(0, 2**32 - 1), 0, "upper threshold of connections; 0: none", live=True),
        "min_conn": Key(Int(0, 2**32 - 1), 0, "lower threshold of connections", live=True),
        "mode": Key(Choice("nat", "dr", "tunnel"), None, "where it differs from the service's", "ipvs", live=True),
        "tunnel": Key(TUNNEL, None, "encapsulation", "ipvs", live=True),
    }
)

PERSISTENT = Table(
    {
        "timeout": Key(Int(1, 2678400), 360, "seconds"),
        "netmask": Key(Int(0, 128), None, "prefix length of the clients that belong together; default 32 or 128"),
    }
)

DEST_CHECK = _section(
    model.DestCheck,
    {
        "down_retry": (Int(1, 2**31 - 1), "failures before a real server is taken out"),
        "down_wait": (Int(1, 2**31 - 1), "seconds they must fall into"),
        "inhibit_min": (Int(0, 2**31 - 1), "seconds it stays out at first"),
        "inhibit_max": (Int(0, 2**31 - 1), "seconds it stays out at most; all three of these 0: for ever"),
        "up_confirm": (Int(0, 2**31 - 1), "successes before the time is halved"),
    },
)

SERVICE = Table(
    {
        "name": Key(WORD, None, 'unique; default: "tcp 10.0.0.100:80", of SNAT "snat " and its match'),
        "vip": Key(ENDPOINT, None, "virtual address and port"),
        "match": Key(Text(values.match, "proto=...,src-range=...,oif=... as ipvsadm -H writes it"), None, "of SNAT"),
        "protocol": Key(Choice(*values.PROTOCOL), "tcp", "icmp and icmpv6 are for SNAT"),
        "scheduler": Key(
            ByProfile(Choice(*DPVS_SCHEDULERS), Choice(*IPVS_SCHEDULERS)),
            "wlc",
            "who gets a new connection",
            live="ipvs",
        ),
        "mode": Key(MODE, "fnat", "forwarding mode; default under profile ipvs: dr"),
        "laddr": Key(Many(LADDR), [], "local addresses of full NAT", "dpvs", live="dpvs"),
        "persistent": Key(
            Either(Flag(), PERSISTENT), None, "a client keeps its real server; default: off", live="ipvs"
        ),
        "mh_fallback": Key(Flag(), False, "flag of the mh scheduler", "dpvs"),
        "mh_port": Key(Flag(), False, "flag of the mh scheduler: the source port counts", "dpvs"),
        "conn_timeout": Key(Int(0, DAY_365), 0, "seconds of an established connection; 0: the protocol's", "dpvs"),
        "synproxy": Key(Flag(), False, "the balancer answers SYNs with a cookie", "dpvs"),
        "one_packet": Key(Flag(), False, "every datagram is scheduled anew", live="ipvs"),
        "expire_quiescent": Key(Flag(), False, "connections of removed or weightless real servers end", "dpvs"),
        "limit_proportion": Key(Int(0, 100), 0, "percent of packets that pass; 0: off", "dpvs"),
        "blacklist": Key(_Subjects(), [], "sources that are dropped", "dpvs", live=True),
        "whitelist": Key(_Subjects(), [], "the only sources that pass, if any is listed", "dpvs", live=True),
        "proxy_protocol": Key(
            Choice("off", "v1", "v2", "v1-insecure", "v2-insecure"), "off", "client address in the stream", "dpvs"
        ),
        "quic": Key(Flag(), False, "real servers chosen by QUIC connection id", "dpvs"),
        "hash_target": Key(Choice("source", "quic"), "source", "what conhash hashes", "dpvs"),
        "dest_check": Key(Either(Flag(), DEST_CHECK), False, "passive check of real servers (D 10.5)", "dpvs"),
        "real": Key(Many(REAL), [], "real servers in the order they are added"),
        "fwmark": Key(Int(1, 2**32 - 1), None, "a firewall-mark service, in place of vip and protocol", "ipvs"),
        "flags": Key(
            Many(Choice("sh-fallback", "sh-port", "mh-fallback", "mh-port", "flag-1", "flag-2", "flag-3")),
            [],
            "scheduler flags, -b",
            "ipvs",
            live=True,
        ),
        "persistence_engine": Key(Choice("sip"), None, "--pe", "ipvs"),
    }
)

ROUTE = Table(
    {
        "to": Key(NETWORK, None, "destination network", required=True),
        "via": Key(ADDRESS, None, "gateway; default: on link"),
        "mtu": Key(Int(0, 65535), 0, "bytes; 0: the device's"),
        "source": Key(ADDRESS, None, "source address of packets the balancer makes"),
        "device": Key(WORD, None, "by which it leaves; default: whose network has the gateway, else the first"),
    }
)

NEIGHBOR = Table(
    {
        "address": Key(ADDRESS, None, "the next hop", required=True),
        "mac": Key(MAC, None, "its MAC", required=True),
        "device": Key(WORD, None, "by which it is reached; default: any"),
    }
)

EVENT = Table(
    {
        "at": Key(Seconds(), None, "seconds after the first frame", required=True),
        "set": Key(WORD, None, "KEY=VALUE, as of --set"),
        "remove": Key(WORD, None, "service.NAME.real.ADDRESS or service.NAME"),
        "add": Key(WORD, None, "service.NAME.real, with value; under profile ipvs service, with service"),
        "value": Key(REAL, None, "the real server that is added"),
        "service": Key(SERVICE, None, "the service that is added", "ipvs"),
        "zero": Key(WORD, None, "whose counters begin anew: service.NAME or all", "ipvs"),
    }
)

MARK = Table(
    {
        "mark": Key(Int(1, 2**32 - 1), None, "the firewall mark", "ipvs", required=True),
        "to": Key(NETWORK, None, "destination; default: any"),
        "protocol": Key(Choice(*values.PROTOCOL), None, "default: any"),
        "ports": Key(Many(Int(0, 65535)), None, "destination ports; default: any"),
        "local": Key(Flag(), False, "marked packets are routed to the director itself"),
    }
)

IPVS = Table(
    {
        **{
            name: Key(Int(0, high), None, f"sysctl net.ipv4.vs.{name} (L 17)", live=True)
            for name, high in SYSCTLS.items()
        },
        "sync_threshold": Key(Either(WORD, Many(Int(0, 2**31 - 1))), None, "sysctl net.ipv4.vs.sync_threshold (L 17)"),
        "conn_tab_bits": Key(Int(8, 27), None, "buckets of the connection table, as a power of two; default 12"),
        "timeout": Key(
            Table({name: Key(Int(1, DAY_365), None, "seconds", live=True) for name in ("tcp", "tcpfin", "udp")}),
            None,
            "ipvsadm --set",
        ),
        "modules": Key(Many(Choice("ip_vs_ftp", "ip_vs_pe_sip")), [], "helper modules loaded"),
        "tracking": Key(
            Flag(), False, "connection tracking is in use in the namespace; before 5.9 wherever conntrack = 1"
        ),
    }
)

SCHEMA = Table(
    {
        "seed": Key(Int(0, 2**63 - 1), 0, "all chance in the model"),
        "profile": Key(Choice("dpvs", "ipvs"), "dpvs", "which balancer"),
        "edition": Key(
            ByProfile(Choice(*model.EDITIONS), Choice(*model.KERNELS, said=f"{KERNELS} in quotes")),
            "1.10",
            f"whose behaviour: of DPVS 1.10 or 1.8, of the kernel {KERNELS}; its default is 2.6",
        ),
        "workers": Key(Either(Int(1, MAX_WORKERS), Many(WORKER)), 4, "forwarding lcores, or every worker in full"),
        "device": Key(Either(DEVICE, Many(DEVICE)), None, "the port, or every port as [[device]]"),
        "flow_director": Key(FLOW_DIRECTOR, None, "the NIC's rules for local addresses", "dpvs"),
        "sa_pool": Key(SA_POOL, None, "local ports", "dpvs"),
        "conn": Key(CONN, None, "connections", "dpvs"),
        "tcp": Key(TCP, None, "TCP", "dpvs"),
        "udp": Key(UDP, None, "UDP", "dpvs"),
        "sctp": Key(
            Table({"timeout": Key(_timeouts(model.SCTP_TIMEOUT), None, "seconds by state (D 8)")}), None, "SCTP", "dpvs"
        ),
        "ipv4": Key(Table({"forwarding": Key(Flag(), False, "IPv4 in transit is forwarded")}), None, "IPv4"),
        "ipv6": Key(Table({"forwarding": Key(Flag(), False, "IPv6 in transit is forwarded")}), None, "IPv6"),
        "behaviour": Key(BEHAVIOUR, None, "single differences between editions, by name (D 15)", "dpvs"),
        "service": Key(Many(SERVICE), [], "virtual services"),
        "route": Key(Many(ROUTE), [], "routes; none: everything is reachable"),
        "neighbor": Key(Many(NEIGHBOR), [], "MACs of next hops"),
        "event": Key(Many(EVENT), [], "changes in the middle of a replay"),
        "ipvs": Key(IPVS, None, "the kernel's switches", "ipvs"),
        "mark": Key(Many(MARK), [], "rules that give a firewall mark", "ipvs"),
    }
)


def json_schema() -> Json:
    """JSON Schema (draft 7) of the whole configuration."""
    return {"$schema": "http://json-schema.org/draft-07/schema#", "title": "lbreplay configuration", **SCHEMA.json()}
