"""Laws that hold on any traffic: engine and oracle agree, bursts change nothing, nothing is lost, ports come home."""

from __future__ import annotations

import json
import tempfile
from functools import cache
from pathlib import Path

import craft
import engine
import pytest
import traffic
from golden_cases import Case, cases
from oracle import ACK, SYN, Frame, Oracle, Packet, fate_of, options_of

from lbreplay.config.load import load
from lbreplay.model import FlowDirector, Setup

BURSTS = (1, 7, 256, 4096)
WAYS = ("plain", "loop", "told")  # every packet takes the plain path; the loop; the loop, and a trace tells of it
SOME = range(24)  # seeds of the laws that need no oracle
HOUR = 3600 * 10**9


@cache
def scenario(seed: int) -> traffic.Scenario:
    return traffic.scenario(seed)


@cache
def replayed(seed: int, burst: int = 4096, way: str = "plain") -> engine.Run:
    return rerun(scenario(seed).oracle.setup, scenario(seed).records, burst, way)


def rerun(setup: Setup, records: list[craft.Record], burst: int = 4096, way: str = "plain") -> engine.Run:
    with tempfile.TemporaryDirectory() as folder:
        return engine.run(setup, records, Path(folder), burst, way != "loop", way == "plain")


# Why an ICMP message is about no connection: the engine says which of these it was, the oracle that it was one of them.
UNRELATED = ("icmp_untranslated", "icmp_quote_short", "icmp_quote_fragment", "icmp_refused")


def of_engine(line: dict) -> tuple:
    out, reasons, state = (tuple(line.get(field) or ()) for field in ("out", "reason", "state"))
    told = tuple("icmp_unrelated" if reason in UNRELATED else reason for reason in reasons)
    return line.get("worker"), line.get("verdict"), out, line.get("lookup"), told, state


def of_oracle(frame: Frame) -> tuple:
    out, reasons = tuple(frame.out), tuple(frame.reasons)
    return frame.worker, frame.verdict, out, frame.lookup, reasons, frame.state or ()


def disagreement(oracle: Oracle, run: engine.Run) -> str | None:
    """The first thing engine and oracle see differently."""
    for frame in oracle.frames if run.trace else ():
        ours, theirs = of_engine(run.trace.get(frame.n, {})), of_oracle(frame)
        if ours != theirs:
            return f"frame {frame.n}: engine {ours}, oracle {theirs}"
    for number, (ours, sent) in enumerate(zip(run.sent, oracle.sent, strict=False), 1):
        if ours != (sent.time, sent.length, sent.frame):
            return f"out #{number} of frame {sent.cause}: {ours}, oracle {sent.time, sent.length, sent.frame}"
    if len(run.sent) != len(oracle.sent):
        return f"{len(run.sent)} frames left, {len(oracle.sent)} of the oracle"
    return different(run.document, oracle.document(), "")


def different(got: object, want: object, path: str) -> str | None:
    """Where *got* is not *want*; keys that the oracle does not give are not compared."""
    if isinstance(want, dict) and isinstance(got, dict):
        pairs = [(k, got.get(k), w) for k, w in want.items()]
    elif isinstance(want, list) and isinstance(got, list) and len(want) == len(got):
        pairs = [(str(i), g, w) for i, (g, w) in enumerate(zip(got, want, strict=True))]
    else:
        return None if got == want else f"{path[1:]}: engine {got}, oracle {want}"
    return next((d for k, g, w in pairs if (d := different(g, w, f"{path}.{k}"))), None)


@pytest.mark.parametrize("way", WAYS)
def test_engine_and_oracle_agree(seed: int, way: str) -> None:
    """Two readings of the dossier, packet by packet and in the loop, whose rows are told there or not, give the
    oracle's bytes, verdicts and counters, and its story of each frame."""
    run = replayed(seed, BURSTS[(seed + WAYS.index(way)) % len(BURSTS)], way)
    why = disagreement(scenario(seed).oracle, run)
    assert why is None, f"seed {seed}, view {scenario(seed).view}: {why}\n{scenario(seed).text}"


@pytest.mark.parametrize("burst", [7, 16, 32])
def test_a_lesson_in_the_middle_of_a_burst(burst: int) -> None:
    """A tagged answer teaches a VLAN device while rows of its connection wait: behind it they take the plain path."""
    assert disagreement(scenario(973).oracle, replayed(973, burst, "loop")) is None


@pytest.mark.parametrize("number", [1555, 2604, 3495])
def test_what_was_decided(number: int) -> None:
    """Both were wrong: no ICMP error about a packet of the balancer itself, no pruning of what the capture cut. And the
    oracle was: with IPv6 the clock of cookies ran 3 s before the first frame (recorded)."""
    for way in WAYS:
        assert disagreement(scenario(number).oracle, replayed(number, way=way)) is None


