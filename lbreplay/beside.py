"""The balancer in a process beside the one that reads and writes: the second core of a large replay.

Only the balancer has to see the frames in order with a state of its own. What comes before it (read, parse, steer) and
behind it (rewrite, write, count) is another half of the work, and is done on other bursts in the meantime:

    here      read parse steer 3 | rewrite write count 1 | read parse steer 4 | rewrite write count 2 | ...
    beside    balance 2 ...................| balance 3 ...................| balance 4 ...

The process is forked from the running one, so that the balancer's state goes along as it is. A burst moves into a slot
of memory that both see: its columns are views of it from then on, and what one side writes the other reads without a
copy. The pipes carry what is left: how long the columns are, frames that were made, and whatever does not fit a slot.
Both are kept busy whichever half is larger: where the process beside has nothing to balance it rewrites, too, and where
it has enough to do, what can be told before balancing (`Balancer.prepare`) is told here.
Either process may end at any time without leaving the other behind: a pipe that ends says so.

Measured, whole runs of a million frames in one process over those in two: 1.35 on long connections, 1.4 to 1.55 on
short ones. A burst of 16,384 frames on its way costs 0.25 ms of copying and 0.02 ms of messages.
"""

from __future__ import annotations

import mmap
import os
import pickle
import select
import signal
import traceback
import warnings
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from fcntl import F_GETPIPE_SZ, fcntl
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from lbreplay.burst import U8, Burst
from lbreplay.wire.rewrite import Leaving, rewrite

if TYPE_CHECKING:
    from types import TracebackType

    from lbreplay.vs.balancer import Balancer

SLOTS = 4  # bursts on their way; more make nothing faster, and are cold when they come back
ROWS = 1 << 16  # of a slot, at most
BUFFER = 5 << 20  # bytes of a slot for frames: a chunk of a capture, and what other link headers add
AHEAD = 2  # bursts that are away: the process beside has enough to do
ALIGNED = 64  # bytes, of a cache line
HEADER = 8  # bytes before a message: its length
QUIET = (signal.SIGINT, signal.SIGTERM)  # the process beside ends with its parent, whom they are sent to as well

# columns that nobody behind the balancer asks for
OWN = {"step", "macs", "end", "word0", "word1", "wide", "mac", "opened", "moved"}

Columns = dict[str, Any]
Message = Any


