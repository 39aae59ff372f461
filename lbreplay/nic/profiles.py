"""What the drivers can do, as data: a line a fact, its source beside it.

A class of packets is hashed over the first input whose `rss` name is switched on, else not at all; what is not hashed
goes to queue 0 (S 1.4). PAIR is the two addresses, TUPLE the addresses and ports, TAGGED
those and the verification tag of SCTP. The names are those of dpvs.conf
that a replay knows: ip, tcp, udp, sctp. `all` is the first three (S 1.6).

S 1 and S 2 name the DPDK sources behind them; lines marked "by analogy" are not in the dossier. S 1.8 has what is
published of the drivers of clouds, hypervisors and servers that DPVS's own papers do not name.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from lbreplay.burst import KIND_FRAGMENT, KIND_OTHER, KIND_SCTP, KIND_TCP, KIND_UDP

PAIR, TUPLE, TAGGED = 1, 2, 3
ANY_MASK, WHOLE_PORT, NO_RULES = "any", "whole", "none"

INTEL_KEY = bytes.fromhex(  # S 1.2: the Microsoft verification suite's; ixgbe, igb (rss_intel_key)
    "6d5a56da255b0ec24167253d43a38fb0d0ca2bcbae7b30b477cb2da38030f20c6a42b73bbeac01fa"
)
I40E_KEY = bytes.fromhex(  # S 1.2: used when no key is given, as on the register
    "4439796bb54c5023b675ea5b124f9f30b8a2c03ddfdc4d02a08c9b334af64a4c05c6fa343958d8557d99583ae138c92e81150366"
)
MLX5_KEY = bytes.fromhex(  # S 1.2
    "2cc681d15bdbf4f7fca28319db1a3e946b9e38d92c9c03d1ad9944a7d9563d59063c25f3fc1fdc2a"
)
SYMMETRIC_KEY = bytes.fromhex("6d5a" * 26)  # S 1.2: swapping source and destination keeps the hash
RANDOM_KEY = b""  # S 1.2: drawn at start; here from the seed

Inputs = tuple[tuple[str, int], ...]
HASHED_ANYWAY: Mapping[int, Inputs] = {  # S 1.4, ixgbe: the IP types take any packet of the family
    KIND_OTHER: (("ip", PAIR),),
    KIND_FRAGMENT: (("ip", PAIR),),
    KIND_TCP: (("tcp", TUPLE), ("ip", PAIR)),
    KIND_UDP: (("udp", TUPLE), ("ip", PAIR)),
    KIND_SCTP: (("ip", PAIR),),
}
HASHED_BY_CLASS_OR_IP: Mapping[int, Inputs] = {  # S 1.8, ena: classes for TCP and UDP, all else is IP
    KIND_OTHER: (("ip", PAIR),),
    KIND_FRAGMENT: (("ip", PAIR),),
    KIND_TCP: (("tcp", TUPLE),),
    KIND_UDP: (("udp", TUPLE),),
    KIND_SCTP: (("ip", PAIR),),
}
HASHED_WITH_SCTP: Mapping[int, Inputs] = {**HASHED_ANYWAY, KIND_SCTP: (("sctp", TUPLE), ("ip", PAIR))}
HASHED_BY_CLASS: Mapping[int, Inputs] = {  # S 1.4, i40e: one class a packet; it does not take IPV4 and IPV6
    KIND_OTHER: (("ip", PAIR),),
    KIND_FRAGMENT: (("ip", PAIR),),
    KIND_TCP: (("tcp", TUPLE),),
    KIND_UDP: (("udp", TUPLE),),
    KIND_SCTP: (("sctp", TAGGED),),
}


class Profile(NamedTuple):
    """A driver. `max_rules` 0: no known limit. `why` says in half a sentence what its rules lack."""

    name: str
    key: bytes
    reta_size: int
    inputs: Mapping[int, Inputs]
    port_masks: str  # ANY_MASK, WHOLE_PORT (0 or 0xffff) or NO_RULES
    ipv6_rules: bool
    one_mask: bool  # all rules of the port share the first one's mask
    unique: bool  # a rule with the masked key of another is refused
    max_rules: int
    why: str


PROFILES: Mapping[str, Profile] = {
    profile.name: profile
    for profile in (
        Profile(
            name="ixgbe",
            key=INTEL_KEY,  # S 1.2
            reta_size=128,  # S 1.5: 82599, X540; an X550 has 512
            inputs=HASHED_ANYWAY,  # S 1.4
            port_masks=ANY_MASK,  # S 2.4: a mask register for the port
            ipv6_rules=False,  # S 2.4, S 2.5: perfect mode refuses them
            one_mask=True,  # S 2.5: one global input mask, fixed by the first rule
            unique=True,  # S 2.4: same masked key, -EINVAL
            max_rules=2047,  # S 2.4: perfect mode, pballoc 64k, nominally 2048, "documented as one less"
            why="perfect mode: IPv4 only, one mask for the port",
        ),
        Profile(
            name="i40e",
            key=I40E_KEY,  # S 1.2
            reta_size=512,  # S 1.5: reported by firmware, usually 512
            inputs=HASHED_BY_CLASS,  # S 1.4
            port_masks=WHOLE_PORT,  # S 2.5: all-ones or absent masks only; S 2.4: the old API ignores them
            ipv6_rules=True,  # S 2.5 names no limit
            one_mask=False,  # S 2.5 names no limit
            unique=True,  # by analogy with ixgbe
            max_rules=0,
            why="compares whole ports only",
        ),
        Profile(
            name="ice",
            key=RANDOM_KEY,  # S 1.2: random at start
            reta_size=512,  # S 1.5: the LUT size of the function
            inputs=HASHED_WITH_SCTP,  # by analogy with mlx5
            port_masks=WHOLE_PORT,  # by analogy with i40e; S 2.5: DPVS takes mlx5 and ixgbe for KNI rules only
            ipv6_rules=True,  # by analogy with i40e
            one_mask=False,  # by analogy with i40e
            unique=True,  # by analogy with ixgbe
            max_rules=0,
            why="compares whole ports only",
        ),
        Profile(
            name="mlx5",
            key=MLX5_KEY,  # S 1.2
            reta_size=512,  # S 1.5: DPVS's own update resizes the table to the device's maximum
            inputs=HASHED_ANYWAY,  # S 1.4: else 2-tuple for IP
            port_masks=ANY_MASK,  # S 2.4 (18.11), S 2.5: full support
            ipv6_rules=True,  # S 2.4
            one_mask=False,  # S 2.5
            unique=False,  # S 2.4: only its TCP and UDP filters compared equal, which DPVS' patch mends
            max_rules=0,
            why="",
        ),
        Profile(
            name="igb",
            key=INTEL_KEY,  # S 1.2
            reta_size=128,  # S 1.5
            inputs=HASHED_ANYWAY,  # by analogy with ixgbe
            port_masks=NO_RULES,  # S 2.4
            ipv6_rules=False,
            one_mask=False,
            unique=False,
            max_rules=0,
            why="has no flow director",
        ),
        Profile(
            name="virtio",
            key=INTEL_KEY,  # by analogy with igb
            reta_size=128,  # S 1.5
            inputs=HASHED_ANYWAY,  # by analogy with ixgbe
            port_masks=NO_RULES,  # S 2.4
            ipv6_rules=False,
            one_mask=False,
            unique=False,
            max_rules=0,
            why="has no flow director",
        ),
        Profile(
            name="bnxt",
            key=RANDOM_KEY,  # S 1.8: drawn for each port
            reta_size=128,  # S 1.8: Stingray and before; Thor has 64 for each 64 queues
            inputs=HASHED_ANYWAY,  # S 1.8: types IPV4, TCP and UDP of both families, as ixgbe
            port_masks=ANY_MASK,  # S 1.8: n-tuple filters; the mask is handed on to the firmware
            ipv6_rules=True,  # S 1.8
            one_mask=False,
            unique=True,  # S 1.8: an equal filter exists already
            max_rules=0,
            why="",
        ),
        Profile(
            name="hns3",
            key=INTEL_KEY,  # S 1.8
            reta_size=512,  # S 1.8: Kunpeng 920; later ones say up to 2048
            inputs=HASHED_BY_CLASS,  # S 1.8: a set of fields a class, SCTP with its tag
            port_masks=ANY_MASK,  # S 1.8: a ternary table
            ipv6_rules=True,  # S 1.8
            one_mask=False,
            unique=True,  # S 1.8: an equal rule exists already
            max_rules=0,  # S 1.8: reported by firmware
            why="",
        ),
        Profile(
            name="ena",
            key=RANDOM_KEY,  # S 1.8: drawn once a process
            reta_size=128,  # S 1.8
            inputs=HASHED_BY_CLASS_OR_IP,  # S 1.8
            port_masks=NO_RULES,  # S 1.8
            ipv6_rules=False,
            one_mask=False,
            unique=False,
            max_rules=0,
            why="has no flow director",
        ),
        Profile(
            name="gve",
            key=RANDOM_KEY,  # S 1.8: the device's own
            reta_size=128,  # S 1.8
            inputs=HASHED_ANYWAY,  # S 1.8: the same types; by analogy with ixgbe
            port_masks=NO_RULES,  # S 1.8: none in a DPDK that DPVS is built with
            ipv6_rules=False,
            one_mask=False,
            unique=False,
            max_rules=0,
            why="has no flow director before DPDK 26.03",
        ),
        Profile(
            name="vmxnet3",
            key=INTEL_KEY,  # S 1.8
            reta_size=128,  # S 1.8: four entries a queue, 128 at most; queues are powers of two, so 128 does the same
            inputs=HASHED_ANYWAY,  # S 1.8: types IPV4, TCP, and UDP since version 4 of the device
            port_masks=NO_RULES,  # S 1.8
            ipv6_rules=False,
            one_mask=False,
            unique=False,
            max_rules=0,
            why="has no flow director",
        ),
        Profile(  # no product: what a balancer would wish for
            name="ideal",
            key=INTEL_KEY,
            reta_size=128,
            inputs=HASHED_WITH_SCTP,
            port_masks=ANY_MASK,
            ipv6_rules=True,
            one_mask=False,
            unique=False,
            max_rules=0,
            why="",
        ),
    )
}


def rss_key(name: str, configured: bytes | None, seed: int) -> bytes:
    """The hash key in use: the configured one, else the driver's. A driver that draws one draws it from *seed*."""
    if configured is not None:
        return configured
    key = PROFILES[name].key
    if key is RANDOM_KEY:
        from random import Random

        return Random(seed).randbytes(52)
    return key
