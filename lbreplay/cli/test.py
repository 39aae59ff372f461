"""`lbreplay test`: run golden cases (interface 7)."""

from __future__ import annotations

import os
import shlex
import sys
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import closing, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lbreplay.cli import options, paths, streams
from lbreplay.cli.inside import run_inside
from lbreplay.edge.output import append_text, write_text
from lbreplay.errors import ConfigError, OutputError

if TYPE_CHECKING:
    from lbreplay.lab import golden

SUMMARY = "GITHUB_STEP_SUMMARY"


@click.command()
@click.argument("folders", metavar="DIR...", nargs=-1, required=True, type=paths.READ)
@click.option("-k", "only", metavar="TEXT", multiple=True, help="Only cases whose name holds TEXT; repeatable.")
@click.option("-x", "first", is_flag=True, help="Stop at the first that does not hold.")
@click.option("--list", "listing", is_flag=True, help="Name the cases, and what each is about, and run none.")
@click.option("-j", "--jobs", metavar="N", type=click.IntRange(min=1), help="Cases side by side. Default: the cores.")
@options.dask
@click.option("--update", is_flag=True, help="Rewrite expectations that do not hold, and say what changed.")
@click.option("--keep", metavar="DIR", type=paths.FOLDER, help="Leave what came out in DIR.")
@click.option("--junit", metavar="FILE", type=paths.WRITTEN, help="Write JUnit XML.")
@options.html
@click.option("--cover", "covering", is_flag=True, help="Say what the cases exercise of their configurations.")
@options.output_format
@click.option("--trust", is_flag=True, help="Cases may read and write files outside their folders.")
@click.option("-v", "--verbose", is_flag=True, help="A line for every case, also for those that hold.")
@options.silenced("Print only which cases do not hold, and the last line.")
@options.progress
@options.color
@click.pass_context
def test(
    ctx: click.Context,
    folders: tuple[str, ...],
    only: tuple[str, ...],
    first: bool,
    listing: bool,
    jobs: int | None,
    dask: str | None,
    update: bool,
    keep: str | None,
    junit: str | None,
    html: str | None,
    covering: bool,
    output_format: str,
    trust: bool,
    verbose: bool,
    quiet: bool,
    color: str,
) -> None:
    """Run the golden cases below DIR. Exit 1: a case does not hold; 2: no case was found; 5: no case shows anything."""
    from lbreplay.lab import case, golden
    from lbreplay.report import ci

    options.judge_cluster(ctx, "update", "keep")
    if update and os.environ.get("CI"):
        raise click.UsageError("--update is refused where CI is set: expectations are rewritten by people")
    if verbose and quiet:
        raise click.UsageError("-v or -q, not both")
    cases, start = case.discover(folders, only), time.perf_counter()
    if not cases:
        raise ConfigError(f"{' '.join(folders)}: no golden case (a folder with case.toml) found")
    if listing:
        _list(cases)
        return
    _keep_apart(keep, cases)
    aside = output_format != "table"  # what a program reads stands alone
    how, jobs = golden.How(update, keep, trust), min(jobs or _cores(len(cases)), len(cases))
    outcomes: list[golden.Outcome] = []
    tell = _tell(aside, verbose, quiet)
    with closing(_outcomes(cases, how, jobs, dask, quiet)) as judged:
        for outcome in judged:
            outcomes.append(outcome)
            tell(outcome)
            if first and not outcome.holds:
                break
    seconds, left = time.perf_counter() - start, len(cases) - len(outcomes)
    if junit is not None:
        write_text(junit, ci.junit(outcomes, seconds))
    covered = _covered(cases, jobs) if covering else None
    if html is not None:
        from lbreplay.cli import pages
        from lbreplay.lab.pages import tested

        pages.write(html, tested(outcomes, seconds, covered), f"lbreplay test {shlex.join(folders)}", quiet)
    if os.environ.get("GITHUB_ACTIONS") == "true":
        for line in ci.github(outcomes):
            click.echo(line, err=aside)
    streams.say(ci.summary(outcomes, seconds, left), err=aside)
    if covered is not None:
        from lbreplay.report import cover as report

        options.show(report, covered, output_format, color, quiet=False)  # it was asked for
    elif aside:
        sys.stdout.write(getattr(ci, f"as_{output_format}")(ci.document(outcomes, seconds, left)))
    if summary := _summary():  # at last: where it cannot be written, all else is told
        append_text(summary, ci.step_summary(outcomes, seconds))
    ctx.exit(_status(outcomes))


