"""A worker's copies of services: finding them, changing them, limits and QUIC ids."""

import pytest
from made_server import address, endpoint, flow, picks, reals, service, virtual

from lbreplay.dpvs.server import Servers, quic_dest
from lbreplay.lvs.flow import Flow
from lbreplay.model import AddressRange, Match, RealServer, Service, Setup


def servers(*services: Service, rank: int = 0, workers: int = 1, seed: int = 0) -> Servers:
    return Servers(Setup(seed=seed, services=services), rank, workers)


def test_find_is_exact() -> None:
    """Protocol, address and port, and no fallback to port 0."""
    found = servers(service("web"), service("any", port=0), service("six", "2001:db8::100"))
    assert found.find(6, address("10.0.0.100"), 80) is found.by_name["web"]
    assert found.find(6, address("2001:db8::100"), 80) is found.by_name["six"]
    assert found.find(6, address("10.0.0.100"), 81) is None
    assert found.find(17, address("10.0.0.100"), 80) is None


def test_has_vip_asks_no_port() -> None:
    """The defences know addresses by protocol."""
    found = servers(service("web"))
    assert found.has_vip(6, address("10.0.0.100"))
    assert not found.has_vip(17, address("10.0.0.100"))
    assert not found.has_vip(6, address("10.0.0.101"))


def test_address_that_folds_to_zero() -> None:
    """It cannot be hashed, so its service is never found."""
    vip = "2001:db8:2001:db8::"
    found = servers(service("zero", vip))
    assert found.find(6, address(vip), 80) is None
    assert not found.has_vip(6, address(vip))


def test_removed_service() -> None:
    """It is not found any more, nor its address, and its real servers are gone for the connections that have them."""
    found = servers(service("web", reals=reals(1, 1)), service("tls", port=443))
    web = found.by_name["web"]
    dests = list(web.dests)
    found.remove(web)
    assert found.find(6, address("10.0.0.100"), 80) is None
    assert found.has_vip(6, address("10.0.0.100"))
    assert not any(dest.available for dest in dests)
    found.remove(found.by_name["tls"])
    assert not found.has_vip(6, address("10.0.0.100"))


def test_newest_first() -> None:
    """Real servers stand in reverse order of addition; one that comes back is a new one, at the head."""
    server = virtual(reals=reals(1, 1, 1))
    assert [dest.address[-1] for dest in server.dests] == [3, 2, 1]
    old = server.dests[2]
    server.remove(old)
    new = server.add(old.real)
    assert [dest.address[-1] for dest in server.dests] == [1, 3, 2]
    assert new.id != old.id and new.available and not old.available
    assert server.dest(old.real.endpoint) is new
    assert server.dest(endpoint("10.0.0.9", 80)) is None


def test_ids_are_unique_over_workers() -> None:
    """No two real servers of a replay share an id."""
    copies = [
        servers(service("a", reals=reals(1, 1)), service("b", reals=reals(1)), rank=k, workers=3) for k in range(3)
    ]
    ids = [dest.id for copy in copies for server in copy.by_name.values() for dest in server.dests]
    ids += [copy.by_name["a"].add(reals(1)[0]).id for copy in copies]
    assert sorted(ids) == list(range(12))


@pytest.mark.parametrize("workers, share", [(1, 5), (2, 2), (4, 1), (8, 0)])
def test_share_of_max_conn(workers: int, share: int) -> None:
    """Divided by the workers and rounded down; 0 is no limit."""
    dest = virtual(workers=workers, reals=reals(1, max_conn=5)).dests[0]
    assert dest.max_conn == share
    assert not dest.full
    dest.actconns, dest.inactconns = share, 0
    assert dest.full is (share > 0)


@pytest.mark.parametrize("flag", ["overload", "inhibited", "available"])
def test_valid(flag: str) -> None:
    """Available, with weight, neither overloaded nor inhibited."""
    dest = virtual(reals=reals(1)).dests[0]
    assert dest.valid
    setattr(dest, flag, not getattr(dest, flag))
    assert not dest.valid


