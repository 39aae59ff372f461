"""ipvsadm commands of DPVS -> services (S 6.4): what scripts, `ipvsadm -S` and events say of them.

`options` reads one command line by the table below. `Services` carries commands out on drafts of services, as DPVS
would on its own, and puts what is there in the end into a `Found`. A command that ipvsadm would refuse is a warning.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, NamedTuple

from lbreplay.config import values
from lbreplay.config.found import Found, Path
from lbreplay.config.keypath import service_name
from lbreplay.config.kinds import nearest
from lbreplay.config.schema import DPVS_SCHEDULERS, IPVS_SCHEDULERS
from lbreplay.errors import ConfigError
from lbreplay.model import Endpoint

COMMANDS = {
    "A": "add-service", "E": "edit-service", "D": "delete-service", "C": "clear", "a": "add-server",
    "e": "edit-server", "d": "delete-server", "P": "add-laddr", "Q": "del-laddr", "U": "add-blklst",
    "V": "del-blklst", "O": "add-whtlst", "Y": "del-whtlst", "R": "restore", "S": "save", "L": "list", "l": "list",
    "Z": "zero", "G": "get-laddr", "B": "get-blklst", "W": "get-whtlst",
}  # fmt: skip
READING = {"save", "list", "zero", "get-laddr", "get-blklst", "get-whtlst"}  # change nothing
LONG_COMMANDS = {*COMMANDS.values(), "set", "start-daemon", "stop-daemon"}
DAEMON = ("start-daemon", "stop-daemon")  # master or backup behind them
WITH_VALUE = {
    "t": "tcp-service", "u": "udp-service", "q": "icmp-service", "1": "icmpv6-service", "f": "fwmark-service",
    "H": "match", "s": "scheduler", "M": "netmask", "j": "synproxy", "r": "real-server", "w": "weight",
    "x": "u-threshold", "y": "l-threshold", "z": "laddr", "F": "ifname", "k": "blklst", "2": "whtlst",
    "": "sctp-service hash-target conn-timeout proxy-protocol dest-check pe cpu mcast-interface syncid",
}  # fmt: skip
FLAGS = {
    "o": "ops", "g": "gatewaying", "i": "ipip", "m": "masquerading", "b": "fullnat", "J": "snat", "6": "ipv6",
    "n": "numeric", "c": "connection", "X": "exact", "p": "persistent",
    "": "expire-quiescent quic stats rate thresholds persistent-conn timeout daemon nosort sort sockpair",
}  # fmt: skip
MODES = {"gatewaying": "dr", "ipip": "tunnel", "masquerading": "nat", "fullnat": "fnat", "snat": "snat"}
SELECTORS = {"tcp-service": "tcp", "udp-service": "udp", "sctp-service": "sctp", "icmp-service": "icmp",
             "icmpv6-service": "icmpv6"}  # fmt: skip


class Grammar(NamedTuple):
    """What an ipvsadm understands: long names by letter, and of these the ones with a value."""

    short: Mapping[str, str]
    valued: frozenset[str]
    known: frozenset[str]

    @classmethod
    def of(cls, commands: Mapping[str, str], valued: Mapping[str, str], flags: Mapping[str, str]) -> Grammar:
        """From tables by letter; under the empty one stand names without a letter."""
        short = {**commands, **valued, **flags}
        with_value = {*valued.values(), *valued[""].split()}
        known = {*short.values(), *valued[""].split(), *flags[""].split(), *LONG_COMMANDS}
        return cls(short, frozenset(with_value), frozenset(known))


DPVS = Grammar.of(COMMANDS, WITH_VALUE, FLAGS)

HOST_NAME = re.compile(r"[A-Za-z0-9](?:[\w-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[\w-]*[A-Za-z0-9])?)*")
FOUND_BY = ("vip", "protocol", "match", "fwmark")
Key = tuple[str, str]  # protocol or "match", and the canonical endpoint or match text
Options = dict[str, str]


class Wrong(ValueError):
    """A command that ipvsadm or dpip would refuse."""


def options(words: Sequence[str], grammar: Grammar = DPVS) -> tuple[str, Options]:
    """A command line without `ipvsadm` -> (command, options by long name)."""
    found: Options = {}
    queue = list(_spread(words, grammar))
    while queue:
        name = queue.pop(0)
        if not name.startswith("--"):
            raise Wrong(f"an option expected, got {name}")
        name, equals, value = name[2:].partition("=")
        if name not in grammar.known:
            raise Wrong(f"unknown option --{name}")
        if name in found:
            raise Wrong(f"--{name} is given twice")
        if name in grammar.valued and not equals:
            if not queue:
                raise Wrong(f"--{name} needs a value")
            value = queue.pop(0)
        elif name == "persistent" and not equals and queue and queue[0].isdecimal():
            value = queue.pop(0)
        elif name == "set":
            value, queue = " ".join(queue[:3]), queue[3:]
        elif name in DAEMON and queue and not queue[0].startswith("-"):
            value = queue.pop(0)
        found[name] = value
    command = next(iter(found), "list")
    if command not in LONG_COMMANDS:
        raise Wrong(f"the command must come first, got --{command}")
    if not found.get(command):
        found.pop(command, None)
    return command, found


def _spread(words: Sequence[str], grammar: Grammar) -> Iterator[str]:
    """Short options, also clustered or with their value behind, as long ones."""
    for word in words:
        if not re.fullmatch(r"-[^-].*", word):
            yield word
            continue
        rest = word[1:]
        while rest:
            letter, rest = rest[0], rest[1:]
            if letter not in grammar.short:
                raise Wrong(f"unknown option -{letter}")
            yield f"--{grammar.short[letter]}"
            if grammar.short[letter] in grammar.valued and rest:
                yield rest.removeprefix("=")
                break


@dataclass
class Draft:
    """A service in the making: TOML fields, each with its place."""

    place: str
    fields: dict[str, Any] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)
    reals: dict[str, dict[str, Any]] = field(default_factory=dict)
    real_notes: dict[str, str] = field(default_factory=dict)
    lists: dict[str, list[str]] = field(default_factory=lambda: {"laddr": [], "blacklist": [], "whitelist": []})
    gone: bool = False  # removed by an event
    added: bool = False  # by an event
    changed: dict[str, Any] = field(default_factory=dict)  # what events changed of it
    index: int = 0  # in the document
    live: dict[str, dict[str, Any]] | None = None  # real servers as events left them
    live_lists: dict[str, list[str]] = field(default_factory=dict)

    def put(self, name: str, value: object, place: str) -> None:
        self.fields[name] = value
        self.notes[name] = place

    @property
    def port(self) -> int:
        return values.endpoint(self.fields["vip"]).port if "vip" in self.fields else 0


class Services:
    """Services as a sequence of commands makes them."""

    profile: ClassVar[str] = "dpvs"
    default_mode: ClassVar[str] = "fnat"
    mixes_modes: ClassVar[bool] = False  # real servers of one service may be forwarded in different ways
    needs_reals: ClassVar[bool] = True
    grammar: ClassVar[Grammar] = DPVS
    schedulers: ClassVar[tuple[str, ...]] = DPVS_SCHEDULERS

    def __init__(self, found: Found) -> None:
        self.found = found
        self.drafts: dict[Key, Draft] = {}
        self.ipsets: dict[str, list[str]] = {}
        self.events: list[tuple[dict[str, Any], Draft | None, str]] = []
        self.replaced: list[Draft] = []  # removed by an event, and made again by another
        self.said: list[tuple[str, object, str]] = []  # in comments, of the next service
        self.refused: list[str] = []  # warnings of commands that were not carried out
        self.ifnames: dict[str, str] = {}  # of local addresses, the device that -F names
        self.home: Callable[[str], str] = str  # a local address as the TOML has it: with its device, of several

    # commands

    def apply(self, words: Sequence[str], place: str, at: float | None = None, said: str = "") -> bool:
        """Carry out one command line; with *at* as an event at that second. False where it was refused.

        *said*: what stands at *place*, where that is not this command, for the messages.
        """
        line = said or f"ipvsadm {' '.join(words)}"
        try:
            command, given = options(words, self.grammar)
            if command in READING and not (at is not None and hasattr(self, f"_at_{command}")):
                return True
            handler = getattr(self, ("_at_" if at is not None else "_") + command.replace("-", "_"), None)
            if handler is None and at is not None:
                raise Wrong("not modelled in the middle of a replay")
            if handler is None:
                self.found.leave(place, line)
            elif at is None:
                handler(given, place)
            else:
                handler(given, place, at)
        except ValueError as wrong:
            if at is not None:  # a script goes on behind a command that fails; of an event nothing would be left
                raise ConfigError(f"{place}: {line}: {wrong}") from None
            self.found.warn(place, f"{line}: {wrong}")
            self.refused.append(self.found.warnings[-1])
            return False
        return True

    def comment(self, text: str, place: str) -> None:
        """What ipvsadm has no option for, said in words before the service it is about."""
        if flag := re.search(r"\bmh-(port|fallback) flag of this service is set", text):
            self.said.append((f"mh_{flag[1]}", True, place))
        elif seconds := re.search(r"\bconn_timeout (\d+) of this service is set", text):
            self.said.append(("conn_timeout", int(seconds[1]), place))

    def _key(self, given: Options) -> Key:
        chosen = [name for name in (*SELECTORS, "match", "fwmark-service") if name in given]
        if len(chosen) != 1:
            raise Wrong(f"one service expected, got {len(chosen)}")
        if chosen[0] == "fwmark-service":
            raise Wrong("DPVS never looks at firewall marks (D 10.1)")
        text = given[chosen[0]]
        if chosen[0] == "match":
            values.match(text)
            return "match", text
        return SELECTORS[chosen[0]], str(host(text))

    def _draft(self, given: Options) -> Draft:
        key = self._key(given)
        if key not in self.drafts or self.drafts[key].gone:
            raise Wrong(f"no such service, {key[0]} {key[1]}")
        return self.drafts[key]

    def _clear(self, given: Options, place: str) -> None:
        self.drafts.clear()

    def _add_service(self, given: Options, place: str) -> None:
        key = self._key(given)
        if key in self.drafts:
            raise Wrong("the service exists")
        draft = Draft(place)
        if key[0] in ("match", "fwmark"):
            draft.put(key[0], int(key[1]) if key[0] == "fwmark" else key[1], place)
        else:
            draft.put("vip", key[1], place)
            draft.put("protocol", key[0], place)
        self._describe(draft, given, place)
        for name, value, where in self.said:
            draft.put(name, value, where)
        self.said.clear()
        self.drafts[key] = draft

    def _edit_service(self, given: Options, place: str) -> None:
        draft = self._draft(given)
        draft.fields = {name: value for name, value in draft.fields.items() if name in FOUND_BY}
        self._describe(draft, given, place)

    def _describe(self, draft: Draft, given: Options, place: str) -> None:
        """The options of a service; what is not given has ipvsadm's default."""
        draft.put("scheduler", self._scheduler(given.get("scheduler", "wlc")), place)
        if "persistent" in given:
            draft.put("persistent", _persistence(given), place)
        for option, name in (("ops", "one_packet"), ("expire-quiescent", "expire_quiescent"), ("quic", "quic")):
            if option in given:
                draft.put(name, True, place)
        if given.get("synproxy", "disable") == "enable":
            self._synproxy(draft, place)
        if "conn-timeout" in given:
            draft.put("conn_timeout", number(given["conn-timeout"], 0, 31535999), place)
        if given.get("hash-target", "sip") == "qid":
            draft.put("hash_target", "quic", place)
        if given.get("proxy-protocol", "") in ("v1", "v2", "v1-insecure", "v2-insecure"):
            draft.put("proxy_protocol", given["proxy-protocol"], place)
        if "dest-check" in given and (check := dest_check(given["dest-check"])):
            draft.put("dest_check", check, place)
        if "pe" in given:
            self.found.leave(place, f"--pe {given['pe']}")

    def _scheduler(self, name: str) -> str:
        if name in self.schedulers:
            return name
        other = {"dpvs": ("ipvs", IPVS_SCHEDULERS), "ipvs": ("dpvs", DPVS_SCHEDULERS)}[self.profile]
        hint = f" (it is of profile {other[0]})" if name in other[1] else nearest(name, self.schedulers)
        raise Wrong(f"{', '.join(self.schedulers)} expected, got {name}{hint}")

    def _synproxy(self, draft: Draft, place: str) -> None:
        """The flag, which DPVS takes for any service and looks at for TCP alone (D 6)."""
        if draft.fields.get("protocol", "tcp") == "tcp":
            draft.put("synproxy", True, place)
        else:
            self.found.warn(place, f"synproxy is for TCP; DPVS ignores it for {draft.fields['protocol']}")

    def _delete_service(self, given: Options, place: str) -> None:
        self._draft(given)
        del self.drafts[self._key(given)]

    def _server(self, draft: Draft, given: Options, place: str) -> tuple[str, dict[str, Any]]:
        """(address, fields) of the real server of a command."""
        endpoint, mode = server_of(given, MODES)
        if mode in ("dr", "tunnel"):
            endpoint = Endpoint(endpoint.address, draft.port)
        elif endpoint.port == 0 and mode != "snat" and draft.port:
            self.found.warn(place, f"-r {given['real-server']} has no port; {draft.port} is taken")
            endpoint = Endpoint(endpoint.address, draft.port)
        real = {"weight": number(given.get("weight", "1"), 0, 65535), "mode": mode}
        for option, name in (("u-threshold", "max_conn"), ("l-threshold", "min_conn")):
            if option in given:
                real[name] = number(given[option], 0, 2**32 - 1)
        return str(endpoint), real

    def _add_server(self, given: Options, place: str) -> None:
        draft = self._draft(given)
        address, real = self._server(draft, given, place)
        if address in draft.reals:
            raise Wrong("the real server exists")
        draft.reals[address] = real
        draft.real_notes[address] = place

    def _edit_server(self, given: Options, place: str) -> None:
        draft = self._draft(given)
        address, real = self._server(draft, given, place)
        if address not in draft.reals:
            raise Wrong("no such real server")
        draft.reals[address] = real
        draft.real_notes[address] = place

    def _delete_server(self, given: Options, place: str) -> None:
        draft = self._draft(given)
        if draft.reals.pop(self._server_address(draft, given), None) is None:
            raise Wrong("no such real server")

    def _server_address(self, draft: Draft, given: Options) -> str:
        endpoint = host(given.get("real-server", ""))
        known = draft.reals if draft.live is None else draft.live
        if str(endpoint) not in known and endpoint.port == 0:
            endpoint = Endpoint(endpoint.address, draft.port)
        return str(endpoint)

    def _add_laddr(self, given: Options, place: str) -> None:
        self._into("laddr", self._draft(given), self._laddr(given), place)

    def _laddr(self, given: Options) -> str:
        """A local address; the device that -F names is kept."""
        address = _address(given.get("laddr", ""))
        if "ifname" in given:
            self.ifnames.setdefault(address, given["ifname"])
        return address

    def _del_laddr(self, given: Options, place: str) -> None:
        self._out_of("laddr", self._draft(given), _address(given.get("laddr", "")))

    def _add_blklst(self, given: Options, place: str) -> None:
        self._into_list("blacklist", "blklst", given, place, True)

    def _del_blklst(self, given: Options, place: str) -> None:
        self._into_list("blacklist", "blklst", given, place, False)

    def _add_whtlst(self, given: Options, place: str) -> None:
        self._into_list("whitelist", "whtlst", given, place, True)

    def _del_whtlst(self, given: Options, place: str) -> None:
        self._into_list("whitelist", "whtlst", given, place, False)

    def _into_list(self, name: str, option: str, given: Options, place: str, add: bool) -> None:
        draft = self._draft(given)
        for subject in self._subjects(given.get(option, "")):
            if add:
                self._into(name, draft, subject, place)
            else:
                self._out_of(name, draft, subject)

    def _subjects(self, text: str) -> list[str]:
        if not text.startswith("ipset:"):
            return [_address(text)]
        if text[6:] not in self.ipsets:
            raise Wrong(f"no such ipset, {text[6:]}")
        return self.ipsets[text[6:]]

    def _into(self, name: str, draft: Draft, entry: str, place: str) -> None:
        if entry in draft.lists[name]:
            raise Wrong(f"{entry} exists")
        draft.lists[name].append(entry)
        draft.notes[name] = f"{draft.notes[name]}, {place.rpartition(':')[2]}" if name in draft.notes else place

    def _out_of(self, name: str, draft: Draft, entry: str) -> None:
        if entry not in draft.lists[name]:
            raise Wrong(f"no {entry} there")
        draft.lists[name].remove(entry)

    # events

    def _event(self, draft: Draft | None, at: float, place: str, **what: Any) -> None:
        """*what* happens to *draft*, or to the whole."""
        self.events.append(({"at": at, **what}, draft, place))

    def _living(self, given: Options) -> tuple[Draft, dict[str, dict[str, Any]]]:
        draft = self._draft(given)
        if draft.live is None:
            draft.live = {address: dict(real) for address, real in draft.reals.items()}
        return draft, draft.live

    def _at_add_server(self, given: Options, place: str, at: float) -> None:
        draft, live = self._living(given)
        address, real = self._server(draft, given, place)
        if address in live:
            raise Wrong("the real server exists")
        live[address] = real
        mode = next((one["mode"] for one in draft.reals.values()), draft.fields.setdefault("mode", real["mode"]))
        kept = self._beside(real, mode if self.mixes_modes else real["mode"])
        value = {"address": address, **kept}
        self._event(draft, at, place, add="real", value=value)

    def _at_edit_server(self, given: Options, place: str, at: float) -> None:
        draft, live = self._living(given)
        address, real = self._server(draft, given, place)
        if address not in live:
            raise Wrong("no such real server")
        for name in ("max_conn", "min_conn", "weight"):
            before, after = live[address].get(name, 0), real.get(name, 0)
            if name == "weight" or before != after:
                self._event(draft, at, place, set=f"real.{address}.{name}={after}")
        live[address] = real

    def _at_delete_server(self, given: Options, place: str, at: float) -> None:
        draft, live = self._living(given)
        address = self._server_address(draft, given)
        if live.pop(address, None) is None:
            raise Wrong("no such real server")
        self._event(draft, at, place, remove=f"real.{address}")

    def _at_delete_service(self, given: Options, place: str, at: float) -> None:
        draft = self._draft(given)
        draft.gone = True
        self._event(draft, at, place, remove="")

    def _change_list(self, name: str, option: str, given: Options, place: str, at: float, add: bool) -> None:
        draft = self._draft(given)
        now = draft.live_lists.setdefault(name, list(draft.lists[name]))
        for subject in self._subjects(given.get(option, "")):
            if (subject in now) == add:
                raise Wrong(f"{subject} exists" if add else f"no {subject} there")
            now.append(subject) if add else now.remove(subject)
        spelled = "[" + ", ".join(f"'{subject}'" for subject in now) + "]"
        self._event(draft, at, place, set=f"{name}={spelled}")

    def _at_add_laddr(self, given: Options, place: str, at: float) -> None:
        self._laddr(given)
        self._change_list("laddr", "laddr", given, place, at, True)

    def _at_del_laddr(self, given: Options, place: str, at: float) -> None:
        self._change_list("laddr", "laddr", given, place, at, False)

    def _at_add_blklst(self, given: Options, place: str, at: float) -> None:
        self._change_list("blacklist", "blklst", given, place, at, True)

    def _at_del_blklst(self, given: Options, place: str, at: float) -> None:
        self._change_list("blacklist", "blklst", given, place, at, False)

    def _at_add_whtlst(self, given: Options, place: str, at: float) -> None:
        self._change_list("whitelist", "whtlst", given, place, at, True)

    def _at_del_whtlst(self, given: Options, place: str, at: float) -> None:
        self._change_list("whitelist", "whtlst", given, place, at, False)

    # the end

    def finish(self) -> None:
        """Put the services into the document."""
        added = {id(draft) for event, draft, _ in self.events if "add" in event}
        whole = [(self._key_of(draft), draft) for draft in self.replaced if not draft.added]
        for key, draft in [*whole, *((key, draft) for key, draft in self.drafts.items() if not draft.added)]:
            if self.needs_reals and not draft.reals and id(draft) not in added:
                self.found.warn(draft.place, f"service {' '.join(key)} has no real server and is left out")
            else:
                self._put(draft)

    def _key_of(self, draft: Draft) -> Key:
        return next((name, str(draft.fields[name])) for name in FOUND_BY if name in draft.fields)

    def finish_events(self) -> None:
        """Put the events into the document, when services have their names."""
        for event, draft, place in self.events:
            self.found.append(("event",), event | (self._named(event, draft) if draft is not None else {}), place)

    def _named(self, event: dict[str, Any], draft: Draft) -> dict[str, Any]:
        """What *event* says of a service, by its name; one that it adds in full."""
        entry = {"mode": self.default_mode, **draft.fields} if draft.added else None
        if entry is not None and event.get("add") == "service":
            return {"service": entry}
        if event.get("set", "").startswith("laddr="):
            event = {**event, "set": re.sub(r"'([^']+)'", lambda found: f"'{self.home(found[1])}'", event["set"])}
        name = "service." + service_name(entry or self.found.document["service"][draft.index])
        return {a: f"{name}.{event[a]}".rstrip(".") for a in ("set", "remove", "add", "zero") if a in event}

    def _put(self, draft: Draft) -> None:
        entry = self.found.append(("service",), {}, draft.place)
        draft.index = len(self.found.document["service"]) - 1
        mode = next((real["mode"] for real in draft.reals.values()), draft.fields.pop("mode", self.default_mode))
        for name, value in {**draft.fields, "mode": mode}.items():
            self.found.put((*entry, name), value, draft.notes.get(name, draft.place))
        for name, listed in draft.lists.items():
            if listed:
                spelled = [self.home(address) for address in listed] if name == "laddr" else listed
                self.found.put((*entry, name), spelled, draft.notes[name])
        if mode == "fnat" and not draft.lists["laddr"]:
            self._make_up(entry)
        for address, real in draft.reals.items():
            note = draft.real_notes[address]
            if real["mode"] != mode and not self.mixes_modes:
                self.found.warn(note, f"{address} is forwarded by {real['mode']}, its service by {mode}: left out")
                continue
            place = self.found.append((*entry, "real"), {"address": address}, note)
            for name, value in self._beside(real, mode).items():
                self.found.put((*place, name), value, note)

    def _beside(self, real: dict[str, Any], mode: str) -> dict[str, Any]:
        """The fields of *real*, its mode only where that differs from the service's."""
        return {name: value for name, value in real.items() if (name, value) != ("mode", mode)}

    def _make_up(self, entry: Path) -> None:
        """Full NAT without local addresses cannot work: a save file leaves them out, so take one for benchmarks."""
        service = self.found.document["service"][entry[1]]
        number = len(self.found.document["service"])
        wide = all(r.startswith("[") for d in self.drafts.values() for r in d.reals if d.fields == service) and (
            service.get("vip", "").startswith("[")
        )
        laddr = f"2001:db8:198:19::{number:x}" if wide else f"198.19.{number >> 8}.{number & 255}"
        self.found.warn(self.found.notes[entry], f"{service_name(service)} has no local address; {laddr} is made up")
        self.found.put((*entry, "laddr"), [self.home(laddr)], "made up: ipvsadm -G shows the real ones")


