"""Captures to measure with: clients that talk to one virtual address, written by columns, a slice at a time.

    python -m bench.load OUT.pcap --profile web --frames 1000000

A profile says who speaks when; everything else (sequence numbers, lengths, checksums) follows from these columns. All
checksums are right. Clients are in 10.0.0.0/8, the virtual address is 192.0.2.10, port 80 (UDP: 53). The captures are
those of a client's side: they hold the answers of the virtual address too.
"""

from __future__ import annotations

import argparse
import struct
from collections.abc import Callable
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray

Column = NDArray[Any]

VIP, SERVER_MAC, CLIENT_MAC = b"\xc0\x00\x02\x0a", b"\2\0\0\0\0\1", b"\2\0\0\0\0\2"
SYN_OPTIONS = bytes.fromhex("020405b4 0402 080a0000000100000000 01030307")  # MSS, SACK, timestamps, window scale
FIN, SYN, PSH, ACK = 1, 2, 8, 16
DATA = PSH | ACK
TCP, UDP = 6, 17
START = 1_700_000_000  # seconds
CLIENTS = 65535  # addresses; a flow more takes another port
SLICE = 250_000  # frames made at once
RECORD = 16  # bytes of a record's header


class Talk(NamedTuple):
    """A column a fact about each frame, in no order: `when` in microseconds, `up` from the client."""

    flow: Column
    when: Column
    up: Column
    flags: Column
    payload: Column

    def take(self, rows: Column | slice) -> Talk:
        return Talk(*(column[rows] for column in self))


class Wish(NamedTuple):
    """How much of it: `flows` connections (0: as many as fit the profile) begun within `seconds`."""

    frames: int
    flows: int
    seconds: float
    rng: np.random.Generator


# --- profiles ------------------------------------------------------------------------------------------------


def _streams(wish: Wish, rounds: Column, gap: int, size: Callable[[int], Column] | int) -> Talk:
    """TCP connections: handshake, (segment, answer) *rounds*, FIN both ways; *gap* microseconds between two frames."""
    count = 6 + 2 * rounds
    flow = np.repeat(np.arange(len(rounds)), count)
    step = np.arange(len(flow)) - np.repeat(np.cumsum(count) - count, count)
    left = count[flow] - step
    flags = np.select(
        [step == 0, step == 1, step == 2, left == 1, left <= 3], [SYN, SYN | ACK, ACK, ACK, FIN | ACK], DATA
    )
    up = np.where(left > 3, (step < 3) == (step % 2 == 0), left == 3)
    payload = np.where(flags == DATA, size if isinstance(size, int) else size(len(flow)), 0)
    start = wish.rng.integers(0, int(wish.seconds * 1e6), len(rounds))
    return Talk(flow, start[flow] + step * gap, up, flags, payload)


