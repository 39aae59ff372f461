"""Plans about single packets of a service: what opens a connection, what is odd, too long, in pieces, or an error."""

from __future__ import annotations

from struct import pack

from lbreplay.lab.gen import frames
from lbreplay.lab.gen.connections import PROBE
from lbreplay.lab.gen.scene import Scene
from lbreplay.lab.gen.stage import CLIENT_MAC, PORT_MAC, REAL_MAC
from lbreplay.lab.gen.talk import Talk
from lbreplay.model import Endpoint, Match, Service
from lbreplay.wire.packet import ICMP, ICMPV6, SCTP, TCP, UDP, Packet

FIRST_FLAGS = (
    "S",
    "SA",
    "SE",
    "SC",
    "SP",
    "SU",
    "SF",
    "SR",
    "A",
    "A+10",
    "PA+20",
    "F",
    "FA",
    "R",
    "RA",
    "-",
    "P+5",
    "UPF",
)
LATER_MAC = bytes.fromhex("020000000c99")
ERRORS = {  # type, code, rest
    4: ((3, 3, 0), (3, 4, 1400), (3, 1, 0), (4, 0, 0), (5, 1, 0x0A0A0A0A), (11, 0, 0), (12, 0, 0)),
    6: ((1, 4, 0), (2, 0, 1400), (3, 0, 0), (4, 1, 0)),
}
FULL_OPTIONS = frames.STAMP + b"\1\1\5\x1a" + bytes(24)  # timestamp and three SACK blocks: 40 bytes
NEAR_FULL = frames.STAMP + b"\1\1\5\x12" + bytes(16)
OTHER_TOA = b"\xfe\x08" + bytes(6)  # the client's address, already there


def first_packets(scene: Scene, service: Service) -> None:
    """Every kind of first packet, each of a client of its own, and headers that are not whole."""
    kinds = {TCP: FIRST_FLAGS, UDP: ("+0", "+1", "+40"), SCTP: tuple(frames.CHUNKS)}[service.protocol]
    for kind in kinds:
        for talk in scene.talks(service, 1):
            talk.c(kind)
    for talk in scene.talks(service, 2 if service.protocol == TCP else 0):
        scene.stage.packet(_overlong(talk.client, talk.virtual))
    for known in filter(None, (scene.opened(service), scene.talk(service))):
        for size in (0, 4, 7, 8, 12, 16, 19):
            scene.stage.packet(_headless(known, size))


def _headless(talk: Talk, size: int) -> bytes:
    """A packet with *size* bytes of its L4 header."""
    head = pack(">HH", talk.client.port, talk.virtual.port) + b"\0" * 8 + b"\x50\2\xff\xff" + bytes(4)
    return frames.ip(talk.client.address, talk.virtual.address, talk.proto, head[:size])


def _overlong(src: Endpoint, dst: Endpoint) -> bytes:
    """An ACK whose TCP header claims to be longer than the packet."""
    return frames.resummed(l3 := frames.tcp(src, dst, "A", 9000, 9000), len(l3) - 8, b"\xf0")


def odd(scene: Scene, service: Service) -> None:
    """Unusual but whole: TTL and TOS, options, wrong checksums, other MACs, cut by the snap length."""
    talk = scene.opened(service)
    if talk is None:
        return
    probe = PROBE[service.protocol]
    for of_ip in ({"ttl": 1}, {"ttl": 2}, {"tos": 0xB8}, {"ident": 0x1234, "df": 0}, {}):
        talk.of_ip = dict(of_ip)
        talk.play(f"c:{probe} s:{probe}")
    for inside in (True, False):
        for l3 in _variants(_next(talk, service, inside)):
            scene.stage.packet(l3, CLIENT_MAC if inside else REAL_MAC)
    _macs(scene, talk, service)
    _cut(scene, talk, service)
    if service.protocol == TCP:
        for options in (FULL_OPTIONS, NEAR_FULL, OTHER_TOA, b"\1\1\1\1", b"\x03\x01\0\0", frames.STAMP):
            another = scene.opened(service)
            if another is not None:
                another.c("PA+30", options)
                another.s("A", options)
    talk.play(f"c:{probe}")


def _next(talk: Talk, service: Service, of_client: bool) -> bytes:
    """A packet of the conversation, as it is on the wire."""
    src, dst = talk.client, talk.virtual
    if not of_client and talk.to_server is not None:
        src = Endpoint(talk.to_server.dst, talk.to_server.dport)
        dst = Endpoint(talk.to_server.src, talk.to_server.sport)
    if service.protocol == TCP:
        return frames.tcp(src, dst, "PA", 9000, 9000, frames.payload(33))
    if service.protocol == UDP:
        return frames.udp(src, dst, frames.payload(33))
    return frames.sctp(src, dst, "data", 0x7A67)


