"""dpvs.conf by the rules of the real parser."""

import tomllib
from pathlib import Path
from typing import Any

import pytest

from lbreplay.config.dpvs_conf import atoi, edition, read, tokens
from lbreplay.config.found import Found
from lbreplay.config.load import load
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
        (
            PORT + "worker_defs {\n" + worker(1, 0, kind="kni") + "}\n",
            "a worker of type slave with port dpdk0 expected",
        ),
        ("seed = 1\n[device]\n", "a dpvs.conf expected"),
        ("a\0b", "got binary data"),
    ],
)
def test_refused(text: str, message: str) -> None:
    """Where DPVS would not start, and where it is no dpvs.conf."""
    with pytest.raises(ConfigError) as refused:
        found(text)
    assert message in str(refused.value)


def test_a_bond_keeps_its_slaves() -> None:
    """The slaves are devices with settings of their own, the bond names them, its mode and its primary."""
    devices = "".join(f"device dpdk{n} {{\n mtu {1400 + n}\n rx {{\n rss udp\n }}\n}}\n" for n in range(2))
    text = "netif_defs {\n" + devices + "bonding bond0 {\n mode 4\n slave dpdk0\n slave dpdk1\n primary dpdk1\n}\n}\n"
    assert document(text)["device"] == [
        {"name": "dpdk0", "mtu": 1400, "rss": "udp"},
        {"name": "dpdk1", "mtu": 1401, "rss": "udp"},
        {"name": "bond0", "slaves": ["dpdk0", "dpdk1"], "mode": 4, "primary": "dpdk1"},
    ]


def test_a_second_device() -> None:
    """Every port has its settings; one that no worker receives from is named."""
    two = PORT.replace("}\n}\n", "}\n device dpdk1 {\n mtu 9000\n }\n}\n")
    assert document(two)["device"] == [{"name": "dpdk0", "rss": "all"}, {"name": "dpdk1", "mtu": 9000, "rss": "tcp"}]
    result = found(two + "worker_defs {\n" + worker(1, 0) + "}\n")
    assert result.document["device"] == {"name": "dpdk0", "rss": "all"}
    assert any("device dpdk1: no worker receives from it" in line for line in result.left_out)


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


def test_workers_name_the_queues_of_each_port() -> None:
    """Those that poll the same of every port need no names; a port that nobody polls is not the model's."""
    ports = "netif_defs {\n device dpdk0 {\n }\n device dpdk1 {\n }\n device dpdk2 {\n }\n}\n"
    text = (
        ports
        + "worker_defs {\n"
        + worker(1, 0, port="dpdk1")
        + worker(2, 1, port="dpdk1")
        + worker(3, 0, port="dpdk2")
        + "}\n"
    )
    assert [device["name"] for device in document(text)["device"]] == ["dpdk1", "dpdk2"]
    assert [one["queues"] for one in document(text)["workers"]] == [
        {"dpdk1": [0], "dpdk2": []}, {"dpdk1": [1], "dpdk2": []}, {"dpdk1": [], "dpdk2": [0]},
    ]  # fmt: skip
    idle = text.replace("rx_queue_ids 0", "tx_queue_ids 9", 1).replace("rx_queue_ids 1", "rx_queue_ids 0")
    assert any("worker cpu1 receives nothing from dpdk1 or dpdk2" in line for line in found(idle).warnings)


OLD_SAMPLE = "netif_defs {{\n <init> device dpdk0 {{\n rx {{\n rss all\n }}\n{fdir} }}\n}}\n"


@pytest.mark.parametrize(
    "text, told",
    [
        (OLD_SAMPLE.format(fdir=" fdir {\n mode perfect\n pballoc 64k\n }\n"), "1.8"),
        (OLD_SAMPLE.format(fdir=" <init> fdir {\n <init> filter on\n }\n") + "sa_pool {\n flow_enable on\n}\n", "1.8"),
        ("ctrl_defs {\n ipc_msg {\n <init> unix_domain /var/run/dpvs_ctrl\n }\n}\n", "1.8"),
        ("ctrl_defs {\n ipc_msg {\n unix_domain /x\n }\n}\nsa_pool {\n flow_enable on\n}\n", "1.10"),
        ("netif_defs {\n ! fdir {\n ! }\n <init> fdir_mode perfect\n}\n", "1.10"),
        (PORT, "1.10"),
    ],
)
def test_the_edition_shows_in_the_file(text: str, told: str) -> None:
    """fdir went with 1.9; what was kept for longer tells nothing beside a later word; comments tell nothing."""
    assert edition(text) == told


REST = """timer_defs {
 # loops
 schedule_interval 500
}
neigh_defs {
 <init> unres_queue_length 128
 <init> timeout 60
}
ipv4_defs {
 forwarding off
 <init> default_ttl 64
 fragment {
  <init> bucket_number 4096
  <init> ttl 1
 }
}
ipv6_defs {
 disable off
 forwarding off
 route6 {
  <init> method hlist
  recycle_time 10
 }
}
ipvs_defs {
 conn {
  <init> conn_pool_size 2097152
  conn_init_timeout 3
  ! <init> redirect off
 }
 udp {
  uoa_mode opp
  uoa_max_trail 3
  timeout {
   normal 300
   last 3
  }
 }
 tcp {
  timeout {
   none 2
   established 90
   last 2
  }
  synproxy {
   synack_options {
    mss 1452
    ttl 63
    sack
    ! wscale
   }
   rs_syn_max_retry 3
   ack_storm_thresh 10
   max_ack_saved 3
   conn_reuse_state {
    close
    time_wait
    ! fin_wait
   }
  }
 }
}
sa_pool {
 pool_hash_size 16
}
"""


