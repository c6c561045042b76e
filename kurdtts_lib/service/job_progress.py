"""How far a training is, from what it writes."""

import json
from pathlib import Path

from kurdtts_lib.files import read_json
from kurdtts_lib.settings import home
from kurdtts_lib.vits.logs import LOG

TAIL_BYTES = 65_536
"""The end of a log: some hundred steps."""


def progress_since(time: float) -> dict:
    """`step`, `steps` and `message` of the feedback training that wrote its log last, and after `time` (seconds since
    1970). Empty before its first step: nothing is known then.
    """
    logs = [(path.stat().st_mtime, path) for path in (home() / "runs").glob(f"feedback-*/{LOG}")]
    written, path = max(logs, default=(0.0, None))
    if path is None or written < time:
        return {}
    found: dict = {}
    for line in _tail(path).split("\n"):
        try:
            entry = json.loads(line)
        except json.JSONDecodeError:  # half a line: the first of the tail, or one that is being written
            continue
        if isinstance(entry, dict) and "step" in entry:
            found["step"] = entry["step"]
            if "text" in entry:
                found["message"] = entry["text"]
    settings = path.with_name("settings.json")
    if found and settings.is_file():
        found["steps"] = read_json(settings)["steps"]
    return found


def last_line(path: Path) -> str:
    """The last line of a program's output that says something; of a progress bar its last state."""
    lines = _tail(path).replace("\r", "\n").split("\n") if path.is_file() else []
    return next((line.strip() for line in reversed(lines) if line.strip()), "")[:1000]


def _tail(path: Path) -> str:
    with path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - TAIL_BYTES))
        return file.read().decode("utf-8", "replace")
