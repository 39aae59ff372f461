"""A case is made of the frames asked for, and holds as soon as it is made."""

from __future__ import annotations

from pathlib import Path

import packets
import pytest

from lbreplay.cli.inside import run_inside
from lbreplay.errors import ConfigError
from lbreplay.lab.fields import dissect, endpoints, frames
from lbreplay.lab.golden import run_case
from lbreplay.lab.new_case import Wish, flow_of, make, spans_of

CASE = packets.GOLDEN / "workers_4"
CAPTURE = str(next(CASE.glob("in.pcap*")))
CONFIG = (CASE / "lb.toml").read_text()


def wish(**more: object) -> Wish:
    return Wish(CAPTURE, CONFIG, CASE, "rx", **more)  # type: ignore[arg-type]


def numbers(folder: Path) -> int:
    return sum(1 for _ in frames(str(folder / "in.pcap")))


def test_a_whole_capture(tmp_path: Path) -> None:
    make(tmp_path / "new", wish(), run_inside)
    assert numbers(tmp_path / "new") == 166
    assert run_case("new", tmp_path / "new", run_inside).holds
    assert [f.data for f in frames(str(tmp_path / "new" / "expected" / "out.pcap"))] == [
        f.data for f in frames(str(next((CASE / "expected").glob("out.pcap*"))))
    ]


def test_some_frames(tmp_path: Path) -> None:
    make(tmp_path / "new", wish(spans=((1, 10), (20, 20))), run_inside)
    kept = [f.data for f in frames(str(tmp_path / "new" / "in.pcap"))]
    whole = [f.data for f in frames(CAPTURE)]
    assert kept == [*whole[:10], whole[19]]


def test_a_flow_brings_both_sides_of_its_connection(tmp_path: Path) -> None:
    first = next(frames(CAPTURE))
    make(tmp_path / "new", wish(flows=(endpoints(first),)), run_inside)
    kept = list(frames(str(tmp_path / "new" / "in.pcap")))
    ends = {endpoints(f) for f in kept}
    assert endpoints(first) in ends and len(ends) == 2 and len(kept) < 20


def test_hidden_cases_hold_and_hide(tmp_path: Path) -> None:
    make(tmp_path / "new", wish(keys=(b"key",)), run_inside)
    assert run_case("new", tmp_path / "new", run_inside).holds
    text = (tmp_path / "new" / "lb.toml").read_text()
    assert "192.168.100" not in text and "10.0.0.100" not in text
    old, new = (sum("seq" in dissect(f) for f in frames(p)) for p in (CAPTURE, str(tmp_path / "new" / "in.pcap")))
    assert old == new
    payloads = {dissect(f).get("payload", "-").strip("0") for f in frames(str(tmp_path / "new" / "in.pcap"))}
    assert payloads <= {"", "-"}


def test_lists_in_files_come_along(tmp_path: Path) -> None:
    (tmp_path / "bad.txt").write_text("172.16.0.1\n")
    config = CONFIG.replace('vip = "10.0.0.100:80"', 'vip = "10.0.0.100:80"\nblacklist = ["@bad.txt"]')
    asked = Wish(CAPTURE, config, tmp_path, "rx")
    make(tmp_path / "new", asked, run_inside)
    assert (tmp_path / "new" / "list1.txt").read_text() == "172.16.0.1\n"
    assert '"@list1.txt"' in (tmp_path / "new" / "lb.toml").read_text()


def test_settings_become_arguments_of_the_case(tmp_path: Path) -> None:
    make(tmp_path / "new", wish(args=("--set", "workers=2")), run_inside)
    assert 'args = ["--set", "workers=2"]' in (tmp_path / "new" / "case.toml").read_text()


@pytest.mark.parametrize(
    "asked, said",
    [
        (wish(flows=(frozenset({"9.9.9.9:1", "8.8.8.8:2"}),)), "no frame is of the flows and numbers asked for"),
        (Wish(CAPTURE, "workers = -1", CASE, "rx"), "workers"),
    ],
)
def test_a_wish_that_cannot_be_leaves_nothing_behind(tmp_path: Path, asked: Wish, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        make(tmp_path / "new", asked, run_inside)
    assert not (tmp_path / "new").exists()


def test_a_folder_that_is_there_is_left_alone(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there already"):
        make(tmp_path, wish(), run_inside)


@pytest.mark.parametrize("text", ["10.0.0.1:1 > 10.0.0.2:2", "10.0.0.2:2>10.0.0.1:1", "10.0.0.1:1 - 10.0.0.2:2"])
def test_a_flow_is_two_ends(text: str) -> None:
    assert flow_of(text) == {"10.0.0.1:1", "10.0.0.2:2"}


def test_frame_numbers() -> None:
    assert spans_of("1-200,305") == [(1, 200), (305, 305)]


@pytest.mark.parametrize("text", ["", "0", "5-2", "a", "1-"])
def test_wrong_frame_numbers(text: str) -> None:
    with pytest.raises(ConfigError, match="frame numbers like"):
        spans_of(text)


def test_a_wrong_flow() -> None:
    with pytest.raises(ConfigError, match="--flow"):
        flow_of("10.0.0.1:80")
