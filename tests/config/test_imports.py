"""Files of a running balancer import to the configuration they stand for: all recorded cases, and what goes wrong."""

import tomllib
from pathlib import Path
from typing import Any

import pytest

from lbreplay.config.found import Found
from lbreplay.config.imports import Files, Texts, import_files, import_texts
from lbreplay.config.load import load
from lbreplay.errors import ConfigError
from lbreplay.journey import replay
from lbreplay.model import Event, Setup

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
        (Texts(ipvsadm_save=("s", "IP Virtual Server version 0.0.0\n")), "s:1: lines of ipvsadm -S -n expected"),
        (Texts(events=("e", "soon ipvsadm -C\n")), "e:1: column 1: SECONDS COMMAND expected, got soon ipvsadm -C"),
        (
            Texts(events=("e", "\n1 dpip addr add 10.0.0.1 dev dpdk0\n")),
            "e:2: dpip addr add 10.0.0.1 dev dpdk0: not mod",
        ),
        (Texts(events=("e", "1 reboot\n")), "e:1: reboot: not modelled in the middle of a replay"),
        (Texts(events=("e", "1 ipvsadm -C\n")), "e:1: ipvsadm -C: not modelled in the middle of a replay"),
        (Texts(events=("e", "1 if true; then ipvsadm -C; fi\n")), "not modelled in the middle of a replay"),
        (Texts(scripts=(("s.sh", "# lbreplay: devise.x=1\n"),)), "s.sh:1: devise: unknown key, did you mean device?"),
        (
            Texts(dpvs_conf=("d", "{}")),
            "d: a dpvs.conf expected, with global_defs, netif_defs, worker_defs, ..., got",
        ),
        (
            Texts(ipvsadm_save=("s", "IP Virtual Server version 1\n")),
            "got a listing of ipvsadm -L (ipvsadm -S -n prints",
        ),
        (Texts(ipvsadm_save=("s", "#!/bin/sh\nV=1\nipvsadm -C\n")), "s:2: lines of ipvsadm -S -n expected, like"),
        (Texts(keepalived=("k", "-A -t 10.0.0.1:80 -s rr\n")), "got a save of ipvsadm (--ipvsadm-save reads it)"),
        (Texts(scripts=(("s", "virtual_server 10.0.0.1 80 {\n}\n"),)), "got a keepalived.conf (--keepalived reads it)"),
        (Texts(scripts=(("s", ""),)), "s: shell lines of ipvsadm and dpip expected, got an empty file"),
        (
            Texts(ipvsadm_save=("s", "-A -t www.example.com:http -s rr\n")),
            "s:1: -A -t www.example.com:http -s rr: ADDRESS:PORT expected, got www.example.com:http (names of hosts "
            "are not looked up: ipvsadm -S -n and -L -n print numbers); no service is left",
        ),
        (
            Texts(ipvsadm_save=("s", "-A -t 10.0.0.1:noname -s rr\n")),
            "got 10.0.0.1:noname (no port is named noname); no service is left",
        ),
        (
            Texts(scripts=(("s.sh", "dpip addr add 10.0.0.1/24 dev dpdk0\nipvsadm -A -t 10.0.0.1:80 -s lc\n"),)),
            "s.sh:2: ipvsadm -A -t 10.0.0.1:80 -s lc: rr, wrr, wlc, conhash, mh, fo expected, got lc",
        ),
        (
            Texts(scripts=(("s.sh", "for r in $(cat f); do ipvsadm -a -t $r; done\n"),)),
            "s.sh:1: for r in $(cat f): it is not known; 1 command of the balancer skipped, and none is left",
        ),
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


def document(name: str, text: str, kind: str = "scripts", **how: Any) -> tuple[dict[str, Any], Found]:
    """The TOML of one file as a document, loaded once to see that it runs."""
    given = ((name, text),) if kind == "scripts" else (name, text)
    found = import_texts(Texts(**{kind: given}), **how)
    load("import", text=found.text())
    return tomllib.loads(found.text()), found


