"""What was sent beside the model, field by field: recorded cases conform, and a field that was changed is named."""

from __future__ import annotations

from pathlib import Path
from random import Random

import merged
import pytest

from lbreplay.config.load import load
from lbreplay.errors import CaptureError
from lbreplay.lab.audit.conform import Conformance, conform, parted
from lbreplay.lab.fields import Frame, dissect

CASES = [
    "workers_4",
    "v6_4_workers",
    "uoa_opp",
    "toa_options",
    "icmp_errors",
    "synproxy",
    "two_services_share_laddrs",
    "nat64",
]


def held(folder: Path, name: str, changed: dict[int, bytes] | None = None, *sets: str) -> Conformance:
    case = merged.case("dpvs", name)
    return conform(merged.capture(case, folder / "both.pcap", changed), load(str(case.config), sets))


@pytest.mark.parametrize("name", CASES)
def test_a_recorded_case_conforms(tmp_path: Path, name: str) -> None:
    """Every frame, every connection; of both families, with errors, options and a SYN proxy."""
    found = held(tmp_path, name)
    assert not found.departures and found.conforming == found.connections
    assert found.sent == len(merged.case("dpvs", name).expected)


# Of a TCP frame over IPv4 without options of IP: name, offset, bytes.
FIELDS = {
    "eth.dst": (0, 6), "eth.src": (6, 6), "ip.tos": (15, 1), "ip.id": (18, 2), "ip.ttl": (22, 1), "ip.sum": (24, 2),
    "ip.src": (26, 4), "ip.dst": (30, 4), "sport": (34, 2), "dport": (36, 2), "seq": (38, 4), "ack": (42, 4),
    "flags": (47, 1), "win": (48, 2), "tcp.sum": (50, 2), "urp": (52, 2),
}  # fmt: skip


@pytest.mark.parametrize("name", FIELDS)
def test_a_field_that_was_changed_is_named(tmp_path: Path, name: str) -> None:
    """One bit of one frame in the middle of a connection: that frame, that field, both values, and the rule."""
    case = merged.case("dpvs", "workers_4")
    some = [f for f in merged.frames(case) if f.n in merged.sent(case) and dissect(f).get("flags") == "ACK"]
    frame = Random(name).choice(some)
    at, size = FIELDS[name]
    bit = Random(name).randrange(8 * size if name not in ("eth.dst", "eth.src") else 8)
    place = at + size - 1 - bit // 8
    data = frame.data[:place] + bytes([frame.data[place] ^ 1 << bit % 8]) + frame.data[place + 1 :]
    found = held(tmp_path, "workers_4", {frame.n: data})
    assert [(one.n, one.field) for one in found.departures] == [(frame.n, name)]
    assert found.departures[0].sent != found.departures[0].modelled and "forwarded" in found.departures[0].rule
    assert found.conforming >= found.connections - 2


@pytest.mark.parametrize("name", ["toa_options", "uoa_off"])
def test_data_and_options_that_were_changed_are_named(tmp_path: Path, name: str) -> None:
    """The last byte of a frame's data, or of its options."""
    case = merged.case("dpvs", name)
    for frame in merged.frames(case):
        fields = dissect(frame)
        if frame.n in merged.sent(case) and fields.get("payload", "-") != "-":
            data = frame.data[:-1] + bytes([frame.data[-1] ^ 1])
            found = held(tmp_path, name, {frame.n: data})
            assert [(one.n, one.field) for one in found.departures] == [(frame.n, "payload")]
            return
    raise AssertionError("a frame with data")


def test_choices_are_the_balancers(tmp_path: Path) -> None:
    """Another scheduler and other local ports in the model: what it chose is taken from what was sent."""
    sets = ("service.web.scheduler='wrr'", "sa_pool.low=2049", "tcp.isn_offset=77")
    found = held(tmp_path, "workers_4", None, *sets)
    assert not found.departures and found.conforming == found.connections == 29


def test_what_is_no_choice_departs(tmp_path: Path) -> None:
    """Without the client address option the options of a frame are not the balancer's."""
    found = held(tmp_path, "workers_4", None, "tcp.toa=false")
    assert found.departures and {one.field for one in found.departures} & {"tcp.opts", "length", "ip.len"}
    assert found.conforming < found.connections


def test_a_frame_that_is_missing_or_too_many(tmp_path: Path) -> None:
    """Named by what came before it, and by itself."""
    case = merged.case("dpvs", "workers_4")
    n = merged.sent(case)[40]
    other = bytes.fromhex("02000000010102706361700088b5") + bytes(46)
    found = held(tmp_path, "workers_4", {n: other})
    assert sorted(one.sent == "(none)" for one in found.departures) == [False, True]


def test_received_and_sent_are_told_apart(tmp_path: Path) -> None:
    """By the port's MAC address, and without it by addresses."""
    case = merged.case("dpvs", "workers_4")
    path = merged.capture(case, tmp_path / "both.pcap")
    setup = load(str(case.config), ())
    came, went = parted(path, setup)
    assert [frame.data for frame in went] == [data for _, _, data in case.expected]
    plain = setup._replace(device=setup.device._replace(mac=None))
    assert len(parted(path, plain)[1]) == len(went) and len(came) == len(case.received)


def test_a_capture_of_one_side(tmp_path: Path) -> None:
    """What is needed is said."""
    case = merged.case("dpvs", "workers_4")
    with pytest.raises(CaptureError, match="received and frames that it sent"):
        conform(str(case.file("in.pcap")), load(str(case.config), ()))


def test_frames_are_not_changed_by_being_read(tmp_path: Path) -> None:
    """Bytes, lengths and numbers of both sides together are the capture's."""
    case = merged.case("dpvs", "v6_4_workers")
    came, went = parted(merged.capture(case, tmp_path / "both.pcap"), load(str(case.config), ()))
    assert sorted([*came, *went]) == [Frame(f.n, f.time_ns, f.data, f.length) for f in merged.frames(case)]
