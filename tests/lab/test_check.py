"""Properties of a replay."""

from pathlib import Path

import craft
import floods
import pytest
from engine import Plainly
from lab.made_capture import TEXT, VIP, capture, client, frames, setup
from scapy.layers.inet import ICMP, IP, TCP
from scapy.packet import Raw

from lbreplay.config.load import load
from lbreplay.errors import CaptureError, ConfigError
from lbreplay.journey import replay
from lbreplay.lab.check import PROPERTIES, check, chosen, sound
from lbreplay.wire.craft import ipv4

GOLDEN = Path(__file__).parents[1] / "golden" / "dpvs"


def judged(tmp_path, *sets, names=(), limit=None, made=None, **more):
    found = check(setup(*sets, **more), capture(tmp_path, made), names, limit)
    return {j.name: j for j in found.judgements}


def test_everything_holds(tmp_path):
    """A sound setup breaks nothing; of ARP there is none in the capture."""
    held = {name: j.holds for name, j in judged(tmp_path, limit=4.0).items()}
    assert held == dict.fromkeys(PROPERTIES, True) | {"claims": None}


def test_home(tmp_path):
    """The first answer that strays, with its line, and how many more."""
    found = judged(tmp_path, "flow_director.dst_port_mask=0")["home"]
    wrong = sum(
        w["wrong_worker"] for w in replay(setup("flow_director.dst_port_mask=0"), capture(tmp_path), None).workers
    )
    assert found.holds is False and found.failure is not None
    assert found.failure.others == wrong - 1
    assert (
        found.line.startswith(f"#{found.failure.first} worker 0 (flow director") and "has the connection" in found.line
    )


def test_rules_that_the_nic_cannot_hold(tmp_path):
    """A replay that takes them as installed proves nothing, one that does not is judged by where answers land."""
    found = judged(tmp_path, "device.driver=virtio")
    assert found["home"].holds and found["rules"].holds is False and found["rules"].failure is not None
    assert "8 of 8 rules" in found["rules"].failure.detail and "device.enforce = true" in found["rules"].failure.detail
    enforced = judged(tmp_path, "device.driver=virtio", "device.enforce=true")
    assert enforced["rules"].holds and enforced["home"].holds is False
    assert judged(tmp_path, "device.driver=virtio", "workers=1")["rules"].holds, "one worker gets everything anyway"


def test_redirected_answers_come_home(tmp_path):
    """Handed over is home."""
    found = judged(tmp_path, "flow_director.enabled=false", "conn.redirect=true")
    assert found["home"].holds and found["no-kernel"].holds


def test_unique_ports(tmp_path):
    """Where nobody owns a port, two workers bind the same one towards the same real server."""
    found = judged(tmp_path, "flow_director.strategy=off")["unique-ports"]
    assert found.holds is False and found.failure is not None
    assert "new conn" in found.line
    assert found.failure.first > 4, "the first connection of a run cannot clash"


def test_unique_ports_in_a_flood(tmp_path):
    """Connections that the engine would open many at a time are judged one by one."""
    made = [craft.syn(client(number), VIP) for number in range(1, 401)]
    found = judged(tmp_path, "flow_director.strategy=off", made=made)["unique-ports"]
    assert found.failure is not None and found.failure.others > 100
    assert judged(tmp_path, made=made)["unique-ports"].holds


def test_ports_that_were_given_back_are_free(tmp_path):
    """A connection that ended shares its port with nobody."""
    records = craft.records([craft.syn(client(1), VIP)])
    records += [
        (craft.START + 100 * 10**9, 60, craft.tick()),
        (craft.START + 101 * 10**9, 74, craft.syn(client(2), VIP)),
    ]
    found = judged(tmp_path, "workers=1", "sa_pool.low=65535", made=records)
    assert found["unique-ports"].holds and found["no-port-missed"].holds


def test_missed_ports(tmp_path):
    """A port that is not there is missed, also where another local address has one."""
    sets = ("workers=1", "sa_pool.low=65535", "service.web.laddr=['192.168.100.200', '192.168.100.201']")
    found = judged(tmp_path, *sets)["no-port-missed"]
    assert found.holds is False and found.failure is not None
    assert found.failure.first % 4 == 1, "only the first frame of a connection asks for a port"
    assert "ports missed in all" in found.failure.detail


@pytest.mark.parametrize("limit, holds", [(1.0, False), (4.0, True)])
def test_balance(tmp_path, limit, holds):
    """The frame with which the busiest worker passed the limit is to blame."""
    found = judged(tmp_path, names=["balance"], limit=limit)["balance"]
    assert found.holds is holds
    if not holds:
        received = [w["ipackets"] for w in replay(setup(), capture(tmp_path), None).workers]
        assert found.failure is not None
        assert found.failure.others == max(received) - int(sum(received) / 4) - 1
        assert f"worker {received.index(max(received))} received {max(received)} frames" in found.failure.detail


