"""Rules of iptables that give a firewall mark -> `[[mark]]` (interface 8): the plain kind, by destination.

What a rule asks besides (a source, an interface, a state) `[[mark]]` cannot say, and such a rule is not taken: a mark
that more packets have would be worse than none.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from lbreplay.config import values

NAMES = {
    "-t": "table", "--table": "table", "-A": "chain", "--append": "chain", "-I": "chain", "--insert": "chain",
    "-d": "to", "--dst": "to", "--destination": "to", "-p": "protocol", "--proto": "protocol",
    "--protocol": "protocol", "--dport": "ports", "--destination-port": "ports", "--dports": "ports",
    "--destination-ports": "ports", "-j": "target", "--jump": "target", "--set-mark": "mark", "--set-xmark": "mark",
    "-m": "module", "--match": "module", "--comment": "comment", "-w": "wait", "--wait": "wait",
}  # fmt: skip
MODULES = {"tcp", "udp", "sctp", "multiport", "comment"}
PROTOCOL = {"6": "tcp", "17": "udp", "132": "sctp", "1": "icmp", "58": "icmpv6", "ipv6-icmp": "icmpv6"}
MAX_PORTS = 4096


def gives_mark(words: Sequence[str]) -> bool:
    """Whether a rule sets a firewall mark."""
    return any(word.partition("=")[0] in ("--set-mark", "--set-xmark", "--set-mark") for word in words)


def mark(words: Sequence[str]) -> dict[str, Any]:
    """The `[[mark]]` of a rule, its words without `iptables`. ValueError says what makes it another kind."""
    given = _options(words)
    if given.get("table") != "mangle" or given.get("chain") not in ("PREROUTING", "INPUT"):
        raise ValueError("a mark is read from -t mangle -A PREROUTING")
    if given.get("target") != "MARK":
        raise ValueError("-j MARK expected")
    found: dict[str, Any] = {"mark": _number(given["mark"])}
    if "to" in given:
        found["to"] = str(values.network(_prefixed(given["to"])))
    if given.get("protocol", "all") != "all":
        protocol = PROTOCOL.get(given["protocol"], given["protocol"])
        if protocol not in values.PROTOCOL:
            raise ValueError(f"a protocol that is modelled expected, got {given['protocol']}")
        found["protocol"] = protocol
    if "ports" in given:
        found["ports"] = _ports(given["ports"])
    return found


def _options(words: Sequence[str]) -> Mapping[str, str]:
    found: dict[str, str] = {}
    queue = list(words)
    while queue:
        word, equals, value = queue.pop(0).partition("=")
        name = NAMES.get(word)
        if name is None:
            raise ValueError(f"{word} cannot be said in [[mark]]")
        if name == "wait" and not equals:
            queue = queue[1:] if queue and queue[0].isdecimal() else queue
            continue
        value = value if equals else (queue.pop(0) if queue else "")
        if name == "module" and value not in MODULES:
            raise ValueError(f"-m {value} cannot be said in [[mark]]")
        if name in found and name != "module":
            raise ValueError(f"{word} is given twice")
        found[name] = value
        if name == "chain" and queue and queue[0].isdecimal():
            queue.pop(0)  # -I CHAIN NUMBER
    return found


def _number(text: str) -> int:
    """`1`, `0x1`, `0x1/0xffffffff`."""
    value, _, mask = text.partition("/")
    if mask and int(mask, 0) != 0xFFFFFFFF:
        raise ValueError(f"a mark of all bits expected, got {text}")
    if not 1 <= (number := int(value, 0)) < 2**32:
        raise ValueError(f"a mark from 1 expected, got {text}")
    return number


def _prefixed(text: str) -> str:
    """`10.0.0.0/255.255.255.0` -> `10.0.0.0/24`."""
    address, slash, mask = text.partition("/")
    if "." not in mask:
        return text
    bits = int.from_bytes(values.address(mask))
    if bits != (0xFFFFFFFF << (32 - bits.bit_count())) & 0xFFFFFFFF:
        raise ValueError(f"a netmask expected, got {mask}")
    return f"{address}{slash}{bits.bit_count()}"


def _ports(text: str) -> list[int]:
    """`80`, `80,443`, `8000:8010`, and service names."""
    found: list[int] = []
    for one in text.split(","):
        low, _, high = one.partition(":")
        first, last = values.service_port(low or "0"), values.service_port(high or low or "0")
        found += range(first, (last if one.partition(":")[1] == "" or high else 65535) + 1)
    if not found or len(found) > MAX_PORTS or re.search(r"[^\w,:-]", text):
        raise ValueError(f"at most {MAX_PORTS} ports expected, got {text}")
    return found
