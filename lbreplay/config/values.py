"""Words of a configuration -> values of the model: addresses, networks, MACs, ranges, RSS types.

Every function takes text and gives a value, or raises ValueError; the caller knows where the text stood and says so.
Spellings follow ipvsadm and dpip (S 6.4, 6.5), which the TOML of interface 2 borrows.
"""

from __future__ import annotations

import ipaddress
import re

from lbreplay.model import AddressRange, Endpoint, Match, Network

PROTOCOL = {"tcp": 6, "udp": 17, "sctp": 132, "icmp": 1, "icmpv6": 58}
PROTOCOL_NAME = {number: name for name, number in PROTOCOL.items()}
# Ports by their names at IANA (RFC 6335), those that stand before a balancer: the same on every machine.
PORT_NAMES = {
    "ftp-data": 20, "ftp": 21, "ssh": 22, "telnet": 23, "smtp": 25, "time": 37, "domain": 53, "bootps": 67,
    "bootpc": 68, "tftp": 69, "gopher": 70, "finger": 79, "http": 80, "www": 80, "kerberos": 88, "iso-tsap": 102,
    "pop3": 110, "sunrpc": 111, "auth": 113, "nntp": 119, "ntp": 123, "epmap": 135, "loc-srv": 135, "netbios-ns": 137,
    "netbios-dgm": 138, "netbios-ssn": 139, "imap": 143, "imap2": 143, "snmp": 161, "snmp-trap": 162, "snmptrap": 162,
    "bgp": 179, "irc": 194, "imap3": 220, "ldap": 389, "https": 443, "microsoft-ds": 445, "kpasswd": 464,
    "submissions": 465, "urd": 465, "ssmtp": 465, "isakmp": 500, "login": 513, "shell": 514, "syslog": 514,
    "printer": 515, "rtsp": 554, "submission": 587, "ipp": 631, "ldaps": 636, "rsync": 873, "ftps-data": 989,
    "ftps": 990, "telnets": 992, "imaps": 993, "pop3s": 995, "socks": 1080, "openvpn": 1194, "ms-sql-s": 1433,
    "ms-sql-m": 1434, "radius": 1812, "radius-acct": 1813, "nfs": 2049, "mysql": 3306, "ms-wbt-server": 3389,
    "m2pa": 3565, "diameter": 3868, "sip": 5060, "sips": 5061, "sip-tls": 5061, "xmpp-client": 5222,
    "xmpp-server": 5269, "postgresql": 5432, "amqp": 5672, "x11": 6000, "redis": 6379, "ircd": 6667, "http-alt": 8080,
    "http-proxy": 8080, "webcache": 8080, "https-alt": 8443, "zabbix-agent": 10050, "zabbix-trapper": 10051,
}  # fmt: skip
RSS_TYPES = ("ip", "tcp", "udp", "sctp")
SYMMETRIC = b"\x6d\x5a"  # repeated: swapping source and destination keeps the hash (S 1.2)


def address(text: str) -> bytes:
    """`10.0.0.1` or `2001:db8::1` -> 4 or 16 bytes."""
    if "%" in text:
        raise ValueError("no zone")
    return ipaddress.ip_address(text).packed


class Placed(bytes):
    """A local address with the name of the device that it was put on, as `ipvsadm -F` does."""

    device: str


def local_address(text: str) -> bytes:
    """`10.1.1.1`, or `10.1.1.1@dpdk1` -> Placed."""
    host, at, device = text.partition("@")
    if not at:
        return address(host)
    if not device:
        raise ValueError("a device behind @")
    placed = Placed(address(host))
    placed.device = device
    return placed


def network(text: str) -> Network:
    """`192.168.100.10/24` with its host bits; an address alone is a network of one."""
    host, slash, prefix = text.partition("/")
    packed = address(host)
    bits = 8 * len(packed)
    if not slash:
        return Network(packed, bits)
    if not prefix.isascii() or not prefix.isdigit() or int(prefix) > bits:
        raise ValueError("prefix length")
    return Network(packed, int(prefix))


