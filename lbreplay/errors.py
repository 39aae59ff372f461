"""The errors a user can cause, one root and its leaves.

    LbreplayError
      ConfigError     settings: file, place and key path, what was expected, what stood there    exit 2
      CaptureError    a capture: file and offset, what was expected                          exit 2
      OutputError     a file that cannot be written: its path as it was given, and why       exit 2

A bad *packet* is never an error but a verdict (`verdict.py`); a broken promise inside lbreplay is an `assert`.
"""


class LbreplayError(Exception):
    """Something the user can mend; each argument is a line shown. `exit_code` is the process's exit status."""

    exit_code = 2

    @property
    def lines(self) -> tuple[str, ...]:
        """One line, or one for each thing that is wrong."""
        return tuple(map(str, self.args))

    def __str__(self) -> str:
        return "\n".join(self.lines)


class PipeClosed(Exception):
    """Whoever read the output has gone: no error, the run ends quietly."""


class ConfigError(LbreplayError):
    """Refused settings. A line reads `FILE:LINE:COLUMN: KEY.PATH: what is right, got WHAT`."""


class CaptureError(LbreplayError):
    """An unreadable capture. The text reads `FILE: offset N: what is wrong`."""


class OutputError(LbreplayError):
    """A file that cannot be written. The text reads `FILE: cannot be written: WHY`."""
