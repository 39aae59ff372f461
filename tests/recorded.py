"""Recorded cases as pairs of packets, for tests of single functions: what came in, and what left because of it."""

import gzip
import json
import tomllib
from pathlib import Path
from struct import unpack_from

from lbreplay.wire.packet import Packet

GOLDEN = Path(__file__).parent / "golden"


def packets(path):
    """The packets of a little-endian pcap, gzipped or not."""
    blob = path.read_bytes() if path.exists() else gzip.decompress(Path(f"{path}.gz").read_bytes())
    at, found = 24, []
    while at < len(blob):
        second, nano, kept, length = unpack_from("<IIII", blob, at)
        frame = blob[at + 16 : at + 16 + kept]
        found.append(Packet(frame, length, second * 1_000_000_000 + nano, len(found) + 1))
        at += 16 + kept
    return found


def frames(name):
    """(packet in, packets out) of every frame of a case; packet in is None for what the balancer sent by itself."""
    case = GOLDEN / name
    came, left = packets(case / "in.pcap"), packets(case / "expected" / "out.pcap")
    path = case / "expected" / "frames.jsonl"
    text = path.read_text() if path.exists() else gzip.decompress(Path(f"{path}.gz").read_bytes()).decode()
    for line in text.splitlines():
        row = json.loads(line)
        number = row.get("n")
        yield came[number - 1] if number else None, [left[k - 1] for k in row.get("out", ())]


def settings(name):
    """The case's lb.toml."""
    return tomllib.loads((GOLDEN / name / "lb.toml").read_text())
