"""The passive check: what counts as DOWN and UP, for how long a real server is shut out."""

from __future__ import annotations

import pytest
from rig import CLIENT, DELTA, LADDR, REAL, VIP, Played, play, setup, syn, tcp, tick, udp

CHECK = "dest_check = true"
TWO = (REAL, "192.168.100.3:8080")


def refused(at: int = 0, client: int = 1) -> list[tuple[int, bytes]]:
    """A connection that the only real server refuses; *client* is its number of the run."""
    ends = f"172.16.0.{client}:3000", f"192.168.100.200:{1024 + client}"
    return [(at, syn(ends[0], VIP)), (at + 1, tcp(REAL, ends[1], "RA", 0, 1001 + DELTA))]


def weights(run: Played) -> list[int]:
    return [real["weight"] for real in run.document["services"][0]["reals"]]


def at_the_end(made: object, frames: list[tuple[int, bytes]], *times: int) -> list[list[int]]:
    """The weights just when a frame of each of *times* was read."""
    return [weights(play(made, [*frames, (at, tick())])) for at in times]  # type: ignore[arg-type]


def test_a_refusal_shuts_out_for_five_seconds() -> None:
    """SYN_RECV -> CLOSE; half a second less and a fraction (D 10.5)."""
    assert at_the_end(setup(CHECK), refused(), 2, 4_500, 4_501) == [[0], [0], [1]]
    run = play(setup(CHECK), [*refused(), (10, syn("172.16.0.9:1", VIP)), (5_000, syn("172.16.0.9:1", VIP))])
    assert run.verdicts[2:] == ["no_dest", "forwarded_slow"]
    assert at_the_end(setup(), refused(), 2) == [[1]]


def test_nobody_answered() -> None:
    """Expiry in SYN_RECV of TCP and in ONEWAY of UDP, not in NORMAL (D 5.7, 7.2)."""
    assert at_the_end(setup(CHECK), [(0, syn(CLIENT, VIP))], 29_999, 30_000) == [[1], [0]]
    made = setup(f"{CHECK}\nconn_timeout = 9", protocol="udp")
    assert at_the_end(made, [(0, udp(CLIENT, VIP))], 8_999, 9_000) == [[1], [0]]
    assert at_the_end(made, [(0, udp(CLIENT, VIP)), (1, udp(REAL, LADDR))], 9_001) == [[1]]


def test_a_proxied_syn_refused() -> None:
    """The RST of the real server in SYN_SENT, and its silence (D 6.3)."""
    made = setup(f"{CHECK}\nsynproxy = true")
    seq = play(made, [syn(CLIENT, VIP)]).packet(1)["TCP"].seq
    flow = [(0, syn(CLIENT, VIP)), (1, tcp(CLIENT, VIP, "A", 1001, seq + 1))]
    assert at_the_end(made, [*flow, (2, tcp(REAL, LADDR, "RA", 0, 1001 + DELTA))], 3) == [[0]]
    assert at_the_end(made, flow, 12_000, 12_001) == [[1], [0]]  # three retries of three seconds


def test_the_time_doubles_and_successes_halve_it() -> None:
    """5, 10 s; a connection that became ESTABLISHED takes it back, once (D 10.5)."""
    twice = [*refused(), *refused(10_000, 2)]
    assert at_the_end(setup(CHECK), twice, 19_500, 19_501) == [[0], [1]]
    good = [(10_000, syn("172.16.0.2:3000", VIP)), (10_001, tcp(REAL, "192.168.100.200:1026", "SA", 1, 1001 + DELTA)),
            (10_002, tcp("172.16.0.2:3000", VIP, "A", 1001, 2))]  # fmt: skip
    healed = [*refused(), *good, *refused(20_000, 3)]
    assert at_the_end(setup(CHECK), healed, 24_500, 24_501) == [[0], [1]]


def test_several_failures_within_a_time() -> None:
    """Two within three seconds, counted over all workers; the first alone is forgotten (D 10.5)."""
    made = setup("dest_check = { down_retry = 2 }")
    assert at_the_end(made, [*refused(), *refused(2_000, 2)], 2_002) == [[0]]
    assert at_the_end(made, [*refused(), *refused(2_600, 2)], 2_602) == [[1]]
    shared = setup("dest_check = { down_retry = 2 }", workers=4)
    first = [(n, syn(f"172.16.0.{n}:3000", VIP)) for n in range(1, 9)]
    assert at_the_end(shared, first, 30_001, 30_002) == [[1], [0]]


def test_limits_of_the_time() -> None:
    """At least inhibit_min, at most inhibit_max (D 10.5)."""
    made = setup("dest_check = { inhibit_min = 2, inhibit_max = 3 }")
    assert at_the_end(made, refused(), 1_500, 1_501) == [[0], [1]]
    assert at_the_end(made, [*refused(), *refused(5_000, 2)], 7_500, 7_501) == [[0], [1]]


def test_taken_out_for_good() -> None:
    """Without a time and without confirmations nothing lets it in again (D 10.5)."""
    made = setup("dest_check = { up_confirm = 0, inhibit_min = 0, inhibit_max = 0 }")
    assert at_the_end(made, refused(), 5_000_000) == [[0]]


def test_who_is_out_already_is_left_alone() -> None:
    """A DOWN of an inhibited or weightless real server counts for nothing (D 10.5)."""
    ends = [(f"172.16.0.{n}:3000", f"192.168.100.200:{1024 + n}") for n in (1, 2)]
    both = [(0, syn(client, VIP)) for client, _ in ends]
    both += [(1, tcp(REAL, laddr, "RA", 0, 1001 + DELTA)) for _, laddr in ends]
    assert at_the_end(setup(CHECK), both, 4_501) == [[1]]
    assert at_the_end(setup(CHECK), [*both, *refused(10_000, 3)], 19_500, 19_501) == [[0], [1]]


def test_the_schedulers_are_not_told() -> None:
    """The cursor goes on where it was, past the one that is out."""
    made = setup(CHECK, reals=("192.168.100.4:8080", *TWO))
    plain = [t["real"] for t in play(made, [syn(f"172.16.0.{n}:3000", VIP) for n in range(1, 7)]).trace.values()]
    down = plain[0]
    port = "192.168.100.200:1025"
    frames = [(0, syn("172.16.0.1:3000", VIP)), (1, tcp(down, port, "RA", 0, 1001 + DELTA))]
    frames += [(n, syn(f"172.16.0.{n}:3000", VIP)) for n in range(2, 6)]
    assert [t["real"] for t in play(made, frames).trace.values()][2:] == [plain[1], plain[2], plain[1], plain[2]]


def test_an_operators_edit_ends_it_and_the_old_weight_comes_back() -> None:
    """The timer still runs and restores what it found (D 10.5)."""
    event = '[[event]]\nat = 2.0\nset = "service.web.real.192.168.100.2:8080.weight=7"\n'
    assert at_the_end(setup(CHECK, events=event), refused(), 2_000, 4_501) == [[7], [1]]


@pytest.mark.parametrize("burst", [1, 7, 4096])
def test_the_burst_size_changes_nothing(burst: int) -> None:
    """The time is over in the middle of a burst as between two."""
    frames = [*refused(), *[(4_480 + n, syn(f"172.16.1.{n}:1", VIP)) for n in range(1, 40)]]
    run = play(setup(CHECK), frames, burst)
    assert run.verdicts[2:] == ["no_dest"] * 20 + ["forwarded_slow"] * 19
