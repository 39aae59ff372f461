"""The compiled loop under hostile captures, built so that every index is checked when it is used.

Built once for a state of the sources, into pytest's cache: some twenty seconds; the run itself takes few.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import lbreplay.loop as loop

ROOT = Path(__file__).parent.parent
SECONDS = {"replay": 4, "flood": 12, "capture": 3}  # of mutations, a target of tests/fuzz.py


@pytest.fixture(scope="module")
def checked(pytestconfig: pytest.Config) -> dict[str, str]:
    """The environment of a Python that finds such a build."""
    assert pytestconfig.cache is not None
    house = pytestconfig.cache.mkdir("checked-build")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join((str(house), str(ROOT / "tests")))}
    environment.pop("LBREPLAY_INTERPRETED", None)
    ignored = shutil.ignore_patterns("__pycache__", "*.so", "compiled.txt")
    shutil.copytree(ROOT / "lbreplay", house / "lbreplay", ignore=ignored, dirs_exist_ok=True)
    stamp = house / "lbreplay" / "loop" / "compiled.txt"
    if not stamp.exists() or stamp.read_text() != f"test {loop.stamp()}":
        build = [sys.executable, "-m", "lbreplay.loop.build"]
        asked = {"LBREPLAY_BUILD": "test", "LBREPLAY_INTERPRETED": "1"}
        said = subprocess.run(build, cwd=house, env=environment | asked, capture_output=True, text=True).stdout
        if "is not installed" in said or shutil.which("cc") is None:
            pytest.skip(said.strip())
        assert "modules compiled" in said, said
    return environment


def test_it_is_such_a_build(checked: dict[str, str]) -> None:
    """And it is what runs below."""
    code = "import lbreplay.loop as l; print(l.COMPILED, open(l.STAMP).read().split()[0], l.__file__)"
    said = subprocess.run([sys.executable, "-c", code], env=checked, cwd="/", capture_output=True, text=True).stdout
    house = checked["PYTHONPATH"].split(os.pathsep)[0]
    assert said.split()[:2] == ["True", "test"] and said.split()[2].startswith(house), loop.WHY


@pytest.mark.parametrize("target", SECONDS)
def test_no_index_is_wrong(checked: dict[str, str], target: str) -> None:
    """Compiled code that checks an index can only say so where nobody listens: tests/fuzz.py ends then."""
    command = [sys.executable, str(ROOT / "tests" / "fuzz.py"), str(SECONDS[target]), target, "0"]
    run = subprocess.run(command, env=checked, cwd=ROOT, capture_output=True, text=True)
    assert run.returncode == 0 and "mutations held" in run.stdout, run.stdout + run.stderr
