"""Trainings that the service starts: each in a process of its own, with a record on the disk that outlives both."""

import contextlib
import dataclasses
import logging
import os
import re
import subprocess
import sys
import threading
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import psutil

from kurdtts_lib import registry
from kurdtts_lib.errors import TrainingError
from kurdtts_lib.feedback.outcome import NOTHING_BETTER
from kurdtts_lib.feedback.training import only_training
from kurdtts_lib.files import read_json, write_json
from kurdtts_lib.service.failures import ServiceError
from kurdtts_lib.service.job_progress import last_line, progress_since
from kurdtts_lib.settings import home

log = logging.getLogger("kurdtts.service")
ID = re.compile(r"[0-9a-f]{32}")
ACTIVE = ("queued", "running")
TOKEN_VARIABLE = "KURDTTS_TOKEN"


@dataclass(frozen=True)
class Job:
    """One training, as it is written down."""

    id: str
    created: str
    """UTC, ISO 8601."""
    versions_before: list[int]
    """The voices there were when it began: another one is its result."""
    state: str = "queued"
    """`queued`, `running`, `done` or `failed`."""
    pid: int | None = None
    process_began: float | None = None
    """Seconds since 1970: with the pid it names a process, also after the pid was given to another one."""
    stop_asked: bool = False
    finished: str | None = None
    step: int = 0
    steps: int | None = None
    message: str = ""
    result: dict | None = None


def training_command(profile: str | None) -> list[str]:
    named = ["--profile", profile] if profile is not None else []
    return [sys.executable, "-m", "kurdtts_lib.cli", "feedback", "train", *named]


class Jobs:
    """The records in `runs/jobs/`, and the processes of those that run. May be used from several threads."""

    def __init__(self, profile: str | None) -> None:
        self._profile, self._lock = profile, threading.RLock()
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self.folder = home() / "runs" / "jobs"

    def start(self) -> Job:
        """Start a training. Raises ServiceError (409) while one runs, here or in another program."""
        with self._lock:
            if any(job.state in ACTIVE for job in self.all()):
                raise ServiceError(409, "training_runs", "A training is running. GET /jobs/{id} tells how far it is.")
            try:
                with only_training():
                    pass
            except TrainingError as error:
                raise ServiceError(409, "training_runs", str(error)) from error
            versions = [entry.version for entry in registry.voices()]
            return self._launch(Job(uuid.uuid4().hex, _now(), versions))

    def _launch(self, job: Job) -> Job:
        self._write(job)
        environment = {name: value for name, value in os.environ.items() if name != TOKEN_VARIABLE}
        with self._output(job.id).open("wb") as output:
            # In a group of its own: Ctrl-C in the service's console would else reach the training twice.
            process = subprocess.Popen(
                training_command(self._profile),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=environment,
                start_new_session=True,
            )
        self._processes[job.id] = process
        log.info("job %s: process %d", job.id, process.pid)
        return self._change(job, state="running", pid=process.pid, process_began=_began(process.pid))

    def get(self, id: str) -> Job:
        """How a job is now. Raises ServiceError (404) for an unknown one."""
        with self._lock:
            path = self._path(id)
            if not ID.fullmatch(id) or not path.is_file():
                raise ServiceError(404, "not_found", "There is no job with this id.")
            return self._refresh(Job(**read_json(path)))

    def all(self) -> list[Job]:
        with self._lock:
            found = [self.get(path.stem) for path in self.folder.glob("*.json") if ID.fullmatch(path.stem)]
        return sorted(found, key=lambda job: job.created)

    def stop(self, id: str) -> Job:
        """Ask a job to stop; it keeps its checkpoint. Raises ServiceError: 404, or 409 if it runs no more."""
        with self._lock:
            job = self.get(id)
            if job.state not in ACTIVE:
                raise ServiceError(409, "not_running", f"This job is {job.state} already.")
            return self._ask_to_stop(job)

    def stop_all(self) -> None:
        """Ask what this service started to stop: whoever closes the service wants a quiet machine."""
        with self._lock:
            for job in self.all():
                if job.state in ACTIVE and job.id in self._processes:
                    self._ask_to_stop(job)

    def _ask_to_stop(self, job: Job) -> Job:
        if job.stop_asked:
            return job  # a second signal would end it in the middle of a step
        job = self._change(job, stop_asked=True)
        with contextlib.suppress(psutil.NoSuchProcess):  # it has just ended by itself
            if _alive(job):
                # On Windows this ends the process at once; the newest checkpoint is a few steps old then.
                psutil.Process(job.pid).terminate()
        return job

    def _refresh(self, job: Job) -> Job:
        if job.state not in ACTIVE:
            return job
        process = self._processes.get(job.id)
        code = process.poll() if process else None
        # Of an own child only `poll` is asked: between two questions it may end, and its code would be lost.
        if (code is None) if process else _alive(job):
            found = progress_since(datetime.fromisoformat(job.created).timestamp())
            return dataclasses.replace(job, **found) if found else job
        return self._finish(job, code)

    def _finish(self, job: Job, code: int | None) -> Job:
        """Write down how it ended. `code` is None where the process was not this service's own child."""
        self._processes.pop(job.id, None)
        result = _new_voice(job)
        said = last_line(self._output(job.id))
        known_done = code == 0 or (code is None and (result is not None or said.startswith(NOTHING_BETTER)))
        found = progress_since(datetime.fromisoformat(job.created).timestamp())
        if known_done:
            message = _success(result) or said
        elif job.stop_asked:
            message = "Stopped as asked; its checkpoint is kept. Start a training again, and it goes on from there."
        elif code is None:
            message = "Its process is gone: killed, or the machine was switched off. A new training goes on from there."
        else:
            message = said or f"It ended with code {code} and said nothing."
        values = {**found, "state": "done" if known_done else "failed", "message": message, "result": result}
        log.info("job %s: %s, exit code %s", job.id, values["state"], code)
        return self._change(job, finished=_now(), **values)

    def _change(self, job: Job, **values: object) -> Job:
        job = dataclasses.replace(job, **values)  # type: ignore[arg-type]
        self._write(job)
        return job

    def _write(self, job: Job) -> None:
        write_json(self._path(job.id), dataclasses.asdict(job))

    def _path(self, id: str) -> Path:
        return self.folder / f"{id}.json"

    def _output(self, id: str) -> Path:
        return self.folder / f"{id}.log"


def _began(pid: int) -> float | None:
    try:
        return psutil.Process(pid).create_time()
    except psutil.Error:
        return None  # it has ended already


def _alive(job: Job) -> bool:
    """Whether the process is there and is still the one that was started."""
    if job.pid is None or job.process_began is None:
        return False
    try:
        process = psutil.Process(job.pid)
        same = abs(process.create_time() - job.process_began) < 1.0
        return same and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def _new_voice(job: Job) -> dict | None:
    """The voice that the training made: not there before, and with corrections on its card."""
    made = [entry for entry in registry.voices() if entry.version not in job.versions_before]
    entry = next((entry for entry in reversed(made) if entry.card.get("corrections")), None)
    if entry is None:
        return None
    figures = {name: entry.card.get(name) for name in ("learned", "held_out", "elsewhere")}
    left_out = entry.card.get("corrections_left_out", {})
    return {
        "version": entry.version,
        "voice": entry.folder.name,
        "faults": entry.faults,
        **figures,
        "left_out": left_out,
    }


def _success(result: dict | None) -> str:
    if result is None:
        return ""
    if result["faults"]:
        return f"Voice {result['version']} was made and did not become the current one: {' '.join(result['faults'])}"
    return f"Voice {result['version']} was made."


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
