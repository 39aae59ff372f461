"""What a suite exercises, for people: a line a part of each configuration, and settings that nothing depends on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.text import Text

from lbreplay.report import layout, texts

Document = Mapping[str, Any]  # of lab.cover.document
as_json = texts.as_json
SHOWN = 6  # missing ones that are named in a line
FEW = 5  # configurations that are shown one by one


def show(found: Document, out: Console) -> None:
    """A table a configuration, or one of all where there are many; then the settings."""
    configurations = found["configurations"]
    if len(configurations) > FEW:
        configurations = [together(configurations)]
    for one in configurations:
        cases = one["cases"]
        named = ", ".join(cases[:SHOWN]) + (f" and {len(cases) - SHOWN} more" if len(cases) > SHOWN else "")
        out.print(Text(f"Exercised by {named}:"))
        layout.show(_parts(one["parts"]), out)
    idle = [setting["setting"] for setting in found["settings"] if setting["case"] is None]
    if found["settings"]:
        out.print(
            Text(f"{len(found['settings'])} settings were changed; on {len(idle)} no case depends:"), soft_wrap=True
        )
        for name in idle:
            out.print(Text(f"  {name}"), soft_wrap=True)


def _parts(parts: Sequence[Document]) -> list[layout.Column]:
    return [
        layout.Column("part", [part["part"] for part in parts], "name"),
        layout.Column("exercised", [f"{len(part['exercised']):,}" for part in parts]),
        layout.Column("of", [f"{part['of']:,}" for part in parts]),
        layout.Column("missing", [shortened(list(part["missing"])) for part in parts], "prose"),
    ]


def shortened(names: Sequence[str]) -> str:
    """Some names, and how many more."""
    rest = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + rest


def together(configurations: Sequence[Document]) -> Document:
    """All configurations as one: missing is what is exercised under none that has it."""
    parts: dict[str, dict[str, bool]] = {}
    for one in configurations:
        for part in one["parts"]:
            known = parts.setdefault(part["part"], {})
            for name in (*part["exercised"], *part["missing"]):
                known[name] = known.get(name, False) or name in part["exercised"]
    return {
        "cases": [case for one in configurations for case in one["cases"]],
        "parts": [
            {
                "part": name,
                "of": len(known),
                "exercised": [one for one, met in known.items() if met],
                "missing": [one for one, met in known.items() if not met],
            }
            for name, known in parts.items()
        ],
    }


def as_csv(found: Document) -> str:
    """A line a part of a configuration; names are joined by `; `."""
    rows = [
        {
            "configuration": n,
            "part": part["part"],
            "exercised": len(part["exercised"]),
            "of": part["of"],
            "missing": "; ".join(part["missing"]),
        }
        for n, one in enumerate(found["configurations"], 1)
        for part in one["parts"]
    ]
    idle = [setting["setting"] for setting in found["settings"] if setting["case"] is None]
    used = len(found["settings"]) - len(idle)
    settings = {"configuration": "", "part": "settings", "exercised": used, "of": len(found["settings"])}
    return texts.rows_as_csv([*rows, {**settings, "missing": "; ".join(idle)}])
