"""The command line: a table of commands, loaded when named, and the one place where errors become lines and exit codes.

Exit status (interface 1): 0 done; 1 ran and found a difference or a failed check; 2 wrong usage, unreadable capture,
refused configuration; 3 an error of lbreplay itself; 128 + N ended by signal N (130: interrupted). `lbreplay --help`
imports no command: its sentences stand in COMMANDS.
"""

from __future__ import annotations

import gc
import importlib
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import NoReturn

import click

from lbreplay import __version__
from lbreplay.cli import streams
from lbreplay.edge import ending, text
from lbreplay.errors import LbreplayError, OutputError, PipeClosed

REPORT_TO = "https://github.com/lbreplay/lbreplay/issues"

# group of --help -> name: (module, function, sentence)
GROUPS: dict[str, dict[str, tuple[str, str, str]]] = {
    "The main job": {
        "run": ("run", "run", "Replay a capture, write what the balancer transmits, print the per-core table."),
        "explain": (
            "explain",
            "explain",
            "Tell the whole story of one frame: steering, lookup, state, rewrite, and why.",
        ),
        "check": ("check", "check", "Replay and judge properties; show the first counter-example."),
    },
    "Configuration": {
        "doctor": ("doctor", "doctor", "Judge a configuration without a capture: masks, filters, ports, the NIC."),
        "capacity": ("capacity", "capacity", "Say how many connections fit, per local address, worker, real server."),
        "init": ("init", "init", "Draft a configuration from a capture and print it."),
        "import": ("import_", "import_", "Turn dpvs.conf and ipvsadm/dpip text into a configuration and print it."),
        "export": ("export", "export", "Write a configuration for a machine: dpvs.conf and commands, or a director's."),
        "schema": ("schema", "schema", "Print the JSON Schema of the configuration or of an output."),
    },
    "Many replays": {
        "sweep": ("sweep", "sweep", "Replay the same capture under many settings, one row each."),
        "diff": ("diff", "diff", "Compare two captures, or one capture under two configurations."),
        "keys": ("keys", "keys", "List RSS keys and what they do, or search for one."),
    },
    "Against a real machine": {
        "audit": ("audit", "audit", "Hold the model against queues, hashes and packets that were recorded."),
        "who": ("who", "who", "Say whose connection a local address and port is, or was at a time."),
    },
    "Golden cases": {
        "test": ("test", "test", "Run golden cases."),
        "new-case": ("new_case", "new_case", "Make a golden case from a capture."),
        "shrink": ("shrink", "shrink", "Find the smallest golden case that still shows something."),
        "gen": ("gen", "gen", "Write golden cases for a configuration, without a capture."),
    },
    "Beside it": {
        "completion": (
            "completion",
            "completion",
            "Print what makes bash, zsh or fish complete commands, options and values.",
        ),
        "wireshark": ("wireshark", "wireshark", "Show queue, worker, connection and verdict as columns in Wireshark."),
    },
}
COMMANDS = {name: command for group in GROUPS.values() for name, command in group.items()}


EXIT_STATUS = {
    "0": "Done.",
    "1": "Ran, and found a difference, a failed check or a case that does not hold.",
    "2": "Wrong usage, an unreadable capture, a refused configuration or an output that cannot be written.",
    "3": "An error of lbreplay itself.",
    "5": "Of test: no case shows anything.",
    "128+N": "Ended by signal N (130: interrupted).",
}