@pytest.mark.parametrize("number", SOME)
def test_the_burst_size_changes_nothing(number: int) -> None:
    """A burst is how frames are handled, never what happens to them."""
    reference = replayed(number, 1)
    ways = [("plain", 256), *(("loop", burst) for burst in BURSTS), *(("told", burst) for burst in BURSTS)]
    for way, burst in ways:
        run = replayed(number, burst, way)
        assert run.sent == reference.sent
        assert run.trace in (reference.trace, {})
        assert json.dumps(run.document["workers"]) == json.dumps(reference.document["workers"])
        assert run.document["totals"] == reference.document["totals"]
        assert run.document["services"] == reference.document["services"]


@pytest.mark.parametrize("number", SOME)
def test_every_frame_has_one_fate(number: int) -> None:
    """The six fates add up to the frames read, on the whole and on every worker (interface 4)."""
    document = replayed(number).document
    totals = document["totals"]
    fates = ("transmitted", "to_kernel", "dropped", "held", "consumed", "ignored")
    assert sum(totals[f] for f in fates) == totals["frames"] == len(scenario(number).records)
    assert totals["received"] == totals["frames"] - totals["ignored"] == sum(w["ipackets"] for w in document["workers"])
    assert sum(totals["verdicts"].values()) == totals["frames"]
    assert totals["written"] == sum(w["opackets"] for w in document["workers"]) == len(replayed(number).sent)
    for worker in document["workers"]:
        assert sum(worker["verdicts"].values()) == worker["ipackets"] == sum(worker["steered"].values())
        for fate in ("to_kernel", "dropped"):
            assert worker[fate] == sum(n for v, n in worker["verdicts"].items() if fate_of(v) == fate)


def all_ports(setup: Setup, document: dict) -> list[int]:
    """used + free of every worker."""
    return [w["sa_pool"]["used"] + w["sa_pool"]["free"] for w in document["workers"]]


@pytest.mark.parametrize("number", SOME)
def test_ports_are_neither_lost_nor_made(number: int) -> None:
    """Used and free ports are constant together, and all free when the last connection has expired."""
    story = scenario(number)
    setup = story.oracle.setup
    last = max(time for time, _, _ in story.records)
    end = (last + HOUR, 60, craft.tick())
    during, after = replayed(number).document, rerun(setup, [*story.records, end]).document
    assert all_ports(setup, during) == all_ports(setup, after) == all_ports(setup, rerun(setup, [end]).document)
    for worker in after["workers"]:
        assert worker["sa_pool"]["used"] == worker["conns"]["active"] == 0
        assert worker["conns"]["created"] == worker["conns"]["expired"]
    for service in after["services"]:
        assert all(real["actconns"] == real["inactconns"] == 0 for real in service["reals"])
        assert all(laddr["conns"] == laddr["used"] == 0 for laddr in service["laddrs"])


@pytest.mark.parametrize("number", SOME)
def test_answers_come_home(number: int) -> None:
    """Under right rules the NIC gives every bound local port to the worker that bound it (S 2.1)."""
    story = scenario(number)
    setup = story.oracle.setup._replace(flow_director=FlowDirector())
    run = rerun(setup, story.records)
    steering = Oracle(setup)
    bound = {(t["laddr"], t["worker"]) for t in run.trace.values() if t.get("new") and t.get("laddr")}
    for endpoint, worker in bound:
        frame = Frame(
            1,
            0,
            54,
            traffic.ethernet(traffic.Flow((b"\1\2\3\4" * (4 if "[" in endpoint else 1), 7), laddr(endpoint)).tcp(ACK)),
        )
        steering.steer(frame)
        assert (frame.by, frame.worker) == ("flow_director", worker)


def laddr(endpoint: str) -> tuple[bytes, int]:
    address, port = craft.split(endpoint)
    return traffic.raw(address), port


@pytest.mark.parametrize("number", SOME)
def test_every_checksum_verifies(number: int) -> None:
    """What leaves whole leaves with right checksums, whatever came in (D 5.5); direct routing sums nothing."""
    lines = replayed(number).trace.values()
    direct = {service.name for service in scenario(number).oracle.setup.services if service.mode == "dr"}
    as_it_came = {o for t in lines if t.get("service") in direct for o in t["out"]}
    untouched = {o for t in lines if t["verdict"] == "forwarded_plain" for o in t["out"]}
    for position, (_, length, data) in enumerate(replayed(number).sent, 1):
        if length == len(data) and position not in as_it_came and data[12:14] in (b"\x08\0", b"\x86\xdd"):
            assert wrong_sum(data, position in untouched) is None, (position, data.hex())


