"""The test sentences for evaluations, and the baselines for speaker similarity."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from kurdtts_lib.core.cards import public_name
from kurdtts_lib.core.errors import CorpusError
from kurdtts_lib.core.settings import AudioSettings, Profile
from kurdtts_lib.data.dataset import Parts, read_parts, sampled
from kurdtts_lib.data.speakers import other_speakers
from kurdtts_lib.data.training_set import corpus_settings, is_sample, speakers_of
from kurdtts_lib.evaluation.metrics import Reference, load
from kurdtts_lib.evaluation.words import word_test

TEST_SENTENCES = 200
"""Largest number of test sentences: the 95 % interval of a mean is then about ± 1/7 of the standard deviation over the
sentences, and an evaluation takes minutes. All 3,500 of a corpus of 100 hours would take hours."""
SPEAKER_CLIPS = 200
"""Training clips that represent the speaker in the speaker distance: enough for stable statistics."""
OTHERS_CLIPS = 12
"""Clips that represent each other speaker."""


@dataclass(frozen=True)
class LikenessBaselines:
    """Speaker distances of real speech, without which the metric cannot be interpreted."""

    same_voice: float
    """The speaker's test recordings against the same speaker's training recordings."""
    other_voices: float | None
    """The nearest of at most four other speakers against the speaker's training recordings; None without others."""


@dataclass(frozen=True)
class HeldOut:
    """Test sentences: used neither for training nor for choosing a checkpoint."""

    texts: list[str]
    of: int
    """Number of test sentences in the data; `texts` are all of them, or a sample chosen by their hash."""
    reference: Reference
    baselines: LikenessBaselines
    data: str = ""
    """The corpus's name; empty if unknown."""
    machine_read: bool = False
    """Whether the recordings are those of the bundled sample, which are synthetic speech."""
    word_texts: list[str] = field(default_factory=list)
    """`texts`, and if they are few, further sentences that the voices speak only for `WORD_METRICS`."""
    speaker_texts: list[str] = field(default_factory=list)
    """The sentences of `reference.speaker`."""

    @property
    def size(self) -> str:
        """The number of sentences, and of how many, as text."""
        return counted(len(self.texts), self.of)


def counted(count: int, of: int) -> str:
    """See `HeldOut.size`."""
    return f"{count}" if count == of else f"{count} (chosen by their hash from {of})"


def held_out(profile: Profile, sentences: int = TEST_SENTENCES) -> HeldOut:
    """At most `sentences` of the test sentences of the profile's prepared data, chosen by their hash.

    Of several speakers only the first one's: the voice is evaluated as that speaker.
    Raises CorpusError if the data is not prepared, or has no test or no training clips.
    """
    settings = corpus_settings(profile.prepared_dir)
    parts = read_parts(profile.prepared_dir)
    first = speakers_of(profile.prepared_dir, parts.train)[:1]
    parts = Parts(*([clip for clip in part if clip.speaker in first] for part in parts))
    if not (parts.test and parts.train):
        raise CorpusError(
            f"No sentence is held out in {profile.prepared_dir}: it has {len(parts.train)} clips to learn from and "
            f"{len(parts.test)} to test, and both are needed to judge a voice. Prepare more clips, or with another "
            "held_out_share."
        )
    others = other_speakers(profile.prepared_dir, profile.audio, OTHERS_CLIPS).values()
    of = held_out_of(parts, profile.audio, sentences, [*others])
    return dataclasses.replace(of, data=public_name(settings.source), machine_read=is_sample(settings.source))


def held_out_of(
    parts: Parts, audio: AudioSettings, sentences: int, others: Sequence[Sequence[np.ndarray]] = ()
) -> HeldOut:
    """At most `sentences` of the test clips, all by one speaker. others: waveforms (samples,) of each other speaker."""
    test, speaker = sampled(parts.test, sentences), sampled(parts.train, SPEAKER_CLIPS)
    reference = Reference(load(test, audio), load(speaker, audio), audio)
    own, *other = (float(reference.speaker_distances(speech).mean()) for speech in (reference.recordings, *others))
    texts = [clip.text for clip in test]
    return HeldOut(
        texts=texts,
        word_texts=word_test(texts, [clip.text for part in parts for clip in part]),
        of=len(parts.test),
        reference=reference,
        baselines=LikenessBaselines(own, min(other, default=None)),
        speaker_texts=[clip.text for clip in speaker],
    )
