"""The sentences that voices are judged on, and what their figures must be compared with."""

from dataclasses import dataclass

import numpy as np

from kurdtts_lib.audio import distances
from kurdtts_lib.core.cards import public_name
from kurdtts_lib.core.errors import CorpusError
from kurdtts_lib.core.settings import Profile
from kurdtts_lib.data.dataset import read_metadata, sampled, split
from kurdtts_lib.data.other_speakers import other_speakers
from kurdtts_lib.data.training_set import corpus_settings, is_sample
from kurdtts_lib.evaluation.metrics import Reference, load

TEST_SENTENCES = 200
"""Sentences that voices are judged on, where the data has more: the mean is then certain to a seventh of what single
sentences differ by, and it takes minutes. All 3,500 of a corpus of 100 hours would take hours."""
SPEAKER_CLIPS = 200
"""Training clips that stand for the speaker when voices are compared: enough for stable statistics."""
OTHERS_CLIPS = 12
"""Clips that stand for each other speaker."""


@dataclass(frozen=True)
class LikenessBaselines:
    """What the speaker distance is for real speech: without these the figure means nothing."""

    same_voice: float
    """The speaker's test recordings against the speaker's training recordings."""
    other_voices: float | None
    """The nearest of at most four other speakers of the corpus, against the same; None if there is none."""


@dataclass(frozen=True)
class HeldOut:
    """Test sentences: no voice learned from them, and they chose nothing."""

    texts: list[str]
    of: int
    """How many test sentences the data has; `texts` are all of them, or some chosen by their hash."""
    reference: Reference
    baselines: LikenessBaselines
    data: str
    """The corpus's name."""
    machine_read: bool
    """The recordings are the bundled sample's, which a program read."""

    @property
    def size(self) -> str:
        """How many sentences of how many, for a sentence."""
        return counted(len(self.texts), self.of)


def counted(judged: int, of: int) -> str:
    """See `HeldOut.size`."""
    return f"{judged}" if judged == of else f"{judged} (chosen by their hash from {of})"


def held_out(profile: Profile, sentences: int = TEST_SENTENCES) -> HeldOut:
    """At most `sentences` of the test sentences of the profile's prepared data, chosen by their hash.

    Raises CorpusError if the data is not prepared, or if it has no test sentence or nothing to learn from.
    """
    settings = corpus_settings(profile.prepared_dir)
    parts = split(read_metadata(profile.prepared_dir), settings.held_out_share)
    if not (parts.test and parts.train):
        raise CorpusError(
            f"No sentence is held out in {profile.prepared_dir}: it has {len(parts.train)} clips to learn from and "
            f"{len(parts.test)} to test, and both are needed to judge a voice. Prepare more clips, or with another "
            "held_out_share."
        )
    test, audio = sampled(parts.test, sentences), profile.audio
    reference = Reference(load(test, audio), load(sampled(parts.train, SPEAKER_CLIPS), audio), audio)
    return HeldOut(
        texts=[clip.text for clip in test],
        of=len(parts.test),
        reference=reference,
        baselines=likeness_baselines(profile, reference),
        data=public_name(settings.source),
        machine_read=is_sample(settings.source),
    )


def likeness_baselines(profile: Profile, reference: Reference) -> LikenessBaselines:
    """The test recordings, and other speakers, each against the speaker's training clips."""

    def distance(speech: list[np.ndarray]) -> float:
        return float(distances.speaker_distances(reference.speaker, speech, reference.audio).mean())

    others = other_speakers(profile.prepared_dir, profile.audio, OTHERS_CLIPS)
    return LikenessBaselines(distance(list(reference.recordings)), min(map(distance, others.values()), default=None))
