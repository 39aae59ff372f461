"""A Setup as a TOML document is complete: loaded again it is the same."""

from pathlib import Path

import pytest

from lbreplay.config.document import document, subjects, workers
from lbreplay.config.found import inline
from lbreplay.config.load import load
from lbreplay.model import AccessList, Network, Setup, Worker

CASES = sorted((Path(__file__).parents[1] / "golden").glob("dpvs*/*/lb.toml"))


@pytest.mark.parametrize("path", CASES[::9], ids=lambda path: f"{path.parent.parent.name}/{path.parent.name}")
def test_it_loads_to_the_same(path: Path) -> None:
    """Nothing is lost, nothing is added."""
    setup = load(str(path))
    text = "\n".join(f"{key} = {inline(value)}" for key, value in document(setup).items())
    again = load(str(path), text=text)
    without = [s._replace(events=tuple(e._replace(text="") for e in s.events)) for s in (again, setup)]
    assert without[0] == without[1]


def test_workers() -> None:
    """A number where it says everything, else each in full without defaults."""
    assert workers(Setup(workers=(Worker(0, 1, (0,)), Worker(1, 2, (1,))))) == 2
    assert workers(Setup(workers=(Worker(0, 2, (0, 1), isolated=(9,)), Worker(-1, 3, (2,), "kni")))) == [
        {"cpu_id": 2, "queues": [0, 1], "isolated": [9]},
        {"cpu_id": 3, "queues": [2], "kind": "kni"},
    ]


def test_access_lists_are_sorted() -> None:
    """Addresses in order, networks behind them."""
    network = Network(bytes([10, 0, 0, 0]), 8)
    assert subjects(AccessList(frozenset({b"\2\2\2\2", b"\1\1\1\1"}), ((network,),))) == [
        "1.1.1.1",
        "2.2.2.2",
        "10.0.0.0/8",
    ]
