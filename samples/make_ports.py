"""Make the worked examples of several ports in samples/cases/: two-arm full NAT, NAT and SNAT, and a bond.

`python samples/make_ports.py`. What they expect is worked out here from the rules of the NIC and of DPVS, frame by
frame, and not taken from a replay: lbreplay has to agree (`lbreplay test samples/cases`). Each README gives the reasons.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from scapy.layers.inet import IP, TCP
from scapy.layers.l2 import ARP, Ether
from scapy.packet import Packet

HERE = Path(__file__).parent / "cases"
START, MILLISECOND = 1_700_000_000 * 10**9, 10**6
INSIDE, OUTSIDE = "02:00:00:00:0a:00", "02:00:00:00:0a:01"  # dpdk0, where real servers are; dpdk1, where clients are
ROUTER, SERVER, HOST = "02:00:00:00:0c:fe", "02:00:00:00:0b:20", "02:00:00:00:0b:50"
VIP, LADDR, REAL, GATEWAY = "192.0.2.10", "192.168.100.200", "192.168.100.20", "192.0.2.254"
INTEL = bytes.fromhex("6d5a56da255b0ec24167253d43a38fb0d0ca2bcbae7b30b477cb2da38030f20c6a42b73bbeac01fa")  # S 1.2
MELLANOX = bytes.fromhex("2cc681d15bdbf4f7fca28319db1a3e946b9e38d92c9c03d1ad9944a7d9563d59063c25f3fc1fdc2a")  # S 1.2
Flow = tuple[str, int, str, int]


class Step(NamedTuple):
    """A received frame and what follows: the worker, the frames that leave, whether it goes to the kernel."""

    frame: Packet
    worker: int
    sent: tuple[Packet, ...] = ()
    kernel: bool = False


class Example(NamedTuple):
    name: str
    description: str
    toml: str
    steps: list[Step]
    checks: dict[str, object]
    reasons: str


# --- the rules, written anew -----------------------------------------------------------------------------------------


def number(address: str) -> int:
    return int.from_bytes(bytes(map(int, address.split("."))))


def toeplitz(key: bytes, flow: Flow) -> int:
    """S 1.1: XOR of the 32-bit windows of the key that begin at each set bit of addresses and ports."""
    src, sport, dst, dport = flow
    data = struct.pack(">IIHH", number(src), number(dst), sport, dport)
    bits, result = int.from_bytes(key), 0
    for i in range(8 * len(data)):
        if data[i // 8] >> (7 - i % 8) & 1:
            result ^= bits >> (8 * len(key) - 32 - i) & 0xFFFFFFFF
    return result


def by_rss(key: bytes, size: int, workers: int, flow: Flow) -> int:
    """S 1.5: the table holds the workers' queues in turn."""
    return (toeplitz(key, flow) & size - 1) % workers


def by_policy(flow: Flow, slaves: int = 2) -> int:
    """The slave that layer3+4 gives: addresses and ports as little-endian words, XORed and folded (DPDK's bonding)."""
    src, sport, dst, dport = flow
    code = int.from_bytes(number(src).to_bytes(4), "little") ^ int.from_bytes(number(dst).to_bytes(4), "little")
    code ^= int.from_bytes(sport.to_bytes(2), "little") ^ int.from_bytes(dport.to_bytes(2), "little")
    code ^= code >> 16
    return (code ^ code >> 8) % slaves


def local_port(worker: int, workers: int, nth: int = 0) -> int:
    """S 2.2, S 2.3: the first ports from 1025 on whose low bits are the rank, in ascending order."""
    mask = (1 << (workers - 1).bit_length()) - 1
    first = next(port for port in range(1025, 1025 + mask + 1) if port & mask == worker)
    return first + nth * (mask + 1)


# --- frames ----------------------------------------------------------------------------------------------------------


def segment(flow: Flow, flags: str, seq: int, ack: int, dst: str, src: str) -> Packet:
    link = Ether(dst=dst, src=src)
    packet = IP(src=flow[0], dst=flow[2], id=seq & 0xFFFF, flags="DF") / TCP(
        sport=flow[1], dport=flow[3], flags=flags, seq=seq, ack=ack, window=8192
    )
    return link / packet


