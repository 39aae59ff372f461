"""The tables are readable at 100 columns, say why frames were lost, and end in a line that adds up."""

from __future__ import annotations

import io
import re
from html import unescape

import pytest
from made_result import REAL, columns, result, setup
from rich.console import Console

from lbreplay.nic.flow_director import Imagined
from lbreplay.report import tables
from lbreplay.stats import Counters, Result


def shown(what: Result, color: str = "never", width: int | None = None, again: str = "") -> str:
    out = io.StringIO()
    tables.show(what, tables.console(out, color, width), again=again)
    return out.getvalue()


def test_every_fact_of_a_worker_stands_in_its_row() -> None:
    lines = shown(result()).splitlines()
    first = [line.split() for line in lines if line.lstrip().startswith("1 ")]
    assert first[0] == ["1", "2", "1", "3", "60.0", "%", "300", "B", "1", "2"]
    assert first[1] == ["1", "0", "1", "2", "1", "2", "1", "1", "2"]
    assert first[2] == ["1", "1", "9", "1", "2", "1", "1"]


def test_a_row_of_totals_stands_below_the_workers() -> None:
    lines = [line.split() for line in shown(result()).splitlines() if line.lstrip().startswith("all")]
    assert lines[0] == ["all", "5", "100", "%", "500", "B", "1", "4"]
    assert lines[1] == ["all", "1", "1", "3", "1", "4", "2", "2", "4"]


def test_frames_on_the_wrong_worker_get_a_line_of_their_own() -> None:
    lines = shown(result()).splitlines()
    assert lines[-2].startswith("1 frame, frame 4, reached a worker that does not have its connection; lbreplay doctor")
    typed = shown(result(), again="'in a.pcap' -c lb.toml").splitlines()
    assert typed[-3] == f"{lines[-2]}:" and typed[-2] == "    lbreplay explain 'in a.pcap' -c lb.toml -n 4"


def test_rules_that_the_nic_would_refuse_get_a_line_of_their_own() -> None:
    told = result()._replace(imagined=Imagined(8, 8, "virtio", "virtio has no flow director"))
    assert "8 of 8 rules are taken as installed that virtio would refuse" in shown(told).splitlines()[-2]


def test_the_last_line_adds_up() -> None:
    last = shown(result()).splitlines()[-1]
    assert last == (
        "6 frames = 3 transmitted + 1 to kernel + 1 dropped + 1 ignored; "
        "4 packets written, 1 of them the balancer's own"
    )


def test_reasons_name_the_verdict_and_its_sentence() -> None:
    text = shown(result())
    assert "dropped         1  laddr_port_exhausted  No local port is left" in text
    assert "to kernel         1  local_to_kernel " in text
    assert "forwarded_fast" not in text


@pytest.mark.parametrize("workers", [1, 16, 64])
def test_tables_fit_a_hundred_columns_even_with_large_numbers(workers: int) -> None:
    counters = Counters(setup(workers))
    counters.add(columns([{"worker_index": i % workers, "redirected": 0, "by": i % 3} for i in range(200)]))
    made = counters.result({}, {})
    for worker in made.workers:
        worker["ipackets"], worker["ibytes"], worker["opackets"] = 1_234_567, 987_654_321, 1_234_567
        worker["steered"] = {"flow_director": 654_321, "rss": 654_321, "default": 12_345}
        worker["lookup"] = {"in": 654_321, "out": 654_321, "miss": 12_345}
        worker["conns"] = {"created": 43_210, "expired": 43_210, "active": 4_321, "peak": 4_321}
        worker["sa_pool"] = {"used": 4_321, "free": 16_127, "miss": 123}
    text = shown(made, width=100)
    assert max(map(len, text.splitlines())) <= 100
    assert "1,234,567" in text and "…" not in text
    assert text.count("worker") == shown(made).count("worker"), "no table in parts"


