"""dpip commands -> the port's addresses, routes, neighbours and VLAN devices (S 6.5).

lbreplay has one port: what a script puts on another device is taken as the port's, and said once.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from lbreplay.config import values
from lbreplay.config.found import Found
from lbreplay.config.ipvsadm import Services, Wrong, number, prefix

FLAGS = {"-v", "-s", "-4", "-6", "-C", "-F", "--force"}
WITH_VALUE = {"-i", "-c", "-f"}
KEYWORDS = {
    "dev", "broadcast", "scope", "valid_lft", "prefered_lft", "via", "src", "mtu", "metric", "lladdr", "link", "proto",
    "id", "tos", "proto_type", "label", "brd", "peer", "netmask", "table", "name", "type",
}  # fmt: skip
DEFAULT_PORT = "dpdk0"
DEVICE = re.compile(r"\b([io]if)=([^,]+)")  # of a match
NEVER_CHANGES = {"show", "list", "help", "test"}
SPECIAL = frozenset({"local", "broadcast", "multicast", "blackhole", "unreachable", "prohibit"})  # types of routes


class Port:
    """The port as a sequence of dpip commands makes it, or of the kernel's `ip`, which speaks almost alike."""

    def __init__(self, found: Found, services: Services) -> None:
        self.tool = "ip" if services.profile == "ipvs" else "dpip"
        self.found = found
        self.services = services
        self.addresses: dict[str, str] = {}  # with their places
        self.sapool: dict[str, str] = {}
        self.vlans: dict[str, tuple[dict[str, Any], str]] = {}
        self.routes: list[tuple[dict[str, Any], str]] = []
        self.neighbors: dict[str, tuple[str, str]] = {}
        self.put: dict[str, tuple[object, str]] = {}  # other keys of [device]
        self.devices: list[str] = []

    def apply(self, words: Sequence[str], place: str) -> None:
        """Carry out one command line without `dpip`."""
        kept, six = _flags(words)
        line = f"{self.tool} {' '.join(words)}"
        if len(kept) < 2 or kept[1] in NEVER_CHANGES:
            return
        verb = {"change": "set", "replace": "add"}.get(kept[1], kept[1])
        handler = getattr(self, f"_do_{kept[0]}_{verb}".replace("-", "_"), None)
        if handler is None:
            self.found.leave(place, line)
            return
        try:
            handler(kept[2:], place, six)
        except ValueError as wrong:
            self.found.warn(place, f"{line}: {wrong or 'not understood'}")

    def ifconfig(self, words: Sequence[str], place: str) -> None:
        """`ifconfig DEVICE[:LABEL] ADDRESS [netmask MASK] [up]` of the kernel's host: an address of the port."""
        given = _arguments(words[1:])
        address = given.get("", "")
        if not re.fullmatch(r"[\d.]+(?:/\d+)?|[0-9A-Fa-f:]*:[0-9A-Fa-f:]+(?:/\d+)?", address) or "down" in given:
            self.found.leave(place, f"ifconfig {' '.join(words)}")
            return
        try:
            length = f"/{prefix(given['netmask'])}" if "netmask" in given and "/" not in address else ""
            self._do_addr_add([f"{address}{length}", "dev", words[0]], place, False)
        except ValueError as wrong:
            self.found.warn(place, f"ifconfig {' '.join(words)}: {wrong or 'not understood'}")

    # devices

    def _on(self, device: str, place: str) -> list[str] | dict[str, str]:
        """Where addresses of *device* belong: a VLAN device's list, or the port's."""
        if device in self.vlans:
            listed: list[str] = self.vlans[device][0]["address"]
            return listed
        device = device.partition(":")[0]  # eth0:0 is a label
        if device not in (*self.devices, "lo"):
            self.devices.append(device)
            if device != self.name:
                self.found.warn(
                    place, f"{device}: lbreplay has one port, {self.name}; what is on {device} is taken as its"
                )
        return self.addresses

    @property
    def name(self) -> str:
        """The port: as dpvs.conf names it, else the first device of the scripts."""
        given: str | None = self.found.document.get("device", {}).get("name")
        return given or next(iter(self.devices), DEFAULT_PORT)

    def _do_addr_add(self, words: list[str], place: str, six: bool) -> None:
        given = _arguments(words)
        network = values.network(given.get("", ""))
        where = self._on(given["dev"], place) if "dev" in given else self.addresses
        address, _, _ = str(network).partition("/")
        if isinstance(where, list):
            where.append(str(network))
        elif "sapool" in given and network.prefix == 8 * len(network.address):
            self.sapool.setdefault(address, place)
        else:
            where.setdefault(str(network), place)
            if "sapool" in given:
                self.sapool.setdefault(address, place)

    _do_addr_set = _do_addr_add

    def _do_addr_del(self, words: list[str], place: str, six: bool) -> None:
        network = values.network(_arguments(words).get("", ""))
        if (
            self.addresses.pop(str(network), None) is None
            and self.sapool.pop(str(network).partition("/")[0], None) is None
        ):
            raise Wrong("no such address")

    def _do_addr_flush(self, words: list[str], place: str, six: bool) -> None:
        self.addresses.clear()

    def _do_vlan_add(self, words: list[str], place: str, six: bool) -> None:
        given = _arguments(words)
        if not given.get("id", "").isdecimal() or "link" not in given:
            raise Wrong("link DEVICE id NUMBER expected")
        name = given.get("") or f"{given['link']}.{given['id']}"
        self.vlans[name] = ({"id": int(given["id"]), "address": []}, place)

    def _do_vlan_del(self, words: list[str], place: str, six: bool) -> None:
        self.vlans.pop(_arguments(words).get("", ""), None)

    def _do_link_add(self, words: list[str], place: str, six: bool) -> None:
        """`ip link add link DEVICE name NAME type vlan id NUMBER`: a VLAN device, as the kernel's tool makes it."""
        given = _arguments(words)
        if given.get("type") == "vlan":
            name = given.get("name") or given.get("", "")
            self._do_vlan_add([name, "link", given.get("link", ""), "id", given.get("id", "")], place, six)
        else:
            self.found.leave(place, f"{self.tool} link add {' '.join(words)}")

    def _do_link_set(self, words: list[str], place: str, six: bool) -> None:
        words = words[1:] if words[:1] == ["dev"] else words
        if not words:
            raise Wrong("a device expected")
        device, setting = words[0], words[1:]
        if self.tool == "ip":
            self._ip_link_set(setting, place)
        elif setting[:1] == ["addr"] and len(setting) == 2:
            values.mac(setting[1])
            if device in self.vlans:
                self.vlans[device][0]["mac"] = setting[1]
            else:
                self.put["mac"] = (setting[1], place)
        elif setting[:1] == ["forward2kni"] and len(setting) == 2:
            self.put["forward2kni"] = (setting[1] == "on", place)
        else:
            self.found.leave(place, f"{self.tool} link set {' '.join(words)}")

    def _ip_link_set(self, setting: list[str], place: str) -> None:
        """`ip link set DEVICE [up] [address MAC] [mtu BYTES]`."""
        queue = iter(setting)
        for word in queue:
            if word in ("address", "addr"):
                mac = next(queue, "")
                values.mac(mac)
                self.put["mac"] = (mac, place)
            elif word == "mtu":
                self.put["mtu"] = (number(next(queue, ""), 68, 9216), place)
            elif word not in ("dev", "up"):
                self.found.leave(place, f"ip link set {' '.join(setting)}")
                return

    # routes and neighbours

    def _do_route_add(self, words: list[str], place: str, six: bool) -> None:
        if "table" in words or not SPECIAL.isdisjoint(words[:1]):
            self.found.leave(place, f"{self.tool} route add {' '.join(words)}: not a route of the main table to a host")
            return
        given = _arguments(words)
        to = destination(given.get("", ""), six or ":" in given.get("via", ""))
        if given.get("scope", "link") in ("host", "kni_host"):
            self.found.leave(place, f"{self.tool} route add {' '.join(words)}: a route to the host itself")
            return
        route: dict[str, Any] = {"to": to}
        for word, name in (("via", "via"), ("src", "source")):
            if word in given:
                values.address(given[word])
                route[name] = given[word]
        if "mtu" in given:
            route["mtu"] = number(given["mtu"], 0, 65535)
        if "metric" in given:
            self.found.leave(place, f"metric {given['metric']}")
        if "dev" in given:
            self._on(given["dev"], place)
        self.routes.append((route, place))

    def _do_route_del(self, words: list[str], place: str, six: bool) -> None:
        given = _arguments(words)
        to = destination(given.get("", ""), six or ":" in given.get("via", ""))
        kept = [known for known in self.routes if known[0]["to"] != to or known[0].get("via") != given.get("via")]
        if len(kept) == len(self.routes):
            raise Wrong("no such route")
        self.routes = kept

    def _do_route_flush(self, words: list[str], place: str, six: bool) -> None:
        self.routes.clear()

    def _do_neigh_add(self, words: list[str], place: str, six: bool) -> None:
        given = _arguments(words)
        values.mac(given.get("lladdr", ""))
        values.address(given.get("", ""))
        self.neighbors[given[""]] = (given["lladdr"], place)

    _do_neigh_set = _do_neigh_add

    def _do_neigh_del(self, words: list[str], place: str, six: bool) -> None:
        if self.neighbors.pop(_arguments(words).get("", ""), None) is None:
            raise Wrong("no such neighbour")

    # sets of addresses

    def _do_ipset_create(self, words: list[str], place: str, six: bool) -> None:
        if len(words) < 2 or words[1] not in ("hash:ip", "hash:net", "bitmap:ip"):
            self.found.leave(place, f"{self.tool} ipset create {' '.join(words)}")
            return
        self.services.ipsets[words[0]] = []

    def _do_ipset_add(self, words: list[str], place: str, six: bool) -> None:
        if len(words) < 2 or words[0] not in self.services.ipsets:
            raise Wrong("a set created before and an address expected")
        for text in words[1].split(","):
            values.network(text)
            self.services.ipsets[words[0]].append(text)

    # the end

    def finish(self) -> None:
        """Put the port, routes and neighbours into the document."""
        self._one_port()
        for key, listed in (("address", self.addresses), ("sapool_address", self._pools())):
            if listed:
                places = ", ".join(dict.fromkeys(listed.values()))
                self.found.put(("device", key), list(listed), places)
        for name, (value, place) in self.put.items():
            self.found.put(("device", name), value, place)
        for vlan, place in self.vlans.values():
            self.found.append(("device", "vlan"), vlan, place)
        for route, place in self.routes:
            self.found.append(("route",), route, place)
        for address, (mac, place) in self.neighbors.items():
            self.found.append(("neighbor",), {"address": address, "mac": mac}, place)

    def _one_port(self) -> None:
        """A match by another device's name is by the port's too: what is on that device is taken as its."""
        for draft in self.services.drafts.values():
            match = draft.fields.get("match", "")
            if DEVICE.search(match):
                self.found.document.setdefault("device", {}).setdefault("name", self.name)
                draft.fields["match"] = DEVICE.sub(self._device_of, match)

    def _device_of(self, found: re.Match[str]) -> str:
        return f"{found[1]}={self.name}" if found[2] in self.devices else found[0]

    def _pools(self) -> dict[str, str]:
        """Addresses with a port pool that no service lists."""
        listed = {a for draft in self.services.drafts.values() for a in draft.lists["laddr"]}
        return {address: place for address, place in self.sapool.items() if address not in listed}


def destination(text: str, six: bool) -> str:
    """`default`, or a prefix; one without length or with /0 is a single host (S 6.5)."""
    if text == "default":
        return "::/0" if six else "0.0.0.0/0"
    network = values.network(text)
    if network.prefix == 0:
        network = network._replace(prefix=8 * len(network.address))
    return str(network)


def _flags(words: Sequence[str]) -> tuple[list[str], bool]:
    """Options may stand anywhere: (the other words, whether -6 was among them)."""
    kept: list[str] = []
    queue: Iterator[str] = iter(words)
    six = False
    for word in queue:
        if word in WITH_VALUE:
            six |= next(queue, "") == "inet6"
        elif word in FLAGS:
            six |= word == "-6"
        else:
            kept.append(word)
    return kept, six


def _arguments(words: Sequence[str]) -> dict[str, str]:
    """Keywords with their values; what stands alone first is the subject, under the empty name."""
    found: dict[str, str] = {}
    queue = iter(words)
    for word in queue:
        if word in KEYWORDS:
            found[word] = next(queue, "")
        elif "" not in found and word != "sapool":
            found[""] = word
        else:
            found[word] = word
    return found
