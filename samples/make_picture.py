"""Draw the README's pictures: the table of `lbreplay run samples/web.pcap`, and the page of a mistake in a browser.

`make picture` runs it."""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

from lbreplay.cli import status
from lbreplay.cli.options import setup
from lbreplay.journey import replay
from lbreplay.report.tables import svg

HERE = Path(__file__).parent
DOCS = HERE.parent / "docs"
MISTAKE = ["--set", "flow_director.dst_port_mask=1"]


def table(capture: str) -> None:
    """docs/table.svg."""
    result = replay(setup(capture, None, (), "client", None, 4096), capture, None)
    (DOCS / "table.svg").write_text(svg(result, "lbreplay run samples/web.pcap"), encoding="utf-8")


def page(capture: str, browser: str) -> None:
    """docs/page.png."""
    from playwright.sync_api import sync_playwright

    with tempfile.TemporaryDirectory() as folder, sync_playwright() as driver:
        file = Path(folder) / "page.html"
        status(["run", capture, *MISTAKE, "--html", str(file), "-q"])
        running = driver.chromium.launch(executable_path=browser, args=["--no-sandbox"])
        tab = running.new_page(viewport={"width": 1100, "height": 1480})
        tab.goto(file.as_uri())
        tab.screenshot(path=DOCS / "page.png")
        running.close()


if __name__ == "__main__":
    DOCS.mkdir(exist_ok=True)
    table(str(HERE / "web.pcap"))
    if browser := shutil.which("chromium"):
        page("samples/web.pcap", browser)
    else:
        sys.exit("docs/page.png is as it was: chromium is not installed")
