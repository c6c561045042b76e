"""The log of a training: one JSON line for each step and each event."""

import dataclasses
import json
import math
import statistics
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kurdtts_lib.core.files import write_text
from kurdtts_lib.vits.checkpoint import writing

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
    """See `vits.step.StepOutcome`, as for the fields that have the same names."""
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
    """Nepers: `metrics.mel_distance`."""
    loudness_difference_db: float
    words_margin: float | None = None
    """`words.Listener`; None without a listener."""
    scores: list[float] = field(default_factory=list)
    """Of each sentence, lower is better: mel distance plus, with a listener, 1 - words margin. They choose the best
    voice; without them `mel_distance` does."""

    @property
    def score(self) -> float:
        """Mean of `scores`."""
        return statistics.fmean(self.scores or [self.mel_distance])


@dataclass(frozen=True)
class Event:
    """Something that happened after `step` steps: resumed, stopped, best, warning, ..."""

    step: int
    kind: str
    text: str
    """A sentence for the user."""


def append_log(folder: Path, entry: StepReport | Validation | Event) -> None:
    """Add a line to the log of the training in `folder`. Raises TrainingError if the disk is full."""
    values = dataclasses.asdict(entry)
    if isinstance(entry, Event):
        values = {"event": values.pop("kind"), **values}
    elif isinstance(entry, Validation):
        values = {"event": "validation", **values}
    with writing(folder / LOG), (folder / LOG).open("a", encoding="utf-8", newline="\n") as file:
        file.write(_line(values))


def _line(entry: Mapping[str, Any]) -> str:
    """JSON has no NaN and no infinity: they become null."""
    finite = json.loads(json.dumps(entry), parse_constant=lambda name: None)
    return json.dumps(finite, ensure_ascii=False, allow_nan=False) + "\n"


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
    for entry in _entries(folder, until):
        kind = entry.pop("event", None)
        if kind is None:
            for name in ("terms", "gradient_norms", "signals"):
                entry[name] = {key: math.nan if value is None else value for key, value in entry[name].items()}
            history.add(StepReport(**entry))
        else:
            history.add(Validation(**entry) if kind == "validation" else Event(kind=kind, **entry))
    return history


def cut_log(folder: Path, step: int) -> None:
    """Drop the lines after `step`: these steps will be run and logged again."""
    write_text(folder / LOG, "".join(map(_line, _entries(folder, step))))


def _entries(folder: Path, until: float) -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = []
    if (folder / LOG).is_file():
        with suppress(json.JSONDecodeError):  # kill -9 may leave an incomplete last line
            for line in (folder / LOG).read_text(encoding="utf-8", errors="replace").split("\n"):
                entries.append(json.loads(line))
    return [entry for entry in entries if entry["step"] <= until]
