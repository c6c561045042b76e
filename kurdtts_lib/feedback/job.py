"""Progress and result of a training that another program started, as files in a folder; one training at a time."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from filelock import FileLock

from kurdtts_lib.core.errors import KurdTTSError, TrainingError
from kurdtts_lib.core.files import locked, write_json
from kurdtts_lib.core.settings import home
from kurdtts_lib.feedback.database import now

PROGRESS = "progress.json"
RESULT = "result.json"
STOP = "stop"
"""A file of this name asks the training to stop after its step; process signals differ between systems."""
LOCK = "lock"
"""Held while the training runs, and released however it ends."""


class JobReport:
    """Writes `progress.json` and `result.json`, and checks for `stop`; without a folder it does nothing."""

    def __init__(self, folder: Path | None) -> None:
        self._folder, self._message = folder, ""

    def step(self, step: int, steps: int, message: str = "") -> bool:
        """Write the progress and the last message. Returns whether the training is asked to stop."""
        if self._folder is None:
            return False
        self._message = message or self._message
        write_json(self._folder / PROGRESS, {"step": step, "steps": steps, "message": self._message})
        return (self._folder / STOP).exists()

    def end(self, state: str, message: str, result: dict | None = None) -> None:
        """Write the result. state: `done` or `failed`; message: a sentence; result: `FeedbackResult.voice_facts`."""
        if self._folder is not None:
            values = {"state": state, "message": message, "finished": now(), "result": result}
            write_json(self._folder / RESULT, values)


@contextmanager
def reported(folder: Path | None) -> Iterator[JobReport]:
    """Hold the lock of the job in `folder`, and write an error that ends it as its result.

    Raises TrainingError if the job has a result already, for example because its process was taken for dead.
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
        except Exception as error:
            report.end("failed", str(error) if isinstance(error, KurdTTSError) else repr(error))
            raise


def only_training() -> AbstractContextManager[None]:
    """Hold the lock of feedback trainings on this machine, which is also released if the process is killed.

    Raises TrainingError if another program holds it.
    """
    busy = TrainingError("Another training on corrections is running. Wait until it is done.")
    return locked(home() / "runs" / "feedback", busy)
