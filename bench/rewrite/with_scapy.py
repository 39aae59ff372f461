"""What a script with scapy takes to rewrite addresses and ports: IN OUT."""

from __future__ import annotations

import sys

from scapy.layers.inet import IP, TCP, UDP
from scapy.packet import Packet
from scapy.utils import PcapReader, PcapWriter

VIP, REAL, LADDR = "192.0.2.10", "198.18.0.1", "198.18.255.1"
PORTS = {80: 8080, 53: 5353}


def rewrite(frame: Packet) -> None:
    """To the real server from the local address; back to where it came from. scapy sums what is deleted."""
    ip, l4 = frame[IP], frame[TCP if TCP in frame else UDP]
    if ip.dst == VIP:
        ip.src, ip.dst, l4.dport = LADDR, REAL, PORTS[l4.dport]
    else:
        ip.src, ip.dst, l4.sport = REAL, LADDR, PORTS[l4.sport]
    del ip.chksum, l4.chksum


def main() -> None:
    source, target = sys.argv[1:]
    with PcapReader(source) as reader, PcapWriter(target) as writer:
        for frame in reader:
            rewrite(frame)
            writer.write(frame)


if __name__ == "__main__":
    main()
