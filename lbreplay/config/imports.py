"""Files of a running balancer -> the TOML of lbreplay: `lbreplay import`, and `run --dpvs-conf ... --script ...`.

dpvs.conf says the port and the limits, a script of ipvsadm and dpip commands the services and addresses, or in its
place `ipvsadm -S` and keepalived.conf, which leave some of it out. What no file of a balancer can say (the NIC's
driver, a seed) a script may carry in comments `# lbreplay: KEY=VALUE`, as `export` writes them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from lbreplay.config import dpvs_conf, keepalived, kernel, shell
from lbreplay.config.dpip import Port
from lbreplay.config.found import Found
from lbreplay.config.ipvsadm import Services
from lbreplay.config.kernel import KernelServices
from lbreplay.config.keypath import assign
from lbreplay.config.kinds import Refused
from lbreplay.config.texts import read_text
from lbreplay.errors import ConfigError
from lbreplay.model import EDITIONS

SAYS_NOTHING = {"set", ":", "true", "exit", "echo", "printf", "sleep", "#!/bin/sh"}
SAVE_LEAVES_OUT = (
    "ipvsadm -S leaves out local addresses, black and white lists, synproxy, conn-timeout, thresholds, hash-target, "
    "proxy-protocol, expire-quiescent, quic and dest-check"
)
COULD_BE_THE_KERNELS = "nothing here is only DPVS's: if the kernel's ipvsadm saved it, profile \"ipvs\" is meant"
DIRECTIVE = "lbreplay:"


@dataclass
class Files:
    """The paths given; `-` is standard input."""

    dpvs_conf: str | None = None
    scripts: tuple[str, ...] = ()
    ipvsadm_save: str | None = None
    keepalived: str | None = None
    events: str | None = None

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


@dataclass
class _State:
    found: Found
    services: Services
    port: Port
    sets: list[tuple[str, str]] = field(default_factory=list)  # directives with their places


def import_files(files: Files, edition: str | None = None, strict: bool = False, profile: str | None = None) -> Found:
    """Read every file given. ConfigError for what is unreadable, and for what the real program would not start with."""

    def named(path: str | None) -> Named | None:
        return None if path is None else (path, read_text(path))

    scripts = tuple((path, read_text(path)) for path in files.scripts)
    rest = (named(path) for path in (files.ipvsadm_save, files.keepalived, files.events))
    return import_texts(Texts(named(files.dpvs_conf), scripts, *rest), edition, strict, profile)


def import_texts(texts: Texts, edition: str | None = None, strict: bool = False, profile: str | None = None) -> Found:
    """Read the texts. *edition* decides which dpvs.conf keywords are known; None: as a script says, else 1.10.

    *profile* None: as the edition or the texts show; of the kernel, the first edition that has all that is used.
    """
    found = Found(strict)
    profile = _profile(texts, edition, profile)
    services = KernelServices(found) if profile == "ipvs" else Services(found)
    state = _State(found, services, Port(found, services))
    if profile == "ipvs":
        found.put(("profile",), profile, "the kernel's tools")
    edition = edition or _edition(texts.scripts, profile)
    if edition not in ("1.10", ""):
        found.put(("edition",), edition, "as asked")
    if texts.dpvs_conf:
        dpvs_conf.read(*texts.dpvs_conf, found, edition)
    for name, text in texts.scripts:
        _script(name, text, state)
    if texts.keepalived:
        keepalived.read(*texts.keepalived, services)
    if texts.ipvsadm_save:
        _saved(*texts.ipvsadm_save, services)
        found.leave(texts.ipvsadm_save[0], kernel.SAVE_LEAVES_OUT if profile == "ipvs" else SAVE_LEAVES_OUT)
        if profile == "dpvs" and _could_be_the_kernels(texts):
            found.leave(texts.ipvsadm_save[0], COULD_BE_THE_KERNELS)
    if texts.events:
        _events(*texts.events, state)
    state.port.finish()
    services.finish()
    _directives(state, lambda text: not text.startswith("event"))
    services.finish_events()
    _directives(state, lambda text: text.startswith("event"))
    if profile == "ipvs" and "edition" not in found.document and kernel.edition(found.document) != kernel.OLD:
        found.put(("edition",), kernel.edition(found.document), "the first that has all that is used here")
    return found


def _profile(texts: Texts, edition: str | None, asked: str | None) -> str:
    """Whose balancer it is: as asked, as the edition says, else as the texts look."""
    by_edition = None if edition is None else "dpvs" if edition in EDITIONS else "ipvs"
    if asked and by_edition and asked != by_edition:
        raise ConfigError(f'an edition of profile "{asked}" expected, got {edition}')
    given = [text for _, text in (*texts.scripts, *filter(None, (texts.ipvsadm_save, texts.keepalived)))]
    looks = "dpvs" if texts.dpvs_conf or not kernel.is_kernels("\n".join(given)) else "ipvs"
    profile = asked or by_edition or looks
    if profile == "ipvs" and texts.dpvs_conf:
        raise ConfigError(f'{texts.dpvs_conf[0]}: profile "dpvs" expected with a dpvs.conf, got "ipvs"')
    return profile


def _could_be_the_kernels(texts: Texts) -> bool:
    """Whether nothing given is DPVS's own: the kernel's ipvsadm saves such services alike."""
    saved = texts.ipvsadm_save[1] if texts.ipvsadm_save else ""
    servers = [line.split() for line in saved.splitlines() if line.startswith("-a")]
    alone = texts.dpvs_conf is None and not texts.scripts
    return alone and bool(servers) and all({"-m", "-g", "-i"} & set(words) for words in servers)


def _edition(scripts: Iterable[Named], profile: str) -> str:
    """The edition that a script's directive names, else DPVS's default; of the kernel none."""
    default = "1.10" if profile == "dpvs" else ""
    for _, text in scripts:
        if said := re.search(rf'^# {DIRECTIVE} edition="?([\d.]+)"?$', text, re.MULTILINE):
            return said[1] if said[1] in EDITIONS or profile == "ipvs" else default
    return default


def _script(path: str, text: str, state: _State) -> None:
    known: list[bool] = []
    for one in shell.commands(path, text):
        place = f"{path}:{one.line}"
        if isinstance(one, shell.Skipped):
            state.found.leave(place, one.what)
        elif one.words[0] == "#":
            _comment(one.words[1], place, state)
        else:
            known.append(_command(one, place, state))
    if known and not any(known):
        raise ConfigError(f"{path}: shell lines of ipvsadm and dpip expected, got a file without any")


def _command(command: shell.Command, place: str, state: _State) -> bool:
    """Carry out one command; False where it is none of ours."""
    words = list(command.words)
    while words and (words[0] in ("sudo", "env", "command", "exec") or re.match(r"\w+=", words[0])):
        words.pop(0)
    name = words[0].rpartition("/")[2] if words else ""
    if name == "ipvsadm" and command.document:
        _saved(place, command.document, state.services)
    elif name == "ipvsadm":
        state.services.apply(words[1:], place)
    elif name == "dpip" or (name == "ip" and state.services.profile == "ipvs"):
        state.port.apply(words[1:], place)
    elif name in ("sysctl", "modprobe") and isinstance(state.services, KernelServices):
        getattr(state.services, name)(words[1:], place)
    else:
        if name and name not in SAYS_NOTHING:
            state.found.leave(place, " ".join(words))
        return False
    return True


def _comment(text: str, place: str, state: _State) -> None:
    if text.startswith(DIRECTIVE):
        state.sets.append((text[len(DIRECTIVE) :].strip(), place))
    else:
        state.services.comment(text, place)


def _saved(path: str, text: str, services: Services) -> None:
    """One command a line, as `ipvsadm -S -n` prints and `-R` reads."""
    known = 0
    for n, line in enumerate(text.splitlines(), 1):
        words = line.split()
        if words[:1] == ["ipvsadm"]:
            words.pop(0)
        if words and not words[0].startswith("#"):
            known += words[0].startswith("-")
            services.apply(words, f"{path}:{n}")
    if text.strip() and not known:
        raise ConfigError(f"{path}: lines of ipvsadm -S -n expected, like -A -t 10.0.0.100:80 -s rr")


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
        for one in shell.commands(path, command):
            if isinstance(one, shell.Command) and one.words[0].rpartition("/")[2] == "ipvsadm":
                state.services.apply(one.words[1:], place, int(at) if at.is_integer() else at)
            else:
                state.found.leave(place, command)


def _directives(state: _State, wanted: Callable[[str], bool]) -> None:
    for text, place in state.sets:
        if not wanted(text):
            continue
        try:
            assign(state.found.document, text)
        except Refused as refused:
            raise ConfigError(f"{place}: {refused}") from None
