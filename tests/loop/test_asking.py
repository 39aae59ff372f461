"""SYNs to real servers leave as the plain path makes them (D 6.2)."""

from __future__ import annotations

import pytest
import rig
import twins
from rig import LADDR6, REAL6, VIP, VIP6, setup, syn, tcp

OPTIONS: tuple[list[tuple[str, object]], ...] = (
    [],
    [("MSS", 1460)],
    [("MSS", 1460), ("SAckOK", b"")],
    [("MSS", 536), ("Timestamp", (7, 0)), ("NOP", None), ("NOP", None)],
    [("SAckOK", b""), ("Timestamp", (7, 0)), ("NOP", None), ("WScale", 9)],
    [("WScale", 14), ("NOP", None)],
)
SETTINGS = "[tcp.synproxy]\nwscale = 7\ntimestamp = true\n"
FAMILIES = {4: {"vip": VIP}, 6: {"vip": VIP6, "reals": (REAL6,), "laddr": LADDR6}}


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("mode", ["fnat", "nat"])
@pytest.mark.parametrize("edition", ["1.10", "1.8"])
def test_what_cookies_remember_is_asked_for(family: int, mode: str, edition: str) -> None:
    """MSS, SACK, timestamps and window scale, translated or not, with the client's address where SYNs tell it."""
    made = setup("synproxy = true", mode=mode, edition=edition, more=SETTINGS, **FAMILIES[family])  # type: ignore[arg-type]
    vip = FAMILIES[family]["vip"]
    clients = [f"[2001:db8:c::{n}]:3000" if family == 6 else f"172.16.1.{n}:3000" for n in range(1, 7)]
    syns = [syn(client, vip, options=options) for client, options in zip(clients, OPTIONS, strict=True)]
    cookies = [rig.play(made, syns).packet(n)["TCP"].seq for n in range(1, 7)]
    tos = {} if family == 6 else {"tos": 0x1D}
    acks = [tcp(c, vip, "A", 1001, seq + 1, **tos) for c, seq in zip(clients, cookies, strict=True)]
    played, plain = twins.both(made, [*syns, *acks])
    assert played.verdicts[6:] == ["synproxy_ack_accepted"] * 6 and not plain
    assert [len(played.packet(n)["TCP"].options) > 0 for n in range(7, 13)] == [True] * 6
