"""An ordered parallel map over worker processes, with few items in memory at a time."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from itertools import chain, islice
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
    yield from map(work, islice(remaining, WORTH_A_WORKER if workers > 1 else None))
    for first in remaining:
        yield from _from_pool(work, chain([first], remaining), workers)


def _from_pool(work: Callable[[Item], Result], items: Iterator[Item], workers: int) -> Iterator[Result]:
    # spawn: the same on all systems, and safe if this process has threads
    pool = ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), initializer=_start_worker)
    earlier: Iterator[Result] = iter(())
    try:
        while window := list(islice(items, 2 * workers * BATCH)):
            later = pool.map(work, window, chunksize=BATCH)  # queued before the earlier results are taken
            yield from earlier
            earlier = later
        yield from earlier
    except BrokenProcessPool as error:
        raise KurdTTSError(
            "A worker process died, most often because the memory was full. Close other programs and run the same "
            "again: it goes on where it stopped. In a script of your own the work must stand under `if __name__ == "
            '"__main__":`, because every worker reads the script.'
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


def _start_worker() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all processes; the parent shuts its workers down
    threading.Thread(target=_exit_with_parent, daemon=True).start()


def _exit_with_parent() -> None:
    """Exit when the parent is gone: a killed parent cannot stop its workers, which would wait forever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