ARRAYS = """VIP=203.0.113.10
RS=(192.0.2.1 192.0.2.2)
LIP=(
"192.0.2.10"
"192.0.2.11"
)
./dpip addr add $VIP/24 dev dpdk0
./ipvsadm -A -t $VIP:80 -s rr
for rs in ${RS[@]}; do
    ./ipvsadm -a -t $VIP:80 -r $rs:80 -b
done
for lip in "${LIP[@]}"; do
    ./ipvsadm --add-laddr -z $lip -t $VIP:80 -F dpdk0
done
"""


def test_lists_of_a_script() -> None:
    """Real servers and local addresses in arrays, as DPVS's own scripts have them."""
    made, found = document("setup.sh", ARRAYS)
    (service,) = made["service"]
    assert [real["address"] for real in service["real"]] == ["192.0.2.1:80", "192.0.2.2:80"]
    assert service["laddr"] == ["192.0.2.10", "192.0.2.11"] and not found.left_out and not found.warnings


def test_synproxy_of_a_datagram_service() -> None:
    """DPVS takes the flag and ignores it: so does an import, and says so."""
    made, found = document(
        "setup.sh",
        "ipvsadm -A -u 203.0.113.10:53 -j enable\nipvsadm -a -u 203.0.113.10:53 -r 192.0.2.1:53 -b\n"
        "ipvsadm -P -u 203.0.113.10:53 -z 192.0.2.10 -F dpdk0\n",
    )
    assert "synproxy" not in made["service"][0]
    assert found.warnings == ["setup.sh:1: synproxy is for TCP; DPVS ignores it for udp"]


@pytest.mark.parametrize(
    "kind, text",
    [
        (
            "scripts",
            "sudo ipvsadm -A -t 203.0.113.10:80 -s lc\nsudo ipvsadm -a -t 203.0.113.10:80 -r 192.0.2.1:80 -m\n",
        ),
        ("scripts", "S=lc\nipvsadm -A -t 203.0.113.10:80 -s $S\nipvsadm -a -t 203.0.113.10:80 -r 192.0.2.1 -m\n"),
        ("ipvsadm_save", "-A -t 203.0.113.10:80 -s lc\n-a -t 203.0.113.10:80 -r 192.0.2.1:80 -m -w 1\n"),
        (
            "keepalived",
            "virtual_server 203.0.113.10 80 {\nlb_algo lc\nlb_kind NAT\nprotocol TCP\n"
            "real_server 192.0.2.1 80 {\n}\n}\n",
        ),
    ],
)
def test_what_only_the_kernel_has_selects_it(kind: str, text: str) -> None:
    """A scheduler of its own in any file: profile ipvs, with the line that told it behind it."""
    made, found = document("file", text, kind)
    assert (made["profile"], made["service"][0]["scheduler"], made["service"][0]["mode"]) == ("ipvs", "lc", "nat")
    assert made["service"][0]["real"][0]["address"] == "192.0.2.1:80"
    assert "# the kernel's: " in found.text() and not found.remarks


def test_a_match_by_another_device() -> None:
    """Every device is a port of its own, and a match keeps their names."""
    text = (
        "dpip addr add 203.0.113.1/24 dev dpdk1 sapool\ndpip addr add 192.0.2.1/24 dev dpdk0\n"
        "M=proto=tcp,src-range=192.0.2.2-192.0.2.254,iif=dpdk0,oif=dpdk1\n"
        "ipvsadm -A -s rr -H $M\nipvsadm -a -H $M -r 203.0.113.1:0 -w 100 -J\n"
    )
    made, found = document("setup.sh", text)
    assert [device["name"] for device in made["device"]] == ["dpdk1", "dpdk0"]
    assert made["service"][0]["match"] == "proto=tcp,src-range=192.0.2.2-192.0.2.254,iif=dpdk0,oif=dpdk1"
    assert not found.warnings


