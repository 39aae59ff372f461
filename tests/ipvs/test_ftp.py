"""The FTP helper: data connections, the rewritten answer, sequence numbers (L 12)."""

from __future__ import annotations

import craft
import pytest
from kernel import CLIENT, Kernel, Seen, service
from scapy.layers.inet import IP, TCP

from lbreplay.ipvs.ftp import Sequence

VIP, REAL = "10.0.0.100:21", "10.1.0.11:21"
PASSIVE = b"227 Entering Passive Mode (10,1,0,11,15,160)\r\n"  # port 4000


def control(edition: str = "6.1.192", modules: str = "ip_vs_ftp") -> Kernel:
    k = Kernel(service(REAL, vip=VIP), edition=edition, ipvs=f'modules = ["{modules}"]' if modules else "")
    k.handshake(vip=VIP)
    return k


def says(k: Kernel, payload: bytes, seq: int = 1001, ack: int = 5001) -> Seen:
    return k.send(craft.tcp(CLIENT, VIP, "PA", seq, ack, payload))


def answers(k: Kernel, payload: bytes, seq: int = 5001) -> Seen:
    return k.send(craft.tcp(REAL, CLIENT, "PA", seq, 1001, payload))


def data(k: Kernel) -> list[str]:
    return [f"{c.client} {c.virtual} {c.real} {k.state(c)[0]}" for c in k.parts.conns if c.control is not None]


@pytest.mark.parametrize("edition", ["2.6", "6.1", "6.1.192"])
def test_passive(edition: str) -> None:
    """The answer names the virtual address; the connection waits for the client's port, listening."""
    k = control(edition)
    says(k, b"PASV\r\n")
    seen = answers(k, PASSIVE)
    assert bytes(seen.only[TCP].payload) == b"227 Entering Passive Mode (10,0,0,100,15,160)\r\n"
    assert data(k) == ["198.51.100.1:0 10.0.0.100:4000 10.1.0.11:4000 LISTEN"]
    assert k.send(craft.syn("198.51.100.1:40001", "10.0.0.100:4000")).only[IP].dst == "10.1.0.11"
    assert data(k) == ["198.51.100.1:40001 10.0.0.100:4000 10.1.0.11:4000 SYN_RECV"]


def test_length_moves_sequence_numbers() -> None:
    """One byte more: later segments of the server go up by one, the client's acknowledgements down."""
    k = control()
    says(k, b"PASV\r\n")
    answers(k, PASSIVE)
    later = answers(k, b"150 ok\r\n", 5001 + len(PASSIVE)).only
    assert later[TCP].seq == 5001 + len(PASSIVE) + 1
    seen = says(k, b"NOOP\r\n", ack=5001 + len(PASSIVE) + 1).only
    assert seen[TCP].ack == 5001 + len(PASSIVE)
    for packet in (later, seen):
        sent = packet[TCP].chksum
        del packet[TCP].chksum
        assert craft.parse(bytes(packet))[TCP].chksum == sent


def test_active() -> None:
    """PORT: the server's data connection leaves from the virtual data port; the payload stays."""
    k = control()
    seen = says(k, b"PORT 198,51,100,1,200,20\r\n")
    assert bytes(seen.only[TCP].payload) == b"PORT 198,51,100,1,200,20\r\n"
    assert data(k) == ["198.51.100.1:51220 10.0.0.100:20 10.1.0.11:20 LISTEN"]
    syn = k.send(craft.tcp("10.1.0.11:20", "198.51.100.1:51220", "S")).only
    assert (syn[IP].src, syn[TCP].sport) == ("10.0.0.100", 20)


@pytest.mark.parametrize(
    ("asked", "answered", "expected"),
    [
        (b"EPSV\r\n", b"229 Extended (|||4000|)\r\n", b"229 Extended (|||4000|)\r\n"),
        (b"EPSV 1\r\n", b"229 (!!!4000!)\r\n", b"229 (|||4000|)\r\n"),
        (b"EPSV 2\r\n", b"229 (!!!4000!)\r\n", None),
        (b"epsv\r\n", b"229 (|||70000|)\r\n", None),
        (b"pasv\r\n", b"227 10,1,0,11,15,160\r\n", b"227 10,0,0,100,15,160\r\n"),
        (b"PASV\r\n", b"227 (10,1,0,11,15,300)\r\n", None),
        (b"PASV\r\n", b"227 (10,1,0,11,15)\r\n", None),
        (b"LIST\r\n", PASSIVE, None),
    ],
)
def test_spellings(asked: bytes, answered: bytes, expected: bytes | None) -> None:
    """Extended passive mode, free spelling, and what is no answer to anything."""
    k = control()
    says(k, asked)
    assert bytes(answers(k, answered).only[TCP].payload) == (expected or answered)
    assert len(data(k)) == (expected is not None)


@pytest.mark.parametrize(
    ("text", "conns"),
    [(b"EPRT |1|198.51.100.1|5000|\r\n", 1), (b"EPRT |2|198.51.100.1|5000|\r\n", 0), (b"EPRT |1|nonsense|5|\r\n", 0)],
)
def test_extended_port(text: bytes, conns: int) -> None:
    """EPRT, of the connection's own family."""
    k = control()
    says(k, text)
    assert len(data(k)) == conns


def test_without_the_module() -> None:
    """Nothing is read."""
    k = control(modules="")
    says(k, b"PASV\r\n")
    assert bytes(answers(k, PASSIVE).only[TCP].payload) == PASSIVE


def test_bad_checksum() -> None:
    """A helper reads nothing that is broken: freed."""
    k = control()
    assert k.send(craft.tcp(CLIENT, VIP, "PA", 1001, 5001, b"PASV\r\n", tcp_sum=1)).verdict == "helper_failed"


def test_the_control_connection_lives_for_its_children() -> None:
    """It is put off by 60 s while a data connection is there."""
    k = control()
    says(k, b"PASV\r\n")
    answers(k, PASSIVE)
    k.send(craft.tcp(CLIENT, VIP, "R", 1007, 5001))
    k.wait(11)
    assert sorted(k.state(conn)[0] for conn in k.parts.conns) == ["CLOSE", "LISTEN"]
    k.wait(600)
    assert len(k.parts.conns) == 0


def test_sequence_rule() -> None:
    """Numbers behind the last change move by all changes, those up to it by all before."""
    sequence = Sequence()
    sequence.grown(1000, 3)
    sequence.grown(2000, 2)
    sequence.grown(1500, 9)
    assert [sequence.of(seq) for seq in (1999, 2000, 2001)] == [3, 3, 5]
    assert [sequence.acknowledged(ack, modern=False) for ack in (2005, 2006)] == [3, 5]
    assert [sequence.acknowledged(ack, modern=True) for ack in (2003, 2004)] == [3, 5]
