"""A drafted configuration is one that loads and replays."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

from lbreplay.config import draft as drafting
from lbreplay.config.draft import draft, notes, size
from lbreplay.config.load import load
from lbreplay.stack.route import Routes


def _neighbour(name: str) -> ModuleType:
    """A test module of this folder (tests are no package)."""
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


_survey = _neighbour("test_survey")
frame, burst = _survey.frame, _survey.burst


def test_the_draft_loads() -> None:
    """Services are written busiest first, each with two real servers and a local address of its family."""
    frames = [
        frame("172.16.0.1 1", "10.0.0.1 80"),
        frame("172.16.0.1 2", "10.0.0.1 80"),
        frame("fd00::1 1", "fd00::2 443"),
    ]
    text = draft([burst(frames)])
    setup = load(None, text=text)
    assert [str(service.vip) for service in setup.services] == ["10.0.0.1:80", "[fd00::2]:443"]
    assert [len(service.reals) for service in setup.services] == [2, 2]
    assert [[len(address) for address in service.laddr] for service in setup.services] == [[4], [16]]
    assert setup.drafted and "# 1 client, 2 connections, 108 B" in text


def test_the_draft_is_a_function_of_the_capture() -> None:
    """The same frames give the same text, however they are cut into bursts."""
    frames = [frame(f"172.16.0.{n} 1", f"10.0.0.{n % 5 + 1} 80") for n in range(1, 50)]
    assert draft([burst(frames)]) == draft([burst(frames)]) == draft([burst(frames[:20]), burst(frames[20:])])


def test_addresses_of_the_capture_are_left_alone() -> None:
    """Made-up addresses are not those that turn up in the capture."""
    text = draft([burst([frame("198.18.0.1 1", "198.19.0.1 80")])])
    service = load(None, text=text).services[0]
    made = [real.endpoint.address for real in service.reals] + list(service.laddr)
    assert bytes([198, 18, 0, 1]) not in made and bytes([198, 19, 0, 1]) not in made
    assert len(set(made)) == 3


def test_options() -> None:
    """Numbers of real servers, local addresses and workers may be asked for."""
    setup = load(None, text=draft([burst([frame("172.16.0.1 1", "10.0.0.1 80")])], reals=5, laddrs=3, workers=8))
    assert (len(setup.services[0].reals), len(setup.services[0].laddr), len(setup.workers)) == (5, 3, 8)


def test_nobody_opens_anything() -> None:
    """A capture without connections gives a configuration without services, and says so."""
    text = draft([])
    assert "no service" in text and load(None, text=text).services == ()


UNDER_WAY = "2 connections under way when the capture begins, which no balancer takes up: capture from before"
UDP = ("172.16.0.1 999", "10.0.0.1 514", 17)


@pytest.mark.parametrize(
    "frames, vips, note",
    [
        ([], [], "nothing in the capture is TCP, UDP or SCTP over IP between two hosts: capture where"),
        ([bytes(60)], [], "nothing in the capture is TCP, UDP or SCTP"),
        ([frame(f"172.16.0.{n} 4000", "10.0.0.1 80", flags=16) for n in (1, 2)], ["10.0.0.1:80"], UNDER_WAY),
        ([frame("172.16.0.1 4000", "10.0.0.1 80", flags=16)], ["10.0.0.1:80"], "1 connection under way when"),
        ([frame("10.0.0.1 80", "172.16.0.1 4000", flags=18)], [], "1 connection seen from the answers alone"),
        (
            [frame(*UDP, payload=b"x"), frame(*UDP)],
            ["10.0.0.1:514"],
            "1 flow of datagrams that nobody answers: where there",
        ),
        ([frame("127.0.0.1 4000", "127.0.0.1 80")], [], "1 flow to loopback addresses, which no balancer receives"),
        ([frame("fe80::1 4000", "fe80::2 80")], [], "1 flow between link-local addresses"),
        ([frame("172.16.0.1 67", "255.255.255.255 68", 17)], [], "1 flow to groups or reserved addresses"),
    ],
)
def test_why_there_is_nothing_to_balance(frames: list[bytes], vips: list[str], note: str) -> None:
    """One sentence, with what to capture instead; what nobody was seen to open has the service it seems to be of."""
    text = draft([burst(frames)])
    assert [str(service.vip) for service in load(None, text=text).services] == vips
    assert len(notes(text)) == 1 and notes(text)[0].startswith(note)


def test_frames_with_two_tags() -> None:
    """Are named, since one tag is all that is taken off."""
    tagged = frame("172.16.0.1 1", "10.0.0.1 80")
    tagged = tagged[:12] + bytes.fromhex("88a8000181000002") + tagged[12:]
    assert notes(draft([burst([tagged])])) == [
        "1 frame with two VLAN tags, of which DPVS takes off one: capture behind the outer tag."
    ]
    assert notes(draft([burst([tagged, tagged])]))[0].startswith("2 frames with two VLAN tags")


def test_nothing_to_say() -> None:
    """A client's capture has no notes."""
    assert notes(draft([burst([frame("172.16.0.1 1", "10.0.0.1 80")])])) == []


