"""Compiles the loop: `python -m lbreplay.loop.build`, `make build`, and by way of hatch_build.py every `pip install`.

Without a C compiler, or without Cython, nothing is compiled and nothing fails: the modules run as they are. Cython
makes C of each module, the compiler an object of each C, the linker one file of all. C and objects are kept by what
they were made of, so that a change compiles what it touches.

    LBREPLAY_BUILD=check      every index is checked when it is used
    LBREPLAY_BUILD=test       the same, compiled in a hurry (tests/test_checked_build.py)
    LBREPLAY_BUILD=sanitize   the same, under the address and undefined-behaviour sanitizers
"""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
import sysconfig
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

FLAGS = {
    "": ["-O3", "-g0", "-w"],
    "check": ["-O2", "-g0", "-w"],
    "test": ["-O0", "-g0", "-w"],
    "sanitize": ["-O1", "-g", "-w", "-fsanitize=address,undefined", "-fno-omit-frame-pointer"],
}
KEPT = Path(__file__).parent / "__pycache__" / "build"  # where Python keeps what it compiles; Cython clears it by age


def _loop() -> Any:
    """The room, also where this file is run by a packager who has not installed it."""
    package = str(Path(__file__).parents[2])
    if package not in sys.path:
        sys.path.insert(0, package)
    os.environ.setdefault("LBREPLAY_INTERPRETED", "1")
    import lbreplay.loop

    return lbreplay.loop


def build(force: bool = False) -> str:
    """Compile what is not compiled yet; a line that says what came of it."""
    loop, kind = _loop(), os.environ.get("LBREPLAY_BUILD", "")
    stamp, wanted = Path(loop.STAMP), f"{kind} {loop.stamp()}"
    if not force and Path(loop.LIBRARY).exists() and stamp.exists() and stamp.read_text() == wanted:
        return "the loop is compiled already"
    stamp.unlink(missing_ok=True)
    if force:
        shutil.rmtree(KEPT, ignore_errors=True)
    try:
        _compile(loop, kind)
    except ImportError as error:
        return f"the loop is not compiled, for {error.name} is not installed"
    except (Exception, SystemExit) as error:  # whatever a compiler, or its absence, raises: it runs without
        return f"the loop is not compiled: {' '.join(str(error).split()) or type(error).__name__}"
    stamp.write_text(wanted)
    return f"{len(loop.modules())} modules compiled"


def _compile(loop: Any, kind: str) -> None:
    """Sources -> C -> objects -> the one file."""
    KEPT.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=KEPT.parent) as scratch, ThreadPoolExecutor(os.cpu_count()) as threads:
        sources, compiler = _translated(loop, kind, scratch), _compiler()
        objects = threads.map(lambda source: _object(compiler, source, FLAGS[kind]), sources)
        link = [flag for flag in FLAGS[kind] if flag.startswith("-fsanitize")]
        made = str(Path(scratch, "made"))
        compiler.link_shared_object(list(objects), made, extra_postargs=link)
        os.replace(made, loop.LIBRARY)  # who has the old one loaded keeps it


def _translated(loop: Any, kind: str, scratch: str) -> list[Path]:
    """What Cython makes of the sources, in *scratch*."""
    from Cython.Build import cythonize
    from setuptools import Extension

    checked = bool(kind)
    directives = {
        "language_level": 3, "annotation_typing": False, "binding": False, "cdivision": True,
        "boundscheck": checked, "show_performance_hints": False, "wraparound": False, "initializedcheck": checked,
    }  # fmt: skip
    room = Path(*loop.__name__.split("."))
    os.chdir(Path(loop.ROOM).parents[1])
    files = [f"{name}.py" for name in loop.modules()] + [f"{loop.SHARED}.c"]
    made = cythonize(
        [Extension(f"{loop.__name__}.{Path(file).stem}", [str(room / file)]) for file in files],
        build_dir=scratch, compiler_directives=directives, quiet=True, cache=str(KEPT),
        shared_utility_qualified_name=f"{loop.__name__}.{loop.SHARED}",
    )  # fmt: skip
    return [Path(extension.sources[0]) for extension in made]


def _compiler() -> Any:
    """The C compiler that Python's own extensions are compiled with, or that the environment names (CC, CFLAGS)."""
    from distutils.ccompiler import new_compiler
    from distutils.sysconfig import customize_compiler

    compiler: Any = new_compiler()
    customize_compiler(compiler)
    compiler.set_include_dirs(sorted({sysconfig.get_path("include"), sysconfig.get_path("platinclude")}))
    return compiler


def _object(compiler: Any, source: Path, flags: list[str]) -> str:
    """The object of a C file: a kept one, if it was made of the same text in the same way."""
    how = repr((compiler.compiler_so, compiler.include_dirs, flags)).encode()
    kept = KEPT / f"{source.name}-{hashlib.sha256(how + source.read_bytes()).hexdigest()}.o"
    if not kept.exists():
        (made,) = compiler.compile([str(source)], output_dir=str(source.parent), extra_postargs=flags)
        os.replace(made, kept)
    kept.touch()
    return str(kept)


def main() -> None:
    sys.stdout.write(build("--force" in sys.argv) + "\n")


if __name__ == "__main__":
    main()
