"""`pytest --lbreplay DIR`: each case is a test; without the option pytest is as ever."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import packets


def pytest_run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-v", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True)


def test_each_case_is_an_item(tmp_path: Path) -> None:
    for name in ("rr_3", "wlc_111"):
        shutil.copytree(packets.GOLDEN / name, tmp_path / "cases" / name)
    config = tmp_path / "cases" / "wlc_111" / "lb.toml"
    config.write_text(config.read_text().replace("weight = 1", "weight = 2", 1))
    (tmp_path / "test_other.py").write_text("def test_other(): pass\n")

    done = pytest_run(tmp_path, "--lbreplay", "cases")
    assert done.returncode == 1 and "1 failed, 1 passed" in done.stdout and "test_other" not in done.stdout
    assert "wlc_111: failed" in done.stdout and "  more: lbreplay explain" in done.stdout
    assert "Traceback" not in done.stdout

    both = pytest_run(tmp_path, "test_other.py", "--lbreplay", "cases", "-k", "rr_3 or other")
    assert both.returncode == 0 and "2 passed, 1 deselected" in both.stdout


def test_without_the_option_cases_are_not_looked_at(tmp_path: Path) -> None:
    shutil.copytree(packets.GOLDEN / "rr_3", tmp_path / "cases" / "rr_3")
    assert pytest_run(tmp_path).returncode == 5


def test_the_plugin_loads_nothing_heavy() -> None:
    code = "import sys, lbreplay.pytest_plugin; sys.exit([m for m in ('numpy', 'rich', 'click') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stderr.strip() in ("", "[]")
