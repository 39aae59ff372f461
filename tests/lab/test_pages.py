"""Documents of pages: the worst in a sentence, examples of paths, and when local ports run out."""

from __future__ import annotations

from types import SimpleNamespace

from lab.made_capture import capture, setup

from lbreplay.journey import replay
from lbreplay.lab import pages
from lbreplay.lab.journal import Journal


def made(tmp_path, *sets):
    journal, path, asked = Journal(), capture(tmp_path), setup(*sets)
    result = replay(asked, path, None, watch=journal)
    return pages.replayed(asked, path, result, journal.document()), result


def test_a_sound_replay(tmp_path):
    """The verdict says what became of the frames, and every example has its story."""
    found, result = made(tmp_path)
    sent, received = (result.totals[name] for name in ("transmitted", "received"))
    assert found["verdict"] == {
        "good": True,
        "text": f"{sent} of {received} received frames were transmitted, none was dropped; every answer came home.",
    }
    assert found["stories"].keys() == set(pages.examples(found["replay"]["journal"]).values())


def test_a_mistake_comes_first(tmp_path):
    """Stray answers are the sentence, the cause and its cure stand below."""
    found, result = made(tmp_path, "flow_director.dst_port_mask=0")
    wrong = sum(worker["wrong_worker"] for worker in result.workers)
    assert not found["verdict"]["good"] and f"{wrong} frames reached a worker" in found["verdict"]["text"]
    assert any(finding["cure"].startswith("flow_director.dst_port_mask") for finding in found["findings"])


def test_ports_that_run_out():
    """At the rate of the second half."""
    at = [[0, 100, 0], [10, 90, 0], [30, 70, 0]]
    samples = {"s": [0.0, 10.0, 20.0], "laddrs": [{"service": "web", "address": "10.1.1.1", "at": at}]}
    assert list(pages.run_out({"samples": samples})) == [
        {"address": "10.1.1.1", "service": "web", "rate": 2.0, "at_s": 55.0}
    ]


def test_cases_with_both_packets():
    """A row a case; one that does not hold opens."""
    good = SimpleNamespace(name="a", holds=True, problems=[], warnings=[], more="", seconds=0.1)
    bad = SimpleNamespace(name="b", holds=False, problems=["packet 1\n  got"], warnings=[], more="explain", seconds=0.2)
    found = pages.tested([good, bad], 0.3, None)
    assert found["verdict"] == {"good": False, "text": "1 of 2 cases hold, in 0.3 s."}
    assert found["tables"][0]["details"] == [{"summary": "b", "text": "packet 1\n  got\nexplain"}]
    assert [row[:2] for row in found["tables"][1]["rows"]] == [["a", "holds"], ["b", "failed"]]


def test_an_audit_of_both_legs_and_one_that_nothing_explains() -> None:
    """Legs have a table of their own; what is not explained is no agreement."""
    both = {"connections": 29, "owned": 29, "home": 14, "first_away": None}
    page = pages.audited({"schema": 1, "agree": {"queue": 0, "hash": 0}, "first_difference": None, "legs": both})
    assert [table["title"] for table in page["tables"]] == ["Connections with both legs"] and page["verdict"]["good"]
    assert not pages.audited({"schema": 1, "solved": None})["verdict"]["good"]