def _outcomes(
    cases: Sequence[tuple[str, Path]], how: golden.How, jobs: int, dask: str | None, quiet: bool
) -> Generator[golden.Outcome, None, None]:
    """What becomes of the cases, in their order: on a cluster, in processes, or here. Closed early, it ends them."""
    from lbreplay.lab import golden
    from lbreplay.lab.cluster import Cluster
    from lbreplay.lab.pool import Pool

    if dask is not None:
        with Cluster(dask, options.teller(quiet)) as cluster:
            yield from golden.run_on(cluster, cases, run_inside, how)
        return
    with Pool(jobs) if jobs > 1 else nullcontext() as executor:
        yield from golden.run_all(cases, run_inside, executor, how)


def _list(cases: Sequence[tuple[str, Path]]) -> None:
    """The name of each case, and what its case.toml says of it."""
    from lbreplay.lab import case

    width = max(len(name) for name, _ in cases)
    for name, path in cases:
        try:
            about = case.load(name, path).description
        except ConfigError as error:
            about = f"broken: {error}"
        streams.say(f"{name:{width}}  {about}".rstrip())


def _keep_apart(keep: str | None, cases: Sequence[tuple[str, Path]]) -> None:
    """What comes out goes neither into a case nor into a file of the command."""
    for name, path in cases if keep is not None else ():
        if (Path(str(keep), name).resolve()).is_relative_to(path.resolve()):
            raise OutputError(f"--keep {keep}: another folder than that of the case {path} expected")
    if summary := _summary():
        paths.also_written(SUMMARY, summary)


def _summary() -> str | None:
    """The file that GitHub shows with a job."""
    return os.environ.get(SUMMARY) if os.environ.get("GITHUB_ACTIONS") == "true" else None


def _tell(aside: bool, verbose: bool, quiet: bool) -> Callable[[golden.Outcome], None]:
    """Says of a case as soon as it is judged: of every one, of those that do not hold, or of these the name alone."""
    from lbreplay.report import ci

    def tell(outcome: golden.Outcome) -> None:
        if quiet:
            lines = [] if outcome.holds else [ci.head(outcome)]
        else:
            held = [f"{ci.head(outcome)} ({outcome.seconds:.2f} s)"] if verbose and outcome.holds else []
            lines = [*held, *ci.lines(outcome)]
        for line in lines:
            streams.say(line, err=aside)

    return tell


def _covered(cases: Sequence[tuple[str, Path]], jobs: int | None) -> dict[str, Any]:
    """What the cases exercise, and on which settings none of them depends."""
    from itertools import groupby

    from lbreplay.lab import case, cover, depends
    from lbreplay.lab.pool import Pool

    settled = [one for name, path in cases if (one := cover.settled(case.load(name, path))) is not None]
    found = cover.cover(settled)
    by_setup = sorted(settled, key=lambda one: cover.same(one.setup))
    measured: list[dict[str, Any]] = []
    with Pool(jobs or os.cpu_count() or 1) as executor:
        for _, suite in groupby(by_setup, key=lambda one: cover.same(one.setup)):
            measured += depends.depends(depends.Suite(tuple(suite)), executor)
    return cover.document(found, depends.by_setting(measured))


def _status(outcomes: Sequence[golden.Outcome]) -> int:
    """As pytest's: a suite that judged nothing is not a success."""
    if not all(outcome.holds for outcome in outcomes):
        return 1
    return 5 if all(outcome.empty for outcome in outcomes) else 0


def _cores(cases: int) -> int:
    """A core each, but none for less than eight *cases*, which take as long as a process to start."""
    return min(os.cpu_count() or 1, -(-cases // 8))