def asks(target: str, sender: str, mac: str) -> Packet:
    link = Ether(dst="ff:ff:ff:ff:ff:ff", src=mac)
    return link / ARP(op=1, hwsrc=mac, psrc=sender, hwdst="00:00:00:00:00:00", pdst=target)


def tells(target: str, own: str, sender: str, mac: str) -> Packet:
    return Ether(dst=mac, src=own) / ARP(op=2, hwsrc=own, psrc=target, hwdst=mac, pdst=sender)


def back(flow: Flow) -> Flow:
    return flow[2], flow[3], flow[0], flow[1]


class Leg(NamedTuple):
    """One side of a connection: the flow of its requests, the MACs that they have there."""

    flow: Flow
    dst: str
    src: str

    def says(self, flags: str, seq: int, ack: int) -> Packet:
        return segment(self.flow, flags, seq, ack, self.dst, self.src)

    def answers(self, flags: str, seq: int, ack: int) -> Packet:
        return segment(back(self.flow), flags, seq, ack, self.src, self.dst)


def handshake(came: Leg, leaves: Leg, worker: int) -> Iterator[Step]:
    """SYN, SYN|ACK, ACK: what comes on one leg leaves on the other, by the same worker."""
    yield Step(came.says("S", 1000, 0), worker, (leaves.says("S", 1000, 0),))
    yield Step(leaves.answers("SA", 5000, 1001), worker, (came.answers("SA", 5000, 1001),))
    yield Step(came.says("A", 1001, 5001), worker, (leaves.says("A", 1001, 5001),))


# --- the examples ----------------------------------------------------------------------------------------------------

HEAD = """# Clients behind dpdk1, real servers on dpdk0: as in DPVS's two-arm sample.

workers = {workers}

[[device]]
name = "dpdk0"
mac = "{inside}"
address = ["192.168.100.10/24"]

[[device]]
name = "dpdk1"
mac = "{outside}"
address = ["192.0.2.1/24"]
{more}
[conn]
timer_jitter = false
laddr_step = false

[tcp]
toa = false
seq_adjust = false

[[route]]
to = "0.0.0.0/0"
via = "192.0.2.254"
device = "dpdk1"

[[neighbor]]
address = "192.0.2.254"
mac = "{router}"
device = "dpdk1"

[[neighbor]]
address = "192.168.100.20"
mac = "{server}"
device = "dpdk0"
"""
SERVICE = """
[[service]]
name = "web"
vip = "192.0.2.10:80"
scheduler = "rr"
mode = "{mode}"
{laddr}real = [{{ address = "192.168.100.20:80" }}]
"""


def head(workers: int, more: str = "") -> str:
    return HEAD.format(workers=workers, inside=INSIDE, outside=OUTSIDE, router=ROUTER, server=SERVER, more=more)


def clients_of(worker: int) -> Iterator[Flow]:
    """Flows to the virtual address that RSS of dpdk1 gives to *worker* of two."""
    for sport in range(40000, 41000):
        flow = ("198.51.100.7", sport, VIP, 80)
        if by_rss(INTEL, 128, 2, flow) == worker:
            yield flow


