"""A run in the words of the kernel's own tools (L 18): ipvsadm -lcn, -ln and its variants, /proc/net/ip_vs*.

Made for diff with a real director: the same columns, the same trailing blanks. Rows of connections are sorted, because
the kernel's order depends on a random word. What is listed is the moment of the last frame.

The listing is a table of plain values that the engine hands out:

    size      buckets of the connection table
    pe        whether /proc/net/ip_vs_conn has columns for persistence engines; /proc is then 6.1's in all
    counts    of the whole director, deleted services too: conns, inpkts, outpkts, inbytes, outbytes
    rates     the same in a second
    timeouts  (tcp, tcpfin, udp) in seconds
    services  in the kernel's order: proto, address, port, mark, scheduler, flags, persistent, mask, pe, ops, family,
              counts, reals in list order (address, port, forward, weight, upper, lower, actconns, inactconns,
              persistconns, counts)
    conns     proto, client, virtual, real (each an address and a port), state, seconds, pe
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any

Table = Mapping[str, Any]
PROTOCOLS = {6: "TCP", 17: "UDP", 132: "SCTP", 1: "ICMP", 0: "IP"}
FORWARDS = {"nat": "Masq", "local": "Local", "tunnel": "Tunnel", "dr": "Route"}
COUNTS = ("conns", "inpkts", "outpkts", "inbytes", "outbytes")
MINUTE = 60
HZ = 250  # ticks a second, in which /proc/net/ip_vs has the timeouts of persistent services

HEADER = "IP Virtual Server version 1.2.1 (size={})"
PLAIN = "Prot LocalAddress:Port Scheduler Flags\n  -> RemoteAddress:Port           Forward Weight ActiveConn InActConn"
SECOND = "  -> RemoteAddress:Port"


def as_text(listing: Table) -> str:
    """All listings, each under the command that would print it."""
    return "\n".join(f"# {command}\n{text(listing)}" for command, text in LISTINGS.items())


# --- connections ----------------------------------------------------------------------------------------------------


def _connections(listing: Table) -> str:
    rows = sorted(_connection(conn) for conn in listing["conns"])
    head = ("IPVS connection entries", "pro expire state       source             virtual            destination")
    return _lines(*head, *rows)


def _connection(conn: Table) -> str:
    minutes, seconds = divmod(conn["seconds"], MINUTE)
    ends = [_endpoint(*conn[end]) for end in ("client", "virtual", "real")]
    proto = _protocol(conn["proto"])
    return f"{proto:<3} {f'{minutes:02}:{seconds:02}':<6} {conn['state']:<11} {ends[0]:<18} {ends[1]:<18} {ends[2]}"


def _proc_connections(listing: Table) -> str:
    engines = " PEName PEData" if listing["pe"] else ""
    head = f"Pro FromIP   FPrt ToIP     TPrt DestIP   DPrt State       Expires{engines}"
    return _lines(head, *sorted(_proc_connection(conn) for conn in listing["conns"]))


def _proc_connection(conn: Table) -> str:
    ends = " ".join(f"{_raw(conn[end][0])} {conn[end][1]:04X}" for end in ("client", "virtual", "real"))
    engine = f" {conn['pe'][0]} {conn['pe'][1]}" if conn["pe"] else ""
    return f"{_protocol(conn['proto']):<3} {ends} {conn['state']:<11} {conn['seconds']:>7}{engine}"


# --- services -------------------------------------------------------------------------------------------------------


def _kernel_order(listing: Table) -> str:
    return _services(listing, PLAIN, _named, _weighed, listing["services"], lambda service: service["reals"])


def _plain(listing: Table) -> str:
    return _listed(listing, PLAIN, _named, _weighed)


def _thresholds(listing: Table) -> str:
    title = f"{'Prot LocalAddress:Port':<33} Uthreshold Lthreshold ActiveConn InActConn \n{SECOND}"
    names, widths = ("upper", "lower", "actconns", "inactconns"), (10, 10, 10, 10)
    return _listed(listing, title, _named, lambda real: _columns(real, names, widths))


def _persistence(listing: Table) -> str:
    title = f"{'Prot LocalAddress:Port':<33} Weight    PersistConn ActiveConn InActConn \n{SECOND}"
    names, widths = ("weight", "persistconns", "actconns", "inactconns"), (9, 11, 10, 10)
    return _listed(listing, title, _named, lambda real: _columns(real, names, widths))


def _statistics(listing: Table) -> str:
    title = f"{'Prot LocalAddress:Port':<33}{'Conns':>9}{'InPkts':>9}{'OutPkts':>9}{'InBytes':>9}{'OutBytes':>9}"
    return _listed(listing, f"{title}\n{SECOND}", _counted, _real_counts)


def _timeouts(listing: Table) -> str:
    return _lines("Timeout (tcp tcpfin udp): {} {} {}".format(*listing["timeouts"]))


def _listed(listing: Table, title: str, head: Callable[[Table], str], row: Callable[[Table], str]) -> str:
    """As ipvsadm sorts: services by mark, family, protocol and address, real servers by address."""
    services = sorted(listing["services"], key=lambda s: (s["mark"], s["family"], s["proto"], s["address"], s["port"]))
    return _services(listing, title, head, row, services, _sorted_reals)


def _sorted_reals(service: Table) -> list[Table]:
    return sorted(service["reals"], key=lambda real: (real["address"], real["port"]))


def _services(listing: Table, title: str, head: Callable[[Table], str], row: Callable[[Table], str],
              services: list[Table], reals: Callable[[Table], list[Table]]) -> str:  # fmt: skip
    lines = [HEADER.format(listing["size"]), *title.split("\n")]
    for service in services:
        lines.append(head(service))
        lines += [f"  -> {_endpoint(real['address'], real['port']):<28} {row(real)}" for real in reals(service)]
    return _lines(*lines)


def _place(service: Table) -> str:
    """Protocol and address, or the mark."""
    if service["mark"]:
        return f"FWM  {service['mark']}{' IPv6' if service['family'] == 6 else ''}"
    return f"{_protocol(service['proto']):<4} {_endpoint(service['address'], service['port'])}"


def _named(service: Table) -> str:
    return " ".join((_place(service), service["scheduler"], *_flags(service)))


def _flags(service: Table) -> Iterator[str]:
    if service["flags"]:
        yield f"({','.join(sorted(service['flags']))})"
    if service["persistent"]:
        yield f"persistent {service['persistent']}"
        if service["mask"]:
            yield f"mask {service['mask']}"
    if service["pe"]:
        yield f"pe {service['pe']}"
    if service["ops"]:
        yield "ops"


def _weighed(real: Table) -> str:
    numbers = _columns(real, ("weight", "actconns", "inactconns"), (6, 10, 10))
    return f"{FORWARDS[real['forward']]:<7} {numbers}"


def _columns(real: Table, names: tuple[str, ...], widths: tuple[int, ...]) -> str:
    return " ".join(f"{real[name]:<{width}}" for name, width in zip(names, widths, strict=True))


def _counted(service: Table) -> str:
    return f"{_place(service):<33}{_numbers(service)}"


def _real_counts(real: Table) -> str:
    return _numbers(real)[1:]


def _numbers(counted: Table) -> str:
    return "".join(f" {counted['counts'][name]:>8}" for name in COUNTS)


# --- /proc/net ------------------------------------------------------------------------------------------------------


def _proc_services(listing: Table) -> str:
    lines = [HEADER.format(listing["size"]), "Prot LocalAddress:Port Scheduler Flags"]
    lines.append("  -> RemoteAddress:Port Forward Weight ActiveConn InActConn")
    for service in listing["services"]:
        lines.append(_proc_service(service, listing["pe"]))
        for real in service["reals"]:
            lines.append(f"  -> {_proc_endpoint(real)}      {_weighed(real)}")
    return _lines(*lines)


def _proc_service(service: Table, later: bool) -> str:
    """A service's line; blanks as the kernels leave them: 6.1 has one for the flags, 2.6 one behind them."""
    ops = ("ops " if later else " ops") if service["ops"] else ""
    words = f"{service['scheduler']} {ops}" if later else f"{service['scheduler']}{ops} "
    if service["mark"]:
        place = f"FWM  {service['mark']:08X}"
    else:
        place = f"{_protocol(service['proto'])}  {_proc_endpoint(service)}"
        words += " " * later
    return f"{place} {words}{_proc_persistence(service)}"


