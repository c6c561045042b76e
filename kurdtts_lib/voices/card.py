"""The card of a voice, `voice.json`: where it comes from, what it may be used for, and how good it is."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

MetricValues = Mapping[str, Any]


@dataclass(frozen=True)
class VoiceCard:
    """What is None is not known, or does not apply to this kind of voice. Every field may be missing in the file."""

    name: str = ""
    version: int | None = None
    """Its number in the registry that made it."""
    profile: str | None = None
    """`Profile.key` of its training."""
    base_voice: str | None = None
    """The public name of the voice at the beginning of its line."""
    parent: int | None = None
    """The voice that it was trained from, by its number in the registry; None if that is not of the registry."""
    licence: str | None = None
    data: str | None = None
    """What it learned from, in words."""
    speakers: list[str] = field(default_factory=list)
    """Of a voice with several; `before` and `after` are those of the first."""
    date: str | None = None
    """ISO 8601."""
    kurdtts: str | None = None
    """The version of this library."""
    faults: list[str] = field(default_factory=list)
    """Why it may not become the current voice, each a sentence."""
    steps: int | None = None
    """The step that was chosen, of `steps_trained`."""
    steps_trained: int | None = None
    training_seconds: float = 0
    settings: Mapping[str, Any] = field(default_factory=dict)
    """`TrainingSettings`, by name."""

    training_clips: int | None = None
    validation_clips: int | None = None
    test_clips: int | None = None
    test_clips_of: int | None = None
    """Test sentences of the data, of which `test_clips` were measured."""
    before: MetricValues | None = None
    """Mean metrics of the base voice on the test sentences; this and the next three after a fine-tuning only."""
    after: MetricValues | None = None
    differences: Mapping[str, MetricValues] | None = None
    """`Estimate` of each paired difference, by metric."""
    likeness_baselines: MetricValues | None = None

    opinion: MetricValues | None = None
    """What listeners said in a blind test: see `results.opinion`."""

    corrections: list[str] = field(default_factory=list)
    """Ids of the corrections that it learned from; this and the following after a training on corrections only."""
    corrections_read_at: str = ""
    corrections_left_out: Mapping[str, str] = field(default_factory=dict)
    """Why, by id."""
    rehearsal: bool = False
    """Whether its parent's speech stood for ordinary recordings, because there were none."""
    learned: MetricValues | None = None
    """`MetricChange` on the corrections that it learned from, on those held out, and on ordinary sentences."""
    held_out: MetricValues | None = None
    elsewhere: MetricValues | None = None

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> "VoiceCard":
        """A card from the content of `voice.json`; what other versions and other programs wrote beside is left out."""
        names = {one.name for one in dataclasses.fields(cls)}
        return cls(**{name: value for name, value in values.items() if name in names})

    def content(self) -> dict[str, Any]:
        """The content of `voice.json`, without what is not known or does not apply."""
        always = ("faults", "parent")
        return {name: value for name, value in vars(self).items() if name in always or value not in (None, "", [], {})}


def opinion_sentence(opinion: MetricValues) -> str:
    return (
        "Mean opinion score (MOS): {mos:.2f} ({low:.2f} to {high:.2f}, 95 % interval) by {listeners} listeners, "
        "without {left_out} who failed or did not reach the hidden anchors; {sentences} sentences, {date}."
    ).format(**opinion)
