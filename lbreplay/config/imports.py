"""Files of a running balancer -> the TOML of lbreplay: `lbreplay import`, and `run --dpvs-conf ... --script ...`.

dpvs.conf says the port and the limits, a script of ipvsadm and dpip commands the services and addresses, or in its
place `ipvsadm -S` and keepalived.conf, which leave some of it out. What no file of a balancer can say (the NIC's
driver, a seed) a script may carry in comments `# lbreplay: KEY=VALUE`, as `export` writes them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from lbreplay.config import dpvs_conf, iptables, keepalived, kernel, shell, whose
from lbreplay.config.dpip import Ports
from lbreplay.config.found import Found
from lbreplay.config.ipvsadm import Services
from lbreplay.config.keepalived.servers import lines as keepalived_lines
from lbreplay.config.kernel import KernelServices
from lbreplay.config.keypath import assign
from lbreplay.config.kinds import Refused
from lbreplay.config.shell.effects import reads_rules, said, stripped
from lbreplay.config.texts import read_text
from lbreplay.errors import ConfigError
from lbreplay.model import EDITIONS
from lbreplay.phrases import plural

SAYS_NOTHING = {"echo", "printf", "sleep", "cat", "cd", "clear", "logger", "touch", "rm", "mkdir", "success", "failure"}
MARKERS = ("iptables", "ip6tables", "iptables-legacy", "ip6tables-legacy", "iptables-nft")
SAVED = re.compile(r"(?:ipvsadm\s+)?--?[A-Za-z]")  # how a line of ipvsadm -S begins
SYSCTLS = "/proc/sys/"
SAVE_LEAVES_OUT = (
    "ipvsadm -S leaves out local addresses, black and white lists, synproxy, conn-timeout, thresholds, hash-target, "
    "proxy-protocol, expire-quiescent, quic and dest-check"
)
EITHERS = (
    "nothing here is only DPVS's or only the kernel's: read as DPVS's; for the kernel's, --profile ipvs with import, "
    "--set 'profile=\"ipvs\"' with the others"
)
DIRECTIVE = "lbreplay:"


@dataclass
class Files:
    """The paths given; `-` is standard input."""

    dpvs_conf: str | None = None
    scripts: tuple[str, ...] = ()
    ipvsadm_save: str | None = None
    keepalived: str | None = None
    events: str | None = None
    script_args: str | None = None  # as one types them behind the scripts

    def __bool__(self) -> bool:
        return bool(self.dpvs_conf or self.scripts or self.ipvsadm_save or self.keepalived or self.events)

    @property
    def name(self) -> str:
        """What errors of the whole are blamed on."""
        return self.dpvs_conf or next(iter(self.scripts), None) or self.ipvsadm_save or self.keepalived or "import"


Named = tuple[str, str]  # a name for messages, and the text


class Texts(NamedTuple):
    """What stands in the files."""

    dpvs_conf: Named | None = None
    scripts: tuple[Named, ...] = ()
    ipvsadm_save: Named | None = None
    keepalived: Named | None = None
    events: Named | None = None
    arguments: tuple[str, ...] | None = None  # of the scripts; None: not known


@dataclass
class _State:
    found: Found
    services: Services
    port: Ports
    sets: list[tuple[str, str]] = field(default_factory=list)  # directives with their places


def import_files(files: Files, edition: str | None = None, strict: bool = False, profile: str | None = None) -> Found:
    """Read every file given. ConfigError for what is unreadable, and for what the real program would not start with."""

    def named(path: str | None) -> Named | None:
        return None if path is None else (path, read_text(path))

    scripts = tuple((path, read_text(path)) for path in files.scripts)
    save, conf, events = (named(path) for path in (files.ipvsadm_save, files.keepalived, files.events))
    arguments = None if files.script_args is None else tuple(_split(files.script_args))
    texts = Texts(named(files.dpvs_conf), scripts, save, conf, events, arguments)
    return import_texts(texts, edition, strict, profile)


def _split(text: str) -> list[str]:
    import shlex

    try:
        return shlex.split(text)
    except ValueError as error:
        raise ConfigError(f"--script-args: words as of a command line expected: {error}") from None


def import_texts(texts: Texts, edition: str | None = None, strict: bool = False, profile: str | None = None) -> Found:
    """Read the texts. *edition* decides which dpvs.conf keywords are known; None: as a script says, else 1.10.

    *profile* None: as the edition or the texts show; of the kernel, the first edition that has all that is used.
    """
    found = Found(strict)
    profile = _profile(texts, edition, profile, found)
    services = KernelServices(found) if profile == "ipvs" else Services(found)
    state = _State(found, services, Ports(found, services))
    asked, edition = edition, edition or _edition(texts, profile)
    if edition not in ("1.10", ""):
        found.put(("edition",), edition, "as asked" if asked else "as the files say")
    if texts.dpvs_conf:
        dpvs_conf.read(*texts.dpvs_conf, found, edition)
    for name, text in texts.scripts:
        _script(name, text, state, texts.arguments)
    if texts.keepalived:
        keepalived.read(*texts.keepalived, services)
    if texts.ipvsadm_save:
        _saved(*texts.ipvsadm_save, services)
        found.leave(texts.ipvsadm_save[0], kernel.SAVE_LEAVES_OUT if profile == "ipvs" else SAVE_LEAVES_OUT)
    if texts.events:
        _events(*texts.events, state)
    if services.refused and not services.drafts:
        raise ConfigError(f"{services.refused[0]}; no service is left")
    state.port.finish()
    services.finish()
    _directives(state, lambda text: not text.startswith("event"))
    services.finish_events()
    _directives(state, lambda text: text.startswith("event"))
    _unmarked(found)
    _unowned(found, profile)
    if profile == "ipvs" and "edition" not in found.document and kernel.edition(found.document) != kernel.OLD:
        found.put(("edition",), kernel.edition(found.document), "a later one than 2.6 for what is used here")
    return found


def _profile(texts: Texts, edition: str | None, asked: str | None, found: Found) -> str:
    """Whose balancer it is: as asked, as the edition says, else as the texts look; put into *found*."""
    by_edition = None if edition is None else "dpvs" if edition in EDITIONS else "ipvs"
    if asked and by_edition and asked != by_edition:
        raise ConfigError(f'an edition of profile "{asked}" expected, got {edition}')
    profile, why = asked or by_edition, "as asked"
    if profile is None:
        signs = whose.signs(_lines(texts))
        profile = "ipvs" if "ipvs" in signs and not texts.dpvs_conf and "dpvs" not in signs else "dpvs"
        why = str(signs.get(profile, ""))
        if not signs and not texts.dpvs_conf and any(texts):
            found.remarks.append(EITHERS)
    if profile == "ipvs" and texts.dpvs_conf:
        raise ConfigError(f'{texts.dpvs_conf[0]}: profile "dpvs" expected with a dpvs.conf, got "ipvs"')
    if profile == "ipvs":
        found.put(("profile",), profile, f"the kernel's: {why}")
    return profile


def _lines(texts: Texts) -> Iterator[tuple[str, str]]:
    """Everything that the files say, line by line with its place."""
    for name, text in texts.scripts:
        for one in shell.commands(name, text, texts.arguments):
            if isinstance(one, shell.Command):
                yield from _said(one, f"{name}:{one.line}")
    if texts.keepalived:
        yield from keepalived_lines(*texts.keepalived)
    if texts.ipvsadm_save:
        name, text = texts.ipvsadm_save
        yield from ((f"{name}:{n}", line.removeprefix("ipvsadm ")) for n, line in enumerate(text.splitlines(), 1))


def _said(command: shell.Command, place: str) -> Iterator[tuple[str, str]]:
    """A command with what it is fed, by the name of its tool alone."""
    name, *rest = stripped(command.words) or [""]
    yield place, " ".join([name.rpartition("/")[2], *rest, command.into])
    yield from ((place, line) for line in command.document.splitlines())


def _edition(texts: Texts, profile: str) -> str:
    """The edition that a script's directive names, or the dpvs.conf shows; of the kernel none."""
    for _, text in texts.scripts:
        if found := re.search(rf'^# {DIRECTIVE} edition="?([\d.]+)"?$', text, re.MULTILINE):
            if found[1] in EDITIONS or profile == "ipvs":
                return found[1]
            break
    if profile == "ipvs":
        return ""
    return dpvs_conf.edition(texts.dpvs_conf[1]) if texts.dpvs_conf else "1.10"


