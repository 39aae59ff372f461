"""THE ordered loop: whatever way a row takes, it is what the plain path makes of it, in its turn."""

from __future__ import annotations

import craft
import pytest
import rig
from rig import CLIENT, DELTA, LADDR, REAL, VIP, setup, syn, tcp, udp
from twins import both, driven

from lbreplay.config.load import load

MORE = [f"172.16.1.{n}:3000" for n in range(1, 40)]


def talk(client: str, laddr: str, real: str = REAL) -> list[bytes]:
    """A connection as a port receives it: handshake, data both ways, FIN both ways."""
    return [
        syn(client, VIP),
        tcp(real, laddr, "SA", 5000, 1001 + DELTA, options=[("MSS", 1460)], mac=rig.RS_MAC),
        tcp(client, VIP, "A", 1001, 5001),
        tcp(client, VIP, "PA", 1001, 5001, b"question"),
        tcp(real, laddr, "PA", 5001, 1009 + DELTA, b"answer", mac=rig.RS_MAC),
        tcp(client, VIP, "FA", 1009, 5007),
        tcp(real, laddr, "FA", 5007, 1010 + DELTA, mac=rig.RS_MAC),
        tcp(client, VIP, "A", 1010, 5008),
    ]


def test_a_life_in_the_loop() -> None:
    """From its first packet to its last nothing of an ordinary connection takes the plain path."""
    plain, rows = both(setup(), talk(CLIENT, LADDR))
    assert rows == set() and [plain.states(n)[1] for n in (1, 3, 8)] == ["SYN_RECV", "ESTABLISHED", "TIME_WAIT"]


def test_what_is_odd_takes_the_plain_path_alone() -> None:
    """Its neighbours are the loop's, and order is kept."""
    frames = talk(CLIENT, LADDR)
    frames[3:3] = [craft.ping("172.16.0.1", "10.0.0.100"), craft.arp("10.0.0.100"), craft.tick()]
    plain, rows = both(setup(), frames)
    assert rows == {4, 5, 6}
    assert plain.verdicts[3:6] == ["local_echo_reply", "arp_answered", "ethertype_unhandled"]


def test_timers_go_off_before_the_row_that_is_later() -> None:
    """Inside a burst: the old connection has ended when the client's next packet comes."""
    frames = [*talk(CLIENT, LADDR)[:3], (100_000, tcp(CLIENT, VIP, "PA", 1001, 5001, b"late"))]
    plain, _ = both(setup(), frames)
    assert plain.verdicts[-1] == "tcp_bad_ack_rst" and len(plain.own) == 2
    assert plain.trace[4]["lookup"] == "miss"


def test_a_timer_that_is_due_at_a_rows_time_comes_first() -> None:
    """To the nanosecond (interface 4)."""
    ack = 2  # ms of the last packet before
    early, due = (
        both(setup(), [*talk(CLIENT, LADDR)[:3], (ack + 90_000 + late, tcp(CLIENT, VIP, "A", 1001, 5001))])[0]
        for late in (-0.000001, 0)
    )
    assert early.trace[4]["lookup"] == "in" and due.trace[4]["lookup"] == "miss"


def test_events_come_between_rows_of_a_burst() -> None:
    """Rows before it see the old weight, rows behind it the new one."""
    event = '[[event]]\nat = 0.0095\nset = "service.web.real.192.168.100.3:8080.weight=0"\n'
    made = setup(reals=(REAL, "192.168.100.3:8080"), events=event)
    plain, _ = both(made, [syn(client, VIP) for client in MORE[:20]])
    reals = [plain.trace[n]["real"] for n in range(1, 21)]
    assert set(reals[:10]) == {REAL, "192.168.100.3:8080"} and set(reals[10:]) == {REAL}


@pytest.mark.parametrize("workers", [1, 4])
def test_rows_of_several_workers_keep_their_order(workers: int) -> None:
    """Connections are numbered as their packets came, whoever received them."""
    made = setup(workers=workers, reals=(REAL, "192.168.100.3:8080"), scheduler="wlc")
    plain, _ = both(made, [syn(client, VIP) for client in MORE])
    assert [plain.trace[n]["conn"] for n in range(1, len(MORE) + 1)] == list(range(1, len(MORE) + 1))