def full_nat() -> Example:
    steps = [
        Step(asks(LADDR, REAL, SERVER), 0, (tells(LADDR, INSIDE, REAL, SERVER),)),
        Step(asks(LADDR, GATEWAY, ROUTER), 0, kernel=True),
    ]
    for worker in (0, 1):
        came = Leg(next(clients_of(worker)), OUTSIDE, ROUTER)
        leaves = Leg((LADDR, local_port(worker, 2), REAL, 80), SERVER, INSIDE)
        steps += handshake(came, leaves, worker)
    lost = next(
        (REAL, 80, LADDR, local_port(owner, 2))
        for owner in (0, 1)
        if by_rss(INTEL, 128, 2, (REAL, 80, LADDR, local_port(owner, 2))) != owner
    )
    steps.append(Step(segment(lost, "A", 5001, 1001, OUTSIDE, ROUTER), by_rss(INTEL, 128, 2, lost)))
    owner = lost[3] & 1
    reasons = f"""Two workers, both ports an ixgbe. Requests come in by dpdk1 and are hashed by its own key; the first of the two clients
is the first source port from 40000 on whose hash reaches worker 0, the second that of worker 1 (S 1.4, S 1.5).

1. A real server asks for the local address on dpdk0, where it was added (`-F dpdk0`): answered, with dpdk0's MAC (S 3.5).
2. The router asks for it on dpdk1: it is no address of that port, so the kernel gets the request (S 3.5).
3. The SYN of a client of worker 0. The worker binds the first port whose low bit is its rank, {local_port(0, 2)} (S 2.2); the route to the
   real server leaves by dpdk0, so the packet has dpdk0's MAC and that of the real server's [[neighbor]] (D 12.1).
4. The answer comes in by dpdk0, whose rule `192.168.100.200 & 0x1 == 0` names worker 0 (S 2.4). It leaves straight by the port and
   MACs that the SYN came with: dpdk1, to the router (D 12.3).
5. The ACK is fast too, with what the answer taught.
6. to 8. The same of worker 1, which binds {local_port(1, 2)}.
9. What the real server sends to port {lost[3]} once more, but into dpdk1, as a switch that learned wrong would. There is no rule for
   the address on dpdk1, so its RSS decides: worker {1 - owner}, while worker {owner} has the connection (S 2.3). No SYN, no service; the address
   is not local on dpdk1, and the route to its network is dpdk0's: transit, and forwarding is off (D 1.6)."""
    checks = {
        "ports.dpdk0.ipackets": 3, "ports.dpdk0.opackets": 5, "ports.dpdk0.steered.flow_director": 2,
        "ports.dpdk0.rules": 4, "ports.dpdk1.rules": 0, "ports.dpdk1.ipackets": 6, "ports.dpdk1.opackets": 2,
        "ports.dpdk1.steered.rss": 5, "ports.dpdk1.steered.flow_director": 0,
        "totals.verdicts.forward_disabled": 1, "totals.verdicts.arp_to_kernel": 1,
    }  # fmt: skip
    toml = head(2) + SERVICE.format(mode="fnat", laddr='laddr = ["192.168.100.200@dpdk0"]\n')
    return Example("two-arm-fnat", "Two-arm full NAT: rules on the local address's port alone, ARP by port, what comes in "
                   "by the wrong port.", toml, steps, checks, reasons)  # fmt: skip


def plain_nat() -> Example:
    client = ("198.51.100.7", 40000, VIP, 80)
    came, leaves = Leg(client, OUTSIDE, ROUTER), Leg((*client[:2], REAL, 80), SERVER, INSIDE)
    reasons = """One worker, so that RSS cannot send answers astray: they carry the client's address, for which there is no rule (S 2.6).

1. The SYN comes in by dpdk1. Its destination becomes the real server, its source stays; the route to the real server leaves by
   dpdk0, with that port's MAC (D 12.1).
2. The real server answers to the client by way of the balancer, into dpdk0. Its source becomes the virtual address again; NAT of IPv4
   has a fast path, so it leaves by dpdk1 to the MAC that the SYN came from (D 12.3).
3. The ACK leaves by dpdk0 with the MACs that the answer taught."""
    checks = {"ports.dpdk0.ipackets": 1, "ports.dpdk0.opackets": 2, "ports.dpdk1.ipackets": 2,
              "ports.dpdk1.opackets": 1, "ports.dpdk0.rules": 0,
              "totals.verdicts.forwarded_fast": 2, "totals.verdicts.forwarded_slow": 1}  # fmt: skip
    toml = head(1) + SERVICE.format(mode="nat", laddr="")
    return Example("two-arm-nat", "Two-arm NAT: answers come in by the other port and leave by the first.", toml,
                   list(handshake(came, leaves, 0)), checks, reasons)  # fmt: skip


MATCH = """
[[neighbor]]
address = "192.168.100.50"
mac = "{host}"
device = "dpdk0"

[[service]]
mode = "snat"
scheduler = "rr"
match = "proto=tcp,src-range=192.168.100.0-192.168.100.255,iif=dpdk0,oif=dpdk1"
real = [{{ address = "192.0.2.1:0" }}]
"""