def test_weight_zero_is_not_valid() -> None:
    """And an edit reaches the scheduler."""
    server = virtual(scheduler="wrr", reals=reals(1, 1))
    server.edit(server.dests[0], 0)
    assert picks(server, 2) == "AA"


@pytest.mark.parametrize("scheduler, order", [("rr", "BBB"), ("fo", "BBB"), ("wlc", "BBB"), ("wrr", "BBB")])
def test_weights_are_signed_16_bit_numbers(scheduler: str, order: str) -> None:
    """32768 is -32768 and 65535 is -1 in DPVS: never picked; 32767 is the greatest. An edit is kept the same way."""
    server = virtual(scheduler=scheduler, reals=reals(32768, 32767, 65535))
    assert [dest.weight for dest in server.dests] == [-1, 32767, -32768]
    assert picks(server, 3) == order
    server.edit(server.dests[1], 40000)
    assert picks(server, 2) == "--" and server.dests[1].real.weight == 40000


@pytest.mark.parametrize("limit, dropped", [(0, 0.0), (100, 0.0), (49, 0.5), (9, 0.9)])
def test_limit_proportion(limit: int, dropped: float) -> None:
    """A packet passes with (limit + 1) / 100; 0 and 100 are off. The seed decides."""
    made = service(limit_proportion=limit)
    runs = [[s.over_limit() for _ in range(2000)] for s in (servers(made, seed=3).by_name["web"] for _ in range(2))]
    assert runs[0] == runs[1]
    assert sum(runs[0]) / 2000 == pytest.approx(dropped, abs=0.05 if dropped else 0)


def test_workers_draw_apart() -> None:
    """Each worker has a generator of its own."""
    first, second = (servers(service(), rank=rank, workers=2).chance.random() for rank in (0, 1))
    assert first != second


@pytest.mark.parametrize("scheduler, steps", [("rr", True), ("wrr", True), ("wlc", False)])
def test_double_steps_belong_to_round_robins(scheduler: str, steps: bool) -> None:
    """Only they can lock with the walk over the local addresses."""
    laddrs = tuple(address(f"10.0.1.{n}") for n in range(1, 101))
    cursor = virtual(scheduler=scheduler, laddr=laddrs).laddrs
    walked = [cursor.next() + 1 for _ in range(100)]
    assert (walked != list(range(1, 101))) is steps


INSIDE = AddressRange(address("192.168.0.2"), address("192.168.0.9"))


def snat(name: str, protocol: int = 6, **tests: object) -> Service:
    match = Match(protocol, 4, **tests)  # type: ignore[arg-type]
    return Service(name, protocol, match=match, mode="snat", scheduler="rr")


def matched(
    found: Servers, src: str = "192.168.0.5", dport: int = 80, proto: int = 6, oif: str | None = "dpdk0"
) -> str:
    server = found.match(Flow(address(src), 1000, address("203.0.113.9"), dport, proto), "dpdk0", oif)
    return server.service.name if server else ""


def test_match_needs_a_route_out() -> None:
    """Without one, or to the host itself, nothing matches."""
    found = servers(snat("out"))
    assert matched(found) == "out"
    assert matched(found, oif=None) == ""
    assert servers(service()).matching == ()


def test_match_newest_first() -> None:
    """The last configured is tested first, and the order survives the removal of another."""
    found = servers(snat("old"), snat("new"), snat("udp", 17))
    assert matched(found) == "new"
    assert matched(found, proto=17) == "udp"
    found.remove(found.by_name["new"])
    assert matched(found) == "old"


@pytest.mark.parametrize(
    "span, src, dport, expected",
    [
        (INSIDE, "192.168.0.2", 80, "out"),
        (INSIDE, "192.168.0.9", 80, "out"),
        (INSIDE, "192.168.0.10", 80, ""),
        (INSIDE, "192.168.0.1", 80, ""),
        (AddressRange(address("192.168.0.9"), address("192.168.0.2")), "192.168.0.5", 80, ""),
        (AddressRange(bytes(4), bytes(4)), "8.8.8.8", 80, "out"),
    ],
)
def test_match_source_range(span: AddressRange, src: str, dport: int, expected: str) -> None:
    """Inclusive ends; the wrong way round never; a maximum of zero always."""
    assert matched(servers(snat("out", source=span)), src, dport) == expected


