"""`make bench`: every figure as a ratio to what stands beside it, and against the last recorded run.

    python -m bench [--quick] [--long] [--record] [PART ...]

A figure that seems slower than its record by more than a tenth is measured twice again, since machines have other work;
slower each time, it fails the bench. Everything measured is in out/bench/results.json.
"""

from __future__ import annotations

import argparse
import importlib
import json
import shlex
import sys
from collections.abc import Iterator, Sequence
from subprocess import CalledProcessError

from bench import growth, record, stages, ways
from bench.measure import DESK, Figure, Missing
from bench.record import Row

PARTS = ("speed", "startup", "formats", "cases", "sweep", "growth", "attacks", "stages", "ways")
AGAIN = 2
SHARES = "{:8}" + "{:>9}" * len(stages.STAGES)
LINE = "{:42} {:>7}  {:24} {:14} {}"


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m bench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}; default: all")
    parser.add_argument("--quick", action="store_true", help="few frames; nothing is compared or recorded")
    parser.add_argument("--long", action="store_true", help="growth to 10 M frames, 4 M connections")
    parser.add_argument("--record", action="store_true", help="keep this run: bench/results.json, docs, picture")
    given = parser.parse_args()
    if unknown := set(given.parts) - set(PARTS):
        parser.error(f"{', '.join(sorted(unknown))}: one of {', '.join(PARTS)} expected")
    return run(given.parts or PARTS, given.quick, given.long, given.record and not given.quick)


def run(parts: Sequence[str], quick: bool, long: bool, keep: bool) -> int:
    before = {} if quick else record.read()
    found = record.Found({}, {}, {})
    rows = [row for part in parts for row in _measured(part, _figures(part, quick, long, found), before, keep)]
    found.figures.update((row.key, row.document()) for row in rows)
    for name, points in found.growth.items():
        for at in growth.bends(points):
            print(f"{name}: the curve bends up by more than {growth.BEND - 1:.0%} at {at:,}")
    if "stages" in parts:
        _stages(found, quick)
    if "ways" in parts:
        _ways(quick)
    (DESK / "results.json").write_text(json.dumps(found._asdict(), indent=2) + "\n")
    if keep:
        record.write(found)
        if found.growth:
            growth.draw(found.growth)
        return 0
    slower = [row.key for row in rows if row.slower(before)]
    for key in slower:
        print(f"slower than the last recorded run by more than {record.SLOWER - 1:.0%}: {key}", file=sys.stderr)
    return 1 if slower else 0


def _stages(found: record.Found, quick: bool) -> None:
    print("\nstages, share of a replay\n  " + SHARES.format("", *stages.STAGES))
    for profile, shares in stages.shares(quick):
        found.stages[profile] = shares
        print("  " + SHARES.format(profile, *(f"{share:.0%}" for share in shares.values())), flush=True)


def _ways(quick: bool) -> None:
    print("\nways, share of frames that the loop leaves to the plain path")
    for name, share, reasons in ways.shares(quick):
        print(
            "  " + LINE.format(name, "", "went the plain way:", f"{share:.1%}", ", ".join(reasons)).rstrip(), flush=True
        )


def _figures(part: str, quick: bool, long: bool, found: record.Found) -> Iterator[Figure]:
    if part in ("stages", "ways"):
        return iter(())
    if part == "growth":
        return growth.figures(quick, long, found.growth)
    figures: Iterator[Figure] = importlib.import_module(f"bench.{part}").figures(quick)
    return figures


def _measured(part: str, figures: Iterator[Figure], before: record.Rows, keep: bool) -> Iterator[Row]:
    """The rows of a part, each printed when it is there."""
    for n, figure in enumerate(figures):
        if not n:
            print(f"\n{part}")
        try:
            row = Row(part, figure, figure.measure())
            for _ in range(0 if keep else AGAIN):
                if not row.slower(before):
                    break
                row = _better(row, Row(part, figure, figure.measure()))
        except Missing as missing:
            print(f"  {figure.name}: {missing}")
            continue
        except CalledProcessError as failed:
            sys.exit(f"{figure.name}: {shlex.join(failed.cmd)}: exit status {failed.returncode}")
        print("  " + _line(row, before), flush=True)
        yield row


def _better(one: Row, other: Row) -> Row:
    return other if (other.ratio < one.ratio) == one.figure.less else one


def _line(row: Row, before: record.Rows) -> str:
    figure = row.figure
    asked = "" if figure.asked is None else f"{'most' if figure.less else 'least'} {figure.asked:g}"
    last = f"last {before[row.key]['ratio']:.2f}" if row.key in before else ""
    return LINE.format(
        figure.name, f"{row.ratio:.2f}", figure.beside, asked + (" !" if row.short else ""), last
    ).rstrip()


if __name__ == "__main__":
    sys.exit(main())
