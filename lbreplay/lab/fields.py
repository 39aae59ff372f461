"""A frame as named fields, for comparing: every byte of it belongs to exactly one field.

Names are those a case may ignore (interface 7): `ip.id`, `seq`, `tcp.opts`, ...; `ip_id` means the same. A group stands
for several. Ignoring a field that a checksum covers ignores that checksum too. Nothing is judged: what cannot be read
is `payload`.
"""

from __future__ import annotations

import difflib
import ipaddress
from collections.abc import Callable, Iterable, Iterator
from struct import pack
from typing import NamedTuple

from lbreplay.edge.output import Output
from lbreplay.errors import ConfigError
from lbreplay.wire.capture import open_capture
from lbreplay.wire.packet import ETH_IPV4, ETH_IPV6, ETH_VLAN, ICMP, ICMPV6, SCTP, TCP, UDP, skip_extensions

ECHOING = (0, 8, 128, 129)  # types of ICMP and ICMPv6 with an identifier behind the checksum
UOA = 248  # protocol of the client's address in front of UDP (D 7.4)
FLAGS = ("FIN", "SYN", "RST", "PSH", "ACK", "URG", "ECE", "CWR")
Fields = dict[str, str | int]


class Frame(NamedTuple):
    """A frame of a capture: its number from 1, its time, its bytes and its length on the wire."""

    n: int
    time_ns: int
    data: bytes
    length: int


def frames(path: str) -> Iterator[Frame]:
    """The frames of the capture *path*. Raises CaptureError where it is not one, or damaged."""
    with open_capture(path) as capture:
        for burst in capture.bursts(4096):
            for row, (time, length) in enumerate(zip(burst.time_ns.tolist(), burst.length.tolist(), strict=True)):
                yield Frame(burst.first + row, time, burst.frame(row), length)
        if capture.damage is not None:
            raise capture.damage


