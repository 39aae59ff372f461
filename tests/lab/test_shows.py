"""What a capture may show, and which frame shows it."""

import numpy as np
import pytest
from lab.gen.made_scene import TEXT, scene

from lbreplay.config.load import load as load_file
from lbreplay.errors import ConfigError
from lbreplay.journey import replay
from lbreplay.lab import shows
from lbreplay.lab.case_folder import write_capture
from lbreplay.lab.gen.connections import life
from lbreplay.lab.gen.stage import INFO

ALL = np.arange(1, 10_000)


def load(path):
    """A configuration, with the view of these tests."""
    return load_file(str(path), view="rx")


@pytest.fixture
def case(tmp_path):
    """Lives of one service, a datagram from nowhere among them, and the configuration."""
    made = scene(view="rx")
    life(made, made.setup.services[1])
    made.stage.frame(b"\0" * 10)
    life(made, made.setup.services[0])
    write_capture(tmp_path / "in.pcap", INFO, made.stage.capture)
    (tmp_path / "lb.toml").write_text(TEXT)
    return tmp_path / "in.pcap", tmp_path / "lb.toml", made.stage.verdicts


def test_a_verdict(case):
    """The first frame that ends so; none; and a name that nobody has."""
    capture, config, verdicts = case
    assert shows.Verdict("truncated", load).shown(capture, config, ALL) == verdicts.index("truncated") + 1
    assert shows.Verdict("ospf", load).shown(capture, config, ALL) is None
    with pytest.raises(ConfigError, match="nearest is 'truncated'"):
        shows.Verdict("trunkated", load)


def test_a_property(case):
    """Answers do not come home where the mask is wrong."""
    capture, config, _ = case
    assert shows.Broken("home", load).shown(capture, config, ALL) is None
    config.write_text(TEXT + "[flow_director]\ndst_port_mask = 1\n")
    assert shows.Broken("home", load).shown(capture, config, ALL)
    with pytest.raises(ConfigError):
        shows.Broken("hom", load)


def test_a_frame_that_ends_and_leaves_as_it_does(case):
    """Whatever its number is by now."""
    capture, config, verdicts = case
    number = verdicts.index("truncated") + 2
    same = shows.SameFrame(number, capture, config, load)
    assert same.needs == number and same.shown(capture, config, ALL) == number
    config.write_text(TEXT.replace("198.18.0.1:8080", "198.18.0.9:8080").replace("198.18.0.2:8080", "198.18.0.8:8080"))
    assert same.shown(capture, config, ALL) is None


def test_another_configuration(case, tmp_path):
    """The first frame that leaves otherwise."""
    capture, config, verdicts = case
    other = tmp_path / "other.toml"
    other.write_text(TEXT)
    assert shows.Differs(other, load).shown(capture, config, ALL) is None
    other.write_text(TEXT + "[tcp]\nisn_offset = 5\n")
    first = shows.Differs(other, load).shown(capture, config, ALL)
    assert first is not None and first > verdicts.index("truncated")


def test_an_older_out(case, tmp_path):
    """The first frame whose packets it does not have."""
    capture, config, _ = case
    replay(load(config), str(capture), str(tmp_path / "old.pcap"))
    with pytest.raises(ConfigError, match="everything leaves as it did"):
        shows.against(tmp_path / "old.pcap", capture, config, load, tmp_path)
    config.write_text(TEXT + "[udp]\nuoa_max_trail = 1\n")
    found = shows.against(tmp_path / "old.pcap", capture, config, load, tmp_path)
    assert found.needs and found.sentence.startswith("Not as in old.pcap: A frame")


def test_a_command(case):
    """Exit status 1, and no other, in the folder of both files."""
    capture, config, _ = case
    assert shows.Command("test -e in.pcap && test -e lb.toml && exit 1").shown(capture, config, ALL) == 0
    assert shows.Command("exit 2").shown(capture, config, ALL) is None
    assert shows.Command("true").shown(capture, config, ALL) is None