def host(text: str) -> Endpoint:
    """`A.B.C.D[:PORT]`, `[V6]:PORT`, or an IPv6 address alone; without port 0. A port may be a service's name."""
    address, colon, name = text.rpartition(":")
    try:
        return values.endpoint(f"{address}{colon}{values.PORT_NAMES.get(name, name)}")
    except ValueError:
        pass
    try:
        return Endpoint(values.address(text), 0)
    except ValueError:
        raise Wrong(f"ADDRESS:PORT expected, got {text or 'nothing'}{_named(text)}") from None


def _named(text: str) -> str:
    """What to do about a host's name, which nobody looks up here."""
    name, _, port = text.rpartition(":") if ":" in text else (text, "", "")
    if HOST_NAME.fullmatch(name) and not name.replace(".", "").isdecimal():
        return " (names of hosts are not looked up: ipvsadm -S -n and -L -n print numbers)"
    return f" (no port is named {port})" if port and not port.isdecimal() and name else ""


def server_of(given: Options, modes: Mapping[str, str]) -> tuple[Endpoint, str]:
    """The real server that a command names and the one way of forwarding, of *modes* by option; dr where none is."""
    if "real-server" not in given:
        raise Wrong("-r expected")
    named = [mode for option, mode in modes.items() if option in given]
    if len(named) > 1:
        raise Wrong("one way of forwarding expected")
    return host(given["real-server"]), named[0] if named else "dr"


