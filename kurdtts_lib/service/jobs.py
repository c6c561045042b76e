"""Trainings that the service starts: each in its own process, with a folder that outlives both processes."""

import logging
import os
import re
import subprocess
import sys
import threading
import uuid
from pathlib import Path

from filelock import FileLock, Timeout

from kurdtts_lib.core.errors import TrainingError
from kurdtts_lib.core.files import read_json, write_json
from kurdtts_lib.core.settings import home
from kurdtts_lib.feedback.database import now
from kurdtts_lib.feedback.job import LOCK, PROGRESS, RESULT, STOP, JobReport, only_training
from kurdtts_lib.service.errors import ServiceError
from kurdtts_lib.service.schemas import JobBody

log = logging.getLogger("kurdtts.service")
ID = re.compile(r"[0-9a-f]{32}")
START = "job.json"
OUTPUT = "output.log"
GONE = "The training ended without a result: killed, or the machine was switched off. A new one goes on from there."


def training_command(profile: str | None, folder: Path) -> list[str]:
    named = ["--profile", profile] if profile is not None else []
    return [sys.executable, "-m", "kurdtts_lib.cli", "feedback", "train", *named, "--job", str(folder)]


class Jobs:
    """The folders in `runs/jobs/`, and the last process that this service started. Thread-safe."""

    def __init__(self, profile: str | None) -> None:
        self._profile, self._lock = profile, threading.Lock()
        self._id = ""
        self._process: subprocess.Popen[bytes] | None = None
        self.folder = home() / "runs" / "jobs"

    def start(self) -> str:
        """Start a training; returns its id. Raises TrainingError while one runs, here or in another program."""
        with self._lock:
            if self._process_runs():
                raise TrainingError("A training is running. GET /jobs/{id} tells how far it is.")
            with only_training():
                pass
            self._id = uuid.uuid4().hex
            self._process = self._launch(self.folder / self._id)
            log.info("job %s: process %d", self._id, self._process.pid)
            return self._id

    def _launch(self, folder: Path) -> subprocess.Popen[bytes]:
        write_json(folder / START, {"created": now()})
        with (folder / OUTPUT).open("wb") as output:
            # In its own process group, or Ctrl-C in the service's console would interrupt the training as well.
            return subprocess.Popen(
                training_command(self._profile, folder),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={name: value for name, value in os.environ.items() if name != "KURDTTS_TOKEN"},
                start_new_session=True,
                creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),  # Windows
            )

    def _process_runs(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def get(self, id: str) -> JobBody:
        """The current state of a job. Raises ServiceError (404) for an unknown one."""
        folder = self.folder / id
        if not ID.fullmatch(id) or not (folder / START).is_file():
            raise ServiceError(404, "not_found", "There is no job with this id.")
        with self._lock:
            result = {"state": "running"} if self._runs(id) else read_json(folder / RESULT)
        progress = read_json(folder / PROGRESS) if (folder / PROGRESS).is_file() else {}
        return JobBody(id=id, **{**read_json(folder / START), **progress, **result})

    def _runs(self, id: str) -> bool:
        """Whether its process is alive. If it ended without a result, the result `failed` is written.

        A process that an earlier run of the service started is detected by the lock that it holds.
        """
        if id == self._id and self._process_runs():
            return True
        folder = self.folder / id
        try:
            with FileLock(folder / LOCK, timeout=0):
                if not (folder / RESULT).is_file():
                    JobReport(folder).end("failed", GONE)
        except Timeout:
            return True
        return False

    def stop(self, id: str) -> JobBody:
        """Ask a job to stop; it keeps its checkpoint. Raises ServiceError: 404 if unknown, 409 if it has ended."""
        job = self.get(id)
        if job.state != "running":
            raise ServiceError(409, "not_running", f"This job is {job.state} already.")
        (self.folder / id / STOP).touch()
        return job

    def close(self) -> None:
        """Ask the training that this service started to stop: closing it should leave the machine idle."""
        if self._process_runs():
            (self.folder / self._id / STOP).touch()
