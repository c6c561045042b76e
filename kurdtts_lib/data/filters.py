"""Which clips stay: each rule by itself.

A clip on its way is a dictionary, its *fate*: the columns of `Preparation.clips`. Whatever leaves it out writes
`reason` and `detail`; the first rule that does so has the word.
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
from kurdtts_lib.data.reasons import SOUND, VOTES, Reason
from kurdtts_lib.data.sources import SourceClip
from kurdtts_lib.text import normalize
from kurdtts_lib.text.normalization import SILENT_RULES

KEPT = "kept"
ClipRecord = dict[str, Any]
LETTERS_PER_SECOND = 40
"""Nobody reads faster; a longer text is not looked at."""
FEW_CLIPS = 20
"""A speaker with fewer clips has no pace of their own to compare with: that of all clips stands in."""
NEAR_ENOUGH = 0.1
"""Of the median pace: a tenth faster or slower is nobody's fault."""
EXPLAINED: dict[str, tuple[str, str]] = {
    KEPT: ("", "In the training set."),
    **{reason: ("", reason.explanation) for reason in TextReason},
    **{reason: (reason.setting, reason.explanation) for reason in Reason},
}
"""Of everything that a clip's `reason` can be: the setting that moves the rule, and why there is one."""


def filter_text(clip: SourceClip, settings: CorpusSettings, speaker: str) -> ClipRecord:
    """Everything that can be said of a clip without its sound."""
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
    too_long = settings.max_seconds is not None and len(clip.sentence) > LETTERS_PER_SECOND * settings.max_seconds
    if too_long:
        record["sentence"] = clip.sentence[:100] + "…"  # such a text may have the size of a book
    if clip.fault:
        return record | {"reason": clip.fault, "detail": clip.name}
    if _judge_figures(record, VOTES, settings):
        return record
    if too_long:
        return record | {"reason": Reason.TEXT_TOO_LONG, "detail": f"{len(clip.sentence)} characters"}
    return record | _judge_sentence(clip.sentence, settings.leave_out_uncertain)


def _judge_sentence(sentence: str, leave_out_uncertain: bool) -> ClipRecord:
    """Its spoken form, the rules that mended it, and whether a recording of it can be trained on."""
    try:
        normalized = normalize(sentence)
    except TextError as error:
        if error.reason is None:  # a faulty lexicon, not a fault of this sentence
            raise
        return {"reason": error.reason, "detail": error.characters or sentence}
    repairs = dict.fromkeys(change.rule for change in normalized.changes if change.rule not in SILENT_RULES)
    judged: ClipRecord = {"text": normalized.text, "mended": "; ".join(repairs)}
    if leave_out_uncertain and (uncertain := normalized.uncertain()):
        judged["reason"] = Reason.UNCERTAIN
        judged["detail"] = "; ".join(f"{change.before} ({change.rule})" for change in uncertain)
    return judged


def filter_audio(record: ClipRecord, settings: CorpusSettings, hop_length: int, sampling_rate: int) -> None:
    """Judge a treated clip by its figures, which stand in its fate."""
    if _judge_figures(record, SOUND, settings):
        return
    positions, frames = alignment_sizes(record["text"], record["seconds"], sampling_rate, hop_length)
    if positions > frames:
        record |= {
            "reason": Reason.TEXT_LONGER_THAN_SOUND,
            "detail": f"{len(record['text'])} letters in {frames} frames",
        }


def _judge_figures(record: ClipRecord, rules: Iterable[Reason], settings: CorpusSettings) -> bool:
    """Whether one of the rules on figures leaves the clip out; the first that does is written into its fate."""
    for rule in rules:
        limit = getattr(settings, rule.setting)
        if rule.outside and limit is not None and rule.outside(record[rule.column], limit):
            record |= {"reason": rule, "detail": rule.detail.format(record[rule.column], limit)}
            return True
    return False


def filter_duplicate_audio(records: Iterable[ClipRecord]) -> None:
    """One recording under two rows is right for one at most, and nobody knows which: the first stays."""
    first: dict[str, int] = {}
    for record in kept(records):
        number = first.setdefault(record["digest"], record["number"])
        if number != record["number"]:
            record |= {"reason": Reason.SAME_SOUND, "detail": f"clip {number}"}


def filter_speaking_rate(records: Iterable[ClipRecord], settings: CorpusSettings) -> None:
    """Leave out clips whose letters per second lie too far from their speaker's median.

    The unit is the median absolute deviation times 1.4826: for a normal distribution this is one standard deviation,
    so that 3 of them leave out 0.3 % of good clips (Leys et al. 2013, "Detecting outliers"). What is within
    `NEAR_ENOUGH` of the median stays, however alike the others are.
    """
    by_speaker: dict[str, list[ClipRecord]] = defaultdict(list)
    for record in kept(records):
        record["letters_per_second"] = round(sum(map(str.isalpha, record["text"])) / record["seconds"], 3)
        by_speaker[record["speaker"]].append(record)
    if settings.pace_mads is None:
        return
    everybody = [record["letters_per_second"] for group in by_speaker.values() for record in group]
    for group in by_speaker.values():
        own = [record["letters_per_second"] for record in group]
        paces = own if len(own) >= FEW_CLIPS else everybody
        if len(paces) < FEW_CLIPS:
            continue
        middle = float(np.median(paces))
        deviation = float(scipy.stats.median_abs_deviation(paces, scale="normal"))
        reach = max(settings.pace_mads * deviation, NEAR_ENOUGH * middle)
        for record in group:
            if abs(record["letters_per_second"] - middle) > reach:
                detail = f"{record['letters_per_second']:.1f} letters a second, usual {middle:.1f} ± {reach:.1f}"
                record |= {"reason": Reason.PACE, "detail": detail}


def filter_cleanliness(records: Iterable[ClipRecord], settings: CorpusSettings) -> None:
    """Leave out clips that DNSMOS finds too unclean; their score stands in their fate."""
    for record in kept(records):
        _judge_figures(record, (Reason.NOT_CLEAN,), settings)


def filter_repeated_sentences(records: Iterable[ClipRecord]) -> None:
    """Of several clips of one sentence by one speaker the best stays: most votes, then the quietest pauses."""
    readings: dict[tuple[str, str], list[ClipRecord]] = defaultdict(list)
    for record in kept(records):
        readings[record["speaker"], record["text"]].append(record)
    for clips in readings.values():
        best = max(clips, key=_goodness)
        for record in clips:
            if record is not best:
                record |= {"reason": Reason.READ_BETTER, "detail": f"clip {best['number']}"}


def _goodness(record: ClipRecord) -> tuple[float, float, int]:
    return record["up_votes"] - record["down_votes"], record["level_range_db"], -record["number"]


def kept(records: Iterable[ClipRecord]) -> list[ClipRecord]:
    return [record for record in records if record["reason"] == KEPT]


def reasons_table(clips: pandas.DataFrame) -> pandas.DataFrame:
    """One row a reason, `kept` first, then most clips first: clips, the setting that moves the rule, and why it is."""
    counts = Counter(clips["reason"])
    ordered = sorted(counts, key=lambda reason: (reason != KEPT, -counts[reason], reason))
    rows = [(reason, counts[reason], *EXPLAINED[reason]) for reason in ordered]
    return pandas.DataFrame(rows, columns=["reason", "clips", "setting", "why"]).set_index("reason")
