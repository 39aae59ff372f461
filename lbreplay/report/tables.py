"""A Result for people: what each core received and how it got there, what became of it, and why frames were lost.

Three tables of a row a worker, each at most 100 columns wide, the reasons, and one line that adds up (interface 4).
Columns that are zero everywhere and rarely matter are left out.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import IO, Any, NamedTuple

from rich.box import Box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from lbreplay.edge.text import line as harmless
from lbreplay.phrases import plural
from lbreplay.stats import Result, due, shares
from lbreplay.verdict import Fate, Verdict

BEHIND = (
    "\nweight",
    "\ndue",
    "connec-\ntions",
    "their\nshare",
    "packets\nin",
    "their\nshare",
    "packets\nout",
    "bytes\nin",
)
MOST_REALS = 24  # rows of real servers
WIDTH = 100  # where the output is no terminal
SPACE, CELL = "&#160;", 12.2  # of rich's pictures: a space, and the width of one
INDENTED = re.compile(
    r'(?P<head><text [^>]*?)x="(?P<x>[\d.]+)" y="(?P<y>[\d.]+)" textLength="(?P<length>[\d.]+)"(?P<tail>[^>]*>)'
    r"(?P<before>(?:&#160;)*)(?P<words>[^<]*?)(?P<after>(?:&#160;)*)</text>"
)
RULES = Box("    \n    \n ── \n    \n    \n ── \n    \n    \n")  # a line below the head and above the totals

Row = dict[str, Any]


class Column(NamedTuple):
    """A column of numbers: its heading, the value of a worker, whether it may be left out when all are zero."""

    heading: str
    value: Callable[[Row], int]
    optional: bool = False
    bad: bool = False  # a number other than zero is bad news


RECEIVED = [
    Column("frames", lambda w: w["ipackets"]),
    Column("bytes", lambda w: w["ibytes"]),
    Column("by flow\ndirector", lambda w: w["steered"]["flow_director"]),
    Column("by\nRSS", lambda w: w["steered"]["rss"]),
    Column("by default\nqueue", lambda w: w["steered"]["default"], optional=True),
]
LOOKED_UP = [
    Column("hit\nin", lambda w: w["lookup"]["in"]),
    Column("hit\nout", lambda w: w["lookup"]["out"]),
    Column("\nmiss", lambda w: w["lookup"]["miss"]),
    Column("wrong\nworker", lambda w: w["wrong_worker"], bad=True),
    Column("connections\ncreated", lambda w: w["conns"]["created"]),
    Column("\nexpired", lambda w: w["conns"]["expired"]),
    Column("\nactive", lambda w: w["conns"]["active"]),
    Column("\npeak", lambda w: w["conns"]["peak"]),
]
PORTS = [  # left out where nothing leaves from a local address
    Column("local ports\nused", lambda w: w["sa_pool"]["used"]),
    Column("\nfree", lambda w: w["sa_pool"]["free"]),
    Column("\nmissed", lambda w: w["sa_pool"]["miss"], bad=True),
]
SENT = [
    *PORTS,
    Column("redirected\nin", lambda w: w["redirected"]["in"], optional=True),
    Column("\nout", lambda w: w["redirected"]["out"], optional=True),
    Column("\ntransmitted", lambda w: w["opackets"]),
    Column("to\nkernel", lambda w: w["to_kernel"]),
    Column("\ndropped", lambda w: w["dropped"], bad=True),
]


class Printer(Console):
    """A console on which names are names: nothing in them is markup. A reader that hangs up is told of as ever."""

    def on_broken_pipe(self) -> None:
        raise BrokenPipeError


def console(file: IO[str], color: str = "auto", width: int | None = None) -> Console:
    """A console on *file*; *color* is auto (a terminal, and NO_COLOR unset), always or never."""
    force = {"auto": None, "always": True, "never": False}[color]
    made = Printer(
        file=file,
        force_terminal=force,
        no_color=True if color == "never" else None,
        highlight=False,
        markup=False,
        emoji=False,
        width=width,
    )
    if width is None and not file.isatty():
        made.width = max(WIDTH, made.width if color == "always" else 0)
    return made


def show(result: Result, out: Console, written: bool = True) -> None:
    """Print the per-core tables, the reasons and the line of totals; *written*: there is a file of what leaves."""
    received = result.totals["received"]
    pooled = any(sum(worker["sa_pool"].values()) for worker in result.workers)
    for columns in (RECEIVED, LOOKED_UP, SENT if pooled else SENT[len(PORTS) :]):
        out.print(_table(result.workers, columns, received if columns is RECEIVED else None))
        out.print()
    if reals := _reals(result.services):
        out.print(reals)
        out.print()
    for line in reasons(result):
        out.print(line, soft_wrap=True)
    if wrong := sum(worker["wrong_worker"] for worker in result.workers):
        alarm(_lost(wrong), out)
    if result.imagined:
        alarm(str(result.imagined), out)
    out.print(totals(result, written), soft_wrap=True)
    if result.kernel:
        out.print(_kernel(result.kernel), soft_wrap=True)


def alarm(text: str, out: Console) -> None:
    """A line that nobody overlooks."""
    out.print(Text(harmless(text), style="bold red"), soft_wrap=True)


def _reals(services: list[Row]) -> Table | None:
    """A row a real server, those of the most connections where there are too many; None where there is none."""
    rows = [
        (service["service"], real, share, packets, fair)
        for service in services
        for real, share, packets, fair in zip(
            service["reals"], shares(service, "conns"), shares(service, "inpkts"), due(service), strict=True
        )
    ]
    if not rows:
        return None
    shown = sorted(range(len(rows)), key=lambda n: -rows[n][1]["conns"])[:MOST_REALS]
    table = Table(box=RULES, header_style="bold", padding=(0, 1, 0, 0), show_footer=len(rows) > MOST_REALS)
    table.show_edge = table.pad_edge = False
    table.add_column("\nservice", f"{len(rows) - MOST_REALS:,} more", overflow="fold")
    table.add_column("\nreal server", overflow="fold")
    for heading in BEHIND:
        table.add_column(heading, justify="right", no_wrap=True)
    for n in sorted(shown):
        name, real, share, packets, fair = rows[n]
        table.add_row(
            harmless(name),
            real["address"],
            f"{real['weight']:,}",
            *(_percent(fair), f"{real['conns']:,}", _percent(share)),
            *(f"{real['inpkts']:,}", _percent(packets), f"{real['outpkts']:,}", short_bytes(real["inbytes"])),
        )
    return table


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _kernel(figures: Row) -> str:
    """The kernel's own figures (profile ipvs, L 6.1, L 15)."""
    table, sync = figures["table"], figures["sync"]
    chains = f"{table['used']:,} of {table['buckets']:,} buckets used, the longest chain has {table['longest']:,}"
    backup = f"a backup would be sent {plural(sync['conns'], 'connection')} and {plural(sync['templates'], 'template')}"
    return f"IPVS of Linux {figures['edition']}: {chains}, {table['locks']} locks; {backup}"


