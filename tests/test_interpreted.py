"""The loop is one text: compiled and interpreted it gives the same bytes and counts, at any burst size."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from hashlib import sha256
from itertools import chain
from pathlib import Path

import craft
import floods
import pytest

import lbreplay.loop as loop

TESTS = Path(__file__).parent
CONNECTIONS = 25
BURSTS = (1, 7, 256, 4096)


def answers(folder: Path, interpreted: bool) -> dict[str, str]:
    """What another Python, *interpreted* or not, makes of the floods in *folder*: a digest for each and each burst."""
    asked = {"LBREPLAY_INTERPRETED": "1"} if interpreted else {}
    code = "import sys, test_interpreted as t; t.tell(t.Path(sys.argv[1]), sys.argv[2])"
    environment = os.environ | {"PYTHONPATH": os.pathsep.join((str(TESTS.parent), str(TESTS)))} | asked
    command = [sys.executable, "-c", code, str(folder), str(not interpreted)]
    run = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    told: dict[str, str] = json.loads(run.stdout)
    return told


def tell(folder: Path, compiled: str) -> None:
    """Say what becomes of every flood in *folder*, by a loop that is *compiled*: "True" or "False"."""
    from lbreplay.config.load import load
    from lbreplay.journey import replay

    assert str(loop.COMPILED) == compiled, loop.WHY
    told, out = {}, folder / f"out-{compiled}.pcap"
    for source in sorted(folder.glob("*-in.pcap")):
        view, text = source.with_suffix(".toml").read_text().split("\n", 1)
        for burst in BURSTS:
            setup = load(None, (), view=view, text=text)._replace(burst_size=burst)
            document = json.dumps(replay(setup, str(source), str(out)).document(), sort_keys=True)
            told[f"{source.name} {burst}"] = sha256(out.read_bytes() + document.encode()).hexdigest()
    print(json.dumps(told))


@pytest.mark.skipif(not loop.COMPILED, reason=loop.WHY)
def test_floods_of_every_kind(tmp_path: Path) -> None:
    """Every kind of ordinary traffic, of both balancers."""
    made = ((f"dpvs-{n}", floods.flood(n, CONNECTIONS, kind)) for n, kind in enumerate(floods.KINDS))
    kernels = ((f"ipvs-{n}", floods.kernel(n, CONNECTIONS)) for n in range(6))
    for name, flood in chain(made, kernels):
        source = craft.write(tmp_path / f"{name}-in.pcap", flood.records)
        source.with_suffix(".toml").write_text(f"{flood.setup.view}\n{flood.text}")
    compiled, interpreted = answers(tmp_path, False), answers(tmp_path, True)
    assert len(compiled) == len(BURSTS) * (len(floods.KINDS) + 6)
    assert compiled == interpreted


@pytest.mark.parametrize("room", ["dpvs", "dpvs-1.8", "ipvs"])
def test_recorded_cases(room: str) -> None:
    """What was recorded holds where nothing is compiled, too."""
    command = [sys.executable, "-m", "lbreplay", "test", str(TESTS / "golden" / room), "-q"]
    environment = os.environ | {"LBREPLAY_INTERPRETED": "1"}
    run = subprocess.run(command, env=environment, cwd=TESTS.parent, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr
