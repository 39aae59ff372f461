"""A command line run inside this process, for many runs that share one start-up."""

from __future__ import annotations

import contextlib
import io

from lbreplay.cli import status


def run_inside(arguments: list[str]) -> tuple[int, str]:
    """Run `lbreplay ARGUMENTS`; the exit status and what was said on standard error. Standard output is dropped."""
    said = io.StringIO()
    with contextlib.redirect_stderr(said), contextlib.redirect_stdout(io.StringIO()):
        code = status(arguments)
    return code, said.getvalue()
