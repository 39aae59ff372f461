"""The pages of the reference that are made from the code.

`make docs` runs it; nothing here is written by hand, so nothing of it can be out of date.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent
from typing import Any


def write(folder: Path) -> None:
    """Every page into *folder*."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, page in PAGES.items():
        (folder / f"{name}.md").write_text("\n".join(page()) + "\n", encoding="utf-8")


def commands() -> Iterator[str]:
    """What `--help` says, a section a command."""
    import click

    from lbreplay.cli import COMMANDS, EXIT_STATUS, lbreplay

    yield "# Commands\n"
    yield from ("| exit status | means |", "|---|---|")
    yield from (f"| {code} | {sentence} |" for code, sentence in EXIT_STATUS.items())
    yield ""
    for name, (_, _, sentence) in COMMANDS.items():
        command = lbreplay.get_command(click.Context(lbreplay), name)
        assert command is not None
        text = command.get_help(click.Context(command, info_name=f"lbreplay {name}"))
        yield from (f"## {name}\n", f"{sentence}\n", "```text", text, "```\n")


def library() -> Iterator[str]:
    """What `import lbreplay` gives: the examples, then each name with its signature."""
    import inspect

    from lbreplay import api

    title, _, examples = (inspect.getdoc(api) or "").partition("\n")
    yield f"# The library\n\nW{title.removeprefix('The library: w')}\n"
    yield _examples(examples)
    for name in api.__all__:
        known = getattr(api, name)
        yield from (f"## {name}\n", "```python", f"{name}{_signature(known)}", "```\n", inspect.getdoc(known) or "", "")


def _examples(text: str) -> str:
    """Indented examples as blocks of Python."""
    parts = [part.strip("\n") for part in text.split("\n\n")]
    return "\n\n".join(f"```pycon\n{dedent(part)}\n```" if part.startswith(" ") else part for part in parts)


def _signature(known: Any) -> str:
    """How a function is called; of a class nothing: none of them is made by hand."""
    import inspect

    return "" if inspect.isclass(known) else re.sub(r"(: |-> )'([^']*)'", r"\1\2", str(inspect.signature(known)))


def outputs() -> Iterator[str]:
    """Every JSON with what it is in sentences; the whole of it is its schema."""
    from lbreplay.report.outputs import OUTPUTS
    from lbreplay.report.shapes import sentences

    yield "# JSON outputs\n"
    yield "`lbreplay schema --of NAME` prints the JSON Schema of each: every name, its type, whether it may be"
    yield "missing or null. What stays as it is: [stability](../../stability.md).\n"
    for name, output in OUTPUTS.items():
        yield from (f"## {name}\n", f"Written by `{output.written_by}`.\n", "| name | what |", "|---|---|")
        yield from (f"| `{path or 'all'}` | {_cell(sentence)} |" for path, sentence in sentences(output.shape))
        yield ""


def configuration() -> Iterator[str]:
    """The JSON Schema as a table a section."""
    from lbreplay.config.schema import json_schema

    yield "# Configuration\n"
    yield "Every table may be missing. `lbreplay schema` prints the same as JSON Schema, for editors.\n"
    for path, section in _sections(json_schema(), ""):
        yield from (f"## {path or 'top level'}\n", "| key | what | default |", "|---|---|---|")
        yield from (f"| `{key}` | {_what(about)} | {_default(about)} |" for key, about in section.items())
        yield ""


def _sections(schema: dict[str, Any], path: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """(key path, its keys) of a schema and everything below it."""
    keys = schema.get("properties", {})
    if keys:
        yield path, keys
    for key, about in keys.items():
        for inner in (about, about.get("items", {}), *about.get("anyOf", ()), *about.get("oneOf", ())):
            if isinstance(inner, dict) and inner.get("properties"):
                yield from _sections(inner, f"{path}.{key}" if path else key)
                break


def _what(about: dict[str, Any]) -> str:
    told = about.get("description", "") or ", ".join(f"`{value}`" for value in about.get("enum", ()))
    return _cell(told or str(about.get("type", "")))


def _default(about: dict[str, Any]) -> str:
    return f"`{about['default']!r}`" if "default" in about else ""


def verdicts() -> Iterator[str]:
    """Every verdict with its fate, its section and its sentence."""
    from lbreplay.verdict import REASONS, Verdict

    yield "# Verdicts\n"
    yield "Every frame ends with exactly one of these; the fates add up to the frames of the capture.\n"
    yield from ("| verdict | fate | section | sentence |", "|---|---|---|---|")
    for verdict in Verdict:
        section = _cited(verdict.section)
        yield f"| `{verdict.name.lower()}` | {verdict.fate.label} | {section} | {_cell(verdict.sentence)} |"
    yield from ("\n## Reasons that are never final\n", "| reason | sentence |", "|---|---|")
    yield from (f"| `{name}` | {_cell(sentence)} |" for name, sentence in REASONS.items())


def judgements() -> Iterator[str]:
    """The properties of `check` and the findings of `doctor`."""
    from lbreplay.lab.check import PROPERTIES
    from lbreplay.lab.doctor import LINTS

    yield "# What `check` and `doctor` judge\n"
    yield from ("## Properties of `check`\n", "| property | sentence |", "|---|---|")
    yield from (f"| `{name}` | {_cell(known.sentence.format(limit=2))} |" for name, known in PROPERTIES.items())
    yield from (
        "\n## Findings of `doctor`\n",
        "| code | severity | what it leads to | cure | section |",
        "|---|---|---|---|---|",
    )
    for lint in LINTS:
        cells = (_cell(text) for text in (lint.leads_to, lint.cure))
        yield f"| `{lint.code}` | {lint.severity} | {' | '.join(cells)} | {_cited(lint.source)} |"


DOSSIERS = {"D": "dpvs", "S": "steering", "L": "linux"}


def _cited(section: str) -> str:
    """Sections with links to where they stand: `D 5.1, S 2`."""
    parts = []
    for part in section.split(","):
        letter = part.strip().split(" ")[0]
        known = DOSSIERS.get(letter)
        parts.append(f"[{part.strip()}](../../model/{known}.md)" if known else _cell(part.strip()))
    return ", ".join(parts)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;").replace("\n", " ").replace("{", "(").replace("}", ")")


PAGES = {
    "commands": commands,
    "library": library,
    "outputs": outputs,
    "configuration": configuration,
    "verdicts": verdicts,
    "judgements": judgements,
}
