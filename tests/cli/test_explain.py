"""`lbreplay explain` on the command line."""

import json
from pathlib import Path

import pytest
from lab.made_capture import TEXT, VIP, capture, client

from lbreplay.cli import status


@pytest.fixture
def given(tmp_path):
    """The arguments of a capture and its configuration."""
    (tmp_path / "lb.toml").write_text(TEXT)
    return [capture(tmp_path), "-c", str(tmp_path / "lb.toml")]


def test_a_frame(given, capsys):
    """The tree of one frame."""
    assert status(["explain", *given, "-n", "3"]) == 0
    assert capsys.readouterr().out.startswith("frame 3  172.16.0.1:3000 > 10.0.0.100:80 tcp ACK")


def test_a_flow(given, capsys):
    """The first frame of a flow; the numbers of the others are in the JSON."""
    assert status(["explain", *given, "--flow", f"{client(2)} > {VIP}", "--format", "json"]) == 0
    story = json.loads(capsys.readouterr().out)
    assert (story["frame"]["n"], story["flow_frames"]) == (5, [5, 7, 8])


def test_a_conversation(given, capsys):
    """For people, a line a frame of both directions."""
    assert status(["explain", *given, "--flow", f"{client(2)} > {VIP}"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].endswith("4 frames") and [line.split()[0] for line in lines[-4:]] == ["5", "6", "7", "8"]


def test_a_verdict(given, capsys):
    """The whole story of the first frame that ends so."""
    assert status(["explain", *given, "--verdict", "forwarded_fast", "--brief"]) == 0
    assert capsys.readouterr().out.startswith("frame 2 ")


def test_standard_input(given, capsys, standard_input):
    """`-` may be read twice."""
    standard_input(Path(given[0]).read_bytes())
    assert status(["explain", "-", *given[1:], "-n", "1", "--brief"]) == 0
    assert "frame 1" in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments, line",
    [
        (["-n", "97"], "in.pcap: frame 97: 1 to 96 expected"),
        (["--flow", "9.9.9.9:9 > 8.8.8.8:8"], "in.pcap: flow 9.9.9.9:9 > 8.8.8.8:8: none of its frames is here"),
        (["--flow", "nonsense"], "--flow: \"10.0.0.5:4000 > 192.0.2.10:80\" expected, got 'nonsense'"),
        (["--verdict", "no_dst"], "got 'no_dst', did you mean no_dest?"),
        (["--verdict", "no_dest"], "in.pcap: no frame ends as no_dest; there are forwarded_fast 72"),
        (["-n", "1", "--verdict", "no_dest"], "one of them"),
        ([], "one of them"),
        (["-n", "1", "--flow", "x"], "one of them"),
        (["-n", "0"], "-n"),
    ],
)
def test_refused(given, capsys, arguments, line):
    """One line, exit 2."""
    assert status(["explain", *given, *arguments]) == 2
    error = capsys.readouterr().err
    assert line in error and error.count("\n") == 1