def _script(path: str, text: str, state: _State, arguments: tuple[str, ...] | None) -> None:
    found, before = state.found, len(state.found.skipped)
    known: list[bool] = []
    for one in shell.commands(path, text, arguments):
        place = f"{path}:{one.line}"
        if isinstance(one, shell.Skipped):
            _skipped(one, place, found)
        elif one.words[0] == "#":
            _comment(one.words[1], place, state)
        else:
            known.append(_command(one, place, state))
    if not any(known) and len(found.skipped) > before:
        count = plural(len(found.skipped) - before, "command")
        hint = "" if arguments is not None else " (--script-args gives the script its parameters)"
        raise ConfigError(f"{found.skipped[before]}; {count} of the balancer skipped, and none is left{hint}")
    if not any(known) and (known or not text.strip()):
        raise ConfigError(f"{path}: shell lines of ipvsadm and dpip expected{whose.what(text, '--script')}")


def _skipped(one: shell.Skipped, place: str, found: Found) -> None:
    if one.taken:
        found.warn(place, one.what)
    else:
        found.skip(place, one.what, one.commands)


def _command(command: shell.Command, place: str, state: _State) -> bool:
    """Carry out one command; False where it is none of ours."""
    words = stripped(command.words)
    name = words[0].rpartition("/")[2] if words else ""
    rest, services = words[1:], state.services
    if reads_rules(command.words):
        path, _, line = place.rpartition(":")
        _restored(path, command.document, services, int(line) + 1)
    elif name == "ipvsadm":
        _reported(services.apply(rest, place), command, place, state)
    elif name == "dpip" or (name in ("ip", "ifconfig") and services.profile == "ipvs"):
        (state.port.ifconfig if name == "ifconfig" else state.port.apply)(rest, place)
    elif name in ("sysctl", "modprobe") and isinstance(services, KernelServices):
        getattr(services, name)(rest, place)
    elif command.into.startswith(SYSCTLS) and isinstance(services, KernelServices):
        setting = command.into.removeprefix(SYSCTLS).replace("/", ".")
        services.sysctl([f"{setting}={said(words).strip()}"], place)
    elif name in MARKERS and iptables.gives_mark(rest) and isinstance(services, KernelServices):
        _marked(name, rest, place, state)
    else:
        if name and name not in SAYS_NOTHING:
            state.found.leave(place, " ".join(words))
        return False
    return True


