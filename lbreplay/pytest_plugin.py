"""`pytest --lbreplay DIR`: every golden case below DIR is a test item. Without the option nothing else is loaded."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """Register --lbreplay."""
    parser.addoption("--lbreplay", action="append", default=[], metavar="DIR", help="run the golden cases below DIR")


def pytest_configure(config: pytest.Config) -> None:
    """The folders of --lbreplay are collected like those named on the command line."""
    folders = [str(Path(folder).resolve()) for folder in config.getoption("--lbreplay")]
    if folders:
        config.args[:] = [*([] if _only_defaults(config) else config.args), *folders]


def _only_defaults(config: pytest.Config) -> bool:
    return config.args_source is not pytest.Config.ArgsSource.ARGS


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """A case.toml below a folder of --lbreplay is a case."""
    folders = [Path(folder).resolve() for folder in parent.config.getoption("--lbreplay")]
    if file_path.name == "case.toml" and any(folder in file_path.parents for folder in folders):
        return CaseFile.from_parent(parent, path=file_path)
    return None


class CaseFile(pytest.File):
    """A case.toml: one item."""

    def collect(self) -> Iterator[CaseItem]:
        """The case, named by its folder."""
        yield CaseItem.from_parent(self, name=self.path.parent.name)


class CaseFailed(Exception):
    """What the report of a failed case says."""


class CaseItem(pytest.Item):
    """A golden case as a test."""

    def runtest(self) -> None:
        """Replay and judge it."""
        from lbreplay.cli.inside import run_inside
        from lbreplay.lab.golden import run_case
        from lbreplay.report.ci import lines

        outcome = run_case(self.name, self.path.parent, run_inside)
        if not outcome.holds:
            raise CaseFailed("\n".join(lines(outcome)))

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: object = None) -> str:
        """The case's own words instead of a traceback."""
        if isinstance(excinfo.value, CaseFailed):
            return str(excinfo.value)
        return str(super().repr_failure(excinfo))

    def reportinfo(self) -> tuple[Path, int, str]:
        """Where the case stands."""
        return self.path, 0, f"golden case {self.name}"
