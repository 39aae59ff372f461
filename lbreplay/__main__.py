"""The process `lbreplay`, the console script and `python -m lbreplay` alike.

Until the command line listens to signals (`edge/ending.py`) there is nothing to undo, and they end the process as they
end any other: Python's own answer to Ctrl-C would be a traceback of whatever is being imported. So this comes first.
"""

import _signal  # type: ignore[import-not-found]  # what the module signal is made of, without its half a millisecond
import gc

if _signal.getsignal(_signal.SIGINT) != _signal.SIG_IGN:
    _signal.signal(_signal.SIGINT, _signal.SIG_DFL)


def main() -> None:
    """Run the command line and exit with its status."""
    gc.set_threshold(200_000)  # nothing that is imported is garbage: 10 ms
    from lbreplay import cli

    cli.main()


if __name__ == "__main__":
    main()