def _reported(done: bool, command: shell.Command, place: str, state: _State) -> None:
    """Of a command that was refused, which of its variables had no value."""
    if not done and command.unset:
        names = ", ".join(f"${name}" for name in command.unset)
        state.found.warnings[-1] += f" ({names} is not set)"


def _marked(name: str, words: list[str], place: str, state: _State) -> None:
    """A rule of iptables that gives a firewall mark."""
    try:
        state.found.append(("mark",), iptables.mark(words), place)
    except ValueError as wrong:
        state.found.leave(place, f"{name} {' '.join(words)}: {wrong}")


def _comment(text: str, place: str, state: _State) -> None:
    if text.startswith(DIRECTIVE):
        state.sets.append((text[len(DIRECTIVE) :].strip(), place))
    else:
        state.services.comment(text, place)


def _saved(path: str, text: str, services: Services) -> None:
    """What `ipvsadm -S -n` printed, and nothing else: -R would stop at it."""
    given = [(n, line.strip()) for n, line in enumerate(text.splitlines(), 1)]
    lines = [(n, line) for n, line in given if line and not line.startswith("#")]
    other = next(((n, line) for n, line in lines if not SAVED.match(line)), None if lines else (1, ""))
    if other is not None:
        got = whose.what(text, "--ipvsadm-save")
        raise ConfigError(f"{path}:{other[0]}: lines of ipvsadm -S -n expected, like -A -t 10.0.0.100:80 -s rr{got}")
    _restored(path, text, services, 1)