def _lost(wrong: int) -> str:
    subject = "1 frame reached a worker that does not have its" if wrong == 1 else ""
    subject = subject or f"{plural(wrong, 'frame')} reached a worker that does not have their"
    return f"{subject} connection: lbreplay doctor judges masks and rules, lbreplay explain tells the story of a frame"


def svg(result: Result, title: str) -> str:
    """The same as a picture."""
    import io

    out = Console(record=True, width=WIDTH, file=io.StringIO(), force_terminal=True, highlight=False)
    show(result, out)
    return INDENTED.sub(_moved, out.export_svg(title=title))


def _moved(text: re.Match[str]) -> str:
    """A piece of text where it begins: some renderers drop the spaces that stand before it."""
    before, after = (text[side].count(SPACE) * CELL for side in ("before", "after"))
    x, length = float(text["x"]) + before, float(text["length"]) - before - after
    return f'{text["head"]}x="{x:.7g}" y="{text["y"]}" textLength="{length:.7g}"{text["tail"]}{text["words"]}</text>'


def _table(workers: list[Row], columns: Iterable[Column], share_of: int | None = None) -> Table:
    chosen = [c for c in columns if not c.optional or any(map(c.value, workers))]
    table = Table(box=RULES, show_footer=len(workers) > 1, header_style="bold", padding=(0, 1, 0, 0))
    table.show_edge = table.pad_edge = False
    table.add_column("worker", "all", justify="right", no_wrap=True, footer_style="bold")
    if share_of is not None:
        table.add_column("cpu", justify="right")
        table.add_column("queues", no_wrap=True)
    for column in chosen:
        total = sum(map(column.value, workers))
        table.add_column(column.heading, _cell(total, column), justify="right", no_wrap=True, footer_style="bold")
        if column.heading == "frames" and share_of is not None:
            table.add_column("share", "100 %" if total else "", justify="right", no_wrap=True)
    for worker in workers:
        table.add_row(*_cells(worker, chosen, share_of))
    return table


