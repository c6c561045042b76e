"""A training that another program started: what it does as data, in a folder that both know."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock

from kurdtts_lib.core.errors import KurdTTSError, TrainingError
from kurdtts_lib.core.files import write_json

PROGRESS = "progress.json"
RESULT = "result.json"
STOP = "stop"
"""A file of this name asks the training to stop after its step; signals are not the same on all systems."""
LOCK = "lock"
"""Held as long as the training lives, and free again however it ends."""
SECONDS_BETWEEN = 1.0
"""Progress is written at most this often; each write waits for the disk."""


class JobReport:
    """Writes `progress.json` and `result.json`, and looks for `stop`; without a folder it does nothing."""

    def __init__(self, folder: Path | None) -> None:
        self._folder, self._message, self._due = folder, "", 0.0

    def step(self, step: int, steps: int, message: str = "") -> bool:
        """Write how far the training is and what it said last. Returns whether it is asked to stop."""
        if self._folder is None:
            return False
        self._message = message or self._message
        if message or time.monotonic() >= self._due:
            write_json(self._folder / PROGRESS, {"step": step, "steps": steps, "message": self._message})
            self._due = time.monotonic() + SECONDS_BETWEEN
        return (self._folder / STOP).exists()

    def end(self, state: str, message: str, result: dict | None = None) -> None:
        """Write how it ended: `done` or `failed`, a sentence, and what is known of the new voice."""
        if self._folder is not None:
            finished = datetime.now(UTC).isoformat(timespec="milliseconds")
            values = {"state": state, "message": message, "finished": finished, "result": result}
            write_json(self._folder / RESULT, values)


@contextmanager
def reported(folder: Path | None) -> Iterator[JobReport]:
    """Hold the lock of the job in `folder`, and write down an error that ends it.

    Raises TrainingError if the job has ended before, as one does whose process was thought to be gone.
    """
    report = JobReport(folder)
    if folder is None:
        yield report
        return
    with FileLock(folder / LOCK, timeout=60):
        if (folder / RESULT).exists():
            raise TrainingError(f"The job in {folder} has ended. Start another one.")
        try:
            yield report
        except KurdTTSError as error:
            report.end("failed", str(error))
            raise