def test_a_kernel_workers_queue_is_the_kernels() -> None:
    """What comes there is not balanced."""
    text = """
    workers = [{ cpu_id = 1, queues = [0] }, { cpu_id = 2, queues = [1], kind = "kni" }]
    device.reta = [0, 1]
    service = [{ vip = "10.0.0.100:80", scheduler = "rr", laddr = ["192.168.100.200"],
                 real = [{ address = "192.168.100.2:8080" }] }]
    """
    made = load("lb.toml", text=text.replace(",\n ", ", "), view="rx")
    plain, _ = both(made, [syn(client, VIP) for client in MORE])
    assert set(plain.verdicts) == {"forwarded_slow", "kernel_route"}


def test_udp_without_the_clients_address_is_ordinary() -> None:
    """From its first datagram."""
    made = setup(protocol="udp", more="[udp]\nuoa_max_trail = 0\n")
    frames = [udp(CLIENT, VIP, b"a"), udp(REAL, LADDR, b"b", mac=rig.RS_MAC), udp(CLIENT, VIP, b"c")]
    _, rows = both(made, frames)
    assert rows == set()


def test_figures_at_the_end() -> None:
    """Connections, ports and counters of services, summed over workers (interface 5)."""
    run, _ = driven(setup(workers=2), talk(CLIENT, LADDR)[:1] + [syn(client, VIP) for client in MORE])
    gauges = run.balancer.gauges()
    (service,) = gauges["services"]
    assert (
        service["conns"] == service["inpkts"] == len(MORE) + 1 == sum(w["conns"]["active"] for w in gauges["workers"])
    )
    assert service["reals"][0]["inactconns"] == len(MORE) + 1 and service["laddrs"][0]["used"] == len(MORE) + 1
    assert gauges["warnings"] == []


def kept(mode: str, view: str) -> list[tuple[float, bytes]]:
    """Lives of connections that keep the client's end: opened, answered, closed, silent for minutes, opened again."""
    frames: list[tuple[float, bytes]] = []
    at = 0.0
    for number, client in enumerate(MORE[:16] * 2):
        said = [syn(client, VIP), tcp(client, VIP, "A", 1001, 5001), tcp(client, VIP, "PA", 1001, 5001, b"question")]
        real = (VIP, None) if view == "client" else (REAL, rig.RS_MAC)
        heard = [tcp(real[0], client, flags, 5000 + n, 1001, mac=real[1]) for n, flags in enumerate(("SA", "A", "FA"))]
        if mode == "dr" and view == "rx":
            heard = []  # answers do not pass here
        for n, one in enumerate((*said[:1], *heard[:1], *said[1:], *heard[1:])):
            frames.append((at + n, one))
        if number % 3:
            frames.append((at + 9, tcp(client, VIP, "FA", 1009, 5002)))
        at += 20 if number % 5 else 100_000
    return frames


@pytest.mark.parametrize("view", ["rx", "client"])
@pytest.mark.parametrize("mode", ["nat", "dr"])
@pytest.mark.parametrize(
    "more", [{}, {"workers": 2, "conn": "redirect = true", "scheduler": "wlc"}], ids=["one", "two"]
)
def test_connections_that_keep_the_clients_end(mode: str, view: str, more: dict[str, object]) -> None:
    """NAT and direct routing: states, timers, expiry with its pair of resets, counts that a scheduler reads."""
    made = setup(mode=mode, view=view, reals=(REAL, "192.168.100.3:8080", "192.168.100.4:8080"), **more)  # type: ignore[arg-type]
    plain, rows = both(made, kept(mode, view))
    reals = plain.document["services"][0]["reals"]
    assert sum(real["conns"] for real in reals) == 32 and plain.document["totals"]["verdicts"]["forwarded_slow"] > 30
    assert len(rows) < len(plain.verdicts) / 4


@pytest.mark.parametrize("mode", ["nat", "dr"])
def test_datagrams_that_keep_the_clients_end(mode: str) -> None:
    """Whatever their checksums say: by direct routing nothing is put right."""
    made = setup(mode=mode, protocol="udp", reals=(REAL, "192.168.100.3:8080"))
    frames = [udp(client, VIP, b"question") for client in MORE[:9] * 2]
    frames += [frame[:40] + b"\0\1" + frame[42:] for frame in frames]
    _, rows = both(made, frames)
    assert rows == set()