class Slot:
    """Shared memory for a burst: room for each column of *like*, *rows* long, and for the frames."""

    def __init__(self, like: Mapping[str, Any], rows: int) -> None:
        like = {name: column for name, column in like.items() if isinstance(column, np.ndarray)}
        lengths = {name: BUFFER if name == "buffer" else rows for name in like}
        sizes = [length * _width(like[name]) for name, length in lengths.items()]
        ends = np.cumsum([-(-size // ALIGNED) * ALIGNED for size in sizes]).tolist()
        memory = np.frombuffer(mmap.mmap(-1, ends[-1]), np.uint8)
        self.room: Columns = {}
        for (name, length), size, start in zip(lengths.items(), sizes, [0, *ends], strict=False):
            flat = memory[start : start + size].view(like[name].dtype)
            self.room[name] = flat.reshape(length, *like[name].shape[1:])

    def put(self, columns: Columns) -> tuple[dict[str, int], Columns]:
        """Move what has room into the slot, and make *columns* views of it; (their lengths, what has no room)."""
        lengths, rest = {}, {}
        for name, column in columns.items():
            room = self.room.get(name)
            if room is None or column.dtype != room.dtype or len(column) > len(room):
                rest[name] = column
                continue
            lengths[name] = length = len(column)
            view = columns[name] = room[:length]
            view[:] = column  # nothing, where it is there already: numpy looks
        return lengths, rest

    def get(self, lengths: Mapping[str, int]) -> Columns:
        return {name: self.room[name][:length] for name, length in lengths.items()}


def _width(column: Any) -> int:
    """Bytes of a row."""
    return int(column.dtype.itemsize * np.prod(column.shape[1:], dtype=int))


class Beside:
    """The process beside, in place of the balancer; a context manager. `through` gives bursts back in order.

    *like*: the columns of a balanced burst and of what it leaves with. Raises OSError: no process, or no memory.
    """

    def __init__(self, balancer: Balancer, like: Mapping[str, Any], rows: int) -> None:
        self._prepare = balancer.prepare
        self._slots = [Slot(like, min(rows, ROWS)) for _ in range(SLOTS)]
        self._away: deque[Burst] = deque()
        self._back: deque[Message] = deque()  # answers that came while a long message waited
        self._sent = 0
        self._gauges: dict[str, Any] = {}
        (asked, self._ask), (self._answer, answered) = os.pipe(), os.pipe()
        self._child = 0
        try:
            self._short = fcntl(self._ask, F_GETPIPE_SZ) // (SLOTS + 1)
            self._child = _fork()
        except OSError:
            os.close(asked)
            os.close(answered)
            self.close()
            raise
        if not self._child:
            _serve(balancer, self._slots, asked, answered)
        os.close(asked)
        os.close(answered)

    def __enter__(self) -> Beside:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """End it, whatever it does: nobody waits for it any more."""
        os.close(self._ask)
        os.close(self._answer)
        if self._child:
            os.kill(self._child, signal.SIGKILL)
            os.waitpid(self._child, 0)

    def room(self, size: int) -> U8:
        """Room for the frames of the next burst."""
        slot: U8 = self._slots[self._sent % SLOTS].room["buffer"]
        return slot[:size] if size <= len(slot) else np.empty(size, np.uint8)

    def through(self, bursts: Iterator[Burst], idle: Callable[[], bool]) -> Iterator[tuple[Burst, Leaving | None]]:
        """All *bursts*, balanced, and what they leave with, None if they are rewritten; while the capture is *idle*
        none is held back."""
        for burst in bursts:
            self._send_burst(burst)
            while self._away and (len(self._away) == SLOTS or self._answered() or idle()):
                yield self._receive_burst()
        while self._away:
            yield self._receive_burst()
        self._send(None)
        self._gauges = self._receive()

    def gauges(self) -> dict[str, Any]:
        """The balancer's own, at the end."""
        return self._gauges

    # --- bursts ------------------------------------------------------------------------------------------------

    def _send_burst(self, burst: Burst) -> None:
        if len(self._away) >= AHEAD:
            self._prepare(burst)
        columns = {name: value for name, value in vars(burst).items() if isinstance(value, np.ndarray)}
        message = burst.first, burst.size, *self._slots[self._sent % SLOTS].put(columns)
        vars(burst).update(columns)
        self._send(message)
        self._sent += 1
        self._away.append(burst)

    def _receive_burst(self) -> tuple[Burst, Leaving | None]:
        burst, slot = self._away[0], self._slots[(self._sent - len(self._away)) % SLOTS]
        made, lengths, rest = self._back.popleft() if self._back else self._receive()
        self._away.popleft()
        columns = slot.get(lengths) | rest
        leaving = [columns.pop(name) for name in Leaving._fields if name in columns]
        vars(burst).update(columns, made=made)
        return burst, Leaving(*leaving) if leaving else None

    # --- messages ----------------------------------------------------------------------------------------------

    def _send(self, message: Message) -> None:
        """A short one always has room in the pipe. A long one waits until the process beside does nothing but listen:
        else both might write, and wait for each other to read."""
        data = _pickled(message)
        while len(data) > self._short and len(self._back) < len(self._away):
            self._back.append(self._receive())
        try:
            _write(self._ask, data)
        except BrokenPipeError:
            self._mourn()

    def _receive(self) -> Message:
        try:
            message = _read(self._answer)
        except EOFError:
            self._mourn()
        if isinstance(message, BaseException):
            raise message
        return message

    def _answered(self) -> bool:
        return bool(self._back) or _waiting(self._answer)

    def _mourn(self) -> NoReturn:
        child, self._child = self._child, 0
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        how = f"of signal {-status} ({signal.strsignal(-status)})" if status < 0 else f"with status {status}"
        raise RuntimeError(f"the balancer's process died {how}")


# --- the process beside --------------------------------------------------------------------------------------------


def _fork() -> int:
    """As os.fork. Neither side is interrupted before it knows which one it is.

    The threads that numpy's linear algebra waits with are no danger: they are idle, and nothing here calls it.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, QUIET)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of Python 3.12, about those threads
            child = os.fork()
        if not child:
            for number in QUIET:
                signal.signal(number, signal.SIG_IGN)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    return child


def _serve(balancer: Balancer, slots: list[Slot], asked: int, answered: int) -> NoReturn:
    """Balance bursts until the parent has had the gauges, or is no more. Leaves without anything of the parent's."""
    try:
        _close_all_but(asked, answered, 2)
        turn = 0
        while (message := _read(asked)) is not None:
            burst, given = _burst(slots[turn], *message)
            balancer.balance(burst)
            leaving = balancer.leaving(burst)._asdict()
            if not _waiting(asked):
                rewrite(burst, Leaving(**leaving))
                leaving.clear()
            changed = {
                name: value for name, value in vars(burst).items() if value is not given.get(name) and name not in OWN
            }
            _write(answered, _pickled((burst.made, *slots[turn].put(changed | leaving))))
            turn = (turn + 1) % len(slots)
        _write(answered, _pickled(balancer.gauges()))
    except (EOFError, BrokenPipeError):
        pass  # the parent has gone
    except BaseException as error:
        _confess(error, answered)
    finally:
        os._exit(0)


def _burst(
    slot: Slot, first: int, size: int, lengths: Mapping[str, int], rest: Columns
) -> tuple[Burst, Mapping[str, Any]]:
    """The burst in *slot*, and what of it needs no answer: it is there, or is seen there if it is changed in place."""
    burst = Burst.__new__(Burst)
    there = {"first": first, "size": size, "made": [], **slot.get(lengths)}
    vars(burst).update(there, **rest)
    return burst, there


def _close_all_but(*kept: int) -> None:
    """Files of the parent: whoever reads or writes their other ends waits for the parent only."""
    for before, after in pairwise((-1, *sorted(kept), max(os.sysconf("SC_OPEN_MAX"), 1 << 16))):
        os.closerange(before + 1, after)


def _confess(error: BaseException, answered: int) -> None:
    """Send *error* in place of an answer."""
    error.add_note("In the balancer's process:\n" + "".join(traceback.format_exception(error)))
    try:
        data = pickle.dumps(error)
        pickle.loads(data)
    except Exception:
        data = pickle.dumps(RuntimeError(f"{type(error).__name__}: {error}"))
    try:
        _write(answered, data)
    except OSError:
        pass  # the parent has gone


# --- pipes ---------------------------------------------------------------------------------------------------------


def _pickled(message: Message) -> bytes:
    return pickle.dumps(message, pickle.HIGHEST_PROTOCOL)


def _waiting(pipe: int) -> bool:
    """Whether a message is there."""
    return bool(select.select([pipe], [], [], 0)[0])


def _write(pipe: int, data: bytes) -> None:
    view = memoryview(len(data).to_bytes(HEADER, "little") + data)
    while view:
        view = view[os.write(pipe, view) :]


def _read(pipe: int) -> Message:
    """The next message. Raises EOFError: the other side has gone."""
    return pickle.loads(_exactly(pipe, int.from_bytes(_exactly(pipe, HEADER), "little")))


def _exactly(pipe: int, size: int) -> bytearray:
    data = bytearray()
    while len(data) < size:
        piece = os.read(pipe, size - len(data))
        if not piece:
            raise EOFError
        data += piece
    return data
