"""dpvs.conf -> a configuration, by the rules of DPVS's own parser (S 6.1) and its table of keywords (S 6.2).

The parser is line oriented and forgiving in ways that change meaning, so they are kept: a keyword is looked up only
in the current block; an unknown one is skipped *without* its block, so that its closing brace closes the block around
it; values out of range fall back to the default. Two phases: `_blocks` gives a tree by KEYWORDS, `_Reader` gives it
meaning. `edition` decides which keywords are known: 1.8 has `fdir { }`, 1.10 has not.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from lbreplay.config import whose
from lbreplay.config.found import Found
from lbreplay.config.kinds import nearest
from lbreplay.config.schema import DAY_365
from lbreplay.config.values import RSS_TYPES
from lbreplay.errors import ConfigError

MAX_LINE = 1023  # bytes that fit the real parser's buffer
MAX_INCLUDES = 32
TOML = str  # a key path of the TOML, dotted


class Token(NamedTuple):
    text: str
    column: int


class Line(NamedTuple):
    file: str
    number: int
    tokens: tuple[Token, ...]

    @property
    def place(self) -> str:
        return f"{self.file}:{self.number}"

    @property
    def word(self) -> str:
        return self.tokens[0].text


@dataclass
class Entry:
    """A known keyword as it stands in the file; a block has what is inside."""

    line: Line
    inside: list[Entry] = field(default_factory=list)

    @property
    def word(self) -> str:
        return self.line.word

    def value(self) -> str:
        """The first value; DPVS does not start without one."""
        if len(self.line.tokens) < 2:
            column = self.line.tokens[0].column
            raise ConfigError(f"{self.line.place}: column {column}: {self.word} needs a value; DPVS would not start")
        return self.line.tokens[1].text


# --- the table of keywords -------------------------------------------------------------------------------------------

Rule = Callable[["_Reader", Entry], None]


def number(path: TOML, low: int, high: int, default: int | None, power: int = 0) -> Rule:
    """A number; out of range: the default. *power*: 2 rounds down to 2^n, 1 to 2^n - 1."""

    def read(reader: _Reader, entry: Entry) -> None:
        given = atoi(entry.value())
        if not low <= given <= high:
            reader.odd(entry, f"{low} to {high} expected", default)
            if default is None:
                return
            given = default
        if power:
            rounded = (1 << (given + (power == 1)).bit_length() - 1) - (power == 1)
            if rounded != given:
                reader.found.warnings.append(f"{entry.line.place}: {entry.word} {given} is rounded down to {rounded}")
            given = rounded
        reader.put(path, given, entry)

    return read


ON_OFF: Mapping[str, object] = {"on": True, "off": False}


def switch(path: TOML, meaning: Mapping[str, object] = ON_OFF, default: str = "off") -> Rule:
    """One of some words."""

    def read(reader: _Reader, entry: Entry) -> None:
        given = entry.value()
        if given not in meaning:
            reader.odd(entry, f"{' or '.join(meaning)} expected", default)
            given = default
        reader.put(path, meaning[given], entry)

    return read


def flag(path: TOML, value: object = True) -> Rule:
    """Presence alone says it."""
    return lambda reader, entry: reader.put(path, value, entry)


def other(reader: _Reader, entry: Entry) -> None:
    """Known to DPVS, nothing to the model."""
    reader.found.leave(entry.line.place, " ".join(token.text for token in entry.line.tokens))


def unseen(reader: _Reader, entry: Entry) -> None:
    """Of a port, what no packet shows: memory, and the name that the kernel calls it by."""
    entry.value()


def reuse(reader: _Reader, entry: Entry) -> None:
    """A state of `conn_reuse_state`."""
    path = ("tcp", "synproxy", "conn_reuse")
    states = reader.get(path, ["close", "time_wait"] if reader.edition == "1.10" else [])
    reader.put(".".join(path), [*states, *([entry.word] if entry.word not in states else [])], entry)


def wscale(reader: _Reader, entry: Entry) -> None:
    """A bad window scale sets the MSS to 0 (S 6.2); in 1.8 the keyword is a switch without number."""
    if reader.edition == "1.8" and len(entry.line.tokens) < 2:
        return reader.put("tcp.synproxy.wscale", 1, entry)
    given = atoi(entry.value())
    if 0 <= given <= 14:
        return reader.put("tcp.synproxy.wscale", given, entry)
    reader.odd(entry, "0 to 14 expected; DPVS sets mss to 0 instead,", 0)
    return reader.put("tcp.synproxy.mss", 0, entry)


def rss(reader: _Reader, entry: Entry) -> None:
    """Names joined by `|`; a wrong single name is tcp, wrong ones in a combination count nothing (S 1.6)."""
    given = entry.value()
    reader.rss_given = True
    names = given.split("|") if "|" in given and not given.startswith("|") else [given]
    known = ("all", *RSS_TYPES)
    unmodelled = [name for name in names if name in ("ether", "port", "tunnel")]
    if len(names) == 1 and names[0] not in known and not unmodelled:
        reader.odd(entry, "all, ip, tcp, udp, sctp or some of them joined by | expected", "tcp")
        return reader.put("device.rss", "tcp", entry)
    for name in unmodelled:
        reader.found.leave(entry.line.place, f"rss {name}")
    for name in names:
        if name not in known and name not in unmodelled:
            reader.odd(entry, f"{name} is no RSS type;", "nothing for it")
    kept = [t for t in RSS_TYPES if t in names or ("all" in names and t != "sctp")]
    return reader.put("device.rss", "all" if kept == ["ip", "tcp", "udp"] else "|".join(kept) or "off", entry)


def queue_number(reader: _Reader, entry: Entry) -> None:
    """Compared with the queues that workers name, which are what the port gets (S 1.7)."""
    reader.queue_numbers[reader.name_of_device] = (atoi(entry.value()), entry)


def timeouts(path: TOML, **default: int) -> dict[str, Rule]:
    return {name: number(f"{path}.timeout.{name}", 1, DAY_365, seconds) for name, seconds in default.items()}


def others(*names: str) -> dict[str, Any]:
    return dict.fromkeys(names, other)


FDIR = others("mode", "pballoc", "status") | {"filter": switch("flow_director.enabled", default="on")}
DEVICE = {
    "mtu": number("device.mtu", 1, 9000, 1500),
    **others("promisc_mode", "allmulticast"),
    "kni_name": unseen,
    "rx": {"queue_number": queue_number, "descriptor_number": unseen, "rss": rss},
    "tx": dict.fromkeys(("queue_number", "descriptor_number", "mbuf_fast_free"), unseen),
}
PORT = others("rx_queue_ids", "tx_queue_ids", "isol_rx_cpu_ids", "isol_rxq_ring_sz")
SYNACK = {
    "mss": number("tcp.synproxy.mss", 1, 65535, 1452),
    "ttl": number("tcp.synproxy.ttl", 1, 255, 63),
    "sack": flag("tcp.synproxy.sack"),
    "wscale": wscale,
    "timestamp": flag("tcp.synproxy.timestamp"),
}
SYNPROXY = {
    "synack_options": SYNACK,
    "close_client_window": flag("tcp.synproxy.close_client_window"),
    "defer_rs_syn": flag("tcp.synproxy.defer_rs_syn"),
    "rs_syn_max_retry": number("tcp.synproxy.rs_syn_max_retry", 1, 99, 3),
    "ack_storm_thresh": number("tcp.synproxy.ack_storm_thresh", 1, 999, 10),
    "max_ack_saved": number("tcp.synproxy.max_ack_saved", 1, 63, 3),
    "conn_reuse_state": dict.fromkeys(("close", "time_wait", "fin_wait", "close_wait", "last_ack"), reuse),
}
TCP_TIMEOUT = {
    "none": 2, "established": 90, "syn_sent": 3, "syn_recv": 30, "fin_wait": 7, "time_wait": 7, "close": 3,
    "close_wait": 7, "last_ack": 7, "listen": 120, "synack": 30, "last": 2,
}  # fmt: skip
KEYWORDS: dict[str, Any] = {
    "global_defs": others(
        "log_level", "log_file", "log_async_mode", "log_async_pool_size", "log_with_timestamp", "pdump", "kni", "lldp"
    ),
    "netif_defs": {
        **others("pktpool_size", "pktpool_cache", "fdir_mode"),
        "device": DEVICE,
        "bonding": others("mode", "slave", "primary", "options") | dict.fromkeys(("numa_node", "kni_name"), unseen),
    },
    "worker_defs": {"worker": {**others("type", "cpu_id", "icmp_redirect_core"), "port": PORT}},
    "timer_defs": others("schedule_interval"),
    "neigh_defs": others("unres_queue_length", "timeout"),
    "ipset_defs": others("ipset_hash_pool_size"),
    "ipv4_defs": {
        "forwarding": switch("ipv4.forwarding"),
        "default_ttl": other,
        "fragment": others("bucket_number", "bucket_entries", "max_entries", "ttl"),
    },
    "ipv6_defs": {
        **others("disable", "addr_gen_mode", "stable_secret"),
        "forwarding": switch("ipv6.forwarding"),
        "route6": {
            **others("method", "recycle_time", "rt6_array_size"),
            "lpm": others("lpm6_max_rules", "lpm6_num_tbl8s", "rt6_hash_bucket"),
        },
    },
    "ctrl_defs": {
        "lcore_msg": others("ring_size", "sync_msg_timeout_us", "priority_level"),
        "ipc_msg": others("unix_domain"),
    },
    "ipvs_defs": {
        "conn": {
            "conn_pool_size": number("conn.pool_size", 65536, 2**31 - 1, 2097151, power=1),
            "conn_pool_cache": other,
            "conn_init_timeout": number("conn.init_timeout", 1, DAY_365, 3),
            "expire_quiescent_template": flag("conn.expire_quiescent_template"),
            "redirect": switch("conn.redirect"),
            "fast_xmit_close": flag("conn.fast_xmit", False),
            "xmit_ttl": flag("conn.xmit_ttl"),
        },
        "udp": {
            "defence_udp_drop": flag("udp.defence_drop"),
            "uoa_mode": switch("udp.uoa_mode", {"opp": "opp", "ipo": "ipo"}, "opp"),
            "uoa_max_trail": number("udp.uoa_max_trail", 0, 255, 3),
            "timeout": timeouts("udp", oneway=300, normal=300, last=2),
        },
        "tcp": {
            "defence_tcp_drop": flag("tcp.defence_drop"),
            "timeout": timeouts("tcp", **TCP_TIMEOUT),
            "synproxy": SYNPROXY,
        },
    },
    "sa_pool": {
        "pool_hash_size": number("sa_pool.hash_size", 1, 128, None),
        "flow_enable": switch("flow_director.enabled", default="on"),
    },
}
NOT_IN = {  # keywords that an edition does not know (the history of S 6.2; 1.8 is v1.8.10)
    "1.10": {"fdir", "filter", "pballoc", "status", "ipc_msg", "unix_domain", "rt6_array_size"},
    "1.8": {
        "ipset_defs", "options", "fdir_mode", "flow_enable", "numa_node", "close_client_window", "log_with_timestamp",
        "kni", "allmulticast", "oneway", "addr_gen_mode", "lldp", "stable_secret", "mbuf_fast_free",
    },
}  # fmt: skip


# --- lines and blocks ------------------------------------------------------------------------------------------------


def atoi(text: str) -> int:
    """C's atoi: leading digits, 0 where there are none."""
    digits = re.match(r"\s*([+-]?\d+)", text)
    return int(digits.group(1)) if digits else 0


