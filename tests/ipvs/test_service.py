"""Services and real servers: look-up, order (L 1, L 5.2)."""

from __future__ import annotations

import pytest
from kernel import A, B, C, Kernel, service

TCP, UDP = 6, 17
HOST = bytes((10, 0, 0, 100))
ALL = service(A, name="all", vip="10.0.0.100:0", persistent={"timeout": 60})
FTP = service("10.1.0.11:21", name="ftp", vip="10.0.0.100:21")
MARKED = service("10.1.0.11:0", name="marked", vip=None, fwmark=7)


@pytest.mark.parametrize(
    ("mark", "proto", "port", "name"),
    [
        (0, TCP, 80, "web"),
        (7, UDP, 9, "marked"),
        (8, TCP, 80, "web"),
        (0, TCP, 20, "ftp"),
        (0, TCP, 1024, "ftp"),
        (0, TCP, 1023, "all"),
        (0, UDP, 1024, None),
    ],
)
def test_look_up(mark: int, proto: int, port: int, name: str | None) -> None:
    """By mark, exactly, as FTP data, for all ports, in this order."""
    k = Kernel(service(), ALL, FTP, MARKED)
    found = k.parts.services.find(mark, proto, HOST, port)
    assert (found.service.name if found else None) == name


def test_newest_first_and_edits_keep_the_place() -> None:
    """Added A, B, C: the list is C, B, A; deleted and added again, A is the head."""
    k = Kernel()
    order = [str(d.real) for d in k.parts.services.by_name["web"].dests]
    k.set(B, weight=9)
    k.remove(A)
    k.add(A)
    assert order == [C, B, A]
    assert [str(d.real) for d in k.parts.services.by_name["web"].dests] == [A, C, B]
