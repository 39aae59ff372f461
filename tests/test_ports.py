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
import traffic

from lbreplay.cli import status
from lbreplay.config.found import inline
from lbreplay.config.load import load

SAMPLES = Path(__file__).parent.parent / "samples"
EXAMPLES = ("bond", "two-arm-fnat", "two-arm-nat", "two-arm-snat")
OUTSIDE = bytes.fromhex(arms.OUTSIDE.replace(":", ""))


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
    first = {"name": "dpdk0", "mac": traffic.OURS.hex(":"), **document.get("device", {})}
    own = [f"{ip_interface(address).ip}" for address in first.get("address", ())]
    second = {key: value for key, value in first.items() if key not in ("vlan", "sapool_address", "name")}
    second |= {"name": "dpdk1", "mac": arms.OUTSIDE, "address": own}
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
    return [(at, length, data[12:]) for at, length, data in sent]


@pytest.mark.parametrize("traced", [True, False])
@pytest.mark.parametrize("number", range(8))
def test_two_arms_do_what_one_arm_does(number: int, traced: bool, tmp_path: Path) -> None:
    """Ports that share driver and key: the same packets leave at the same times, MACs aside, and every frame ends the
    same way on the same worker, on the plain path and in the loop."""
    made = traffic.scenario(number, 250)
    setup = load("lb.toml", text=made.text, view=made.view)
    if setup.device.resolve:
        pytest.skip("next hops are asked for on their port: other frames are sent for it")
    both = load("lb.toml", text=two_arms(made.text), view=made.view)
    virtual = {service.vip.address for service in setup.services if service.vip is not None}
    moved = [to_clients_port(record, virtual) for record in made.records]
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
    one = engine.run(setup, made.records, tmp_path / "one", traced=traced)
    two = engine.run(both, moved, tmp_path / "two", traced=traced)
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