def tokens(text: str) -> tuple[Token, ...]:
    """Split a line: white space, quotes, `<attributes>` left out, `!` or `#` at a token ends it."""
    found: list[Token] = []
    at = 0
    while piece := re.compile(r'\s*("|<|[^\s"]+)').match(text, at):
        word, start, at = piece.group(1), piece.start(1), piece.end()
        if word == "<" or word.startswith("<"):
            close = text.find(">", start)
            at = len(text) if close < 0 else close + 1
            continue
        if word[0] in "!#":
            break
        if word == '"':
            close = text.find('"', at)
            end = len(text) if close < 0 else close
            word, at = " ".join(text[at:end].split()), end + 1
        found.append(Token(word, start + 1))
    return tuple(found)


def lines(name: str, text: str, found: Found, depth: int = 0) -> Iterator[Line]:
    """The lines that say something, includes spliced in."""
    raw = text.replace("\r", "\n" if "\n" not in text else "").split("\n")
    if last := raw.pop():
        found.warn(f"{name}:{len(raw) + 1}", f"a last line without newline is not read by DPVS: {last.strip()[:40]}")
    for n, content in enumerate(raw, 1):
        line = Line(name, n, tokens(content))
        if len(content.encode()) > MAX_LINE:
            found.warn(line.place, f"a line of more than {MAX_LINE} bytes is cut by DPVS")
        if line.tokens and line.word == "include" and len(line.tokens) == 2:
            yield from _include(line, found, depth)
        elif line.tokens:
            yield line


