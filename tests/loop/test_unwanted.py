"""Lists, and packets for nobody here: the first of a kind is judged in words, the next ones are remembered."""

from __future__ import annotations

import craft
import pytest
from rig import CLIENT, VIP, setup, syn, tcp, udp
from twins import both

CLIENTS = [f"172.16.1.{n}:3000" for n in range(1, 40)]


def test_lists_are_asked_once_for_a_client() -> None:
    """A blacklisted client is dropped, the others' packets stay ordinary; an event changes the list."""
    event = "[[event]]\nat = 0.02\nset = \"service.web.blacklist=['172.16.1.2']\"\n"
    made = setup('blacklist = ["172.16.1.1"]', events=event)
    plain, rows = both(made, [syn(client, VIP) for client in CLIENTS[:3] * 12])
    assert rows == set()
    assert [plain.verdicts.count(name) for name in ("acl_blacklist", "forwarded_slow")] == [12, 24]
    assert plain.verdicts[0] == plain.verdicts[18] == "acl_blacklist" == plain.verdicts[25]


@pytest.mark.parametrize("defence", [False, True])
def test_packets_for_nobody_are_known_by_where_they_go(defence: bool) -> None:
    """The first of each kind takes the plain path, and the next ones end as it did; whatever is answered takes it."""
    made = setup(more="[tcp]\ndefence_drop = true\n" if defence else "")
    strangers = [f"198.51.100.{n}:{1000 + n}" for n in range(1, 20)]
    frames = [tcp(CLIENT, to, "PA", 1, 1, b"x") for to in strangers]
    frames += [tcp(f"172.16.2.{n}:9", "10.0.0.100:81", "F", 1, 1) for n in range(1, 20)]
    frames += [udp(f"172.16.2.{n}:9", "10.0.0.100:81") for n in range(1, 20)]
    plain, rows = both(made, frames)
    assert rows == {1, 20, 39} and len(set(plain.verdicts[:19])) == len(set(plain.verdicts[19:38])) == 1
    assert plain.verdicts[19] == ("tcp_defence" if defence else "local_to_kernel")
    ttl = [craft.frame(craft.ip("172.16.0.9", "198.51.100.9", ttl=1) / craft.UDP(sport=5, dport=6))] * 3
    assert both(made, ttl)[1] == {1, 2, 3}