def test_a_scan_does_not_fill_pages() -> None:
    """Beyond the busiest the rest is a number."""
    text = draft([burst(frame("172.16.0.1 1", f"10.0.0.1 {n + 1}") for n in range(drafting.SHOWN + 44))])
    assert text.count("[[service]]") == drafting.SHOWN and "# 44 less busy services are left out." in text


def test_sizes_for_people() -> None:
    """Bytes are shown in steps of a thousand."""
    assert [size(n) for n in (0, 999, 1000, 1_250_000)] == ["0 B", "999 B", "1.0 kB", "1.2 MB"]


def test_a_draft_for_the_kernel() -> None:
    """Profile ipvs: NAT to made-up real servers, neither local addresses nor workers."""
    text = draft([burst([frame("172.16.0.1 1", "10.0.0.1 80")])], profile="ipvs")
    setup = load(None, text=text)
    assert (setup.profile, [service.mode for service in setup.services]) == ("ipvs", ["nat"])
    assert [len(service.reals) for service in setup.services] == [2] and "Real servers are made up" in text


def test_local_addresses_are_enough_for_the_peak(monkeypatch) -> None:
    """As many as the connections at a time need, and the draft says so."""
    monkeypatch.setattr(drafting, "PORTS", 10)
    frames = [frame(f"172.16.0.{n} 1", "10.0.0.1 80") for n in range(1, 41)]
    text = draft([burst(frames)])
    assert len(load(None, text=text).services[0].laddr) == 3, "40 connections and a quarter, two real servers"
    assert "# 3 for some 40 connections at a time" in text
    assert len(load(None, text=draft([burst(frames)], laddrs=5)).services[0].laddr) == 5


def test_the_ports_of_a_local_address_are_the_pools() -> None:
    """What a draft counts with is what a pool has."""
    pool = load(None, text="").sa_pool
    assert pool.high - pool.low + 1 == drafting.PORTS


def test_tagged_frames_make_vlan_devices() -> None:
    """A capture from a trunk replays: each id that frames of IP carry is a device of the port."""
    made = frame("172.16.0.1 1", "10.0.0.1 80")
    frames = [made[:12] + b"\x81\0" + tag.to_bytes(2) + made[12:] for tag in (3, 0xE003, 0x0FF0, 0)] + [made]
    for profile in ("dpvs", "ipvs"):
        text = draft([burst(frames)], profile=profile)
        assert [vlan.id for vlan in load(None, text=text).device.vlan] == [3, 0xFF0]
        assert "[[device.vlan]]  # 2 frames\nid = 3" in text


def test_a_virtual_address_of_the_kernel_is_local_behind_a_tag() -> None:
    """It is the host's, by whichever VLAN device it is asked for; DPVS's is of its port alone."""
    made = frame("172.16.0.1 1", "10.0.0.1 80")
    tagged = made[:12] + b"\x81\0\0\x64" + made[12:]
    for profile, local in (("ipvs", True), ("dpvs", False)):
        setup = load(None, text=draft([burst([tagged])], profile=profile))
        assert Routes(setup).is_local(setup.services[0].vip.address, 100) is local
