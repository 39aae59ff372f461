"""`lbreplay init`: the draft is sound, and the capture replays under it."""

from pathlib import Path

import pytest

from lbreplay.cli import status

GOLDEN = Path(__file__).parents[1] / "golden" / "dpvs"


@pytest.mark.parametrize("case", ["tcp_life", "v6_tcp", "v6_udp", "snat", "nat64", "malformed", "icmp_echo"])
def test_the_draft_passes_doctor_and_replays(case: str, tmp_path: Path) -> None:
    """Whatever is in the capture, doctor finds no error in its draft and run takes it."""
    capture, config = str(next((GOLDEN / case).glob("in.pcap*"))), str(tmp_path / "lb.toml")
    assert status(["init", capture, "-o", config]) == 0
    assert status(["doctor", "-q", "-c", config]) == 0
    assert status(["run", "-q", capture, "-c", config, "-o", str(tmp_path / "out.pcap")]) == 0


def test_options(capsys: pytest.CaptureFixture[str]) -> None:
    """Numbers of real servers, local addresses and workers."""
    case = str(GOLDEN / "tcp_life" / "in.pcap")
    assert status(["init", case, "--reals", "3", "--laddrs", "2", "--workers", "8"]) == 0
    text = capsys.readouterr().out
    assert text.count("[[service.real]]") == 3 and "workers = 8" in text
    assert 'laddr = ["198.19.0.1", "198.19.0.2"]' in text


def test_no_capture(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What is no capture is refused with a line."""
    (tmp_path / "x").write_text("hello, this is text and no capture at all")
    assert status(["init", str(tmp_path / "x")]) == 2
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize("case", ["tcp_life", "v6_udp", "snat", "nat64"])
def test_a_draft_for_the_kernel(case: str, tmp_path: Path) -> None:
    """--profile ipvs: doctor finds no error, and the capture replays under it; --set profile drafts the same."""
    capture, config = str(next((GOLDEN / case).glob("in.pcap*"))), str(tmp_path / "lb.toml")
    assert status(["init", capture, "--profile", "ipvs", "-o", config]) == 0
    assert status(["doctor", "-q", "-c", config]) == 0
    for given, out in ((["-c", config], "a.pcap"), (["--set", "profile=ipvs"], "b.pcap")):
        assert status(["run", "-q", capture, *given, "-o", str(tmp_path / out)]) == 0
    assert (tmp_path / "a.pcap").read_bytes() == (tmp_path / "b.pcap").read_bytes()
