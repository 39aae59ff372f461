"""Files of a running balancer import to the configuration they stand for: all recorded cases, and what goes wrong."""

from pathlib import Path

import pytest

from lbreplay.config.imports import Files, Texts, import_files, import_texts
from lbreplay.config.load import load
from lbreplay.errors import ConfigError
from lbreplay.model import Event, Setup
from lbreplay.replay import replay

GOLDEN = Path(__file__).parents[1] / "golden"
CASES = sorted(path.parent for path in GOLDEN.glob("dpvs*/*/dpvs.conf"))
WRONG_MASK = ("mask_byte_order", "mask_too_narrow", "mask_too_wide", "mask_too_wide_redirect")  # in neither file
MAC = 'device.mac="02:70:63:61:70:00"'
SETS = ("conn.timer_jitter=false", "conn.laddr_step=false", "device.rx_ip_checksum_offload=false")
NEEDS_MAC = "mac_classes_arp"  # frames to other MACs: a port's own is burnt in, and stands in neither file
LATER = "t2_"  # recordings whose scripts do not name the card and its key either, nor the fallback of mh
OF_THE_CARD = ("driver", "reta_size", "rss_key", "mac", "resolve")


def name(case: Path) -> str:
    """`dpvs/workers_4`."""
    return f"{case.parent.name}/{case.name}"


def imported(case: Path, *sets: str) -> Setup:
    """The configuration of a case's dpvs.conf, script and events."""
    events = case / "events.txt"
    files = Files(str(case / "dpvs.conf"), (str(case / "setup.sh"),), events=str(events) if events.exists() else None)
    found = import_files(files, "1.8" if case.parent.name == "dpvs-1.8" else "1.10", strict=True)
    return load(str(case), (*SETS, *sets), text=found.text(), view="rx")


def completed(found: Setup, case: Path) -> Setup:
    """With what stands in neither file of a later recording."""
    if not case.name.startswith(LATER):
        return found
    given = load(str(case / "lb.toml"), view="rx")
    pairs = zip(found.services, given.services, strict=True)
    return found._replace(
        device=found.device._replace(**{field: getattr(given.device, field) for field in OF_THE_CARD}),
        services=tuple(one._replace(mh_fallback=other.mh_fallback) for one, other in pairs),
    )


def comparable(setup: Setup) -> Setup:
    """Without what changes no packet: names, the seed, the order of own addresses, a timeout of no state."""
    numbers = {service.name: str(n) for n, service in enumerate(setup.services)}

    def unnamed(event: Event) -> Event:
        return event._replace(path=tuple(numbers.get(step, step) for step in event.path), text="")

    return setup._replace(
        seed=0,
        device=setup.device._replace(address=tuple(sorted(setup.device.address))),
        udp=setup.udp._replace(timeout={**setup.udp.timeout, "last": 0}),
        services=tuple(service._replace(name="") for service in setup.services),
        events=tuple(unnamed(event) for event in setup.events),
    )


@pytest.mark.parametrize("case", [c for c in CASES if c.name not in WRONG_MASK], ids=name)
def test_recorded_cases_import_to_their_configuration(case: Path) -> None:
    """dpvs.conf, setup.sh and events.txt of a case say what its lb.toml says."""
    assert comparable(completed(imported(case, MAC), case)) == comparable(load(str(case / "lb.toml"), view="rx"))


@pytest.mark.parametrize("case", [c for c in CASES if c.name not in WRONG_MASK], ids=name)
def test_recorded_cases_replay_alike(case: Path, tmp_path: Path) -> None:
    """The imported configuration transmits the same bytes; where it matters, told the port's MAC."""
    capture = next(case.glob("in.pcap*"))
    told = (MAC,) if case.name == NEEDS_MAC else ()
    found = completed(imported(case, *told), case)
    for setup, out in ((found, "a.pcap"), (load(str(case / "lb.toml"), view="rx"), "b.pcap")):
        replay(setup, str(capture), str(tmp_path / out))
    assert (tmp_path / "a.pcap").read_bytes() == (tmp_path / "b.pcap").read_bytes()


