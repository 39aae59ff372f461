"""Several ports: the worked examples hold, and two arms of one driver and key do what one arm does."""

from __future__ import annotations

import importlib.util
import tomllib
from ipaddress import ip_interface
from pathlib import Path
from typing import Any

import arms
import craft
import engine
import pytest
import rig
import traffic
import twins
from craft import syn, tcp

from lbreplay.cli import status
from lbreplay.config.found import inline
from lbreplay.config.load import load

SAMPLES = Path(__file__).parent.parent / "samples"
EXAMPLES = ("bond", "two-arm-fnat", "two-arm-nat", "two-arm-snat")
OUTSIDE = traffic.OURS[:5] + b"\x01"  # as a second port has it without being told


def test_worked_examples_hold(capsys: pytest.CaptureFixture[str]) -> None:
    """What was worked out from the rules by hand is what a replay does, packet by packet."""
    assert status(["test", str(SAMPLES / "cases"), "-q"]) == 0
    capsys.readouterr()


def test_worked_examples_are_as_they_were_worked_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Their files are those that the script makes, byte by byte: no replay has written one."""
    spec = importlib.util.spec_from_file_location("make_ports", SAMPLES / "make_ports.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "HERE", tmp_path)
    for example in (module.full_nat, module.plain_nat, module.source_nat, module.bond):
        module.make(example())
    for name in EXAMPLES:
        for path in (path for path in (tmp_path / name).rglob("*") if path.is_file()):
            assert (SAMPLES / "cases" / path.relative_to(tmp_path)).read_bytes() == path.read_bytes(), path


# --- the law ---


def two_arms(text: str) -> str:
    """The same balancer with a second port like the first, on which clients are; local addresses stay on the first."""
    document: dict[str, Any] = tomllib.loads(text)
    first = {"name": "dpdk0", **document.get("device", {})}
    own = [f"{ip_interface(address).ip}" for address in first.get("address", ())]
    second = {key: value for key, value in first.items() if key not in ("vlan", "sapool_address", "name")}
    second |= {"name": "dpdk1", "address": own} | ({"mac": OUTSIDE.hex(":")} if "mac" in first else {})
    document["device"] = [first, second]
    for service in document.get("service", ()):
        service["laddr"] = [f"{laddr}@dpdk0" for laddr in service.get("laddr", ())]
    return "\n".join(f"{key} = {inline(value)}" for key, value in document.items())


def to_clients_port(record: craft.Record, virtual: set[bytes]) -> craft.Record:
    """A frame for a virtual address comes in by the clients' port."""
    at, length, data = record
    six = data[12:14] == b"\x86\xdd"
    dest = data[38:54] if six else data[30:34]
    if data[:6] != traffic.OURS or data[12:14] not in (b"\x08\x00", b"\x86\xdd") or dest not in virtual:
        return record
    return at, length, OUTSIDE + data[6:]


def without_macs(sent: list[craft.Record]) -> list[tuple[int, int, bytes]]:
    """Packets that left; what ARP says is a MAC."""
    return [(at, length, data[12:]) for at, length, data in sent if b"\x08\x06" not in (data[12:14], data[16:18])]


@pytest.mark.parametrize("plainly", [True, False])
@pytest.mark.parametrize("number", range(16))
def test_two_arms_do_what_one_arm_does(number: int, plainly: bool, tmp_path: Path) -> None:
    """Ports that share driver and key: the same packets leave at the same times, MACs aside, and every frame ends the
    same way on the same worker, on the plain path and in the loop."""
    made = traffic.scenario(number, 250)
    setup = load("lb.toml", text=made.text, view=made.view)
    if setup.device.resolve or any(service.mode == "snat" for service in setup.services):
        pytest.skip("next hops are asked for on their port, and SNAT matches by it: other frames are sent for both")
    both = load("lb.toml", text=two_arms(made.text), view=made.view)
    virtual = {service.vip.address for service in setup.services if service.vip is not None}
    moved = [to_clients_port(record, virtual) for record in made.records]
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
    one = engine.run(setup, made.records, tmp_path / "one", plainly=plainly)
    two = engine.run(both, moved, tmp_path / "two", plainly=plainly)
    assert without_macs(two.sent) == without_macs(one.sent)
    for n, line in two.trace.items():
        if line["verdict"] != "port_untold":  # of one port everything is told
            assert (line["worker"], line["verdict"]) == (one.trace[n]["worker"], one.trace[n]["verdict"]), n
    if moved != made.records:
        assert all(port["ipackets"] for port in two.document["ports"])


def test_a_capture_of_clients_too(tmp_path: Path) -> None:
    """samples/web.pcap, in the view of clients: answers come in by the real servers' port."""
    text = (SAMPLES / "web.toml").read_text()
    document = tomllib.loads(text)
    document["device"] = [
        {"name": "dpdk0", "driver": "mlx5", "address": ["198.18.0.254/16", "2001:db8:198:18::fe/64"]},
        {"name": "dpdk1", "driver": "mlx5"},
    ]
    for service in document["service"]:
        service["laddr"] = [f"{laddr}@dpdk0" for laddr in service["laddr"]]
    both = "\n".join(f"{key} = {inline(value)}" for key, value in document.items())
    sent = []
    for name, toml in (("one", text), ("two", both)):
        from lbreplay.journey import replay

        result = replay(load("lb.toml", text=toml), str(SAMPLES / "web.pcap"), str(tmp_path / f"{name}.pcap"))
        sent.append([record for record in craft.read(tmp_path / f"{name}.pcap") if record[2][12:14] != b"\x08\x06"])
    assert without_macs(sent[0]) == without_macs(sent[1])
    inside, outside = result.document()["ports"]
    assert inside["steered"]["flow_director"] == inside["ipackets"] > 500 and not outside["steered"]["flow_director"]


