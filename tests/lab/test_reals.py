"""Whether real servers answer, and whether they share as their weights say."""

import craft
import pytest
from lab.made_capture import TEXT, VIP, capture, client, setup

from lbreplay.lab.check import check

ONE_WORKER = TEXT.replace("workers = 4", "workers = 1").replace("wlc", "rr").replace("weight = 2\n", "")


def judged(tmp_path, made, name, text=ONE_WORKER, *sets):
    return check(setup(*sets, text=text), capture(tmp_path, made), [name]).judgements[0]


def opened(n, flags="SA", silent=()):
    """Connections, of which those numbered in *silent* get no answer, and the others one with *flags*, then an ACK."""
    made = []
    for number in range(1, n + 1):
        end = client(number)
        made.append(craft.syn(end, VIP))
        if number % 2 not in silent:
            made.append(craft.tcp(VIP, end, flags, 0 if "R" in flags else 5000, 1001))
            made += [craft.tcp(end, VIP, "A", 1001, 5001)] if "R" not in flags else []
    return made


def test_a_real_server_that_never_answers(tmp_path):
    """Named with its connections, while the other one answers; where both do all is well."""
    found = judged(tmp_path, opened(12, silent=(1,)), "answered")
    assert found.holds is False and found.failure.detail.endswith(" of web answered none of 6 connections")
    assert judged(tmp_path, opened(12), "answered").holds


def test_a_real_server_that_refuses(tmp_path):
    """One packet each way and no more."""
    found = judged(tmp_path, opened(12, "RA"), "answered")
    assert found.holds is False and found.failure.detail.count("it refuses them (RST), or is not heard") == 2


@pytest.mark.parametrize(
    ("made", "why"), [(opened(12, silent=(0, 1)), "default gateway"), (opened(2, silent=(0, 1)), "nothing to judge")]
)
def test_a_capture_without_answers(tmp_path, made, why):
    """It may have one side only: not judged, and why."""
    found = judged(tmp_path, made, "answered")
    assert found.holds is None and why in found.unjudged


def test_answers_that_stray_are_not_missing(tmp_path):
    """They reached another worker: home is broken, not the real servers."""
    strayed = ("workers=4", "flow_director.enabled=false")
    assert judged(tmp_path, opened(24), "answered", ONE_WORKER, *strayed).holds is not False


def test_a_real_server_that_gets_nothing(tmp_path):
    """Persistence over a network of clients keeps them all at one real server."""
    text = ONE_WORKER.replace('scheduler = "rr"', 'scheduler = "rr"\npersistent = { netmask = 24 }')
    found = judged(tmp_path, opened(80), "even", text)
    assert found.holds is False and "has 0 of 80 connections" in found.failure.detail
    assert "of a network of the mask, stay together" in found.failure.detail
    assert judged(tmp_path, opened(80), "even").holds


def test_thresholds_and_quic_are_no_alarm(tmp_path):
    """What fills up or goes by connection IDs is not even, and need not be."""
    text = ONE_WORKER.replace('"192.168.100.3:8080"', '"192.168.100.3:8080"\nmax_conn = 2')
    assert judged(tmp_path, opened(80), "even", text).holds
