"""Changes in the middle of a replay, on every worker, and what they leave alone."""

from __future__ import annotations

from rig import CLIENT, REAL, VIP, handshake, play, setup, syn, tcp, tick
from scapy.layers.inet import IP, TCP

from lbreplay.dpvs.events import Events
from lbreplay.dpvs.machine import Machine
from lbreplay.nic.steer import Nic

THREE = ("192.168.100.2:8080", "192.168.100.3:8080", "192.168.100.4:8080")


def event(at: float, text: str) -> str:
    return f"[[event]]\nat = {at}\n{text}\n"


def real(change: str, at: float = 0.0025, address: str = REAL) -> str:
    return event(at, f'set = "service.web.real.{address}.{change}"')


def clients(count: int) -> list[bytes]:
    return [syn(f"172.16.0.{n}:3000", VIP) for n in range(1, count + 1)]


def chosen(run: object) -> list[str]:
    """The last byte of each connection's real server."""
    return [t["real"].split(".")[3][0] if t["real"] else "-" for t in run.trace.values()]  # type: ignore[attr-defined]


def test_timers_then_events_then_the_frame() -> None:
    """At equal time: a connection that expires now is gone for the event, and the event there for the frame."""
    made = setup(events=event(30.0, f'remove = "service.web.real.{REAL}"'))
    run = play(made, [syn(CLIENT, VIP), (30_000, syn(CLIENT, VIP))])
    assert run.verdicts == ["forwarded_slow", "no_dest"] and run.document["services"][0]["reals"] == []


def test_any_edit_sets_the_cursors_back() -> None:
    """A weight, an upper and a lower limit alike: round robin begins anew (D 10.3)."""
    plain = chosen(play(setup(reals=THREE), clients(6)))
    for change in ("weight=1", "max_conn=0", "min_conn=0"):
        assert chosen(play(setup(reals=THREE, events=real(change)), clients(6))) == plain[:3] + plain[:3]


def test_connections_outlive_their_real_server() -> None:
    """Removal: they go on, its figures stop and leave the sum (D 3, 13.2)."""
    made = setup(
        reals=(REAL, "192.168.100.3:8080"), real="weight = 1", events=event(0.01, f'remove = "service.web.real.{REAL}"')
    )
    first = next(n for n, t in play(made, clients(2)).trace.items() if t["real"] == REAL)
    client = f"172.16.0.{first}:3000"
    run = play(made, [*clients(2), (20, tcp(client, VIP, "A", 1001, 1))])
    assert run.verdicts[2] == "forwarded_slow" and run.packet(3)[IP].dst == "192.168.100.2"
    assert [r["address"] for r in run.document["services"][0]["reals"]] == ["192.168.100.3:8080"]
    assert run.document["services"][0]["conns"] == 1


def test_one_that_comes_back_is_a_new_one() -> None:
    """At the head of the list, with figures from 0; a connection keeps the old one (D 3, 10.2)."""
    events = event(0.01, f'remove = "service.web.real.{REAL}"') + event(
        0.011, f'add = "service.web.real"\nvalue = {{ address = "{REAL}" }}'
    )
    run = play(
        setup("expire_quiescent = true", events=events),
        [*handshake(), (20, tcp(CLIENT, VIP, "A", 1001, 5001)), *clients(2)[1:]],
    )
    assert run.verdicts[3:] == ["quiescent", "forwarded_slow"] and run.real["conns"] == 1


def test_limits_that_change() -> None:
    """Raising one clears OVERLOAD; one worker's share is compared with the whole limit (D 2.8)."""
    full = [*clients(2), *[(10 + n, frame) for n, frame in enumerate(clients(5)[2:])]]
    assert play(setup(real="max_conn = 1", events=real("max_conn=2")), full).verdicts == [
        "forwarded_slow",
        "dest_max_conn",
        "forwarded_slow",
        "dest_max_conn",
        "no_dest",
    ]
    assert play(setup(real="max_conn = 1", events=real("max_conn=0")), full).verdicts[2:] == ["forwarded_slow"] * 3
    assert play(setup(real="max_conn = 1", events=real("weight=2")), full).verdicts[2:] == ["no_dest"] * 3


