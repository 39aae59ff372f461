"""The page of --html in a real browser: offline, without errors, with the numbers of --stats, by mouse and keyboard."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import craft
import pytest
from cards import Card

from lbreplay.cli import status
from lbreplay.report.page import page as drawn

SAMPLES = Path(__file__).parents[2] / "samples"
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
MISTAKE = ("--set", "flow_director.dst_port_mask=1")


def browser() -> str | None:
    """A browser of this machine; as root on Debian one is installed where none is there."""
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None and shutil.which("apt-get"):
        for command in (["apt-get", "update"], ["apt-get", "install", "-y", "chromium"]):
            if subprocess.run(command, capture_output=True).returncode:
                return None
        found = shutil.which("chromium")
    return found


@pytest.fixture(scope="module")
def opened() -> Iterator[Any]:
    """Opens a file in a browser that has no network; what it asks for and complains of is kept."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: no page was looked at")
    path = browser()
    if path is None:
        pytest.skip("no browser is installed: no page was looked at")
    with playwright.sync_playwright() as driver:
        running = driver.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        context = running.new_context(offline=True)
        context.set_default_timeout(120_000)  # milliseconds; build machines are busy

        def show(file: Path) -> Any:
            tab = context.new_page()
            tab.complaints = []
            tab.on("console", lambda message: tab.complaints.append(message.text))
            tab.on("pageerror", lambda error: tab.complaints.append(str(error)))
            tab.on("request", lambda request: request.url == file.as_uri() or tab.complaints.append(request.url))
            tab.goto(file.as_uri())
            return tab

        yield show
        running.close()


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """The page of the sample under a mask that is too narrow, and its statistics."""
    folder = tmp_path_factory.mktemp("page")
    files = ["--html", str(folder / "report.html"), "--stats", str(folder / "stats.json")]
    assert status(["run", str(SAMPLES / "web.pcap"), *MISTAKE, *files, "-q"]) == 0
    return folder / "report.html", json.loads((folder / "stats.json").read_text())


def tiles(tab: Any) -> dict[str, int]:
    """What the tiles at the top say."""
    told = tab.eval_on_selector_all(
        ".tile", "tiles => tiles.map(t => [t.dataset.fate, t.querySelector('b').innerText])"
    )
    return {name: int(number.replace(",", "")) for name, number in told}


def test_the_numbers_are_those_of_the_statistics(opened: Any, made: tuple[Path, dict[str, Any]]) -> None:
    """Frames, fates and stray frames; nothing is asked of anybody and nothing complains."""
    tab, totals = opened(made[0]), made[1]["totals"]
    shown = tiles(tab)
    assert shown["frames"] == totals["frames"] and shown["transmitted"] == totals["transmitted"]
    assert shown["to_kernel"] == totals["to_kernel"]
    assert shown["on a wrong worker"] == sum(worker["wrong_worker"] for worker in made[1]["workers"])
    paths = tab.eval_on_selector_all(".path summary b", "all => all.map(b => b.innerText)")
    assert sum(int(number.replace(",", "")) for number in paths) == totals["frames"]
    assert "238 frames reached a worker" in tab.inner_text("#verdict")
    assert tab.complaints == []


def test_a_range_changes_the_numbers(opened: Any, made: tuple[Path, dict[str, Any]]) -> None:
    """By the sliders, by dragging, and back."""
    tab = opened(made[0])
    whole = tiles(tab)
    tab.fill("#range-from", "30")
    part = tiles(tab)
    assert 0 < part["frames"] < whole["frames"] and "whole" not in tab.inner_text("#chosen")
    tab.click("#whole")
    assert tiles(tab) == whole
    tab.locator("#heat").scroll_into_view_if_needed()
    box = tab.locator("#heat").bounding_box()
    tab.mouse.move(box["x"] + box["width"] * 0.3, box["y"] + 20)
    tab.mouse.down()
    tab.mouse.move(box["x"] + box["width"] * 0.5, box["y"] + 20)
    tab.mouse.up()
    assert 0 < tiles(tab)["frames"] < whole["frames"]
    assert tab.complaints == []


def test_by_keyboard(opened: Any, made: tuple[Path, dict[str, Any]]) -> None:
    """Tab reaches the sliders and the paths, arrows move one, Enter opens an example with its whole story."""
    tab = opened(made[0])
    tab.focus("#range-from")
    tab.keyboard.press("ArrowRight")
    assert tab.input_value("#range-from") == "1"
    tab.click("#whole")
    tab.locator(".path summary").first.focus()
    tab.keyboard.press("Enter")
    story = tab.inner_text(".path[open] pre")
    assert "steering  worker" in story and "sent" in story
    assert "lbreplay explain" in tab.inner_text(".path[open] code")


