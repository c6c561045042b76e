"""The limits of a voice: one that breaks any of them does not become the current voice without being asked for."""

import math
from collections.abc import Iterator

import pandas
import scipy.stats

from kurdtts_lib.evaluation.confidence import FEWEST, LEVEL
from kurdtts_lib.evaluation.evaluate import RECORDING, Evaluation
from kurdtts_lib.vits.monitor import CLIPPED_SHARE, TOO_QUIET_DB

MUCH_WORSE = 1.15
"""Highest allowed ratio of a voice's mel distance to its base voice's; above it, no improvement is audible."""
HALF_OCTAVE = 0.5
SEMITONE = 1 / 12
"""Octaves."""
VOICING_ERROR = 0.4
"""Share of frames voiced in only one of speech and recording: 0.02 for the reader of the sample reading a sentence once
more, 0.36 for the small base voice, which is another reader's and hums."""
MORE_SILENCE = 0.3
"""Share of the time, above that of the recordings."""
LESS_FIRST = 0.1
"""Share of sentences whose right text came first with the base voice, and no longer does."""


def limits_broken(evaluation: Evaluation, voice: str, allowed: float | None = None) -> list[str]:
    """Why a voice counts as worse than the first one of the evaluation, its base: each reason a sentence.

    voice: any but the first. allowed: its highest mel distance, in nepers; None: `MUCH_WORSE` times its base's.
    """
    return [
        *_level_and_distance(evaluation, voice, allowed),
        *_words(evaluation, voice),
        *_pitch_and_silence(evaluation, voice),
    ]


def _level_and_distance(evaluation: Evaluation, voice: str, allowed: float | None) -> Iterator[str]:
    own, base = evaluation.values[voice], evaluation.values[evaluation.voices[0]]
    quieter, clipped = -own["loudness_difference_db"].mean(), own["clipped_share"].mean()
    before, after = base["mel_distance"].mean(), own["mel_distance"].mean()
    allowed = MUCH_WORSE * before if allowed is None else allowed
    if quieter > TOO_QUIET_DB:
        yield f"It is almost silent: {quieter:.0f} dB quieter than the recordings."
    if clipped > CLIPPED_SHARE:
        yield f"It is too loud: {clipped:.1%} of its waves are cut off."
    if after > allowed:
        yield (
            f"It is worse than the voice it came from: on {own['mel_distance'].count()} ordinary sentences its mel "
            f"distance rose from {before:.2f} to {after:.2f}; {allowed:.2f} is allowed."
        )


def _words(evaluation: Evaluation, voice: str) -> Iterator[str]:
    own, base, recordings = (evaluation.values[name] for name in (voice, evaluation.voices[0], RECORDING))
    if "words_margin" not in own:
        return
    change = evaluation.differences[voice]["words_margin"]
    # The listener knows the base's mouth best: of other speakers it understands their own recordings less well, too.
    # Those are recordings of other sentences, so the means are compared, not pairs.
    if change.high is not None and change.high < 0 and _below(own["words_margin"], recordings["words_margin"]):
        margins = (evaluation.estimates[name]["words_margin"] for name in (voice, evaluation.voices[0], RECORDING))
        yield (
            "Its words are less well understood than its base's and than the speaker's: the margin of the right text "
            "is {}, the base's {}, the recordings' {}."
        ).format(*margins)
    elif (first := own["words_first"].mean()) < (before := base["words_first"].mean()) - LESS_FIRST:
        yield f"Its words are less well understood: {first:.0%} of its texts come first, {before:.0%} of its base's."


def _below(first: pandas.Series, second: pandas.Series) -> bool:
    """Whether the first mean is below the second (Welch's test, one-sided, at the level of the intervals)."""
    if min(first.count(), second.count()) < FEWEST:
        return False
    found = scipy.stats.ttest_ind(first, second, equal_var=False, nan_policy="omit", alternative="less")
    return bool(found.pvalue < (1 - LEVEL) / 2)


def _pitch_and_silence(evaluation: Evaluation, voice: str) -> Iterator[str]:
    audio = evaluation.held_out.reference.audio
    values, recordings = evaluation.values[voice], evaluation.values[RECORDING]
    own, wanted = values["pitch"].median(), recordings["pitch"].median()
    frames = audio.sampling_rate / audio.hop_length
    away = abs(math.log2(own / wanted))  # NaN where nothing is voiced
    if math.isnan(own) and not math.isnan(wanted):
        yield "It has no pitch: nothing in its speech is voiced."
    elif abs(math.log2(own / frames)) < SEMITONE / 2 and away > SEMITONE:
        yield f"It hums at {own:.1f} Hz, the rate of the model's frames; the recordings' pitch is {wanted:.0f} Hz."
    elif away > HALF_OCTAVE:
        yield f"Its pitch, {own:.0f} Hz, is more than half an octave from the recordings', {wanted:.0f} Hz."
    if (error := values["voicing_error"].mean()) > VOICING_ERROR:
        yield f"It hums where the recordings whisper, or the other way, in {error:.0%} of the frames."
    silence, usual = values["silence_share"].mean(), recordings["silence_share"].mean()
    if silence > usual + MORE_SILENCE:
        yield f"{silence:.0%} of its speech is silence; of the recordings {usual:.0%}."
