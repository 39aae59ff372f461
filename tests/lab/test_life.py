"""How a frame's connection came to be where it is, and what keeps it there."""

import craft
from lab.made_capture import TEXT, VIP, capture, client, frames, setup

from lbreplay.lab.explain import explain
from lbreplay.lab.life import dead

SECOND = 10**9
UDP = TEXT.replace('scheduler = "wlc"', 'scheduler = "rr"\nprotocol = "udp"')
KERNEL = """
profile = "ipvs"
edition = "6.1"
[[service]]
name = "web"
vip = "10.0.0.100:80"
scheduler = "rr"
mode = "nat"
[[service.real]]
address = "192.168.100.2:80"
[[service.real]]
address = "192.168.100.3:80"
"""


def at(*given):
    """Frames with their seconds from the beginning."""
    return [(craft.START + int(seconds * SECOND), len(frame), frame) for seconds, frame in given]


def event(seconds, text):
    return f"[[event]]\nat = {seconds}\n{text}\n"


def life(tmp_path, n, made, text=TEXT, **more):
    return explain(setup(text=text, **more), capture(tmp_path, made), n)["life"]


def test_a_connection_that_expired(tmp_path):
    """When, in which state, which frame began that, the timeout with its key, and who was told."""
    open_ = [(n / 1000, frame) for n, frame in enumerate(frames(1))]
    late = (200, craft.tcp(client(1), VIP, "PA", 1006, 8, b"again"))
    (said,) = life(tmp_path, 5, at(*open_, late))
    assert said == (
        "conn 1 of frames 1 to 4 expired at 90.003 s in ESTABLISHED, which began with frame 3 (ACK), "
        "timeout 90 s (tcp.timeout.established); both ends were sent a RST"
    )
    (since,) = life(tmp_path, 4, at(*open_))
    assert since == "it was in ESTABLISHED since frame 3 (ACK), at 0.002 s"


def test_a_connection_that_was_reset(tmp_path):
    """The RST began the state that it expired in; a new connection of the flow says so too."""
    open_ = [(n / 1000, frame) for n, frame in enumerate(frames(1))]
    gone = [*open_, (0.01, craft.tcp(client(1), VIP, "R", 1006)), (10, craft.syn(client(1), VIP))]
    (said,) = life(tmp_path, 6, at(*gone))
    assert "expired at 3.01 s in CLOSE, which began with frame 5 (RST), timeout 3 s (tcp.timeout.close)" in said
    assert "RST;" not in said and "sent a RST" not in said


def test_a_flow_that_was_never_seen(tmp_path):
    """Its connection began before the capture."""
    (said,) = life(tmp_path, 1, [craft.tcp(client(1), VIP, "A", 1001, 8)])
    assert said.startswith("none of the frames before it had a connection of this flow")
    assert life(tmp_path, 1, [craft.syn(client(1), VIP)]) == []


def test_one_packet(tmp_path):
    """Answers are told that there is nobody; a client's next datagram opens the next one."""
    text = UDP.replace('"udp"', '"udp"\none_packet = true')
    answer = craft.udp("192.168.100.2:8080", "192.168.100.200:1028")
    (said,) = life(tmp_path, 2, [craft.udp(client(1), VIP), answer], text, view="rx")
    assert said == "connections of service web are of one packet: they are in no table, and no answer finds them"


def test_a_real_server_that_was_removed(tmp_path):
    """The connection lives on, and the setting that would end it is named; with it, the end is told."""
    real = explain(setup(text=UDP), capture(tmp_path, [craft.udp(client(1), VIP)]), 1)["connection"]["real"]
    text = UDP + event(5, f'remove = "service.web.real.{real}"')
    made = at((0, craft.udp(client(1), VIP)), (10, craft.udp(client(1), VIP)), (11, craft.udp(client(1), VIP)))
    said = life(tmp_path, 2, made, text)[-1]
    assert said.startswith(f"real server {real} was removed at 5 s: the connection lives on")
    assert "service.web.expire_quiescent = true would end it" in said
    ended = text.replace('scheduler = "rr"', 'scheduler = "rr"\nexpire_quiescent = true')
    assert "ended with frame 2, as its real server was gone" in life(tmp_path, 3, made, ended)[0]