def port(text: str) -> int:
    """`80` -> 80; 0 to 65535."""
    if not text.isascii() or not text.isdigit() or int(text) > 65535:
        raise ValueError("port")
    return int(text)


def service_port(text: str) -> int:
    """A port by its number or its name, as `ipvsadm -S` without -n has it: `http` -> 80."""
    return PORT_NAMES[text] if text in PORT_NAMES else port(text)


def endpoint(text: str) -> Endpoint:
    """`10.0.0.1:80` or `[2001:db8::1]:80`."""
    host, colon, number = text.rpartition(":")
    if not colon or (":" in host) != (host.startswith("[") and host.endswith("]")):
        raise ValueError("ADDRESS:PORT")
    return Endpoint(address(host.strip("[]")), port(number))


def mac(text: str) -> bytes:
    """`02:70:63:61:70:00` -> 6 bytes."""
    if not re.fullmatch(r"([0-9A-Fa-f]{2}[:-]){5}[0-9A-Fa-f]{2}", text):
        raise ValueError("MAC")
    return bytes.fromhex(text.replace(":", "").replace("-", ""))


def rss(text: str) -> frozenset[str]:
    """`all` is ip, tcp and udp (S 1.6); names are joined by `|`; `off` is none of them."""
    if text in ("all", "off"):
        return frozenset(RSS_TYPES[:3] if text == "all" else ())
    names = frozenset(name.strip() for name in text.split("|"))
    if not names <= set(RSS_TYPES):
        raise ValueError("RSS type")
    return names


def rss_key(text: str) -> bytes | None:
    """`default` (None), `symmetric`, or 40 or 52 bytes in hex, with or without colons."""
    if text == "default":
        return None
    if text == "symmetric":
        return SYMMETRIC * 20
    key = bytes.fromhex(re.sub(r"[:\s]", "", text.removeprefix("0x")))
    if len(key) not in (40, 52):
        raise ValueError("length")
    return key


def _pair(text: str) -> tuple[str, str]:
    low, _, high = text.partition("-")
    return low, high or low


def address_range(text: str) -> AddressRange:
    """`IP1[-IP2][:PORT1[-PORT2]]`; IPv6 addresses in brackets when ports follow (S 6.4)."""
    hosts, ports = text, ""
    if bracketed := re.fullmatch(r"\[([^\]]*)\](?:-\[([^\]]*)\])?(?::(.*))?", text):
        first, second, ports = bracketed.group(1), bracketed.group(2), bracketed.group(3) or ""
        hosts = f"{first}-{second}" if second else first
    elif text.count(":") == 1:
        hosts, _, ports = text.partition(":")
    low, high = (address(host) for host in _pair(hosts))
    if len(low) != len(high):
        raise ValueError("one family")
    low_port, high_port = (port(number) for number in _pair(ports)) if ports else (0, 0)
    return AddressRange(low, high, low_port, high_port)


def match(text: str) -> Match:
    """The match of a SNAT service as `ipvsadm -H` writes it (D 10.1, S 6.4)."""
    given: dict[str, str] = {}
    for part in text.split(","):
        key, equals, value = part.strip().partition("=")
        if (
            not equals
            or not value
            or key in given
            or key not in ("proto", "af", "src-range", "dst-range", "iif", "oif")
        ):
            raise ValueError(part)
        given[key] = value
    ranges = {key: address_range(given[key]) for key in ("src-range", "dst-range") if key in given}
    families = {4 if len(found.low) == 4 else 6 for found in ranges.values()}
    if "af" in given:
        families.add({"ipv4": 4, "ipv6": 6}.get(given["af"], 0))
    if len(families) != 1 or 0 in families or given.get("proto", "tcp") not in PROTOCOL:
        raise ValueError("family or protocol")
    return Match(
        protocol=PROTOCOL[given.get("proto", "tcp")],
        family=families.pop(),
        source=ranges.get("src-range"),
        dest=ranges.get("dst-range"),
        iif=given.get("iif"),
        oif=given.get("oif"),
        text=text,
    )
