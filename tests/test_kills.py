"""kill -9 over training, publishing and submitting: what was promised is there, and whole."""

import os
import subprocess
import sys
from pathlib import Path

import kills
import pytest
from test_processes import folder

__all__ = ["folder"]  # the fixture


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork: two hundred new processes would take an hour")
@pytest.mark.parametrize("count", [6, pytest.param(200, marks=pytest.mark.slow)])
def test_killed_again_and_again_nothing_is_lost(count: int, folder: Path) -> None:
    command = [sys.executable, str(Path(kills.__file__)), str(folder), str(count)]
    done = subprocess.run(command, env={**os.environ, "OMP_NUM_THREADS": "1"}, capture_output=True)
    assert done.returncode == 0, done.stderr.decode("utf-8", "replace")[-3000:]
    assert done.stdout.startswith(f"{count} kills, nothing is lost".encode())