def source_nat() -> Example:
    steps: list[Step] = []
    ports = []
    for worker in (0, 1):
        inner = next(
            flow for flow in (("192.168.100.50", sport, "203.0.113.9", 443) for sport in range(50000, 51000))
            if by_rss(INTEL, 128, 2, flow) == worker
        )  # fmt: skip
        ports.append(local_port(worker, 2))
        outer = ("192.0.2.1", ports[-1], "203.0.113.9", 443)
        steps += handshake(Leg(inner, INSIDE, HOST), Leg(outer, ROUTER, OUTSIDE), worker)
    beside = ("192.168.100.51", 50000, "192.168.100.60", 443)
    steps.append(Step(segment(beside, "S", 1000, 0, INSIDE, HOST), by_rss(INTEL, 128, 2, beside)))
    forged = ("192.168.100.51", 50001, "203.0.113.9", 443)
    steps.append(Step(segment(forged, "S", 1000, 0, OUTSIDE, ROUTER), by_rss(INTEL, 128, 2, forged)))
    reasons = f"""Two workers. The address that hosts leave with is dpdk1's and has a port pool there, so its rules are on dpdk1 (S 2.3).

1. A SYN of an inside host comes in by dpdk0, where RSS gives it to worker 0. The route to its destination leaves by dpdk1: `iif` and `oif`
   of the match are met (D 10.1). It leaves with the worker's first port, {ports[0]}, and dpdk1's MAC, to the router (D 11.3, D 12.1).
2. The answer comes in by dpdk1, whose rule names worker 0. SNAT has no fast path: by route and neighbour to the host, by dpdk0 (D 12.1).
3. The ACK, as the SYN.
4. to 6. The same of worker 1, whose first port is {ports[1]}.
7. A SYN to another host inside: the route to it leaves by dpdk0, so `oif=dpdk1` is not met; transit, and forwarding is off (D 1.6).
8. A SYN with an inside source that comes in by dpdk1: `iif=dpdk0` is not met. The same end."""
    checks = {"ports.dpdk1.rules": 4, "ports.dpdk0.rules": 0, "ports.dpdk1.steered.flow_director": 2,
              "ports.dpdk0.opackets": 2, "ports.dpdk1.opackets": 4,
              "totals.verdicts.forward_disabled": 2}  # fmt: skip
    toml = head(2, 'sapool_address = ["192.0.2.1"]\n') + MATCH.format(host=HOST)
    return Example("two-arm-snat", "Two-arm SNAT: a match by iif and oif, the pool and its rules on the port that "
                   "packets leave by.", toml, steps, checks, reasons)  # fmt: skip


BOND = """# A bond of two cards of different makers, on which clients and real servers are.

workers = 4

[[device]]
name = "dpdk0"
driver = "ixgbe"

[[device]]
name = "dpdk1"
driver = "mlx5"

[[device]]
name = "bond0"
slaves = ["dpdk0", "dpdk1"]
mode = 4
hash = "layer3+4"
mac = "{inside}"
address = ["192.168.100.10/24"]

[conn]
timer_jitter = false
laddr_step = false

[tcp]
toa = false
seq_adjust = false

[[route]]
to = "0.0.0.0/0"
via = "192.168.100.1"

[[neighbor]]
address = "192.168.100.1"
mac = "{router}"

[[neighbor]]
address = "192.168.100.20"
mac = "{server}"

[[service]]
name = "web"
vip = "192.0.2.10:80"
scheduler = "rr"
laddr = ["192.168.100.200"]
real = [{{ address = "192.168.100.20:80" }}]
"""


