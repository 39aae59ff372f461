"""A journal counts every frame once, whatever the length of the capture, and forgets no total."""

from __future__ import annotations

import craft
import pytest
from lab.made_capture import VIP, capture, client, setup

from lbreplay.journey import replay
from lbreplay.lab import journal as module
from lbreplay.lab.journal import BINS, SAMPLES, Journal


def looked(tmp_path, made=None, **more):
    journal = Journal()
    result = replay(setup(**more)._replace(burst_size=8), capture(tmp_path, made), None, watch=journal)
    return journal.document(), result


def total(ways, of="frames"):
    return sum(number for way in ways for _, number in way[of])


def test_every_frame_is_counted_once(tmp_path):
    """By verdict, by worker and in bytes as the statistics say."""
    found, result = looked(tmp_path)
    assert total(found["ways"]) == result.totals["frames"]
    assert total(found["ways"], "bytes") == result.capture["bytes"]
    for worker in result.workers:
        ways = [way for way in found["ways"] if way["worker"] == worker["worker"]]
        assert total(ways) == worker["ipackets"]
    for name, count in result.totals["verdicts"].items():
        assert total([way for way in found["ways"] if way["verdict"] == name]) == count


def test_services_are_told_apart(tmp_path):
    """Frames to and from the virtual address are the service's, others nobody's."""
    found, _ = looked(tmp_path, [craft.syn(client(1), VIP), craft.tick(), craft.syn(client(1), "10.9.9.9:80")])
    assert {way["service"] for way in found["ways"]} == {"web", None}


@pytest.mark.parametrize("step", [1, 10**6, 10**15])
def test_bins_become_wider(tmp_path, step):
    """However long the capture lasts there are no more bins, and samples, than that; the totals stay."""
    frames = [(craft.START + n * step, 74, craft.syn(client(n), VIP)) for n in range(1, 600)]
    found, result = looked(tmp_path, frames)
    assert total(found["ways"]) == result.totals["frames"] and 0 < found["bins"] <= BINS
    assert len(found["samples"]["s"]) <= 2 * SAMPLES + 1
    assert all(bin_ < found["bins"] for way in found["ways"] for bin_, _ in way["frames"])
    assert found["bin_s"] * found["bins"] >= 598 * step / 1e9


def test_too_many_ways_are_kept_together(tmp_path, monkeypatch):
    """What comes when there are cells enough is still counted, by verdict."""
    monkeypatch.setattr(module, "CELLS", 3)
    found, result = looked(tmp_path)
    assert total(found["ways"]) == result.totals["frames"]
    assert any(way["rest"] for way in found["ways"])


def test_the_last_sample_is_the_end(tmp_path):
    """States at the end are those of the statistics."""
    found, result = looked(tmp_path)
    (web,) = result.services
    last = {real["address"]: real["at"][-1] for real in found["samples"]["reals"]}
    assert last == {real["address"]: [real["conns"], real["inbytes"] + real["outbytes"]] for real in web["reals"]}
    assert found["samples"]["laddrs"][0]["at"][-1][0] == web["laddrs"][0]["used"]
    assert sum(found["reta"]["hits"]) + sum(rule["hits"] for rule in found["rules"]) <= result.totals["frames"]