def _restored(path: str, text: str, services: Services, first: int) -> None:
    """One command a line, as `ipvsadm -S -n` prints and `-R` reads; *first* is the number of the first line."""
    for n, line in enumerate(text.splitlines(), first):
        words = line.split()
        if words[:1] == ["ipvsadm"]:
            words.pop(0)
        if words and not words[0].startswith("#"):
            services.apply(words, f"{path}:{n}", said=line.strip())


def _unmarked(found: Found) -> None:
    """Services by a firewall mark that nothing gives: no packet would reach them."""
    given = {mark["mark"] for mark in found.document.get("mark", ())}
    for n, service in enumerate(found.document.get("service", ())):
        if "fwmark" in service and service["fwmark"] not in given:
            place = found.notes.get(("service", n), "service")
            found.warnings.append(
                f"{place}: nothing gives mark {service['fwmark']}: add [[mark]] with what is to have it"
            )


def _unowned(found: Found, profile: str) -> None:
    """Virtual addresses that scripts give to no device though they give others: DPVS answers ARP for its own alone."""
    devices = found.document.get("device", ())
    owned = {text.split("/")[0] for text in _addresses([devices] if isinstance(devices, dict) else devices)}
    for n, service in enumerate(found.document.get("service", ()) if owned and profile == "dpvs" else ()):
        vip = service.get("vip", "").rpartition(":")[0].strip("[]")
        if vip and vip not in owned:
            place = found.notes.get(("service", n), "service")
            told = f"{vip} is given to no device (dpip addr add)"
            found.warnings.append(f"{place}: {told}: nobody answers ARP for it, a router has to send it here")


def _addresses(devices: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """Those of devices and of the VLAN devices on them."""
    for device in devices:
        yield from device.get("address", ())
        yield from _addresses(device.get("vlan", ()))


def _events(path: str, text: str, state: _State) -> None:
    """`SECONDS COMMAND` a line: changes in the middle."""
    for n, line in enumerate(text.splitlines(), 1):
        place = f"{path}:{n}"
        seconds, _, command = line.strip().partition(" ")
        if not seconds or seconds.startswith("#"):
            continue
        try:
            at = float(seconds)
        except ValueError:
            raise ConfigError(f"{place}: column 1: SECONDS COMMAND expected, got {line.strip()[:40]}") from None
        at = int(at) if at.is_integer() else at
        for one in shell.commands(path, command):
            _event(one, command, place, at, state)


def _event(one: shell.Command | shell.Skipped, text: str, place: str, at: float, state: _State) -> None:
    """Carry out one command at a time. What is not modelled in the middle is refused: a replay without it would be one
    of something else."""
    words = [] if isinstance(one, shell.Skipped) else list(one.words)
    name, services = words[0].rpartition("/")[2] if words else "", state.services
    if name == "ipvsadm":
        services.apply(words[1:], place, at)
    elif name == "sysctl" and isinstance(services, KernelServices):
        services.sysctl(words[1:], place, at)
    elif name not in SAYS_NOTHING and name != "#":
        raise ConfigError(f"{place}: {text}: not modelled in the middle of a replay")


def _directives(state: _State, wanted: Callable[[str], bool]) -> None:
    for text, place in state.sets:
        if not wanted(text):
            continue
        try:
            assign(state.found.document, text)
        except Refused as refused:
            raise ConfigError(f"{place}: {refused}") from None
