"""What the README says can be done, done: its commands, its workflow, its hook, its configurations."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from html import unescape
from pathlib import Path

import pytest

from lbreplay.config.load import load
from lbreplay.lab.case import load as load_case

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
BIN = Path(sys.executable).parent


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


def commands() -> list[str]:
    """Every line of a shell block but those of make, which run this test."""
    lines = [line for block in blocks("sh") for line in block.splitlines()]
    return [line for line in lines if line.strip() and not line.startswith("make ")]


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the samples, in which the README's commands have run one after the other."""
    folder = tmp_path_factory.mktemp("readme")
    shutil.copytree(ROOT / "samples", folder / "samples")
    (folder / "out").mkdir()
    for command in commands():
        done = run(folder, command)
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
    return folder


def run(folder: Path, command: str, **more: str) -> subprocess.CompletedProcess[str]:
    machine = {name: value for name, value in os.environ.items() if name not in ("CI", "GITHUB_ACTIONS")}
    environment = machine | {"PATH": f"{BIN}:{os.environ['PATH']}"} | more
    return subprocess.run(["bash", "-c", command], cwd=folder, env=environment, capture_output=True, text=True)


def test_the_commands_do_what_they_say(desk: Path) -> None:
    written = {path.name for path in (desk / "out").iterdir()}
    assert {"web.pcap", "mistake.pcap", "stats.json", "cases"} <= written


def test_the_picture_is_what_is_printed(desk: Path) -> None:
    """Line by line; `make picture` draws it again."""
    printed = [line.split() for line in run(desk, commands()[0]).stdout.splitlines() if line.strip()]
    drawn: dict[str, list[str]] = {}
    text = re.compile(r'<text class="terminal-\d+-r[^>]* y="([\d.]+)"[^>]*>([^<]*)</text>')
    for y, words in text.findall((ROOT / "docs" / "table.svg").read_text(encoding="utf-8")):
        drawn.setdefault(y, []).extend(unescape(words).split())
    assert [words for words in drawn.values() if words] == printed


def test_the_steering_mistake_has_the_numbers_that_are_told(desk: Path) -> None:
    done = run(desk, next(c for c in commands() if "mistake" in c))
    lost = re.search(r"([\d,]+) frames reached a worker that does not have their connection", done.stdout)
    answers = re.search(r"all .* ([\d,]+) +[\d,]+ +[\d,]+\n\n", done.stdout)
    assert lost and answers and f"{lost[1]} of {answers[1]} answers" in README


def test_the_workflow_runs_as_far_as_it_can_without_github(desk: Path) -> None:
    (workflow,) = [block for block in blocks("yaml") if "runs-on" in block]
    steps = re.findall(r"- run: (.*)", workflow)
    assert steps[0] == "pip install lbreplay"
    summary = desk / "summary.md"
    for step in steps[1:]:
        done = run(desk, step, CI="true", GITHUB_ACTIONS="true", GITHUB_STEP_SUMMARY=str(summary))
        assert done.returncode == 0, done.stdout + done.stderr
    assert "cases hold" in summary.read_text() and (desk / "out" / "junit.xml").exists()


def test_the_hook_lets_a_good_commit_pass_and_refuses_a_bad_one(desk: Path) -> None:
    (hook,) = [block for block in blocks("yaml") if "hooks:" in block]
    (entry,) = re.findall(r"entry: (.*)", hook)
    assert run(desk, entry).returncode == 0
    shutil.copytree(desk / "out", desk / "bad" / "out")
    config = desk / "bad" / "out" / "cases" / "web" / "lb.toml"
    config.write_text(config.read_text().replace('"rr"', '"mh"', 1))
    done = run(desk / "bad", entry)
    assert done.returncode == 1 and "web: failed" in done.stdout


def test_the_hook_that_others_may_name_is_this_command() -> None:
    text = (ROOT / ".pre-commit-hooks.yaml").read_text()
    (entry,) = re.findall(r"entry: (.*)", text)
    assert shlex.split(entry) == ["lbreplay", "test"]


def test_configurations_and_cases_are_right(tmp_path: Path) -> None:
    for text in blocks("toml"):
        if "[[check]]" in text:
            (tmp_path / "case.toml").write_text(text)
            assert load_case("x", tmp_path).checks
        else:
            assert load("README.md", text=text).services


def test_every_target_that_is_named_exists() -> None:
    makefile = (ROOT / "Makefile").read_text()
    for target in set(re.findall(r"(?:`|^)make (\w+)", README, re.MULTILINE)):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


def test_the_version_is_the_same_everywhere() -> None:
    import lbreplay

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["version"] == lbreplay.__version__
    assert f"## [{lbreplay.__version__}]" in (ROOT / "CHANGELOG.md").read_text()


def anchors(text: str) -> set[str]:
    """What GitHub makes of the headings of *text*."""
    heads = re.findall(r"^#+ (.*)$", re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


@pytest.mark.parametrize("link", sorted(set(re.findall(r"\]\((?!https?:)([^)]+)\)", README))))
def test_links_lead_somewhere(link: str) -> None:
    """To a file that is there, and to one of its headings."""
    path, _, anchor = link.partition("#")
    target = ROOT / (path or "README.md")
    if path == "docs/growth.svg" and not target.exists():
        pytest.skip("make bench BENCH=--record draws it")
    assert target.exists() and (not anchor or anchor in anchors(target.read_text(encoding="utf-8")))
