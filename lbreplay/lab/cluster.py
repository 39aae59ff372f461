"""A Dask cluster as an executor: what a task needs of files is sent once to each worker that cannot read them itself.

    with Cluster("tcp://HOST:PORT", tell) as cluster:
        cluster.share([parcel], [path])
        future = cluster.submit(function, parcel)      # function(PATH) is called where a worker is free

A worker that dies takes nothing with it: what it was at is done by another, and one that comes later says what it lacks
and gets it. A scheduler that has gone, or stands without any worker, ends all that waits, in a line. A task is pickled
here and not by Dask, which would look into tuples for tasks of its own. A worker's process does one task at a time: a
replay takes a core, and runs of the command line share standard streams.

A cluster must be trusted: it can say anything that is unpickled here (docs/trust.md).
"""

from __future__ import annotations

import pickle
import threading
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future
from contextlib import suppress
from functools import partial
from typing import Any, NamedTuple, TypeVar

from lbreplay import __version__
from lbreplay.edge.scratch import unguessable
from lbreplay.errors import ConfigError, LbreplayError
from lbreplay.lab import shared
from lbreplay.lab.parcel import CHUNK, Parcel, Piece, Store, pieces
from lbreplay.lab.pool import Died, Task, pickled
from lbreplay.phrases import plural

T = TypeVar("T")
Tell = Callable[[str], None]

PATIENCE = 5  # seconds that a scheduler has to answer, and a first worker to be there
ALONE = 30  # seconds that a cluster may be without any worker
LOOK = 0.5  # seconds between two looks at it
LOUD = ("distributed", "tornado", "asyncio")  # loggers that would speak on standard error
IDLE = 3600  # seconds after which a worker forgets whose client never said goodbye


class Gone(LbreplayError):
    """The cluster is there no more."""


class Missing(Exception):
    """A worker lacks what a task needs."""

    def __init__(self, worker: str, parcels: Sequence[Parcel]) -> None:
        super().__init__(worker, parcels)
        self.worker, self.parcels = worker, parcels


class Asked(NamedTuple):
    """A task, pickled, and where its answer is waited for."""

    task: bytes
    answer: Future[Any]


