"""Counting by columns equals counting by hand, and what is counted adds up."""

from __future__ import annotations

import random
from collections import Counter

import pytest
from made_result import CAPTURE, columns, result, setup

from lbreplay.burst import Made
from lbreplay.stats import Counters, find
from lbreplay.verdict import NAMES, Verdict


def test_document_has_the_keys_of_the_contract_in_order() -> None:
    document = result().document()
    assert list(document) == ["schema", "tool", "capture", "setup", "totals", "workers", "services"]
    assert list(document["workers"][0]) == [
        *("worker", "cpu_id", "queues", "ipackets", "ibytes", "opackets", "obytes", "steered", "lookup"),
        *("wrong_worker", "conns", "sa_pool", "redirected", "generated", "to_kernel", "dropped", "verdicts"),
    ]
    assert document["setup"] == {
        "workers": 2,
        "driver": "ixgbe",
        "rss": "all",
        "strategy": "port-low",
        "dst_port_mask": 1,
        "seed": 0,
        "view": "client",
    }


def test_frames_received_and_sent_count_on_their_own_workers() -> None:
    first, second = result().document()["workers"]
    assert (first["ipackets"], first["ibytes"], first["opackets"], first["obytes"]) == (2, 200, 2, 208)
    assert (second["ipackets"], second["opackets"], second["obytes"], second["generated"]) == (3, 2, 154, 1)
    assert second["steered"] == {"flow_director": 1, "rss": 2, "default": 0}
    assert second["lookup"] == {"in": 0, "out": 1, "miss": 2} and second["wrong_worker"] == 1
    assert (second["to_kernel"], second["dropped"]) == (1, 1)


def test_totals_are_the_sum_of_the_workers_and_the_ignored() -> None:
    totals = result().totals
    assert totals["frames"] == 6 and totals["received"] == 5 and totals["ignored"] == 1
    assert (totals["transmitted"], totals["to_kernel"], totals["dropped"]) == (3, 1, 1)
    assert (totals["written"], totals["generated"]) == (4, 1)
    assert totals["verdicts"]["reply_without_conn"] == 1


def test_a_redirected_frame_counts_out_where_it_came_in_and_in_where_it_went() -> None:
    counters = Counters(setup(3))
    counters.add(columns([{"worker_index": 2, "redirected": 0, "owner": 0, "leaving": True, "wrong_worker": True}]))
    workers = counters.result({}, CAPTURE).workers
    assert [w["redirected"] for w in workers] == [{"in": 1, "out": 0}, {"in": 0, "out": 0}, {"in": 0, "out": 1}]
    assert [w["opackets"] for w in workers] == [1, 0, 0]


def test_a_kni_worker_receives_and_has_no_rank() -> None:
    counters = Counters(setup(1, kni=True))
    counters.add(columns([{"worker_index": 1, "verdict": Verdict.KERNEL_ROUTE, "lookup": 0, "owner": -1}]))
    kni = counters.result({}, CAPTURE).workers[1]
    assert kni["worker"] is None and kni["ipackets"] == 1 and kni["to_kernel"] == 1


def test_a_frame_without_a_verdict_is_a_broken_promise() -> None:
    counters = Counters(setup())
    counters.add(columns([{"verdict": 255}]))
    with pytest.raises(AssertionError, match="without a verdict"):
        counters.result({}, CAPTURE)


@pytest.mark.parametrize("chance", range(5))
def test_random_bursts_add_up_and_agree_with_a_plain_count(chance: int) -> None:
    rng, counters, plain = random.Random(chance), Counters(setup(4)), Counter[tuple[int, str]]()
    for _ in range(rng.randrange(1, 6)):
        rows = []
        for _ in range(rng.randrange(60)):
            code = rng.randrange(len(NAMES))
            worker = -1 if Verdict(code).fate.label == "ignored" else rng.randrange(4)
            plain[worker, NAMES[code]] += 1
            rows.append({"verdict": code, "worker_index": worker, "lookup": rng.randrange(4), "by": rng.randrange(3)})
        made = [Made(0, 0, b"", rng.randrange(2000), 0, rng.randrange(4), rng.random() < 0.5) for _ in range(9)]
        counters.add(columns(rows, made))
    counted = counters.result({}, CAPTURE)
    for index, worker in enumerate(counted.workers):
        assert worker["verdicts"] == {name: n for (w, name), n in plain.items() if w == index}
    fates = ("transmitted", "to_kernel", "dropped", "held", "consumed", "ignored")
    assert counted.totals["frames"] == sum(counted.totals[fate] for fate in fates) == sum(plain.values())
    assert counted.totals["received"] == sum(w["ipackets"] for w in counted.workers)
    assert counted.totals["written"] == sum(w["opackets"] for w in counted.workers)
    assert all(w["ipackets"] == sum(w["steered"].values()) for w in counted.workers)


def test_find_names_entries_of_lists_and_takes_the_longest_name() -> None:
    document = result().document()
    assert find(document, "services.web.reals.10.0.0.1:80.conns") == 2
    assert find(document, "workers.1.conns.peak") == 2
    assert find(document, "totals.verdicts.forwarded_fast") == 2


@pytest.mark.parametrize("path", ["services.dns.conns", "totals.frames.x", "workers.7", "nothing"])
def test_find_says_which_part_is_missing(path: str) -> None:
    with pytest.raises(KeyError):
        find(result().document(), path)
