"""A conversation for people, a ladder: clients on the left, real servers on the right, workers between them.

frame  seconds  client   worker        real server  state  verdict
    1    0.000  SYN      -> 2 rss ->                ...
    2    0.001           <- 2 rule <-  SYN ACK
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.text import Text

from lbreplay.phrases import plural
from lbreplay.report import layout
from lbreplay.report.explain import FATES

Document = Mapping[str, Any]  # of lab.ladder
BY = {"flow_director": "rule", "rss": "rss", "default": "default"}
TO, BACK, GONE = "->", "<-", "x"


def show(found: Document, out: Console) -> None:
    """Print the connections, then a line a frame."""
    rungs = found["frames"]
    out.print(Text(f"{found['flow']}: {plural(len(rungs), 'frame')}", style="bold"))
    for conn in found["connections"]:
        out.print(_connection(conn))
    out.print()
    first = rungs[0]["t_ns"]
    columns = [
        layout.Column("frame", [f"{rung['n']:,}" for rung in rungs], "name"),
        layout.Column("seconds", [f"{(rung['t_ns'] - first) / 1e9:.6f}" for rung in rungs], "figure"),
        layout.Column("client", [rung["packet"] if rung["from"] == "client" else "" for rung in rungs], "words"),
        layout.Column("worker", [_worker(rung, bool(found["connections"])) for rung in rungs], "words"),
        layout.Column("real server", [rung["packet"] if rung["from"] == "real" else "" for rung in rungs], "words"),
        layout.Column("state", [_state(rung) for rung in rungs], "words"),
        layout.Column(
            "verdict", [Text(rung["verdict"], FATES.get(rung["fate"], "bold cyan")) for rung in rungs], "words"
        ),
    ]
    layout.show(columns, out)


def _connection(conn: Document) -> str:
    local = f"local {conn['laddr']} > " if conn["laddr"] else ""
    ends = f"client {conn['client']} > virtual {conn['virtual']};  {local}real {conn['real']}"
    return f"conn {conn['conn']} of worker {conn['worker']}, service {conn['service']}:  {ends}"


def _worker(rung: Document, connected: bool) -> Text:
    """`-> 2 rss ->`; red where it is not the worker of the connection that others of the conversation have."""
    if rung["by"] is None:
        return Text("not received", "dim")
    who = f"{'kernel' if rung['worker'] is None else rung['worker']} {BY[rung['by']]}"
    handed = rung["owner"] is not None and rung["owner"] != rung["worker"]
    astray = handed or (connected and rung["conn"] is None and rung["lookup"] == "miss")
    name = (f"{who}, handed to {rung['owner']}" if handed else who, "bold red" if astray else "")
    left, right = (TO, TO) if rung["from"] == "client" else (BACK, BACK)
    if rung["fate"] != "transmitted":
        left, right = (left, GONE) if rung["from"] == "client" else (GONE, right)
    return Text.assemble(f"{left} ", name, f" {right}")


def _state(rung: Document) -> str:
    """The new state, where the frame changed it."""
    states = rung["state"] or []
    return states[-1] if states and (rung["new"] or len(set(states)) > 1) else ""
