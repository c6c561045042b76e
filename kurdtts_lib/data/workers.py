"""An ordered parallel map over processes, with few items in memory at a time."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures.process import BrokenProcessPool
from itertools import islice
from typing import TypeVar

import joblib

from kurdtts_lib.core.errors import KurdTTSError

Item = TypeVar("Item")
Result = TypeVar("Result")
BATCH, WINDOW = 16, 128
"""Items sent to a worker at once (with fewer, the messages cost more than the work), and items taken at a time for each
processor core."""
WORTH_A_WORKER = 200
"""Number of items that are processed without workers: starting one takes a second."""
IDLE_SECONDS = 30
"""After which a worker ends, also that of a program that was killed."""


def in_parallel(work: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
    """Yield `work(item)` in the order of `items`, from a process for each processor core.

    The first `WORTH_A_WORKER` items are processed in this process; a small corpus needs no more. The others are taken
    a window at a time, so memory does not grow with their number. An error of `work` is raised here.
    Raises KurdTTSError if a worker died.
    """
    remaining, cores = iter(items), joblib.cpu_count()
    yield from map(work, islice(remaining, WORTH_A_WORKER))
    parallel = joblib.Parallel(cores, batch_size=BATCH, pre_dispatch="all", idle_worker_timeout=IDLE_SECONDS)
    try:
        while window := list(islice(remaining, cores * WINDOW)):
            yield from parallel(map(joblib.delayed(work), window))
    except BrokenProcessPool as error:
        raise KurdTTSError(
            "A worker process died, most often because the memory was full. Close other programs and run the same "
            "again: it goes on where it stopped."
        ) from error
