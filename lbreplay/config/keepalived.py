"""keepalived.conf, with DPVS's additions or without -> services: virtual_server blocks, and the groups they name.

Blocks are braces that nest; `!` and `#` begin comments. Each virtual_server becomes the ipvsadm commands that
keepalived would give, so that `ipvsadm.Services` is the one place that knows services.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from lbreplay.config.ipvsadm import Services
from lbreplay.errors import ConfigError

KINDS = {"FNAT": "-b", "NAT": "-m", "DR": "-g", "TUN": "-i", "SNAT": "-J"}
SELECT = {"TCP": "-t", "UDP": "-u", "SCTP": "--sctp-service", "ICMP": "-q", "ICMPV6": "-1"}
GROUPS = ("virtual_server_group", "local_address_group", "deny_address_group", "allow_address_group")
MODELLED = {
    "lb_algo", "lvs_sched", "lb_kind", "lvs_method", "protocol", "persistence_timeout", "persistence_granularity",
    "laddr_group_name", "deny_addr_group_name", "blklst_addr_group_name", "allow_addr_group_name",
    "whtlst_addr_group_name", "syn_proxy", "expire_quiescent_conn", "establish_timeout", "conn_timeout", "ops", "quic",
    "hash_target", "mh-port", "mh-fallback", "mh_port", "mh_fallback", "real_server", "proxy_protocol",
}  # fmt: skip

SCHED_FLAGS = ("sh-port", "sh-fallback", "mh-port", "mh-fallback", "flag-1", "flag-2", "flag-3")  # of the kernel
ONLY_KERNEL = {"persistence_engine", *SCHED_FLAGS}
ONLY_DPVS = {
    "laddr_group_name", "deny_addr_group_name", "blklst_addr_group_name", "allow_addr_group_name",
    "whtlst_addr_group_name", "syn_proxy", "expire_quiescent_conn", "establish_timeout", "conn_timeout", "quic",
    "hash_target", "mh_port", "mh_fallback", "proxy_protocol",
}  # fmt: skip
REAL_MODELLED = {"weight", "uthreshold", "lthreshold", "upper_limit", "lower_limit", "lvs_method"}
TUNNEL_SUMS = {"nocsum": "--tun-nocsum", "csum": "--tun-csum", "remcsum": "--tun-remcsum"}


@dataclass
class Block:
    """A keyword with its words, and the lines in its braces."""

    words: list[str]
    line: int
    inside: list[Block] = field(default_factory=list)

    def get(self, *names: str) -> str | None:
        """The last value of one of *names*; empty where the word stands alone."""
        found = [block.words for block in self.inside if block.words[0] in names]
        return None if not found else " ".join(found[-1][1:])


def parse(name: str, text: str) -> list[Block]:
    """Blocks of *text*. ConfigError with line and column at a brace too many or too few."""
    top = Block(["top"], 0)
    stack = [top]
    for n, line in enumerate(text.splitlines(), 1):
        words: list[str] = []
        for token in re.finditer(r'"([^"]*)"|[{}]|[!#].*|[^\s{}"]+', line):
            if token[0] == "{":
                block = Block(words, n) if words else stack[-1].inside.pop() if stack[-1].inside else Block(["?"], n)
                stack[-1].inside.append(block)
                stack.append(block)
                words = []
            elif token[0] == "}":
                if words:
                    stack[-1].inside.append(Block(words, n))
                if len(stack) == 1:
                    raise ConfigError(f"{name}:{n}: column {token.start() + 1}: a brace closes nothing")
                stack.pop()
                words = []
            elif token[0][0] in "!#":
                break
            else:
                words.append(token[1] if token[0].startswith('"') else token[0])
        if words:
            stack[-1].inside.append(Block(words, n))
    if len(stack) > 1:
        raise ConfigError(f"{name}:{stack[-1].line}: block {' '.join(stack[-1].words)} is not closed")
    return top.inside


def read(name: str, text: str, services: Services) -> None:
    """Give every virtual server of *text* to *services*."""
    blocks = parse(name, text)
    if text.strip() and not any(block.words[0] == "virtual_server" for block in blocks):
        raise ConfigError(f"{name}: virtual_server blocks expected, got a file without any")
    groups = {tuple(b.words[:2]): b for b in blocks if b.words[0] in GROUPS and len(b.words) > 1}
    for block in blocks:
        if block.words[0] == "virtual_server":
            for words in _endpoints(block, groups):
                _Server(name, block, groups, services).make(words)
        elif block.words[0] not in GROUPS:
            services.found.leave(f"{name}:{block.line}", " ".join(block.words))


Groups = dict[tuple[str, ...], Block]


def _endpoints(block: Block, groups: Groups) -> Iterator[str]:
    """ADDRESS:PORT of a virtual server, or all of its group's; of a match the text of -H; or `fwmark MARK`."""
    head = block.words[1:]
    if head[:1] == ["group"] and len(head) == 2:
        for entry in (
            groups[("virtual_server_group", head[1])].inside if ("virtual_server_group", head[1]) in groups else []
        ):
            if entry.words[0] == "fwmark":
                yield " ".join(entry.words)
            elif len(entry.words) > 1 and entry.words[1].isdecimal():
                yield endpoint(entry.words[0], entry.words[1])
    elif head[:1] == ["match"]:
        yield ",".join(["proto=" + (block.get("protocol") or "tcp").lower(), *_match(block)])
    elif head[:1] == ["fwmark"]:
        yield " ".join(head)
    elif len(head) >= 2:
        yield endpoint(head[0], head[1])