MARKED = """iptables -t mangle -A PREROUTING -d 203.0.113.10/32 -p tcp --dport 80 -j MARK --set-mark 1
ipvsadm -A -f 1 -s rr
ipvsadm -a -f 1 -r 192.0.2.80 -m
ip addr add 203.0.113.10/32 dev eth0
ifconfig eth0:1 203.0.113.11 netmask 255.255.255.255 up
ip route add default via 192.0.2.254
echo 1 > /proc/sys/net/ipv4/vs/drop_entry
echo 0 > /proc/sys/net/ipv4/ip_forward
ipvsadm --start-daemon master --mcast-interface eth0
"""


def test_a_director_that_marks() -> None:
    """A plain rule of iptables is [[mark]]; what is written to /proc is set; no port is named that nobody wrote."""
    made, found = document("lvs.sh", MARKED)
    assert made["mark"] == [{"mark": 1, "to": "203.0.113.10/32", "protocol": "tcp", "ports": [80]}]
    assert made["device"]["address"] == ["203.0.113.10/32", "203.0.113.11/32"]
    assert made["ipvs"] == {"drop_entry": 1} and made["ipv4"] == {"forwarding": False}
    assert found.warnings == []
    assert found.left_out == ["lvs.sh:9: ipvsadm --start-daemon master --mcast-interface eth0"]


def test_a_mark_that_nothing_gives() -> None:
    """Is said, with what to add: a rule of another kind gives none either."""
    _, found = document("lvs.sh", MARKED.replace("-p tcp", "-s 10.0.0.0/8 -p tcp"))
    assert found.warnings == ["lvs.sh:2: nothing gives mark 1: add [[mark]] with what is to have it"]
    assert any("-s cannot be said in [[mark]]" in line for line in found.left_out)


def test_a_save_with_names_of_ports() -> None:
    """Without -n ipvsadm prints names: those of ports mean the same everywhere."""
    made, _ = document(
        "save", "-A -t 10.0.0.1:http -s wlc\n-a -t 10.0.0.1:http -r 10.0.1.1:webcache -m\n", "ipvsadm_save"
    )
    assert (made["service"][0]["vip"], made["service"][0]["real"][0]["address"]) == ("10.0.0.1:80", "10.0.1.1:8080")


def test_a_command_without_its_variable() -> None:
    """The variable is named."""
    _, found = document(
        "s.sh", "ipvsadm -A -t $VIP:80\nipvsadm -A -t 10.0.0.1:80\nipvsadm -a -t 10.0.0.1:80 -r 10.0.0.2 -b\n"
    )
    assert found.warnings[0].startswith("s.sh:1: ipvsadm -A -t :80: ADDRESS:PORT expected, got :80 ($VIP is not set)")


def test_the_edition_of_a_file() -> None:
    """As the dpvs.conf shows it; what is asked wins."""
    conf = "netif_defs {\n device dpdk0 {\n fdir {\n filter off\n }\n }\n}\n"
    assert import_texts(Texts(dpvs_conf=("d", conf))).document["edition"] == "1.8"
    assert "edition" not in import_texts(Texts(dpvs_conf=("d", conf)), "1.10").document


def test_a_virtual_address_that_no_device_has() -> None:
    """Said where the script gives others to devices; not where it does, and not where it gives none at all."""
    service = "ipvsadm -A -t 192.0.2.10:80 -s rr\nipvsadm -a -t 192.0.2.10:80 -r 192.168.100.20:80 -b\n"
    laddr = "ipvsadm --add-laddr -z 192.168.100.200 -t 192.0.2.10:80 -F dpdk0\n"
    other, own = ("dpip addr add 192.168.100.1/24 dev dpdk0\n", "dpip addr add 192.0.2.10/32 dev dpdk0\n")
    _, found = document("lb.sh", other + service + laddr)
    assert found.warnings == [
        "lb.sh:2: 192.0.2.10 is given to no device (dpip addr add): nobody answers ARP for it, "
        "a router has to send it here"
    ]
    for text in (own + service + laddr, service + laddr):
        assert document("lb.sh", text)[1].warnings == []
