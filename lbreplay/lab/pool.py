"""Processes that work for this one, and end with it whatever ends it.

A process is started when there is work for it, is asked through its standard input and answers through its standard
output, pickles both; a thread here waits for each, so that this is an ordinary concurrent.futures.Executor. The process
listens to its input all the time: when that ends, its parent is no more, and so is it, at once. So there is nothing to
leave behind: no queue, no semaphore, no process. One that dies takes the task it was at with it; the next task has a
fresh one. Not forked: that would copy the threads of numpy.
"""

from __future__ import annotations

import os
import pickle
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import suppress
from typing import IO, Any, NamedTuple, TypeVar

from lbreplay.edge import ending
from lbreplay.errors import LbreplayError

T = TypeVar("T")
HEADER = 8  # bytes before a message: its length


class Died(LbreplayError):
    """A process ended before it answered."""


class Task(NamedTuple):
    """A function and what it is called with."""

    function: Callable[..., Any]
    arguments: tuple[Any, ...]
    named: dict[str, Any]

    def carry_out(self) -> tuple[Any, BaseException | None]:
        """(Result, None) or (None, what was raised)."""
        try:
            return self.function(*self.arguments, **self.named), None
        except Exception as error:
            return None, error


class Pool(Executor):
    """*jobs* processes. A context manager: a clean exit waits for what was submitted, any other ends it at once."""

    def __init__(self, jobs: int) -> None:
        self._threads = ThreadPoolExecutor(jobs, initializer=_deaf)
        self._workers = [_Worker() for _ in range(jobs)]
        self._idle: queue.SimpleQueue[_Worker] = queue.SimpleQueue()
        for worker in self._workers:
            self._idle.put(worker)

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        """*fn*, which a process can import by its name, is called in one of them. Its future raises what it raises,
        and Died."""
        return self._threads.submit(self._ask, Task(fn, args, kwargs))

    def _ask(self, task: Task) -> Any:
        worker = self._idle.get()
        try:
            result, error = worker.ask(task)
        finally:
            self._idle.put(worker)
        if error is not None:
            raise error
        return result

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """End the processes, when everything is done or (*wait* False) as they are."""
        self._threads.shutdown(wait, cancel_futures=cancel_futures or not wait)
        for worker in self._workers:
            worker.close()

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self.shutdown(wait=kind is None)


def _deaf() -> None:
    """Of a thread, and so of the process that it starts: a terminal's signals are for the parent's first thread."""
    signal.pthread_sigmask(signal.SIG_BLOCK, ending.SIGNALS)


class _Worker:
    """A process, started when it is first asked."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()  # of starting and ending
        self._closed = False

    def ask(self, task: Task) -> tuple[Any, BaseException | None]:
        with self._lock:
            process = self._process or self._start()
        assert process.stdin is not None and process.stdout is not None
        try:
            _write(process.stdin, pickle.dumps(task))
            answer: tuple[Any, BaseException | None] = pickle.loads(_read(process.stdout))
        except (EOFError, OSError, ValueError):
            self._end()
            raise Died(_obituary(process.wait())) from None
        return answer

    def _start(self) -> subprocess.Popen[bytes]:
        """A Python that finds what this one finds, and nothing in the working directory besides."""
        if self._closed:
            raise Died("nobody waits for it any more")
        code = f"import sys; sys.path[:] = {sys.path!r}; from lbreplay.lab.pool import serve; serve()"
        with ending.held():
            process = self._process = subprocess.Popen(
                [sys.executable, "-P", "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
            )
            self._known = ending.remember(process.kill)
        return process

    def close(self) -> None:
        """End it, whatever it does, and start no other."""
        with self._lock:
            self._closed = True
        self._end()

    def _end(self) -> None:
        """It is waited for: what it holds is free then."""
        with self._lock:
            process, self._process = self._process, None
        if process is None:
            return
        if process.poll() is None:
            process.kill()
        for pipe in (process.stdin, process.stdout):
            assert pipe is not None
            with suppress(OSError):
                pipe.close()
        process.wait()
        ending.forget(self._known)


def _obituary(status: int) -> str:
    how = f"of signal {-status} ({signal.strsignal(-status)})" if status < 0 else f"with status {status}"
    return f"its process died {how}" + ("; memory may have run out" if status == -signal.SIGKILL else "")


# --- the process ---------------------------------------------------------------------------------------------------


def serve() -> None:
    """Carry out tasks until the parent is no more. What a task prints goes to standard error."""
    answers = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)
    tasks: queue.SimpleQueue[Task] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(sys.stdin.buffer, tasks), daemon=True).start()
    while True:
        _write(answers, pickled(tasks.get().carry_out()))


def _listen(asked: IO[bytes], tasks: queue.SimpleQueue[Task]) -> None:
    try:
        while True:
            tasks.put(pickle.loads(_read(asked)))
    except EOFError:
        ending.leave(0)


def pickled(answer: tuple[Any, BaseException | None]) -> bytes:
    """An answer that the other side can read: some exceptions cannot be made again from what they hold."""
    data = pickle.dumps(answer)
    try:
        pickle.loads(data)
    except Exception:
        data = pickle.dumps((None, RuntimeError(f"{type(answer[1]).__name__}: {answer[1]}")))
    return data


def _write(file: IO[bytes], data: bytes) -> None:
    view = memoryview(len(data).to_bytes(HEADER, "little") + data)
    while view:
        view = view[file.write(view) :]
    file.flush()


def _read(file: IO[bytes]) -> bytes:
    """The next message. Raises EOFError: the other side has gone."""
    return _exactly(file, int.from_bytes(_exactly(file, HEADER), "little"))


def _exactly(file: IO[bytes], size: int) -> bytes:
    data = file.read(size)
    if len(data) < size:
        raise EOFError
    return data
