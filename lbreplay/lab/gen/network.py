"""Plans about what stands around the services: strays, the link layer, IP input, ICMP, transit, steering."""

from __future__ import annotations

from collections.abc import Iterator
from struct import pack

from lbreplay.lab.gen import frames
from lbreplay.lab.gen.clients import NETWORKS, hosts
from lbreplay.lab.gen.scene import Scene, opening
from lbreplay.lab.gen.stage import CLIENT_MAC, PORT_MAC, REAL_MAC, own_addresses
from lbreplay.lab.gen.talk import Talk
from lbreplay.model import Endpoint, Network, Service
from lbreplay.wire import craft
from lbreplay.wire.packet import SCTP, TCP, UDP

GROUPS = {4: (bytes((224, 0, 0, 5)), bytes((255, 255, 255, 255))),
          6: (bytes.fromhex("ff02" + "00" * 13 + "01"), bytes.fromhex("ff05" + "00" * 13 + "02"))}  # fmt: skip
FAR = {4: [Network(bytes((233, 252, 0, 0)), 24)], 6: [Network(bytes.fromhex("3fff") + bytes(14), 48)]}  # RFC 6676, 9637
LOOPBACK = {4: bytes((127, 0, 0, 1)), 6: bytes(15) + b"\1"}
MOST_RULES = 256


def locals_of(scene: Scene, family: int) -> list[bytes]:
    """Addresses of the balancer, one of each kind, in a steady order."""
    size = 4 if family == 4 else 16
    return [a for a in sorted(own_addresses(scene.setup)) if len(a) == size][:8]


def strays(scene: Scene, services: list[Service]) -> None:
    """To addresses of the balancer, but to no service and no connection; and from them."""
    for family in (4, 6):
        clients = scene.clients.outside(family)
        for n, address in enumerate(locals_of(scene, family)):
            client = Endpoint(clients[n % len(clients)], 30_000 + n)
            for port in (9, 443, 2000, 50_000):
                dest = Endpoint(address, port)
                for flags in ("S", "A", "R"):
                    scene.stage.packet(frames.tcp(client, dest, flags, 1, 1))
                scene.stage.packet(frames.udp(client, dest, b"stray"))
                scene.stage.packet(frames.sctp(client, dest, "init", 1))
            scene.stage.packet(frames.ip(client.address, address, UDP, b"\x10\0\x10\0"))
            scene.stage.packet(frames.ip(client.address, address, TCP, b"\x10\0\x10\0" + bytes(8)))
            for proto, body in (
                (47, bytes(8)),
                (4, bytes(20)),
                (50, bytes(16)),
                (89, bytes(24)),
                (59, b""),
                (253, b"x"),
            ):
                scene.stage.packet(frames.ip(client.address, address, proto, body))
    for service in services:
        for talk in scene.talks(service, 1):
            _spoken_by(scene, talk)


def _spoken_by(scene: Scene, talk: Talk) -> None:
    """A packet that a virtual address sends, though nobody asked, and one of each real server."""
    service, client = talk.service, talk.client
    sources = [talk.virtual, *(real.endpoint for real in service.reals if real.endpoint.port)]
    for source in sources:
        if len(source.address) == len(client.address):
            for dest in (client, *(Endpoint(laddr, 2000) for laddr in service.laddr[:1])):
                if len(dest.address) == len(source.address):
                    scene.stage.packet(_spoken(service.protocol, source, dest), REAL_MAC)


def _spoken(proto: int, source: Endpoint, dest: Endpoint) -> bytes:
    if proto == TCP:
        return frames.tcp(source, dest, "SA", 1, 1)
    return frames.udp(source, dest, b"unasked") if proto == UDP else frames.sctp(source, dest, "init_ack", 1)


def rules(scene: Scene, services: list[Service]) -> None:
    """One segment and one datagram for every rule of the NIC, of no connection."""
    nic = scene.clients.nic
    for rule in nic.rules[:MOST_RULES]:
        port = next((p for p in range(2048, 2048 + 0x10000) if p & rule.mask == rule.value), rule.value) & 0xFFFF
        source = Endpoint(scene.clients.outside(4 if len(rule.laddr) == 4 else 6)[0], 8080)
        dest = Endpoint(rule.laddr, port)
        l3 = frames.tcp(source, dest, "A", 1, 1) if rule.proto == TCP else frames.udp(source, dest, b"stray")
        scene.stage.packet(l3, REAL_MAC)


def entries(scene: Scene, services: list[Service]) -> None:
    """A client through every entry of the redirection table."""
    service = services[0]
    wanted, tries = set(range(len(scene.clients.nic.rss.reta))), 0
    while wanted and tries < 40 * len(scene.clients.nic.rss.reta):
        tries += 1
        client = scene.clients.one(service)
        if client is not None and (entry := scene.clients.steer(service, client).reta) in wanted:
            wanted.discard(entry)
            scene.stage.packet(_first(service, client, Talk(scene.stage, service, client).virtual))


