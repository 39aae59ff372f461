"""Changes in the middle: order of time, one edit for what belongs together, before the first frame."""

from __future__ import annotations

import craft
from kernel import CLIENT, VIP, WORLD, A, B, Kernel, service

from lbreplay.config.load import load
from lbreplay.ipvs.director import Director

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