def _cells(worker: Row, columns: list[Column], share_of: int | None) -> list[Text | str]:
    row: list[Text | str] = ["kni" if worker["worker"] is None else str(worker["worker"])]
    if share_of is not None:
        row += [str(worker["cpu_id"]), spans(worker["queues"])]
    for column in columns:
        row.append(_cell(column.value(worker), column))
        if column.heading == "frames" and share_of is not None:
            row.append(f"{100 * worker['ipackets'] / share_of:.1f} %" if share_of else "")
    return row


def _cell(number: int, column: Column) -> Text:
    text = short_bytes(number) if column.heading == "bytes" else f"{number:,}"
    return Text(text, style="bold red" if column.bad and number else "dim" if not number else "")


def spans(numbers: list[int]) -> str:
    """`0-3,7` of 0, 1, 2, 3, 7."""
    runs: list[list[int]] = []
    for number in sorted(numbers):
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return ",".join(str(a) if a == b else f"{a}-{b}" for a, b in runs)


def short_bytes(number: int) -> str:
    """`1.5 MB`, in powers of 1000."""
    value, unit = float(number), "B"
    for larger in ("kB", "MB", "GB", "TB"):
        if value < 999.5:
            break
        value, unit = value / 1000, larger
    return f"{value:.0f} B" if unit == "B" else f"{value:.3g} {unit}" if value < 100 else f"{value:.0f} {unit}"


def reasons(result: Result) -> list[Text]:
    """A line for every verdict that is not a plain success, the most frequent first."""
    counted = sorted(result.totals["verdicts"].items(), key=lambda item: (-item[1], item[0]))
    styles = {
        Fate.DROPPED: "red",
        Fate.TO_KERNEL: "yellow",
        Fate.HELD: "cyan",
        Fate.CONSUMED: "cyan",
        Fate.IGNORED: "dim",
    }
    return [
        Text.assemble(
            (f"{fate.label.replace('_', ' '):>9} ", style),
            f"{count:>9,}  ",
            (name, "bold"),
            f"  {Verdict[name.upper()].sentence}",
        )
        for fate, style in styles.items()
        for name, count in counted
        if Verdict[name.upper()].fate == fate
    ]


def totals(result: Result, written: bool = True) -> Text:
    """`166 frames = 158 transmitted + 3 to kernel + ...; 177 packets written, 11 of them the balancer's own`."""
    t = result.totals
    parts = [
        f"{t[f]:,} {f.replace('_', ' ')}"
        for f in ("transmitted", "to_kernel", "dropped", "held", "consumed", "ignored")
        if t[f]
    ]
    own = f", {t['generated']:,} of them the balancer's own" if t["generated"] else ""
    packets = plural(t["written"], "packet")
    leaves = f"{packets} written" if written else f"{packets} to send (-o OUT writes them)"
    return Text(f"{plural(t['frames'], 'frame')} = {' + '.join(parts)}; {leaves}{own}")