@pytest.mark.parametrize("width", [60, 80, 120, 200])
def test_nothing_is_cut_and_no_word_broken(width: int) -> None:
    """However wide the terminal is: every name, number and word stands whole on some line, none too long."""
    real = "[2001:db8:1111:2222:3333:4444:5555:6666]:65535"
    service = {**result().services[0], "service": "udp [2001:db8:aaaa:bbbb:cccc:dddd:eeee:ffff]:65535"}
    service["reals"] = [{**REAL, "address": real, "inpkts": 123_456_789, "inbytes": 123_456_789}]
    made = result()._replace(services=[service])
    words, narrow = (set(shown(made, width=w).replace("─", "").split()) for w in (10_000, width))
    assert words - narrow == set(), "words of the widest table"
    assert max(map(len, shown(made, width=width).splitlines())) <= width


def test_idle_workers_share_a_row() -> None:
    """Several without a frame, behind those that have some; few keep their rows."""
    counters = Counters(setup(16))
    counters.add(columns([{"worker_index": worker, "owner": worker} for worker in (0, 5)]))
    rows = [line.split() for line in shown(counters.result({}, {})).splitlines()]
    assert [row[0] for row in rows if row[1:2] == ["idle"]] == ["1-4,6-15"] * 3
    assert [row[0] for row in rows if row and row[0] in ("0", "3", "5")] == ["0", "5"] * 3
    assert "idle" not in shown(Counters(setup(2)).result({}, {}))


def test_columns_that_never_happened_are_left_out() -> None:
    assert "redirected" not in shown(result()) and "default" not in shown(result())


def test_color_is_a_matter_of_choice() -> None:
    assert "\x1b[" not in shown(result())
    assert "\x1b[" in shown(result(), "always")


def test_no_color_is_honoured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    assert tables.console(io.StringIO(), "auto").no_color


def test_an_empty_result_is_shown_without_dividing_by_zero() -> None:
    assert "0 frames" in shown(Counters(setup()).result({}, {}))


def test_the_picture_is_svg() -> None:
    """In which no text begins or ends with spaces, that some renderers would drop; what is behind them stays there."""
    picture = tables.svg(result(), "lbreplay run")
    assert picture.startswith("<svg") and "wrong&#160;" not in picture and ">&#160;" not in picture
    texts = re.findall(r'<text class="terminal-\d+-r[^>]*x="([\d.]+)"[^>]*textLength="([\d.]+)"[^>]*>([^<]+)<', picture)
    assert texts and all(float(length) == pytest.approx(12.2 * len(unescape(words))) for _, length, words in texts)
    ends = {round(float(x) + float(length)) for x, length, words in texts if words in ("worker", "all")}
    assert {round(6 * 12.2)} <= ends, "right-aligned"


@pytest.mark.parametrize(
    "number, text", [(0, "0 B"), (999, "999 B"), (1000, "1 kB"), (1_550_000, "1.55 MB"), (123_456_789, "123 MB")]
)
def test_bytes_are_short(number: int, text: str) -> None:
    assert tables.short_bytes(number) == text


@pytest.mark.parametrize("queues, text", [([], ""), ([4], "4"), ([0, 1, 2, 7], "0-2,7")])
def test_queues_are_spans(queues: list[int], text: str) -> None:
    assert tables.spans(queues) == text


def test_a_console_of_given_width_keeps_it() -> None:
    made = tables.console(io.StringIO(), width=120)
    assert isinstance(made, Console) and made.width == 120


def test_real_servers_have_their_shares() -> None:
    """Connections and packets of each beside what its weight is due, below what their service has."""
    service = next(line.split() for line in shown(result()).splitlines() if line.startswith("web"))
    assert service == ["web", "fnat", "wrr", "2", "2", "2", "700", "B", "700", "B"]
    lines = [line.split() for line in shown(result()).splitlines() if "10.0.0." in line]
    assert lines[0] == ["10.0.0.1:80", "1", "25.0", "2", "100.0", "5", "50.0", "4", "700", "B", "9", "kB"]
    assert lines[1] == ["10.0.0.2:80", "3", "75.0", "0", "0.0", "5", "50.0", "4", "700", "B", "9", "kB"]
    many = result()._replace(services=[{**result().services[0], "reals": [dict(REAL) for _ in range(60)]}])
    text = shown(many)
    assert "36 more" in text and text.count("10.0.0.1:80") == 24
    assert "10.0.0.1:80" not in shown(result()._replace(services=[]))
