"""Many items on all cores, in processes or in threads: results in the order of the items, memory bounded."""

from __future__ import annotations

import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import BrokenExecutor, Executor, Future, ThreadPoolExecutor
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import NamedTuple, TypeVar

from ssdprep.record import SsdprepError

Item = TypeVar("Item")
Result = TypeVar("Result")

_AHEAD = 4  # tasks handed out for each worker: enough to keep it busy, few enough to bound memory
_WORTH_WORKERS = 32 * 2**20  # bytes of files, below which all is done before workers have started
_PARCEL = 2**20  # bytes of files that travel to a worker together: several small ones, or one


def in_order(
    function: Callable[[Item], Result], items: Iterable[Item], *, jobs: int = 0, at_once: int = 1
) -> Iterator[Result]:
    """``function`` of every item, in the items' order, whatever the number of workers.

    jobs: worker processes; 0: one for each core that this process may use; 1: none, the work is done here.
    at_once: items that travel together, for work so short that the trip would cost more.
    ``function`` must be importable by name (a `functools.partial` of such a one will do): workers are started fresh
    on every system, so a script that calls this needs the usual ``if __name__ == "__main__":``.
    """
    workers = jobs or cores()
    if workers == 1:
        yield from map(function, items)
        return
    source = iter(items)
    parcels = iter(lambda: list(islice(source, at_once)), [])
    pool = _processes(workers)
    waiting: deque[Future[list[Result]]] = deque()
    try:
        for parcel in parcels:
            with _unheard(signal.SIGINT):  # this starts a worker where all are busy
                waiting.append(pool.submit(_run, function, parcel))
            if len(waiting) >= _AHEAD * workers:
                yield from waiting.popleft().result()
        while waiting:
            yield from waiting.popleft().result()
    except BrokenExecutor as error:
        raise SsdprepError(
            "a worker process ended early: out of memory, or started from a script without a main guard",
            "--jobs 1; in a script, call it under `if __name__ == '__main__':`",
        ) from error
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


class Shares(NamedTuple):
    """How to share work out: arguments of `in_order`."""

    jobs: int
    at_once: int


def shares(paths: Iterable[Path], jobs: int) -> Shares:
    """How to share out work on the bytes of files, by their sizes; ``jobs`` 0: workers where they pay for their start.

    A file that cannot be looked at counts nothing: whoever reads it says so.
    """
    sizes = [_bytes_of(path) for path in paths]
    total = sum(sizes)
    at_once = min(8, max(1, _PARCEL * len(sizes) // max(1, total)))
    return Shares(jobs or (0 if total >= _WORTH_WORKERS else 1), at_once)


def _bytes_of(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def in_threads(tasks: Iterable[Callable[[], Result]], *, ahead: int, jobs: int = 0) -> Iterator[Result]:
    """What each task returns, in their order; up to ``ahead`` of them are done or under way before they are asked for.

    For work that runs outside of Python's lock: decoding, resampling, encoding. What a task raises is raised here.
    jobs: threads; 0: one for each core.
    """
    waiting: deque[Future[Result]] = deque()
    with ThreadPoolExecutor(jobs or cores()) as threads:
        try:
            for task in tasks:
                waiting.append(threads.submit(task))
                if len(waiting) > ahead:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


def cores() -> int:
    """CPU cores that this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def _processes(workers: int) -> Executor:
    from concurrent.futures import ProcessPoolExecutor  # a tenth of the start of a verb that needs none
    from multiprocessing import get_context

    return ProcessPoolExecutor(workers, mp_context=get_context("spawn"), initializer=_start_worker)


@contextmanager
def _unheard(number: signal.Signals) -> Iterator[None]:
    """Who is started here never hears of a signal, not even before its first line; this process hears of it after."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {number})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _run(function: Callable[[Item], Result], parcel: list[Item]) -> list[Result]:
    return [function(item) for item in parcel]


def _start_worker() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to answer
    os.environ.setdefault("OPENCV_FOR_THREADS_NUM", "1")  # one core a worker; read when cv2 is imported
    threading.Thread(target=_leave_with_parent, daemon=True).start()


def _leave_with_parent() -> None:
    """A worker whose parent was killed would wait for work for ever."""
    from multiprocessing import parent_process

    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