def write(path: str, frames: Iterable[Frame]) -> None:
    """Write *frames* as an Ethernet pcap of nanoseconds."""
    head = pack("<IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, 262144, 1)
    records = (pack("<IIII", *divmod(f.time_ns, 10**9), len(f.data), f.length) + f.data for f in frames)
    with Output(path) as output:
        output.write(b"".join((head, *records)))


def _hex(data: bytes) -> str:
    return data.hex() or "-"


def _mac(data: bytes) -> str:
    return data.hex(":")


def _address(data: bytes) -> str:
    return str(ipaddress.ip_address(data))


def _number(data: bytes) -> int:
    return int.from_bytes(data)


def _sum(data: bytes) -> str:
    return f"0x{data.hex()}"


def _tcp_flags(data: bytes) -> str:
    return "|".join(name for bit, name in enumerate(FLAGS) if data[0] >> bit & 1) or "-"


class Field(NamedTuple):
    """A run of bytes of a header, and how it is written."""

    name: str
    at: int
    size: int
    text: Callable[[bytes], str | int] = _number


ETHERNET = (Field("eth.dst", 0, 6, _mac), Field("eth.src", 6, 6, _mac), Field("eth.type", 12, 2, _sum))
IPV4 = (
    *(Field("ip.version", 0, 1, _hex), Field("ip.tos", 1, 1, _sum), Field("ip.len", 2, 2), Field("ip.id", 4, 2)),
    *(Field("ip.off", 6, 2, _sum), Field("ip.ttl", 8, 1), Field("ip.proto", 9, 1), Field("ip.sum", 10, 2, _sum)),
    *(Field("ip.src", 12, 4, _address), Field("ip.dst", 16, 4, _address)),
)
IPV6 = (
    *(Field("ip.flow", 0, 4, _hex), Field("ip.len", 4, 2), Field("ip.proto", 6, 1), Field("ip.ttl", 7, 1)),
    *(Field("ip.src", 8, 16, _address), Field("ip.dst", 24, 16, _address)),
)
PORTS = (Field("sport", 0, 2), Field("dport", 2, 2))
TCP_HEADER = (
    *(*PORTS, Field("seq", 4, 4), Field("ack", 8, 4), Field("tcp.off", 12, 1, _hex), Field("flags", 13, 1, _tcp_flags)),
    *(Field("win", 14, 2), Field("tcp.sum", 16, 2, _sum), Field("urp", 18, 2)),
)
UDP_HEADER = (*PORTS, Field("udp.len", 4, 2), Field("udp.sum", 6, 2, _sum))
ICMP_HEADER = (
    *(
        Field("icmp.type", 0, 1),
        Field("icmp.code", 1, 1),
        Field("icmp.sum", 2, 2, _sum),
        Field("icmp.rest", 4, 4, _hex),
    ),
)
SCTP_HEADER = (*PORTS, Field("sctp.tag", 4, 4, _hex), Field("sctp.sum", 8, 4, _sum))
L4 = {TCP: TCP_HEADER, UDP: UDP_HEADER, ICMP: ICMP_HEADER, ICMPV6: ICMP_HEADER, SCTP: SCTP_HEADER}
SIZE = {TCP: 20, UDP: 8, ICMP: 8, ICMPV6: 8, SCTP: 12}

OTHERS = ("time", "length", "vlan", "ip.opts", "ip.ext", "uoa", "tcp.opts", "payload", "trailer")
NAMES = tuple(
    dict.fromkeys((*OTHERS, *(f.name for f in (*ETHERNET, *IPV4, *IPV6)), *(f.name for h in L4.values() for f in h)))
)
SUMS = ("tcp.sum", "udp.sum", "icmp.sum", "sctp.sum")
GROUPS = {
    "mac": ("eth.src", "eth.dst"),
    "ports": ("sport", "dport"),
    "lport": ("sport", "dport"),
    "laddr": ("ip.src", "ip.dst"),
    "ip.flags": ("ip.off",),
    "ip6.flow": ("ip.flow",),
    "ip6.ext": ("ip.ext",),
    "sum": ("ip.sum", *SUMS),
}
_IN_IP_SUM = {f.name for f in IPV4} - {"ip.sum"} | {"ip.opts"}
_IN_L4_SUM = {"ip.src", "ip.dst", "payload", "tcp.opts", *(f.name for h in L4.values() for f in h)} - set(SUMS)


def ignored(names: Iterable[str], where: str = "ignore") -> frozenset[str]:
    """The fields that *names* of fields and groups stand for. ConfigError for an unknown one, with the nearest."""
    chosen: set[str] = set()
    for name in names:
        spelled = name.replace("_", ".")
        if spelled not in GROUPS and spelled not in NAMES:
            near = difflib.get_close_matches(spelled, [*GROUPS, *NAMES], 1)
            raise ConfigError(
                f"{where}: a field expected, got {name!r}" + (f"; nearest is {near[0]!r}" if near else "")
            )
        chosen.update(GROUPS.get(spelled, (spelled,)))
    if chosen & _IN_IP_SUM:
        chosen.add("ip.sum")
    if chosen & _IN_L4_SUM:
        chosen.update(SUMS)
    return frozenset(chosen)


def dissect(frame: Frame) -> Fields:
    """The fields of *frame* by name, in the order of the wire; time is not among them."""
    fields: Fields = {"length": frame.length}
    data = frame.data
    if len(data) < 14:
        return fields | {"payload": _hex(data)}
    _read(fields, ETHERNET, data)
    ethertype, l3 = _number(data[12:14]), data[14:]
    if ethertype == ETH_VLAN and len(l3) >= 4:
        fields |= {"vlan": _number(l3[:2]), "eth.type": _sum(l3[2:4])}
        ethertype, l3 = _number(l3[2:4]), l3[4:]
    if ethertype == ETH_IPV4 and len(l3) >= 20:
        _ipv4(fields, l3)
    elif ethertype == ETH_IPV6 and len(l3) >= 40:
        _ipv6(fields, l3)
    else:
        fields["payload"] = _hex(l3)
    return fields


def _read(fields: Fields, header: tuple[Field, ...], data: bytes) -> None:
    for name, at, size, text in header:
        fields[name] = text(data[at : at + size])


def _ipv4(fields: Fields, l3: bytes) -> None:
    _read(fields, IPV4, l3)
    head, total = (l3[0] & 15) * 4, max(_number(l3[2:4]), 20)
    fields["ip.opts"] = _hex(l3[20:head])
    later_fragment = _number(l3[6:8]) & 0x1FFF
    _l4(fields, None if later_fragment else l3[9], l3[max(head, 20) : total])
    fields["trailer"] = _hex(l3[total:])


def _ipv6(fields: Fields, l3: bytes) -> None:
    _read(fields, IPV6, l3)
    total = 40 + _number(l3[4:6])
    proto, at, _ = skip_extensions(l3[:total])
    fields["ip.ext"] = _hex(l3[40:at])
    _l4(fields, proto, l3[at:total])
    fields["trailer"] = _hex(l3[total:])


def _l4(fields: Fields, proto: int | None, body: bytes) -> None:
    if proto == UOA and len(body) >= 4:
        size = _number(body[2:4])
        fields["uoa"], proto, body = _hex(body[:size]), body[1], body[size:]
    if proto in L4 and len(body) >= SIZE[proto]:
        _read(fields, L4[proto], body)
        size = max(SIZE[proto], (body[12] >> 4) * 4 if proto == TCP else 0)
        if proto == TCP:
            fields["tcp.opts"] = _hex(body[20:size])
        body = body[size:]
    fields["payload"] = _hex(body)


def token(frame: Frame, ignore: frozenset[str]) -> object:
    """What two frames have in common when they are equal but for *ignore* and their time."""
    if not ignore - {"time"}:
        return frame.data, frame.length
    return tuple(item for item in dissect(frame).items() if item[0] not in ignore)


def differing(a: Frame, b: Frame, ignore: frozenset[str]) -> list[tuple[str, str, str]]:
    """(field, its value in *a*, its value in *b*) of every field that is not equal; `(none)` where it is not there."""
    left, right = dissect(a), dissect(b)
    return [
        (name, _value(name, left), _value(name, right))
        for name in dict.fromkeys((*left, *right))
        if name not in ignore and left.get(name) != right.get(name)
    ]


def _value(name: str, fields: Fields) -> str:
    return _short(fields.get(name, "(none)"))


def _short(value: str | int) -> str:
    text = str(value)
    return text if len(text) <= 72 else f"{text[:60]}... ({len(text) // 2} bytes)"


def flow(frame: Frame) -> str:
    """The flow of *frame*, the same in both directions: `tcp 10.0.0.1:80 - 10.0.0.2:4000`; other frames: `other`."""
    fields = dissect(frame)
    if "ip.src" not in fields:
        return "other"
    ends = sorted(_ends(fields))
    return f"{_protocol(fields)} {ends[0]} - {ends[1]}"


def endpoints(frame: Frame) -> frozenset[str]:
    """Both ends of *frame* as `address:port`; empty for a frame that is not IP."""
    fields = dissect(frame)
    return frozenset(_ends(fields)) if "ip.src" in fields else frozenset()


def brief(frame: Frame) -> str:
    """*frame* in one line."""
    fields = dissect(frame)
    time = f"{frame.time_ns / 1e9:.6f}"
    if "ip.src" not in fields:
        source, destination, kind = (fields.get(f"eth.{name}", "?") for name in ("src", "dst", "type"))
        return f"{time} {source} > {destination} {kind} {frame.length} bytes"
    source, destination = _ends(fields)
    words = [time, source, ">", destination, _protocol(fields)]
    for name in ("flags", "seq", "ack", "icmp.type", "icmp.code"):
        if name in fields:
            words.append(str(fields[name]) if name == "flags" else f"{name}={fields[name]}")
    if fields.get("icmp.type") in ECHOING:
        words.append(f"id={int(str(fields['icmp.rest'])[:4], 16)}")
    return " ".join((*words, f"{frame.length} bytes"))


def _ends(fields: Fields) -> tuple[str, str]:
    return _end(fields["ip.src"], fields.get("sport")), _end(fields["ip.dst"], fields.get("dport"))


def _end(address: str | int, port: str | int | None) -> str:
    if port is None:
        return str(address)
    return f"[{address}]:{port}" if ":" in str(address) else f"{address}:{port}"


def _protocol(fields: Fields) -> str:
    known = {"seq": "tcp", "udp.len": "udp", "sctp.tag": "sctp", "icmp.type": "icmp"}
    inner = next((name for field, name in known.items() if field in fields), f"proto {fields['ip.proto']}")
    return f"proto {UOA} (UOA) {inner}" if "uoa" in fields else inner
