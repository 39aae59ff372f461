"""Black and white lists: who may talk to a service (D 14.2).

A packet is judged by its own destination as the virtual address and its source as the subject, before any connection is
looked up, so established connections are hit too, and what a real server answers is not. All workers hold the same
lists, so there is one `AccessControl` for all of them.

Behaviour `whitelist`: "exact" looks only at the entries of the very service; "bucket" (releases up to v1.9.6) shuts out
every stranger of whatever falls into a hash bucket that holds any whitelist entry.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from lbreplay.loop.ends import words
from lbreplay.loop.lists import BUCKETS_THERE, Lists, merged
from lbreplay.loop.lists import bucket as numbered
from lbreplay.model import AccessList, Behaviour, Service
from lbreplay.verdict import Verdict

_Key = tuple[int, bytes, int]  # protocol, virtual address, virtual port
_NOBODY = AccessList()
_BLACK, _WHITE = Verdict["ACL_BLACKLIST"], Verdict["ACL_WHITELIST"]


def _ranges(entries: AccessList, width: int) -> Iterator[tuple[int, int]]:
    """First and last addresses, as numbers, of the entries with *width* bytes."""
    for address in entries.addresses:
        if len(address) == width:
            yield int.from_bytes(address), int.from_bytes(address)
    for network in (network for networks in entries.sets for network in networks):
        if len(network.address) == width:
            host = (1 << 8 * width - network.prefix) - 1
            first = int.from_bytes(network.address) & ~host
            yield first, first | host


def _spans(entries: AccessList, key: _Key) -> list[int]:
    """What may be a source of packets to *key*, as the record has it."""
    return merged(_ranges(entries, len(key[1])))


def bucket(proto: int, address: bytes, port: int) -> int:
    """The hash bucket of a whitelist entry (D 14.2): only the first 32 bits of an IPv6 address count."""
    return numbered(proto, int.from_bytes(address[:4]), port)


class AccessControl:
    """The lists of all services. False when nobody lists anything, so that callers can skip the test."""

    def __init__(self, services: Iterable[Service], behaviour: Behaviour) -> None:
        self._by_bucket = behaviour.whitelist == "bucket"
        self._black: dict[_Key, AccessList] = {}
        self._white: dict[_Key, AccessList] = {}
        self._lists: Lists | None = None
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
        self._lists = None

    def remove(self, service: Service) -> None:
        """Flush the lists of a *service* that is removed."""
        self.replace(service, _NOBODY, _NOBODY)

    @property
    def lists(self) -> Lists:
        """All lists as a record, made when it is first needed after a change."""
        if self._lists is None:
            keys = list({**self._black, **self._white})
            black = [_spans(self._black.get(key, _NOBODY), key) for key in keys]
            white = [_spans(self._white[key], key) if key in self._white else None for key in keys]
            self._lists = Lists(keys, black, white, self._shut(), (int(_BLACK), int(_WHITE)))
        return self._lists

    def _shut(self) -> bytes | None:
        """Buckets of which strangers are shut out, a byte each."""
        if not self._by_bucket:
            return None
        shut = bytearray(BUCKETS_THERE)
        for proto, address, port in self._white:
            shut[bucket(proto, address, port)] = 1
        return bytes(shut)

    def refusal(self, proto: int, src: bytes, dst: bytes, dport: int) -> Verdict | None:
        """ACL_BLACKLIST or ACL_WHITELIST where the packet is dropped, None where it may pass."""
        port = int.from_bytes(dport.to_bytes(2), "little")
        verdict = self.lists.refusal(*words(src), *words(dst), port, proto, len(src) == 16)
        return None if verdict < 0 else _BLACK if verdict == _BLACK else _WHITE
