"""What hatchling does besides packing: the loop is compiled, and the manual pages are made from the commands.

Without a C compiler, or without Cython, the wheel is one for every machine, and interpreted; nothing fails.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class Hook(BuildHookInterface):
    """Runs before a wheel, or an editable installation, is made."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Put what was compiled into the wheel, which then is one for this Python and machine, and the pages."""
        sys.path.insert(0, self.root)
        os.environ.setdefault("LBREPLAY_INTERPRETED", "1")  # what is to be replaced is not loaded
        from lbreplay.loop import STAMP
        from lbreplay.loop.build import build

        self.app.display_info(build())
        if Path(STAMP).exists():
            build_data["pure_python"], build_data["infer_tag"] = False, True
        self.pages = TemporaryDirectory(prefix="lbreplay-man-")
        for page in self.manual() if version == "standard" else ():
            data = f"{self.metadata.core.name}-{self.metadata.version}.data/data"  # what pip puts beside bin/
            build_data["force_include"][str(page)] = f"{data}/share/man/man1/{page.name}"

    def manual(self) -> list[Path]:
        """The manual pages; none where click, which knows the options, is not installed."""
        try:
            from lbreplay.cli.manual import write
        except ImportError:
            return []
        return write(Path(self.pages.name))

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """What is in the wheel is needed no more."""
        self.pages.cleanup()
