"""Shared options lead to a setup: from a file, or drafted from the capture."""

from __future__ import annotations

from pathlib import Path

import click
import pytest

from lbreplay import cli
from lbreplay.cli import options
from lbreplay.errors import ConfigError
from lbreplay.model import Setup

CAPTURE = Path(__file__).parents[1] / "golden" / "dpvs" / "tcp_life" / "in.pcap"
SERVICE = """
[[service]]
vip = "10.0.0.1:80"
protocol = "tcp"
laddr = ["192.168.0.1"]
real = [{ address = "192.168.0.2:80" }]
"""


@pytest.fixture
def config(tmp_path: Path) -> str:
    (tmp_path / "lb.toml").write_text(SERVICE)
    return str(tmp_path / "lb.toml")


def test_a_file_with_overrides(config: str) -> None:
    made = options.setup("in.pcap", config, ("workers=2",), "lb", 9, 64)
    assert (len(made.workers), made.view, made.seed, made.burst_size, made.drafted) == (2, "lb", 9, 64, False)


def test_a_refused_setting_is_an_error_of_the_user(config: str) -> None:
    with pytest.raises(ConfigError, match="workers"):
        options.setup("in.pcap", config, ("workers=-1",), "client", None, 64)


def test_a_draft_is_announced_unless_quiet(capsys: pytest.CaptureFixture[str]) -> None:
    options.note_draft(Setup(drafted=True), quiet=False)
    options.note_draft(Setup(drafted=True), quiet=True)
    options.note_draft(Setup(), quiet=False)
    assert capsys.readouterr().err.count("\n") == 1


def test_a_file_is_read_where_it_is() -> None:
    with options.readable_twice("in.pcap") as path:
        assert path == "in.pcap"


def test_imports_are_read_for_the_profile_that_is_set(tmp_path: Path) -> None:
    """`ipvsadm -S` of services without DPVS's own options: --set profile says whose they are."""
    saved = tmp_path / "saved"
    saved.write_text("-A -t 10.0.0.1:80 -s rr\n-a -t 10.0.0.1:80 -r 10.0.1.2:80 -m -w 1\n")
    code = cli.status(["run", str(CAPTURE), "--ipvsadm-save", str(saved), "--set", 'profile="ipvs"', "-q"])
    assert code == 0