def wrong_sum(data: bytes, plain: bool) -> str | None:
    """Which checksum of a frame does not verify."""
    from oracle import CHECKSUM_AT, ICMP, OPP, UDP, checksum, ones_sum

    p = Packet(Frame(1, 0, len(data), data), data[14:], len(data) - 14)
    if p.family == 4 and checksum(p.head):
        return "IP"
    fragment = int.from_bytes(p.head[6:8]) & 0x3FFF if p.family == 4 else p.head[6] == 44
    if plain or fragment:
        return None
    if p.proto == ICMP:
        return "ICMP" if checksum(p.body) else None
    body, proto = bytes(p.body), p.proto
    if proto == OPP:
        body, proto = body[int.from_bytes(body[2:4]) :], UDP
    absent = proto == UDP and p.family == 4 and body[6:8] == b"\0\0"  # UOA datagrams carry none (D 7.3, 7.4)
    if proto not in CHECKSUM_AT or absent:
        return None
    pseudo = p.src + p.dst + len(body).to_bytes(4) + bytes(3) + bytes([proto])
    return None if ones_sum(pseudo + body) == 0xFFFF else f"protocol {proto}"


# ---------------------------------------------------------------- the client's side of a recorded case (interface 3)


def ends(data: bytes) -> tuple[bytes, bytes]:
    """Source and destination address of a frame, empty where it has none."""
    if data[12:14] == b"\x08\0":
        return data[26:30], data[30:34]
    return (data[22:38], data[38:54]) if data[12:14] == b"\x86\xdd" else (b"", b"")


def client_side(case: Case, vips: set[bytes]) -> list[craft.Record]:
    """What a capture beside the clients would have shown: frames to the virtual addresses, and from them."""
    cause = {out: frame["n"] for frame in case.frames for out in frame["out"]}
    rows = [(time, n, length, data) for n, (time, length, data) in enumerate(case.received, 1) if not ends(data)[1]]
    rows += [(t, n, size, data) for n, (t, size, data) in enumerate(case.received, 1) if ends(data)[1] in vips]
    answers = [(n, *row) for n, row in enumerate(case.expected, 1) if ends(row[2])[0] in vips]
    rows += [(time, cause.get(n, 0), length, data) for n, time, length, data in answers]
    return [(time, length, data) for time, _, length, data in sorted(rows, key=lambda row: row[:2])]


def lower_mss(data: bytes, vips: set[bytes]) -> bytes:
    """The frame as it leaves when its MSS is lowered once more (a SYN|ACK from a virtual address)."""
    if ends(data)[0] not in vips or data[12:14] not in (b"\x08\0", b"\x86\xdd"):
        return data
    p = Packet(Frame(1, 0, len(data), data), data[14:], len(data) - 14)
    if p.proto != 6 or p.flags & (SYN | ACK) != SYN | ACK:
        return data
    for kind, at, size in options_of(p.body[: p.tcp_header]):
        if (kind, size) == (2, 4):
            mss = int.from_bytes(p.body[at + 2 : at + 4]) - (8 if p.family == 4 else 20)
            p.body[at + 2 : at + 4] = (mss & 0xFFFF).to_bytes(2)
            return data[:14] + p.l3()
    return data


TOPICS = (
    "tcp life, reuse, states, timeouts, expiry, tcp options, toa, udp, uoa, mtu, rr, wrr, wlc, weight 0, laddr, pool"
)
TOPICS += ", ports, workers, rss, fdir off, wrong mask, ipv6, defence, fragments"
NOT_VIEWED = {"workers_4_persistent", "v6_errors", "laddr_trials_16"}  # templates; ICMP errors; 64,000 frames
VIEWED = [c for c in cases("dpvs") if c.about["topic"] in TOPICS.split(", ") and c.name not in NOT_VIEWED]
VIEWED = [c for c in VIEWED if "redirect" not in c.name]


def expected_of_client_side(case: Case, vips: set[bytes]) -> list[tuple[int, bytes]]:
    return [(time, lower_mss(data, vips)) for time, _, data in case.expected]


@pytest.mark.parametrize("case", VIEWED, ids=lambda case: case.name)
def test_the_clients_side_replays_to_the_recorded_output(case: Case) -> None:
    """A capture beside the clients is enough: the answers of the virtual address stand for the real servers'."""
    setup = load(str(case.config), (), view="client")
    vips = {s.vip.address for s in setup.services if s.vip}
    records = client_side(case, vips)
    expected = expected_of_client_side(case, vips)
    oracle = Oracle(setup).run(records)
    assert [(s.time, s.frame) for s in oracle.sent] == expected
    assert [(time, data) for time, _, data in rerun(setup, records).sent] == expected