def _first(service: Service, client: Endpoint, virtual: Endpoint) -> bytes:
    if service.protocol == TCP:
        return frames.tcp(client, virtual, "S", 1, 0, options=frames.SYN_OPTIONS)
    return frames.udp(client, virtual, b"first") if service.protocol == UDP else frames.sctp(client, virtual, "init", 0)


def link(scene: Scene, services: list[Service]) -> None:
    """ARP, unknown ethertypes, VLAN tags, groups, another host's frames, frames that are too short."""
    stage, port = scene.stage, scene.setup.device.mac or PORT_MAC
    for address in (*locals_of(scene, 4), scene.clients.outside(4)[0]):
        for opcode in (1, 2, 3):
            body = b"\0\1\x08\0\6\4" + pack(">H", opcode) + CLIENT_MAC + scene.clients.outside(4)[1] + port + address
            stage.frame(craft.ethernet(b"\xff" * 6, CLIENT_MAC, 0x0806, body).ljust(60, b"\0"))
    stage.frame(craft.ethernet(port, CLIENT_MAC, 0x0806, b"\0\1\x08\0").ljust(24, b"\0"))
    stage.frame(craft.ethernet(port, CLIENT_MAC, 0x88CC, bytes(46)))
    stage.frame(craft.ethernet(port, CLIENT_MAC, 0x8100, b""), 18)
    stage.frame(craft.ethernet(port, CLIENT_MAC, 0x8100, b"\0"))
    stage.frame(bytes(10))
    stage.frame(bytes(10), 64)
    for l3 in _pings(scene):
        for dst in (b"\xff" * 6, b"\1\0\x5e\0\0\1", bytes.fromhex("02000000aaaa"), port):
            stage.frame(frames.frame(l3, dst, CLIENT_MAC))
        for tag in (*(vlan.id for vlan in scene.setup.device.vlan), 4001):
            stage.frame(frames.frame(l3, port, CLIENT_MAC, tag))


def _pings(scene: Scene) -> Iterator[bytes]:
    """Echo requests: to the balancer's addresses, to somebody else, to groups."""
    for family in (4, 6):
        source = scene.clients.outside(family)[0]
        for dest in (*locals_of(scene, family)[:2], scene.clients.outside(family)[2], *GROUPS[family]):
            yield frames.icmp(source, dest, *frames.ECHO[family], 0x10001, b"ping" * 8)


def ip_input(scene: Scene, services: list[Service]) -> None:
    """IP headers that cannot be, cut and too short ones, extension headers, fragments, impossible addresses."""
    for family in (4, 6):
        source = scene.clients.outside(family)[0]
        for dest in (*locals_of(scene, family)[:2], scene.clients.outside(family)[2]):
            good = frames.icmp(source, dest, *frames.ECHO[family], 0x10001, b"ping" * 8)
            for l3 in (*(_broken_v4(good) if family == 4 else _broken_v6(good)), *frames.in_pieces(good)):
                scene.stage.packet(l3)
            for strange in (LOOPBACK[family], GROUPS[family][0], dest, bytes(len(dest))):
                scene.stage.packet(frames.icmp(strange, dest, *frames.ECHO[family], 0x10001))
                scene.stage.packet(frames.icmp(source, strange, *frames.ECHO[family], 0x10001))
            whole = frames.frame(good, scene.setup.device.mac or PORT_MAC, CLIENT_MAC)
            for size in (20, 30, 40, 56):
                scene.stage.frame(whole[:size], len(whole))


def _broken_v4(l3: bytes) -> list[bytes]:
    """Version, header length, total length too large and too small, checksum, options, a bare header."""
    return [b"\x65" + l3[1:], b"\x44" + l3[1:], b"\x4f" + l3[1:24], l3[:2] + b"\x7f\xff" + l3[4:],
            l3[:2] + b"\0\x0a" + l3[4:], frames.spoiled(l3, 10), frames.with_options(l3), l3[:12]]  # fmt: skip


def _broken_v6(l3: bytes) -> list[bytes]:
    """Version, payload length too large, extension headers, none behind, a bare header."""
    return [b"\x40" + l3[1:], l3[:4] + b"\x7f\xff" + l3[6:], frames.behind_extension(l3, 0), l3[:12],
            frames.behind_extension(l3, 60), frames.behind_extension(l3, 43),
            l3[:4] + b"\0\0\x3b" + l3[7:40], l3[:4] + b"\0\2\x3c" + l3[7:42]]  # fmt: skip


def icmp(scene: Scene, services: list[Service]) -> None:
    """Echo to the balancer's addresses from several sides, other types, wrong codes and sums, unreadable errors."""
    for family in (4, 6):
        for dest in locals_of(scene, family)[:4]:
            for n, source in enumerate(scene.clients.outside(family)[:6]):
                scene.stage.packet(frames.icmp(source, dest, *frames.ECHO[family], n << 16 | 1, frames.payload(20 * n)))
            good = frames.icmp(source, dest, *frames.ECHO[family], 0x10001, b"ping")
            at = 20 if family == 4 else 40
            for l3 in (frames.spoiled(good, at + 2), frames.icmp(source, dest, frames.ECHO[family][0], 1)):
                scene.stage.packet(l3)
            for kind in (0, 3, 8, 11, 13, 17) if family == 4 else (1, 2, 129, 130, 200):
                scene.stage.packet(frames.icmp(source, dest, kind, 0, 0, b"\x45\0"))
            scene.stage.packet(frames.ip(source, dest, 1 if family == 4 else 58, b"\x08\0"))
            scene.stage.packet(frames.icmp(source, dest, *frames.ECHO[family], 1, bytes(scene.setup.device.mtu)))


