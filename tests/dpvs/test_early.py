"""Answers that come before the connection they belong to, in a capture of clients (interface 3)."""

from __future__ import annotations

from rig import CLIENT, VIP, play, setup, syn, tcp
from scapy.layers.inet import TCP

from lbreplay.dpvs.early import EarlyAnswers
from lbreplay.wire.packet import Packet
from lbreplay.wire.synproxy import MAX_AGE

RS_SEQ = 7000
KEPT = MAX_AGE * 60 * 10**9


def captured(client: str = CLIENT, seq: int = 1000, rs_seq: int = RS_SEQ) -> list[bytes]:
    """What a capture between clients and servers shows of a connection."""
    return [
        syn(client, VIP, seq),
        tcp(VIP, client, "SA", rs_seq, seq + 1, options=[("MSS", 1460)]),
        tcp(client, VIP, "A", seq + 1, rs_seq + 1),
        tcp(client, VIP, "PA", seq + 1, rs_seq + 1, b"GET"),
        tcp(VIP, client, "PA", rs_seq + 1, seq + 4, b"hello"),
    ]


def test_a_capture_of_clients_goes_on_behind_a_syn_proxy() -> None:
    """The server's SYN|ACK comes in when the ACK has opened the connection; answers leave as captured."""
    run = play(setup("synproxy = true", view="client"), captured())
    assert run.verdicts == [
        "synproxy_synack",
        "reply_without_conn",
        "synproxy_ack_accepted",
        "forwarded_slow",
        "forwarded_fast",
    ]
    assert run.states(3) == ["NONE", "ESTABLISHED"] and run.trace[3]["out"] == [2, 3]
    assert (run.packet(5)[TCP].seq, run.packet(5)[TCP].ack) == (RS_SEQ + 1, 1004)
    assert run.real["outpkts"] == 2


def test_a_client_that_comes_again() -> None:
    """The connection is closed but not gone: the next handshake begins it anew (D 6.4)."""
    first = [*captured(), tcp(VIP, CLIENT, "R", RS_SEQ + 6, 1004)]
    run = play(setup("synproxy = true", view="client"), [*first, *captured(seq=50_000, rs_seq=90_000)])
    assert run.verdicts[6:9] == ["synproxy_synack", "reply_without_conn", "synproxy_reused"]
    assert run.states(9) == ["CLOSE", "ESTABLISHED"]
    assert (run.packet(len(run.sent))[TCP].seq, run.packet(len(run.sent))[TCP].ack) == (90_001, 50_004)


def test_without_the_answer_the_connection_waits() -> None:
    """The first ACK counts as carrying a valid cookie; its numbers must be those of a kept answer to go on."""
    frames = captured()
    run = play(setup("synproxy = true", view="client"), [frames[0], *frames[2:]])
    assert run.verdicts == ["synproxy_synack", "synproxy_ack_accepted", "synproxy_held", "forwarded_slow"]


def answer(at: int, seq: int = 0) -> Packet:
    data = tcp(VIP, CLIENT, "SA", seq, 1)
    return Packet(data, len(data), at)


def test_answers_are_kept_for_four_minutes() -> None:
    """As long as a cookie is valid; the newest of a client counts."""
    kept = EarlyAnswers(lambda conn, packet: packet)

    class Asking:
        in_key = b"a"

    kept.keep(b"a", answer(0))
    kept.keep(b"b", answer(KEPT))
    assert kept.answered(Asking(), 1)  # type: ignore[arg-type]
    kept.keep(b"c", answer(KEPT + 1))
    assert not kept.answered(Asking(), 1)  # type: ignore[arg-type]
    kept.keep(b"a", answer(KEPT + 2, seq=5))
    assert kept.answered(Asking(), 6)  # type: ignore[arg-type]
    taken = kept.take(Asking())  # type: ignore[arg-type]
    assert taken is not None and taken.seq == 5
    assert not kept.answered(Asking(), 6)  # type: ignore[arg-type]
