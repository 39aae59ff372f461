"""A suite of cases: complete, steady, readable, and worth its name."""

import tomllib

import pytest
from lab.gen.made_scene import TEXT, setup
from lab.gen.mutations import mutations

from lbreplay.cli.inside import run_inside
from lbreplay.errors import ConfigError
from lbreplay.lab.fields import frames
from lbreplay.lab.gen import cases
from lbreplay.lab.golden import run_case
from lbreplay.wire import checksum
from lbreplay.wire.packet import Packet

NOTICED = 45  # of 50 mistakes
FIRST = ("states-in-web", "states-out-web", "timeouts-web", "timeouts-dns", "life-web", "life-dns", "icmp", "sizes-web")


@pytest.fixture(scope="module")
def suite(tmp_path_factory):
    """The folder of a suite for a small balancer."""
    folder = tmp_path_factory.mktemp("gen") / "cases"
    given = cases.Given(setup(), TEXT, folder.parent)
    return folder, cases.make(folder, given, "client", (), run_inside)


def test_the_suite_holds_and_tells(suite):
    """Each case has a sentence, some frames, and holds as soon as it is made."""
    folder, found = suite
    for case in found["cases"]:
        about = tomllib.loads((folder / case["case"] / "case.toml").read_text())
        assert about["description"] == case["description"] and about["stories"] is True
        assert 0 < case["frames"] < 1000
    some = ("life-web", "states-in-dns", "rules", "link")
    assert all(run_case(name, folder / name, run_inside).holds for name in some)


def test_every_worker_rule_and_real_server_is_met(suite):
    """By the statistics of what is expected."""
    folder, _ = suite
    import json

    stats = json.loads((folder / "turnover-web" / "expected" / "stats.json").read_text())
    assert all(worker["conns"]["created"] for worker in stats["workers"])
    assert all(real["conns"] for real in stats["services"][0]["reals"])
    stories = [json.loads(line) for line in (folder / "rules" / "expected" / "stories.jsonl").read_text().splitlines()]
    assert {story["worker"] for story in stories} == {0, 1, 2, 3}


def test_the_same_again(suite, tmp_path):
    """Nothing but the configuration and its seed decides."""
    folder, _ = suite
    given = cases.Given(setup(), TEXT, tmp_path)
    cases.make(tmp_path / "again", given, "client", ("life-web",), run_inside)
    for name in ("in.pcap", "expected/out.pcap", "expected/stats.json", "expected/stories.jsonl"):
        assert (tmp_path / "again" / "life-web" / name).read_bytes() == (folder / "life-web" / name).read_bytes()


def test_checksums_are_right_where_nothing_else_is_meant(suite):
    """Of the frames of a life."""
    folder, _ = suite
    for frame in frames(str(folder / "life-web" / "in.pcap")):
        packet = Packet(frame.data, frame.length)
        assert checksum.verify_ip_header(packet.l3) and checksum.verify_l4(packet.l3, packet.l4_at, packet.proto)


def test_mistakes_are_noticed(suite):
    """Of fifty mistakes in the model at least 45 make a case fail."""
    folder, _ = suite
    missed = [name for name, put in mutations() if not _noticed(folder, put)]
    assert len(mutations()) == 50
    assert len(missed) <= 50 - NOTICED, missed


def _noticed(folder, put):
    with pytest.MonkeyPatch.context() as patch:
        put(patch)
        return any(not run_case(name, folder / name, run_inside).holds for name in FIRST)


def test_what_is_refused(tmp_path):
    """A folder that is used, a configuration that is broken, a name that nobody has; nothing is left behind."""
    (tmp_path / "used").mkdir()
    (tmp_path / "used" / "mine").write_text("")
    given = cases.Given(setup(), TEXT, tmp_path)
    with pytest.raises(ConfigError, match="there already"):
        cases.make(tmp_path / "used", given, "client", (), run_inside)
    with pytest.raises(ConfigError, match="no case has such a name"):
        cases.make(tmp_path / "new", given, "client", ("nobody",), run_inside)
    assert not (tmp_path / "new").exists()
    with pytest.raises(ConfigError, match="mask-narrow"):
        cases.refuse_broken(setup("flow_director.dst_port_mask=1"), "lb.toml")
    cases.refuse_broken(setup("device.driver='virtio'"), "lb.toml")
