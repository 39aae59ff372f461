"""What differs between kernels, each by name (L 21). The defaults are Linux 6.1.192, which the recordings show.

"2.6" is the era of the design documents: 2.6.32 with one-packet scheduling and SCTP where 2.6.17 differs (L 0). The
mainline releases between are 6.1 with what changed after them taken back: CHANGES (L 23).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from lbreplay.model import Behaviour

LOCAL_IN, FORWARD, LOCAL_OUT = "local_in", "forward", "local_out"

# Hook, priority, handler: the order in which a packet meets IPVS (L 2). At LOCAL_OUT a replay has the director's own
# ICMP errors only; POST_ROUTING of 2.6 stops other modules' work and changes no packet.
HOOKS_26 = ((LOCAL_IN, 100, "request"), (FORWARD, 99, "forward_icmp"), (FORWARD, 100, "reply"))
HOOKS_61 = (
    (LOCAL_IN, 98, "reply"),
    (LOCAL_IN, 99, "request"),
    (LOCAL_OUT, -99, "reply"),
    (LOCAL_OUT, -98, "request"),
    (FORWARD, 99, "forward_icmp"),
    (FORWARD, 100, "reply"),
)
# what differs in the schedulers that DPVS has too
SCHEDULING = Behaviour("head", rr_restart="removed", wrr_rounds="kernel", overhead=257, product_bits=64)


@dataclass(frozen=True, slots=True)
class Edition:
    """One kernel."""

    name: str = "6.1.192"
    hooks: tuple[tuple[str, int, str], ...] = HOOKS_61
    hooks_need_service: bool = True  # the hooks are there while a service is
    sysctls: str = "all"  # or "2.6": the later ones do not exist and count as 0 (L 17)
    lowest: str = "unicast"  # the lowest address of a network; "broadcast": it is everybody's
    gathers_v6: bool = True  # fragments of IPv6 are put together on arrival once there was a service of IPv6
    # look-up and table
    out_by: str = "virtual"  # replies of DR and TUN are found by the virtual address; "real": by the real one
    response_in: bool = False  # a miss of ip_vs_in tries the replies' look-up
    deferred_moves: bool = False  # an entry whose end is put off goes to the head of its chain
    hash: str = "lookup3"  # Jenkins's function of the table's buckets
    locks: int = 32
    same_moment: str = "newest"  # of timers due together the newest armed fires first; "oldest"
    # scheduling
    rst_passes: bool = True  # RST|SYN opens nothing
    ftp_data_passes: bool = True  # source port 20 opens nothing
    ftp_template: bool = True  # a data connection may make its own template
    real_port_zero: bool = True  # persistence: a real server's port 0 means the packet's own
    # an existing connection
    reschedules: bool = True  # conn_reuse_mode, and a weightless real server's SYN under expire_nodest_conn
    weightless: str = "always"  # when that SYN is; "reuse": only where conn_reuse_mode is not 0
    conntrack_drops: str = "confirmed"  # such a SYN, if its entry of connection tracking is; "any": if it has one
    tracking: str = "asked"  # what puts connection tracking in use; "conntrack": that sysctl, unless said otherwise
    nodest: str = "reschedule"  # expire_nodest_conn: the packet goes on as a miss; "drop": it is lost
    active: frozenset[str] = frozenset({"ESTABLISHED", "SYN_SENT", "SYN_RECV", "SYNACK"})
    none_ack: str = "ES"  # the next state of the four cells NONE + ACK from the client
    sctp: str = "6.1"  # timeouts; "2.6": ESTABLISHED 900, CLOSED 10, all else 60
    assured: bool = True  # templates become ASSURED, which spares them
    drop_entry: str = "6.1"  # whom it spares; "2.6": templates only
    one_packet_number: str = "template"  # where packets of one-packet services are counted; "conn"
    servers_open: bool = True  # a real server's datagram may open a connection (persistence engines)
    parent_dies: str = "childless"  # with an entry that is dropped, its parent: if childless and not ASSURED; "always"
    thresholds: str = "crossing"  # OVERLOAD is judged when the total crosses; "every": at each bind and unbind
    trash: str = "kept"  # deleted real servers wait 120 s; "referenced": only while connections refer to them
    # sending
    ttl: bool = True  # lowered on the way to a real server
    local: str = "route"  # whether a real server is the director itself is a matter of routes; "configured"
    tunnel: str = "6.1"  # TOS without CE, DF by pmtu_disc; "2.6": TOS and fragment word of the inner header
    tunnel_errors: bool = True  # errors about tunnelled packets are turned into errors for the client
    checks_method: bool = True  # replies of DR and TUN connections are not translated
    full_checksum: bool = False  # NAT with a helper sums the whole packet, changed or not
    sctp_port_only: bool = True  # the CRC is computed anew only where the port changes
    # ICMP
    errors_v6: frozenset[int] = frozenset(range(128))  # types of ICMPv6 that are looked at
    quoted_fragment: str = "transport"  # errors quoting later fragments are let go: of "transport" or only of "ipsec"
    icmp_checksum: str = "translated"  # tested where the error is translated; "all": on every hit
    # helpers and the rest
    ftp_extended: bool = True  # EPSV, EPRT, and free spelling of PORT and 227
    ftp_strict: bool = True  # numbers above 255 and ports above 65535 are refused
    sync: str = "6.1"
    fold: str = "high"  # of the multiplicative hash of sh, dh, lblc: high bits of the golden ratio; "low"
    sh_weights: bool = True
    overhead_lblc: int = 257
    scheduling: Behaviour = SCHEDULING


_NOW = Edition()
EDITIONS = {
    "6.1.192": _NOW,
    "6.1": replace(
        _NOW,
        name="6.1",
        thresholds="every",
        quoted_fragment="ipsec",
        icmp_checksum="all",
        ftp_strict=False,
        overhead_lblc=256,
        scheduling=_NOW.scheduling._replace(overhead=256),
    ),
    "2.6": Edition(
        name="2.6",
        hooks=HOOKS_26,
        hooks_need_service=False,
        sysctls="2.6",
        lowest="broadcast",
        gathers_v6=False,
        out_by="real",
        response_in=True,
        deferred_moves=True,
        hash="lookup2",
        locks=16,
        same_moment="oldest",
        rst_passes=False,
        ftp_data_passes=False,
        ftp_template=False,
        real_port_zero=False,
        reschedules=False,
        nodest="drop",
        active=frozenset({"ESTABLISHED"}),
        none_ack="CL",
        sctp="2.6",
        assured=False,
        drop_entry="2.6",
        one_packet_number="conn",
        servers_open=False,
        parent_dies="always",
        thresholds="every",
        trash="referenced",
        ttl=False,
        local="configured",
        tunnel="2.6",
        tunnel_errors=False,
        checks_method=False,
        full_checksum=True,
        sctp_port_only=False,
        errors_v6=frozenset({1, 2, 3}),
        quoted_fragment="ipsec",
        icmp_checksum="all",
        ftp_extended=False,
        ftp_strict=False,
        sync="2.6",
        fold="low",
        sh_weights=False,
        overhead_lblc=50,
        scheduling=Behaviour("head"),
    ),
}


class Change(NamedTuple):
    """What a mainline release brought: the fields as they were before it."""

    since: tuple[int, int]
    before: Mapping[str, Any]


# L 23, the newest first. Distributions and stable kernels have some of these earlier. `tracking` is no change of the
# kernel but of its users: what set conntrack = 1 then, kube-proxy and its like, had rules that put it in use.
CHANGES = (
    Change((5, 16), {"weightless": "reuse"}),
    Change((5, 9), {"conntrack_drops": "any", "tracking": "conntrack", "nodest": "drop", "hooks_need_service": False}),
    Change((4, 19), {"assured": False, "drop_entry": "2.6", "parent_dies": "always"}),
    Change((4, 18), {"fold": "low", "ftp_extended": False}),
    Change((4, 12), {"checks_method": False}),
    Change((4, 10), {"ttl": False}),
    Change((4, 8), {"active": frozenset({"ESTABLISHED"})}),
    Change((4, 7), {"servers_open": False}),
)


def edition(name: str) -> Edition:
    """The kernel called *name*, of `model.KERNELS`."""
    if name in EDITIONS:
        return EDITIONS[name]
    release = tuple(int(part) for part in name.split("."))
    later = [change.before for change in CHANGES if release < change.since]
    return replace(EDITIONS["6.1"], name=name, **{field: was for before in later for field, was in before.items()})