def steady(wish: Wish) -> Talk:
    """Few long connections, small segments: almost every frame meets an established connection."""
    flows = wish.flows or max(wish.frames // 2000, 1)
    return _streams(wish, np.full(flows, max(wish.frames // flows - 6, 2) // 2 + 1), 9_000, 4)


def web(wish: Wish, size: Callable[[int], Column] | int = 4) -> Talk:
    """Many short connections, about ten frames each."""
    flows = wish.flows or max(wish.frames // 10, 1)
    return _streams(wish, 1 + wish.rng.poisson(1.0, flows), 20_000, size)


def imix(wish: Wish) -> Talk:
    """Like web, with frames of 64, 576 and 1500 bytes in the ratio 7:4:1."""
    return web(wish, lambda n: wish.rng.choice([4, 512, 1436], n, p=[7 / 12, 4 / 12, 1 / 12]))


def syn(wish: Wish) -> Talk:
    """A flood: every frame opens a connection."""
    n = wish.frames
    when = wish.rng.integers(0, int(wish.seconds * 1e6), n)
    return Talk(np.arange(n) % (wish.flows or n), when, np.ones(n, bool), np.full(n, SYN), np.zeros(n, int))


def udp(wish: Wish) -> Talk:
    """Two requests and their answers a flow."""
    flows = wish.flows or max(wish.frames // 4, 1)
    flow, step = np.repeat(np.arange(flows), 4), np.tile(np.arange(4), flows)
    when = wish.rng.integers(0, int(wish.seconds * 1e6), flows)[flow] + step * 10_000
    return Talk(flow, when, step % 2 == 0, np.zeros(len(flow), int), 24 + 40 * (step % 2))


def live(wish: Wish) -> Talk:
    """All flows are opened first, three frames each, data in the third; then come `frames` segments, drawn at random.

    A thousand connections speak at a time, four segments each, however many live: bursts stay alike, the table grows.
    """
    flows, n = wish.flows or 1000, wish.frames
    some = min(flows, 1000)
    rounds = [
        np.repeat(wish.rng.choice(flows, some, replace=False, shuffle=False), 4) for _ in range(-(-n // (4 * some)))
    ]
    drawn = np.concatenate([wish.rng.permutation(one) for one in rounds])[:n]
    flow = np.concatenate([np.repeat(np.arange(flows), 3), drawn])
    opening = np.linspace(0, 5e6, 3 * flows).astype(np.int64)
    when = np.concatenate([opening, np.linspace(5e6, 5e6 + wish.seconds * 1e6, n).astype(np.int64)])
    up = np.concatenate([np.tile([True, False, True], flows), wish.rng.random(n) < 0.5])
    flags = np.concatenate([np.tile([SYN, SYN | ACK, DATA], flows), np.full(n, DATA)])
    return Talk(flow, when, up, flags, np.where(flags == DATA, 4, 0))


PROFILES: dict[str, Callable[[Wish], Talk]] = {
    "steady": steady,
    "web": web,
    "syn": syn,
    "udp": udp,
    "imix": imix,
    "live": live,
}


# --- what they are carried by --------------------------------------------------------------------------------


def _sized(record: Column) -> Column:
    """A record whose header says how long it is."""
    record[:, 8:16] = _same("<II", *[record.shape[1] - RECORD] * 2)
    return record


def _tagged(record: Column, proto: int) -> Column:
    """Every frame in VLAN 5."""
    at = RECORD + 12
    tag = np.broadcast_to(_same(">HH", 0x8100, 5), (len(record), 4))
    return _sized(np.concatenate([record[:, :at], tag, record[:, at:]], axis=1))


def _over_ipv6(record: Column, proto: int) -> Column:
    """The same conversation over IPv6: addresses are 2001:db8::/96 and those of IPv4 behind."""
    l3, l4 = RECORD + 14, RECORD + 34
    size = record.shape[1] - l4
    head = np.zeros((len(record), 40), np.uint8)
    head[:, :8] = _same(">IHBB", 6 << 28, size, proto, 64)
    for at in (8, 24):
        head[:, at : at + 4] = _same(">I", 0x20010DB8)
    head[:, 20:24], head[:, 36:40] = record[:, l3 + 12 : l3 + 16], record[:, l3 + 16 : l3 + 20]
    made = np.concatenate([record[:, :l3], head, record[:, l4:]], axis=1)
    made[:, l3 - 2 : l3] = _same(">H", 0x86DD)
    field = l3 + 40 + (6 if proto == UDP else 16)
    made[:, field : field + 2] = 0
    pseudo = np.zeros((len(made), 40 + (size + 1) // 2 * 2), np.uint8)
    pseudo[:, :32], pseudo[:, 32:36], pseudo[:, 39] = head[:, 8:40], _same(">I", size), proto
    pseudo[:, 40 : 40 + size] = made[:, l3 + 40 :]
    made[:, field : field + 2] = _checksum(pseudo)
    return _sized(made)


# profile: that of its frames over IPv4 without a tag, and what becomes of their records
CARRIED: dict[str, tuple[str, int, Callable[[Column, int], Column]]] = {
    "web6": ("web", 20, _over_ipv6),
    "vlan": ("web", 4, _tagged),
}
PROFILES |= {name: PROFILES[base] for name, (base, _, _) in CARRIED.items()}


# --- frames --------------------------------------------------------------------------------------------------


def numbers(talk: Talk) -> tuple[Column, Column]:
    """Sequence and acknowledgement numbers of frames in time order: the bytes each side has sent, SYN and FIN one."""
    used = talk.payload + ((talk.flags & (SYN | FIN)) > 0)
    order = np.argsort(talk.flow, kind="stable")
    flow, up = talk.flow[order], talk.up[order]
    first = np.flatnonzero(np.concatenate([[True], flow[1:] != flow[:-1]]))
    group = np.repeat(first, np.diff(np.append(first, len(flow))))
    sent = []  # by each side before each frame
    for side, isn in ((True, 1000), (False, 777_777)):
        mine = np.where(up == side, used[order], 0)
        before = np.cumsum(mine) - mine
        sent.append((before - before[group] + flow * 2_654_435_761 + isn).astype(np.uint32))
    seq, ack = np.empty((2, len(flow)), np.uint32)
    seq[order], ack[order] = np.where(up, sent[0], sent[1]), np.where(up, sent[1], sent[0])
    return seq, np.where(talk.flags & ACK, ack, 0).astype(np.uint32)


def _big(column: Column, kind: str) -> Column:
    """A column as rows of bytes in network order."""
    return np.ascontiguousarray(column).astype(kind)[:, None].view(np.uint8)


def _checksum(words: Column) -> Column:
    total = words.view(">u2").sum(1, dtype=np.uint64)
    for _ in range(2):
        total = (total & 0xFFFF) + (total >> 16)
    return _big(~total & 0xFFFF, ">u2")


def rows(talk: Talk, seq: Column, ack: Column, ident: int, proto: int) -> Column:
    """Records of frames of one length, a row each."""
    options = SYN_OPTIONS if proto == TCP and talk.flags[0] & SYN else b""
    l4 = 34 + (8 if proto == UDP else 20 + len(options))  # the payload's offset in the frame
    size = l4 + int(talk.payload[0])
    record = np.zeros((len(talk.flow), RECORD + size), np.uint8)
    record[:, :8] = np.stack([START + talk.when // 10**6, talk.when % 10**6], 1).astype("<u4").view(np.uint8)
    record[:, 8:16] = _same("<II", size, size)
    frame = record[:, RECORD:]
    macs = [np.frombuffer(pair, np.uint8) for pair in (SERVER_MAC + CLIENT_MAC, CLIENT_MAC + SERVER_MAC)]
    frame[:, :12] = np.where(talk.up[:, None], *macs)
    frame[:, 12:24] = _same(">HBBHHHBB", 0x800, 0x45, 0, size - 14, 0, 0x4000, 64, proto)
    frame[:, 18:20] = _big((ident + np.arange(len(frame))) & 0xFFFF, ">u2")
    _put_flow(frame, talk, 53 if proto == UDP else 80)
    if proto == UDP:
        frame[:, 38:40] = _same(">H", size - 34)
    else:
        frame[:, 38:42], frame[:, 42:46] = _big(seq, ">u4"), _big(ack, ">u4")
        frame[:, 46], frame[:, 47] = (5 + len(options) // 4) << 4, talk.flags
        frame[:, 48:50] = 0xFF, 0xF0
        frame[:, 54:l4] = np.frombuffer(options, np.uint8)
    frame[:, l4:] = ord("a")
    _put_checksums(frame, proto)
    return record


def _same(form: str, *values: int) -> Column:
    """Bytes that all rows have."""
    return np.frombuffer(struct.pack(form, *values), np.uint8)


def _put_flow(frame: Column, talk: Talk, vport: int) -> None:
    """Addresses and ports of client and virtual address, whichever way round."""
    up = talk.up[:, None]
    client = 0x0A000001 + (talk.flow % CLIENTS) * 251
    cport = 1024 + (talk.flow // CLIENTS * 7919 + talk.flow * 17) % 60000
    pairs = ((26, _big(client, ">u4"), np.frombuffer(VIP, np.uint8)), (34, _big(cport, ">u2"), _same(">H", vport)))
    for at, own, other in pairs:
        size = len(other)
        frame[:, at : at + size] = np.where(up, own, other)
        frame[:, at + size : at + 2 * size] = np.where(up, other, own)


def _put_checksums(frame: Column, proto: int) -> None:
    size = frame.shape[1]
    frame[:, 24:26] = _checksum(frame[:, 14:34].copy())
    segment = np.zeros((len(frame), 12 + (size - 33) // 2 * 2), np.uint8)  # pseudo header, padded to words
    segment[:, :8], segment[:, 9] = frame[:, 26:34], proto
    segment[:, 10:12] = _same(">H", size - 34)
    segment[:, 12 : 12 + size - 34] = frame[:, 34:]
    check = _checksum(segment)
    if proto == UDP:
        check[~check.any(1)] = 0xFF
    at = 40 if proto == UDP else 50
    frame[:, at : at + 2] = check


def _write_slice(
    file: BinaryIO, talk: Talk, seq: Column, ack: Column, ident: int, proto: int, profile: str = ""
) -> None:
    """Frames of one shape are made together, then laid where they belong."""
    shape = talk.payload * 2 + ((talk.flags & SYN) > 0)
    option = (talk.flags & SYN > 0) * len(SYN_OPTIONS) if proto == TCP else 0
    _, more, carried = CARRIED.get(profile, ("", 0, None))
    size = RECORD + talk.payload + (42 if proto == UDP else 54) + option + more
    at = np.cumsum(size) - size
    out = np.zeros(int(size.sum()), np.uint8)
    for one in np.unique(shape):
        some = np.flatnonzero(shape == one)
        record = rows(talk.take(some), seq[some], ack[some], ident, proto)
        record = record if carried is None else carried(record, proto)
        void = np.dtype((np.void, record.shape[1]))
        places = np.ndarray((len(out) - record.shape[1] + 1,), void, out, strides=(1,))
        places[at[some]] = record.view(void)[:, 0]
    file.write(out.data)


def write(
    path: str, profile: str, frames: int, *, flows: int = 0, seconds: float = 10, seed: int = 1
) -> tuple[int, int]:
    """Write a capture of *profile*; return how many frames and connections it has."""
    talk = PROFILES[profile](Wish(frames, flows, seconds, np.random.default_rng(seed)))
    most = len(talk.flow) if profile == "live" else frames
    talk = talk.take(np.argsort(talk.when, kind="stable")[:most])
    proto = UDP if profile == "udp" else TCP
    seq, ack = numbers(talk)
    with open(path, "wb") as file:
        file.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262144, 1))
        for start in range(0, len(talk.flow), SLICE):
            part = slice(start, start + SLICE)
            _write_slice(file, talk.take(part), seq[part], ack[part], start, proto, profile)
    return len(talk.flow), len(np.unique(talk.flow))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out")
    parser.add_argument("--profile", choices=PROFILES, default="web")
    parser.add_argument("--frames", type=int, default=1_000_000)
    parser.add_argument("--flows", type=int, default=0, help="connections (default: as many as fit the profile)")
    parser.add_argument("--seconds", type=float, default=10, help="within which they begin")
    parser.add_argument("--seed", type=int, default=1)
    given = vars(parser.parse_args())
    frames, flows = write(given.pop("out"), **given)
    print(f"{frames} frames, {flows} connections")


if __name__ == "__main__":
    main()
