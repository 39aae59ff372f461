"""What commands do: who runs them, what they write, what they read."""

import pytest

from lbreplay.config.shell.effects import inner_script, reads_rules, runs_elsewhere, said, stripped, writes_setting


@pytest.mark.parametrize(
    "line, left",
    [
        ("sudo -n ipvsadm -C", "ipvsadm -C"),
        ("env A=1 B=2 /sbin/ipvsadm -C", "/sbin/ipvsadm -C"),
        ("A=1 exec dpip x", "dpip x"),
        ("ip netns exec lb ipvsadm -C", "ipvsadm -C"),
        ("ip addr add", "ip addr add"),
        ("sudo", ""),
        ("sudo -u root -n timeout -k 1 5 nice -n 3 ipvsadm -C", "ipvsadm -C"),
    ],
)
def test_stripped(line: str, left: str) -> None:
    """Without what only says how to run it."""
    assert " ".join(stripped(line.split())) == left


@pytest.mark.parametrize(
    "line, reads",
    [
        ("ipvsadm -R", True),
        ("sudo /sbin/ipvsadm --restore", True),
        ("ipvsadm-restore", True),
        ("ipvsadm -A", False),
        ("", False),
    ],
)
def test_what_reads_rules(line: str, reads: bool) -> None:
    """Both spellings."""
    assert reads_rules(line.split()) is reads


@pytest.mark.parametrize(
    "words, text",
    [
        (["echo", "a", "b"], "a b\n"),
        (["echo", "-e", "a\\nb"], "a\nb\n"),
        (["echo", "-n", "a"], "a\n"),
        (["printf", "%s\\n", "a", "b"], "a\nb\n"),
        (["printf", "a\\n"], "a\n"),
        (["printf"], ""),
    ],
)
def test_said(words: list[str], text: str) -> None:
    """What echo and printf write."""
    assert said(words) == text


def test_what_writes_a_setting() -> None:
    """tee into /proc, also by sudo."""
    assert writes_setting(["sudo", "tee", "/proc/sys/net/ipv4/ip_forward"])
    assert not writes_setting(["tee", "log"]) and not writes_setting([])


def test_a_shell_in_the_script() -> None:
    """What sh -c runs is a text of its own."""
    assert inner_script(["sudo", "/bin/sh", "-c", "ipvsadm -C"]) == "ipvsadm -C"
    assert inner_script(["sh", "setup.sh"]) is None and inner_script(["sh", "-c"]) is None and inner_script([]) is None


def test_what_runs_elsewhere() -> None:
    """Other machines, and commands made of input: only where one of the balancer is in it."""
    assert runs_elsewhere(["ssh", "lb1", "ipvsadm -C"])
    assert runs_elsewhere(["xargs", "-n1", "ipvsadm", "-a"])
    assert not runs_elsewhere(["ssh", "lb1", "uptime"]) and not runs_elsewhere(["ipvsadm", "-C"])
