"""The log of a training: one JSON line for each step and each event, and optionally the same for TensorBoard."""

import dataclasses
import json
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from kurdtts_lib.core.errors import TrainingError
from kurdtts_lib.core.files import write_text
from kurdtts_lib.vits.checkpoint import write_error

LOG = "log.jsonl"


@dataclass(frozen=True)
class StepReport:
    """One step as it is logged and shown."""

    step: int
    epoch: int
    terms: dict[str, float]
    """The unweighted losses by name."""
    seconds: float
    """Duration of the whole step, including reading the clips, without validating and saving."""
    wait_seconds: float = 0.0
    """The part of it in which the training waited for clips."""
    gradient_norms: dict[str, float] = field(default_factory=dict)
    signals: dict[str, float] = field(default_factory=dict)
    """The `diagnostics` of `vits.step.StepOutcome`."""
    loss_scale: float | None = None
    skipped: str | None = None
    """Which updates were skipped and why; None if none was."""
    warming_up: bool = False
    """Whether only the discriminator was updated."""


@dataclass(frozen=True)
class Validation:
    """Means over the validation sentences after `step` steps; step 0 is the base voice."""

    step: int
    mel_distance: float
    """The score, in nepers: `metrics.mel_distance`. The best voice is the one with the lowest score."""
    loudness_difference_db: float


@dataclass(frozen=True)
class Event:
    """Something that happened after `step` steps: resumed, stopped, best, warning, ..."""

    step: int
    kind: str
    text: str
    """A sentence for the user."""


class TrainingLog:
    """Writes `log.jsonl` line by line and, with `tensorboard`, event files in `tensorboard/`.

    Writing raises TrainingError if the disk is full.
    """

    def __init__(self, folder: Path, step: int, tensorboard: bool) -> None:
        """step: steps done so far. Raises TrainingError if TensorBoard is requested but not installed."""
        self._folder = folder
        self._board = _open_board(folder / "tensorboard", step) if tensorboard else None
        # Unbuffered: a write that a full disk refused must not be retried when the file is closed.
        self._file = (folder / LOG).open("ab", buffering=0)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        self._file.close()
        if self._board:
            with _writing(self._folder) if error is None else suppress(OSError):  # the error is reported already
                self._board.close()

    def write(self, entry: "StepReport | Validation | Event") -> None:
        values = dataclasses.asdict(entry)
        if isinstance(entry, Event):
            self._write({"event": entry.kind, "step": entry.step, "text": entry.text})
            if self._board:
                with _writing(self._folder):
                    self._board.add_text(entry.kind, entry.text, entry.step)
        elif isinstance(entry, Validation):
            self._write({"event": "validation", **values})
            self._plot("validation", {name: value for name, value in values.items() if name != "step"}, entry.step)
        else:
            self._write(values)
            self._plot("loss", entry.terms, entry.step)
            self._plot("gradient_norm", entry.gradient_norms, entry.step)
            self._plot("signal", entry.signals, entry.step)
            self._plot("time", {"seconds": entry.seconds, "wait_seconds": entry.wait_seconds}, entry.step)

    def _write(self, line: Mapping[str, Any]) -> None:
        data = (json.dumps(_finite(line), ensure_ascii=False, allow_nan=False) + "\n").encode()
        with _writing(self._folder / LOG):
            if self._file.write(data) != len(data):
                raise OSError("the line was written in part only")

    def _plot(self, group: str, values: Mapping[str, float], step: int) -> None:
        if self._board:
            with _writing(self._folder):
                for name, value in values.items():
                    self._board.add_scalar(f"{group}/{name}", value, step)


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise write_error(path, error) from error


def _open_board(folder: Path, step: int) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise TrainingError(
            "TensorBoard is not installed. Install it with `python -m pip install tensorboard`, or train without it."
        ) from error
    # Points that a killed training wrote after this step will be written again.
    return SummaryWriter(str(folder), purge_step=step + 1)


def _finite(value: Any) -> Any:
    """JSON has no NaN and no infinity: they become null."""
    if isinstance(value, Mapping):
        return {name: _finite(item) for name, item in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value


@dataclass
class History:
    """All entries of a training's log, oldest first."""

    steps: list[StepReport] = field(default_factory=list)
    validations: list[Validation] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)

    def add(self, entry: StepReport | Validation | Event) -> None:
        lists: dict[type, list] = {StepReport: self.steps, Validation: self.validations, Event: self.events}
        lists[type(entry)].append(entry)


def read_log(folder: Path, until: float = math.inf) -> History:
    """The log of the training in `folder` up to the step `until`; empty if there is none."""
    history = History()
    for line in _whole_lines(folder / LOG):
        entry = json.loads(line)
        if entry["step"] > until:
            continue
        kind = entry.pop("event", None)
        if kind is None:
            values = {name: _null_to_nan(entry[name]) for name in ("terms", "gradient_norms", "signals")}
            history.add(StepReport(**{**entry, **values}))
        else:
            history.add(Validation(**entry) if kind == "validation" else Event(kind=kind, **entry))
    return history


def cut_log(folder: Path, step: int) -> None:
    """Drop the lines after `step`: these steps will be run and logged again."""
    kept = [line for line in _whole_lines(folder / LOG) if json.loads(line)["step"] <= step]
    write_text(folder / LOG, "".join(f"{line}\n" for line in kept))


def _whole_lines(log: Path) -> list[str]:
    if not log.is_file():
        return []
    lines = log.read_text(encoding="utf-8", errors="replace").rstrip("\n").split("\n")
    for number, line in enumerate(lines):
        try:
            json.loads(line)
        except json.JSONDecodeError:  # kill -9 may leave an incomplete last line
            return lines[:number]
    return lines


def _null_to_nan(values: Mapping[str, float | None]) -> dict[str, float]:
    return {name: float("nan") if value is None else value for name, value in values.items()}