class Cluster(Executor):
    """The cluster whose scheduler is at *address*; *tell* says to a person what becomes of it.

    A context manager. Raises ConfigError: no Dask, nobody answers, no worker, a worker with another lbreplay.
    """

    def __init__(self, address: str, tell: Tell) -> None:
        self.address, self._tell = address, tell
        self._session = unguessable()
        self._paths: dict[Parcel, str] = {}
        self._waiting: set[Future[Any]] = set()
        self._done = 0
        self._broken: Gone | None = None
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._client = _connect(address)
        try:
            self.workers = self._greet()
        except BaseException:
            self._client.close()
            raise
        tell(f"{address}: {plural(self.workers, 'worker')}")
        threading.Thread(target=self._watch, daemon=True).start()

    def _greet(self) -> int:
        """How many workers there are; each has this very lbreplay."""
        with suppress(TimeoutError):
            self._client.wait_for_workers(1, timeout=PATIENCE)
        found = self._client.run(version, on_error="return")
        if not found:
            raise ConfigError(f"--dask {self.address}: a scheduler without any worker")
        for worker, said in found.items():
            if said != __version__:
                has = f"{type(said).__name__}: {said}" if isinstance(said, Exception) else f"lbreplay {said}"
                raise ConfigError(f"--dask {self.address}: worker {worker}: lbreplay {__version__} expected, got {has}")
        return len(found)

    # --- what tasks need ---------------------------------------------------------------------------------------------

    def share(self, parcels: Sequence[Parcel], paths: Sequence[str]) -> None:
        """Tasks will ask for *parcels*, whose files are at *paths* here: send them where they cannot be read."""
        self._paths.update(zip(parcels, paths, strict=True))
        lacking = self._run(lacked, parcels)
        for found in lacking.values():
            if isinstance(found, LbreplayError):
                raise found
        wanted = {w: [parcels[n] for n in found] for w, found in lacking.items() if not isinstance(found, Exception)}
        for lack in dict.fromkeys(tuple(found) for found in wanted.values() if found):
            self._send(lack, [worker for worker, found in wanted.items() if tuple(found) == lack])

    def _send(self, parcels: Sequence[Parcel], workers: list[str]) -> None:
        """All of *parcels* to each of *workers*. One that dies meanwhile is another matter."""
        size = 0
        for batch in _batches((parcel, piece) for parcel in parcels for piece in pieces(parcel, self._paths[parcel])):
            size += sum(len(piece.data) for _, piece in batch)
            for found in self._run(take, batch, workers=workers).values():
                if isinstance(found, LbreplayError):
                    raise found
        self._tell(f"{self.address}: {size / 1e6:.1f} MB sent to {plural(len(workers), 'worker')}")

    def _run(self, function: Callable[..., Any], given: object, workers: list[str] | None = None) -> dict[str, Any]:
        """What *function* answers on each of *workers*, or on all; an exception where it cannot."""
        try:
            found: dict[str, Any] = self._client.run(
                function, self._session, pickle.dumps(given), workers=workers, on_error="return"
            )
        except (OSError, RuntimeError, ValueError) as error:
            raise self._broken or self._gone() from error
        return found

    # --- tasks -------------------------------------------------------------------------------------------------------

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        """*fn* is called by a worker, with a path for each parcel among *args*. Its future raises what it raises, Died
        and Gone."""
        asked = Asked(pickle.dumps(Task(fn, args, kwargs)), Future())
        with self._lock:
            if self._broken:
                raise self._broken
            self._waiting.add(asked.answer)
        self._ask(asked)
        return asked.answer

    def _ask(self, asked: Asked) -> None:
        try:
            theirs = self._client.submit(carry_out, self._session, asked.task, pure=False)
        except Exception:  # whatever Dask says where its connection has ended
            self._fail(self._gone())
        else:
            theirs.add_done_callback(partial(self._answered, asked))

    def _answered(self, asked: Asked, theirs: Any) -> None:
        """In a thread of Dask's, one at a time."""
        try:
            result, error = self._opened(theirs)
            if isinstance(error, Missing):
                self._send(error.parcels, [error.worker])
                return self._ask(asked)
        except Gone as gone:
            return self._fail(gone)
        except LbreplayError as refused:
            result, error = None, refused
        self._settle(asked.answer, result, error)

    def _opened(self, theirs: Any) -> tuple[Any, BaseException | None]:
        from distributed import CancelledError, KilledWorker
        from distributed.comm import CommClosedError

        try:
            answer: tuple[Any, BaseException | None] = pickle.loads(self._fetched(theirs))
        except (CancelledError, CommClosedError):
            raise self._gone() from None
        except KilledWorker:
            raise Died("every worker that tried it died; memory may have run out") from None
        except Exception as error:
            raise Died(f"no worker could do it: {type(error).__name__}: {error}") from None
        return answer

    def _fetched(self, theirs: Any) -> bytes:
        """What the worker answered. Dask would wait for ever where its connection has ended meanwhile."""
        while not (self._broken or self._over.is_set()):
            with suppress(TimeoutError):
                found: bytes = theirs.result(timeout=LOOK)
                return found
        raise self._broken or self._gone()

    def _settle(self, answer: Future[Any], result: Any, error: BaseException | None) -> None:
        with self._lock:
            if answer not in self._waiting:
                return
            self._waiting.discard(answer)
            self._done += 1
        answer.set_exception(error) if error is not None else answer.set_result(result)

    # --- how it is ---------------------------------------------------------------------------------------------------

    def _watch(self) -> None:
        """Until the end: say how many workers there are, and end what nobody will answer."""
        seen = time.monotonic()
        while not self._over.wait(LOOK):
            try:
                now = self._count()
            except Exception:  # whatever Dask says where its connection has ended
                return self._fail(self._gone())
            if now != self.workers:
                self._tell(f"{self.address}: {plural(now, 'worker')}{' left' if now < self.workers else ''}")
            self.workers, seen = now, time.monotonic() if now else seen
            if time.monotonic() - seen > ALONE:
                return self._fail(self._gone("no worker is left"))

    def _count(self) -> int:
        return len(self._client.sync(self._client.scheduler.ncores, callback_timeout=ALONE))

    def _gone(self, why: str = "the scheduler has gone") -> Gone:
        return Gone(f"--dask {self.address}: {why}, {self._done} done")

    def _fail(self, error: Gone) -> None:
        """All that waits ends with *error*."""
        with self._lock:
            self._broken = self._broken or error
            waiting, self._waiting = self._waiting, set()
        for answer in waiting:
            answer.set_exception(self._broken)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Say goodbye; what is still asked for is given up."""
        self._over.set()
        if self._broken is None:
            with suppress(Exception):  # nobody needs its answer
                self._client.sync(self._client._run, forget, self._session, on_error="ignore", callback_timeout=1)
        with suppress(Exception):
            self._client.close(timeout=1)


def _connect(address: str) -> Any:
    """A client of the scheduler at *address*. ConfigError."""
    import logging

    try:
        from distributed import Client
    except ImportError:
        raise ConfigError("--dask: the extra is not installed: pip install 'lbreplay[dask]'") from None
    for name in LOUD:
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
    logging.getLogger("distributed.client").setLevel(logging.CRITICAL + 1)
    warnings.filterwarnings("ignore", module="distributed")
    try:
        return Client(address, timeout=PATIENCE)
    except Exception as error:  # whatever Dask says to an address that is none
        raise ConfigError(f"--dask {address}: no scheduler answers there ({type(error).__name__})") from None


def _batches(items: Iterable[tuple[Parcel, Piece]]) -> Iterator[list[tuple[Parcel, Piece]]]:
    """Pieces together, some megabytes at a time."""
    batch: list[tuple[Parcel, Piece]] = []
    for item in items:
        batch.append(item)
        if sum(len(piece.data) for _, piece in batch) > CHUNK // 2:
            yield batch
            batch = []
    if batch:
        yield batch


# --- on a worker ---------------------------------------------------------------------------------------------------

_turn = threading.Lock()
_stores: dict[str, tuple[Store, float]] = {}  # by session, and when it was last asked


def version() -> str:
    """Of lbreplay here."""
    return __version__


def _store(session: str) -> Store:
    """That of *session*; those that nobody has asked for long are taken away."""
    now = time.monotonic()
    for name in [name for name, (_, then) in _stores.items() if now - then > IDLE and name != session]:
        forget(name)
    store = _stores[session][0] if session in _stores else Store()
    _stores[session] = store, now
    return store


async def lacked(session: str, parcels: bytes) -> list[int]:
    """The numbers of those parcels that this machine cannot read."""
    import asyncio

    def look() -> list[int]:
        store = _store(session)
        return [n for n, parcel in enumerate(pickle.loads(parcels)) if store.find(parcel) is None]

    return await asyncio.to_thread(look)


async def take(session: str, batch: bytes) -> None:
    """Keep what was sent."""
    import asyncio

    def keep() -> None:
        for parcel, piece in pickle.loads(batch):
            _store(session).take(parcel, piece)

    await asyncio.to_thread(keep)


def forget(session: str) -> None:
    """Its client has ended."""
    store, _ = _stores.pop(session, (None, 0))
    if store is not None:
        store.close()
    if not _stores:
        shared.forget()


def carry_out(session: str, pickled_task: bytes) -> bytes:
    """Carry a task out: (result, None) or (None, what was raised, or Missing), pickled."""
    from distributed import get_worker

    task: Task = pickle.loads(pickled_task)
    with _turn:
        store = _store(session)
        found = {given: store.find(given) for given in task.arguments if isinstance(given, Parcel)}
        if missing := [parcel for parcel, path in found.items() if path is None]:
            return pickled((None, Missing(get_worker().address, missing)))
        arguments = tuple(found[given] if isinstance(given, Parcel) else given for given in task.arguments)
        return pickled(task._replace(arguments=arguments).carry_out())