def test_what_keeps_a_connection_of_the_kernel(tmp_path):
    """A SYN on a closed connection stays with a weightless real server, by conn_reuse_mode; deleted ones end it."""
    fin = [craft.syn(client(1), VIP), craft.tcp(VIP, client(1), "SA", 7, 1001)]
    fin += [craft.tcp(client(1), VIP, "FA", 1001, 8), craft.tcp(VIP, client(1), "FA", 8, 1002)]
    made = at(*((n / 100, frame) for n, frame in enumerate(fin)), (2, craft.syn(client(1), VIP)))
    real = explain(setup(text=KERNEL), capture(tmp_path, made[:1]), 1)["connection"]["real"]
    drained = KERNEL + event(1, f'set = "service.web.real.{real}.weight=0"')
    kept = life(tmp_path, 5, made, drained + "[ipvs]\nconn_reuse_mode = 0\n")[-1]
    assert kept.startswith(f"real server {real} has weight 0 since 1 s: a SYN in TIME_WAIT keeps it")
    assert "ipvs.conn_reuse_mode = 0" in kept and "ipvs.expire_nodest_conn = 1" in kept
    assert not any("keeps it" in said for said in life(tmp_path, 5, made, drained)), "it is scheduled anew"
    removed = KERNEL + event(1, f'remove = "service.web.real.{real}"')
    assert "was removed at 1 s" in life(tmp_path, 5, made, removed + "[ipvs]\nconn_reuse_mode = 0\n")[-1]


def test_when_real_servers_get_nothing():
    """Spells of no weight and of absence, from the configuration and its events."""
    text = TEXT + event(1, 'set = "service.web.real.192.168.100.2:8080.weight=0"')
    text += event(2, 'set = "service.web.real.192.168.100.2:8080.weight=1"')
    text += event(3, 'remove = "service.web.real.192.168.100.2:8080"')
    text += event(4, 'add = "service.web.real"\nvalue = { address = "192.168.100.2:8080" }')
    (spells,) = dead(setup(text=text)).values()
    assert [(one.begin // SECOND, one.end // SECOND, one.removed) for one in spells] == [(1, 2, False), (3, 4, True)]
    assert str(spells[1]) == "was removed at 3 s: service.web.expire_quiescent = true ends its connections"
    assert dead(setup()) == {}
    (always,) = dead(setup("service.web.real.192.168.100.3:8080.weight=0"))
    assert always == ("web", "192.168.100.3:8080")


def test_a_syn_that_comes_again(tmp_path):
    """Unanswered it is repeated, with what may be the reason; in ESTABLISHED it changes nothing."""
    syn = craft.syn(client(1), VIP)
    said = life(tmp_path, 3, at((0, syn), (1, syn), (3, syn)))
    assert "the client repeats its SYN, since frame 1" in said[1] and "rp_filter" in said[1]
    assert len(life(tmp_path, 3, [syn, craft.tcp(VIP, client(1), "SA", 7, 1001), syn])) == 1, "it was answered"
    said = life(tmp_path, 5, [*frames(1), craft.syn(client(1), VIP, seq=77777)])
    assert "a SYN changes nothing in ESTABLISHED" in said[1]


def test_a_clients_view_of_an_answer_that_came_too_late(tmp_path):
    """It belongs to no connection any more, and that one's end is told."""
    open_ = [(n / 1000, frame) for n, frame in enumerate(frames(1))]
    (said,) = life(tmp_path, 5, at(*open_, (200, craft.tcp(VIP, client(1), "PA", 8, 1006, b"late"))))
    assert "expired at 90.003 s in ESTABLISHED" in said


def test_the_kernel_may_take_what_began_elsewhere(tmp_path):
    """sloppy_tcp is named where it would help, and not where it is set."""
    made = [craft.tcp(client(1), VIP, "PA", 1001, 8, b"x")]
    assert "ipvs.sloppy_tcp = 1" in life(tmp_path, 1, made, KERNEL)[0]
    assert "sloppy" not in " ".join(life(tmp_path, 1, made, KERNEL + "[ipvs]\nsloppy_tcp = 1\n"))
