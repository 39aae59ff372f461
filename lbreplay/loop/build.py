"""Compiles the loop: `python -m lbreplay.loop.build`, `make build`, and by way of hatch_build.py every `pip install`.

Without a C compiler, or without Cython, nothing is compiled and nothing fails: the modules run as they are.

    LBREPLAY_BUILD=check      every index is checked when it is used
    LBREPLAY_BUILD=test       the same, compiled in a hurry (tests/test_checked_build.py)
    LBREPLAY_BUILD=sanitize   the same, under the address and undefined-behaviour sanitizers
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

FLAGS = {
    "": ["-O3", "-g0"],
    "check": ["-O2", "-g0"],
    "test": ["-O0", "-g0"],
    "sanitize": ["-O1", "-g", "-fsanitize=address,undefined", "-fno-omit-frame-pointer"],
}


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
    wanted = f"{kind} {loop.stamp()}"
    whole = all(path.exists() for path in loop.modules())
    if not force and whole and loop.STAMP.exists() and loop.STAMP.read_text() == wanted:
        return "the loop is compiled already"
    loop.STAMP.unlink(missing_ok=True)
    try:
        _compile(loop, kind)
    except ImportError as error:
        return f"the loop is not compiled, for {error.name} is not installed"
    except (Exception, SystemExit) as error:  # whatever a compiler, or its absence, raises: it runs without
        return f"the loop is not compiled: {' '.join(str(error).split()) or type(error).__name__}"
    loop.STAMP.write_text(wanted)
    return f"{len(loop.sources())} modules compiled"


def _compile(loop: Any, kind: str) -> None:
    from Cython.Build import cythonize
    from setuptools import Distribution, Extension

    checked = bool(kind)
    directives = {
        "language_level": 3, "annotation_typing": False, "binding": False, "cdivision": True,
        "boundscheck": checked, "show_performance_hints": False, "wraparound": False, "initializedcheck": checked,
    }  # fmt: skip
    link = [flag for flag in FLAGS[kind] if flag.startswith("-fsanitize")]
    root = loop.ROOM.parents[1]
    os.chdir(root)
    with TemporaryDirectory() as scratch:
        extensions = [
            Extension(
                f"lbreplay.loop.{path.stem}",
                [str(path.relative_to(root))],
                extra_compile_args=FLAGS[kind],
                extra_link_args=link,
            )
            for path in (*loop.sources(), loop.ROOM / f"{loop.SHARED}.c")
        ]
        made = cythonize(
            extensions, build_dir=scratch, compiler_directives=directives, quiet=True, force=True,
            shared_utility_qualified_name=f"lbreplay.loop.{loop.SHARED}",
        )  # fmt: skip
        command: Any = Distribution({"ext_modules": made}).get_command_obj("build_ext")
        command.inplace, command.build_temp, command.parallel = True, scratch, 2
        command.ensure_finalized()
        command.run()


def main() -> None:
    sys.stdout.write(build("--force" in sys.argv) + "\n")


if __name__ == "__main__":
    main()
