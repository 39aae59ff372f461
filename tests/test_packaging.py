"""What is published: wheels and sdists that are the same each time and hold all they need, and the action's script."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from email import message_from_string
from pathlib import Path

import pytest

from lbreplay.cli import COMMANDS
from lbreplay.loop import COMPILED, LIBRARY, STAMP, modules

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
NEEDED = ("cli/__init__.py", "py.typed", "loop/parse.py", "report/page.html", "report/page.js", "report/page.css")
PAGES = ["lbreplay.1", *(f"lbreplay-{name}.1" for name in COMMANDS)]
BUILD = "import sys; from hatchling.build import *; print(globals()[sys.argv[1]](sys.argv[2]))"


def built(what: str, folder: Path, compiled: bool = False) -> Path:
    """A `build_wheel` or `build_sdist` without a compiler, or with what is *compiled* here, at a fixed time."""
    without = {"SOURCE_DATE_EPOCH": "1700000000", "CC": "/nonexistent/cc", "PATH": str(folder)}
    command = [sys.executable, "-c", BUILD, what, str(folder)]
    files = source(folder)
    for path in (LIBRARY, STAMP) if compiled else ():
        shutil.copy2(path, files / "lbreplay" / "loop")
    done = subprocess.run(command, cwd=files, env=os.environ | without, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return folder / done.stdout.splitlines()[-1]


def entries(archive: Path) -> list[str]:
    """The names in a wheel or sdist."""
    if archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as wheel:
            return wheel.namelist()
    with tarfile.open(archive) as sdist:
        return sdist.getnames()


def source(folder: Path) -> Path:
    """The project's own files, without what was compiled or built from them."""
    target = folder / "source"
    target.mkdir(parents=True)
    command = ["git", "ls-files", "-z", "lbreplay", "*.toml", "*.md", "LICENSE", "hatch_build.py"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file() and not name.startswith("tests/"):
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            (target / name).write_bytes((ROOT / name).read_bytes())
    return target


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="no repository to take the files from")
@pytest.mark.parametrize("what", ["build_wheel", "build_sdist"])
def test_built_twice_it_is_the_same(what: str, tmp_path: Path) -> None:
    """Reproducible by SOURCE_DATE_EPOCH, and whole."""
    one, other = (built(what, tmp_path / name) for name in "ab")
    assert one.name == other.name and one.read_bytes() == other.read_bytes()
    held = entries(one)
    for name in (*NEEDED, "report/wireshark/lbreplay.lua"):
        assert any(entry.endswith(f"lbreplay/{name}") for entry in held), name
    if what == "build_wheel":
        assert not any("/tests/" in entry or entry.endswith((".so", ".pyx", ".c")) for entry in held), "no compiler"
        assert one.name.endswith("py3-none-any.whl") and set(PAGES) <= {Path(entry).name for entry in held}


@pytest.mark.skipif(not COMPILED, reason="the loop is not compiled: no wheel of this machine was made")
def test_a_wheel_of_this_machine(tmp_path: Path) -> None:
    """With what is compiled here, for this Python and machine alone; installed, `man` finds the pages."""
    held = entries(wheel := built("build_wheel", tmp_path / "a", compiled=True))
    assert wheel.name.startswith(f"lbreplay-{PROJECT['version']}-cp{sys.version_info[0]}{sys.version_info[1]}-")
    assert {f"{name}.pxd" for name in modules()} <= {Path(entry).name for entry in held}
    assert [Path(entry).name for entry in held if entry.endswith(".so")] == [Path(LIBRARY).name]
    pages = {entry for entry in held if entry.endswith(".1")}
    assert pages == {f"lbreplay-{PROJECT['version']}.data/data/share/man/man1/{name}" for name in PAGES}
    with zipfile.ZipFile(wheel) as opened:
        text = opened.read(f"lbreplay-{PROJECT['version']}.dist-info/METADATA").decode()
        record = opened.read(f"lbreplay-{PROJECT['version']}.dist-info/RECORD").decode()
    told = message_from_string(text)
    assert (told["Name"], told["Requires-Python"]) == ("lbreplay", ">=3.11")
    assert told["License-Expression"] == PROJECT["license"]
    assert {url.split(",")[0] for url in told.get_all("Project-URL", [])} == set(PROJECT["urls"])
    assert set(PROJECT["classifiers"]) <= set(told.get_all("Classifier", []))
    assert set(PROJECT["optional-dependencies"]) == set(told.get_all("Provides-Extra", []))
    assert told.get_payload().startswith("# lbreplay") and all(entry in record for entry in held)


def test_metadata() -> None:
    """Where it comes from, and every Python that is tested."""
    assert {"Homepage", "Issues", "Changes"} <= PROJECT["urls"].keys()
    workflow = (ROOT / ".github" / "workflows" / "test.yml").read_text()
    for classifier in PROJECT["classifiers"]:
        version = classifier.rpartition(" :: ")[2]
        assert not version.startswith("3.") or f'"{version}"' in workflow, version


def test_the_action_runs_the_cases(tmp_path: Path) -> None:
    """Its script, as GitHub would call it: exit status, JUnit and page are those of `lbreplay test`."""
    script = ROOT / ".github" / "actions" / "golden" / "run.sh"
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    files = {"JUNIT": str(tmp_path / "junit.xml"), "HTML": str(tmp_path / "page.html")}
    for folders, code in (("tests/cases/client_view tests/cases/narrow_mask", 0), (str(tmp_path), 2)):
        environment = os.environ | files | {"CASES": folders, "VERSION": "", "PATH": path}
        done = subprocess.run([str(script)], cwd=ROOT, env=environment, capture_output=True, text=True)
        assert done.returncode == code, done.stderr
    assert (tmp_path / "junit.xml").exists() and (tmp_path / "page.html").exists()


def test_the_image_is_of_the_wheel() -> None:
    """Its Containerfile installs what `python -m build` leaves in dist, and nothing else."""
    lines = (ROOT / ".ci" / "Containerfile").read_text().splitlines()
    assert [line for line in lines if line.startswith("COPY")] == ["COPY dist/*.whl /tmp/"]
    assert lines[-1] == 'ENTRYPOINT ["lbreplay"]'
