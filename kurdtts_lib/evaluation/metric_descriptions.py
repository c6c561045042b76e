"""Descriptions of all metrics: what each is sensitive to, and what it is invariant to."""

from collections.abc import Iterable
from dataclasses import dataclass

import pandas


@dataclass(frozen=True)
class MetricDescription:
    """A metric in words; `hears`: what it is sensitive to, `deaf`: what it is invariant to."""

    title: str
    best: str
    """Which value is good."""
    hears: str
    deaf: str


_COPY = "Means something only for a copy, not for speech made from text."

METRIC_DESCRIPTIONS = {
    "mel_cepstral_distance": MetricDescription(
        "mel cepstral distance, dB",
        "less is nearer",
        "Which sounds are said, and by what kind of mouth.",
        "Deaf to pitch, loudness and pace.",
    ),
    "mel_distance": MetricDescription(
        "mel distance, nepers",
        "less is nearer",
        "Everything that one sees in a spectrogram: sounds, loudness, noise.",
        "Deaf to pace, and to whether a difference disturbs anybody.",
    ),
    "pitch_error": MetricDescription(
        "pitch error, cents",
        "less is nearer",
        "How far the melody lies from the recording's, where both have a pitch; 100 cents are a semitone.",
        "Deaf to sounds and pace; another melody may be as right, and a slip by an octave counts 1200.",
    ),
    "voicing_error": MetricDescription(
        "voicing error, share of frames",
        "less is nearer",
        "Where the voice hums and the recording whispers, or the other way.",
        "Deaf to how high it hums, and to which sound it whispers.",
    ),
    "duration_ratio": MetricDescription(
        "duration ratio",
        "1 is the recording's pace",
        "Whether the whole sentence is as long as the recording.",
        "Deaf to rhythm: one word too fast and one too slow cancel out.",
    ),
    "loudness_difference_db": MetricDescription(
        "loudness difference, dB",
        "0 is as loud as the recording",
        "Whether the voice fell silent or shouts.",
        "Deaf to all else, and to how ears weigh high and low sounds.",
    ),
    "speaker_distance": MetricDescription(
        "speaker distance",
        "less is more alike",
        "How unlike the mouth is to the speaker's, whatever is said; read it beside its two baselines.",
        "Deaf to pitch, melody and single words.",
    ),
    "pitch": MetricDescription(
        "pitch, Hz",
        "the recordings decide",
        "How high the voice is: the middle of each sentence's pitch.",
        "Deaf to the melody.",
    ),
    "silence_share": MetricDescription(
        "silence, share of the time",
        "the recordings decide",
        "How much of the sound is silence: long pauses, or a voice that stops.",
        "Deaf to where the silence is, and to noise, which it takes for speech.",
    ),
    "clipped_share": MetricDescription(
        "clipped, share of the samples",
        "0 is clean",
        "Waves that are cut off because they are too loud.",
        "Deaf to every other kind of noise.",
    ),
    "dnsmos": MetricDescription(
        "predicted cleanliness (DNSMOS), 1 to 5",
        "more is cleaner",
        "A program's guess how free of noise and echo it sounds.",
        "Deaf to wrong words and to lifeless reading; no listener was asked, so it is no opinion score.",
    ),
    "distillmos": MetricDescription(
        "predicted naturalness (distillmos), 1 to 5",
        "more is more natural",
        "A program's guess how natural it sounds, learned from listeners of other languages.",
        "Deaf to wrong words; no listener was asked, so it is no opinion score.",
    ),
    "character_error_rate": MetricDescription(
        "character error rate",
        "less is better understood",
        "Whether a recogniser writes down what was to be said; 1 is nothing right.",
        "Deaf to beauty, and the recogniser errs itself: its rate on the recordings is what a voice can reach.",
    ),
    "copy_mel_distance": MetricDescription(
        "copy: mel distance, nepers",
        "less is nearer",
        "What the voice's decoder loses when it is given a real recording to copy: the best it could sound.",
        "Deaf to reading, melody and pace, which come from the recording here.",
    ),
    "copy_stoi": MetricDescription(
        "copy: STOI, 0 to 1",
        "more is clearer",
        "Whether a copy of a recording can still be understood. " + _COPY,
        "Deaf to whose voice it is, and to a hiss or hum that hides no word.",
    ),
}
"""By the metric names used in tables and files."""


def metric_table(names: Iterable[str]) -> pandas.DataFrame:
    """One row per metric: title, which value is good, what it is sensitive and what it is invariant to."""
    rows = [vars(METRIC_DESCRIPTIONS[name]) for name in names]
    table = pandas.DataFrame(rows, columns=["title", "best", "hears", "deaf"])
    return table.set_axis(["figure", "best", "hears", "deaf to"], axis=1).set_index("figure")