def _address(text: str) -> str:
    try:
        return str(ipaddress.ip_address(values.address(text)))
    except ValueError:
        raise Wrong(f"an address expected, got {text or 'nothing'}") from None


def number(text: str, low: int, high: int) -> int:
    """A decimal number in a range."""
    if not text.isdecimal() or not low <= int(text) <= high:
        raise Wrong(f"{low} to {high} expected, got {text}")
    return int(text)


def _persistence(given: Options) -> dict[str, int]:
    found = {"timeout": number(given["persistent"] or "360", 1, 2678400)}
    if "netmask" in given:
        found["netmask"] = prefix(given["netmask"])
    return found


def prefix(text: str) -> int:
    """`255.255.255.0` -> 24; of IPv6 a prefix length as it is."""
    if text.isdecimal():
        return number(text, 1, 128)
    mask = int.from_bytes(values.address(text))
    length = mask.bit_count()
    if mask != (0xFFFFFFFF << (32 - length)) & 0xFFFFFFFF:
        raise Wrong(f"a netmask expected, got {text}")
    return length


FOR_GOOD = {"up_confirm": 0, "inhibit_min": 0, "inhibit_max": 0}


def dest_check(text: str) -> bool | dict[str, int]:
    """`disable`, `default`, `RETRY,WAITs` (taken out for good) or `RETRY,CONFIRM,WAITs,MIN-MAXs`."""
    if text in ("disable", "default"):
        return text == "default"
    if short := re.fullmatch(r"(\d+),(\d+)s?", text):
        return {"down_retry": int(short[1]), "down_wait": int(short[2])} | FOR_GOOD
    if full := re.fullmatch(r"(\d+),(\d+),(\d+)s?,(\d+)s?-(\d+)s?", text):
        names: tuple[str, ...] = ("down_retry", "up_confirm", "down_wait", "inhibit_min", "inhibit_max")
        return {name: int(value) for name, value in zip(names, full.groups(), strict=True)}
    raise Wrong(f"disable, default, or 1,1,3s,5-3600s expected, got {text}")
