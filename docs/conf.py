"""Sphinx: `make docs` builds out/docs from these pages; what the code knows is made from it (make_reference.py)."""

from __future__ import annotations

import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent), str(HERE)]

import make_reference  # noqa: E402

from lbreplay import __version__  # noqa: E402

project, author, release = "lbreplay", "the lbreplay project", __version__
extensions = ["myst_parser"]
exclude_patterns = ["README.zh-CN.md"]
source_suffix = {".md": "markdown"}
myst_heading_anchors = 3
myst_enable_extensions = ["colon_fence"]
html_theme = "alabaster"
html_theme_options = {"description": "What a full-NAT load balancer does to every packet", "page_width": "1040px"}
html_static_path: list[str] = []
html_show_copyright = False
nitpicky = True
suppress_warnings = ["myst.header", "myst.xref_missing_model"]


def setup(app: object) -> None:
    """Before anything is read."""
    make_reference.write(HERE / "reference" / "generated")
