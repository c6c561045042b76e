"""Work over processes: in order, little in memory, errors reach the caller, nobody is left behind."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kurdtts_lib.core.errors import KurdTTSError
from kurdtts_lib.data import workers
from kurdtts_lib.data.workers import BATCH, WORTH_A_WORKER, in_parallel


def square(number: int) -> tuple[int, int]:
    return number * number, os.getpid()


def fail(number: int) -> int:
    if number == WORTH_A_WORKER + 5:
        raise ValueError(f"no {number}")
    return number


def die(number: int) -> int:
    return os._exit(9) if number > WORTH_A_WORKER else number


def test_results_come_in_order_from_this_process_and_then_from_others_and_few_things_wait() -> None:
    taken, count = 0, WORTH_A_WORKER + 40 * BATCH + 3

    def numbers() -> Iterator[int]:
        nonlocal taken
        for number in range(count):
            taken += 1
            yield number

    for done, (result, process) in enumerate(in_parallel(square, numbers(), 2)):
        assert result == done * done and taken - done <= 9 * BATCH + 1
        assert (process == os.getpid()) == (done < WORTH_A_WORKER)
    assert done + 1 == taken == count


@pytest.mark.parametrize(("processes", "count"), [(1, 3 * WORTH_A_WORKER), (2, WORTH_A_WORKER)])
def test_little_work_starts_no_process(processes: int, count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "_from_pool", None)
    assert len(list(in_parallel(square, range(count), processes))) == count


@pytest.mark.parametrize(
    ("work", "error", "words"), [(fail, ValueError, "no 205"), (die, KurdTTSError, "run the same again")]
)
def test_errors_of_the_work_and_workers_that_die_are_raised(work: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        list(in_parallel(work, range(WORTH_A_WORKER + 50), 2))


ENDLESS = """
import os, sys, time
sys.path.insert(0, {folder!r})
from kurdtts_lib.data.workers import in_parallel
from test_workers import slow
if __name__ == "__main__":
    for done, process in enumerate(in_parallel(slow, range(10_000), 2)):
        print(process, flush=True)
"""


def slow(number: int) -> int:
    if number >= WORTH_A_WORKER:
        time.sleep(0.01)
    return os.getpid()


@pytest.mark.skipif(sys.platform == "win32", reason="looks for processes in /proc or by signal 0")
def test_workers_end_when_their_parent_is_killed(tmp_path: Path) -> None:
    script = tmp_path / "endless.py"
    script.write_text(ENDLESS.format(folder=str(Path(__file__).parent)), encoding="utf-8")
    with subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, text=True, encoding="utf-8") as parent:
        assert parent.stdout is not None
        seen = {int(next(parent.stdout)) for _ in range(WORTH_A_WORKER + 4 * BATCH)} - {parent.pid}
        assert len(seen) >= 1
        parent.kill()
    deadline = time.monotonic() + 600
    while (alive := {process for process in seen if _lives(process)}) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not alive


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    # A process that ended and was not waited for still has its number.
    status = Path(f"/proc/{process}/stat")
    return not status.is_file() or status.read_text(encoding="utf-8").rsplit(")", 1)[1].split()[0] != "Z"