def bond() -> Example:
    cards = ((INTEL, 128), (MELLANOX, 512))
    steps: list[Step] = []
    opened, came_in, went_out, rows = [0] * 4, [0, 0], [0, 0], []
    for sport in range(40000, 40008):
        flow = ("198.51.100.7", sport, VIP, 80)
        slave = by_policy(flow)
        worker = by_rss(*cards[slave], 4, flow)
        lport = local_port(worker, 4, opened[worker])
        opened[worker] += 1
        came = Leg(flow, INSIDE, ROUTER)
        leaves = Leg((LADDR, lport, REAL, 80), SERVER, INSIDE)
        answer = by_policy(back(leaves.flow))
        rows.append(f"| {sport} | dpdk{slave} | {worker} | {lport} | dpdk{answer} |")
        for came_by, leaves_by in ((slave, by_policy(leaves.flow)), (answer, by_policy(back(flow))),
                                   (slave, by_policy(leaves.flow))):  # fmt: skip
            came_in[came_by] += 1
            went_out[leaves_by] += 1
        steps += handshake(came, leaves, worker)
    table = "\n".join(rows)
    reasons = f"""Four workers; queue q of the bond is queue q of each slave (S 3.7). Eight clients from ports 40000 on.

A frame takes the slave that layer3+4 gives: addresses and ports as little-endian words, XORed, folded by 16 and by 8 bits, divided by
two. The slave's own key and table choose the worker (S 1.2, S 1.5): dpdk0 is an ixgbe with 128 entries, dpdk1 an mlx5 with 512. The
worker binds its next port with its rank in the two low bits (S 2.2). Rules are on both slaves (D 1.1), so the answer is home whichever
slave it takes.

| client's port | its slave | worker | local port | the answer's slave |
|---|---|---|---|---|
{table}

What leaves has the bond's MAC, the SYN by route and neighbour (D 12.1), the rest straight (D 12.3). Sent frames take slaves by the
same policy."""
    checks = {
        **{f"ports.bond0.slaves.dpdk{n}.ipackets": came_in[n] for n in (0, 1)},
        **{f"ports.bond0.slaves.dpdk{n}.opackets": went_out[n] for n in (0, 1)},
        **{f"ports.bond0.slaves.dpdk{n}.rules": 8 for n in (0, 1)},
        "ports.bond0.steered.flow_director": 8, "ports.bond0.steered.rss": 16,
    }  # fmt: skip
    toml = BOND.format(inside=INSIDE, router=ROUTER, server=SERVER)
    return Example("bond", "A bond of two cards with different keys: which slave, which worker, and home by either.", toml,
                   steps, checks, reasons)  # fmt: skip


# --- files -----------------------------------------------------------------------------------------------------------


def pcap(frames: list[tuple[int, bytes]]) -> bytes:
    raw = struct.pack("<IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, 262144, 1)
    for at, data in frames:
        raw += struct.pack("<IIII", at // 10**9, at % 10**9, len(data), len(data)) + data
    return raw


def make(example: Example) -> None:
    """Write the folder of an example."""
    folder = HERE / example.name
    (folder / "expected").mkdir(parents=True, exist_ok=True)
    came, left, lines = [], [], []
    for n, step in enumerate(example.steps, 1):
        at = START + (n - 1) * MILLISECOND
        came.append((at, bytes(step.frame)))
        first = len(left) + 1
        left += [(at, bytes(packet)) for packet in step.sent]
        out = list(range(first, len(left) + 1))
        lines.append(json.dumps({"n": n, "worker": step.worker, "out": out, "kernel": step.kernel}))
    (folder / "in.pcap").write_bytes(pcap(came))
    (folder / "lb.toml").write_text(example.toml)
    (folder / "expected" / "out.pcap").write_bytes(pcap(left))
    (folder / "expected" / "frames.jsonl").write_text("\n".join(lines) + "\n")
    checks = [f'[[check]]\npath = "{path}"\nequals = {value}\n' for path, value in example.checks.items()]
    case = f'description = {json.dumps(example.description)}\nview = "rx"\ntime_tolerance_ms = 0\n\n'
    (folder / "case.toml").write_text(case + "\n".join(checks))
    title = example.description.partition(":")[0]
    readme = f"# {title}\n\n{example.description}\n\n{example.reasons}\n\n```console\n$ lbreplay test samples/cases/{example.name}\n```\n"
    (folder / "README.md").write_text(readme)


if __name__ == "__main__":
    for one in (full_nat(), plain_nat(), source_nat(), bond()):
        make(one)
