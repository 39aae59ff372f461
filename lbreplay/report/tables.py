"""A Result for people: what each core received and how it got there, what became of it, and why frames were lost.

Three tables of a row a worker, one of services and their real servers, the reasons, and one line that adds up
(interface 4). Columns that are zero everywhere and rarely matter are left out; workers without a frame share a row.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from typing import IO, Any, NamedTuple

from rich.console import Console
from rich.text import Text

from lbreplay.edge.text import line as harmless
from lbreplay.phrases import plural
from lbreplay.report import layout, ports
from lbreplay.stats import Result, due, shares
from lbreplay.verdict import Fate, Verdict

MOST_REALS = 24  # rows of real servers
WIDTH = 100  # of sentences, wherever there is room for more
UNWRAPPED = 10_000  # columns of a file
SPACE, CELL = "&#160;", 12.2  # of rich's pictures: a space, and the width of one
INDENTED = re.compile(
    r'(?P<head><text [^>]*?)x="(?P<x>[\d.]+)" y="(?P<y>[\d.]+)" textLength="(?P<length>[\d.]+)"(?P<tail>[^>]*>)'
    r"(?P<before>(?:&#160;)*)(?P<words>[^<]*?)(?P<after>(?:&#160;)*)</text>"
)
IDLE = 3  # workers without a frame, from which on they share a row

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
        made.width = UNWRAPPED
    return made


def show(result: Result, out: Console, written: bool = True, again: str = "") -> None:
    """Print the per-core tables, the reasons and the line of totals.

    *written*: there is a file of what leaves. *again*: capture and settings, to type behind another command.
    """
    received = result.totals["received"]
    pooled = any(sum(worker["sa_pool"].values()) for worker in result.workers)
    workers = folded(result.workers)
    for columns in (RECEIVED, LOOKED_UP, SENT if pooled else SENT[len(PORTS) :]):
        layout.show(_table(workers, columns, received if columns is RECEIVED else None), out)
        out.print()
    if result.ports:
        layout.show(ports.columns(result.ports), out)
        out.print()
    if any(service["reals"] for service in result.services):
        layout.show(_services(result.services), out)
        out.print()
    if rows := list(zip(*reasons(result), strict=True)):
        kinds: tuple[layout.Kind, ...] = ("figure", "figure", "words", "prose")
        layout.show([layout.Column("", cells, kind) for cells, kind in zip(rows, kinds, strict=True)], out)
    if wrong := sum(worker["wrong_worker"] for worker in result.workers):
        alarm(
            _lost(wrong, result.first_wrong), out, f"lbreplay explain {again} -n {result.first_wrong}" if again else ""
        )
    if result.imagined:
        alarm(str(result.imagined), out)
    out.print(totals(result, written))
    if result.kernel:
        out.print(_kernel(result.kernel))


def alarm(text: str, out: Console, command: str = "") -> None:
    """Lines that nobody overlooks; the *command* that shows more is whole on its own."""
    out.print(Text(harmless(text) + (":" if command else ""), style="bold red"))
    if command:
        out.print(Text(f"    {harmless(command)}", style="bold red"), soft_wrap=True)


class Share(NamedTuple):
    """A row behind the workers: a service, or a real server with its shares of the service."""

    name: Text
    counts: Row  # of interface 5
    weight: str = ""
    due: str = ""
    conns: str = ""
    packets: str = ""


SHARES: list[tuple[str, Callable[[Share], str]]] = [
    ("weight", lambda row: row.weight),
    ("due\n%", lambda row: row.due),
    ("connec-\ntions", lambda row: f"{row.counts['conns']:,}"),
    ("share\n%", lambda row: row.conns),
    ("packets\nin", lambda row: f"{row.counts['inpkts']:,}"),
    ("share\n%", lambda row: row.packets),
    ("packets\nout", lambda row: f"{row.counts['outpkts']:,}"),
    ("bytes\nin", lambda row: short_bytes(row.counts["inbytes"])),
    ("bytes\nout", lambda row: short_bytes(row.counts["outbytes"])),
]


def _services(services: list[Row]) -> list[layout.Column]:
    """A row a service, below it its real servers; of too many those of the most connections."""
    rows = {id(real): real["conns"] for service in services for real in service["reals"]}
    kept = set(sorted(rows, key=lambda one: -rows[one])[:MOST_REALS])
    shown = [row for service in services for row in _of_service(service, kept)]
    rest = f"{len(rows) - len(kept):,} more" if len(rows) > len(kept) else ""
    names = layout.Column("service\n  real server", [row.name for row in shown], "name", rest)
    return [names, *(layout.Column(heading, [text(row) for row in shown]) for heading, text in SHARES)]


def _of_service(service: Row, kept: set[int]) -> Iterator[Share]:
    """The service, then those of its real servers that are *kept*."""
    how = f"{service['mode']} {service['scheduler']}"
    yield Share(Text.assemble((harmless(service["service"]), "bold"), (f"  {how}", "dim")), service)
    parts = shares(service, "conns"), shares(service, "inpkts"), due(service)
    for real, conns, packets, fair in zip(service["reals"], *parts, strict=True):
        if id(real) in kept:
            text = [f"{100 * share:.1f}" for share in (fair, conns, packets)]
            yield Share(Text(f"  {real['address']}"), real, f"{real['weight']:,}", *text)


def _kernel(figures: Row) -> str:
    """The kernel's own figures (profile ipvs, L 6.1, L 15)."""
    table, sync = figures["table"], figures["sync"]
    chains = f"{table['used']:,} of {table['buckets']:,} buckets used, the longest chain has {table['longest']:,}"
    backup = f"a backup would be sent {plural(sync['conns'], 'connection')} and {plural(sync['templates'], 'template')}"
    return f"IPVS of Linux {figures['edition']}: {chains}, {table['locks']} locks; {backup}"


