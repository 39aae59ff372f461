"""Changes in the middle: order of time, one edit for what belongs together, before the first frame."""

from __future__ import annotations

import craft
from kernel import CLIENT, VIP, WORLD, A, B, Kernel, service

from lbreplay.config.found import inline
from lbreplay.config.load import load
from lbreplay.ipvs.director import Director
from lbreplay.model import Event

EVENT = "[[event]]\nat = {}\n{} = '{}'\n"


def director(*events: tuple[float, str, str], tables: str = "") -> Director:
    text = "\n".join((tables or service(A, B), *(EVENT.format(*event) for event in events)))
    made = Director(load("lb.toml", (), text=WORLD.format(edition="6.1.192", ipvs="", tables=text)))
    made.start(craft.START)
    return made


def test_times() -> None:
    """They count from the first frame; one before it happened before it."""
    d = director((-1, "set", f"service.web.real.{A}.weight=5"), (2, "set", f"service.web.real.{A}.weight=7"))
    weights = []
    for at in (0, 1, 2):
        d.advance(craft.START + at * 10**9)
        weights.append(next(x.weight for x in d.parts.services.by_name["web"].dests if str(x.real) == A))
    assert weights == [5, 5, 7]


def test_one_edit() -> None:
    """Both thresholds at once: judged with both, so OVERLOAD stays between them."""
    k = Kernel(service(A))
    for port in (1, 2, 3, 4):
        k.send(craft.syn(f"198.51.100.1:{port}", VIP))
    k.set(A, max_conn=4)
    assert k.dest(A).overload
    k.set(A, max_conn=10, min_conn=4)
    assert (k.dest(A).upper, k.dest(A).lower, k.dest(A).overload) == (10, 4, True)
    k.set(A, min_conn=5)
    assert not k.dest(A).overload


def test_sysctl() -> None:
    """A switch in the middle."""
    k = Kernel(service(A))
    k.sysctl("drop_packet", 3)
    assert k.send(craft.syn(CLIENT, VIP)).verdict == "defence_dropped"


def test_service_and_its_connections() -> None:
    """Of two services one goes: its connections stay, their packets are dropped."""
    k = Kernel(service(A), service(A, name="other", vip="10.0.0.100:81"))
    k.send(craft.syn(CLIENT, VIP))
    k.remove()
    assert k.send(craft.tcp(CLIENT, VIP)).verdict == "dest_unavailable"
    assert k.send(craft.syn("198.51.100.2:1", VIP)).verdict == "local_to_kernel"
    assert list(k.parts.services.by_name) == ["other"]


def test_flush_of_a_deleted_real_server() -> None:
    """expire_nodest_conn: its connections end at once, and templates with them, ASSURED or not."""
    k = Kernel(service(A, persistent={"timeout": 60}), ipvs="expire_nodest_conn = 1")
    k.handshake()
    k.remove(A)
    assert len(k.parts.conns) == 0


def test_unknown_by_now() -> None:
    """An event for a real server that is gone changes nothing."""
    k = Kernel(service(A, B))
    k.remove(A)
    k.set(A, weight=3)
    assert len(k.parts.services.by_name["web"].dests) == 1


def test_another_scheduler_begins_anew() -> None:
    """`ipvsadm -E`: the place in the list is forgotten, connections and counters stay."""
    d = director((2, "set", "service.web.scheduler=wrr"), (3, "set", "service.web.persistent={ timeout = 60 }"))
    web = d.parts.services.by_name["web"]
    for at, scheduler, persistent in ((1, "rr", None), (2, "wrr", None), (3, "wrr", 60)):
        d.advance(craft.START + at * 10**9)
        assert web.service.scheduler == scheduler
        assert (web.service.persistent and web.service.persistent.timeout) == persistent
    assert type(web.scheduler).__name__ == "KernelWeightedRoundRobin"


def test_another_method() -> None:
    """`ipvsadm -e`: new connections go the new way, old ones the old."""
    k = Kernel(service("10.1.0.11:80"))
    k.send(craft.syn(CLIENT, VIP))
    k._events([Event(0, "set", ("service", "web", "real", "10.1.0.11:80", "mode"), "dr")])
    assert k.send(craft.syn("198.51.100.2:1", VIP)).verdict == "dr_forwarded"
    assert k.send(craft.tcp(CLIENT, VIP)).verdict == "nat_forwarded"


def test_timeouts() -> None:
    """`ipvsadm --set` in the middle counts from the next packet on."""
    k = Kernel(service(A, protocol="udp"))
    for seconds, left in ((0, 300), (7, 7)):
        if seconds:
            k._events([Event(0, "set", ("ipvs", "timeout", "udp"), seconds)])
        conn = k.send(craft.udp(CLIENT, VIP)).conn
        assert k.state(conn)[1] == left


def test_a_service_more() -> None:
    """`ipvsadm -A` and `-a`: a service made again finds its real servers in the trash, with counters of its own."""
    added = {"add": "service", "service": {"name": "web", "vip": VIP, "scheduler": "rr", "mode": "nat"}}
    real = {"add": "service.web.real", "value": {"address": A}}
    told = "\n".join(f"[[event]]\nat = {at}\n" + "\n".join(f"{k} = {inline(v)}" for k, v in what.items())
                     for at, what in ((1, {"remove": "service.web"}), (2, added), (3, real)))  # fmt: skip
    d = director(tables=f"{service(A)}\n{service(B, name='other', vip='10.0.0.100:81')}\n{told}")
    d.parts.services.by_name["web"].dests[0].conns = 5
    d.advance(craft.START + 4 * 10**9)
    assert [(str(x.real), x.conns) for x in d.parts.services.by_name["web"].dests] == [(A, 0)]


def test_counters_begin_anew() -> None:
    """`ipvsadm -Z` of one service leaves the director's own; of all, nothing is left."""
    k = Kernel(service(A), service(B, name="other", vip="10.0.0.100:81"))
    k.send(craft.syn(CLIENT, VIP)), k.send(craft.syn(CLIENT, "10.0.0.100:81"))
    for path, counts in ((("service", "web"), (0, 1, 2)), ((), (0, 0, 0))):
        k._events([Event(0, "zero", path)])
        assert (k.dest(A).inpkts, k.dest(B, "other").inpkts, k.parts.services.counted()[0]) == counts
    assert k.counts(A) == (1, 0)
