"""Cases written: complete, alone, and hidden without losing what they show."""

import pytest
from lab.gen.made_scene import TEXT, scene

from lbreplay.cli.inside import run_inside
from lbreplay.errors import ConfigError
from lbreplay.lab import case_folder
from lbreplay.lab.case_folder import Content
from lbreplay.lab.fields import frames
from lbreplay.lab.gen.connections import life
from lbreplay.lab.gen.stage import INFO
from lbreplay.lab.golden import How, run_case


def content(tmp_path, **more):
    """A connection's life."""
    made = scene()
    life(made, made.setup.services[1])
    return Content(INFO, made.stage.capture, TEXT, tmp_path, "A life.", **more)


def test_a_case_holds_as_soon_as_it_is_made(tmp_path):
    """With its stories, where they are asked for; an empty folder may be there."""
    (tmp_path / "case").mkdir()
    outcome = case_folder.make(tmp_path / "case", content(tmp_path, stories=True), run_inside)
    assert outcome.holds and (tmp_path / "case" / "expected" / "stories.jsonl").exists()
    assert run_case("case", tmp_path / "case", run_inside).holds
    assert [f.data for f in frames(str(tmp_path / "case" / "in.pcap"))] == [f.data for f in content(tmp_path).frames]


def test_another_story_is_told(tmp_path):
    """What became of a frame is compared, frame by frame."""
    case_folder.make(tmp_path / "case", content(tmp_path, stories=True), run_inside)
    stories = tmp_path / "case" / "expected" / "stories.jsonl"
    stories.write_text(stories.read_text().replace('"NORMAL"', '"ONEWAY"', 1))
    (problem,) = run_case("case", tmp_path / "case", run_inside).problems
    assert problem.startswith("frame ") and "state: expected" in problem
    assert run_case("case", tmp_path / "case", run_inside, How(update=True)).holds


def test_what_is_used_is_left_alone(tmp_path):
    """A folder with something in it is refused, and what is in it stays."""
    (tmp_path / "mine").write_text("mine")
    with pytest.raises(ConfigError, match="there already"):
        case_folder.make(tmp_path, content(tmp_path), run_inside)
    assert (tmp_path / "mine").read_text() == "mine"


def test_nothing_is_left_of_what_cannot_be_made(tmp_path):
    """A configuration that is refused leaves no folder."""
    broken = Content(INFO, content(tmp_path).frames, "workers = 0\n", tmp_path)
    with pytest.raises(ConfigError):
        case_folder.make(tmp_path / "case", broken, run_inside)
    assert not (tmp_path / "case").exists()


def test_hidden_and_still_the_same(tmp_path):
    """The first key that keeps what is shown is taken; where none does, a note says what changed."""
    tried = []

    def shown(folder):
        tried.append(folder)
        return len(tried) if len(tried) < 4 else 1

    keys = (b"a", b"b", b"c", b"d")
    outcome = case_folder.make_hidden(tmp_path / "case", content(tmp_path), run_inside, keys, shown)
    assert not outcome.warnings and len(tried) == 4
    assert "203.0.113" not in (tmp_path / "case" / "lb.toml").read_text()
    tried.clear()
    outcome = case_folder.make_hidden(tmp_path / "other", content(tmp_path), run_inside, (b"a",), shown)
    assert outcome.warnings == ["anonymised, the case shows 2; before 1"]
