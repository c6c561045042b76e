"""The result of a training on corrections, and the README of its voice."""

import dataclasses
from dataclasses import dataclass

from kurdtts_lib.core.cards import render
from kurdtts_lib.voices.registry import RegisteredVoice


@dataclass(frozen=True)
class MetricChange:
    """Mean mel distance (nepers) between speech and recordings of some sentences, before and after."""

    sentences: int
    before: float
    after: float


@dataclass(frozen=True)
class FeedbackResult:
    """The result of a training on corrections."""

    entry: RegisteredVoice
    """The new voice; without a better step, the one that the training started from."""
    better: bool
    """Whether a step was nearer to the held-out corrections than the voice it started from. If not, no voice is
    published, no correction is marked as used, and `before` equals `after`."""
    learned: MetricChange
    """On corrections that it was trained on."""
    held_out: MetricChange | None
    """On held-out corrections, which chose the step. None if there was only one correction."""
    elsewhere: MetricChange
    """On ordinary sentences, which must not get worse."""

    @property
    def message(self) -> str:
        """The result in a sentence."""
        version = self.entry.version
        if not self.better:
            return (
                f"Nothing better was found: no step came nearer to the held-out corrections than voice {version}, so "
                "it stays the current voice, and the corrections stay as they were. More corrections may help."
            )
        if self.entry.faults:
            return f"Voice {version} was made and did not become the current voice: {' '.join(self.entry.faults)}"
        return f"Voice {version} was made and is the current voice now."

    def voice_facts(self, left_out: dict[str, str]) -> dict | None:
        """The new voice as data for other programs. left_out: why, by correction. None if no voice was published."""
        if not self.better:
            return None
        changes = {name: getattr(self, name) for name in ("learned", "held_out", "elsewhere")}
        return {
            "version": self.entry.version,
            "voice": self.entry.folder.name,
            "faults": self.entry.faults,
            **{name: dataclasses.asdict(change) if change else None for name, change in changes.items()},
            "left_out": left_out,
        }


def readme(card: dict) -> str:
    """The README of a voice that learned from corrections, from its card."""
    return render("feedback/voice.md", card=card)
