"""Applies the filters of `filters.py`: which clips are kept.

During preparation a clip is a dictionary, its record, with the columns of `Preparation.clips`. The filter that leaves
it out writes `reason` and `detail`; later filters skip it, so the first reason stands.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas
import scipy.stats

from kurdtts_lib.core.errors import TextError, TextReason
from kurdtts_lib.core.settings import CorpusSettings
from kurdtts_lib.data.dataset import alignment_sizes
from kurdtts_lib.data.filters import SOUND, VOTES, Reason
from kurdtts_lib.data.sources import SourceClip
from kurdtts_lib.text import normalize
from kurdtts_lib.text.normalization import SILENT_RULES

KEPT = "kept"
ClipRecord = dict[str, Any]
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


def filter_text(clip: SourceClip, settings: CorpusSettings, speaker: str) -> ClipRecord:
    """The record of a clip after the filters that need no audio: faults of the source, votes, text."""
    record: ClipRecord = {
        "number": clip.number,
        "name": clip.name,
        "speaker": speaker,
        "sentence": clip.sentence,
        "text": "",
        "reason": KEPT,
        "detail": "",
        "mended": "",
        "age": clip.age,
        "gender": clip.gender,
        "up_votes": clip.up_votes,
        "down_votes": clip.down_votes,
    }
    too_long = settings.max_seconds is not None and len(clip.sentence) > MAX_LETTERS_PER_SECOND * settings.max_seconds
    if too_long:
        record["sentence"] = clip.sentence[:100] + "…"  # such a text may be as long as a book
    if clip.fault:
        return record | {"reason": clip.fault, "detail": clip.name}
    if _apply_rules(record, VOTES, settings):
        return record
    if too_long:
        return record | {"reason": Reason.TEXT_TOO_LONG, "detail": f"{len(clip.sentence)} characters"}
    return record | _filter_sentence(clip.sentence, settings.leave_out_uncertain)


def _filter_sentence(sentence: str, leave_out_uncertain: bool) -> ClipRecord:
    """Normalised text, the normalisation rules that changed it, and the reason if a clip of it cannot be used."""
    try:
        normalized = normalize(sentence)
    except TextError as error:
        if error.reason is None:  # a faulty lexicon, not a fault of this sentence
            raise
        return {"reason": error.reason, "detail": error.characters or sentence}
    repairs = dict.fromkeys(change.rule for change in normalized.changes if change.rule not in SILENT_RULES)
    found: ClipRecord = {"text": normalized.text, "mended": "; ".join(repairs)}
    if leave_out_uncertain and (uncertain := normalized.uncertain()):
        found["reason"] = Reason.UNCERTAIN
        found["detail"] = "; ".join(f"{change.before} ({change.rule})" for change in uncertain)
    return found


def filter_audio(record: ClipRecord, settings: CorpusSettings, hop_length: int, sampling_rate: int) -> None:
    """Filter a preprocessed clip by the statistics in its record."""
    if _apply_rules(record, SOUND, settings):
        return
    positions, frames = alignment_sizes(record["text"], record["seconds"], sampling_rate, hop_length)
    if positions > frames:
        record |= {
            "reason": Reason.TEXT_LONGER_THAN_SOUND,
            "detail": f"{len(record['text'])} letters in {frames} frames",
        }


def _apply_rules(record: ClipRecord, rules: Iterable[Reason], settings: CorpusSettings) -> bool:
    """Compare the record with the thresholds of `rules`; write the first that is exceeded. True if one is."""
    for rule in rules:
        limit = getattr(settings, rule.setting)
        if rule.outside and limit is not None and rule.outside(record[rule.column], limit):
            record |= {"reason": rule, "detail": rule.detail.format(record[rule.column], limit)}
            return True
    return False


def filter_duplicate_audio(records: Iterable[ClipRecord]) -> None:
    """Of rows with identical audio keep the first: it can belong to one of the texts only, and which is unknown."""
    first: dict[str, int] = {}
    for record in kept(records):
        number = first.setdefault(record["digest"], record["number"])
        if number != record["number"]:
            record |= {"reason": Reason.SAME_SOUND, "detail": f"clip {number}"}


def filter_speaking_rate(records: Iterable[ClipRecord], settings: CorpusSettings) -> None:
    """Leave out clips whose letters per second are too far from their speaker's median.

    The unit is the median absolute deviation times 1.4826: for a normal distribution this is one standard deviation,
    so that 3 of them leave out 0.3 % of good clips (Leys et al. 2013, "Detecting outliers"). A clip within
    `RATE_TOLERANCE` of the median is kept even where the deviation is tiny.
    """
    by_speaker: dict[str, list[ClipRecord]] = defaultdict(list)
    for record in kept(records):
        record["letters_per_second"] = round(sum(map(str.isalpha, record["text"])) / record["seconds"], 3)
        by_speaker[record["speaker"]].append(record)
    if settings.pace_mads is None:
        return
    all_rates = [record["letters_per_second"] for group in by_speaker.values() for record in group]
    for group in by_speaker.values():
        own = [record["letters_per_second"] for record in group]
        rates = own if len(own) >= FEW_CLIPS else all_rates
        if len(rates) < FEW_CLIPS:
            continue
        median = float(np.median(rates))
        deviation = float(scipy.stats.median_abs_deviation(rates, scale="normal"))
        tolerance = max(settings.pace_mads * deviation, RATE_TOLERANCE * median)
        for record in group:
            if abs(record["letters_per_second"] - median) > tolerance:
                detail = f"{record['letters_per_second']:.1f} letters a second, usual {median:.1f} ± {tolerance:.1f}"
                record |= {"reason": Reason.PACE, "detail": detail}


def filter_cleanliness(records: Iterable[ClipRecord], settings: CorpusSettings) -> None:
    """Leave out clips whose `dnsmos`, already in the record, is below `min_dnsmos`."""
    for record in kept(records):
        _apply_rules(record, (Reason.NOT_CLEAN,), settings)


def filter_repeated_sentences(records: Iterable[ClipRecord]) -> None:
    """Of several clips of one sentence by one speaker keep the best: most votes, then quietest pauses."""
    readings: dict[tuple[str, str], list[ClipRecord]] = defaultdict(list)
    for record in kept(records):
        readings[record["speaker"], record["text"]].append(record)
    for clips in readings.values():
        best = max(clips, key=_quality)
        for record in clips:
            if record is not best:
                record |= {"reason": Reason.READ_BETTER, "detail": f"clip {best['number']}"}


def _quality(record: ClipRecord) -> tuple[float, float, int]:
    return record["up_votes"] - record["down_votes"], record["level_range_db"], -record["number"]


def kept(records: Iterable[ClipRecord]) -> list[ClipRecord]:
    return [record for record in records if record["reason"] == KEPT]


def reasons_table(clips: pandas.DataFrame) -> pandas.DataFrame:
    """One row per reason, `kept` first, then by count: clips, the setting of the filter, and its explanation."""
    counts = Counter(clips["reason"])
    ordered = sorted(counts, key=lambda reason: (reason != KEPT, -counts[reason], reason))
    rows = [(reason, counts[reason], *EXPLAINED[reason]) for reason in ordered]
    return pandas.DataFrame(rows, columns=["reason", "clips", "setting", "why"]).set_index("reason")