def test_balance_of_a_few_connections(tmp_path):
    """Too few connections say nothing, unless somebody asks."""
    assert judged(tmp_path, made=frames(1))["balance"].holds is None
    assert judged(tmp_path, made=frames(1), names=["balance"])["balance"].holds is False


def test_no_kernel(tmp_path):
    """Packets of a service at the kernel are broken promises; anybody else's are not."""
    stranger = [craft.tcp("9.9.9.9:9", "10.0.0.100:81", "A"), craft.tick()]
    assert judged(tmp_path, made=frames(2) + stranger)["no-kernel"].holds
    sets = ("flow_director.dst_port_mask=0",)
    assert judged(tmp_path, *sets)["no-kernel"].holds is False


def test_checksums(tmp_path):
    """Wrong ones that come in leave right; what is only passed on may stay wrong."""
    wrong = craft.tcp(client(1), VIP, "PA", 1001, 8, b"GET /", tcp_sum=1)
    assert judged(tmp_path, made=[*frames(1), wrong])["checksums"].holds
    transit = craft.tcp("9.9.9.9:9", "8.8.8.8:8", "A", tcp_sum=1)
    assert judged(tmp_path, "ipv4.forwarding=true", made=[transit])["checksums"].holds


def test_a_syn_without_checksums_is_named():
    """What DPVS sends of a SYN proxy without translation is judged as it is, and the reason said."""
    case = GOLDEN / "t2_synproxy_dr_syn"
    setup = load(str(case / "lb.toml"), view="rx")
    failure = check(setup, str(case / "in.pcap"), ["checksums"]).judgements[0].failure
    assert (
        failure
        and (failure.first, failure.others) == (2, 2)
        and "SYN proxy of a dr or tunnel service" in failure.detail
    )


def test_sound_inside_a_tunnel():
    """The inner packet of either family has checksums as well."""
    for inner, proto in ((craft.tcp(client(1), VIP)[14:], 4), (craft.ping("::5", "::6")[14:], 41)):
        outer = bytes(ipv4(bytes(4), bytes(4), proto, inner))
        assert sound(bytes(12) + b"\x08\0" + outer, 14 + len(outer))
        wrong = outer[:-1] + bytes((outer[-1] ^ 1,))
        assert not sound(bytes(12) + b"\x08\0" + wrong, 14 + len(outer)), proto


def test_sound():
    """A flipped bit anywhere under a checksum is seen."""
    good = craft.tcp(client(1), VIP, "PA", payload=b"hello")
    assert sound(good, len(good))
    for at in (20, 30, 40, len(good) - 1):
        bad = bytearray(good)
        bad[at] ^= 0x10
        assert not sound(bytes(bad), len(bad)), at
    assert sound(good[:-2], len(good)), "a cut frame cannot be judged"
    assert sound(craft.tick(), 60)


def test_names(tmp_path):
    """An unknown property is refused with the nearest; some can be asked for alone."""
    assert list(judged(tmp_path, names=["home", "conservation"])) == ["home", "conservation"]
    with pytest.raises(ConfigError, match=r"--assert: .* expected, got 'homes'; nearest is 'home'"):
        chosen(["homes"])


def test_a_kernel_has_no_local_ports():
    """The ipvs profile is judged by what it has."""
    assert "unique-ports" not in chosen([], "ipvs") and "home" in chosen([], "ipvs")
    with pytest.raises(ConfigError, match="the ipvs profile has no local ports"):
        chosen(["no-port-missed"], "ipvs")


def test_a_damaged_capture(tmp_path):
    """What was good before the damage is judged; the damage is told once."""
    path = Path(capture(tmp_path))
    path.write_bytes(path.read_bytes() + b"\xff" * 40)
    found = check(setup(), str(path), ["home"])
    assert found.frames == 96 and "offset" in str(found.damage) and found.warnings == []


def test_empty_capture(tmp_path):
    """Nothing to judge is an error."""
    with pytest.raises(CaptureError, match="no packet in it"):
        judged(tmp_path, made=[])


def test_document(tmp_path):
    """Each property with its sentence, and what broke it."""
    document = check(setup("flow_director.dst_port_mask=0"), capture(tmp_path), ["home", "conservation"]).document()
    broken, held = document["properties"]
    assert document["failed"] == 1 and document["frames"] == 96
    assert broken["holds"] is False and broken["frame"] > 1 and broken["others"] > 0
    assert held == {
        "name": "conservation",
        "sentence": "Every frame has one end, and the numbers add up.",
        "holds": True,
        "frame": None,
        "others": 0,
        "detail": "",
        "line": "",
    }


