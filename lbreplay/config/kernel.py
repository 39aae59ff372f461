"""ipvsadm, sysctl and modprobe commands of the kernel's balancer -> services of profile ipvs (L 17, L 18).

The kernel's ipvsadm has letters of its own: `-b` are flags of the scheduler, `-f` a firewall mark. It keeps services
without real servers, and lets each real server be forwarded in its own way. Defaults are its own too: `-g`, wlc, and
the service's port wherever the address is not rewritten.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from lbreplay.config import ipvs
from lbreplay.config.found import Found, inline
from lbreplay.config.ipvsadm import SELECTORS, Draft, Grammar, Key, Options, Services, Wrong, host, number, server_of
from lbreplay.config.schema import IPVS_SCHEDULERS, SYSCTLS
from lbreplay.errors import ConfigError
from lbreplay.model import Endpoint

OLD = ipvs.OLD
COMMANDS = {
    "A": "add-service", "E": "edit-service", "D": "delete-service", "C": "clear", "a": "add-server",
    "e": "edit-server", "d": "delete-server", "R": "restore", "S": "save", "L": "list", "l": "list", "Z": "zero",
}  # fmt: skip
WITH_VALUE = {
    "t": "tcp-service", "u": "udp-service", "f": "fwmark-service", "s": "scheduler", "M": "netmask",
    "r": "real-server", "w": "weight", "x": "u-threshold", "y": "l-threshold", "b": "sched-flags",
    "": "sctp-service pe mcast-interface mcast-group mcast-port mcast-ttl syncid sync-maxlen tun-type tun-port",
}  # fmt: skip
FLAGS = {
    "o": "ops", "O": "ops", "g": "gatewaying", "i": "ipip", "m": "masquerading", "6": "ipv6", "n": "numeric",
    "c": "connection", "p": "persistent",
    "": "exact stats rate thresholds persistent-conn timeout daemon nosort sort tun-info tun-nocsum tun-csum "
        "tun-remcsum",
}  # fmt: skip
MODES = {"masquerading": "nat", "ipip": "tunnel", "gatewaying": "dr"}
EDITABLE = {"scheduler": "wlc", "persistent": False, "one_packet": False, "flags": []}  # of -E, and without it
BARE = {"pe": "--pe", "ops": "--ops"}  # as ipvsadm 1.26 saves them
MODULES = ("ip_vs_ftp", "ip_vs_pe_sip")
FORWARDING = {
    "net.ipv4.ip_forward": "ipv4",
    "net.ipv4.conf.all.forwarding": "ipv4",
    "net.ipv6.conf.all.forwarding": "ipv6",
}
SAVE_LEAVES_OUT = (
    "ipvsadm -S leaves out thresholds (-x, -y), timeouts (--set), the daemons that keep a backup, sysctls, and the "
    "rules that give firewall marks; the director's addresses, routes and neighbours are in none of its tools"
)


class KernelServices(Services):
    """Services as a sequence of the kernel's ipvsadm commands makes them."""

    profile: ClassVar[str] = "ipvs"
    grammar: ClassVar[Grammar] = Grammar.of(COMMANDS, WITH_VALUE, FLAGS)
    schedulers: ClassVar[tuple[str, ...]] = IPVS_SCHEDULERS
    default_mode: ClassVar[str] = "dr"
    mixes_modes: ClassVar[bool] = True
    needs_reals: ClassVar[bool] = False

    def __init__(self, found: Found) -> None:
        super().__init__(found)
        self.modules: dict[str, str] = {}  # with their places

    # ipvsadm

    def apply(self, words: Sequence[str], place: str, at: float | None = None, said: str = "") -> bool:
        return super().apply([BARE.get(word, word) for word in words], place, at, said)

    def _key(self, given: Options) -> Key:
        chosen = [name for name in (*SELECTORS, "fwmark-service") if name in given]
        if len(chosen) != 1:
            raise Wrong(f"one service expected, got {len(chosen)}")
        if chosen[0] == "fwmark-service":
            return "fwmark", str(number(given["fwmark-service"], 1, 2**32 - 1))
        return SELECTORS[chosen[0]], str(host(given[chosen[0]]))

    def _describe(self, draft: Draft, given: Options, place: str) -> None:
        if "netmask" in given and "persistent" not in given:
            given = {**given, "persistent": ""}
        super()._describe(draft, {name: value for name, value in given.items() if name != "pe"}, place)
        if "vip" in draft.fields and not draft.port and "persistent" not in given:
            raise Wrong("port 0 only with -p")
        if "ops" in given and draft.fields.get("protocol", "udp") != "udp":
            raise Wrong("-o only with UDP or a firewall mark")
        if "sched-flags" in given:
            draft.put("flags", given["sched-flags"].split(","), place)
        if "pe" in given:
            draft.put("persistence_engine", given["pe"], place)

    def _server(self, draft: Draft, given: Options, place: str) -> tuple[str, dict[str, Any]]:
        endpoint, mode = server_of(given, MODES)
        if "vip" in draft.fields and (mode != "nat" or not endpoint.port):
            endpoint = Endpoint(endpoint.address, draft.port)
        real: dict[str, Any] = {"weight": number(given.get("weight", "1"), 0, 65535), "mode": mode}
        for option, name in (("u-threshold", "max_conn"), ("l-threshold", "min_conn")):
            if option in given:
                real[name] = number(given[option], 0, 2**32 - 1)
        if mode == "tunnel" and (tunnel := self._tunnel(given, place)):
            real["tunnel"] = tunnel
        return str(endpoint), real

    def _tunnel(self, given: Options, place: str) -> dict[str, Any]:
        """The encapsulation, where it is not IP in IP."""
        kind = given.get("tun-type", "ipip")
        if kind not in ("ipip", "gre", "gue"):
            raise Wrong(f"--tun-type ipip, gre or gue expected, got {kind}")
        if "tun-remcsum" in given:
            self.found.leave(place, "--tun-remcsum")
        if kind == "ipip":
            return {}
        port = {"port": number(given.get("tun-port", ""), 1, 65535)} if kind == "gue" else {}
        return {"type": kind, **port, "checksum": "tun-csum" in given}

    def _set(self, given: Options, place: str) -> None:
        for name, seconds in self._times(given):
            self.found.put(("ipvs", "timeout", name), seconds, place)

    def _times(self, given: Options) -> list[tuple[str, int]]:
        """`--set TCP TCPFIN UDP` in seconds; 0 leaves one as it is."""
        words = given.get("set", "").split()
        if len(words) != 3:
            raise Wrong("three numbers of seconds expected")
        seconds = [number(word, 0, 31535999) for word in words]
        return [pair for pair in zip(("tcp", "tcpfin", "udp"), seconds, strict=True) if pair[1]]

    # events

    def _at_add_service(self, given: Options, place: str, at: float) -> None:
        key = self._key(given)
        if key in self.drafts and not self.drafts[key].gone:
            raise Wrong("the service exists")
        before = dict(self.drafts)
        self.drafts.pop(key, None)
        self._add_service(given, place)
        draft = self.drafts[key]
        draft.live, draft.added = {}, True
        self.drafts = {**before, key: draft}
        self.replaced += [before[key]] if key in before else []
        self._event(draft, at, place, add="service")

    def _at_edit_service(self, given: Options, place: str, at: float) -> None:
        draft = self._draft(given)
        before = {name: draft.changed.get(name, draft.fields.get(name, default)) for name, default in EDITABLE.items()}
        meant = Draft(
            place, {name: draft.fields[name] for name in ("vip", "protocol", "fwmark") if name in draft.fields}
        )
        self._describe(meant, given, place)
        for name, default in EDITABLE.items():
            after = meant.fields.get(name, default)
            if after != before[name]:
                draft.changed[name] = after
                self._event(draft, at, place, set=f"{name}={inline(after)}")

    def _at_edit_server(self, given: Options, place: str, at: float) -> None:
        draft, live = self._living(given)
        before = dict(live.get(self._server(draft, given, place)[0], {}))
        super()._at_edit_server(given, place, at)
        address, real = self._server(draft, given, place)
        for name in ("mode", "tunnel"):
            if real.get(name, {}) != before.get(name, {}):
                self._event(draft, at, place, set=f"real.{address}.{name}={inline(real.get(name, {'type': 'ipip'}))}")

    def _at_zero(self, given: Options, place: str, at: float) -> None:
        whole = not any(name in given for name in (*SELECTORS, "fwmark-service"))
        self._event(None if whole else self._draft(given), at, place, zero="all" if whole else "")

    def _at_set(self, given: Options, place: str, at: float) -> None:
        for name, seconds in self._times(given):
            self._event(None, at, place, set=f"ipvs.timeout.{name}={seconds}")

    # the other tools

    def sysctl(self, words: Sequence[str], place: str, at: float | None = None) -> None:
        """`sysctl -w NAME=VALUE ...`: the director's own switches, and whether the host forwards; *at*: as an event."""
        for word in words:
            name, equals, value = word.partition("=")
            if not equals:
                continue
            name, value = name.strip().replace("/", "."), value.strip()
            known = name.removeprefix("net.ipv4.vs.")
            if at is not None and known != name and known in SYSCTLS:
                self._event(None, at, place, set=f"ipvs.{known}={value}")
            elif at is not None:
                raise ConfigError(f"{place}: sysctl {word}: not modelled in the middle of a replay")
            elif name in FORWARDING:
                self.found.put((FORWARDING[name], "forwarding"), value != "0", place)
            elif known == name or known not in {*SYSCTLS, "sync_threshold"}:
                self.found.leave(place, f"sysctl {word}")
            else:
                self.found.put(("ipvs", known), int(value) if value.isdecimal() else value, place)

    def modprobe(self, words: Sequence[str], place: str) -> None:
        """`modprobe MODULE [NAME=VALUE]`: helpers, and the size of the table."""
        module, settings = next((word for word in words if not word.startswith("-")), ""), words[1:]
        if module in MODULES:
            self.modules.setdefault(module, place)
        elif not module.startswith("ip_vs"):
            self.found.leave(place, f"modprobe {' '.join(words)}")
        for setting in settings:
            name, _, value = setting.partition("=")
            if module == "ip_vs" and name == "conn_tab_bits" and value.isdecimal():
                self.found.put(("ipvs", "conn_tab_bits"), int(value), place)
            else:
                self.found.leave(place, f"modprobe {module} {setting}")

    # the end

    def finish(self) -> None:
        super().finish()
        if self.modules:
            self.found.put(("ipvs", "modules"), list(self.modules), ", ".join(self.modules.values()))


def edition(document: Mapping[str, Any]) -> str:
    """The edition that is taken for all that *document* uses: 6.1 where 2.6 lacks something."""
    switches = document.get("ipvs", {})
    services = document.get("service", ())
    reals = [real for service in services for real in service.get("real", ())]
    later = (
        not ipvs.LATER_SYSCTLS.keys().isdisjoint(switches)
        or not ipvs.LATER_MODULES.keys().isdisjoint(switches.get("modules", ()))
        or any(service.get("scheduler") in ipvs.LATER_SCHEDULERS for service in services)
        or any("flags" in service or "persistence_engine" in service for service in services)
        or any("tunnel" in real for real in reals)
    )
    return ipvs.SINCE if later else ipvs.OLD
