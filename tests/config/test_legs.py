"""Both legs of a balancer's connections in one capture: real servers and local addresses are recognised."""

import gzip
import importlib.util
import struct
from ipaddress import ip_address
from pathlib import Path
from types import ModuleType

import pytest

from lbreplay.config.draft import draft
from lbreplay.config.legs import Tied
from lbreplay.config.load import load
from lbreplay.config.survey import Survey
from lbreplay.lab.doctor import judge, verdict
from lbreplay.model import Endpoint, Setup
from lbreplay.wire.capture import open_capture


def _neighbour(name: str) -> ModuleType:
    """A test module of this folder (tests are no package)."""
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


_survey = _neighbour("test_survey")
GOLDEN = Path(__file__).parents[1] / "golden" / "dpvs"


def frames(path: Path) -> tuple[bytes, list[tuple[int, bytes]]]:
    """(file header, records with their times) of a nanosecond pcap, gzipped or not."""
    if not path.exists():
        path = path.with_name(path.name + ".gz")
    data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    found, at = [], 24
    while at < len(data):
        seconds, rest, size = struct.unpack("<III", data[at : at + 12])
        found.append((seconds * 10**9 + rest, data[at : at + 16 + size]))
        at += 16 + size
    return data[:24], found


def both_legs(case: str, folder: Path) -> str:
    """What was captured at the port of a recorded case: received and transmitted frames in order of time."""
    head, received = frames(GOLDEN / case / "in.pcap")
    _, sent = frames(GOLDEN / case / "expected" / "out.pcap")
    merged = sorted(
        [*((t, 0, n, r) for n, (t, r) in enumerate(received)), *((t, 1, n, r) for n, (t, r) in enumerate(sent))]
    )
    path = folder / "both.pcap"
    path.write_bytes(head + b"".join(record for *_, record in merged))
    return str(path)


def drafted(path: str, size: int = 4096) -> str:
    """The draft of a capture."""
    with open_capture(path) as capture:
        return draft(capture.bursts(size))


def told(setup: Setup) -> dict[str, tuple[str, list[str], list[str]]]:
    """(mode, local addresses, real servers) by service, sorted."""
    return {
        f"{s.protocol} {s.vip}": (s.mode, sorted(str(ip_address(a)) for a in s.laddr), sorted(str(r) for r in s.reals))
        for s in setup.services
    }


@pytest.mark.parametrize(
    "case", ["tcp_life", "workers_4", "corpus_rr", "corpus_v6_2_workers", "v6_tcp", "v6_workers_8", "nat", "uoa_ipo"]
)
def test_recorded_cases(case: str, tmp_path: Path) -> None:
    """Services of recorded cases are found with the real servers and local addresses that carried traffic."""
    found = told(load(None, text=drafted(both_legs(case, tmp_path))))
    true = told(load(str(GOLDEN / case / "lb.toml")))
    for service, (mode, laddrs, reals) in true.items():
        if service in found:
            assert found[service][0] == mode
            assert set(found[service][1]) <= set(laddrs) and set(found[service][2]) <= set(reals)
    assert set(true) & set(found)
    assert not any(str(ip_address(a)) in service for s in load(str(GOLDEN / case / "lb.toml")).services
                   for a in s.laddr for service in found)  # fmt: skip


def test_nat64_by_the_client_address_option(tmp_path: Path) -> None:
    """Identifications do not survive NAT64, the option does."""
    text = drafted(both_legs("nat64", tmp_path))
    found = told(load(None, text=text))["6 [2001:db8:1::100]:80"]
    assert found[1] == ["192.168.100.200", "192.168.100.201"] and len(found[2]) == 3
    assert "seen by their client address option" in text


def test_bursts_do_not_matter(tmp_path: Path) -> None:
    """The same capture gives the same draft at every burst size."""
    path = both_legs("workers_4", tmp_path)
    assert drafted(path) == drafted(path, 7) == drafted(path, 1)


def test_what_was_seen_passes_doctor(tmp_path: Path) -> None:
    """NAT over several workers and IPv6 local addresses are drafted so that a machine could run them."""
    for case in ("nat", "v6_tcp", "nat64"):
        findings = judge(load(None, text=drafted(both_legs(case, tmp_path))))
        assert verdict(findings, False) == 0, findings


def test_a_scan_is_no_nat() -> None:
    """SYNs of one source port to many hosts look like NAT but for the MAC addresses."""
    scan = [_survey.frame("172.16.0.1 1", f"10.0.0.{n} 80") for n in range(1, 50)]
    for n, frame in enumerate(scan):
        scan[n] = bytes([2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 9]) + frame[12:]
    assert Survey([_survey.burst(scan)]).balancer().tied == {}


def test_one_leg_alone_is_made_up() -> None:
    """What a port receives holds no second leg."""
    text = drafted(str(GOLDEN / "tcp_life" / "in.pcap"))
    assert "198.18.0.1" in text and "--view lb" not in text


def test_testimonies_are_settled() -> None:
    """An address that was seen more often as a local address is no real server."""
    one, two = Endpoint(b"\1\1\1\1", 80), Endpoint(b"\2\2\2\2", 1025)
    tied = Tied(paired=9)
    tied.reals.update({one: 8, two: 1})
    tied.laddrs.update({b"\2\2\2\2": 9, b"\1\1\1\1": 1})
    tied.settle()
    assert (set(tied.reals), set(tied.laddrs)) == ({one}, {b"\2\2\2\2"})


def test_a_tie_needs_half_of_the_connections(tmp_path: Path) -> None:
    """A service that was followed now and then is not understood."""
    with open_capture(both_legs("workers_4", tmp_path)) as capture:
        survey = Survey(capture.bursts(4096))
    assert len(survey.balancer().tied) == 2
    for tied in survey.legs.tied.values():
        tied.paired = tied.by_toa = tied.answers = 1
    assert len(survey.balancer().tied) == 0


def from_mac(mac: str, frame: bytes) -> bytes:
    """*frame* sent by *mac*."""
    return frame[:6] + bytes.fromhex(mac.replace(":", "")) + frame[12:]


def test_one_clients_connections_are_no_legs() -> None:
    """Connections opened together look alike in all that NAT keeps: neither another port nor another client of the same
    router makes the second the balancer's."""
    frame, burst = _survey.frame, _survey.burst
    here, there = "02:00:00:00:00:02", "02:00:00:00:00:03"
    ends = [
        ("172.16.0.1 4001", "10.0.0.1 443"),
        ("172.16.0.1 4002", "10.0.0.2 443"),
        ("172.16.0.2 4001", "10.0.0.3 443"),
    ]
    found = Survey([burst(from_mac(here, frame(*pair)) for pair in ends)])
    assert len(found.services()) == 3 and not found.balancer().tied
    legs = [
        from_mac(here, frame("172.16.0.1 4001", "10.0.0.1 443")),
        from_mac(there, frame("10.0.9.9 1025", "10.0.0.2 80")),
    ]
    assert list(Survey([burst(legs)]).balancer().laddrs) == [bytes([10, 0, 9, 9])]