def test_icmp_of_a_connection_counts(tmp_path):
    """Errors about a connection of another worker break home; those and too short quotes go to the kernel."""
    quoted = bytes(IP(src="10.0.0.100", dst="172.16.0.1") / TCP(sport=80, dport=3000))
    made = [craft.syn(client(1), VIP)]
    made += [
        craft.frame(IP(src=f"9.9.9.{n}", dst="10.0.0.100") / ICMP(type=3, code=4) / Raw(quoted)) for n in range(16)
    ]
    found = judged(tmp_path, made=made)
    assert found["home"].holds is False and found["no-kernel"].holds is False
    assert judged(tmp_path, "workers=1", made=made)["no-kernel"].holds
    short = [*made[:1], craft.frame(IP(src="9.9.9.9", dst="10.0.0.100") / ICMP(type=3, code=4) / Raw(quoted[:28]))]
    found = judged(tmp_path, "workers=1", made=short)
    assert found["home"].holds is None and found["no-kernel"].holds is False
    stranger = bytes(IP(src="10.0.0.100", dst="172.16.0.9") / TCP(sport=80, dport=3000))
    unrelated = [*made[:1], craft.frame(IP(src="9.9.9.9", dst="10.0.0.100") / ICMP(type=3, code=4) / Raw(stranger))]
    assert judged(tmp_path, made=unrelated)["no-kernel"].holds, "it is about no connection at all"


def test_real_servers_far_above_their_due(tmp_path):
    """By connections where there are enough, by packets of few connections, not below that nor where it is meant."""
    rr = ("service.web.scheduler=rr", "workers=1")
    many = [craft.syn(client(number), VIP) for number in range(1, 81)]
    assert judged(tmp_path, *rr, made=many)["even"].holds
    lonely = ("service.web.scheduler=fo", "workers=1")
    assert judged(tmp_path, *lonely, made=many)["even"].holds, "failover is not meant to be even"
    mh = ("service.web.scheduler=conhash", "workers=1")
    same = [craft.syn(f"172.16.0.1:{port}", VIP) for port in range(3000, 3080)]
    failure = judged(tmp_path, *mh, "service.web.real.192.168.100.3:8080.weight=1", limit=1.5, made=same)[
        "even"
    ].failure
    assert failure is not None and "80 of 80 connections of web, 2.00 times what its weight is due" in failure.detail
    long = [craft.tcp(client(1), VIP, "A", 1001 + n, 8) for n in range(400)]
    failure = judged(tmp_path, *rr, limit=1.5, made=[*frames(1), *long])["even"].failure
    assert failure is not None and "packets of web" in failure.detail
    assert judged(tmp_path, *rr, made=frames(1))["even"].holds is None


def test_packets_to_real_servers_that_are_gone(tmp_path):
    """To a removed one any, to a weightless one what begins a connection; draining is no fault."""
    made = [(craft.START + n * 10**9, len(frame), frame) for n, frame in enumerate(frames(1))]
    real = "192.168.100.3:8080"
    only = TEXT.replace('[[service.real]]\naddress = "192.168.100.2:8080"\n', "")
    gone = only + f'[[event]]\nat = 2.5\nremove = "service.web.real.{real}"\n'
    found = judged(tmp_path, made=made, text=gone)["living"]
    assert found.holds is False and found.failure is not None and found.failure.first == 4
    assert "was removed at 2.5 s: service.web.expire_quiescent = true ends" in found.failure.detail
    assert judged(tmp_path, "service.web.expire_quiescent=true", made=made, text=gone)["living"].holds
    drained = only + f'[[event]]\nat = 2.5\nset = "service.web.real.{real}.weight=0"\n'
    assert judged(tmp_path, made=made, text=drained)["living"].holds
    sticky = drained.replace('scheduler = "wlc"', 'scheduler = "wlc"\npersistent = {}')
    again = [*made, (craft.START + 5 * 10**9, 74, craft.syn("172.16.0.1:4000", VIP))]
    found = judged(tmp_path, made=again, text=sticky)["living"]
    assert found.failure is not None and found.failure.first == 5
    assert "conn.expire_quiescent_template" in found.failure.detail


JUDGED = [*range(8), *[(seed, kind) for kind in ("snat", "nat", "redirect", "uoa", "persistent") for seed in range(2)]]


@pytest.mark.parametrize("made", JUDGED, ids=str)
def test_what_the_loop_notes_is_judged_as_what_the_plain_path_tells(made, tmp_path):
    """Equal tuples, connections that end in silence and go on, real servers that go: the same frames and words."""
    flood = floods.flood(made, 80) if isinstance(made, int) else floods.flood(made[0], 60, made[1])
    source = str(craft.write(tmp_path / "in.pcap", flood.records))
    found, plainly = (check(flood.setup._replace(burst_size=16), source, watch=watch) for watch in (None, Plainly()))
    assert found.document() == plainly.document()


def test_ports_that_run_out_in_the_loop(tmp_path):
    """Each frame that found none counts once, however many local addresses had none."""
    made, source = setup("sa_pool.high=1032"), str(craft.write(tmp_path / "in.pcap", frames(40)))
    found, plainly = (check(made, source, ["no-port-missed"], watch=watch) for watch in (None, Plainly()))
    assert found.document() == plainly.document() and found.judgements[0].failure.others > 0


def test_no_property_takes_frames_off_the_loop(tmp_path):
    """What is judged goes the way that it goes alone."""
    source = str(craft.write(tmp_path / "in.pcap", frames(40)))
    alone = replay(setup(), source, None).plain
    assert check(setup(), source).result.plain == alone
