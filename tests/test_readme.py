"""What the README and the documentation say can be done, done: commands, workflow, hook, configurations, links."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from functools import cache
from html import unescape
from pathlib import Path

import pytest

from lbreplay.config.load import load
from lbreplay.lab.case import load as load_case

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
CHINESE = DOCS / "README.zh-CN.md"
MADE = ("model", "generated")  # folders of docs that are no prose of the project's
PAGES = [
    ROOT / "README.md",
    *sorted(path for path in DOCS.rglob("*.md") if not set(MADE) & set(path.relative_to(DOCS).parts)),
]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BIN = Path(sys.executable).parent


def blocks(page: Path, language: str) -> list[str]:
    text = page.read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def commands(page: Path) -> list[str]:
    """Every line of a shell block but those of make, which run this test, and of the shell's own set-up."""
    lines = [line for block in blocks(page, "sh") for line in block.splitlines()]
    return [line for line in lines if line.strip() and not line.startswith(("make ", ". .venv"))]


def name(page: Path) -> str:
    return str(page.relative_to(ROOT))


TOLD = [page for page in PAGES if commands(page) and page != CHINESE]


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory):
    """Of a page: a folder with the samples, in which its commands have run one after the other."""

    @cache
    def ran(page: Path) -> Path:
        folder = tmp_path_factory.mktemp("readme")
        shutil.copytree(ROOT / "samples", folder / "samples")
        (folder / "out").mkdir()
        for command in commands(page):
            done = run(folder, command)
            assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
        return folder

    return ran


def run(folder: Path, command: str, **more: str) -> subprocess.CompletedProcess[str]:
    machine = {name: value for name, value in os.environ.items() if name not in ("CI", "GITHUB_ACTIONS")}
    environment = machine | {"PATH": f"{BIN}:{os.environ['PATH']}"} | more
    return subprocess.run(["bash", "-c", command], cwd=folder, env=environment, capture_output=True, text=True)


@pytest.mark.parametrize("page", TOLD, ids=name)
def test_the_commands_do_what_they_say(desk, page: Path) -> None:
    assert any((desk(page) / "out").iterdir())


def test_the_chinese_readme_has_the_same_commands() -> None:
    """It is a translation: what it says to type is typed by the test above."""
    assert commands(CHINESE) and set(map(_bare, commands(CHINESE))) == set(map(_bare, commands(ROOT / "README.md")))


def _bare(command: str) -> str:
    return command.partition("   #")[0].rstrip()


def test_the_readme_is_short() -> None:
    assert len(README.splitlines()) <= 150


def test_the_picture_is_what_is_printed(tmp_path: Path) -> None:
    """Line by line; `make picture` draws it again."""
    shutil.copytree(ROOT / "samples", tmp_path / "samples")
    done = run(tmp_path, "lbreplay run samples/web.pcap -o web.pcap")
    printed = [line.split() for line in done.stdout.splitlines() if line.strip()]
    drawn: dict[str, list[str]] = {}
    text = re.compile(r'<text class="terminal-\d+-r[^>]* y="([\d.]+)"[^>]*>([^<]*)</text>')
    for y, words in text.findall((DOCS / "table.svg").read_text(encoding="utf-8")):
        drawn.setdefault(y, []).extend(unescape(words).split())
    assert [words for words in drawn.values() if words] == printed


def test_the_steering_mistake_has_the_numbers_that_are_told(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "samples", tmp_path / "samples")
    (tmp_path / "out").mkdir()
    done = run(tmp_path, next(c for c in commands(ROOT / "README.md") if "mistake" in c))
    lost = re.search(r"([\d,]+) frames, first frame \d+, reached a worker that does not have their", done.stdout)
    answers = re.search(r"all .* ([\d,]+) +[\d,]+ +[\d,]+\n\n", done.stdout)
    assert lost and answers and f"{lost[1]} of {answers[1]} answers" in README
    assert lost[1] in CHINESE.read_text(encoding="utf-8") and answers[1] in CHINESE.read_text(encoding="utf-8")


CI = DOCS / "how-to" / "golden-cases.md"


def test_the_workflow_runs_as_far_as_it_can_without_github(desk) -> None:
    (workflow,) = [block for block in blocks(CI, "yaml") if "runs-on" in block]
    steps = re.findall(r"- run: (.*)", workflow)
    assert steps[0] == "pip install lbreplay"
    folder = desk(CI)
    summary = folder / "summary.md"
    for step in steps[1:]:
        done = run(folder, step, CI="true", GITHUB_ACTIONS="true", GITHUB_STEP_SUMMARY=str(summary))
        assert done.returncode == 0, done.stdout + done.stderr
    assert "cases hold" in summary.read_text() and (folder / "out" / "junit.xml").exists()


def test_the_hook_lets_a_good_commit_pass_and_refuses_a_bad_one(desk) -> None:
    (hook,) = [block for block in blocks(CI, "yaml") if "hooks:" in block]
    (entry,) = re.findall(r"entry: (.*)", hook)
    folder = desk(CI)
    assert run(folder, entry).returncode == 0
    shutil.copytree(folder / "out", folder / "bad" / "out")
    config = folder / "bad" / "out" / "cases" / "web" / "lb.toml"
    config.write_text(config.read_text().replace('"rr"', '"mh"', 1))
    done = run(folder / "bad", entry)
    assert done.returncode == 1 and "web: failed" in done.stdout


def test_the_hook_that_others_may_name_is_this_command() -> None:
    text = (ROOT / ".pre-commit-hooks.yaml").read_text()
    (entry,) = re.findall(r"entry: (.*)", text)
    assert shlex.split(entry) == ["lbreplay", "test"]


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page, "toml")], ids=name)
def test_configurations_and_cases_are_right(page: Path, tmp_path: Path) -> None:
    for text in blocks(page, "toml"):
        if "[[check]]" in text:
            (tmp_path / "case.toml").write_text(text)
            assert load_case("x", tmp_path).checks
        else:
            assert load(name(page), text=text).services


def test_every_target_that_is_named_exists() -> None:
    makefile = (ROOT / "Makefile").read_text()
    for page in PAGES:
        for target in set(re.findall(r"(?:`|^)make (\w+)", page.read_text(encoding="utf-8"), re.MULTILINE)):
            assert re.search(rf"^{target}:", makefile, re.MULTILINE), (name(page), target)


def test_the_version_is_the_same_everywhere() -> None:
    import lbreplay

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["version"] == lbreplay.__version__
    assert f"## [{lbreplay.__version__}]" in (ROOT / "CHANGELOG.md").read_text()


def anchors(text: str) -> set[str]:
    """What GitHub makes of the headings of *text*."""
    heads = re.findall(r"^#+ (.*)$", re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


LINK = re.compile(r"\]\((?!https?:)([^)]+)\)")
LINKS = sorted({(page, link) for page in PAGES for link in LINK.findall(page.read_text(encoding="utf-8"))})


@pytest.mark.parametrize("page, link", LINKS, ids=lambda value: name(value) if isinstance(value, Path) else value)
def test_links_lead_somewhere(page: Path, link: str) -> None:
    """To a file that is there, and to one of its headings."""
    path, _, anchor = link.partition("#")
    target = page.parent / path if path else page
    assert target.exists() and (not anchor or anchor in anchors(target.read_text(encoding="utf-8")))