def sample(old: bool, layout: str) -> str:
    """What DPVS installs as its sample: all blocks, with the words of the edition; one NIC, two, a bond, two bonds."""
    nics = {"single-nic": 1, "two-nics": 2, "single-bond": 2, "bond": 4}[layout]
    bonds = nics // 2 if "bond" in layout else 0
    ports = [f"bond{n}" for n in range(bonds)] or [f"dpdk{n}" for n in range(nics)]
    netif = "".join(nic(n, old) for n in range(nics)) + "".join(bond(n) for n in range(bonds))
    workers = "<init> worker cpu0 {\n type master\n cpu_id 0\n}\n" + "".join(slave(n, ports) for n in range(1, 9))
    ipset = "" if old else "ipset_defs {\n <init> ipset_hash_pool_size 131072\n}"
    mode = "" if old else " <init> fdir_mode perfect"
    ipc = " ipc_msg {\n <init> unix_domain /var/run/dpvs_ctrl\n }\n" if old else ""
    return (
        f"!!!!!\n! default configuration\nglobal_defs {{\n log_level WARNING\n ! log_file x\n}}\n"
        f"netif_defs {{\n <init> pktpool_size 1048575\n{mode}\n{netif}}}\n"
        f"worker_defs {{\n{workers}}}\n{ipset}\n"
        f"{REST}ctrl_defs {{\n lcore_msg {{\n <init> ring_size 4096\n priority_level low\n }}\n{ipc}}}\n"
    )


def nic(number: int, old: bool) -> str:
    """A device with its queues."""
    fdir = "fdir {\n mode perfect\n pballoc 64k\n status matched\n }\n" if old else "! mtu 1500\n"
    queues = "queue_number 8\n descriptor_number 1024\n"
    inside = f" rx {{\n {queues} rss all\n }}\n tx {{\n {queues} }}\n {fdir} ! promisc_mode\n"
    return f"<init> device dpdk{number} {{\n{inside} kni_name dpdk{number}.kni\n}}\n"


def bond(number: int) -> str:
    """Two devices as one."""
    slaves = f" slave dpdk{2 * number}\n slave dpdk{2 * number + 1}\n primary dpdk{2 * number}\n"
    return f"<init> bonding bond{number} {{\n mode 0\n{slaves} kni_name bond{number}.kni\n}}\n"


def slave(number: int, ports: list[str]) -> str:
    """A worker with a queue of each port."""
    queues = f" rx_queue_ids {number - 1}\n tx_queue_ids {number - 1}\n ! isol_rx_cpu_ids 9\n"
    inside = "".join(f"port {port} {{\n{queues}}}\n" for port in ports)
    return f"<init> worker cpu{number} {{\n type slave\n cpu_id {number}\n{inside}}}\n"


@pytest.mark.parametrize("layout", ["single-nic", "two-nics", "single-bond", "bond"])
@pytest.mark.parametrize("old", [True, False])
def test_the_samples_of_both_editions(old: bool, layout: str) -> None:
    """Every layout that is installed, with the words of its edition: eight workers, the first port, nothing unknown."""
    text = sample(old, layout)
    name = edition(text)
    result = found(text, name)
    setup = load("sample", text=result.text())
    assert name == ("1.8" if old else "1.10") and len(setup.workers) == 8
    assert setup.device.name == ("bond0" if "bond" in layout else "dpdk0")
    assert setup.device.slaves == (2 if "bond" in layout else 0)
    assert [line for line in result.warnings if "is rounded down" not in line] == []


ITEMS = """! all items
netif_defs {
    <init> device dpdk0 {
        rx {
            #max_burst_size     32
            queue_number        6           <16, 0-16>
            rss                 all         <all, all|ip|tcp|udp|sctp|ether|port|tunnel>
        }
        fdir {
            <init> filter       on          <on, on/off>
            mode                perfect     <perfect, none|signature|perfect>
        }
    }
    <init> device bond0 {
        mode                    4           <0-6>
        slave                   dpdk0       <device name>
        options                 OPT1=VAL1;OPT2=VAL2;...
    }
}
worker_defs {
    <init> worker cpu0 {
        cpu_id  0
        type    master
    }
    <init> worker cpu1 {
        type    slave               <slave, master|slave>
        cpu_id  1                   which cpu the worker thread runs on
        port    dpdk0 {
            rx_queue_ids     0 2        <0, 0-16, space separated list>
            tx_queue_ids     0          <0, 0-16, space separated list>
            isol_rx_cpu_ids  8 8        <cpu id, forbid isol_rx if invalid>
        }
    }
    <init> worker cpu2 {
        type        slave
        cpu_id      2
        port        dpdk0 {
            rx_queue_ids     1 3
            isol_rx_cpu_ids  9 [invalid id] 10
        }
    }
    <init> worker cpu5 {
        type    kni
        cpu_id  5
        icmp_redirect_core
        port dpdk0 {
            tx_queue_ids 6
        }
    }
}
ipset_defs {
    <init> ipset_hash_pool_size 131072  <131072, 65536-524288>
}
ipvs_defs {
    conn {
        expire_quiescent_template               <disable>
        <init> redirect             off         <off/on: disable/enable packet redirect>
    }
    tcp {
        timeout {               <1-31535999>
            established 91      <90>
        }
    }
}
"""


def test_the_list_of_items() -> None:
    """Where every item stands with its range behind it, and some that are of another edition: read, and those named."""
    result = found(ITEMS, edition(ITEMS))
    setup = load("items", text=result.text())
    assert [worker.queues for worker in setup.workers] == [(0, 2), (1, 3), ()]
    assert setup.workers[2].kind == "kni" and setup.tcp.timeout["established"] == 91
    assert setup.conn.expire_quiescent_template and not setup.conn.redirect
    assert any("ipset_defs is no keyword of edition 1.8" in line for line in result.warnings)
