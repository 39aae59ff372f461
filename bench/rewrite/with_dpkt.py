"""What a script with dpkt takes to rewrite addresses and ports: IN OUT."""

from __future__ import annotations

import sys
from typing import Any

import dpkt

VIP, REAL, LADDR = b"\xc0\x00\x02\x0a", b"\xc6\x12\x00\x01", b"\xc6\x12\xff\x01"
PORTS = {80: 8080, 53: 5353}


def rewrite(ip: Any) -> None:
    """To the real server from the local address; back to where it came from. dpkt sums what is set to 0."""
    l4 = ip.data
    if ip.dst == VIP:
        ip.src, ip.dst, l4.dport = LADDR, REAL, PORTS[l4.dport]
    else:
        ip.src, ip.dst, l4.sport = REAL, LADDR, PORTS[l4.sport]
    ip.sum = l4.sum = 0


def main() -> None:
    source, target = sys.argv[1:]
    with open(source, "rb") as read, open(target, "wb") as written:
        writer = dpkt.pcap.Writer(written)
        for time, data in dpkt.pcap.Reader(read):
            frame = dpkt.ethernet.Ethernet(data)
            rewrite(frame.data)
            writer.writepkt(bytes(frame), time)


if __name__ == "__main__":
    main()