SCRIPT = """#!/bin/bash
VIP=10.0.0.100
for i in 2 3; do REALS="$REALS 192.168.0.$i"; done
sudo /usr/local/bin/ipvsadm -A -t $VIP:80 -s rr
for r in $REALS; do ipvsadm -a -t $VIP:80 -r $r:8080 -b; done
ipvsadm -P -z 192.168.0.200 -t $VIP:80 -F dpdk0
dpip addr add $VIP/32 dev dpdk0
modprobe something
# lbreplay: device.driver="mlx5"
ipvsadm -R <<EOF
-A -u 10.0.0.100:53 -s wrr
-a -u 10.0.0.100:53 -r 192.168.0.2:53 -m
EOF
"""


def test_scripts_as_people_keep_them() -> None:
    """Loops, variables, sudo, paths, restore texts and directives; the rest is named as skipped."""
    found = import_texts(Texts(scripts=(("etc/setup.sh", SCRIPT),)))
    setup = load(None, text=found.text())
    assert [(service.name, len(service.reals)) for service in setup.services] == [
        ("tcp 10.0.0.100:80", 2),
        ("udp 10.0.0.100:53", 1),
    ]
    assert setup.device.driver == "mlx5"
    assert found.left_out == ["etc/setup.sh:8: modprobe something"]
    assert "weight = 1  # setup.sh:5" in found.text()


def test_a_save_file_says_what_it_leaves_out() -> None:
    """`ipvsadm -S -n` has no local addresses: one is made up, and that is said."""
    text = "-A -t 10.0.0.100:80 -s wrr\n-a -t 10.0.0.100:80 -r 192.168.1.2:8080 -b -w 100\n"
    found = import_texts(Texts(ipvsadm_save=("save.txt", text)))
    assert len(load(None, text=found.text()).services[0].laddr) == 1
    assert any("leaves out local addresses" in line for line in found.left_out)


@pytest.mark.parametrize(
    "texts, message",
    [
        (Texts(scripts=(("s.sh", "echo hello\n"),)), "s.sh: shell lines of ipvsadm and dpip expected"),
        (Texts(ipvsadm_save=("s", "IP Virtual Server version 0.0.0\n")), "s: lines of ipvsadm -S -n expected"),
        (Texts(events=("e", "soon ipvsadm -C\n")), "e:1: column 1: SECONDS COMMAND expected, got soon ipvsadm -C"),
        (Texts(scripts=(("s.sh", "# lbreplay: devise.x=1\n"),)), "s.sh:1: devise: unknown key, did you mean device?"),
        (Texts(dpvs_conf=("d", "{}")), "d: a dpvs.conf expected"),
    ],
)
def test_files_that_are_something_else(texts: Texts, message: str) -> None:
    """A wrong file is refused with what was expected."""
    with pytest.raises(ConfigError) as refused:
        import_texts(texts)
    assert message in str(refused.value)


def test_the_edition_may_stand_in_the_script() -> None:
    """A directive decides which dpvs.conf keywords are known."""
    conf = "netif_defs {\n device dpdk0 {\n fdir {\n filter off\n }\n }\n}\n"
    found = import_texts(Texts(("dpvs.conf", conf), (("s.sh", '# lbreplay: edition="1.8"\n'),)))
    setup = load(None, text=found.text())
    assert (setup.edition, setup.flow_director.enabled) == ("1.8", False)


def test_missing_files_are_named(tmp_path: Path) -> None:
    """Each file that is not there is an error of its own."""
    with pytest.raises(ConfigError, match=r"no\.conf: No such file"):
        import_files(Files(dpvs_conf=str(tmp_path / "no.conf")))
    assert not Files() and Files(events="x").name == "import"