TWO = """
[[device]]
name = "dpdk0"
address = ["192.168.100.10/24"]
[[device]]
name = "dpdk1"
[[service]]
vip = "10.0.0.100:80"
laddr = ["192.168.100.200"]
real = [{ address = "192.168.100.2:80" }]
"""


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["--port", "dpdk7=A"], "--port dpdk7=A: a device (dpdk0, dpdk1) expected, got dpdk7"),
        (["--port", "dpdk0"], "--port: NAME=FILE expected, got dpdk0"),
        (["--port", "dpdk0=-"], "--port: NAME=FILE expected, got dpdk0=-"),
        (["--port", "dpdk0=A", "--port", "dpdk0=B"], "--port: one file for dpdk0 expected, got two"),
        (["A", "--port", "dpdk0=A"], "IN, or --port NAME=FILE for every port, not both"),
        ([], "Missing argument 'IN'"),
    ],
)
def test_captures_of_ports(
    arguments: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """What --port does not take: one line, and exit status 2."""
    import craft

    monkeypatch.chdir(tmp_path)
    Path("lb.toml").write_text(TWO)
    for name in "AB":
        craft.write(Path(name), [craft.syn("172.16.0.1:3000", "10.0.0.100:80")])
    assert cli.status(["run", *arguments, "-c", "lb.toml"]) == 2
    assert message in capsys.readouterr().err


def test_captures_of_ports_are_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Merged by time, each frame on its port; and the command that shows more names them again."""
    import json

    import craft

    (tmp_path / "lb.toml").write_text(TWO)
    frames = {"dpdk1": craft.syn("172.16.0.1:3000", "10.0.0.100:80"), "dpdk0": craft.tick()}
    ports = []
    for n, (name, frame) in enumerate(frames.items()):
        craft.write(tmp_path / name, [(craft.START + n, len(frame), frame)])
        ports += ["--port", f"{name}={tmp_path / name}"]
    assert cli.status(["run", *ports, "-c", str(tmp_path / "lb.toml"), "--format", "json"]) == 0
    out, err = capsys.readouterr()
    assert [port["ipackets"] for port in json.loads(out)["ports"]] == [1, 1]
    assert json.loads(out)["capture"]["path"] == f"{tmp_path / 'dpdk1'} + {tmp_path / 'dpdk0'}"
    assert "told by the capture's interfaces 2" in err


# --- the same habits everywhere -------------------------------------------------------------------------------------

# What a command that takes it promises:
#   c  a configuration: -c, the files of a balancer in its place (all of them or none), and --set above it
#   v  a replay: --view and --seed          b  --burst
#   f  a result to print: --format          h  --html
#   q  words beside the result: -q          p  work that may take long: --no-progress
#   t  tables: --color
HABITS = {
    "run": "cvbfhqpt",
    "explain": "cvbfqpt",
    "check": "cvbfhqpt",
    "doctor": "cfqpt",
    "capacity": "cvbfqpt",
    "init": "p",
    "import": "q",  # the files are what it is about
    "export": "cq",
    "schema": "",
    "sweep": "cvbfhqpt",
    "diff": "cvfhqp",
    "keys": "cvbfqpt",
    "audit": "cvbfhqpt",
    "who": "cvbfqpt",
    "test": "fhqpt",  # a case brings its own configuration
    "new-case": "cqp",
    "shrink": "cvqp",
    "gen": "cvfqpt",
    "completion": "",
    "wireshark": "",
}
FILES = ("--dpvs-conf", "--script", "--script-args", "--ipvsadm-save", "--keepalived", "--events")
MEANT = {
    "c": ("-c", "--set", *FILES),
    "v": ("--view", "--seed"),
    "b": ("--burst",),
    "f": ("--format",),
    "h": ("--html",),
    "q": ("-q",),
    "p": ("--no-progress",),
    "t": ("--color",),
}
BESIDE = {"import": FILES, "new-case": ("--view",)}  # a case has its own chance in its arguments
OWN = {  # words for what is a little different there: which notes, which values
    "--quiet": {"import", "export", "test"},
    "--format": {"run"},
    "--output": {"run", "gen", "shrink", "init", "import", "schema"},
    "--set": {"diff"},
    "--workers": {"init", "sweep"},
    "--profile": {"init", "import"},
    "--strict": {"doctor", "import"},
    "--verdict": {"explain", "shrink"},
    "--flow": {"explain", "new-case"},
    "--frame": {"explain", "shrink"},
    "--junit": {"check", "test"},
    "--jobs": {"sweep", "test"},
    "--list": {"check", "test"},
    "--cover": {"test", "gen"},
    "--table": {"keys"},
    "-n": {"explain", "new-case"},
    "-k": {"test", "gen"},
    "--anonymize": {"shrink", "new-case"},
}


def options_of(command: str) -> dict[str, click.Option]:
    """The options of a command, by every spelling."""
    known = cli.lbreplay.get_command(click.Context(cli.lbreplay), command)
    assert known is not None
    return {name: option for option in known.params if isinstance(option, click.Option) for name in option.opts}


def test_every_command_has_its_habits() -> None:
    """A new command says which it has."""
    assert set(HABITS) == set(cli.COMMANDS)


@pytest.mark.parametrize("command", HABITS)
def test_a_habit_is_whole_and_nothing_is_taken_that_means_nothing(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every option of a habit that the command has; of others none: one line, exit 2."""
    known = options_of(command)
    for habit, names in MEANT.items():
        for name in names:
            expected = habit in HABITS[command] or name in BESIDE.get(command, ())
            assert (name in known) == expected, f"{command} {name}"
            if not expected:
                assert cli.status([command, name, "x"]) == 2
                error = capsys.readouterr().err
                assert error.count("\n") == 1 and "no such option" in error.lower() and name in error


def test_an_option_means_the_same_everywhere() -> None:
    """The same words in --help, kind of value and default, but where the table says otherwise."""
    meanings: dict[str, dict[tuple[object, ...], set[str]]] = {}
    for command in HABITS:
        for name, option in options_of(command).items():
            kind = option.type if option.is_flag else (option.metavar, option.type.name)
            meaning = (option.help, str(kind), option.multiple)
            meanings.setdefault(name, {}).setdefault(meaning, set()).add(command)
    for name, several in meanings.items():
        spelled = {name, *(other for command in HABITS if name in (o := options_of(command)) for other in o[name].opts)}
        allowed = set().union(*(OWN.get(other, set()) for other in spelled))
        common = [commands for commands in several.values() if not commands <= allowed]
        assert len(common) <= 1, f"{name}: {several}"