def _match(block: Block) -> Iterator[str]:
    for key in ("src-range", "dst-range", "iif", "oif"):
        if value := block.get(key):
            yield f"{key}={value}"


def endpoint(address: str, port: str) -> str:
    """`10.0.0.1 80` -> `10.0.0.1:80`."""
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def _spread(text: str) -> list[str]:
    """`10.0.0.1` or `10.0.0.1-5`: a range in the last number."""
    if found := re.fullmatch(r"(.*[.:])(\w+)-(\w+)", text):
        base = 16 if ":" in text else 10
        try:
            low, high = int(found[2], base), int(found[3], base)
        except ValueError:
            return [text]
        return [found[1] + (f"{n:x}" if base == 16 else str(n)) for n in range(low, min(high, low + 1023) + 1)]
    return [text]


class _Server:
    """One virtual server."""

    def __init__(self, name: str, block: Block, groups: Groups, services: Services) -> None:
        self.name = name
        self.block = block
        self.groups = groups
        self.services = services
        protocol = (block.get("protocol") or "TCP").upper()
        self.kernel = services.profile == "ipvs"
        self.modelled = MODELLED - ONLY_DPVS | ONLY_KERNEL if self.kernel else MODELLED
        self.select = "-H" if block.words[1:2] == ["match"] else SELECT.get(protocol, "-t")

    def make(self, at: str) -> None:
        mark = at.removeprefix("fwmark ")
        service = [self.select, at] if mark == at else ["-f", mark]
        if self.kernel and self.block.get("lvs_method", "lb_kind") == "FNAT":
            self.services.found.warn(f"{self.name}:{self.block.line}", "FNAT is DPVS's, -g is taken")
        self._flags()
        self._give(["-A", *service, *self._options()], self.block)
        forward = KINDS.get((self.block.get("lb_kind", "lvs_method") or "DR").upper(), "-g")
        for block in self.block.inside:
            if block.words[0] == "real_server" and len(block.words) > 2:
                self._real(service, block, forward)
            elif block.words[0] not in self.modelled and block.words[0] not in ("src-range", "dst-range", "iif", "oif"):
                self.services.found.leave(f"{self.name}:{block.line}", " ".join(block.words))
        self._groups(service)

    def _give(self, words: list[str], block: Block) -> None:
        self.services.apply(words, f"{self.name}:{block.line}")

    def _options(self) -> list[str]:
        get = self.block.get
        words = ["-s", get("lb_algo", "lvs_sched") or "wlc"]
        if seconds := get("persistence_timeout"):
            words += ["-p", seconds]
            if mask := get("persistence_granularity"):
                words += ["-M", mask]
        if get("ops") is not None:
            words.append("--ops")
        return words + (self._kernel_options() if self.kernel else self._dpvs_options())

    def _kernel_options(self) -> list[str]:
        flags = [flag for flag in SCHED_FLAGS if self.block.get(flag) is not None]
        engine = self.block.get("persistence_engine")
        return (["-b", ",".join(flags)] if flags else []) + (["--pe", engine] if engine else [])

    def _dpvs_options(self) -> list[str]:
        get, words = self.block.get, []
        for option, names in (
            ("--expire-quiescent", ["expire_quiescent_conn"]),
            ("--quic", ["quic"]),
        ):
            if get(*names) is not None:
                words.append(option)
        if get("syn_proxy") is not None:
            words += ["-j", "enable"]
        for option, names in (
            ("--conn-timeout", ["establish_timeout", "conn_timeout"]),
            ("--hash-target", ["hash_target"]),
            ("--proxy-protocol", ["proxy_protocol"]),
        ):
            if value := get(*names):
                words += [option, value]
        return words

    def _flags(self) -> None:
        """Flags of the mh scheduler, which DPVS's ipvsadm has no option for."""
        if self.kernel:
            return
        for flag in ("mh-port", "mh-fallback"):
            if self.block.get(flag, flag.replace("-", "_")) is not None:
                self.services.comment(f"the {flag} flag of this service is set", f"{self.name}:{self.block.line}")

    def _real(self, service: list[str], block: Block, forward: str) -> None:
        own = (block.get("lvs_method") or "").split()
        how = [KINDS.get(own[0].upper(), forward) if own else forward, *_tunnel(own)]
        words = ["-a", *service, "-r", endpoint(*block.words[1:3]), *how, "-w", block.get("weight") or "1"]
        for option, names in (("-x", ["uthreshold", "upper_limit"]), ("-y", ["lthreshold", "lower_limit"])):
            if value := block.get(*names):
                words += [option, value]
        self._give(words, block)
        for below in block.inside:
            if below.words[0] not in REAL_MODELLED:
                self.services.found.leave(f"{self.name}:{below.line}", " ".join(below.words))

    def _groups(self, service: list[str]) -> None:
        """Local addresses, black and white lists by the names of their groups."""
        if self.kernel:
            return
        for names, group, words in (
            (("laddr_group_name",), "local_address_group", ["-P", "-z"]),
            (("deny_addr_group_name", "blklst_addr_group_name"), "deny_address_group", ["-U", "-k"]),
            (("allow_addr_group_name", "whtlst_addr_group_name"), "allow_address_group", ["-O", "-2"]),
        ):
            if not (name := self.block.get(*names)):
                continue
            if (group, name) not in self.groups:
                self.services.found.warn(f"{self.name}:{self.block.line}", f"no {group} {name}")
                continue
            for entry in self.groups[group, name].inside:
                for address in _spread(entry.words[0]):
                    device = ["-F", *entry.words[1:2]] if words[0] == "-P" and len(entry.words) > 1 else []
                    self._give([words[0], *service, words[1], address, *device], entry)


def _tunnel(method: list[str]) -> list[str]:
    """`TUN type gue port 5555 csum` of a real server -> options of ipvsadm."""
    words: list[str] = []
    queue = iter(method[1:])
    for word in queue:
        if word in ("type", "port"):
            words += [f"--tun-{word}", next(queue, "")]
        elif word in TUNNEL_SUMS:
            words.append(TUNNEL_SUMS[word])
    return words
