"""Applies the filters of `filters.py`: which clips are kept. The first filter that leaves a clip out is its reason."""

from collections import Counter, defaultdict
from collections.abc import Iterable

import numpy as np
import pandas
import scipy.stats

from kurdtts_lib.core.errors import TextError, TextReason
from kurdtts_lib.core.settings import CorpusSettings
from kurdtts_lib.data.dataset import KEPT, Clip, alignment_sizes, kept
from kurdtts_lib.data.filters import SOUND, VOTES, Reason
from kurdtts_lib.text import normalize, without_marks
from kurdtts_lib.text.changes import SILENT_RULES

MAX_LETTERS_PER_SECOND = 40
"""Faster than any reading: a longer text is not normalised."""
FEW_CLIPS = 20
"""Too few clips for a median speaking rate of the speaker's own: the median of all clips is used instead."""
RATE_TOLERANCE = 0.1
"""Share of the median speaking rate that a clip may always deviate by."""
EXPLAINED: dict[str, tuple[str, str]] = {
    KEPT: ("", "In the training set."),
    **{reason: ("", reason.explanation) for reason in TextReason},
    **{reason: (reason.setting, reason.explanation) for reason in Reason},
}
"""All values of a clip's `reason`, with the setting of the filter and its explanation."""


def apply_rules(clips: Iterable[Clip], rules: Iterable[Reason], settings: CorpusSettings) -> None:
    """Leave out each kept clip that one of the `rules` applies to: its column compared with its setting."""
    limits = [(rule, getattr(settings, rule.setting)) for rule in rules]
    for clip in kept(clips):
        for rule, limit in limits:
            value = getattr(clip, rule.column)
            if limit is not None and rule.outside(value, limit):
                clip.leave_out(rule, rule.detail.format(value, limit))
                break


def filter_text(clip: Clip, settings: CorpusSettings) -> None:
    """The filters that need no audio: faults of the source, votes, text."""
    characters = len(clip.sentence)
    too_long = settings.max_seconds is not None and characters > MAX_LETTERS_PER_SECOND * settings.max_seconds
    if too_long:
        clip.sentence = clip.sentence[:100] + "…"  # such a text may be as long as a book
    apply_rules([clip], VOTES, settings)
    if clip.reason == KEPT and too_long:
        clip.leave_out(Reason.TEXT_TOO_LONG, f"{characters} characters")
    elif clip.reason == KEPT:
        _normalise(clip, settings.leave_out_uncertain)


def _normalise(clip: Clip, leave_out_uncertain: bool) -> None:
    """Set the normalised text and the rules that changed it, or the reason if a clip of it cannot be used."""
    try:
        normalized = normalize(clip.sentence, marks=True)
    except TextError as error:
        if error.reason is None:  # a faulty lexicon, not a fault of this sentence
            raise
        clip.leave_out(error.reason, error.characters or clip.sentence)
        return
    clip.text = normalized.text
    rules = dict.fromkeys(one.rule for one in normalized.changes if one.rule not in SILENT_RULES)
    clip.mended = "; ".join([*(["Unicode form"] if normalized.written != clip.sentence else []), *rules])
    if leave_out_uncertain and (uncertain := normalized.uncertain()):
        clip.leave_out(Reason.UNCERTAIN, "; ".join(f"{change.before} ({change.rule})" for change in uncertain))


def filter_audio(clips: Iterable[Clip], settings: CorpusSettings, hop_length: int, sampling_rate: int) -> None:
    """Filter preprocessed clips by their statistics."""
    clips = kept(clips)
    apply_rules(clips, SOUND, settings)
    for clip in kept(clips):
        positions, frames = alignment_sizes(clip.text, clip.seconds, sampling_rate, hop_length)
        if positions > frames:
            clip.leave_out(Reason.TEXT_LONGER_THAN_SOUND, f"{len(clip.text)} letters in {frames} frames")


def filter_duplicate_audio(clips: Iterable[Clip]) -> None:
    """Of clips with identical audio keep the first: it can belong to one of the texts only, and which is unknown."""
    first: dict[str, int] = {}
    for clip in kept(clips):
        number = first.setdefault(clip.digest, clip.number)
        if number != clip.number:
            clip.leave_out(Reason.SAME_SOUND, f"clip {number}")


def filter_speaking_rate(clips: Iterable[Clip], settings: CorpusSettings) -> None:
    """Leave out clips whose letters per second are too far from their speaker's median.

    The unit is the median absolute deviation times 1.4826: for a normal distribution this is one standard deviation,
    so that 3 of them leave out 0.3 % of good clips (Leys et al. 2013, "Detecting outliers"). A clip within
    `RATE_TOLERANCE` of the median is kept even where the deviation is tiny.
    """
    by_speaker: dict[str, list[Clip]] = defaultdict(list)
    for clip in kept(clips):
        clip.letters_per_second = round(sum(map(str.isalpha, clip.text)) / clip.seconds, 3)
        by_speaker[clip.speaker].append(clip)
    if settings.pace_mads is None:
        return
    all_rates = [clip.letters_per_second for group in by_speaker.values() for clip in group]
    for group in by_speaker.values():
        own = [clip.letters_per_second for clip in group]
        rates = own if len(own) >= FEW_CLIPS else all_rates
        if len(rates) < FEW_CLIPS:
            continue
        median = float(np.median(rates))
        deviation = float(scipy.stats.median_abs_deviation(rates, scale="normal"))
        tolerance = max(settings.pace_mads * deviation, RATE_TOLERANCE * median)
        for clip in group:
            if abs(clip.letters_per_second - median) > tolerance:
                usual = f"usual {median:.1f} ± {tolerance:.1f}"
                clip.leave_out(Reason.PACE, f"{clip.letters_per_second:.1f} letters a second, {usual}")


def filter_repeated_sentences(clips: Iterable[Clip]) -> None:
    """Of several clips of one sentence by one speaker keep the best: most votes, then quietest pauses."""
    best: dict[tuple[str, str], Clip] = {}
    clips = sorted(kept(clips), key=lambda clip: (clip.down_votes - clip.up_votes, -clip.level_range_db, clip.number))
    for clip in clips:
        better = best.setdefault((clip.speaker, without_marks(clip.text)), clip)
        if better is not clip:
            clip.leave_out(Reason.READ_BETTER, f"clip {better.number}")


def reasons_table(clips: pandas.DataFrame) -> pandas.DataFrame:
    """One row per reason, `kept` first, then by count: clips, the setting of the filter, and its explanation."""
    counts = Counter(clips["reason"])
    ordered = sorted(counts, key=lambda reason: (reason != KEPT, -counts[reason], reason))
    rows = [(reason, counts[reason], *EXPLAINED[reason]) for reason in ordered]
    return pandas.DataFrame(rows, columns=["reason", "clips", "setting", "why"]).set_index("reason")
