"""The story of a frame as a tree."""

import io

from lab.made_capture import capture, setup

from lbreplay.lab.explain import explain
from lbreplay.report.explain import as_json, show
from lbreplay.report.tables import console


def printed(tmp_path, n, *sets, brief=False, color="never"):
    out = io.StringIO()
    show(explain(setup(*sets), capture(tmp_path), n), console(out, color), brief)
    return out.getvalue()


def test_a_branch_a_question(tmp_path):
    """Steering, tables, service, local address, connection, verdict, what was sent, the answer: in this order."""
    text = printed(tmp_path, 1)
    words = ("frame 1", "steering", "rules", "hash", "table  entry", "tables  asked", "service  web", "scheduler wlc")
    words += ("local address, bucket", "conn 1  new", "verdict  forwarded_slow", "sent as #1", "will come to worker")
    places = [text.index(word) for word in words]
    assert places == sorted(places)
    assert all(len(line) == len(line.rstrip()) for line in text.splitlines()), "no blanks at the end of a line"


def test_changed_fields_are_marked(tmp_path):
    """A star and both values; what did not change has one."""
    lines = [line.lstrip("│├└─ ") for line in printed(tmp_path, 1).splitlines()]
    assert "* src       172.16.0.1 -> 192.168.100.200" in lines
    assert "window    8192" in lines


def test_brief(tmp_path):
    """Without the bytes."""
    assert "window" not in printed(tmp_path, 1, brief=True)


def test_bits(tmp_path):
    """The bits that a rule compares stand out where there is colour."""
    text = printed(tmp_path, 2, color="always")
    assert "\x1b[1;4m" in text
    assert "\x1b[" not in printed(tmp_path, 2)


def test_a_strayed_answer(tmp_path):
    """Who has the connection and was not asked."""
    sets = ("flow_director.dst_port_mask=0",)
    texts = [printed(tmp_path, n, *sets) for n in (2, 6, 10, 14)]
    text = next(text for text in texts if "nothing" in text)
    assert "was not asked, but has conn" in text and "redirect is off" in text
    assert "received as  192.168.100." in text


def test_json(tmp_path):
    """For programs."""
    assert as_json(explain(setup(), capture(tmp_path), 1)).endswith("}\n")
