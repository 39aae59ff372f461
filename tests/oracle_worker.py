"""What one worker of the oracle owns: its copies of the services, its connections, its local ports."""

from __future__ import annotations

from collections import Counter, deque
from hashlib import md5
from ipaddress import ip_address
from math import gcd


def signed(weight: int) -> int:
    """A weight as DPVS keeps it, in 16 bits with a sign (recorded)."""
    return weight if weight < 1 << 15 else weight - (1 << 16)


class Dest:
    """A real server in one worker's copy of a service."""

    def __init__(self, real, workers: int) -> None:
        self.real = real
        self.name, self.address, self.port = str(real), real.endpoint.address, real.endpoint.port
        self.weight, self.given, self.limit = signed(real.weight), real.max_conn, real.max_conn // workers
        self.available, self.overload = True, False
        self.on_ring = self.weight >= 0  # of conhash, where it is refused else, for good
        self.act = self.inact = self.persist = self.replicas = 0
        self.count: Counter[str] = Counter()

    @property
    def valid(self) -> bool:
        return self.available and not self.overload and self.weight > 0


class Server:
    """One worker's copy of a service: real servers (newest first, D 10.2), scheduler state, local address cursor."""

    def __init__(self, service, rank: int, workers: int, behaviour) -> None:
        self.service, self.index, self.workers, self.behaviour = service, rank + 1, workers, behaviour
        self.dests: list[Dest] = []
        for real in service.reals:
            self.dests.insert(0, Dest(real, workers))
            self.spread(self.dests[0])
        self.blacklist, self.whitelist = service.blacklist, service.whitelist
        self.laddr = -1
        self.laddr_conns: Counter[bytes] = Counter()
        self.cw = 0
        self.reset()

    def reset(self) -> None:
        """After any change of real servers (D 10.3)."""
        weights = [d.weight for d in self.dests if d.weight > 0]
        self.mw, self.di = max(weights, default=0), gcd(*weights) if weights else 1
        self.cursor = self.first
        self.ring, self.slots = None, None
        if self.cw > self.mw:
            self.cw = 0

    def spread(self, dest: Dest) -> None:
        """conhash: the share of a real server that was added or edited; of all since v1.9.2 (D 15)."""
        for each in self.dests if self.behaviour.conhash_spread == "all" else [dest]:
            weights = [d.weight for d in self.dests if d.weight > 0]
            each.replicas = each.weight // gcd(*weights) if weights and each.on_ring else 0

    @property
    def first(self) -> int:
        """Where schedulers start (D 10.2); -1 is the head, before the first."""
        size = len(self.dests)
        if self.behaviour.start == "head" or not size:
            return -1
        return max(1, size // self.workers) * self.index % size

    def pick(self, p) -> Dest | None:
        scheduler = getattr(self, self.service.scheduler)
        return scheduler(p) if self.service.scheduler in ("conhash", "mh") else scheduler()

    def rr(self) -> Dest | None:
        for step in range(1, len(self.dests) + 1):
            at = (self.cursor + step) % len(self.dests)
            if self.dests[at].valid:
                self.cursor = at
                return self.dests[at]
        return None

    def wrr(self) -> Dest | None:
        began = self.cursor
        while True:
            if self.cursor == -1:
                if not self.dests:
                    return None
                self.cursor = 0
                self.cw -= self.di
                if self.cw <= 0:
                    self.cw = self.mw
                    if not self.cw:
                        return None
            else:
                self.cursor = self.cursor + 1 if self.cursor + 1 < len(self.dests) else -1
            if self.cursor != -1:
                dest = self.dests[self.cursor]
                if dest.valid and dest.weight >= self.cw:
                    return dest
            if self.cursor == began and self.cw == self.di:
                return None

    def wlc(self) -> Dest | None:
        least = None
        start = max(self.first, 0)
        for dest in self.dests[start:] + self.dests[:start]:
            if dest.valid:
                load = 256 * dest.act + dest.inact
                if least is None or (256 * least.act + least.inact) * dest.weight > load * least.weight:
                    least = dest
        return least

    def fo(self) -> Dest | None:
        best = None
        for dest in self.dests:
            if dest.valid and (best is None or dest.weight > best.weight):
                best = dest
        return best

    # -------------------------------------------------------- hashing, D 10.3

    def conhash(self, p) -> Dest | None:
        if self.ring is None:
            self.ring = conhash_ring(self.dests)
        if not self.ring:
            return None
        text = str(source_number(p.src))
        payload = bytes(p.body[8:])
        if self.service.hash_target == "quic" and p.proto == 17 and payload and payload[0] & 8 and len(payload) >= 9:
            text = str(int.from_bytes(payload[1:9], "little"))
        key = conhash_key(text)
        at = min((k for k in self.ring if k >= key), default=min(self.ring))
        dest = self.ring[at]
        return dest if dest.valid else None

    def mh(self, p) -> Dest | None:
        if self.slots is None:
            self.slots = mh_table(self.dests)
        if not self.slots:
            return None
        address, port = fold(p.src), p.ports[0] if self.service.mh_port else 0
        slot = siphash(address + port, MH_KEYS[0]) % MH_SIZE
        dest = self.slots[slot]
        if dest.valid or not self.service.mh_fallback:
            return dest if dest.valid else None
        for step in range(MH_SIZE):
            dest = self.slots[siphash(address + port + (step + slot) % MH_SIZE, MH_KEYS[0]) % MH_SIZE]
            if dest.valid:
                return dest
        return None


SIP_START = (0x736F6D6570736575, 0x646F72616E646F6D, 0x6C7967656E657261, 0x7465646279746573)
MH_SIZE, MH_KEYS = 4093, (2654435761, 2654446892)
M64 = 2**64 - 1


def fold(address: bytes) -> int:
    """An IPv4 address, or the XOR of the words of an IPv6 one, in host order."""
    value = 0
    for at in range(0, len(address), 4):
        value ^= int.from_bytes(address[at : at + 4])
    return value


def source_number(address: bytes) -> int:
    """The same, read as x86 reads it."""
    return int.from_bytes(fold(address).to_bytes(4), "little")


def conhash_key(text: str) -> int:
    digest = md5(text.encode()).digest()
    a = sum(int.from_bytes(digest[i : i + 4], "little") for i in (0, 4, 8, 12))
    a = (a + 0x7ED55D16 + (a << 12)) & M64
    a = a ^ 0xC761C23C ^ a >> 19
    a = (a + 0x165667B1 + (a << 5)) & M64
    a = (a + 0xD3A2646C & M64) ^ (a << 9 & M64)
    a = (a + 0xFD7046C5 + (a << 3)) & M64
    a = a ^ 0xB55A4F09 ^ a >> 16
    a = a * 3221225473 & M64
    return a - 2**64 if a >> 63 else a


def conhash_ring(dests: list[Dest]) -> dict[int, Dest]:
    """160 keys for every unit of weight, a key's first owner keeps it."""
    ring: dict[int, Dest] = {}
    for dest in reversed(dests):
        port = int.from_bytes(dest.port.to_bytes(2), "little")
        for n in range(160 * dest.replicas):
            ring.setdefault(conhash_key(f"{ip_address(dest.address)}{port}-{n:03d}"), dest)
    return ring


def siphash(value: int, key: int) -> int:
    """Low 32 bits of SipHash-1-3 over the four bytes of *value*, key (key, key)."""
    v = [
        k ^ c
        for k, c in zip(
            (key,) * 4, (0x736F6D6570736575, 0x646F72616E646F6D, 0x6C7967656E657261, 0x7465646279746573), strict=True
        )
    ]
    last = 4 << 56 | value & 0xFFFFFFFF
    v[3] ^= last
    sip_round(v)
    v[0] ^= last
    v[2] ^= 0xFF
    for _ in range(3):
        sip_round(v)
    return (v[0] ^ v[1] ^ v[2] ^ v[3]) & 0xFFFFFFFF


def sip_round(v: list[int]) -> None:
    def left(x: int, by: int) -> int:
        return (x << by | x >> (64 - by)) & M64

    v[0] = (v[0] + v[1]) & M64
    v[1] = left(v[1], 13) ^ v[0]
    v[0] = left(v[0], 32)
    v[2] = (v[2] + v[3]) & M64
    v[3] = left(v[3], 16) ^ v[2]
    v[0] = (v[0] + v[3]) & M64
    v[3] = left(v[3], 21) ^ v[0]
    v[2] = (v[2] + v[1]) & M64
    v[1] = left(v[1], 17) ^ v[2]
    v[2] = left(v[2], 32)


def mh_table(dests: list[Dest]) -> list[Dest]:
    """Maglev's table: every real server in turn takes slots along its own permutation."""
    weights = [d.weight for d in dests if d.weight > 0]
    if not weights:
        return []
    unit = gcd(*weights)
    shift = max(0, (max(weights) // unit).bit_length() - 6)
    places = []
    for dest in dests:
        value = fold(dest.address) + dest.port
        turns = (int(dest.weight / unit) >> shift) or (1 if dest.weight else 0)  # division as in C
        skip = siphash(value, MH_KEYS[1]) % (MH_SIZE - 1) + 1
        places.append([dest, turns, siphash(value, MH_KEYS[0]) % MH_SIZE, skip])
    table: list[Dest | None] = [None] * MH_SIZE
    left = MH_SIZE
    while left:
        for place in places:
            for _ in range(min(place[1], left)):
                while table[place[2]] is not None:
                    place[2] = (place[2] + place[3]) % MH_SIZE
                table[place[2]] = place[0]
                left -= 1
    return table  # type: ignore[return-value]


def quic_dest(dests: list[Dest], data: bytes) -> Dest | None:
    """The real server that a QUIC connection ID names (D 10.4), valid or not."""
    if not data or not data[0] & 0x40:
        return None
    if data[0] & 0x80:
        if len(data) < 6 or int.from_bytes(data[1:5]) > 1 or not 7 <= data[5] <= 20:
            return None
        cid = data[6 : 6 + data[5]]
    else:
        if len(data) < 8:
            return None
        cid = data[1 : 8 + (data[2] >> 5 & 3) + (data[2] >> 4 & 1) * 2]  # its length is told by itself
        if len(data) <= len(cid):
            return None
    if len(cid) < 2:
        return None
    size = (cid[1] >> 5) + 1
    has_port = cid[1] >> 4 & 1
    nibbles = "".join(f"{b:02x}" for b in cid[1:])[1:]
    need = 2 * (size + 2 * has_port)
    if len(nibbles) < need:
        return None
    raw = bytes.fromhex(nibbles[:need])
    port = int.from_bytes(raw[size:]) if has_port else None
    return next((d for d in dests if d.address[-size:] == raw[:size] and port in (None, d.port)), None)


class PortPool:
    """Local ports of one address on one worker towards the real servers of one bucket: first in, first out."""

    def __init__(self, ports: range) -> None:
        self.fresh, self.released = iter(ports), deque[int]()
        self.size, self.used, self.miss = len(ports), 0, 0

    def fetch(self) -> int | None:
        port = next(self.fresh, None)
        if port is None:
            port = self.released.popleft() if self.released else None
        if port is None:
            self.miss += 1
        else:
            self.used += 1
        return port

    def release(self, port: int) -> None:
        self.released.append(port)
        self.used -= 1


class Conn:
    """A connection; keys[IN] and keys[OUT] are (proto, src, sport, dst, dport) of what arrives from either side."""

    def __init__(self, worker: Worker, server: Server, dest: Dest, client, virtual) -> None:
        self.worker, self.server, self.dest = worker, server, dest
        self.client, self.virtual = client, virtual
        self.proto = server.service.protocol
        self.real = (dest.address, dest.port)
        self.local: tuple[bytes, int] = client
        self.keys: tuple = ()
        service = server.service
        self.one_packet = service.one_packet and self.proto == 17 and not service.persistent  # D 2.6
        self.state, self.inactive = "NONE", True
        self.seconds, self.fraction = 3, 0
        self.armed = 0  # number of the last arming: older timers of this connection are void
        self.alive = True
        self.macs: list[tuple[bytes, bytes] | None] = [None, None]  # learned (peer, own) of the client and RS side
        self.seen: list[tuple[bytes, bytes] | None] = [None, None]  # the same, whatever the fast path allows
        self.slow_only = False
        self.delta: int | None = None
        self.fdata = self.rs_end_seq = self.rs_end_ack = 0
        self.trail = 0
        self.quiescent = server.service.expire_quiescent or server.service.persistent is not None
        self.template: Template | None = None
        self.synproxy = False
        self.held: list = []
        self.kept = b""
        self.retries = self.sp_isn = self.sp_delta = self.wscale_rs = self.wscale_vs = self.repeats = 0
        self.last_ack: tuple[int, int] | None = None


class Template:
    """Persistence (D 2.7): clients of one masked source go to *dest*, with the copy of the service it was made on."""

    rank = 1 << 16  # timed by the master, after all workers (recorded)

    def __init__(self, key: tuple, server: Server, dest: Dest) -> None:
        self.key, self.server, self.dest = key, server, dest
        self.seconds = server.service.persistent.timeout
        self.armed = self.controlled = 0
        self.alive = True


class Worker:
    """An lcore: its connections, its services, its ports."""

    def __init__(self, rank: int) -> None:
        self.rank = rank
        self.table: dict[tuple, list[tuple[Conn, int]]] = {}
        self.servers: dict[tuple, Server] = {}
        self.matches: list[Server] = []  # SNAT, newest first
        self.pools: dict[tuple[bytes, int], PortPool] = {}
        self.count: Counter[str] = Counter()
        self.verdicts: Counter[str] = Counter()
        self.active = self.peak = 0

    def find(self, key: tuple) -> tuple[Conn, int] | None:
        """The newest wins (D 2.1)."""
        nodes = self.table.get(key)
        return nodes[0] if nodes else None
