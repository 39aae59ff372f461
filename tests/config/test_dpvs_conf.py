"""dpvs.conf by the rules of the real parser."""

import tomllib
from pathlib import Path
from typing import Any

import pytest

from lbreplay.config.dpvs_conf import atoi, read, tokens
from lbreplay.config.found import Found
from lbreplay.errors import ConfigError

PORT = "netif_defs {\n device dpdk0 {\n rx {\n rss all\n }\n }\n}\n"


def worker(cpu: int, *queues: int, kind: str = "slave", port: str = "dpdk0") -> str:
    """A worker block."""
    ids = " ".join(map(str, queues))
    inside = f" port {port} {{\n rx_queue_ids {ids}\n tx_queue_ids {ids}\n }}\n"
    return f"worker cpu{cpu} {{\n type {kind}\n cpu_id {cpu}\n{inside}}}\n"


def found(text: str, edition: str = "1.10", strict: bool = False) -> Found:
    """What is read from *text*."""
    result = Found(strict)
    read("dpvs.conf", text, result, edition)
    return result


def document(text: str, edition: str = "1.10") -> Any:
    """Its TOML, read again."""
    return tomllib.loads(found(text, edition).text())


@pytest.mark.parametrize(
    "line, words",
    [
        ("  mtu 1500 ! comment", ["mtu", "1500"]),
        ("mtu#1 <1, 2> 3", ["mtu#1", "3"]),
        ("<init> device dpdk0 {", ["device", "dpdk0", "{"]),
        ('kni_name " a   b " x', ["kni_name", "a b", "x"]),
        ("# all of it", []),
        ("<never closed mtu", []),
    ],
)
def test_tokens(line: str, words: list[str]) -> None:
    """White space, both comment signs at a token, attributes left out, quotes joined by single spaces."""
    assert [token.text for token in tokens(line)] == words


def test_atoi() -> None:
    """Numbers are read as C does."""
    assert [atoi(text) for text in ("12", "12k", "-3x", "x")] == [12, 12, -3, 0]


def test_the_fixture_of_four_workers() -> None:
    """Four slaves on one port, a queue each, are `workers = 4`; ranks and queues need no words."""
    text = PORT + "worker_defs {\nworker cpu0 {\n type master\n cpu_id 0\n}\n"
    text += "".join(worker(n, n - 1) for n in range(1, 5)) + "}\n"
    assert document(text) == {"workers": 4, "device": {"name": "dpdk0", "rss": "all"}}


def test_workers_in_full() -> None:
    """Other cpus, several queues, a KNI worker and isolated lcores are written out, in order of cpu_id."""
    kni = worker(9, 2, kind="kni")
    two = worker(7, 0, 3).replace("tx_queue_ids 0 3", "isol_rx_cpu_ids 11 x")
    text = PORT + "worker_defs {\n" + kni + two + worker(8, 1) + "}\n"
    assert document(text)["workers"] == [
        {"cpu_id": 7, "queues": [0, 3], "isolated": [11, 0]},
        {"cpu_id": 8, "queues": [1]},
        {"cpu_id": 9, "queues": [2], "kind": "kni"},
    ]


def test_a_worker_without_port_hides_the_rest() -> None:
    """Workers with a higher cpu_id than one without a port are not seen."""
    text = PORT + "worker_defs {\n" + worker(1, 0) + "worker cpu2 {\n type slave\n cpu_id 2\n}\n" + worker(3, 1) + "}\n"
    result = found(text)
    assert result.document["workers"] == 1
    assert any("cpu2 has no port, so DPVS does not see cpu2, cpu3" in warning for warning in result.warnings)


def test_an_unknown_block_closes_the_one_around_it() -> None:
    """`fdir { }` under 1.10: its closing brace closes the device, the next one netif_defs."""
    text = "netif_defs {\n device dpdk0 {\n fdir {\n filter off\n }\n rx {\n rss all\n }\n mtu 1400\n }\n}\n"
    new, old = found(text), found(text, "1.8")
    assert "flow_director" not in new.document and new.document["device"]["rss"] == "tcp"
    assert "mtu" not in new.document["device"]
    assert any("its closing brace will close the block around it" in warning for warning in new.warnings)
    assert old.document["flow_director"] == {"enabled": False}
    assert (old.document["device"]["mtu"], old.document["device"]["rss"]) == (1400, "all")


def test_rss_without_a_word_is_tcp() -> None:
    """The code's default is tcp, whatever sample files say."""
    assert document("netif_defs {\n device dpdk0 {\n mtu 1400\n }\n}\n")["device"]["rss"] == "tcp"


@pytest.mark.parametrize(
    "given, rss, warned",
    [
        ("tcp|udp", "tcp|udp", False),
        ("udp|nonsense", "udp", True),
        ("nonsense", "tcp", True),
        ("|tcp", "tcp", True),
        ("all|sctp", "ip|tcp|udp|sctp", False),
        ("ether", "off", False),
    ],
)
def test_rss_words(given: str, rss: str, warned: bool) -> None:
    """Combinations drop unknown names, a wrong single name is tcp; what is not modelled is listed."""
    result = found(PORT.replace("rss all", f"rss {given}"))
    assert (result.document["device"]["rss"], bool(result.warnings)) == (rss, warned)
    assert bool(result.left_out) == (given == "ether")


def ipvs(body: str) -> str:
    """ipvs_defs with *body*."""
    return PORT + "ipvs_defs {\n" + body + "\n}\n"