# --- what is each port's own -----------------------------------------------------------------------------------------


def test_the_mtu_is_that_of_the_port_it_leaves_by() -> None:
    """1,450 bytes for real servers on a port of 1,400: the client is told so, by its own port and from its address.
    Once the way is learned nobody asks (D 12.3)."""
    long = tcp(arms.CLIENT, arms.VIP, "A", 1001, 5001, b"x" * 1410)
    long = long[:20] + b"\x40" + long[21:]  # DF
    frames = [syn(arms.CLIENT, arms.VIP), long]
    run = arms.play([arms.to(arms.OUTSIDE, frame) for frame in frames], first="mtu = 1400")
    error = run.packet(2)
    assert run.verdicts == ["forwarded_slow", "frag_needed"]
    assert (error.src, error["IP"].src, error["ICMP"].nexthopmtu) == (arms.OUTSIDE, "192.0.2.1", 1400)
    answer = arms.to(arms.INSIDE, tcp(arms.REAL, arms.LADDR, "SA", 5000, 1001 + rig.DELTA, mac=arms.RS_MAC))
    learned = arms.play([arms.to(arms.OUTSIDE, frames[0]), answer, arms.to(arms.OUTSIDE, long)], first="mtu = 1400")
    assert learned.verdicts == ["forwarded_slow", "forwarded_fast", "forwarded_fast"]


@pytest.mark.parametrize("second", ["", "mtu = 1400", "rx_ip_checksum_offload = false"])
def test_the_loop_does_what_the_plain_path_does(second: str, tmp_path: Path) -> None:
    """Ports of other MTUs and offloads too: the same bytes and figures, traced or not, in bursts of any size."""
    frames = []
    for n, (client, vip) in enumerate(arms.flows(12)):
        local = f"192.168.100.200:{1025 + n}"
        frames += [
            arms.to(arms.OUTSIDE, syn(client, vip)),
            arms.to(arms.INSIDE, tcp(arms.REAL, local, "SA", 5000, 1001 + rig.DELTA, mac=arms.RS_MAC)),
            arms.to(arms.OUTSIDE, tcp(client, vip, "A", 1001, 5001)),
            arms.to(arms.OUTSIDE, tcp(client, vip, "PA", 1001, 5001, b"y" * 1300)),
        ]
    records = [(craft.START + n * 10**6, len(frame), frame) for n, frame in enumerate(frames)]
    made = arms.setup(second=second)
    runs = [
        engine.run(made, records, tmp_path, burst, traced, plainly)
        for burst, traced, plainly in ((4096, True, True), (4096, True, False), (4096, False, False), (5, True, False))
    ]
    for run in runs[1:]:
        assert run.sent == runs[0].sent and run.document["ports"] == runs[0].document["ports"]
        assert run.trace in (runs[0].trace, {}) and all("out_port" in line for line in runs[0].trace.values())
    assert runs[0].document["ports"][0]["opackets"] == 36
    assert not twins.untold(made, craft.write(tmp_path / "in.pcap", records), 5)


def test_next_hops_are_asked_for_on_their_port() -> None:
    """The request leaves by dpdk0 with its MAC and address; an answer on dpdk1 is none, the one on dpdk0 releases."""
    reply = craft.arp("192.168.100.10", "192.168.100.20", op=2)
    frames = [
        arms.to(arms.OUTSIDE, syn(arms.CLIENT, arms.VIP)),
        arms.to(arms.OUTSIDE, reply),
        arms.to(arms.INSIDE, reply),
    ]
    run = arms.play(frames, first="resolve = true")
    request = run.packet(1)
    assert (request.src, request["ARP"].pdst, request["ARP"].psrc) == (arms.INSIDE, "192.168.100.20", "192.168.100.10")
    assert [run.trace[n]["out"] for n in (1, 2, 3)] == [[1], [], [2]] and run.trace[1]["out_port"] == ["dpdk0"]


def test_a_local_address_on_a_vlan_device() -> None:
    """ARP for it is answered under the tag alone; its rules are the real device's (S 1.7)."""
    first = 'vlan = [{ id = 7, address = ["10.7.0.1/24"] }]'
    made = arms.setup(laddr="10.7.0.200@dpdk0.7", first=first)
    asked = craft.arp("10.7.0.200", "10.7.0.9")
    tagged = asked[:12] + b"\x81\x00\x00\x07" + asked[12:]
    run = arms.play([asked, tagged], made)
    assert run.verdicts == ["arp_to_kernel", "arp_answered"]
    assert run.document["ports"][0]["rules"] == 2


def test_out_names_interfaces_by_port_and_worker(tmp_path: Path) -> None:
    """A pcapng OUT is read again with every frame on its port."""
    from lbreplay.journey import replay
    from lbreplay.wire.capture import open_capture

    frames = [
        arms.to(arms.OUTSIDE, syn(arms.CLIENT, arms.VIP)),
        arms.to(arms.INSIDE, tcp(arms.REAL, arms.LADDR, "SA", 5000, 1001 + rig.DELTA, mac=arms.RS_MAC)),
    ]
    path = craft.write(tmp_path / "in.pcap", [(craft.START + n, len(f), f) for n, f in enumerate(frames)])
    out = tmp_path / "out.pcapng"
    replay(arms.setup(), str(path), str(out), also={"received"})
    with open_capture(str(out), telling=True) as source:
        (burst,) = source.bursts(100)
        names = [source.names[number] for number in burst.interface]
    assert names == ["dpdk1:worker0", "dpdk0:worker0", "dpdk0:worker0", "dpdk1:worker0"]