@pytest.mark.parametrize("width", [360, 1400])
def test_nothing_overflows(opened: Any, made: tuple[Path, dict[str, Any]], width: int) -> None:
    """Narrow or wide, the page itself never scrolls sideways."""
    tab = opened(made[0])
    tab.set_viewport_size({"width": width, "height": 900})
    tab.eval_on_selector_all("details", "all => all.forEach(d => { d.open = true; })")
    assert tab.evaluate("document.documentElement.scrollWidth") <= width


def test_it_is_small_and_forbids_requests(made: tuple[Path, dict[str, Any]]) -> None:
    """One file below a mebibyte whose policy allows no request, only its own style and script by their hashes."""
    text = made[0].read_text()
    assert len(text) < 1 << 20
    policy = text.split('Content-Security-Policy" content="')[1].split('"')[0]
    assert policy.startswith("default-src 'none'; style-src 'sha256-") and "unsafe" not in policy
    assert "src=" not in text.split("<body>")[0] and "@import" not in text


def test_hostile_names_stay_text(opened: Any, tmp_path: Path) -> None:
    """Script tags, control characters and marks that turn text are shown, not obeyed."""
    name = "</script><script>document.title='owned'</script><img src=x onerror=alert(1)>\u202e\x1b[31m"
    finding = {"severity": "error", "code": name, "where": name, "what": name, "so": name, "cure": name}
    table = {"title": name, "note": name, "columns": [{"text": name}], "rows": [[name]], "details": []}
    document = {"verdict": {"good": False, "text": name}, "findings": [finding], "tables": [table]}
    (tmp_path / "hostile.html").write_text(drawn(document, name, name), encoding="utf-8")
    tab = opened(tmp_path / "hostile.html")
    assert tab.title() != "owned" and tab.locator("img").count() == 0 and tab.complaints == []
    shown = tab.inner_text("#verdict")
    assert "<script>" in shown and "\\u202e\\u001b[31m" in shown and "\u202e" not in shown


END = 10 * 365 * 86400 * 10**9
EDGES = {
    "one frame": ([0], ()),
    "one worker": ([0, 1, 2], ("--set", "workers=1")),
    "64 workers": ([0, 1, 2], ("--set", "workers=64", "--set", "device.driver='mlx5'")),
    "a nanosecond": ([0, 0, 1], ()),
    "ten years": ([0, END // 2, END], ()),
}


@pytest.mark.parametrize("times, more", EDGES.values(), ids=EDGES)
def test_captures_at_the_edge(opened: Any, tmp_path: Path, times: list[int], more: tuple[str, ...]) -> None:
    """Few frames, few or many workers, no time or much: still a sensible page."""
    frames = [craft.syn(f"172.16.0.{n + 1}:3000", "10.0.0.100:80") for n in range(len(times))]
    records = [(craft.START + t, 74, frame) for t, frame in zip(times, frames, strict=True)]
    source = craft.write(tmp_path / "in.pcap", records)
    assert status(["run", str(source), "--html", str(tmp_path / "out.html"), "-q", *more]) == 0
    tab = opened(tmp_path / "out.html")
    assert tiles(tab)["frames"] == len(times) and tab.complaints == []
    assert "NaN" not in tab.content() and "Infinity" not in tab.inner_text("main")
    assert tab.locator("#heat rect").count() >= 1


def test_pages_of_other_commands(opened: Any, tmp_path: Path) -> None:
    """check has what it found broken, sweep a row a setting, diff what moved, test a row a case."""
    web, config = str(SAMPLES / "web.pcap"), str(SAMPLES / "web.toml")
    wlc = ["-a", config, "-b", config, "--set-b", "service.web.scheduler='wlc'"]
    for words, code, told in (
        (["check", web, *MISTAKE, "-q"], 1, "broken: Every answer comes home"),
        (["sweep", web, "--workers", "1,2", "-q"], 0, "Best of 2 settings"),
        (["diff", web, *wlc], 1, "flows moved"),
        (["test", str(SAMPLES.parent / "tests" / "cases" / "client_view"), "-q"], 0, "1 of 1 cases hold"),
    ):
        file = tmp_path / f"{words[0]}.html"
        assert status([*words, "--html", str(file)]) == code
        tab = opened(file)
        assert told in tab.inner_text("body") and tab.complaints == []


def test_the_page_of_an_audit(opened: Any, tmp_path: Path) -> None:
    """Model beside record, and the settings that were worked out; or the first frame that disagrees."""
    source = Card().record(tmp_path / "in.pcapng")
    for more, code, told in (([], 0, "settings worked out explain"), (["--set", "workers=4"], 1, "Frame 1: recorded")):
        file = tmp_path / f"{code}.html"
        assert status(["audit", source, *more, "-q", "--html", str(file)]) == code
        tab = opened(file)
        assert (told in tab.inner_text("#verdict") and "Model beside record" in tab.inner_text("main")) or not code
        assert tab.complaints == []
