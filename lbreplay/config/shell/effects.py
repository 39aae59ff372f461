"""What a command of a script does, as far as a reader of balancers cares: how it is run, what it writes and reads."""

from __future__ import annotations

import re

# What only says how to run a command: its options that have a value, and how many operands stand before the command.
RUNNERS: dict[str, tuple[str, int]] = {
    "sudo": ("ugpCh", 0),
    "env": ("uC", 0),
    "nice": ("n", 0),
    "ionice": ("cn", 0),
    "timeout": ("ks", 1),
    "chroot": ("", 1),
    **dict.fromkeys(("command", "exec", "nohup", "time", "setsid"), ("", 0)),
}
SHELLS = ("sh", "bash", "dash", "ash", "ksh")
ELSEWHERE = ("ssh", "xargs", "su", "watch", "docker", "podman", "kubectl", "nsenter", "parallel", "pdsh", "find")
ASSIGNMENT = re.compile(r"[A-Za-z_]\w*=")
BALANCER = re.compile(r"(?:^|[\s/])(?:ipvsadm(?:-restore)?|dpip)(?=\s|$)")


def stripped(words: list[str]) -> list[str]:
    """A command line without what only says how to run it: `sudo -u USER`, `env NAME=VALUE`, `ip netns exec NAME`."""
    words = list(words)
    while words:
        if words[0] in RUNNERS:
            words = _run(words[1:], *RUNNERS[words[0]])
        elif ASSIGNMENT.match(words[0]):
            words.pop(0)
        elif words[:3] == ["ip", "netns", "exec"]:
            words = words[4:]
        else:
            break
    return words


def _run(words: list[str], valued: str, operands: int) -> list[str]:
    """The command behind a runner's own options and operands."""
    while words and words[0].startswith("-"):
        option = words.pop(0)
        if len(option) == 2 and option[1] in valued and words:
            words.pop(0)
    return words[operands:]


def inner_script(words: list[str]) -> str | None:
    """The text of `sh -c TEXT`; None of any other command."""
    name, *rest = stripped(words) or [""]
    if name.rpartition("/")[2] not in SHELLS or "-c" not in rest[:-1]:
        return None
    return rest[rest.index("-c") + 1]


def runs_elsewhere(words: list[str]) -> bool:
    """Whether a command gives one of the balancer to another machine, or makes several of one: it is not followed."""
    name = (stripped(words) or [""])[0].rpartition("/")[2]
    return name in ELSEWHERE and BALANCER.search(" ".join(words)) is not None


def reads_rules(words: list[str]) -> bool:
    """Whether a command reads what `ipvsadm -S` wrote from its standard input."""
    name, *rest = stripped(words) or [""]
    base = name.rpartition("/")[2]
    return base == "ipvsadm-restore" or (base == "ipvsadm" and bool({"-R", "--restore"} & set(rest)))


def writes_setting(words: list[str]) -> bool:
    """Whether a command is `tee` into a setting of the kernel."""
    name, *rest = stripped(words) or [""]
    return name.rpartition("/")[2] == "tee" and bool(rest) and rest[-1].startswith("/proc/")


def said(words: list[str]) -> str:
    """What `echo` or `printf` writes."""
    name, *rest = words
    if name == "echo":
        escapes = rest[:1] in (["-e"], ["-ne"], ["-en"])
        text = " ".join(rest[1:] if escapes or rest[:1] == ["-n"] else rest)
        return (text.replace("\\n", "\n") if escapes else text) + "\n"
    form = rest[0].replace("\\n", "\n") if rest else ""
    return "".join(form.replace("%s", word) for word in rest[1:]) if "%s" in form else form
