"""An ordered parallel map over worker processes, with few items in memory at a time."""

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

Item = TypeVar("Item")
Result = TypeVar("Result")
BATCH = 16
"""Items sent to a worker at once: with fewer, the messages cost more than the work."""
MOST_WORKERS = 61
"""Windows cannot wait for more processes."""
WORTH_A_WORKER = 200
"""Number of items that are processed without workers: starting one takes a second."""


def cores() -> int:
    """Processor cores that this process may use."""
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(count, MOST_WORKERS)


def in_parallel(work: Callable[[Item], Result], items: Iterable[Item], workers: int) -> Iterator[Result]:
    """Yield `work(item)` in the order of `items`, from `workers` processes.

    The first `WORTH_A_WORKER` items are processed in this process; a small corpus needs no more. At most four batches
    per worker are queued, so memory does not grow with the number of items. An error of `work` is raised here.
    Raises KurdTTSError if a worker died.
    """
    remaining = iter(items)
    yield from map(work, itertools.islice(remaining, WORTH_A_WORKER if workers > 1 else None))
    yield from _from_pool(work, remaining, workers)


def _from_pool(work: Callable[[Item], Result], items: Iterator[Item], workers: int) -> Iterator[Result]:
    first = next(items, None)
    if first is None:
        return
    items = itertools.chain([first], items)
    # spawn: the same on all systems, and safe if this process has threads
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(workers, mp_context=context, initializer=_start_worker)
    waiting: deque[Future[list[Result]]] = deque()
    try:
        for batch in _batches(items):
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


def _batches(items: Iterable[Item]) -> Iterator[list[Item]]:
    iterator = iter(items)
    while batch := list(itertools.islice(iterator, BATCH)):
        yield batch


def _work_on(work: Callable[[Item], Result], batch: list[Item]) -> list[Result]:
    return [work(item) for item in batch]


def _start_worker() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all processes; the parent shuts its workers down
    threading.Thread(target=_exit_with_parent, daemon=True).start()


def _exit_with_parent() -> None:
    """Exit when the parent is gone: a killed parent cannot stop its workers, which would wait forever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