def discovery(scene: Scene, services: list[Service]) -> None:
    """Neighbour solicitations and advertisements, right and malformed."""
    source = scene.clients.outside(6)[0]
    for target in (*locals_of(scene, 6)[:3], scene.clients.outside(6)[5]):
        group = bytes.fromhex("ff0200000000000000000001ff") + target[13:]
        for kind, option in (
            (135, b"\1\1"),
            (136, b"\2\1"),
            (135, b"\1\0"),
            (135, b""),
            (133, b""),
            (134, b""),
            (137, b""),
        ):
            body = target + (option + CLIENT_MAC if option else b"")
            for dest, hops in ((target, 255), (group, 255), (target, 64)):
                l3 = frames.icmp(source, dest, kind, 0, 0, body, ttl=hops)
                mac = b"\x33\x33" + dest[12:] if dest == group else scene.setup.device.mac or PORT_MAC
                scene.stage.frame(frames.frame(l3, mac, CLIENT_MAC))


def transit(scene: Scene, services: list[Service]) -> None:
    """To somebody else: with TTL to spare and without, too long, to nowhere, in frames to groups."""
    mtu = scene.setup.device.mtu
    for family in (4, 6):
        outside = scene.clients.outside(family)
        source = Endpoint(outside[0], 3000)
        nowhere = bytes((233, 252, 0, 1)) if family == 4 else bytes.fromhex("3fff" + "00" * 13 + "01")
        elsewhere = NETWORKS[family][-1].address[:-1] + b"\x07"
        for dest in (
            Endpoint(a, 4000)
            for a in (outside[3], elsewhere, nowhere, bytes((240, 1, 1, 1)) if family == 4 else nowhere)
        ):
            for ttl in (64, 2, 1):
                scene.stage.packet(frames.udp(source, dest, b"transit", ttl=ttl))
            for df in (1, 0):
                scene.stage.packet(frames.udp(source, dest, frames.payload(mtu), df=df))
            l3 = frames.udp(source, dest, b"transit")
            scene.stage.frame(frames.frame(l3, b"\xff" * 6, CLIENT_MAC))
            scene.stage.packet(frames.tcp(source, dest, "S", 1, 0))
    for strange in (bytes.fromhex("fe80" + "00" * 13 + "01"), bytes(16)):
        scene.stage.packet(frames.udp(Endpoint(strange, 1), Endpoint(scene.clients.outside(6)[3], 1), b"transit"))


def neighbours(scene: Scene, services: list[Service]) -> None:
    """Next hops that do not answer at first: packets wait, too many are dropped; later they answer."""
    scene.stage.mute = True
    for service in services[:2]:
        for talk in scene.talks(service, 140, scene.workers[0]):
            talk.c({TCP: "S", UDP: "+10", SCTP: "init"}[service.protocol])
    scene.stage.wait(20)
    scene.stage.mute = False
    for service in services[:2]:
        for pause in (0, 61, 100):
            scene.stage.wait(pause)
            for talk in scene.talks(service, 3):
                talk.play(opening(service))


def unrouted(scene: Scene, services: list[Service]) -> None:
    """Clients that no route leads back to: their requests arrive, answers and errors about them do not."""
    for service in services:
        routes = [
            route.to for route in scene.setup.routes if len(route.to.address) == (16 if service.family == 6 else 4)
        ]
        away = (host for net in (*NETWORKS[service.family], *FAR[service.family]) for host in hosts(net)[:3])
        lost = next((host for host in away if not any(host in route for route in routes)), None)
        if lost is None:
            continue
        talk = Talk(scene.stage, service, Endpoint(lost, 20_001)).play(opening(service))
        if talk.inside is not None:
            source = scene.clients.router(talk.inside.src, scene.clients.steer(service, talk.client).rank)
            error = (3, 3) if service.family == 4 else (1, 4)
            scene.stage.packet(frames.quoting(source, talk.inside.src, *error, talk.inside.l3), REAL_MAC)


def wanderers(scene: Scene, services: list[Service]) -> None:
    """Answers and requests that the NIC gives to another worker than the connection's."""
    for service in services:
        for talk in scene.talks(service, 2):
            talk.play(opening(service))
            heard = talk.inside
            if heard is None or len(heard.dst) != len(talk.client.address):
                continue
            for port in range(heard.sport, heard.sport + 2 * len(scene.workers)):
                dest = Endpoint(heard.src, port & 0xFFFF)
                scene.stage.packet(_spoken(service.protocol, Endpoint(heard.dst, heard.dport), dest), REAL_MAC)
