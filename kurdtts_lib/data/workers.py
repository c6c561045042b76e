"""The same work on many things, over all cores, in order, with few of them in memory at a time."""

import itertools
import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import TypeVar

from kurdtts_lib.core.errors import KurdTTSError

Thing = TypeVar("Thing")
Result = TypeVar("Result")
BATCH = 16
"""Things that travel to a worker at once: fewer cost more in messages than in work."""
MOST_WORKERS = 61
"""Windows cannot wait for more processes than that."""
WORTH_A_WORKER = 200
"""Things below which another process does not pay: it needs a second to start."""


def cores() -> int:
    """Processor cores that this process may use."""
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(count, MOST_WORKERS)


def in_parallel(work: Callable[[Thing], Result], things: Iterable[Thing], workers: int) -> Iterator[Result]:
    """Yield `work(thing)` in the order of `things`, from `workers` processes.

    The first ones are worked on in this process, which is all there is to do for a small corpus. At most four batches a
    worker wait at a time, so memory does not grow with the number of things. An error of `work` is raised here.
    Raises KurdTTSError if a worker died.
    """
    remaining = iter(things)
    yield from map(work, itertools.islice(remaining, WORTH_A_WORKER if workers > 1 else None))
    yield from _from_pool(work, remaining, workers)


def _from_pool(work: Callable[[Thing], Result], things: Iterator[Thing], workers: int) -> Iterator[Result]:
    first = next(things, None)
    if first is None:
        return
    things = itertools.chain([first], things)
    # spawn: the same on all systems, and safe where this process has threads
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(workers, mp_context=context, initializer=_start_worker)
    waiting: deque[Future[list[Result]]] = deque()
    try:
        for batch in _batches(things):
            waiting.append(pool.submit(_work_on, work, batch))
            if len(waiting) >= 4 * workers:
                yield from waiting.popleft().result()
        while waiting:
            yield from waiting.popleft().result()
    except BrokenProcessPool as error:
        raise KurdTTSError(
            "A worker process died, most often because the memory was full. Close other programs and run the same "
            "again: it goes on where it stopped. In a script of your own the work must stand under `if __name__ == "
            '"__main__":`, because every worker reads the script.'
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


def _batches(things: Iterable[Thing]) -> Iterator[list[Thing]]:
    iterator = iter(things)
    while batch := list(itertools.islice(iterator, BATCH)):
        yield batch


def _work_on(work: Callable[[Thing], Result], batch: list[Thing]) -> list[Result]:
    return [work(thing) for thing in batch]


def _start_worker() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all; the parent ends its workers
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """A parent that was killed ends nobody, and its workers would wait for ever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
