"""net.ipv4.vs.*: the switches, their defaults, and the three modes of a defence (L 14, L 17).

Modes 1 and 2 of drop_entry, drop_packet and secure_tcp wait for a shortage of memory, which a replay never has; they
behave as off, and 3 as on.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

ALWAYS = 3
DEFAULTS: dict[str, int] = {
    "am_droprate": 10,
    "cache_bypass": 0,
    "conn_reuse_mode": 1,
    "conntrack": 0,
    "drop_entry": 0,
    "drop_packet": 0,
    "expire_nodest_conn": 0,
    "expire_quiescent_template": 0,
    "ignore_tunneled": 0,
    "lblc_expiration": 24 * 3600,
    "lblcr_expiration": 24 * 3600,
    "nat_icmp_send": 0,
    "pmtu_disc": 1,
    "run_estimation": 1,
    "schedule_icmp": 0,
    "secure_tcp": 0,
    "sloppy_sctp": 0,
    "sloppy_tcp": 0,
    "snat_reroute": 1,
    "sync_persist_mode": 0,
    "sync_refresh_period": 0,
    "sync_retries": 0,
}
IN_26 = (  # those that 2.6 has too, as far as they do something here
    "am_droprate", "cache_bypass", "drop_entry", "drop_packet", "expire_nodest_conn", "expire_quiescent_template",
    "lblc_expiration", "lblcr_expiration", "nat_icmp_send", "secure_tcp",
)  # fmt: skip
ABSENT_26 = {"snat_reroute": 1, "pmtu_disc": 1, "run_estimation": 1}  # what 2.6 always does; the others are as 0


class Sysctls:
    """The values in force; `sysctls["sloppy_tcp"]`. Events change them."""

    def __init__(self, given: Mapping[str, Any], exist: str) -> None:
        later = {name: ABSENT_26.get(name, 0) for name in DEFAULTS if name not in IN_26}
        self._values = DEFAULTS | (later if exist == "2.6" else {})
        self._values |= {name: value for name, value in given.items() if name in self._values}
        self.threshold, self.period = _threshold(given.get("sync_threshold"))

    @property
    def values(self) -> Mapping[str, int]:
        """All of them, by name."""
        return self._values

    def __getitem__(self, name: str) -> int:
        return self._values[name]

    def set(self, name: str, value: int) -> None:
        """What an event says; names that change nothing here are taken and forgotten."""
        if name in self._values:
            self._values[name] = value

    def always(self, defence: str) -> bool:
        """Whether *defence* acts."""
        return self._values[defence] == ALWAYS


def _threshold(given: object) -> tuple[int, int]:
    """`sync_threshold`: a pair as text or list; 3 50 by default."""
    if given is None:
        return 3, 50
    numbers = [int(part) for part in given.split()] if isinstance(given, str) else list(given)  # type: ignore[call-overload]
    return (numbers[0], numbers[1]) if len(numbers) == 2 else (3, 50)
