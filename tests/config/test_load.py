"""A configuration file becomes a Setup, or lines that say what is wrong and where."""

import re
from pathlib import Path

import pytest

from lbreplay.config.load import load
from lbreplay.errors import ConfigError
from lbreplay.model import EDITIONS, AccessList, Endpoint, Network, Setup, Worker

SERVICE = """
[[service]]
name = "web"
vip = "10.0.0.100:80"
laddr = ["192.168.0.200"]

[[service.real]]
address = "192.168.0.2:80"

[[service.real]]
address = "192.168.0.3:80"

[[service.real]]
address = "192.168.0.4:80"
weight = 1
"""
NAT64 = """
[[service]]
vip = "[2001:db8::1]:80"
laddr = ["192.168.0.200"]
real = [{ address = "192.168.0.2:80" }]
"""


def refusal(text: str, *sets: str) -> str:
    """The first line that refuses *text*."""
    with pytest.raises(ConfigError) as refused:
        load("lb.toml", sets, text=text)
    message = refused.value.lines[0]
    assert "\n" not in message
    return message


def test_nothing_said_is_the_model_s_defaults() -> None:
    """An empty configuration has four workers and what the model says."""
    workers = tuple(Worker(k, k + 1, (k,)) for k in range(4))
    assert load(None) == Setup(workers=workers)


def test_service_in_full() -> None:
    """A service has its VIP, laddrs and real servers as bytes, in the order of the file."""
    service = load("lb.toml", text=SERVICE).services[0]
    assert service.vip == Endpoint(bytes([10, 0, 0, 100]), 80)
    assert service.laddr == (bytes([192, 168, 0, 200]),)
    assert [str(real) for real in service.reals] == ["192.168.0.2:80", "192.168.0.3:80", "192.168.0.4:80"]
    assert (service.mode, service.scheduler, service.protocol) == ("fnat", "wlc", 6)


def test_view_burst_size_and_draft() -> None:
    """What the command line says travels with the Setup; a text without a file is a draft."""
    setup = load(None, view="rx", burst_size=7, text=SERVICE)
    assert (setup.view, setup.burst_size, setup.drafted) == ("rx", 7, True)
    assert not load("lb.toml", text=SERVICE).drafted


def test_sets_override() -> None:
    """--set wins over the file, for values of any depth."""
    sets = ["workers=8", "device.rss=ip", 'service.web.scheduler="wrr"', "service.web.real.192.168.0.4:80.weight=0"]
    setup = load("lb.toml", sets, text=SERVICE)
    assert (len(setup.workers), setup.device.rss) == (8, {"ip"})
    assert (setup.services[0].scheduler, setup.services[0].reals[2].weight) == ("wrr", 0)


def test_workers_in_full() -> None:
    """Ranks follow ascending cpu_id, whatever the order; the KNI worker has none."""
    text = """workers = [{ cpu_id = 5, kind = "kni", queues = [2] }, { cpu_id = 4, queues = [1] },
                         { cpu_id = 3, queues = [0, 4] }]"""
    workers = load(None, text=text).workers
    assert [(w.rank, w.cpu_id, w.queues) for w in workers] == [(0, 3, (0, 4)), (1, 4, (1,)), (-1, 5, (2,))]


def test_reta_is_repeated_to_its_size() -> None:
    """A short list fills the table of the driver."""
    device = load(None, text='workers = 2\n[device]\ndriver = "mlx5"\nreta = [1, 0, 0]').device
    assert device.reta is not None and len(device.reta) == device.reta_size == 512
    assert device.reta[:4] == (1, 0, 0, 1)


def test_editions_and_single_behaviours() -> None:
    """`edition` chooses a set of differences, `[behaviour]` changes one of them."""
    old = load(None, text='edition = "1.8"\n[behaviour]\ntoa_in_syn = false').behaviour
    assert old.toa_in_syn is False and old.start == "head"
    assert load(None).behaviour == EDITIONS["1.10"]


def test_timeouts_keep_the_others() -> None:
    """One timeout given leaves the rest as it was."""
    timeout = load(None, text="tcp.timeout.established = 9").tcp.timeout
    assert (timeout["established"], timeout["syn_recv"]) == (9, 30)


def test_nat64_is_allowed() -> None:
    """An IPv6 VIP may have IPv4 real servers with IPv4 local addresses."""
    assert load(None, text=NAT64).services[0].family == 6


def test_snat_by_match() -> None:
    """SNAT is found by its match, which says the protocol and gives the name."""
    text = '[[service]]\nmode = "snat"\nmatch = "proto=udp,src-range=10.0.0.1-10.0.0.9"\n'
    text += 'real = [{ address = "1.1.1.1:0" }]'
    service = load(None, text=text).services[0]
    assert (service.protocol, service.name) == (17, "snat proto=udp,src-range=10.0.0.1-10.0.0.9")


