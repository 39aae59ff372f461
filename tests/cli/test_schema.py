"""`lbreplay schema` on the command line."""

import json
from pathlib import Path

import jsonschema
import pytest

from lbreplay.cli import status


def test_it_prints_json_schema(capsys: pytest.CaptureFixture[str]) -> None:
    """What is printed is a schema that knows the keys."""
    assert status(["schema"]) == 0
    found = json.loads(capsys.readouterr().out)
    jsonschema.Draft7Validator.check_schema(found)
    assert "service" in found["properties"]


def test_output(tmp_path: Path) -> None:
    """-o writes it where an editor finds it."""
    assert status(["schema", "-o", str(tmp_path / "s.json")]) == 0
    assert json.loads((tmp_path / "s.json").read_text())["title"] == "lbreplay configuration"
