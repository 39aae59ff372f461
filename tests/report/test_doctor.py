"""How findings are shown: a block each, counted at the end."""

import io
import json

from lbreplay.report.doctor import FIELDS, as_csv, as_json, show, summary
from lbreplay.report.tables import console

ERROR = dict(zip(FIELDS, ("mask-narrow", "error", "a.b", "is one", "loss", "make it two", "S 2.7"), strict=True))
WARNING = ERROR | {"code": "reta-idle", "severity": "warning"}
FOUND = {"schema": 1, "errors": 1, "warnings": 2, "findings": [ERROR, WARNING, WARNING]}
NOTHING = {"schema": 1, "errors": 0, "warnings": 0, "findings": []}


def test_blocks():
    """Severity, code and place, then what stands there, what follows, and the cure."""
    out = io.StringIO()
    show(FOUND, console(out, "never"))
    lines = out.getvalue().splitlines()
    assert lines[:4] == ["error mask-narrow  a.b", "    is one", "    so: loss", "    cure: make it two"]
    assert lines[-1] == "1 error, 2 warnings"


def test_summary_of_nothing():
    """No findings are said in words."""
    assert str(summary(NOTHING)) == "nothing wrong found"


def test_json_and_csv():
    """JSON is the document, CSV a line a finding in the order of the fields."""
    assert json.loads(as_json(FOUND)) == FOUND
    assert as_csv(FOUND).splitlines()[1] == "mask-narrow,error,a.b,is one,loss,make it two,S 2.7"