def _variants(l3: bytes) -> list[bytes]:
    """The packet with a wrong L4 checksum, a wrong header checksum, without a UDP checksum, with IP options."""
    at = 20 if l3[0] >> 4 == 4 else 40
    proto = l3[9] if at == 20 else l3[6]
    found = [frames.spoiled(l3, at + {TCP: 16, UDP: 6, SCTP: 8}[proto])]
    found += [frames.resummed(l3, at + 12, b"\xf0")] if proto == TCP else []
    if at == 20:
        found.append(frames.spoiled(l3, 10))
        found += [frames.with_options(l3, o) for o in (frames.NO_OPERATION, frames.LOOSE_ROUTE, frames.BROKEN_OPTION)]
        if l3[9] == UDP:
            found.append(l3[:26] + b"\0\0" + l3[28:])
    else:
        found.append(frames.behind_extension(l3, 60))
        found.append(frames.behind_extension(l3, 0))
    return found


def _macs(scene: Scene, talk: Talk, service: Service) -> None:
    """From another MAC, to a group, to another host, behind a VLAN tag."""
    l3, port = _next(talk, service, True), scene.setup.device.mac or PORT_MAC
    for dst, src in ((port, LATER_MAC), (b"\xff" * 6, CLIENT_MAC), (b"\1\0\x5e\0\0\1", CLIENT_MAC),
                     (bytes.fromhex("02000000aaaa"), CLIENT_MAC)):  # fmt: skip
        scene.stage.frame(frames.frame(l3, dst, src))
    for tag in (*(vlan.id for vlan in scene.setup.device.vlan), 4000):
        scene.stage.frame(frames.frame(l3, port, CLIENT_MAC, tag))
    talk.play(f"s:{PROBE[service.protocol]}")


def _cut(scene: Scene, talk: Talk, service: Service) -> None:
    """Longer on the wire than in the capture."""
    whole = frames.frame(_next(talk, service, True), scene.setup.device.mac or PORT_MAC, CLIENT_MAC)
    for size in (13, 20, 36, 46, 60, len(whole) - 3):
        scene.stage.frame(whole[:size], len(whole))


def sizes(scene: Scene, service: Service) -> None:
    """As long as the MTU, shorter by what the client's address takes, and longer, with and without DF, both ways."""
    mtu = scene.setup.device.mtu
    head = (20 if service.family == 4 else 40) + {TCP: 20, UDP: 8, SCTP: 16}[service.protocol]
    said = {TCP: "PA", UDP: "", SCTP: "data"}[service.protocol]
    first = {TCP: "c:S", UDP: "", SCTP: "c:init"}[service.protocol]
    for df in (1, 0):
        for talk in scene.talks(service, 2):  # before anybody answered: by the slow path
            talk.of_ip = {"df": df}
            _end(scene, talk.play(f"{first} c:{said}+{mtu + 100 - head} s:{said}+{mtu + 100 - head}"))
        for more in (-40, -24, -12, -8, -4, 0, 1, 200):
            opened = scene.opened(service)
            if opened is not None and mtu + more > head:
                opened.of_ip = {"df": df}
                size = mtu + more - head
                _end(scene, opened.play(f"c:{said}+{size} s:{said}+{size} c:{PROBE[service.protocol]}"))


def _end(scene: Scene, talk: Talk) -> None:
    """Make room for the next: real servers may have few connections."""
    if talk.proto == TCP:
        talk.play("c:R")
        scene.stage.wait(4)


def fragments(scene: Scene, service: Service) -> None:
    """A request and an answer in pieces, in order and the other way round."""
    talk = scene.opened(service)
    if talk is None:
        return
    for inside in (True, False):
        pieces = frames.in_pieces(_next(talk, service, inside))
        for order in (pieces, pieces[::-1], pieces[:1], pieces[1:]):
            for piece in order:
                scene.stage.packet(piece, CLIENT_MAC if inside else REAL_MAC)
            scene.stage.wait(40)
    talk.play(f"c:{PROBE[service.protocol]}")


def errors(scene: Scene, service: Service) -> None:
    """ICMP errors about a connection, from both sides, on its worker and on others; wrong and unreadable ones."""
    for worker in (scene.workers * 4)[:4]:
        talk = scene.opened(service, worker)
        if talk is None:
            continue
        talk.play(f"c:{PROBE[service.protocol]} s:{PROBE[service.protocol]}")
        _errors_about(scene, talk.to_client, worker, CLIENT_MAC)
        _errors_about(scene, talk.inside, worker, REAL_MAC)
        if service.mode in ("dr", "tunnel"):
            _unseen_errors(scene, talk, worker)
        talk.play(f"c:{PROBE[service.protocol]}")


