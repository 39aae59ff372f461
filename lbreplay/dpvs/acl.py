"""Black and white lists: who may talk to a service (D 14.2).

A packet is judged by its own destination as the virtual address and its source as the subject, before any connection is
looked up, so established connections are hit too, and what a real server answers is not. All workers hold the same
lists, so there is one `AccessControl` for all of them.

Behaviour `whitelist`: "exact" looks only at the entries of the very service; "bucket" (releases up to v1.9.6) shuts out
every stranger of whatever falls into a hash bucket that holds any whitelist entry.
"""

from __future__ import annotations

from collections.abc import Iterable

from lbreplay.model import AccessList, Behaviour, Service
from lbreplay.verdict import Verdict

_Key = tuple[int, bytes, int]  # protocol, virtual address, virtual port
_NOBODY = AccessList()
_BLACK, _WHITE = Verdict["ACL_BLACKLIST"], Verdict["ACL_WHITELIST"]


def listed(entries: AccessList, src: bytes) -> bool:
    """True when *src* is one of the addresses, or in a network of any of the sets."""
    return src in entries.addresses or any(src in network for networks in entries.sets for network in networks)


def bucket(proto: int, address: bytes, port: int) -> int:
    """The hash bucket of a whitelist entry (D 14.2): only the first 32 bits of an IPv6 address count."""
    return ((256 * proto * 7 + int.from_bytes(address[:4])) * 31 + port) % 65536


class AccessControl:
    """The lists of all services. False when nobody lists anything, so that callers can skip the test."""

    def __init__(self, services: Iterable[Service], behaviour: Behaviour) -> None:
        self._by_bucket = behaviour.whitelist == "bucket"
        self._black: dict[_Key, AccessList] = {}
        self._white: dict[_Key, AccessList] = {}
        self._buckets: frozenset[int] = frozenset()
        for service in services:
            self.replace(service, service.blacklist, service.whitelist)

    def __bool__(self) -> bool:
        return bool(self._black or self._white)

    @property
    def by_chance(self) -> bool:
        """Whether a white list may shut out packets of others, that hash to its bucket."""
        return self._by_bucket and bool(self._white)

    def replace(
        self, service: Service, blacklist: AccessList | None = None, whitelist: AccessList | None = None
    ) -> None:
        """Put new lists in place of those of *service*; None leaves a list as it is, an empty one takes it away."""
        if service.vip is None:
            return
        key = (service.protocol, *service.vip)
        for table, entries in ((self._black, blacklist), (self._white, whitelist)):
            if entries is not None:
                table.pop(key, None)
                if entries.addresses or entries.sets:
                    table[key] = entries
        self._buckets = frozenset(bucket(*key) for key in self._white)

    def remove(self, service: Service) -> None:
        """Flush the lists of a *service* that is removed."""
        self.replace(service, _NOBODY, _NOBODY)

    def refusal(self, proto: int, src: bytes, dst: bytes, dport: int) -> Verdict | None:
        """ACL_BLACKLIST or ACL_WHITELIST where the packet is dropped, None where it may pass."""
        key = (proto, dst, dport)
        if (black := self._black.get(key)) is not None and listed(black, src):
            return _BLACK
        white = self._white.get(key)
        shut = bucket(*key) in self._buckets if self._by_bucket else white is not None
        if shut and not (white is not None and listed(white, src)):
            return _WHITE
        return None
