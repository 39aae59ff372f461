"""The build: compiled where it can be, taken only where it fits, and never needed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import lbreplay.loop as loop
from lbreplay.loop import build

ROOT = Path(__file__).parents[2]
SAY = "import lbreplay.loop as l, lbreplay.loop.parse as p; print(l.COMPILED, p.__file__.rpartition('.')[2], l.WHY)"
compiled = pytest.mark.skipif(not loop.COMPILED, reason="nothing is compiled here")


@pytest.fixture
def house(tmp_path: Path) -> Path:
    """A copy of the package as it is installed, compiled modules too."""
    shutil.copytree(ROOT / "lbreplay", tmp_path / "lbreplay", ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


def says(house: Path, *python: str, **more: str) -> str:
    """What a Python says that finds the copy first."""
    environment = {name: value for name, value in os.environ.items() if name != "LBREPLAY_INTERPRETED"}
    environment |= {"PYTHONPATH": str(house)} | more
    done = subprocess.run(
        [sys.executable, *(python or ("-c", SAY))], cwd=house, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0 and not done.stderr, done.stderr
    return done.stdout.strip()


@compiled
def test_what_is_whole_is_taken(house: Path) -> None:
    """And left aside where somebody asks for that."""
    assert says(house).startswith("True so")
    assert says(house, LBREPLAY_INTERPRETED="1").startswith("False py the loop is interpreted")


@compiled
def test_what_is_built_for_sanitizers_is_left_aside(house: Path) -> None:
    """Without their runtime in the process it would end it, at the first import."""
    stamp = house / "lbreplay" / "loop" / "compiled.txt"
    stamp.write_text(f"sanitize {loop.stamp()}")
    assert says(house).startswith("False py the compiled loop is built for sanitizers")


@compiled
def test_what_is_stale_is_left_aside(house: Path) -> None:
    """A source changed since: a line says so, and the sources run."""
    with (house / "lbreplay" / "loop" / "parse.py").open("a") as file:
        file.write("\nCHANGED = True\n")
    assert says(house).startswith("False py the compiled loop is not of these sources")


@compiled
def test_what_is_broken_is_left_aside(house: Path) -> None:
    """A file that cannot be loaded is no reason for a traceback."""
    (house / "lbreplay" / "loop" / Path(loop.LIBRARY).name).write_bytes(b"\x7fELF, but not really")
    assert says(house).startswith("False py the compiled loop cannot be loaded")


def test_nothing_compiled(house: Path) -> None:
    """As it is on a machine without a compiler: the line says what one would gain."""
    for path in (house / "lbreplay" / "loop").glob("*.so"):
        path.unlink()
    (house / "lbreplay" / "loop" / "compiled.txt").unlink(missing_ok=True)
    assert says(house).startswith("False py the loop is not compiled; compiled it runs")


def test_a_build_without_a_compiler(house: Path) -> None:
    """It says so in a line, leaves nothing half done, and does not fail."""
    (house / "bin").mkdir()
    said = says(house, "-m", "lbreplay.loop.build", "--force", PATH=str(house / "bin"))
    assert said.startswith("the loop is not compiled") and "\n" not in said
    assert not (house / "lbreplay" / "loop" / "compiled.txt").exists()


class Compiler:
    """Stands for one: an object is what was compiled, and how often."""

    compiler_so, include_dirs = ["cc"], ["include"]

    def __init__(self) -> None:
        self.compiled = 0

    def compile(self, sources: list[str], output_dir: str, extra_postargs: list[str]) -> list[str]:
        self.compiled += 1
        made = Path(output_dir, "made.o")
        made.write_bytes(Path(sources[0]).read_bytes())
        return [str(made)]


def test_an_object_is_kept_by_what_it_is_made_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another text, or another way to compile it, makes another one; the first is there still."""
    monkeypatch.setattr(build, "KEPT", tmp_path)
    compiler, source = Compiler(), tmp_path / "x.c"
    for text, flags, compiled in (("1", [], 1), ("1", [], 1), ("2", [], 2), ("2", ["-O0"], 3), ("1", [], 3)):
        source.write_text(text)
        kept = build._object(compiler, source, flags)
        assert (Path(kept).read_text(), compiler.compiled) == (text, compiled)


def test_every_compiled_module_is_named() -> None:
    """What has a .pxd is compiled, and is in the map of the room."""
    assert [name for name in loop.modules() if f"\n{name}.py " not in (loop.__doc__ or "")] == []
    assert set(build.FLAGS) == {"", "check", "test", "sanitize"}


def test_the_version_says_it(house: Path) -> None:
    """`lbreplay --version`."""
    assert says(house, "-m", "lbreplay", "--version").split()[-1] in ("(compiled)", "(interpreted)")
    assert says(house, "-m", "lbreplay", "--version", LBREPLAY_INTERPRETED="1").endswith("(interpreted)")
