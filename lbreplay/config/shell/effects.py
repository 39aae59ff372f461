"""What a command of a script does, as far as a reader of balancers cares: how it is run, what it writes and reads."""

from __future__ import annotations

import re

RUNNERS = ("sudo", "env", "command", "exec", "nohup", "time")
ASSIGNMENT = re.compile(r"[A-Za-z_]\w*=")


def stripped(words: list[str]) -> list[str]:
    """A command line without what only says how to run it: `sudo`, `env NAME=VALUE`, `ip netns exec NAME`."""
    words = list(words)
    while words:
        if words[0] in RUNNERS or ASSIGNMENT.match(words[0]):
            words.pop(0)
            while words and words[0].startswith("-"):
                words.pop(0)
        elif words[:3] == ["ip", "netns", "exec"]:
            words = words[4:]
        else:
            break
    return words


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
