"""Draw the README's picture: the table of `lbreplay run samples/web.pcap`. `make picture` runs it."""

from __future__ import annotations

from pathlib import Path

from lbreplay.cli.options import setup
from lbreplay.replay import replay
from lbreplay.report.tables import svg

HERE = Path(__file__).parent

if __name__ == "__main__":
    capture = str(HERE / "web.pcap")
    result = replay(setup(capture, None, (), "client", None, 4096), capture, None)
    (HERE.parent / "docs").mkdir(exist_ok=True)
    (HERE.parent / "docs" / "table.svg").write_text(svg(result, "lbreplay run samples/web.pcap"), encoding="utf-8")
