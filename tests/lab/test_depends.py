"""Settings that matter to a case, and those that do not."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from lab.gen.made_scene import TEXT, setup

from lbreplay.cli.inside import run_inside
from lbreplay.config.load import load as load_file
from lbreplay.config.load import parse
from lbreplay.lab import cover, depends
from lbreplay.lab.case import load
from lbreplay.lab.gen import cases


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """By setting, the case of a suite of one that depends on it."""
    folder = tmp_path_factory.mktemp("depends") / "cases"
    given = cases.Given(setup(), TEXT, folder.parent)
    cases.make(folder, given, "client", ("timeouts-dns",), run_inside)
    settled = cover.settled(load("timeouts-dns", folder / "timeouts-dns"))
    with ThreadPoolExecutor(1) as executor:
        results = depends.depends(depends.Suite((settled,)), executor)
    return {one["setting"]: one["case"] for one in results}


@pytest.mark.parametrize("name", ["workers", "sa_pool.low", "udp.uoa_mode", "udp.timeout.oneway", "service.dns.vip"])
def test_what_matters(found, name):
    """Another value, and the case comes out otherwise."""
    assert found[name] == "timeouts-dns"


@pytest.mark.parametrize("name", ["tcp.toa", "tcp.timeout.established", "service.web.vip", "conn.pool_size"])
def test_what_does_not(found, name):
    """The case has no TCP, and few connections."""
    assert found[name] is None


def test_every_other_value_is_allowed():
    """Each setting with each other value of its own makes a configuration, or is refused by what stands beside it."""
    document = parse("lb.toml", TEXT)
    found = depends.settings(document)
    assert len({setting.name for setting in found}) == len(found) > 50
    for setting in found:
        assert setting.value not in setting.others
        made = depends.changed(document, setting.at, setting.others[0])
        assert made != document


def test_settings_are_spelled_as_they_are_set():
    """As --set takes them."""
    named = {setting.name: setting for setting in depends.settings(parse("lb.toml", TEXT))}
    assert load_file("lb.toml", ["service.dns.real.198.18.0.3:53.weight=5"], text=TEXT)
    assert named["service.dns.real.198.18.0.3:53.weight"].value == 2


def test_several_configurations():
    """A setting that one of them needs is not idle."""
    merged = depends.by_setting([{"setting": "a", "value": 1, "case": None}, {"setting": "a", "value": 1, "case": "x"}])
    assert merged == [{"setting": "a", "value": 1, "case": "x"}]