def _include(line: Line, found: Found, depth: int) -> Iterator[Line]:
    import glob
    import os

    from lbreplay.config.texts import read_text

    pattern = os.path.join(os.path.dirname(line.file), line.tokens[1].text)
    paths = sorted(glob.glob(pattern))
    if not paths:
        found.warn(line.place, f"include {pattern} finds no file")
    if depth >= MAX_INCLUDES:
        raise ConfigError(f"{line.place}: includes nested deeper than {MAX_INCLUDES}")
    for path in paths:
        yield from lines(path, read_text(path), found, depth + 1)


class _Blocks:
    """Lines -> entries, keeping to the keywords an edition knows."""

    def __init__(self, source: Iterator[Line], found: Found, edition: str) -> None:
        self.source = source
        self.found = found
        self.unknown = NOT_IN[edition]
        self.edition = edition
        self.known = 0

    def read(self, level: Mapping[str, Any], opened: Line | None = None) -> list[Entry]:
        """The entries up to the brace that closes this block; at the top level braces are ignored."""
        entries: list[Entry] = []
        for line in self.source:
            if line.word == "}":
                if opened is not None:
                    return entries
            elif line.word in level and line.word not in self.unknown:
                self.known += 1
                below = level[line.word]
                entries.append(Entry(line, self.read(below, line) if isinstance(below, dict) else []))
            elif line.word != "{":
                self._unknown(line, level)
        if opened is not None:
            self.found.warn(opened.place, f"block {opened.word} is not closed")
        return entries

    def _unknown(self, line: Line, level: Mapping[str, Any]) -> None:
        why = f"{line.word} is no keyword here{nearest(line.word, level)}"
        if line.word in self.unknown:
            why = f"{line.word} is no keyword of edition {self.edition}"
        if line.tokens[-1].text == "{":
            why += "; its closing brace will close the block around it"
        self.found.warn(line.place, why)


