"""The same capture under many settings."""

from pathlib import Path

import pytest
from lab.made_capture import capture, setup

from lbreplay.errors import CaptureError, ConfigError
from lbreplay.journey import replay
from lbreplay.lab.sweep import axis, badness, numbers, row, settings, strategies, sweep
from lbreplay.stats import Result


def made(axes):
    return settings(axes, lambda sets: setup(*sets))


def swept(tmp_path, *axes, sets=(), **more):
    wanted = settings(axes, lambda given: setup(*sets, *given))
    return sweep(capture(tmp_path), wanted, jobs=more.pop("jobs", 2), **more).document


@pytest.mark.parametrize(
    "text, found", [("1..4", "1 2 3 4"), ("2,4,8", "2 4 8"), ("1..3,8", "1 2 3 8"), ("1..9..4", "1 5 9"), ("7", "7")]
)
def test_numbers(text, found):
    """Ranges, steps and lists."""
    assert numbers(text, "--workers") == found.split()


@pytest.mark.parametrize("text", ["", "a", "4..1", "1..", "-1", "1,,2"])
def test_numbers_refused(text):
    """What is no number is refused with an example."""
    with pytest.raises(ConfigError, match=r"--workers: 1\.\.16 or 2,4,8 expected"):
        numbers(text, "--workers")


def test_strategies():
    """Each name makes its setup; redirect is no rules but redirect."""
    axes = strategies(["port-low", "redirect", "rss-port+redirect"])
    plain, redirect, both = (one.setup for one in made([axes]))
    assert (plain.flow_director.strategy, plain.conn.redirect) == ("port-low", False)
    assert (redirect.flow_director.enabled, redirect.conn.redirect) == (False, True)
    assert (both.flow_director.strategy, both.conn.redirect) == ("rss-port", True)
    for wrong in ("port", "port-low+x", "redirect+redirect"):
        with pytest.raises(ConfigError, match=r"--strategy: port-low, .*redirect expected"):
            strategies([wrong])


def test_the_product():
    """Every combination, named by its values."""
    found = made([axis("workers", "workers", ["1", "2"]), axis("rss", "device.rss", ["ip", "tcp"])])
    assert [tuple(one.values.values()) for one in found] == [("1", "ip"), ("1", "tcp"), ("2", "ip"), ("2", "tcp")]
    with pytest.raises(ConfigError, match="workers"):
        made([axis("workers", "workers", ["many"])])


def test_a_row_is_what_a_replay_counts(tmp_path):
    """Parsed once, steered as often as there are settings: the same numbers as replays one by one."""
    axes = [axis("workers", "workers", ["1", "3", "4"]), strategies(["port-low", "off", "redirect"])]
    rows = {tuple(one["setting"].values()): one for one in swept(tmp_path, *axes)["rows"]}
    for one in made(axes):
        expected = row(replay(one.setup, capture(tmp_path), None))
        assert {k: v for k, v in rows[tuple(one.values.values())].items() if k != "setting"} == expected


def test_a_setting_that_parses_otherwise(tmp_path):
    """Where the port has another MAC address, the shared columns do not serve."""
    rows = swept(tmp_path, axis("mac", "device.mac", ['"02:70:63:61:70:00"', '"02:00:00:00:00:77"']))["rows"]
    transmitted = {one["setting"]["mac"]: one["transmitted"] for one in rows}
    assert transmitted['"02:70:63:61:70:00"'] > 0 == transmitted['"02:00:00:00:00:77"']


def test_best_first(tmp_path):
    """Strayed answers weigh more than missed ports, those more than the busiest worker's load."""
    rows = swept(tmp_path, strategies(["off", "redirect", "port-low"]))["rows"]
    assert [one["setting"]["strategy"] for one in rows] == ["port-low", "redirect", "off"]
    keys = [badness(one) for one in rows]
    assert keys == sorted(keys)


def test_a_sweep_over_drivers_compares_what_they_hold(tmp_path):
    """A NIC without rules strays, also where the axis is spelled by its key; an imagined rule is counted."""
    for name, one in (("driver", axis("driver", "device.driver", ["mlx5", "virtio"])),
                      ("key", axis("key", "device.driver", ["mlx5", "virtio"]))):  # fmt: skip
        rows = {row["setting"][name]: row for row in swept(tmp_path, one)["rows"]}
        assert rows["virtio"]["wrong_worker"] > 0 == rows["mlx5"]["wrong_worker"]
        assert rows["virtio"]["imagined_rules"] == 0
    rows = swept(tmp_path, axis("workers", "workers", ["1", "4"]), sets=("device.driver=virtio",))["rows"]
    assert [(row["setting"]["workers"], row["imagined_rules"]) for row in rows] == [("1", 0), ("4", 8)]


def test_numbers_of_a_row():
    """Imbalance is the greatest over the mean; a handed-over frame works two workers."""
    worker = {"wrong_worker": 0, "sa_pool": {"miss": 1}, "conns": {"created": 2}}
    workers = [
        {**worker, "worker": 0, "ipackets": 30, "redirected": {"in": 0, "out": 5}},
        {**worker, "worker": 1, "ipackets": 10, "redirected": {"in": 25, "out": 0}},
        {**worker, "worker": None, "ipackets": 99, "redirected": {"in": 0, "out": 0}},
    ]
    totals = dict.fromkeys(("transmitted", "to_kernel", "dropped"), 0)
    found = row(Result({}, {}, totals, workers, [], [], {}, None))
    assert (found["imbalance"], found["busiest"], found["redirected"], found["port_missed"]) == (1.5, 35, 5, 2)
    assert found["by_worker"] == [30, 10]


def test_a_damaged_capture(tmp_path):
    """What was good before the damage is swept; the damage is told."""
    path = Path(capture(tmp_path))
    path.write_bytes(path.read_bytes() + b"\xff" * 40)
    found = sweep(str(path), made([axis("workers", "workers", ["1"])]), jobs=1)
    assert found.document["frames"] == 96 and "offset" in str(found.damage) and found.warnings == []


def test_empty_capture(tmp_path):
    """Nothing to sweep over is an error."""
    with pytest.raises(CaptureError, match="no packet in it"):
        sweep(capture(tmp_path, []), made([axis("workers", "workers", ["1"])]), jobs=1)
