"""Work over processes: in order, little in memory, and errors reach the caller."""

import os
from collections.abc import Iterator
from typing import Any

import pytest

from kurdtts_lib.core.errors import KurdTTSError
from kurdtts_lib.data import workers
from kurdtts_lib.data.workers import WORTH_A_WORKER, in_parallel


@pytest.fixture(autouse=True)
def two_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers.joblib, "cpu_count", lambda: 2)


def square(number: int) -> tuple[int, int]:
    return number * number, os.getpid()


def fail(number: int) -> int:
    if number == WORTH_A_WORKER + 5:
        raise ValueError(f"no {number}")
    return number


def die(number: int) -> int:
    return os._exit(9) if number > WORTH_A_WORKER else number


def test_results_come_in_order_from_this_process_and_then_from_others_and_few_things_wait(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(workers, "WINDOW", 32)
    taken, count = 0, WORTH_A_WORKER + 3 * 64 + 3

    def numbers() -> Iterator[int]:
        nonlocal taken
        for number in range(count):
            taken += 1
            yield number

    for done, (result, process) in enumerate(in_parallel(square, numbers())):
        assert result == done * done and taken - done <= 64
        assert (process == os.getpid()) == (done < WORTH_A_WORKER)
    assert done + 1 == taken == count


@pytest.mark.parametrize(
    ("work", "error", "words"), [(fail, ValueError, "no 205"), (die, KurdTTSError, "run the same again")]
)
def test_errors_of_the_work_and_workers_that_die_are_raised(work: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        list(in_parallel(work, range(WORTH_A_WORKER + 50)))