def _levels(edition: str) -> dict[str, Any]:
    """KEYWORDS as *edition* nests them."""
    if edition != "1.8":
        return KEYWORDS
    netif = {**KEYWORDS["netif_defs"], "device": {**DEVICE, "fdir": FDIR}}
    return {**KEYWORDS, "netif_defs": netif}


OLD = re.compile(r"^\s*(?:<[^>]*>\s*)?(fdir|pballoc|ipc_msg|unix_domain|rt6_array_size)\b", re.MULTILINE)
NEW = re.compile(r"^\s*(?:<[^>]*>\s*)?(fdir_mode|flow_enable|numa_node|close_client_window|kni|lldp)\b", re.MULTILINE)


def edition(text: str) -> str:
    """The edition whose parser a dpvs.conf was written for (S 6.2): `fdir` went with 1.9, the words of NEW came.

    What DPVS kept for some releases more (`ipc_msg`, until 1.9.6) tells nothing beside a word of NEW.
    """
    old = {found[1] for found in OLD.finditer(text)}
    return "1.8" if old & {"fdir", "pballoc"} or (old and not NEW.search(text)) else "1.10"


# --- meaning ---------------------------------------------------------------------------------------------------------


def read(name: str, text: str, found: Found, edition: str = "1.10") -> None:
    """Put what the dpvs.conf *text* says into *found*. ConfigError where DPVS would not start."""
    if "\0" in text:
        raise ConfigError(f"{name}: a dpvs.conf expected, got binary data or UTF-16 text")
    blocks = _Blocks(lines(name, text, found), found, edition)
    entries = blocks.read(_levels(edition))
    if not blocks.known:
        words = ", ".join(list(KEYWORDS)[:3])
        raise ConfigError(f"{name}: a dpvs.conf expected, with {words}, ...{whose.what(text, '--dpvs-conf')}")
    _Reader(name, found, edition).read(entries)


