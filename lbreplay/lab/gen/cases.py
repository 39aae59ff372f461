"""Plans played, written and recorded: a folder of golden cases for a configuration.

Every plan has a stage and clients of its own, so that each case stands alone and is the same whatever else is made.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from lbreplay.edge import pace
from lbreplay.edge.folder import filling
from lbreplay.errors import ConfigError
from lbreplay.lab import case_folder
from lbreplay.lab.case_folder import Content
from lbreplay.lab.doctor import ERROR, judge
from lbreplay.lab.gen.clients import Clients
from lbreplay.lab.gen.plans import OF_NETWORK, OF_SERVICE, OfService
from lbreplay.lab.gen.reach import unreachable
from lbreplay.lab.gen.scene import Scene, reachable
from lbreplay.lab.gen.stage import INFO, Stage
from lbreplay.lab.golden import Run
from lbreplay.model import Service, Setup
from lbreplay.verdict import NAMES

Made = dict[str, Any]
Wanted = Callable[[Path], bool]  # whether a case that was made is to stay
NO_CASE = "in none of the cases made"


class Planned(NamedTuple):
    """A case to be made: the folder's name, its description, and what fills the scene."""

    name: str
    sentence: str
    play: Callable[[Scene], None]


class Given(NamedTuple):
    """The configuration that cases are for: judged, and as it is written into each. `base`: its lists' folder."""

    setup: Setup
    text: str
    base: Path
    args: tuple[str, ...] = ()


def refuse_broken(setup: Setup, name: str) -> None:
    """ConfigError with the first error that doctor finds, of those that a replay knows of.

    What a driver would refuse (`nic-...`) is installed all the same unless `device.enforce` is on (interface 2).
    """
    for found in judge(setup):
        if found.severity == ERROR and (setup.device.enforce or not found.code.startswith("nic-")):
            raise ConfigError(f"{name}: {found.where}: {found.what} (doctor: {found.code}); --anyway makes its cases")


def planned(setup: Setup) -> list[Planned]:
    """The cases that make sense for *setup*, in the order of the plans."""
    services = reachable(setup)
    found = [
        Planned(
            _folder(plan, service),
            plan.sentence.format(service=service.name),
            partial(_with, plan.play, service),
        )
        for service in services
        for plan in OF_SERVICE
        if plan.applies(setup, service)
    ]
    found += [Planned(plan.name, plan.sentence, partial(_with, plan.play, services))
              for plan in OF_NETWORK if plan.applies(setup)]  # fmt: skip
    return found


def _with(play: Callable[..., None], what: object, scene: Scene) -> None:
    play(scene, what)


def _folder(plan: OfService, service: Service) -> str:
    """A name for a folder: letters, digits, dots and dashes."""
    return f"{plan.name}-{re.sub(r'[^A-Za-z0-9.]+', '-', service.name).strip('-')}"


def played(plan: Planned, setup: Setup, view: str) -> Stage:
    """The stage behind a plan: a stage and clients of its own."""
    stage = Stage(setup, view)
    plan.play(Scene(setup, stage, Clients(setup)))
    return stage


def make(folder: Path, given: Given, view: str, only: Sequence[str], run: Run, wanted: Wanted | None = None) -> Made:
    """Make the cases below *folder*, of those whose name holds one of *only* and that are *wanted*; what was made.

    ConfigError where the folder is used, or no case has such a name; nothing is left behind then.
    """
    with filling(str(folder)) as name:
        place = Path(name)
        plans = [p for p in planned(given.setup) if not only or any(part in p.name for part in only)]
        if not plans:
            raise ConfigError(f"-k {' '.join(only)}: no case has such a name")
        made = []
        for plan in pace.counted(plans, "making cases", len(plans)):
            stage = played(plan, given.setup, view)
            if stage.capture:  # a plan may have nothing to say
                write(place, plan, stage, given, run)
                if wanted is None or wanted(place / plan.name):
                    made.append(_case(plan, stage))
                else:
                    shutil.rmtree(place / plan.name)
    return _document(folder, made, unreachable(given.setup, view))


def _case(plan: Planned, stage: Stage) -> Made:
    verdicts = sorted(set(stage.verdicts), key=NAMES.index)
    return {"case": plan.name, "description": plan.sentence, "frames": len(stage.capture), "verdicts": verdicts}


def _document(folder: Path, made: list[Made], reasons: dict[str, str]) -> Made:
    """Cases, and every verdict: reached, or why not."""
    reached = {verdict for case in made for verdict in case["verdicts"]}
    missing = [name for name in NAMES if name not in reached]
    return {
        "schema": 1,
        "folder": str(folder),
        "cases": made,
        "reached": [name for name in NAMES if name in reached],
        "unreached": [{"verdict": name, "reason": reasons.get(name, NO_CASE)} for name in missing],
    }


def write(folder: Path, plan: Planned, stage: Stage, given: Given, run: Run) -> None:
    """The case as a folder below *folder*, its expectations recorded."""
    frames = [frame._replace(n=n) for n, frame in enumerate(stage.capture, 1)]
    content = Content(INFO, frames, given.text, given.base, plan.sentence, stage.view, given.args, stories=True)
    case_folder.make(folder / plan.name, content, run)