def _proc_persistence(service: Table) -> str:
    """Timeout in ticks, mask in hex; of IPv6 the prefix length with its bytes turned."""
    if not service["persistent"]:
        return ""
    if service["family"] == 4:
        mask = int(IPv4Address(service["mask"] or "255.255.255.255"))
    else:
        mask = int.from_bytes(int(service["mask"] or 128).to_bytes(4, "little"))
    return f"persistent {service['persistent'] * HZ} {mask:08X}"


def _proc_endpoint(place: Table) -> str:
    address = _raw(place["address"])
    return f"{address if len(place['address']) == 4 else f'[{address}]'}:{place['port']:04X}"


def _proc_stats(listing: Table) -> str:
    head = ("   Total Incoming Outgoing         Incoming         Outgoing",
            "   Conns  Packets  Packets            Bytes            Bytes")  # fmt: skip
    second = " Conns/s   Pkts/s   Pkts/s          Bytes/s          Bytes/s"
    return _lines(*head, _hexadecimal(listing["counts"]), "", second, _hexadecimal(listing["rates"]))


def _hexadecimal(counted: Table) -> str:
    return " ".join(f"{counted[name]:{width}X}" for name, width in zip(COUNTS, (8, 8, 8, 16, 16), strict=True))


# --- words ----------------------------------------------------------------------------------------------------------


def _protocol(number: int) -> str:
    return PROTOCOLS.get(number, f"IP_{number}")


def _address(raw: bytes) -> IPv4Address | IPv6Address:
    return ip_address(raw)


def _endpoint(raw: bytes, port: int) -> str:
    return f"{_address(raw)}:{port}" if len(raw) == 4 else f"[{_address(raw)}]:{port}"


def _raw(raw: bytes) -> str:
    """An address as /proc shows it."""
    return raw.hex().upper() if len(raw) == 4 else _address(raw).exploded


def _lines(*lines: str) -> str:
    return "\n".join(lines) + "\n"


LISTINGS: dict[str, Callable[[Table], str]] = {
    "ipvsadm -lcn": _connections,
    "cat /proc/net/ip_vs_conn": _proc_connections,
    "cat /proc/net/ip_vs": _proc_services,
    "cat /proc/net/ip_vs_stats": _proc_stats,
    "ipvsadm -ln --nosort": _kernel_order,
    "ipvsadm -ln": _plain,
    "ipvsadm -ln --thresholds": _thresholds,
    "ipvsadm -ln --persistent-conn": _persistence,
    "ipvsadm -ln --stats --exact": _statistics,
    "ipvsadm -ln --timeout": _timeouts,
}
