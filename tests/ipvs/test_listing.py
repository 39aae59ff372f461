"""What the kernel would list, as plain values (L 18)."""

from __future__ import annotations

import re

import craft
import pytest
from golden_cases import Case, cases
from kernel import CLIENT, VIP, A, Kernel, burst, real, service

from lbreplay.config.load import load
from lbreplay.ipvs.director import Director
from lbreplay.ipvs.listing import listing
from lbreplay.report import ipvsadm

RECORDED = [case for case in cases("ipvs") if (case.folder / "expected/ipvsadm.txt").exists()]
CONNECTIONS = ("ipvsadm -lcn", "cat /proc/net/ip_vs_conn")  # listed 0.5 s after the last frame, the rest 3 s later
LEFT = re.compile(r"(?<= )\d\d:\d\d(?= )| +\d+(?=( sip .*)?$)")  # what connections have left, in either listing
LATE = {  # a timer of the kernel's was late when these were taken: it has a connection more, or no template that waited
    "t2_life_20": {"ipvsadm -ln"},
    "t2_net_03": {*CONNECTIONS, "ipvsadm -ln --persistent-conn"},
    "t2_sctp_matrix": {*CONNECTIONS},
}


def test_services_and_connections() -> None:
    """Newest real servers first, thresholds, masks, states and whole seconds left."""
    k = Kernel(service(real(A, max_conn=5, min_conn=2), persistent={"timeout": 60, "netmask": 24}))
    k.send(craft.syn(CLIENT, VIP))
    k.wait(10.5)
    listed = listing(k.parts)
    web = listed["services"][0]
    assert (web["persistent"], web["mask"], web["counts"]["conns"]) == (60, "255.255.255.0", 1)
    assert (web["reals"][0]["upper"], web["reals"][0]["lower"], web["reals"][0]["persistconns"]) == (5, 2, 1)
    assert sorted((conn["state"], conn["seconds"]) for conn in listed["conns"]) == [("NONE", 49), ("SYN_RECV", 49)]


def test_marks_come_last() -> None:
    """In the kernel's order services by address stand before those by mark."""
    k = Kernel(service("10.1.0.11:0", name="m", vip=None, fwmark=3), service())
    assert [s["mark"] for s in listing(k.parts)["services"]] == [0, 3]


def sections(text: str) -> dict[str, list[str]]:
    """The lines of each listing by its command."""
    found = (part.split("\n", 1) for part in f"\n{text}".split("\n# ")[1:])
    return {name: lines.rstrip("\n").split("\n") for name, lines in found}


def timeless(lines: list[str]) -> list[str]:
    """Connections without what they have left: a kernel's timers may be late."""
    return sorted(LEFT.sub(" T", line) for line in lines)


@pytest.mark.parametrize("case", RECORDED, ids=[case.name for case in RECORDED])
def test_recorded_listings(case: Case) -> None:
    """All that ipvsadm and /proc showed at the end, but for seconds and for an order that hangs on a word of chance."""
    director = Director(load(str(case.config), (), view="rx"))
    for n, record in enumerate(case.received, 1):
        director.balance(burst(n, record, director.parts.setup.device.mac))
    said = {}
    for after in (500, 3500):
        director.advance(case.received[-1][0] + after * craft.MILLISECOND)
        shown = sections(ipvsadm.as_text(listing(director.parts)))
        said |= {command: lines for command, lines in shown.items() if (command in CONNECTIONS) == (after == 500)}
    for command, lines in sections((case.folder / "expected/ipvsadm.txt").read_text()).items():
        if any(command.startswith(late) for late in LATE.get(case.name, ())):
            continue
        plain = timeless if command in CONNECTIONS else sorted if "--nosort" in command else list
        assert plain(said[command]) == plain(lines), command


def test_the_recordings_have_listings() -> None:
    """Without them the test above would test nothing; who is late is recorded."""
    assert len(RECORDED) > 80 and set(LATE) <= {case.name for case in RECORDED}
