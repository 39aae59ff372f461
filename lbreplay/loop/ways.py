"""Why a packet takes the plain path: the table of all reasons, for the loop, for whoever makes its records, and for who
counts.

A reason is a number that the loop says (`Loop.reason`), or that a record holds where it could hold something useful: an
entry of MACs below 0 is minus the reason (column `mac`, dpvs/links.py), an opener has one in `why` (dpvs/opener.py).
Each packet of the plain path counts under one of them (`Result.plain`), and `make bench` shows them: a kind of traffic
that falls off the loop is seen there before a user meets it.

    ... about the frame, its service, its connection, its way out
"""

from __future__ import annotations

from enum import IntEnum


class Way(IntEnum):
    """One reason: its number, the section of the rule that is too odd for the loop, and a sentence."""

    def __new__(cls, section: str, sentence: str) -> Way:
        number = int.__new__(cls, len(cls.__members__))
        number._value_ = len(cls.__members__)
        number.section, number.sentence = section, sentence
        return number

    section: str
    sentence: str

    LOOP = "", "No reason: it is the loop's."
    TOLD = "interface 6", "Somebody wants its whole story (`explain`)."
    # the frame
    NO_IP = "D 1.2", "ARP, another ethertype, or an IP header that is not there."
    TAGGED = "D 1.2", "It has a VLAN tag."
    FRAGMENT = "D 1.5", "A fragment."
    OTHER_PROTOCOL = "D 9", "Neither TCP nor UDP."
    UNSOUND = "D 1.3, D 1.4", "IP options, or a header or length that the input checks look at twice."
    KERNEL = "S 1.7", "No forwarding worker polls its queue."
    TOO_LONG = "D 12.1", "Longer than the MTU of some route."
    # for nobody here
    STRANGER = (
        "D 1.6",
        "For nobody here, and nobody yet of those that go where it goes: the loop does not know its end.",
    )
    MATCHED = (
        "D 10.1",
        "For nobody here, where services match by more than address and port, somebody is asked, or ports are several.",
    )
    LAST_HOP = "S 4.5", "For nobody here, with a TTL that ends here."
    UNINVITED = "D 5.1, D 6.2", "No first packet, of no connection, to a service."
    FROM_LOCAL = "D 1.6", "From a local address, of no connection."
    MISSED = "D 4.4", "Another worker has its connection."
    UNASKED = "interface 3", "An answer that no client asked for, which somebody may ask for later."
    # its service
    SYN_PROXY = "D 6.2, D 6.3", "A SYN proxy's handshake with a real server that is out of the ordinary."
    PERSISTENT = "D 2.7", "Its service keeps clients by templates."
    ONE_PACKET = "D 2.3", "Its service has connections of one packet."
    QUIC = "D 10.4", "Its service is found by QUIC's connection ids."
    CHECKED = "D 10.5", "Its service watches its real servers."
    PROXY_PROTOCOL = "D 5.8", "Its service puts a proxy header before the client's first byte."
    LIMITED = "D 14.1", "Its service drops packets by chance, or a list does."
    UOA = "D 7.4", "Its service puts the client's address into datagrams."
    MODE = "D 12.1", "Its service, or one of its real servers, has a mode the loop does not open."
    FAMILIES = "D 5.6", "A service, its real servers and local addresses are of two families."
    READDRESSED = "D 3", "An event gives its service other local addresses."
    HASHED = "D 10.3", "Its scheduler wants more than the packet's ends."
    OVERLAPPING = "D 2.1", "Workers may have connections of equal tuples in one table."
    STRAYED = "D 4.4", "Connections may live on other workers than their clients' packets go to."
    POOL = "D 2.4", "The pool of connections is empty."
    # its connection
    UNNUMBERED = "D 5.5", "Its connection is still to be told by how much sequence numbers move."
    ENDING = "D 1.5", "Its real server is gone, and its connection ends with it."
    ONE_OF_ITS_KIND = "D 2.3", "Its connection is of no kind that the loop knows."
    UNLEARNED = "D 12.3", "The MACs of its connection are still to be learned."
    ELSEWHERE = "D 4.4", "Its answers come in on another worker."
    # its way out
    TTL = "D 12.2", "Its TTL is lowered."
    RESOLVED = "S 4.9", "Its next hop is asked for its MAC."
    ROUTE = "D 12.4", "Its route is none, is local, leads to a VLAN, or has an MTU of its own."
    # the kernel's own
    TRACKED = "L 12", "Connection tracking is in use, and counts every packet to an entry of its own."
    MARKED = "L 3", "Firewall marks decide what a packet is looked at for."
    DEVICES = "S 3.7", "There are several devices."
    SWITCHED = "L 17", "A sysctl has the balancer do more with each packet, or with each new connection."
    OTHER_HOST = "L 3", "Sent to another host's MAC."
    SHARED = "L 6.2, L 6.3", "More than one connection, or side of one, has its ends."
    UNPORTED = "L 6.2", "Some connection waits for its client's port, which may be this one."
    REUSED = "L 4.2", "A first packet on a connection that is finishing."
    DESERTED = "L 4.2", "The real server of its connection was deleted."
    REFUSED = "L 5.5", "Nobody takes its connection."
    FTP = "L 5.1, L 5.3", "A helper is bound to its service's connections, or it comes from the port of FTP's data."


NAMES: tuple[str, ...] = tuple(way.name.lower() for way in Way)
