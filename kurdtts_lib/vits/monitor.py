"""Detects a training that goes wrong although its steps still run; says what it means and what to do."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

WINDOW = 21
"""Steps that are evaluated together, by their median: single steps fluctuate, and 21 do not take long. Odd, so that the
median is the value of one step."""
ENDS = 0.7
"""Hysteresis: otherwise a value near the limit would begin and end a condition at every other step."""


@dataclass(frozen=True)
class Condition:
    """A problem: it begins when `value` of the window's medians rises above `limit`, and ends below `ENDS` of it."""

    name: str
    value: Callable[[Mapping[str, float]], float]
    limit: float
    meaning: str
    advice: str


TOO_QUIET_DB = 20.0
"""A tenth of the recordings' amplitude is not merely a quiet voice; the sample's base voice begins at 9 dB."""
CLIPPED_SHARE = 0.01
"""Healthy voices have no saturated samples; one in a hundred is audible as crackling. A decoder that is stuck at a
constant near 1 has only these; the mel loss is insensitive to it."""
OFF_DIAGONAL = 0.12
"""Healthy paths have 0.04. If one token takes all the frames that the others can spare, it is 0.25 to 0.33."""
LONGEST_SHARE = 0.35
"""In healthy sentences the longest token takes 0.08 of the frames; in the broken ones just described, 0.5 to 0.67."""

SLOWER = "half the learning_rate"
BEGIN_AGAIN = "Delete the training's folder, or give another --name, and begin again"
"""In a folder that holds a training, the same command would resume it."""

CONDITIONS = (
    Condition(
        "silence",
        lambda medians: medians["real_rms_db"] - medians["rms_db"],
        TOO_QUIET_DB,
        "The voice is almost silent: far quieter than the recordings.",
        f"Stop. {BEGIN_AGAIN} with {SLOWER}; if it is silent from the first step, with another base voice.",
    ),
    Condition(
        "clipping",
        lambda medians: medians["clipped"],
        CLIPPED_SHARE,
        "The voice is so loud that its waves are cut off, which crackles.",
        f"Listen to the recordings of notebook 3: are they cut off too? If not, stop. {BEGIN_AGAIN} with {SLOWER}.",
    ),
    Condition(
        "discriminator",
        lambda medians: medians["real_score"] - medians["generated_score"],
        0.8,  # of targets that are 1 and 0; 0.26 to 0.37 in healthy training
        "The discriminator has won: it knows every made sound, so the decoder learns nothing from it.",
        "Stop, and go on with a discriminator_learning_rate of half the learning_rate.",
    ),
    Condition(
        "alignment",
        lambda medians: max(medians["diagonal"] / OFF_DIAGONAL, medians["longest"] / LONGEST_SHARE),
        1.0,
        "Text and sound do not run side by side: a letter takes most of the time.",
        "Look in notebook 2 whether the sentences belong to the recordings, and whether long silences are in them.",
    ),
    Condition(
        "skipped",
        lambda medians: medians["skipped"],
        0.4,  # fp16 searches for its loss scale at the start and may skip some of the first steps
        "Many steps are left out because their numbers are not finite.",
        f"Stop, and go on with {SLOWER}; if mixed_precision is fp16, go on with mixed_precision=no.",
    ),
)


class Monitor:
    """Follows the diagnostics of the steps. `active` holds the conditions that have begun and not ended."""

    def __init__(self) -> None:
        self._windows: dict[str, list[float]] = {}
        self.active: list[Condition] = []

    def update(self, diagnostics: Mapping[str, float], skipped: bool) -> list[tuple[Condition, bool]]:
        """Take in one step; returns the conditions that began (True) or ended (False) with it.

        diagnostics: see `vits.step.StepOutcome`; missing ones, as in a skipped step, change nothing.
        """
        for name, value in {**diagnostics, "skipped": float(skipped)}.items():
            if math.isfinite(value):
                self._windows[name] = [*self._windows.get(name, []), value][-WINDOW:]
        full = {name: values for name, values in self._windows.items() if len(values) == WINDOW}
        medians = {name: float(np.median(values)) for name, values in full.items()}
        medians["skipped"] = float(np.mean(full.get("skipped", [0.0])))  # zeros and ones: no useful median
        changes = []
        for condition in CONDITIONS:
            try:
                value = condition.value(medians)
            except KeyError:  # its window is not full yet
                continue
            if condition not in self.active and value > condition.limit:
                self.active.append(condition)
                changes.append((condition, True))
            elif condition in self.active and value < ENDS * condition.limit:
                self.active.remove(condition)
                changes.append((condition, False))
        return changes

    def state_dict(self) -> dict[str, Any]:
        return {"windows": self._windows, "active": [condition.name for condition in self.active]}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self._windows = {name: list(values) for name, values in state["windows"].items()}
        self.active = [condition for condition in CONDITIONS if condition.name in state["active"]]
