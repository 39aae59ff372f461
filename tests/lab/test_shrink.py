"""A needle out of a haystack."""

from pathlib import Path

import numpy as np
import pytest
from lab.gen.made_scene import TEXT, scene

from lbreplay.config.load import load as load_file
from lbreplay.errors import ConfigError
from lbreplay.lab import shows
from lbreplay.lab.case_folder import write_capture
from lbreplay.lab.fields import frames
from lbreplay.lab.gen import frames as bytes_of
from lbreplay.lab.gen.connections import life, timeouts
from lbreplay.lab.gen.stage import INFO
from lbreplay.lab.shrink import Asked, Search

SAMPLES = Path(__file__).parents[2] / "samples"


def load(path):
    return load_file(str(path), view="client")


def searched(tmp_path, capture, condition, text=TEXT, **more):
    """The search and what it found."""
    search = Search(Asked(capture, text, tmp_path), tmp_path, load, **more)
    return search, search.run(condition)


def capture_of(tmp_path, play):
    """A capture of what *play* puts on a stage."""
    made = scene()
    play(made)
    write_capture(tmp_path / "given.pcap", INFO, made.stage.capture)
    return tmp_path / "given.pcap"


def test_one_planted_fault(tmp_path):
    """A lie about the header inside a connection: the connection's first packet and the lie are left, without payload,
    and what they need of the configuration."""

    def play(made):
        for service in made.setup.services:
            life(made, service)
        talk = made.opened(made.setup.services[0], 1)
        lie = bytes_of.tcp(talk.client, talk.virtual, "PA", 9, 9, b"payload")
        made.stage.packet(bytes_of.resummed(lie, 32, b"\xf0"))
        life(made, made.setup.services[0])

    condition = shows.Verdict("l4_handler_error", load)
    search, found = searched(tmp_path, capture_of(tmp_path, play), condition)
    assert len(found.frames) == 2 and "2 of" in found.description
    assert len(found.config.splitlines()) < len(TEXT.splitlines()) / 2 and '"dns"' not in found.config
    for gone in range(2):
        write_capture(tmp_path / "in.pcap", INFO, [f for n, f in enumerate(found.frames) if n != gone])
        (tmp_path / "lb.toml").write_text(found.config)
        assert condition.shown(tmp_path / "in.pcap", tmp_path / "lb.toml", np.arange(1, 9)) is None
    assert search.tries < 100


def test_pauses_stay_where_timers_need_them(tmp_path):
    """A connection that is gone when its client speaks again."""
    capture = capture_of(tmp_path, lambda made: timeouts(made, made.setup.services[0]))
    _, found = searched(tmp_path, capture, shows.SameFrame(46, capture, _config(tmp_path), load))
    gaps = [b.time_ns - a.time_ns for a, b in zip(found.frames, found.frames[1:], strict=False)]
    assert found.frames and all(gap <= 1_000_000 or gap > 10**9 for gap in gaps)


def _config(tmp_path):
    (tmp_path / "lb.toml").write_text(TEXT)
    return tmp_path / "lb.toml"


def test_what_does_not_hold_at_the_start(tmp_path):
    """One sentence."""
    capture = capture_of(tmp_path, lambda made: life(made, made.setup.services[1]))
    with pytest.raises(ConfigError, match="not shown at the start: A frame that ends as ospf"):
        searched(tmp_path, capture, shows.Verdict("ospf", load))


def test_a_search_that_is_stopped_has_its_best(tmp_path):
    """By time, and by hand."""
    capture = capture_of(tmp_path, lambda made: life(made, made.setup.services[0]))
    search, found = searched(tmp_path, capture, shows.Verdict("forwarded_fast", load), seconds=0)
    assert not search.interrupted and found.frames

    class Interrupting(shows.Verdict):
        left = 4

        def shown(self, *given):
            self.left -= 1
            if not self.left:
                raise KeyboardInterrupt
            return super().shown(*given)

    search, found = searched(tmp_path, capture, Interrupting("forwarded_fast", load))
    assert search.interrupted and 0 < len(found.frames) < 112


def test_assignments_become_part_of_the_configuration(tmp_path):
    """And go where they are not needed."""
    capture = capture_of(tmp_path, lambda made: life(made, made.setup.services[0]))
    search = Search(Asked(capture, TEXT, tmp_path, ("workers=2", "tcp.toa=false")), tmp_path, load)
    found = search.run(shows.Verdict("forwarded_slow", load))
    assert len(found.frames) == 1 and "toa" not in found.config
    with pytest.raises(ConfigError, match=r"--set tcp\.nobody=1"):
        Search(Asked(capture, TEXT, tmp_path, ("tcp.nobody=1",)), tmp_path, load)


def test_a_large_capture(tmp_path):
    """Twenty thousand frames, one of which is too short: one is left."""
    source = SAMPLES / "web.pcap"
    text = (SAMPLES / "web.toml").read_text()
    head, body = source.read_bytes()[:24], source.read_bytes()[24:]
    lie = bytes_of.ip(bytes((198, 51, 100, 1)), bytes((203, 0, 113, 10)), 17, bytes(8))
    frame = bytes_of.frame(lie[:2] + b"\x7f\xff" + lie[4:], bytes(6), bytes(6))
    record = body[:8] + len(frame).to_bytes(4, "little") * 2 + frame
    (tmp_path / "given.pcap").write_bytes(head + body * 10 + record + body * 6)
    search, found = searched(tmp_path, tmp_path / "given.pcap", shows.Verdict("l3_truncated", load), text)
    assert search.total > 20_000 and len(found.frames) == 1 and search.tries < 20


def test_frames_keep_their_bytes(tmp_path):
    """What is left is what was there, where no payload goes."""
    capture = capture_of(tmp_path, lambda made: life(made, made.setup.services[0]))
    _, found = searched(tmp_path, capture, shows.Verdict("forwarded_fast", load))
    assert {f.data for f in found.frames} <= {f.data for f in frames(str(capture))}
