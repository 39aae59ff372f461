"""Make the captures of this folder with scapy; the same bytes every time. `make samples` runs it.

web.pcap: a capture taken at clients: connections over IPv4 and IPv6 to two virtual addresses, DNS over UDP, and a few
strays that a port sees: ARP, an echo request, an ACK out of nowhere, a frame of an unknown ethertype.
card.pcapng: what clients send of it, without their data, as dpdk-dumpcap records it on a card with six queues: queue
and hash beside each frame.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path
from string import ascii_lowercase
from struct import pack

from scapy.layers.dns import DNS, DNSQR, DNSRR
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import ARP, Ether
from scapy.packet import Packet, Raw
from scapy.utils import PcapWriter

from lbreplay.nic.profiles import MLX5_KEY
from lbreplay.nic.rss import toeplitz
from lbreplay.wire.capture.sink import block, pack_options

HERE = Path(__file__).parent
CLIENT, BALANCER = "02:00:00:00:00:02", "02:00:00:00:00:01"
VIP4, VIP6, NAMES = "203.0.113.10", "2001:db8::10", "203.0.113.53"
START = 1_700_000_000_000_000_000  # ns
MILLISECOND = 1_000_000
SHORT = 94  # bytes of a frame without data

Timed = tuple[int, Packet]


def layer(source: str, destination: str) -> Packet:
    return IPv6(src=source, dst=destination) if ":" in source else IP(src=source, dst=destination)


def there(client: str, server: str) -> Packet:
    return Ether(src=CLIENT, dst=BALANCER) / layer(client, server)


def back(client: str, server: str) -> Packet:
    return Ether(src=BALANCER, dst=CLIENT) / layer(server, client)


def conversation(rng: random.Random, at: int, client: str, vip: str, cport: int, vport: int) -> Iterator[Timed]:
    """A whole TCP connection: handshake, requests with their answers, and an end."""
    seq, ack = rng.getrandbits(32), rng.getrandbits(32)

    def segment(from_client: bool, flags: str, size: int = 0, **more: object) -> Timed:
        nonlocal seq, ack, at
        at += rng.randrange(1, 20) * MILLISECOND
        base, ports, numbers = (
            (there(client, vip), (cport, vport), (seq, ack))
            if from_client
            else (back(client, vip), (vport, cport), (ack, seq))
        )
        tcp = TCP(
            sport=ports[0], dport=ports[1], seq=numbers[0], ack=numbers[1] if "A" in flags else 0, flags=flags, **more
        )
        step = size + ("S" in flags) + ("F" in flags)
        seq, ack = ((seq + step) % 2**32, ack) if from_client else (seq, (ack + step) % 2**32)
        return at, base / tcp / Raw(bytes(32 + i % 95 for i in range(size)))

    options = [("MSS", 1460), ("SAckOK", b""), ("Timestamp", (rng.getrandbits(31), 0)), ("NOP", None), ("WScale", 7)]
    yield segment(True, "S", window=64240, options=options)
    yield segment(False, "SA", window=65160, options=[("MSS", 1460), ("SAckOK", b""), ("NOP", None), ("WScale", 7)])
    yield segment(True, "A")
    for _ in range(rng.randrange(1, 4)):
        yield segment(True, "PA", rng.randrange(60, 500))
        for _ in range(rng.randrange(1, 4)):
            yield segment(False, "PA", rng.randrange(100, 1400))
        yield segment(True, "A")
    if rng.random() < 0.1:
        yield segment(True, "RA")
        return
    yield segment(True, "FA")
    yield segment(False, "FA")
    yield segment(True, "A")


def question(rng: random.Random, at: int, client: str, cport: int) -> Iterator[Timed]:
    """The address of a name, asked for and told."""
    drawn = bytes(rng.randrange(256) for _ in range(28))
    name = "".join(ascii_lowercase[byte % 26] for byte in drawn[:5]) + ".test"
    asked = DNS(id=int.from_bytes(drawn[5:7]) >> 1, rd=1, qd=DNSQR(qname=name, qtype="AAAA"))
    answer = DNSRR(rrname=name, type="AAAA", rdata=VIP6, ttl=60)
    told = DNS(id=asked.id, qr=1, rd=1, ra=1, qd=asked.qd, an=answer).compress()
    yield at, there(client, NAMES) / UDP(sport=cport, dport=53) / asked
    yield at + 3 * MILLISECOND, back(client, NAMES) / UDP(sport=53, dport=cport) / told


def strays() -> Iterator[Timed]:
    """What a port sees besides."""
    yield (
        5 * MILLISECOND,
        Ether(src=CLIENT, dst="ff:ff:ff:ff:ff:ff") / ARP(op=1, hwsrc=CLIENT, psrc="203.0.113.1", pdst=VIP4),
    )
    yield 90 * MILLISECOND, there("198.51.100.77", VIP4) / ICMP(type=8, id=7, seq=1) / Raw(b"are you there?")
    yield 250 * MILLISECOND, there("198.51.100.78", VIP4) / TCP(sport=4711, dport=80, flags="A", seq=1, ack=1)
    yield 400 * MILLISECOND, Ether(src=CLIENT, dst=BALANCER, type=0x88B5) / Raw(bytes(46))


def web() -> list[Timed]:
    rng = random.Random(2)
    frames = list(strays())
    for number in range(90):
        at = rng.randrange(1500) * MILLISECOND
        v6 = number % 4 == 3
        client = f"2001:db8:1::{number % 20 + 1:x}" if v6 else f"198.51.100.{number % 60 + 1}"
        vport = 443 if v6 or number % 3 == 0 else 80
        frames += conversation(rng, at, client, VIP6 if v6 else VIP4, rng.randrange(32768, 61000), vport)
    for number in range(40):
        frames += question(
            rng, rng.randrange(1500) * MILLISECOND, f"198.51.100.{number % 60 + 1}", rng.randrange(32768, 61000)
        )
    return sorted(frames, key=lambda timed: timed[0])


def write(path: Path, frames: list[Timed]) -> None:
    with PcapWriter(str(path), linktype=1, nano=False) as writer:
        writer.write_header(Ether())
        for at, packet in frames:
            raw = bytes(packet)
            writer.write_packet(
                raw, sec=(START + at) // 10**9, usec=(START + at) % 10**9 // 1000, caplen=len(raw), wirelen=len(raw)
            )


def record(path: Path, frames: list[Timed]) -> None:
    """Write short frames to the balancer, with the queue and the hash of a card with the key of mlx5."""
    section = pack("<IHHq", 0x1A2B3C4D, 1, 0, -1) + pack_options([(4, b"dpdk-dumpcap")])
    port = pack("<HHI", 1, 0, 262144) + pack_options([(2, b"dpdk0"), (9, b"\x09")])
    blocks = [block(0x0A0D0D0A, section), block(1, port)]
    for at, packet in frames:
        raw, code = bytes(packet), hashed(packet)
        if packet.dst == BALANCER and len(raw) <= SHORT and code is not None:
            time = START + at
            head = pack("<IIIII", 0, time >> 32, time & 0xFFFFFFFF, len(raw), len(raw))
            said = [(2, pack("<I", 1)), (6, pack("<I", code % 512 % 6)), (3, pack("<BI", 5, code))]
            blocks.append(block(6, head + raw + bytes(-len(raw) % 4) + pack_options(said)))
    path.write_bytes(b"".join(blocks))


def hashed(packet: Packet) -> int | None:
    """The hash of addresses and ports."""
    ends = packet.getlayer(IP) or packet.getlayer(IPv6)
    if ends is None or not hasattr(ends.payload, "dport"):
        return None
    data = b"".join(ip_address(end).packed for end in (ends.src, ends.dst))
    return toeplitz(MLX5_KEY, data + pack(">HH", ends.payload.sport, ends.payload.dport))


if __name__ == "__main__":
    write(HERE / "web.pcap", web())
    record(HERE / "card.pcapng", web())
