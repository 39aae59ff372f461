"""dpip commands -> addresses, routes, neighbours and VLAN devices, each on its port (S 6.5).

The kernel's balancer has one port here: what a script puts on another device is taken as the port's, and said once.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple

from lbreplay.config import values
from lbreplay.config.found import Found, Path
from lbreplay.config.ipvsadm import Services, Wrong, number, prefix

FLAGS = {"-v", "-s", "-4", "-6", "-C", "-F", "--force"}
WITH_VALUE = {"-i", "-c", "-f"}
KEYWORDS = {
    "dev", "broadcast", "scope", "valid_lft", "prefered_lft", "via", "src", "mtu", "metric", "lladdr", "link", "proto",
    "id", "tos", "proto_type", "label", "brd", "peer", "netmask", "table", "name", "type",
}  # fmt: skip
OF_TUNNELS = {"mode", "local", "remote", "ttl", "tos", "dev", "link", "key", "ikey", "okey"}  # each has a value
DEFAULT_PORT = "dpdk0"
DEVICE = re.compile(r"\b([io]if)=([^,]+)")  # of a match
NEVER_CHANGES = {"show", "list", "help", "test"}
SPECIAL = frozenset({"local", "broadcast", "multicast", "blackhole", "unreachable", "prohibit"})  # types of routes


class Device:
    """A port, as the commands make it; everything with its place."""

    def __init__(self) -> None:
        self.addresses: dict[str, str] = {}
        self.sapool: dict[str, str] = {}
        self.put: dict[str, tuple[object, str]] = {}  # other keys of [device]


class Vlan(NamedTuple):
    """A VLAN device: the port it is on, and its table."""

    link: str
    table: dict[str, Any]
    place: str


class Ports:
    """The ports as a sequence of dpip commands makes them, or the kernel's one, by `ip`, which speaks almost alike."""

    def __init__(self, found: Found, services: Services) -> None:
        self.tool = "ip" if services.profile == "ipvs" else "dpip"
        self.found = found
        self.services = services
        self.devices: dict[str, Device] = {}
        self.vlans: dict[str, Vlan] = {}
        self.tunnels: set[str] = set()
        self._others: list[str] = []  # names of devices that the kernel's one port stands for
        self.routes: list[tuple[dict[str, Any], str]] = []
        self.neighbors: dict[str, tuple[dict[str, Any], str]] = {}

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

    def _device(self, name: str | None, place: str) -> Device:
        """The port of a name; the kernel's host has one, on which everything is."""
        name = self.name if name is None else name.partition(":")[0]  # eth0:0 is a label
        if self.tool == "dpip" or name in self.devices or not self.devices:
            return self.devices.setdefault(name, Device())
        if name != "lo" and name not in self._others:
            self._others.append(name)
            self.found.warn(place, f"{name}: lbreplay has one port, {self.name}; what is on {name} is taken as its")
        return self.devices[self.name]

    @property
    def name(self) -> str:
        """The first port: as dpvs.conf names it, else the first of the scripts."""
        return next(iter([*self._configured(), *self.devices]), DEFAULT_PORT)

    def _configured(self) -> list[str]:
        """The ports that dpvs.conf names, slaves of bonds left out."""
        given = self.found.document.get("device", {})
        listed = given if isinstance(given, list) else [given]
        slaves = {name for one in listed for name in one.get("slaves", ())}
        return [one["name"] for one in listed if "name" in one and one["name"] not in slaves]

    def _in_tunnel(self, words: list[str], what: str, place: str) -> bool:
        """Whether a command is about a tunnel, which no port is: it is listed then."""
        if _arguments(words).get("dev") not in self.tunnels:
            return False
        self.found.leave(place, f"{self.tool} {what} {' '.join(words)}: a tunnel")
        return True

    def _do_tunnel_add(self, words: list[str], place: str, six: bool) -> None:
        queue = iter(words)
        names = [word for word in queue if not (word in OF_TUNNELS and next(queue, ""))]
        self.tunnels.update(names[:1])
        self.found.leave(place, f"{self.tool} tunnel add {' '.join(words)}")

    def _do_addr_add(self, words: list[str], place: str, six: bool) -> None:
        if self._in_tunnel(words, "addr add", place):
            return
        given = _arguments(words)
        network = values.network(given.get("", ""))
        if given.get("dev") in self.vlans:
            self.vlans[given["dev"]].table["address"].append(str(network))
            return
        device = self._device(given.get("dev"), place)
        address, _, _ = str(network).partition("/")
        if not ("sapool" in given and network.prefix == 8 * len(network.address)):
            device.addresses.setdefault(str(network), place)
        if "sapool" in given:
            device.sapool.setdefault(address, place)

    _do_addr_set = _do_addr_add

    def _do_addr_del(self, words: list[str], place: str, six: bool) -> None:
        network = values.network(_arguments(words).get("", ""))
        device = self._device(_arguments(words).get("dev"), place)
        if (
            device.addresses.pop(str(network), None) is None
            and device.sapool.pop(str(network).partition("/")[0], None) is None
        ):
            raise Wrong("no such address")

    def _do_addr_flush(self, words: list[str], place: str, six: bool) -> None:
        self._device(_arguments(words).get("dev"), place).addresses.clear()

    def _do_vlan_add(self, words: list[str], place: str, six: bool) -> None:
        given = _arguments(words)
        if not given.get("id", "").isdecimal() or "link" not in given:
            raise Wrong("link DEVICE id NUMBER expected")
        name = given.get("") or f"{given['link']}.{given['id']}"
        self.vlans[name] = Vlan(given["link"], {"id": int(given["id"]), "address": []}, place)

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
            self._ip_link_set(device, setting, place)
        elif setting[:1] == ["addr"] and len(setting) == 2:
            values.mac(setting[1])
            if device in self.vlans:
                self.vlans[device].table["mac"] = setting[1]
            else:
                self._device(device, place).put["mac"] = (setting[1], place)
        elif setting[:1] == ["forward2kni"] and len(setting) == 2:
            self._device(device, place).put["forward2kni"] = (setting[1] == "on", place)
        else:
            self.found.leave(place, f"{self.tool} link set {' '.join(words)}")

    def _ip_link_set(self, device: str, setting: list[str], place: str) -> None:
        """`ip link set DEVICE [up] [address MAC] [mtu BYTES]`."""
        queue = iter(setting)
        for word in queue:
            if word in ("address", "addr"):
                mac = next(queue, "")
                values.mac(mac)
                self._device(device, place).put["mac"] = (mac, place)
            elif word == "mtu":
                self._device(device, place).put["mtu"] = (number(next(queue, ""), 68, 9216), place)
            elif word not in ("dev", "up"):
                self.found.leave(place, f"ip link set {' '.join(setting)}")
                return

    # routes and neighbours

    def _do_route_add(self, words: list[str], place: str, six: bool) -> None:
        if "table" in words or not SPECIAL.isdisjoint(words[:1]):
            self.found.leave(place, f"{self.tool} route add {' '.join(words)}: not a route of the main table to a host")
            return
        if self._in_tunnel(words, "route add", place):
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
            self._named(given["dev"], place)
            route["device"] = given["dev"]
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
        neighbor = {"address": given[""], "mac": given["lladdr"]}
        if "dev" in given:
            self._named(given["dev"], place)
            neighbor["device"] = given["dev"]
        self.neighbors[given[""]] = (neighbor, place)

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

    def _named(self, device: str, place: str) -> None:
        """A port is there because a command names it."""
        if device not in self.vlans:
            self._device(device, place)

    # the end

    def finish(self) -> None:
        """Put the ports, routes and neighbours into the document."""
        names = list(dict.fromkeys([*self._configured(), *self.devices, *(vlan.link for vlan in self.vlans.values())]))
        several = len(names) > 1 and self.tool == "dpip"
        listed = several or isinstance(self.found.document.get("device"), list)
        paths: dict[str, Path] = self._listed(names) if listed else dict.fromkeys(names, ("device",))
        for name, device in self.devices.items():
            self._put(device, paths[name])
        for vlan in self.vlans.values():
            self.found.append((*paths[vlan.link], "vlan"), vlan.table, vlan.place)
        self._name_matches(listed)
        for path, entries in (("route", self.routes), ("neighbor", list(self.neighbors.values()))):
            for entry, place in entries:
                on_vlan = path == "route" and entry.get("device") in self.vlans
                self.found.append((path,), self._placed(entry, several or on_vlan), place)
        self.services.home = partial(self._home, several)
        if self._on_vlans() and not listed:
            self.found.document.setdefault("device", {}).setdefault("name", self.name)

    def _placed(self, entry: dict[str, Any], kept: bool) -> dict[str, Any]:
        """A route or neighbour; its device is *kept* where it says something."""
        device = {"device": self._called(entry["device"])} if kept and "device" in entry else {}
        return {key: value for key, value in entry.items() if key != "device"} | device

    def _on_vlans(self) -> bool:
        """Whether something names a VLAN device, by the name of its port."""
        listed = [entry.get("device") for entry, _ in self.routes]
        return not self.vlans.keys().isdisjoint([*listed, *self.services.ifnames.values()])

    def _listed(self, names: list[str]) -> dict[str, Path]:
        """Every port as an entry of `[[device]]`, with those of dpvs.conf: where each is."""
        if not isinstance(self.found.document.get("device"), list):
            only = self.found.document.pop("device", None)
            notes = {path[1:]: self.found.notes.pop(path) for path in list(self.found.notes) if path[0] == "device"}
            if only is not None:
                entry = self.found.append(("device",), only, "dpvs.conf")
                self.found.notes |= {(*entry, *rest): note for rest, note in notes.items()}
        entries = {one["name"]: n for n, one in enumerate(self.found.document.get("device", ()))}
        for name in names:
            if name not in entries:
                entries[name] = int(self.found.append(("device",), {"name": name}, "of the scripts")[-1])
        return {name: ("device", number) for name, number in entries.items()}

    def _put(self, device: Device, path: Path) -> None:
        for key, listed in (("address", device.addresses), ("sapool_address", self._pools(device))):
            if listed:
                self.found.put((*path, key), list(listed), ", ".join(dict.fromkeys(listed.values())))
        for name, (value, place) in device.put.items():
            self.found.put((*path, name), value, place)

    def _called(self, device: str) -> str:
        """A device as the model names it: a VLAN device by its port and id."""
        vlan = self.vlans.get(device)
        return device if vlan is None else f"{vlan.link}.{vlan.table['id']}"

    def _home(self, several: bool, address: str) -> str:
        """A local address with the device that -F puts it on, where that says something; that of no command, on the
        first."""
        device = self.services.ifnames.get(address, self.name)
        return f"{address}@{self._called(device)}" if several or device in self.vlans else address

    def _name_matches(self, listed: bool) -> None:
        """A match by the name of a device is by that which the model gives it; with one port, by that one's."""
        for draft in self.services.drafts.values():
            match = draft.fields.get("match", "")
            if not DEVICE.search(match):
                continue
            if not listed:
                self.found.document.setdefault("device", {}).setdefault("name", self.name)
            draft.fields["match"] = DEVICE.sub(self._device_of, match)

    def _device_of(self, found: re.Match[str]) -> str:
        return f"{found[1]}={self.name if found[2] in self._others else self._called(found[2])}"

    def _pools(self, device: Device) -> dict[str, str]:
        """Addresses with a port pool that no service lists."""
        listed = {a for draft in self.services.drafts.values() for a in draft.lists["laddr"]}
        return {address: place for address, place in device.sapool.items() if address not in listed}


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