def _lost(wrong: int, first: int) -> str:
    many, whose = (f"frames, first frame {first},", "their") if wrong != 1 else (f"frame, frame {first},", "its")
    cause = "lbreplay doctor judges masks and rules, lbreplay explain tells the story of the frame"
    return f"{wrong:,} {many} reached a worker that does not have {whose} connection; {cause}"


def svg(result: Result, title: str) -> str:
    """The same as a picture."""
    import io

    out = Console(record=True, width=_widest(result), file=io.StringIO(), force_terminal=True, highlight=False)
    show(result, out)
    return INDENTED.sub(_moved, out.export_svg(title=title))


def _widest(result: Result) -> int:
    """The columns that its widest line takes where nothing bounds it, as in a file."""
    import io

    written = io.StringIO()
    show(result, Console(file=written, width=UNWRAPPED, highlight=False))
    return max(len(line.rstrip()) for line in written.getvalue().splitlines())


def _moved(text: re.Match[str]) -> str:
    """A piece of text where it begins: some renderers drop the spaces that stand before it."""
    before, after = (text[side].count(SPACE) * CELL for side in ("before", "after"))
    x, length = float(text["x"]) + before, float(text["length"]) - before - after
    return f'{text["head"]}x="{x:.7g}" y="{text["y"]}" textLength="{length:.7g}"{text["tail"]}{text["words"]}</text>'


class Line(NamedTuple):
    """A row of the tables of workers: one of them, or several without a frame."""

    workers: list[Row]

    @property
    def name(self) -> str:
        """`3`, `kni`, or `4-15 idle`."""
        ranks = [worker["worker"] for worker in self.workers if worker["worker"] is not None]
        return "kni" if not ranks else spans(ranks) + " idle" * (len(self.workers) > 1)

    def all(self, key: str) -> list[int]:
        """The numbers of all of them under *key*."""
        values = (worker[key] for worker in self.workers)
        return [number for value in values for number in (value if isinstance(value, list) else [value])]


def folded(workers: list[Row]) -> list[Line]:
    """A line a worker; workers without a frame, if there are several, share one behind the others."""
    idle = [w for w in workers if w["worker"] is not None and not w["ipackets"] and not w["opackets"]]
    if len(idle) < IDLE:
        return [Line([worker]) for worker in workers]
    return [*(Line([worker]) for worker in workers if worker not in idle), Line(idle)]


def _table(lines: list[Line], columns: Iterable[Column], share_of: int | None = None) -> list[layout.Column]:
    """*share_of*: frames that all received, where the table is the one that says who received them."""
    workers = [worker for line in lines for worker in line.workers]
    made = [layout.Column("worker", [f"{line.name:>6}" for line in lines], "name", _foot("   all", lines))]
    if share_of is not None:
        made.append(layout.Column("cpu", [spans(line.all("cpu_id")) for line in lines], "name"))
        made.append(layout.Column("queues", [_queues(line) for line in lines], "name"))
    for column in columns:
        if column.optional and not any(map(column.value, workers)):
            continue
        counts = [sum(map(column.value, line.workers)) for line in lines]
        cells = [_cell(count, column) for count in counts]
        made.append(layout.Column(column.heading, cells, foot=_foot(_cell(sum(counts), column), lines)))
        if column.heading == "frames" and share_of is not None:
            parts = [f"{100 * count / share_of:.1f} %" if share_of else "" for count in counts]
            made.append(layout.Column("share", parts, foot=_foot("100 %" if sum(counts) else "", lines)))
    return made


def _foot(total: Text | str, lines: list[Line]) -> Text:
    """What stands below several lines."""
    text = total if isinstance(total, Text) else Text(total)
    return Text.assemble(text, style="bold") if len(lines) > 1 else Text()


def _queues(line: Line) -> str:
    """The queues of a line's workers, of each port where they differ."""
    ports_ = dict.fromkeys(name for worker in line.workers for name in worker.get("polls", ()))
    polled = {name: spans([q for worker in line.workers for q in worker["polls"][name]]) for name in ports_}
    if len(set(polled.values())) > 1:
        return " ".join(f"{name}:{queues or '-'}" for name, queues in polled.items())
    return spans(line.all("queues"))


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


def reasons(result: Result) -> list[tuple[Text, Text, Text, Text]]:
    """Fate, frames, name and sentence of every verdict that is not a plain success, the most frequent first."""
    counted = sorted(result.totals["verdicts"].items(), key=lambda item: (-item[1], item[0]))
    styles = {
        Fate.DROPPED: "red",
        Fate.TO_KERNEL: "yellow",
        Fate.HELD: "cyan",
        Fate.CONSUMED: "cyan",
        Fate.IGNORED: "dim",
    }
    return [
        (
            Text(f"{fate.label.replace('_', ' '):>9}", style),
            Text(f"{count:>8,}"),
            Text(name, "bold"),
            Text(Verdict[name.upper()].sentence),
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
