"""A survey finds who opens connections to whom."""

import struct
from collections.abc import Iterable
from ipaddress import ip_address

import numpy as np

from lbreplay.burst import PAD, RECORD, Burst
from lbreplay.config import survey
from lbreplay.config.survey import LIFE, Openings, Survey

SYN, SYN_ACK, ACK = 2, 18, 16


def frame(src: str, dst: str, proto: int = 6, flags: int = SYN, payload: bytes = b"") -> bytes:
    """An Ethernet frame from `address port` to `address port`."""
    (a, sport), (b, dport) = (end.split() for end in (src, dst))
    source, target = ip_address(a).packed, ip_address(b).packed
    l4 = struct.pack("!HH", int(sport), int(dport))
    l4 += struct.pack("!IIBBHHH", 0, 0, 0x50, flags, 0, 0, 0) if proto == 6 else struct.pack("!HH", 8 + len(payload), 0)
    l4 += payload
    if len(source) == 4:
        head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(l4), 0, 0, 64, proto, 0)
        return bytes(12) + b"\x08\x00" + head + source + target + l4
    return bytes(12) + b"\x86\xdd" + struct.pack("!IHBB", 0x60000000, len(l4), proto, 64) + source + target + l4


def burst(frames: Iterable[bytes]) -> Burst:
    """Frames as a burst, laid out as the reader does."""
    listed = list(frames)
    at = np.cumsum([RECORD] + [len(f) + RECORD for f in listed])[:-1].astype(np.int64)
    data = b"".join(bytes(RECORD) + f for f in listed) + bytes(PAD)
    length = np.array([len(f) for f in listed], np.int64)
    return Burst.of(1, np.frombuffer(data, np.uint8).copy(), at, length, length, np.zeros(len(listed), np.int64))


def services(*frames: bytes) -> list[tuple[str, int, int]]:
    """(endpoint, connections, clients) of what is found."""
    return [(str(s.endpoint), s.connections, len(s.clients)) for s in Survey([burst(frames)]).services()]


def test_first_syn_opens() -> None:
    """The destination of a SYN is a service; a SYN sent again is the same connection, a SYN|ACK none."""
    web = frame("172.16.0.1 1000", "10.0.0.100 80")
    assert services(
        web,
        web,
        frame("10.0.0.100 80", "172.16.0.1 1000", flags=SYN_ACK),
        frame("172.16.0.1 1001", "10.0.0.100 80"),
        frame("172.16.0.2 1000", "10.0.0.100 80"),
        frame("172.16.0.2 1000", "10.0.0.9 99", flags=ACK),
    ) == [("10.0.0.100:80", 3, 2)]


def test_udp_the_side_that_answers() -> None:
    """Datagrams alone make no service, the first answer does."""
    ask, answer = frame("172.16.0.1 999", "10.0.0.1 53", 17), frame("10.0.0.1 53", "172.16.0.1 999", 17)
    assert services(ask, ask) == []
    assert services(ask, answer, ask, answer) == [("10.0.0.1:53", 1, 1)]


def test_ipv6_and_order() -> None:
    """Both families count; the busiest comes first, then the address decides."""
    assert services(
        frame("fd00::1 1", "2001:db8::100 80"),
        frame("172.16.0.1 1", "10.0.0.2 80"),
        frame("172.16.0.1 1", "10.0.0.1 80"),
        frame("fd00::1 2", "2001:db8::100 80"),
    ) == [("[2001:db8::100]:80", 2, 1), ("10.0.0.1:80", 1, 1), ("10.0.0.2:80", 1, 1)]


def test_no_service_where_none_can_be() -> None:
    """Port 0, multicast and the unspecified address are no virtual services."""
    assert (
        services(
            frame("172.16.0.1 1", "10.0.0.1 0"),
            frame("172.16.0.1 1", "224.0.0.1 80"),
            frame("172.16.0.1 1", "0.0.0.0 80"),
            frame("fd00::1 1", "ff02::1 80"),
        )
        == []
    )


def test_bursts_do_not_matter() -> None:
    """The same frames in one burst or in many give the same services, bytes included."""
    frames = [frame(f"172.16.0.{n % 7} {n}", f"10.0.0.{n % 3 + 1} 80", flags=SYN if n % 2 else ACK) for n in range(60)]
    frames += [frame("172.16.0.1 5", "10.0.0.9 53", 17), frame("10.0.0.9 53", "172.16.0.1 5", 17)]
    one, many = Survey([burst(frames)]), Survey([burst([f]) for f in frames])
    assert one.services() == many.services()


def test_memory_is_bounded() -> None:
    """A scan stops at the limits and is counted."""
    import pytest

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(survey, "MAX_SERVICES", 5)
        patch.setattr(survey, "MAX_FLOWS", 3)
        patch.setattr(survey, "MAX_CLIENTS", 2)
        found = Survey([burst(frame(f"172.16.0.{n} 1", f"10.0.0.1 {n % 9 + 1}") for n in range(1, 90))])
        assert len(found.services()) == 5 and found.missed > 0 and len(found._flows[4, 6]) == 3
        assert {len(seen.clients) for seen in found.services()} == {2}


def test_the_peak_forgets_what_has_ended() -> None:
    """Openings longer ago than a connection lives do not count; time that goes back does."""
    openings = Openings()
    for second in [*range(1000), 500, 500]:
        openings.add(second)
    assert openings.peak == LIFE + 2
    assert len(openings._seconds) <= LIFE


def test_sctp_by_its_init() -> None:
    """The destination of an INIT is a service; the chunks that follow are of the same association."""
    chunks = [bytes([0, 0, 0, 0, kind, 0, 0, 4]) for kind in (1, 2, 10, 11)]
    there, back = ("172.16.0.1 999", "10.0.0.1 2905"), ("10.0.0.1 2905", "172.16.0.1 999")
    frames = [frame(*(back if n % 2 else there), 132, payload=chunk) for n, chunk in enumerate(chunks)]
    assert services(*frames) == [("10.0.0.1:2905", 1, 1)]
    late = Survey([burst(frames[2:])])
    assert late.services() == [] and late.unopened.under_way() == 1


def test_connections_under_way() -> None:
    """Those whose first frame is no SYN count once, however frames are cut into bursts; one opened later is none."""
    frames = [frame(f"172.16.0.{n} 1000", "10.0.0.9 80", flags=ACK) for n in (1, 2, 1, 3)]
    frames += [frame("10.0.0.9 80", "172.16.0.2 1000", flags=ACK), frame("172.16.0.3 1000", "10.0.0.9 80")]
    for bursts in ([burst(frames)], [burst([one]) for one in frames]):
        found = Survey(bursts)
        assert found.unopened.under_way() == 2 and [s.connections for s in found.services()] == [1]
        assert found.unopened.guesses({(6, s.endpoint) for s in found.services()}) == []


def test_flows_that_are_nobodys_service() -> None:
    """Loopback, link-local, groups and frames with two tags are counted, each as what it is."""
    twice = frame("172.16.0.1 1", "10.0.0.1 80")
    twice = twice[:12] + bytes.fromhex("88a8000181000002") + twice[12:]
    found = Survey([burst([frame("127.0.0.1 1", "127.0.0.1 80"), frame("fe80::1 546", "ff02::2 547", 17), twice])])
    assert found.services() == [] and found.special() == {"loopback": 1, "group": 1} and found.twice == 1
