"""What tests ask of the machine: mounts of their own, and somebody who may not do everything."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

NOBODY = 65534


@cache
def alone() -> tuple[str, ...]:
    """What stands before a command that gets mounts and processes of its own; nothing where the system refuses."""
    command = ("unshare", "--map-root-user", "--mount", "--pid", "--fork", "--kill-child")
    if shutil.which(command[0]) is None:
        return ()
    tried = subprocess.run([*command, "mount", "-t", "tmpfs", "none", "/mnt"], capture_output=True)
    return command if tried.returncode == 0 else ()


def mounted(script: str, folder: Path) -> str:
    """What a shell *script* says that mounts things in *folder*, which it alone sees."""
    run = subprocess.run([*alone(), "sh", "-ec", script], cwd=folder, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    return run.stdout


@contextmanager
def open_to_all() -> Iterator[Path]:
    """A folder that everybody may enter; pytest's own are for one user."""
    with tempfile.TemporaryDirectory() as name:
        os.chmod(name, 0o755)
        yield Path(name)


def as_nobody(do: Callable[[], None]) -> None:
    """Do it in a process of a user who is not root."""
    child = os.fork()
    if child:
        assert os.waitpid(child, 0)[1] == 0, "see the traceback"
        return
    status = 1
    try:
        if os.geteuid() == 0:
            os.setgroups([])
            os.setresgid(NOBODY, NOBODY, NOBODY)
            os.setresuid(NOBODY, NOBODY, NOBODY)
        do()
        status = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(status)
