"""RSS keys and tables: judged, searched, computed."""

import craft
import pytest
from heard import Heard
from lab.made_capture import capture, client, frames, setup

from lbreplay.edge import pace
from lbreplay.errors import CaptureError
from lbreplay.journey import replay
from lbreplay.lab.keys import best_table, document, drawn_flows, flows_of, imbalance, judge, known, search, with_key
from lbreplay.nic.profiles import INTEL_KEY, SYMMETRIC_KEY


def test_flows_are_those_of_clients(tmp_path):
    """What goes to a service counts, by its frames; answers and strangers do not."""
    made = [*frames(10), craft.udp("9.9.9.9:9", "8.8.8.8:8")]
    (found,) = flows_of(capture(tmp_path, made), setup())
    assert len(found.kind) == 10 and found.frames.tolist() == [3] * 10


def test_judged_as_replayed(tmp_path):
    """The spread is that of a replay that only has the clients' frames."""
    made = [frame for n, frame in enumerate(frames()) if n % 4 != 1]
    path = capture(tmp_path, made)
    received = [worker["ipackets"] for worker in replay(setup(), path, None).workers]
    assert judge("", setup(), flows_of(path, setup())).by_worker == received


def test_known(tmp_path):
    """The configured key first, each key once; the symmetric one is known as such."""
    found = known(setup(), flows_of(capture(tmp_path), setup()))
    assert found[0].key == INTEL_KEY and found[0].name.startswith("configured (ixgbe")
    assert len({one.key for one in found}) == len(found)
    assert [one.name for one in found if one.symmetric] == ["symmetric"]


def test_search(tmp_path):
    """More tries are never worse, the seed decides, and a symmetric key is symmetric."""
    flows = flows_of(capture(tmp_path), setup())
    few, many = (search(setup(), flows, tries, False) for tries in (3, 12))
    assert many.imbalance <= few.imbalance and not many.symmetric
    assert search(setup(), flows, 3, False) == few
    assert search(setup(), flows, 2, True).symmetric


def test_symmetric_by_both_directions():
    """Swapping source and destination keeps the hash, of the symmetric key only."""
    flows = drawn_flows(setup())
    assert judge("", with_key(setup(), SYMMETRIC_KEY), flows).symmetric
    assert not judge("", setup(), flows).symmetric


def test_best_table(tmp_path):
    """The table spreads as computed when it is configured, and better than the default one."""
    flows = flows_of(capture(tmp_path), setup())
    table, load = best_table(setup(), flows)
    tabled = setup(f"device.reta={table}")
    assert judge("", tabled, flows).by_worker == load
    assert imbalance(load) <= judge("", setup(), flows).imbalance
    assert max(table.count(queue) for queue in range(4)) <= 64, "entries without a flow are dealt in turn"


def test_drawn_flows_are_even():
    """Without a capture the flows are made up: a good key spreads them nearly evenly."""
    found = judge("", setup(), drawn_flows(setup()))
    assert sum(found.by_worker) == 4096 and found.imbalance < 1.1


def test_ipv6_flows(tmp_path):
    """Flows of both families are judged together."""
    made = [craft.syn(client(1), "10.0.0.100:80"), craft.syn("[2001:db8::1]:5", "[2001:db8::2]:80")]
    flows = flows_of(capture(tmp_path, made), setup(text="workers = 2"))
    assert [some.tuples.shape[1] for some in flows] == [12, 36]


def test_document(tmp_path):
    """What was found stands at the end as a setting."""
    found = document(setup(), flows_of(capture(tmp_path), setup()), False, 2, True, True)
    assert found["keys"][-1]["name"] == "found" and found["keys"][-1]["symmetric"]
    assert found["settings"][0] == f'device.rss_key = "{found["keys"][-1]["key"]}"'
    assert found["settings"][1].startswith("device.reta = [")


def test_no_flow(tmp_path):
    """A capture without anything to hash is an error."""
    with pytest.raises(CaptureError, match="no flow that a NIC hashes"):
        flows_of(capture(tmp_path, []), setup())


def test_a_search_tells_its_progress(tmp_path):
    """A key at a time, behind the reading."""
    told = Heard()
    with pace.listen(told):
        search(setup(), flows_of(capture(tmp_path), setup()), 3, False)
    assert told.shown[-3:] == [("trying keys", n, 3) for n in range(3)] and told.shown[0][0] == "reading in.pcap"
