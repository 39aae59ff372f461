"""`pytest --lbreplay DIR`: every golden case below DIR is a test item. Without the option nothing is loaded."""

from __future__ import annotations

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """Register --lbreplay."""
    parser.addoption("--lbreplay", action="append", default=[], metavar="DIR", help="run the golden cases below DIR")
