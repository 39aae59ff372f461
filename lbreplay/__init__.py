"""lbreplay: replay a capture through a simulated layer 4 load balancer, packet for packet like DPVS.

The map, top down; arrows of import point down only:

    cli/        one thin file a command: load, call, show; the only place of click
    api.py      what `import lbreplay` gives to programs; all else is private
    report/     a Result as tables (rich), JSON, CSV
    lab/        questions asked of replays: golden cases, differences, explanations, checks, capacity, sweeps
    config/     TOML -> model.Setup, drafts from captures, imports; the only place that judges what a user wrote
    pytest_plugin.py   golden cases as items of pytest
    journey.py  the journey of a burst: read, parse, steer, balance, rewrite, write, count
    also.py annotate.py trace.py   what is written besides: received and dropped frames, comments, JSON
    ipvs/       the kernel's IPVS in place of DPVS, profile "ipvs"
    stack/      what stands around the balancer: link layer, IP input, ICMP, routes, neighbours
    dpvs/       DPVS's balancer: services, connections, local ports, forwarding modes
    lvs/        what both balancers have from LVS: schedulers, state tables, hashes
    nic/        which worker receives a frame: flow director, RSS
    loop/       what is done to every frame, compiled where a C compiler was found
    wire/       bytes <-> columns: captures, headers, checksums
    stats.py    Counters and Result: what the columns say, counted once
    edge/       files, signals and text of others: the one writer, what a sudden end undoes
    model.py burst.py memory.py arrays.py verdict.py errors.py phrases.py   the floor everything stands on

A capture is read in bursts; a burst is a table with a row a frame and a column a fact. Stages fill columns. Each
frame ends with exactly one verdict.
"""

from __future__ import annotations

TYPE_CHECKING = False  # type checkers know the name; the module typing takes longer than all that stands here
if TYPE_CHECKING:
    from typing import Any

    from lbreplay.api import CaptureError as CaptureError
    from lbreplay.api import ConfigError as ConfigError
    from lbreplay.api import LbreplayError as LbreplayError
    from lbreplay.api import OutputError as OutputError
    from lbreplay.api import Result as Result
    from lbreplay.api import Setup as Setup
    from lbreplay.api import check as check
    from lbreplay.api import diff as diff
    from lbreplay.api import draft as draft
    from lbreplay.api import load as load
    from lbreplay.api import replay as replay
    from lbreplay.api import stories as stories
    from lbreplay.api import table as table

__version__ = "0.1.0"
LIBRARY = ("CaptureError", "ConfigError", "LbreplayError", "OutputError", "Result", "Setup", "check", "diff", "draft",
           "load", "replay", "stories", "table")  # fmt: skip


if not TYPE_CHECKING:  # which knows the names from above, and others for mistakes

    def __getattr__(name: str) -> Any:
        """The library's names, imported when asked for: the command line needs none of them."""
        if name not in LIBRARY:
            raise AttributeError(f"module 'lbreplay' has no attribute {name!r}")
        from importlib import import_module

        return getattr(import_module("lbreplay.api"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *LIBRARY})