def _unseen_errors(scene: Scene, talk: Talk, worker: int) -> None:
    """Errors to the client about what its real server was sent, as nobody rewrote it."""
    family = 4 if len(talk.client.address) == 4 else 6
    for real in talk.service.reals:
        if len(real.endpoint.address) == len(talk.client.address):
            for source in scene.clients.outside(family)[:8]:
                sent = frames.udp(talk.client, real.endpoint, b"sent")
                quoted = frames.tcp(talk.client, real.endpoint, "A", 1, 1) if talk.proto == TCP else sent
                error = ERRORS[family][0]
                scene.stage.packet(frames.quoting(source, talk.client.address, *error[:2], quoted), REAL_MAC)


def _errors_about(scene: Scene, heard: Packet | None, worker: int, mac: bytes) -> None:
    """Errors that somebody on the way sends to whom *heard* came from."""
    if heard is None:
        return
    source = scene.clients.router(heard.src, worker)
    said = [frames.quoting(source, heard.src, *error[:2], heard.l3, error[2]) for error in ERRORS[heard.family]]
    at = 20 if heard.family == 4 else 40
    kind, code, rest = ERRORS[heard.family][0]
    long = frames.icmp(source, heard.src, kind, code, rest, heard.l3[: at + 8] + bytes(scene.setup.device.mtu))
    said += [frames.spoiled(said[0], at + 2), frames.icmp(source, heard.src, kind, code, rest, heard.l3[: at - 4]),
             frames.icmp(source, heard.src, kind, code, rest, heard.l3[: at + 2]), long]  # fmt: skip
    for l3 in said:
        scene.stage.packet(l3, mac)
    elsewhere = scene.clients.router(heard.src, (worker + 1) % len(scene.workers))
    scene.stage.packet(frames.quoting(elsewhere, heard.src, kind, code, heard.l3, rest), mac)
    other = frames.udp(Endpoint(heard.src, 9), Endpoint(source, 9), b"unknown")
    scene.stage.packet(frames.quoting(source, heard.src, kind, code, other, rest), mac)


def quic(scene: Scene, service: Service) -> None:
    """QUIC: long headers with connection ids of each real server, short headers, and the same client elsewhere."""
    for n, real in enumerate(service.reals):
        last = real.endpoint.address[-2:] + real.endpoint.port.to_bytes(2)
        for body in (b"\xc0\0\0\0\1\x08" + bytes(4) + last + b"\0" * 40, b"\x40" + bytes([n]) * 4 + last + b"\0" * 20):
            for talk in scene.talks(service, 2):
                scene.stage.packet(frames.udp(talk.client, talk.virtual, body))


def proxy_header(scene: Scene, service: Service) -> None:
    """Clients that bring a proxy protocol header of their own, in both versions, and a broken one."""
    for head in (b"PROXY TCP4 192.0.2.1 192.0.2.2 1000 80\r\n", b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c" + bytes(12),
                 b"PROXY UNKNOWN\r\n", b"PROXY TCP4 what"):  # fmt: skip
        talk = scene.opened(service) if service.protocol == TCP else scene.talk(service)
        if talk is not None:
            talk.c("PA" if service.protocol == TCP else "", body=head + frames.payload(40))
            talk.play(f"s:{PROBE[service.protocol]} c:{PROBE[service.protocol]}")


def helper(scene: Scene, service: Service) -> None:
    """FTP: a passive and an active data connection announced on the control connection."""
    talk = scene.opened(service)
    if talk is None:
        return
    host = ",".join(map(str, talk.client.address))
    talk.s("PA", body=b"220 ready\r\n")
    talk.c("PA", body=f"PORT {host},117,48\r\n".encode())
    talk.s("PA", body=b"200 ok\r\n")
    talk.c("PA", body=b"PASV\r\n")
    if talk.inside is not None:
        real = ",".join(map(str, talk.inside.dst))
        talk.s("PA", body=f"227 Entering Passive Mode ({real},156,64)\r\n".encode())
    passive = Talk(scene.stage, service, Endpoint(talk.client.address, 31_000), Endpoint(talk.virtual.address, 40_000))
    passive.play("c:S s:SA c:A c:PA+50 s:FA c:FA")


def icmp_flows(scene: Scene, services: list[Service]) -> None:
    """Echo from inside, answered, of several clients (SNAT)."""
    for service in scene.setup.services:
        if service.match is not None and service.protocol in (ICMP, ICMPV6):
            _icmp_flow(scene, service, service.match)


def _icmp_flow(scene: Scene, service: Service, match: Match) -> None:
    dest = scene.clients.outside(match.family)[0]
    for source in scene.clients.of(service)[:6]:
        for ident in (1, 2):
            kind, code = frames.ECHO[match.family]
            left = scene.stage.packet(frames.icmp(source, dest, kind, code, ident << 16 | 1, b"ping" * 8))
            for one in left:
                packet = Packet(one.frame, len(one.frame))
                reply = frames.icmp(
                    packet.dst, packet.src, 0 if match.family == 4 else 129, 0, ident << 16 | 1, b"ping" * 8
                )
                scene.stage.packet(reply, REAL_MAC)