@pytest.mark.parametrize("dport, expected", [(79, ""), (80, "out"), (90, "out"), (91, "")])
def test_match_port_range(dport: int, expected: str) -> None:
    """Ports of the destination, addresses not tested."""
    span = AddressRange(bytes(4), bytes(4), 80, 90)
    assert matched(servers(snat("out", dest=span)), dport=dport) == expected


def test_match_devices() -> None:
    """Input and output device, where the rule names them."""
    assert matched(servers(snat("out", iif="dpdk0", oif="dpdk0"))) == "out"
    assert matched(servers(snat("out", iif="dpdk1"))) == ""
    assert matched(servers(snat("out", oif="dpdk1"))) == ""


def test_match_quirk_of_the_output_device() -> None:
    """A rule without output device spoils the test of those after it, even where it does not match itself."""
    assert matched(servers(snat("out", oif="dpdk0"), snat("udp", 17))) == ""
    assert matched(servers(snat("out"), snat("udp", 17))) == "out"
    assert matched(servers(snat("udp", 17), snat("out", oif="dpdk0"))) == "out"


def cid(length: int, low: bytes, port: int | None) -> bytes:
    """A connection id that names the low bytes of an address, and a port: four bits first, a nonce behind."""
    head = (length - 1) << 1 | (port is not None)
    named = low.hex() + (f"{port:04x}" if port is not None else "")
    return bytes.fromhex(f"aa{head:x}{named}9") + b"nonce"


def short(identity: bytes) -> bytes:
    return b"\x40" + identity + b"data"


def long(identity: bytes, version: int = 1, first: int = 0xC0) -> bytes:
    return bytes((first,)) + version.to_bytes(4) + bytes((len(identity),)) + identity + b"\0data"


@pytest.mark.parametrize("form", [short, long])
def test_quic_names_a_real_server(form: object) -> None:
    """By the low bytes of its address, with or without port, weight or no weight; the newest where several fit."""
    assert callable(form)
    made = service(protocol=17, quic=True, reals=reals(1, 0, 1) + (RealServer(endpoint("10.1.0.3", 443)),))
    server = virtual(made)
    for dest in server.dests:
        assert quic_dest(server, form(cid(4, dest.address, dest.port))) is dest
        assert quic_dest(server, form(cid(2, dest.address[2:], dest.port))) is dest
    assert quic_dest(server, form(cid(1, b"\x03", None))) is server.dests[0]
    assert quic_dest(server, form(cid(1, b"\x03", 80))) is server.dests[1]
    assert quic_dest(server, form(cid(4, address("10.0.0.9"), 80))) is None
    assert quic_dest(server, form(cid(8, bytes(4) + address("10.0.0.1"), 80))) is None


def test_quic_of_ipv6() -> None:
    """Up to eight low bytes of the address."""
    real = RealServer(endpoint("2001:db8::5:1", 443))
    server = virtual(protocol=17, vip="2001:db8::100", reals=(real,))
    assert quic_dest(server, short(cid(8, real.endpoint.address[-8:], 443))) is server.dests[0]
    assert quic_dest(server, short(cid(8, bytes(8), 443))) is None


GOOD = cid(4, address("10.0.0.1"), 80)


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"\x40",
        short(GOOD)[:8],
        b"\x00" + short(GOOD)[1:],
        long(GOOD, version=2),
        long(GOOD, first=0x80),
        long(GOOD[:6]),
        long(GOOD[:7]),
        long(GOOD + bytes(10)),
        long(GOOD)[:10],
    ],
)
def test_quic_that_is_none(payload: bytes) -> None:
    """Cut, not QUIC, a version or id length that is not ours: ordinary scheduling."""
    server = virtual(protocol=17, reals=reals(1))
    assert quic_dest(server, short(GOOD)) is server.dests[0]
    assert quic_dest(server, payload) is None


def test_flow_has_no_payload_by_default() -> None:
    """Only QUIC looks at it."""
    assert flow().payload == b""