def test_lists_from_files(tmp_path: Path) -> None:
    """`@file` is read beside the configuration; every file is an ipset of its own, networks listed together another."""
    (tmp_path / "bad.txt").write_text("# bad guys\n10.9.0.0/16\n\n10.8.8.8  # one\n")
    config = tmp_path / "lb.toml"
    config.write_text(
        SERVICE.replace("[[service.real]]", 'blacklist = ["@bad.txt", "1.1.1.1", "2.0.0.0/8"]\n[[service.real]]', 1)
    )
    bad = (Network(bytes([10, 9, 0, 0]), 16), Network(bytes([10, 8, 8, 8]), 32))
    assert load(str(config)).services[0].blacklist == AccessList(
        frozenset({bytes([1, 1, 1, 1])}), (bad, (Network(bytes([2, 0, 0, 0]), 8),))
    )
    (tmp_path / "bad.txt").write_text("1.1.1.1\nnobody\n")
    with pytest.raises(ConfigError, match=r"service\[0\]\.blacklist\[0\]: .*bad\.txt, line 2: .* got nobody"):
        load(str(config))
    (tmp_path / "bad.txt").unlink()
    with pytest.raises(ConfigError, match=r"blacklist\[0\]: .*bad\.txt: No such file"):
        load(str(config))


def test_the_kernel_s_profile() -> None:
    """Profile ipvs has one worker, sysctls, marks, and modes of single real servers."""
    setup = load(
        None,
        text="""
profile = "ipvs"
edition = "6.1"
[ipvs]
drop_packet = 3
timeout = { tcp = 10 }
[[service]]
fwmark = 7
scheduler = "sed"
real = [{ address = "[fd00::2]:0", mode = "tunnel", tunnel = { type = "gue", port = 5555 } }]
[[mark]]
mark = 7
protocol = "tcp"
ports = [80, 443, 8080]
""",
    )
    assert (len(setup.workers), setup.edition, setup.ipvs["drop_packet"]) == (1, "6.1", 3)
    assert (setup.services[0].fwmark, setup.services[0].mode, setup.services[0].family) == (7, "dr", 6)
    assert setup.services[0].reals[0].mode == "tunnel"
    assert (setup.marks[0].ports, setup.marks[0].protocol) == ((80, 443, 8080), 6)


@pytest.mark.parametrize(
    "text, message",
    [
        (SERVICE.replace("weight = 1", "weight = -1"), "service[0].real[2].weight: 0 to 65535 expected, got -1"),
        (SERVICE.replace("weight = 1", "wieght = 1"), "service[0].real[2].wieght: unknown key, did you mean weight?"),
        (SERVICE.replace("laddr = [", "laddr = []#"), "service[0].laddr: at least one local address expected"),
        (SERVICE.split("[[service.real]]")[0], "service[0].real: at least one real server expected, got none"),
        (SERVICE + SERVICE, "service[1]: an address, port and protocol of its own expected, got that of service[0]"),
        (SERVICE + SERVICE.replace(":80", ":81"), "service[1]: a name of its own expected, got that of service[0]"),
        (SERVICE.replace(".0.3:80", ".0.2:80"), "service[0].real[1]: an address and port of its own expected"),
        (SERVICE.replace("192.168.0.200", "fd00::1"), "service[0].laddr[0]: an IPv4 address expected"),
        (SERVICE.replace("192.168.0.4:80", "[fd00::1]:80"), "service[0].real[2].address: an IPv4 address expected"),
        (SERVICE.replace("10.0.0.100:80", "10.0.0.100:0"), "service[0].vip: a port from 1 to 65535 expected"),
        (SERVICE.replace("vip", "#"), 'service[0].vip: required with mode = "fnat" and alone, got none'),
        (NAT64.replace('"192.168.0.200"', '"fd00::1"'), "service[0].laddr[0]: an IPv4 address expected"),
        ('service = [{ vip = "1.1.1.1:1", scheduler = "wlp" }]', 'got "wlp", did you mean wlc?'),
        ('service = [{ vip = "1.1.1.1:1", protocol = "icmp" }]', "service[0].protocol: tcp, udp or sctp expected"),
        ("workers = 65", "workers: 1 to 64 or a list of tables expected, got 65"),
        ("workers = true", "workers: 1 to 64 or a list of tables expected, got true"),
        ("workers = []", "workers: 1 to 64 workers expected, got 0"),
        ("workers = [{ cpu_id = 1, queues = [0] }, { cpu_id = 1, queues = [1] }]", "workers[1]: a cpu_id of its own"),
        (
            "workers = [{ cpu_id = 1, queues = [0] }, { cpu_id = 2, queues = [0] }]",
            "workers[1].queues: a queue no other",
        ),
        ('workers = [{ cpu_id = 1, queues = [0], kind = "kni" }]', 'a worker of kind "forward" expected, got none'),
        ("device.reta = [9]", "device.reta[0]: a queue of a worker expected, got 9"),
        ("device.reta_size = 100", "device.reta_size: a power of two from 1 to 4096 expected, got 100"),
        ("sa_pool = { low = 9, high = 8 }", "sa_pool.low: at most sa_pool.high (8) expected, got 9"),
        ("devise = 1", "devise: unknown key, did you mean device?"),
        ("seed = 1\nseed = 2", "lb.toml:2:9: Cannot overwrite a value"),
        ("[ipvs]", 'ipvs: only under profile = "ipvs", got profile = "dpvs"'),
        ('profile = "ipvs"\n[tcp]', 'tcp: only under profile = "dpvs", got profile = "ipvs"'),
        ('profile = "ipvs"\nworkers = 2', 'workers: 1 expected under profile = "ipvs", got 2'),
        ('profile = "lvs"', 'profile: dpvs or ipvs expected, got "lvs", did you mean ipvs?'),
        ("edition = 1.10", "edition: 1.10 or 1.8 expected, got 1.1"),
        ("x = [" * 5000, "lb.toml:1:"),
    ],
)
def test_refusals(text: str, message: str) -> None:
    """Everything wrong is one line with file, key path, what is right and what was there."""
    said = refusal(text)
    assert re.match(r"lb\.toml:\d+:\d+: ", said) and message in said


