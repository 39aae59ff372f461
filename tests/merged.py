"""A recorded case as one capture: what the balancer received and what it sent, by time, as a tap on its port has it."""

from __future__ import annotations

from pathlib import Path

from golden_cases import GOLDEN, Case

from lbreplay.lab.fields import Frame, write


def case(suite: str, name: str) -> Case:
    return Case(GOLDEN / suite / name)


def frames(case: Case) -> list[Frame]:
    """Received and sent, at one time the received one first; numbered as they stand."""
    rows = [(time, 0, length, data) for time, length, data in case.received]
    rows += [(time, 1, length, data) for time, length, data in case.expected]
    rows.sort(key=lambda row: row[:2])
    return [Frame(n, time, data, length) for n, (time, _, length, data) in enumerate(rows, 1)]


def sent(case: Case) -> list[int]:
    """The numbers of the frames that the balancer sent."""
    rows = sorted([(time, 0) for time, _, _ in case.received] + [(time, 1) for time, _, _ in case.expected])
    return [n for n, (_, side) in enumerate(rows, 1) if side]


def capture(case: Case, path: Path, changed: dict[int, bytes] | None = None) -> str:
    """Write it; *changed*: other bytes for frames by number."""
    write(str(path), (frame._replace(data=(changed or {}).get(frame.n, frame.data)) for frame in frames(case)))
    return str(path)