def test_lists_that_change() -> None:
    """A set takes the place of the list that was (D 14.2)."""
    change = event(0.0005, "set = \"service.web.blacklist=['172.16.0.2']\"") + event(
        0.0015, 'set = "service.web.blacklist=[]"'
    )
    frames = [clients(1)[0], clients(2)[1], clients(2)[1]]
    made = setup('blacklist = ["172.16.0.1"]', events=change)
    assert play(made, frames).verdicts == ["acl_blacklist", "acl_blacklist", "forwarded_slow"]
    white = setup(events=event(0.0005, "set = \"service.web.whitelist=['172.16.0.0/31']\""))
    assert play(white, clients(2)).verdicts == ["forwarded_slow", "acl_whitelist"]


def test_every_worker_hears_of_it() -> None:
    """All copies change at once (D 10.1)."""
    run = play(
        setup(workers=4, events=real("weight=0")), [*clients(2), *[(10 + n, f) for n, f in enumerate(clients(10)[2:])]]
    )
    assert set(run.verdicts[2:]) == {"no_dest"}


def test_the_answers_of_a_service_that_is_gone() -> None:
    """Connections of a removed service go on; new ones find nothing (D 3)."""
    flow = [*handshake()[:1], (10, handshake()[1]), (11, syn("172.16.0.9:1", VIP))]
    run = play(setup(events=event(0.005, 'remove = "service.web"')), flow)
    assert run.verdicts == ["forwarded_slow", "forwarded_fast", "forward_disabled"]
    assert run.document["services"] == []


def test_what_is_put_off_comes_in_its_time() -> None:
    """Equal times in the order they were said; the timers' clock looks at them (interface 4)."""
    made = setup()
    machine = Machine(made, Nic(made).strategy)
    events, done = Events(machine), []
    for when, name in ((50, "b"), (20, "a"), (50, "c")):
        events.at(when, lambda name=name: done.append(name))
    assert events.next_ns == machine.timers.nearest == 20
    for _ in range(3):
        events.apply()
    assert done == ["a", "b", "c"] and events.next_ns > 10**18


def test_nothing_happens_after_the_last_frame() -> None:
    """An event later than the capture is never carried out (interface 4)."""
    run = play(setup(events=real("weight=7", at=1.0)), [syn(CLIENT, VIP), (999, tick())])
    assert run.real["weight"] == 1


def test_local_addresses_that_come_and_go() -> None:
    """New connections leave from those that are there; one that lives keeps its own, and its answers come home."""
    change = event(0.005, "set = \"service.web.laddr=['192.168.100.200', '192.168.100.201']\"")
    change += event(0.025, "set = \"service.web.laddr=['192.168.100.201']\"")
    late = [(10 + n, frame) for n, frame in enumerate(clients(6)[1:5])]
    last = (30, clients(6)[5])
    for workers in (1, 4):
        made = setup(events=change, workers=workers, view="rx")
        run = play(made, [clients(1)[0], *late, last])
        left = [run.packet(n)[IP].src for n in range(1, 7)]
        assert (left[0], left[5]) == ("192.168.100.200", "192.168.100.201")
        assert workers > 1 or set(left[1:5]) == {"192.168.100.200", "192.168.100.201"}
        local = run.trace[1]["laddr"]
        answer = (40, tcp(run.trace[1]["real"], local, "SA", 5000, run.packet(1)[TCP].seq + 1))
        ended = (50, tcp("192.168.100.9:1", "192.168.100.200:9", "A"))
        back = play(made, [clients(1)[0], *late, last, answer, ended])
        assert back.trace[7]["lookup"] == "out" and back.verdicts[6].startswith("forwarded")
        assert back.verdicts[7] == "forward_disabled", "it is nobody's address any more"
        conns = {one["address"]: one["conns"] for one in back.document["services"][0]["laddrs"]}
        assert conns.keys() == {"192.168.100.200", "192.168.100.201"} and sum(conns.values()) == 6


def test_all_local_addresses_gone() -> None:
    """No new connection can be made until one is back."""
    change = event(0.005, 'set = "service.web.laddr=[]"') + event(
        0.025, "set = \"service.web.laddr=['192.168.100.209']\""
    )
    run = play(setup(events=change), [clients(3)[0], (10, clients(3)[1]), (30, clients(3)[2])])
    assert run.verdicts == ["forwarded_slow", "laddr_none", "forwarded_slow"]
    assert run.packet(2)[IP].src == "192.168.100.209"