def test_everything_wrong_is_told_at_once() -> None:
    """Values by themselves and what two of them say together, in the order of the file, each with its place."""
    first = SERVICE.replace("weight = 1", "weight = -1")
    second = SERVICE.replace("web", "b").replace("0.100:80", "0.100:0").replace("3:80", "2:80")
    text = f"""wokers = 3
seed = "x"
{first}{second}
[sa_pool]
low = 9
high = 8
[[route]]
to = "10.0.0.0/8"
via = "fd00::1"
"""
    with pytest.raises(ConfigError) as refused:
        load("lb.toml", text=text)
    assert [line.partition(" expected")[0] for line in refused.value.lines] == [
        "lb.toml:1:1: wokers: unknown key, did you mean workers?",
        "lb.toml:2:8: seed: 0 to 9223372036854775807",
        "lb.toml:17:10: service[0].real[2].weight: 0 to 65535",
        "lb.toml:21:7: service[1].vip: a port from 1 to 65535",
        "lb.toml:27:1: service[1].real[1]: an address and port of its own",
        "lb.toml:35:7: sa_pool.low: at most sa_pool.high (8)",
        "lb.toml:39:7: route[0].via: an IPv4 address",
    ]


def test_what_is_refused_makes_nothing_else_wrong() -> None:
    """Neither a table that names a queue of refused workers nor an event about a refused service is blamed."""
    event = '[[event]]\nat = 1\nset = "service.web.scheduler=rr"\n'
    for text in ("workers = 99\ndevice.reta = [63]\n", event + SERVICE.replace("weight = 1", "weight = -1")):
        with pytest.raises(ConfigError) as refused:
            load("lb.toml", text=text)
        assert len(refused.value.lines) == 1


def test_a_set_is_blamed_for_what_it_set() -> None:
    """A refused override names the option, not the file."""
    assert refusal(SERVICE, "service.web.laddr=[]").startswith("--set service.web.laddr=[]: service[0].laddr: at least")
    assert refusal(SERVICE, "workers=0").startswith("--set workers=0: workers: 1 to 64")
    assert refusal(SERVICE, "worker=1") == "--set worker=1: worker: unknown key, did you mean workers?"


@pytest.mark.parametrize(
    "data, message",
    [
        (b"seed = 1\n\xff\xfe", "lb.toml:2:1: UTF-8 text expected, got byte 0xff"),
        (b"\xd4\xc3\xb2\xa1", "UTF-8 text expected"),
    ],
)
def test_files_that_are_something_else(tmp_path: Path, data: bytes, message: str) -> None:
    """A capture or another encoding is refused as such."""
    (tmp_path / "lb.toml").write_bytes(data)
    with pytest.raises(ConfigError, match=message):
        load(str(tmp_path / "lb.toml"))


def test_a_missing_file_and_a_folder(tmp_path: Path) -> None:
    """What cannot be read is refused with the system's words."""
    with pytest.raises(ConfigError, match=r"no\.toml: No such file"):
        load(str(tmp_path / "no.toml"))
    with pytest.raises(ConfigError, match="directory"):
        load(str(tmp_path))


def test_a_byte_order_mark_is_no_error(tmp_path: Path) -> None:
    """Editors that write one are forgiven."""
    (tmp_path / "lb.toml").write_bytes(b"\xef\xbb\xbfseed = 5")
    assert load(str(tmp_path / "lb.toml")).seed == 5
