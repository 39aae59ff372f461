"""virtual_server blocks of keepalived.conf -> the ipvsadm commands that keepalived gives, with its defaults.

So `ipvsadm.Services` is the one place that knows services. What keepalived only warns of loses no service here either:
it is warned of, in the words of the line that the user wrote, and keepalived's own value is taken (keepalived.conf(5);
its daemon's messages where the manual is silent).
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from lbreplay.config import whose
from lbreplay.config.ipvsadm import Services, prefix
from lbreplay.config.keepalived.text import Block, parse
from lbreplay.config.schema import DPVS_SCHEDULERS, IPVS_SCHEDULERS
from lbreplay.errors import ConfigError

KINDS = {"FNAT": "-b", "NAT": "-m", "DR": "-g", "TUN": "-i", "SNAT": "-J"}
ONLY_DPVS_KINDS = {"FNAT", "SNAT"}
SELECT = {"TCP": "-t", "UDP": "-u", "SCTP": "--sctp-service", "ICMP": "-q", "ICMPV6": "-1"}
DEFAULT_PERSISTENCE = "360"  # seconds, where only a granularity or a bare timeout stands
MAX_RANGE = 1 << 14  # members of a range of addresses
GROUPS = ("virtual_server_group", "local_address_group", "deny_address_group", "allow_address_group")
MATCH = ("src-range", "dst-range", "iif", "oif")
LISTS = (  # keyword of a virtual server, its group, and the command that adds an entry
    ("laddr_group_name", "local_address_group", ("-P", "-z")),
    ("daddr_group_name", "deny_address_group", ("-U", "-k")),
    ("waddr_group_name", "allow_address_group", ("-O", "-2")),
)
SCHED_FLAGS = ("sh-port", "sh-fallback", "mh-port", "mh-fallback", "flag-1", "flag-2", "flag-3")  # of the kernel
MH_FLAGS = {"mh-port": "mh_port", "mh-fallback": "mh_fallback"}  # of DPVS
BOTH = {
    "lb_algo", "lvs_sched", "lb_kind", "lvs_method", "protocol", "persistence_timeout", "persistence_granularity",
    "ops", "real_server", "weight", "ip_family", *MATCH,
}  # fmt: skip
ONLY_KERNEL = {"persistence_engine", *SCHED_FLAGS}
ONLY_DPVS = {
    "syn_proxy", "expire_quiescent_conn", "establish_timeout", "conn_timeout", "quic", "hash_target",
    "proxy_protocol", "limit_proportion", *MH_FLAGS, *MH_FLAGS.values(), *(name for name, _, _ in LISTS),
}  # fmt: skip
REAL = {"weight", "uthreshold", "lthreshold", "upper_limit", "lower_limit", "lvs_method", "lb_kind"}
TUNNEL_SUMS = {"nocsum": "--tun-nocsum", "csum": "--tun-csum", "remcsum": "--tun-remcsum"}
MOST = {"weight": 65535}  # other numbers: 32 bits

Groups = Mapping[tuple[str, ...], Block]


def read(name: str, text: str, services: Services) -> None:
    """Give every virtual server of *text* to *services*. ConfigError where there is none."""
    found = services.found
    blocks = parse(name, text, found.leave, found.warn)
    if not any(block.words[0] == "virtual_server" for block in blocks):
        got = f": {found.warnings[0]}" if found.warnings else whose.what(text, "--keepalived")
        raise ConfigError(f"{name}: virtual_server blocks expected{got}")
    groups = {tuple(b.words[:2]): b for b in blocks if b.words[0] in GROUPS and len(b.words) > 1}
    unread = Unread()
    for block in blocks:
        if block.words[0] == "virtual_server":
            _Server(block, groups, services, unread).make()
        elif block.words[0] == "global_defs":
            _global(block, services, unread)
        elif block.words[0] not in GROUPS:
            unread.add(block)
    for place, line in unread.lines():
        found.leave(place, line)


def lines(name: str, text: str) -> Iterator[tuple[str, str]]:
    """(place, line) of everything in *text*, blocks flattened: to see whose balancer it is."""

    def flat(blocks: list[Block]) -> Iterator[tuple[str, str]]:
        for block in blocks:
            yield block.place, str(block)
            yield from flat(block.inside)

    def nothing(place: str, what: str) -> None:
        """Said when it is read in earnest."""

    return flat(parse(name, text, nothing, nothing))


class Unread:
    """Lines that are not modelled: of each keyword the first, and how many more there are."""

    def __init__(self) -> None:
        self._first: dict[str, Block] = {}
        self._count: dict[str, int] = {}

    def add(self, block: Block) -> None:
        self._first.setdefault(block.words[0], block)
        self._count[block.words[0]] = self._count.get(block.words[0], 0) + 1

    def lines(self) -> Iterator[tuple[str, str]]:
        for keyword, block in self._first.items():
            more = self._count[keyword] - 1
            yield block.place, f"{block} (and {more} more of {keyword})" if more else str(block)


def _global(block: Block, services: Services, unread: Unread) -> None:
    """`lvs_timeouts tcp N tcpfin N udp N` is what `ipvsadm --set` sets; DPVS has no use for it."""
    timeouts = block.last("lvs_timeouts") if services.profile == "ipvs" else None
    if timeouts is not None:
        given = dict(zip(timeouts.words[1::2], timeouts.words[2::2], strict=False))
        words = ["--set", *(given.get(name, "0") for name in ("tcp", "tcpfin", "udp"))]
        services.apply(words, timeouts.place, said=str(timeouts))
    if timeouts is None or len(block.inside) > 1:
        unread.add(block)


class _Spot(NamedTuple):
    """Where one virtual server is: the option and value that select it, and the line that says so."""

    words: tuple[str, str]
    line: Block


class _Server:
    """One virtual_server block; of a group it becomes several services."""

    def __init__(self, block: Block, groups: Groups, services: Services, unread: Unread) -> None:
        self.block = block
        self.groups = groups
        self.services = services
        self.unread = unread
        self.kernel = services.profile == "ipvs"

    def make(self) -> None:
        protocol = self._protocol()
        spots = list(self._spots(protocol))
        options = self._options(protocol)
        forward = self._forwarding(self.block, ["-m"])
        for spot in spots:
            self._service(spot, options, forward)
        self._not_modelled()

    def _service(self, spot: _Spot, options: list[str], forward: list[str]) -> None:
        self._flags()
        persistent = [] if "-p" in options or not _portless(spot) else self._portless_persistence(spot)
        if not self._give(["-A", *spot.words, *options, *persistent], spot.line):
            return
        for block in self.block.inside:
            if block.words[0] == "real_server":
                self._real(spot, block, forward)
        for names, group, command in () if self.kernel else LISTS:
            self._list(spot, names, group, command)

    def _give(self, words: list[str], line: Block) -> bool:
        return self.services.apply(words, line.place, said=str(line))

    def _warn(self, line: Block, sentence: str) -> None:
        self.services.found.warn(line.place, f"{line}: {sentence}")

    def _not_modelled(self) -> None:
        """Once a block, however many members its group has."""
        known = BOTH | (ONLY_KERNEL if self.kernel else ONLY_DPVS)
        for block in self.block.inside:
            if block.words[0] not in known:
                self.unread.add(block)
            for below in block.inside if block.words[0] == "real_server" else ():
                if below.words[0] not in REAL:
                    self.unread.add(below)

    # where

    def _protocol(self) -> str:
        """UDP where none is said, as keepalived does (the kernel's 0 means it)."""
        given = (self.block.get("protocol") or "").upper()
        if given in SELECT:
            return given
        if (line := self.block.last("protocol")) is not None:
            self._warn(line, f"{', '.join(SELECT)} expected; keepalived takes UDP")
        elif self.block.words[1:2] != ["fwmark"]:
            self._warn(self.block, "no protocol, which is UDP to keepalived")
        return "UDP"

    def _spots(self, protocol: str) -> Iterator[_Spot]:
        head = self.block.words[1:]
        if head[:1] == ["group"] and len(head) == 2:
            group = self.groups.get(("virtual_server_group", head[1]))
            if group is None:
                self._warn(self.block, f"no virtual_server_group {head[1]}")
            for entry in group.inside if group else ():
                yield from self._entry(entry.words, entry, protocol)
        elif head[:1] == ["match"]:
            ranges = [f"{key}={value}" for key in MATCH if (value := self.block.get(key))]
            yield _Spot(("-H", ",".join([f"proto={protocol.lower()}", *ranges])), self.block)
        else:
            yield from self._entry(head, self.block, protocol)

    def _entry(self, words: list[str], line: Block, protocol: str) -> Iterator[_Spot]:
        """`ADDRESS [PORT]`, a range of addresses, or `fwmark N`."""
        if words[:1] == ["fwmark"]:
            yield _Spot(("-f", " ".join(words[1:2])), line)
        else:
            port = words[1] if len(words) > 1 else "0"
            for address in spread(words[0] if words else "", line):
                yield _Spot((SELECT[protocol], endpoint(address, port)), line)

    def _portless_persistence(self, spot: _Spot) -> list[str]:
        self._warn(spot.line, f"port 0 only with persistence; keepalived takes {DEFAULT_PERSISTENCE} seconds of it")
        return ["-p", DEFAULT_PERSISTENCE]

    # how

    def _options(self, protocol: str) -> list[str]:
        words = ["-s", self._scheduler(), *self._persistence()]
        marked = self.block.words[1:2] == ["fwmark"]
        if (line := self.block.last("ops")) is not None:
            if protocol == "UDP" or marked:
                words.append("--ops")
            else:
                self._warn(line, "one packet scheduling is for UDP; keepalived leaves it out")
        return words + (self._kernel_options(protocol, marked) if self.kernel else self._dpvs_options())

    def _scheduler(self) -> str:
        """As said, also where only the other balancer has it: whoever judges the whole says so."""
        line = self.block.last("lb_algo", "lvs_sched")
        given = " ".join(line.words[1:2]) if line else "wlc"
        if line is None or given in (*IPVS_SCHEDULERS, *DPVS_SCHEDULERS):
            return given
        known = IPVS_SCHEDULERS if self.kernel else DPVS_SCHEDULERS
        self._warn(line, f"{', '.join(known)} expected; keepalived takes wlc")
        return "wlc"

    def _persistence(self) -> list[str]:
        timeout = self.block.last("persistence_timeout")
        mask = self.block.last("persistence_granularity")
        seconds = self._number(timeout, 1) if timeout and len(timeout.words) > 1 else None
        if (timeout is None and mask is None) or seconds == "":
            return []
        return ["-p", seconds or DEFAULT_PERSISTENCE, *self._granularity(mask)]

    def _granularity(self, line: Block | None) -> list[str]:
        text = " ".join(line.words[1:2]) if line else ""
        try:
            return ["-M", text] if text and prefix(text) else []
        except ValueError:
            self._warn(line or self.block, "a netmask or a prefix length expected; keepalived leaves it out")
            return []

    def _number(self, line: Block, low: int = 0) -> str:
        """The number of a line; nothing where keepalived would ignore it."""
        text, high = " ".join(line.words[1:2]), MOST.get(line.words[0], 2**32 - 1)
        if text.isascii() and text.isdecimal() and low <= int(text) <= high:
            return text
        self._warn(line, f"{low} to {high} expected; keepalived leaves it out")
        return ""

    def _kernel_options(self, protocol: str, marked: bool) -> list[str]:
        flags = [flag for flag in SCHED_FLAGS if self.block.last(flag) is not None]
        words = ["-b", ",".join(flags)] if flags else []
        if (line := self.block.last("persistence_engine")) is None:
            return words
        if not (marked or protocol == "UDP"):
            self._warn(line, "a persistence engine is for UDP; keepalived leaves it out")
            return words
        return [*words, "--pe", " ".join(line.words[1:])]

    def _dpvs_options(self) -> list[str]:
        get, words = self.block.get, []
        for option, name in (("--expire-quiescent", "expire_quiescent_conn"), ("--quic", "quic")):
            if get(name) is not None:
                words.append(option)
        if get("syn_proxy") is not None:
            words += ["-j", "enable"]
        for option, names in (
            ("--conn-timeout", ("establish_timeout", "conn_timeout")),
            ("--hash-target", ("hash_target",)),
            ("--proxy-protocol", ("proxy_protocol",)),
        ):
            if value := get(*names):
                words += [option, value.replace(" ", "-")]
        return words

    def _flags(self) -> None:
        """What DPVS's ipvsadm has no option for."""
        if self.kernel:
            return
        for flag, name in MH_FLAGS.items():
            if (line := self.block.last(flag, name)) is not None:
                self.services.said.append((name, True, line.place))
        if (line := self.block.last("limit_proportion")) is not None and (percent := self._number(line)):
            self.services.said.append(("limit_proportion", int(percent), line.place))

    def _forwarding(self, block: Block, default: list[str]) -> list[str]:
        """The options of `lb_kind`: NAT where none is said, or none that is known."""
        line = block.last("lb_kind", "lvs_method")
        if line is None:
            return default
        method = line.words[1:]
        kind = method[0].upper() if method else ""
        if kind not in KINDS or (self.kernel and kind in ONLY_DPVS_KINDS):
            known = [name for name in KINDS if not (self.kernel and name in ONLY_DPVS_KINDS)]
            self._warn(line, f"{', '.join(known)} expected; keepalived takes NAT")
            return ["-m"]
        return [KINDS[kind], *_tunnel(method)]

    # real servers and lists

    def _real(self, spot: _Spot, block: Block, forward: list[str]) -> None:
        address, port = [*block.words[1:3], "", ""][:2]
        where = endpoint(address, port) if port else address
        words = ["-a", *spot.words, "-r", where, *self._forwarding(block, forward), "-w", self._weight(block)]
        for option, names in (("-x", ("uthreshold", "upper_limit")), ("-y", ("lthreshold", "lower_limit"))):
            if (line := block.last(*names)) is not None and (value := self._number(line)):
                words += [option, value]
        self._give(words, block)

    def _weight(self, block: Block) -> str:
        """Its own weight, or the virtual server's for all, or 1."""
        for line in (block.last("weight"), self.block.last("weight")):
            if line is not None and (weight := self._number(line)):
                return weight
        return "1"

    def _list(self, spot: _Spot, keyword: str, kind: str, command: tuple[str, str]) -> None:
        """Local addresses, black and white lists by the names of their groups."""
        line = self.block.last(keyword)
        if line is None:
            return
        group = self.groups.get((kind, *line.words[1:2]))
        if group is None:
            self._warn(line, f"no {kind} {' '.join(line.words[1:2])}")
            return
        for entry in group.inside:
            device = ["-F", *entry.words[1:2]] if command[0] == "-P" and len(entry.words) > 1 else []
            for address in [entry.words[0]] if entry.words[0].startswith("ipset:") else spread(entry.words[0], entry):
                self._give([command[0], *spot.words, command[1], address, *device], entry)


def _portless(spot: _Spot) -> bool:
    return spot.words[0] not in ("-f", "-H") and spot.words[1].endswith(":0")


def endpoint(address: str, port: str) -> str:
    """`10.0.0.1 80` -> `10.0.0.1:80`."""
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def spread(text: str, line: Block) -> list[str]:
    """`10.0.0.1`, `10.0.0.1-5` (a range in the last number), `10.0.0.250-10.0.1.10` or `10.0.0.8/29` -> addresses.

    What is none of these stays as it is, for whoever reads addresses to judge. ConfigError for a range too wide.
    """
    try:
        low, high = _range(text)
    except ValueError:
        return [text]
    if not 0 <= high - low < MAX_RANGE:
        raise ConfigError(f"{line.place}: {line}: a range of 1 to {MAX_RANGE} addresses expected")
    make = ipaddress.IPv6Address if ":" in text else ipaddress.IPv4Address
    return [str(make(number)) for number in range(low, high + 1)]


def _range(text: str) -> tuple[int, int]:
    first, dash, second = text.partition("-")
    if "/" in text:
        network = ipaddress.ip_network(text, strict=False)
        return int(network[0]), int(network[-1])
    low = ipaddress.ip_address(first)
    if not dash:
        return int(low), int(low)
    if re.fullmatch(r"[0-9A-Fa-f]+", second):
        second = re.sub(r"[0-9A-Fa-f]+$", second, first)
    return int(low), int(ipaddress.ip_address(second))


def _tunnel(method: list[str]) -> list[str]:
    """`TUN type gue port 5555 csum` -> options of ipvsadm."""
    words: list[str] = []
    queue = iter(method[1:])
    for word in queue:
        if word in ("type", "port"):
            words += [f"--tun-{word}", next(queue, "")]
        elif word in TUNNEL_SUMS:
            words.append(TUNNEL_SUMS[word])
    return words