@pytest.mark.parametrize(
    "body, path, value, warned",
    [
        ("conn {\n conn_pool_size 70000\n}", "conn.pool_size", 65535, True),
        ("conn {\n conn_pool_size 9\n}", "conn.pool_size", 2097151, True),
        ("conn {\n redirect on\n}", "conn.redirect", True, False),
        ("conn {\n redirect perhaps\n}", "conn.redirect", False, True),
        ("conn {\n fast_xmit_close\n}", "conn.fast_xmit", False, False),
        ("conn {\n conn_init_timeout 0\n}", "conn.init_timeout", 3, True),
        ("udp {\n uoa_mode ipo\n}", "udp.uoa_mode", "ipo", False),
        ("udp {\n timeout {\n oneway 5\n oneway 7\n}\n}", "udp.timeout.oneway", 7, False),
        ("tcp {\n defence_tcp_drop\n}", "tcp.defence_drop", True, False),
        ("tcp {\n timeout {\n established 99999999\n}\n}", "tcp.timeout.established", 90, True),
        ("tcp {\n synproxy {\n synack_options {\n wscale 15\n}\n}\n}", "tcp.synproxy.mss", 0, True),
        (
            "tcp {\n synproxy {\n conn_reuse_state {\n fin_wait\n}\n}\n}",
            "tcp.synproxy.conn_reuse",
            ["close", "time_wait", "fin_wait"],
            False,
        ),
    ],
)
def test_keys(body: str, path: str, value: object, warned: bool) -> None:
    """Values by the table of keywords; out of range they are what DPVS takes, with a warning."""
    result = found(ipvs(body))
    at: Any = result.document
    for step in path.split("."):
        at = at[step]
    assert (at, bool(result.warnings)) == (value, warned)


def test_strict_wants_what_a_person_wants() -> None:
    """A value out of range is refused with place and range."""
    with pytest.raises(
        ConfigError, match=r"dpvs\.conf:10: conn_init_timeout: 1 to 31535999 expected, got 0; DPVS takes 3"
    ):
        found(ipvs("conn {\n conn_init_timeout 0\n}"), strict=True)


def test_old_defaults() -> None:
    """In 1.8 SACK and reuse are off unless configured."""
    proxy = document(PORT, "1.8")["tcp"]["synproxy"]
    assert proxy == {"sack": False, "conn_reuse": []}


@pytest.mark.parametrize(
    "text, message",
    [
        (PORT.replace("rss all", "rss"), "dpvs.conf:4: column 2: rss needs a value; DPVS would not start"),
        (PORT + "worker_defs {\n" + worker(1, 0) + worker(2, 0) + "}\n", "rx queue 0 is cpu1's"),
        (
            PORT + "worker_defs {\n" + worker(1, 0) + worker(2, 2) + "}\n",
            "rx queues from 0 without a gap expected, 1 is",
        ),
        (PORT + "worker_defs {\n" + worker(1, 0).replace("type slave", "") + "}\n", "worker cpu1 has no type"),
        (PORT + "worker_defs {\n" + worker(1, 0, kind="kni") + "}\n", "no worker of type slave with port dpdk0"),
        ("seed = 1\n[device]\n", "a dpvs.conf expected"),
        ("a\0b", "got binary data"),
    ],
)
def test_refused(text: str, message: str) -> None:
    """Where DPVS would not start, and where it is no dpvs.conf."""
    with pytest.raises(ConfigError) as refused:
        found(text)
    assert message in str(refused.value)


def test_a_bond_is_the_port() -> None:
    """The bond gives the name, its primary the settings, its slaves a number."""
    devices = "".join(f"device dpdk{n} {{\n mtu {1400 + n}\n rx {{\n rss udp\n }}\n}}\n" for n in range(2))
    text = "netif_defs {\n" + devices + "bonding bond0 {\n mode 4\n slave dpdk0\n slave dpdk1\n primary dpdk1\n}\n}\n"
    assert document(text)["device"] == {"name": "bond0", "slaves": 2, "mtu": 1401, "rss": "udp"}


def test_a_second_device_is_listed() -> None:
    """lbreplay has one port, and says what it left out."""
    result = found(PORT.replace("}\n}\n", "}\n device dpdk1 {\n mtu 9000\n }\n}\n"))
    assert "mtu" not in result.document["device"]
    assert any("device dpdk1: lbreplay has one port, dpdk0" in line for line in result.left_out)


def test_lines(tmp_path: Path) -> None:
    """CR ends a line, a last line without newline is not read, includes are spliced in."""
    assert document(PORT.replace("\n", "\r"))["device"]["rss"] == "all"
    result = found(PORT + "ipv4_defs {\n forwarding on")
    assert "ipv4" not in result.document and any("without newline" in w for w in result.warnings)
    (tmp_path / "port.conf").write_text(PORT)
    main = Found()
    read(str(tmp_path / "dpvs.conf"), "include *.conf\nipv4_defs {\n forwarding on\n}\n", main)
    assert (main.document["device"]["rss"], main.document["ipv4"]) == ("all", {"forwarding": True})
    assert main.notes["device", "rss"].endswith("port.conf:4")


def test_an_include_of_itself_ends(tmp_path: Path) -> None:
    """Includes that never end are refused."""
    (tmp_path / "a.conf").write_text("include a.conf\n")
    with pytest.raises(ConfigError, match="nested deeper than"):
        read(str(tmp_path / "a.conf"), "include a.conf\n", Found())
