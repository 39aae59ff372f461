"""Columns of a sort: endpoints as numbers, and what NAT keeps."""

import importlib.util
from pathlib import Path
from types import ModuleType

import numpy as np

from lbreplay.burst import Burst
from lbreplay.config.rows import SORTS, keys, opens, rows_of
from lbreplay.loop.parse import parse


def _neighbour(name: str) -> ModuleType:
    """A test module of this folder (tests are no package)."""
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


_survey = _neighbour("test_survey")


def parsed(*frames: bytes) -> Burst:
    """A burst with its columns."""
    burst: Burst = _survey.burst(frames)
    parse(burst, None, False)
    return burst


def test_every_row_is_of_one_sort() -> None:
    """Families and protocols are kept apart; what is neither TCP, UDP nor SCTP is in none."""
    frame = _survey.frame
    tcp, udp = frame("1.1.1.1 1", "2.2.2.2 80"), frame("fd00::1 5", "fd00::2 53", 17)
    burst = parsed(tcp, udp, b"\0" * 60, tcp)
    assert {sort: rows_of(burst, sort).number.tolist() for sort in SORTS} == {
        (4, 6): [0, 3],
        (4, 17): [],
        (6, 6): [],
        (6, 17): [1],
        (4, 132): [],
        (6, 132): [],
    }
    rows = rows_of(burst, (6, 17))
    assert (rows.sport.tolist(), rows.dport.tolist()) == ([5], [53])


def test_keys_of_endpoints() -> None:
    """IPv4 endpoints are their own number; IPv6 ones differ with every part."""
    four = np.array([[10, 0, 0, 1]], np.uint8)
    assert keys(four, np.array([80], np.uint16)).tolist() == [0x0A000001 << 16 | 80]
    six = np.zeros((16, 16), np.uint8)
    np.fill_diagonal(six, 1)
    many = keys(six, np.arange(16, dtype=np.uint16))
    assert len(set(many.tolist())) == 16


def test_marks_survive_nat() -> None:
    """Another address or port leaves the mark, another payload does not; a VLAN tag is looked through."""
    one = _survey.frame("1.1.1.1 1", "2.2.2.2 53", 17, payload=b"question!")
    translated = _survey.frame("3.3.3.3 9", "4.4.4.4 54", 17, payload=b"question!")
    another = _survey.frame("1.1.1.1 1", "2.2.2.2 53", 17, payload=b"Question!")
    tagged = one[:12] + b"\x81\x00\x00\x05" + one[12:]
    marks = rows_of(parsed(one, translated, another, tagged), (4, 17)).mark.tolist()
    assert marks[0] == marks[1] == marks[3] != marks[2]


def test_what_opens() -> None:
    """A SYN without ACK, an INIT; no datagram does, and no chunk that the capture cut off."""
    frame = _survey.frame
    both = parsed(frame("1.1.1.1 1", "2.2.2.2 80"), frame("1.1.1.1 1", "2.2.2.2 80", flags=18))
    assert opens(both, rows_of(both, (4, 6))).tolist() == [True, False]
    chunks = [frame("1.1.1.1 1", "2.2.2.2 2905", 132, payload=bytes([0, 0, 0, 0, kind, 0, 0, 4])) for kind in (1, 2)]
    sctp = parsed(*chunks)
    assert opens(sctp, rows_of(sctp, (4, 132))).tolist() == [True, False]
    sctp.caplen[0] = 14 + 20 + 12
    assert opens(sctp, rows_of(sctp, (4, 132))).tolist() == [False, False]
    udp = parsed(frame("1.1.1.1 1", "2.2.2.2 53", 17, payload=bytes([1] * 8)))
    assert opens(udp, rows_of(udp, (4, 17))).tolist() == [False]