class LazyGroup(click.Group):
    """A group that imports a command's module only when the command is named."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, function, _ = COMMANDS[cmd_name]
        command: click.Command = getattr(importlib.import_module(f"lbreplay.cli.{module}"), function)
        if not any(p.name == "debug" for p in command.params):
            command.params.append(_debug_option())
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """click's, but a mistyped command is told the nearest."""
        if self.get_command(ctx, args[0]) is None and not args[0].startswith("-"):
            from lbreplay.config.kinds import nearest

            ctx.fail(f"no such command {args[0]!r}{nearest(args[0], COMMANDS)}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        width = max(map(len, COMMANDS))
        for title, commands in GROUPS.items():
            with formatter.section(title):
                formatter.write_dl([(f"{name:{width}}", sentence) for name, (_, _, sentence) in commands.items()])


_debug = False


def _debug_option() -> click.Option:
    def remember(ctx: click.Context, param: click.Parameter, value: bool) -> None:
        global _debug
        _debug = _debug or value

    return click.Option(
        ["--debug"], is_flag=True, expose_value=False, callback=remember, help="Show the traceback of an error."
    )


@click.command(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=lambda *given: _version(*given),
    help="Show the version, and whether the loop is compiled.",
)
def lbreplay() -> None:
    """Replay a capture through a simulated layer 4 load balancer, packet for packet like DPVS."""


lbreplay.params.append(_debug_option())


def _version(ctx: click.Context, param: click.Parameter, asked: bool) -> None:
    if asked:
        from lbreplay.loop import COMPILED

        click.echo(f"lbreplay {__version__} ({'compiled' if COMPILED else 'interpreted'})")
        ctx.exit()


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and exit with the status of interface 1; *arguments* default to those of the process."""
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # threads that nobody here needs: 10 ms, 50 of the other core
    streams.prepare()
    ending.listen()
    code = status(arguments)
    gc.freeze()  # else the collector walks it all before it is freed: 25 ms, of 100,000 connections another 140
    sys.exit(code)


def status(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status instead of leaving."""
    global _debug
    _debug = False
    try:
        code = _invoke(list(sys.argv[1:] if arguments is None else arguments))
        streams.flush()
        return code
    except OutputError as error:
        streams.give_up()
        return _say(str(error), error.exit_code)
    except LbreplayError as error:
        return _say(error.lines, error.exit_code)
    except click.UsageError as error:
        return _usage(error)
    except click.ClickException as error:
        return _say(error.format_message(), error.exit_code)
    except (BrokenPipeError, PipeClosed):
        streams.give_up()  # whoever read our output has enough: no failure, and no word
        return 0
    except (KeyboardInterrupt, click.Abort):
        return _say("interrupted", 130)
    except OSError as error:
        streams.give_up()
        return _say(f"{error.filename or 'lbreplay'}: {error.strerror or error}", 2)
    except MemoryError:
        return _say(f"lbreplay: memory has run out: {_memory()}", 2)
    except Exception as error:
        return _say(f"lbreplay: an error of its own: {_one_line(error)}; please report it: {REPORT_TO}", 3)


def _invoke(arguments: list[str]) -> int:
    """Run the command; click's own main() would answer interruptions and closed pipes in its own words."""
    if "_LBREPLAY_COMPLETE" in os.environ:
        lbreplay.main(arguments, prog_name="lbreplay")  # a shell asks for completions
    try:
        with lbreplay.make_context("lbreplay", arguments) as context:
            lbreplay.invoke(context)
    except click.exceptions.Exit as leaving:
        return leaving.exit_code
    return 0


def _say(said: str | Sequence[str], code: int) -> int:
    """Show what is *said*, on standard error, above it the traceback if --debug asks. Return *code*."""
    if _debug and code != 130:
        import traceback

        traceback.print_exc()
    with suppress(OSError):  # standard error may be hung up, too
        for line in (said,) if isinstance(said, str) else said:
            print(text.line(line), file=sys.stderr, flush=True)
    return code


def _memory() -> str:
    """How much this process has, and how much there is."""
    import resource

    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    there = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    limited = f", of {limit >> 20:,} MB it may have (ulimit -v)" if limit != resource.RLIM_INFINITY else ""
    return f"{used >> 20:,} MB were used{limited}; the machine has {there >> 20:,} MB"


def _usage(error: click.UsageError) -> int:
    """Wrong usage in one line; a bare command shows its help."""
    if error.ctx is not None and isinstance(error, click.exceptions.NoArgsIsHelpError):
        error.show()
        return error.exit_code
    path = error.ctx.command_path if error.ctx is not None else "lbreplay"
    message = error.format_message().replace("\n", " ").rstrip(".")
    return _say(f"{path}: {message}; {path} --help shows what is right", error.exit_code)


def _one_line(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".replace("\n", " ")[:200]
