"""Whose balancer the files are of, and what a file is: told by what only one of them has.

DPVS and the kernel share ipvsadm and keepalived; each has words that the other would refuse (S 6.4, L 17, L 18).
`signs` finds the first of each; where a file has none, it could be either's and whoever asks has to say so.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

_IPVSADM = r"^(?:ipvsadm\s|-\w|--\w).*\s"
_DEVICE = r"(?:eth|en|lo|bond|br)[\w:]*(?=\s|$)"  # of the kernel; DPVS's interfaces to it end in .kni
# What only one balancer's files say, as commands or lines of keepalived.conf.
SIGNS: dict[str, tuple[str, ...]] = {
    "ipvs": (
        r"(?:-s|--scheduler|lb_algo|lvs_sched)[ =]?(?:lc|lblcr?|dh|sh|sed|nq|ovf)(?=\s|$)",
        _IPVSADM + r"(?:-\w*f|--fwmark-service)[ =]?\d+",
        r"^virtual_server fwmark\b|^fwmark \d+(?: inet6?)?$",
        r"^persistence_engine\b|^(?:sh-port|sh-fallback|flag-\d)$",
        r"--tun-type|--sched-flags|\s-b (?:sh|mh|flag)-",
        r"net[./]ipv4[./](?:vs[./]|ip_forward|conf[./])|^modprobe\b.*\bip_vs",
        rf"^ifconfig {_DEVICE}|^ip (?:-\w+ )*a\w* add .*\bdev {_DEVICE}",
        r"^ip6?tables\b.*(--set-x?mark)",
        r"^# lbreplay: profile=\"?ipvs",
    ),
    "dpvs": (
        r"^dpip\b",
        _IPVSADM + r"--(?:add-laddr|laddr|fullnat|snat|match|synproxy|conn-timeout|expire-quiescent|quic|hash-target"
        r"|proxy-protocol|dest-check|add-blklst|blklst|add-whtlst|whtlst)\b",
        _IPVSADM + r"-(?:z|J|H|j|k|2)\s|^(?:ipvsadm )?-[PQUVOYG]\w?\s",
        r"^(?:ipvsadm )?(?:-[ae]\w?|--add-server|--edit-server)\s.*\s-b(?:\s+-|$)",
        r"(?:-s|--scheduler|lb_algo|lvs_sched)[ =]?conhash\b",
        r"^(?:lb_kind|lvs_method) (?:FNAT|SNAT)\b|^virtual_server match\b",
        r"^(?:local|deny|allow)_address_group\b|^[ldw]addr_group_name\b",
        r"^(?:syn_proxy|establish_timeout|expire_quiescent_conn|hash_target|proxy_protocol|limit_proportion)\b",
        r"^# lbreplay: (?:profile=\"?dpvs|workers|device\.driver)",
    ),
}
FOUND = {profile: re.compile("|".join(signs)) for profile, signs in SIGNS.items()}


class Sign(NamedTuple):
    """What was found, and where."""

    place: str
    what: str

    def __str__(self) -> str:
        return f"{self.what} at {self.place}"


def signs(lines: Iterable[tuple[str, str]]) -> dict[str, Sign]:
    """The first sign of each balancer in *lines*, (place, line) pairs."""
    found: dict[str, Sign] = {}
    for place, line in lines:
        for profile, pattern in FOUND.items():
            if profile not in found and (sign := pattern.search(line)):
                found[profile] = Sign(
                    re.sub(r"\S*/", "", place), " ".join(sign.group(sign.lastindex or 0).split())[:60]
                )
    return found


class Kind(NamedTuple):
    """A kind of file by what it has in it: its name, and how it is given, or what to give instead."""

    sign: re.Pattern[str]
    name: str
    instead: str


def _kind(sign: str, name: str, instead: str) -> Kind:
    return Kind(re.compile(sign, re.MULTILINE), name, instead)


SAVE = "ipvsadm -S -n prints what --ipvsadm-save reads"
KINDS = (
    _kind(r"^IP Virtual Server version|^Prot +LocalAddress:Port", "a listing of ipvsadm -L", SAVE),
    _kind(r"^(?:Proto|pro) +FromIP|^IPVS connection entries", "a listing of connections", SAVE),
    _kind(r"^\s*\[\[service\]\]|^\s*profile = \"", "a configuration of lbreplay", "-c reads it"),
    _kind(r"^\s*(?:<init>\s*)?(?:netif_defs|worker_defs|ipvs_defs)\b", "a dpvs.conf", "--dpvs-conf reads it"),
    _kind(r"^\s*(?:virtual_server|vrrp_instance|virtual_server_group)\b", "a keepalived.conf", "--keepalived reads it"),
    _kind(r"^\*(?:filter|mangle|nat|raw)$", "a save of iptables", "ipvsadm -S -n prints the balancer's table"),
    _kind(r"^[^#\n]*\b(?:ipvsadm|dpip) +-?\w", "a shell script", "--script reads it"),
    _kind(r"^-A (?:-[tuf]|--sctp-service) ", "a save of ipvsadm", "--ipvsadm-save reads it"),
    _kind(r"\A\s*[{\[<]", "JSON or XML", "dpvs.conf, keepalived.conf, a script or ipvsadm -S -n is read"),
    _kind(r"\A#!", "a shell script without ipvsadm or dpip in it", "give the one that sets up the balancer"),
)


def what(text: str, besides: str) -> str:
    """`, got a keepalived.conf (--keepalived reads it)`: what *text* looks like, where not what *besides* reads."""
    if not text.strip():
        return ", got an empty file"
    for kind in KINDS:
        if kind.sign.search(text) and kind.instead.split()[0] != besides:
            return f", got {kind.name} ({kind.instead})"
    return ", got a file without any"