def _ports(worker: Entry) -> list[Entry]:
    return [entry for entry in worker.inside if entry.word == "port"]


def _workers_of(entries: list[Entry]) -> list[Entry]:
    return [entry for top in entries if top.word == "worker_defs" for entry in top.inside]


class _Reader:
    """Entries -> values of the TOML."""

    def __init__(self, name: str, found: Found, edition: str) -> None:
        self.name = name
        self.found = found
        self.edition = edition
        self.rss_given = False
        self.device: tuple[str | int, ...] = ("device",)  # where the settings of the port at hand go
        self.slaves: dict[str, Entry] = {}
        self.name_of_device = ""
        self.queue_numbers: dict[str, tuple[int, Entry]] = {}

    def put(self, path: TOML, value: object, entry: Entry, why: str = "") -> None:
        first, *rest = path.split(".")
        note = entry.line.place + (f": {why}" if why else "")
        self.found.put((*self.device, *rest) if first == "device" else (first, *rest), value, note)

    def get(self, path: tuple[str, ...], default: Any) -> Any:
        at: Any = self.found.document
        for step in path:
            at = at.get(step, {}) if isinstance(at, dict) else {}
        return at or default

    def odd(self, entry: Entry, expected: str, instead: object) -> None:
        """A value that DPVS replaces by its default."""
        told = " ".join(token.text for token in entry.line.tokens[1:])
        taken = "keeps what it has" if instead is None else f"takes {instead}"
        self.found.warn(
            entry.line.place, f"{entry.word}: {expected} got {told}; DPVS {taken}".replace(" got", ", got", 1)
        )

    def read(self, entries: list[Entry]) -> None:
        levels = _levels(self.edition)
        for entry in entries:
            self._walk(entry, levels[entry.word])
        ports = self._ports(entries)
        netif = levels["netif_defs"]
        if len(ports) == 1 and ports[0].word == "device":
            self._device(ports[0], netif["device"])
        else:
            behind_slaves = [one for port in ports for one in (*self._slaves_of(port), port)]
            for number, entry in enumerate(behind_slaves):
                self.found.append(("device",), {}, entry.line.place)
                self.device = ("device", number)
                self._bond(entry) if entry.word == "bonding" else self._device(entry, netif["device"])
        if self.edition == "1.8":
            self._old_defaults(entries)
        self._workers(_workers_of(entries), [port.value() for port in ports])

    def _walk(self, entry: Entry, rule: Any) -> None:
        """Everything but ports and workers, which are read as a whole."""
        if not isinstance(rule, dict):
            rule(self, entry)
        elif entry.word not in ("worker", "bonding", "device"):
            for below in entry.inside:
                self._walk(below, rule[below.word])

    def _device(self, entry: Entry, rules: Mapping[str, Any]) -> None:
        self.put("device.name", entry.value(), entry)
        self.rss_given, self.name_of_device = False, entry.value()
        for below in entry.inside:
            self._walk(below, rules[below.word])
        if not self.rss_given:
            self.put("device.rss", "tcp", entry, "no rss, which is tcp")

    def _bond(self, entry: Entry) -> None:
        """A bond names its slaves; it has what its primary has (S 3.7)."""
        self.put("device.name", entry.value(), entry)
        slaves = [below for below in entry.inside if below.word == "slave"]
        self.put("device.slaves", list(dict.fromkeys(e.value() for e in slaves if e.value() in self.slaves)), entry)
        for below in entry.inside:
            if below.word == "mode":
                number("device.mode", 0, 6, 0)(self, below)
            elif below.word == "primary" and below.value() in self.slaves:
                self.put("device.primary", below.value(), below)
            elif below.word == "options":
                other(self, below)

    def _ports(self, entries: list[Entry]) -> list[Entry]:
        """The ports that some worker receives from, bonds and devices in no bond; without workers, all of them."""
        netif = [e for top in entries if top.word == "netif_defs" for e in top.inside]
        bonds = [e for e in netif if e.word == "bonding"]
        devices = {e.value(): e for e in netif if e.word == "device"}
        named = {e.value() for bond in bonds for e in bond.inside if e.word == "slave"}
        self.slaves = {name: entry for name, entry in devices.items() if name in named}
        used = {e.value() for worker in _workers_of(entries) for e in _ports(worker)}
        every = [e for e in netif if e.word in ("bonding", "device") and e.value() not in named]
        ports = [entry for entry in every if entry.value() in used]
        for idle in (entry for entry in every if ports and entry not in ports):
            self.found.leave(idle.line.place, f"{idle.word} {idle.value()}: no worker receives from it")
        return ports or every

    def _slaves_of(self, port: Entry) -> list[Entry]:
        """The slaves of *port*, where it is a bond."""
        names = [e.value() for e in port.inside if e.word == "slave"]
        return [self.slaves[name] for name in dict.fromkeys(names) if name in self.slaves]

    def _old_defaults(self, entries: list[Entry]) -> None:
        """What 1.8 has off unless configured (S 6.2)."""
        for key, value in (("sack", False), ("conn_reuse", [])):
            if key not in self.get(("tcp", "synproxy"), {}):
                self.found.put(("tcp", "synproxy", key), value, f"{self.name}: not configured, off in 1.8")

    # workers

    def _workers(self, entries: list[Entry], ports: list[str]) -> None:
        if not entries or not ports:
            return
        known = {"master": "", "slave": "forward", "kni": "kni"}
        workers = sorted((self._worker(e, ports, known) for e in entries), key=lambda w: w[0]["cpu_id"])
        workers = self._receiving(self._visible([w for w in workers if w[0]["kind"]]), ports)
        plain = [{"cpu_id": k + 1, "kind": "forward", "queues": [k]} for k in range(len(workers))]
        if not any(worker["kind"] == "forward" for worker, _ in workers):
            place = entries[0].line.place
            named = " or ".join(ports)
            raise ConfigError(f"{place}: a worker of type slave with port {named} expected; DPVS would not start")
        for port in ports:
            self._queues(workers, port)
        for worker, _ in workers:
            worker["queues"] = _collapsed(worker["queues"])
        if [worker for worker, _ in workers] == plain:
            self.found.put(("workers",), len(plain), workers[0][1].line.place)
            return
        for worker, entry in workers:
            kept = {k: v for k, v in worker.items() if (k, v) not in (("kind", "forward"), ("isolated", []))}
            self.found.append(("workers",), kept, entry.line.place)

    def _worker(self, entry: Entry, ports: list[str], kinds: Mapping[str, str]) -> tuple[dict[str, Any], Entry]:
        worker: dict[str, Any] = {"cpu_id": 0, "kind": "", "queues": {port: [] for port in ports}}
        given = [e for e in entry.inside if e.word == "type"]
        if not given:
            raise ConfigError(f"{entry.line.place}: worker {entry.value()} has no type; DPVS would not start")
        if given[-1].value() not in kinds:
            self.odd(given[-1], "master, slave or kni expected", "slave")
        worker["kind"] = kinds.get(given[-1].value(), "forward")
        for below in entry.inside:
            if below.word == "cpu_id":
                worker["cpu_id"] = int(below.value()) if below.value().isdecimal() else 0
            elif below.word == "port" and below.value() in ports:
                self._poll(worker, below, ports[0])
            elif below.word == "port":
                self.found.leave(below.line.place, f"port {below.value()} of worker {entry.value()}")
        echo = [below for below in entry.inside if below.word == "icmp_redirect_core"]
        if echo and worker["kind"] == "forward" and any(worker["queues"].values()):
            self.put("conn.icmp_redirect_core", worker["cpu_id"], echo[-1])
        return worker, entry

    def _poll(self, worker: dict[str, Any], entry: Entry, first: str) -> None:
        """The queues that a worker polls of a port. Of isolated lcores the model has those of the first port."""
        for below in entry.inside:
            numbers = [token.text for token in below.line.tokens[1:]]
            if below.word == "rx_queue_ids":
                worker["queues"][entry.value()] = [self._queue(text, below) for text in numbers]
            elif below.word == "isol_rx_cpu_ids" and entry.value() == first:
                worker["isolated"] = [int(t) if t.isdecimal() and 0 < int(t) < 64 else 0 for t in numbers]
            elif below.word != "tx_queue_ids":
                other(self, below)

    def _queue(self, text: str, entry: Entry) -> int:
        if text.isdecimal() and int(text) <= 15:
            return int(text)
        self.odd(entry, "0 to 15 expected", 0)
        return 0

    def _visible(self, workers: list[tuple[dict[str, Any], Entry]]) -> list[tuple[dict[str, Any], Entry]]:
        """A worker without ports hides every worker with a higher cpu_id (S 1.7)."""
        for n, (_, entry) in enumerate(workers):
            if not any(below.word == "port" for below in entry.inside):
                hidden = ", ".join(e.value() for _, e in workers[n:])
                self.found.warn(entry.line.place, f"worker {entry.value()} has no port, so DPVS does not see {hidden}")
                return workers[:n]
        return workers

    def _receiving(
        self, workers: list[tuple[dict[str, Any], Entry]], ports: list[str]
    ) -> list[tuple[dict[str, Any], Entry]]:
        """Without those that receive nothing."""
        for worker, entry in workers:
            if worker["kind"] == "forward" and not any(worker["queues"].values()):
                self.found.warn(
                    entry.line.place, f"worker {entry.value()} receives nothing from {' or '.join(ports)}: left out"
                )
        return [one for one in workers if one[0]["kind"] != "forward" or any(one[0]["queues"].values())]

    def _queues(self, workers: list[tuple[dict[str, Any], Entry]], port: str) -> None:
        """Receive queues of a port are there once each, from 0 without a gap (S 1.7, codes -2 and -4)."""
        owner: dict[int, str] = {}
        for worker, entry in workers:
            for queue in worker["queues"][port]:
                if queue in owner:
                    raise ConfigError(f"{entry.line.place}: rx queue {queue} is {owner[queue]}'s; DPVS would not start")
                owner[queue] = entry.value()
        said, at = self.queue_numbers.get(port, (len(owner), None))
        if at is not None and said != len(owner):
            self.found.warn(at.line.place, f"queue_number {said} of {port}, but workers name {len(owner)} queues of it")
        if sorted(owner) != list(range(len(owner))):
            gap = next(n for n in range(len(owner)) if n not in owner)
            place = workers[-1][1].line.place
            raise ConfigError(
                f"{place}: rx queues from 0 without a gap expected, {gap} is missing; DPVS would not start"
            )


def _collapsed(queues: dict[str, list[int]]) -> list[int] | dict[str, list[int]]:
    """The queues of every port, where they are the same."""
    first, *rest = queues.values()
    return first if all(other_queues == first for other_queues in rest) else queues
