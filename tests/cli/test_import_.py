"""`lbreplay import` on the command line, and the files it takes in every command that takes -c."""

import tomllib
from pathlib import Path

import pytest

from lbreplay.cli import status

CASE = Path(__file__).parents[1] / "golden" / "dpvs" / "weights_edited"
FILES = [
    "--dpvs-conf",
    str(CASE / "dpvs.conf"),
    "--script",
    str(CASE / "setup.sh"),
    "--events",
    str(CASE / "events.txt"),
]


def test_it_prints_toml(capsys: pytest.CaptureFixture[str]) -> None:
    """TOML on standard output, what is not modelled as a note on standard error."""
    assert status(["import", *FILES]) == 0
    printed = capsys.readouterr()
    document = tomllib.loads(printed.out)
    assert (document["workers"], len(document["service"]), len(document["event"])) == (1, 1, 4)
    assert "lines are not modelled (listed at the end)" in printed.err


def test_output_and_quiet(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """-o writes a file, -q says nothing."""
    assert status(["import", *FILES, "-q", "-o", str(tmp_path / "lb.toml")]) == 0
    assert capsys.readouterr() == ("", "")
    assert status(["doctor", "-c", str(tmp_path / "lb.toml")]) == 0


def test_run_takes_the_files(tmp_path: Path) -> None:
    """run replays under imported files as under their configuration."""
    out = [tmp_path / "a.pcap", tmp_path / "b.pcap"]
    common = ["run", str(CASE / "in.pcap"), "--view", "rx", "-q"]
    sets = [
        word
        for key in ("conn.timer_jitter=false", "conn.laddr_step=false", "device.rx_ip_checksum_offload=false",
                    'device.mac="02:70:63:61:70:00"')
        for word in ("--set", key)
    ]  # fmt: skip
    assert status([*common, *FILES, *sets, "-o", str(out[0])]) == 0
    assert status([*common, "-c", str(CASE / "lb.toml"), "-o", str(out[1])]) == 0
    assert out[0].read_bytes() == out[1].read_bytes()


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["import"], "--dpvs-conf, --script, --ipvsadm-save or --keepalived FILE is needed"),
        (["import", "--dpvs-conf", "nothing.conf"], "nothing.conf: No such file"),
        (["doctor", *FILES, "-c", "x.toml"], "-c FILE, or files to import, not both"),
    ],
)
def test_refused(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Wrong usage and unreadable files: one line, exit 2."""
    assert status(arguments) == 2
    assert message in capsys.readouterr().err


def test_strict(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What DPVS would put right by itself is a warning, or with --strict refused."""
    conf = tmp_path / "dpvs.conf"
    conf.write_text("netif_defs {\n device dpdk0 {\n mtu 99999\n }\n}\n")
    assert status(["import", "--dpvs-conf", str(conf)]) == 0
    assert "warning: " in capsys.readouterr().err
    assert status(["import", "--strict", "--dpvs-conf", str(conf)]) == 2
    assert "mtu: 1 to 9000 expected, got 99999; DPVS takes 1500" in capsys.readouterr().err


def test_the_kernels_tools(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """--profile ipvs reads what the kernel's ipvsadm saved."""
    (tmp_path / "saved").write_text("-A -t 10.0.0.1:80 -s rr\n-a -t 10.0.0.1:80 -r 10.0.1.2:80 -m -w 1\n")
    assert status(["import", "--ipvsadm-save", str(tmp_path / "saved"), "--profile", "ipvs"]) == 0
    document = tomllib.loads(capsys.readouterr().out)
    assert (document["profile"], document["service"][0]["mode"]) == ("ipvs", "nat")


OLD_CONF = """netif_defs {
    <init> device dpdk0 {
        rx {
            rss tcp
        }
        fdir {
            filter off
        }
    }
}
"""


def test_the_edition_in_every_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A dpvs.conf of 1.8 is read as such by whoever takes one, and --set edition is honoured."""
    (tmp_path / "dpvs.conf").write_text(OLD_CONF)
    files = ["--dpvs-conf", str(tmp_path / "dpvs.conf")]
    assert status(["export", *files]) == 0
    assert "fdir {" in capsys.readouterr().out
    assert status(["export", *files, "--set", 'edition="1.10"']) == 0
    printed = capsys.readouterr()
    assert "fdir {" not in printed.out and "fdir is no keyword of edition 1.10" in printed.err


def test_every_command_says_how_files_were_taken(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Whose they were taken for, what was wrong and what was left out; -q says nothing."""
    script = tmp_path / "s.sh"
    script.write_text(
        "ipvsadm -A -t 10.0.0.1:80\nipvsadm -a -t 10.0.0.1:80 -r 10.0.1.1:80 -m\nipvsadm -A -t x\n"
        "while read r; do ipvsadm -a -t 10.0.0.1:80 -r $r -m; done < f\n"
    )
    assert status(["run", str(CASE / "in.pcap"), "--script", str(script)]) == 0
    said = capsys.readouterr().err
    assert "note: nothing here is only DPVS's or only the kernel's" in said
    assert "warning: " in said and "s.sh:3: ipvsadm -A -t x: ADDRESS:PORT expected" in said
    assert "1 command of the balancer not run, first" in said and "s.sh:4: while read: f is not read" in said
    assert "1 line is not modelled (lbreplay import lists them)" in said
    assert status(["run", str(CASE / "in.pcap"), "--script", str(script), "-q"]) == 0
    assert capsys.readouterr().err == ""


def test_parameters_of_a_script(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A script that does nothing without its options says so, and is read with them."""
    script = tmp_path / "s.sh"
    script.write_text(
        "rules() { ipvsadm -A -t 10.0.0.1:80; ipvsadm -a -t 10.0.0.1:80 -r 10.0.1.1:80 -m; }\n"
        'while getopts "s:" o; do case $o in s) rules;; esac; done\n'
    )
    assert status(["import", "--script", str(script)]) == 2
    said = capsys.readouterr().err
    assert "s.sh:2: while getopts s: o: only a run could tell; 2 commands of the balancer skipped" in said
    assert "(--script-args gives the script its parameters)" in said
    assert status(["import", "--script", str(script), "--script-args", "-s all", "-q"]) == 0
    assert tomllib.loads(capsys.readouterr().out)["service"][0]["vip"] == "10.0.0.1:80"
    assert status(["import", "--script", str(script), "--script-args", "'"]) == 2
    assert "--script-args: words as of a command line expected" in capsys.readouterr().err
