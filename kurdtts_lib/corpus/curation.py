"""Which clips stay: each rule by itself, with its reason, the setting that moves it, and why it is there.

A clip on its way is a dictionary, its *fate*: the columns of `Preparation.clips`. Whatever leaves it out writes
`reason` and `detail`; the first rule that does so has the word.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import numpy as np
import pandas
import scipy.stats

from kurdtts_lib.corpus.clips import alignment_sizes
from kurdtts_lib.corpus.sources import SourceClip
from kurdtts_lib.errors import TextError
from kurdtts_lib.settings import CorpusSettings
from kurdtts_lib.text import normalize
from kurdtts_lib.text.normalization import SILENT_RULES

KEPT = "kept"
Fate = dict[str, Any]
LETTERS_PER_SECOND = 40
"""Nobody reads faster; a longer text is not looked at."""
FEW_CLIPS = 20
"""A speaker with fewer clips has no pace of their own to compare with: that of all clips stands in."""
NEAR_ENOUGH = 0.1
"""Of the median pace: a tenth faster or slower is nobody's fault."""


class Rule(NamedTuple):
    """Why a clip may be left out."""

    reason: str
    setting: str
    """Of `CorpusSettings`; empty where nothing can be chosen, because there is no clip without it."""
    explanation: str


RULES = (
    Rule("voted down", "max_down_votes", "Listeners said that the sentence is not read as it is written."),
    Rule("too few votes", "min_up_votes", "Too few listeners have checked it."),
    Rule("nothing to say", "", "The sentence has no word."),
    Rule("letter without a reading", "", "A letter of a script that this course does not read."),
    Rule("character without a reading", "", "A sign that nobody says in one way."),
    Rule("number without a reading", "", "A number that cannot be said, or in no one way."),
    Rule("date that does not exist", "", "Nobody knows what the reader made of it."),
    Rule("address", "", "A web or mail address: readers spell or say it as they like."),
    Rule("word without a vowel", "", "It cannot be said as it is written."),
    Rule("text too long", "max_seconds", "Nobody can read so much in the longest clip that is allowed."),
    Rule("uncertain reading", "leave_out_uncertain", "People read it differently; nobody knows what this one said."),
    Rule("another speaker", "speaker", "Not a speaker of this voice."),
    Rule("cannot be read", "", "The file is missing, or the system does not give it."),
    Rule("cannot be decoded", "", "The file is damaged, or of a kind that cannot be decoded."),
    Rule("cut off", "", "The file ends before the length that it states: it did not arrive whole."),
    Rule("empty", "", "The file holds no sound at all."),
    Rule("far too long", "", "A recording of many minutes is no sentence; it is not decoded."),
    Rule("same sound as another clip", "", "The same recording stands for two sentences; only the first can be right."),
    Rule("silent", "silence_db", "No voice: even the loudest moment is silence or hiss."),
    Rule(
        "clipped",
        "max_clipped_share",
        "Recorded too loud: the waves are cut off, and a voice would learn the crackle.",
    ),
    Rule("mostly noise", "min_level_range_db", "As loud between the words as in them: noise, a hum or music."),
    Rule("too short", "min_seconds", "After trimming there is hardly a word."),
    Rule("too long", "max_seconds", "It would fill the memory of the graphics card."),
    Rule("text too long for its sound", "", "More letters than moments of sound: it was cut, or the text is wrong."),
    Rule("pace too far from the usual", "pace_mads", "Words are missing in the sound or in the text."),
    Rule("not clean enough", "min_dnsmos", "DNSMOS, a program that guesses how clean speech sounds, gives it little."),
    Rule(
        "sentence read better in another clip", "one_clip_per_sentence", "The same speaker read it again, and better."
    ),
)
"""The faults of a source have reasons of their own."""


def judge_text(clip: SourceClip, settings: CorpusSettings, speaker: str) -> Fate:
    """Everything that can be said of a clip without its sound."""
    fate: Fate = {
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
        fate["sentence"] = clip.sentence[:100] + "…"  # such a text may have the size of a book
    if clip.fault:
        return fate | {"reason": clip.fault, "detail": clip.name}
    if settings.max_down_votes is not None and clip.down_votes > settings.max_down_votes:
        return fate | {"reason": "voted down", "detail": f"votes against: {clip.down_votes}"}
    if settings.min_up_votes is not None and clip.up_votes < settings.min_up_votes:
        return fate | {"reason": "too few votes", "detail": f"votes for: {clip.up_votes}"}
    if too_long:
        return fate | {"reason": "text too long", "detail": f"{len(clip.sentence)} characters"}
    return fate | _judge_sentence(clip.sentence, settings.leave_out_uncertain)


def _judge_sentence(sentence: str, leave_out_uncertain: bool) -> Fate:
    """Its spoken form, the rules that mended it, and whether a recording of it can be trained on."""
    try:
        normalized = normalize(sentence)
    except TextError as error:
        return {"reason": error.reason, "detail": error.characters or sentence}
    repairs = dict.fromkeys(change.rule for change in normalized.changes if change.rule not in SILENT_RULES)
    judged: Fate = {"text": normalized.text, "mended": "; ".join(repairs)}
    if leave_out_uncertain and (uncertain := normalized.uncertain()):
        judged["reason"] = "uncertain reading"
        judged["detail"] = "; ".join(f"{change.before} ({change.rule})" for change in uncertain)
    return judged


def judge_sound(fate: Fate, settings: CorpusSettings, hop_length: int, sampling_rate: int) -> None:
    """Judge a treated clip by its figures, which stand in its fate."""
    for reason, judge in _SOUND_RULES:
        detail = judge(fate, settings)
        if detail:
            fate |= {"reason": reason, "detail": detail}
            return
    positions, frames = alignment_sizes(fate["text"], fate["seconds"], sampling_rate, hop_length)
    if positions > frames:
        fate |= {"reason": "text too long for its sound", "detail": f"{len(fate['text'])} letters in {frames} frames"}


def _silent(fate: Fate, settings: CorpusSettings) -> str:
    limit, level = settings.silence_db, fate["peak_level_db"]
    return f"loudest moment {level:.0f} dB, below {limit:g}" if limit is not None and level < limit else ""


def _clipped(fate: Fate, settings: CorpusSettings) -> str:
    limit, share = settings.max_clipped_share, fate["clipped_share"]
    return f"{share:.2%} of the samples at full scale" if limit is not None and share > limit else ""


def _noisy(fate: Fate, settings: CorpusSettings) -> str:
    limit, found = settings.min_level_range_db, fate["level_range_db"]
    return f"{found:.1f} dB between loud and quiet" if limit is not None and found < limit else ""


def _too_short(fate: Fate, settings: CorpusSettings) -> str:
    limit, seconds = settings.min_seconds, fate["seconds"]
    return f"{seconds:.1f} s, shorter than {limit:g} s" if limit is not None and seconds < limit else ""


def _too_long(fate: Fate, settings: CorpusSettings) -> str:
    limit, seconds = settings.max_seconds, fate["seconds"]
    return f"{seconds:.1f} s, longer than {limit:g} s" if limit is not None and seconds > limit else ""


_SOUND_RULES: tuple[tuple[str, Callable[[Fate, CorpusSettings], str]], ...] = (
    ("silent", _silent),
    ("clipped", _clipped),
    ("mostly noise", _noisy),
    ("too short", _too_short),
    ("too long", _too_long),
)


def leave_out_same_sounds(fates: Iterable[Fate]) -> None:
    """One recording under two rows is right for one at most, and nobody knows which: the first stays."""
    first: dict[str, int] = {}
    for fate in kept(fates):
        number = first.setdefault(fate["digest"], fate["number"])
        if number != fate["number"]:
            fate |= {"reason": "same sound as another clip", "detail": f"clip {number}"}


def judge_pace(fates: Iterable[Fate], settings: CorpusSettings) -> None:
    """Leave out clips whose letters per second lie too far from their speaker's median.

    The unit is the median absolute deviation times 1.4826: for a normal distribution this is one standard deviation,
    so that 3 of them leave out 0.3 % of good clips (Leys et al. 2013, "Detecting outliers"). What is within
    `NEAR_ENOUGH` of the median stays, however alike the others are.
    """
    by_speaker: dict[str, list[Fate]] = defaultdict(list)
    for fate in kept(fates):
        fate["letters_per_second"] = round(sum(map(str.isalpha, fate["text"])) / fate["seconds"], 3)
        by_speaker[fate["speaker"]].append(fate)
    if settings.pace_mads is None:
        return
    everybody = [fate["letters_per_second"] for group in by_speaker.values() for fate in group]
    for group in by_speaker.values():
        own = [fate["letters_per_second"] for fate in group]
        paces = own if len(own) >= FEW_CLIPS else everybody
        if len(paces) < FEW_CLIPS:
            continue
        middle = float(np.median(paces))
        deviation = float(scipy.stats.median_abs_deviation(paces, scale="normal"))
        reach = max(settings.pace_mads * deviation, NEAR_ENOUGH * middle)
        for fate in group:
            if abs(fate["letters_per_second"] - middle) > reach:
                detail = f"{fate['letters_per_second']:.1f} letters a second, usual {middle:.1f} ± {reach:.1f}"
                fate |= {"reason": "pace too far from the usual", "detail": detail}


def judge_cleanliness(fates: Iterable[Fate], limit: float) -> None:
    """Leave out clips that DNSMOS finds too unclean; their score stands in their fate."""
    for fate in kept(fates):
        if fate["dnsmos"] < limit:
            fate |= {"reason": "not clean enough", "detail": f"DNSMOS {fate['dnsmos']:.2f}"}


def leave_out_repeated(fates: Iterable[Fate]) -> None:
    """Of several clips of one sentence by one speaker the best stays: most votes, then the quietest pauses."""
    readings: dict[tuple[str, str], list[Fate]] = defaultdict(list)
    for fate in kept(fates):
        readings[fate["speaker"], fate["text"]].append(fate)
    for clips in readings.values():
        best = max(clips, key=_goodness)
        for fate in clips:
            if fate is not best:
                fate |= {"reason": "sentence read better in another clip", "detail": f"clip {best['number']}"}


def _goodness(fate: Fate) -> tuple[float, float, int]:
    return fate["up_votes"] - fate["down_votes"], fate["level_range_db"], -fate["number"]


def kept(fates: Iterable[Fate]) -> list[Fate]:
    return [fate for fate in fates if fate["reason"] == KEPT]


def reasons_table(clips: pandas.DataFrame) -> pandas.DataFrame:
    """One row a reason, `kept` first, then most clips first: clips, the setting that moves the rule, and why it is."""
    counts = Counter(clips["reason"])
    rules = {rule.reason: rule for rule in RULES}
    ordered = sorted(counts, key=lambda reason: (reason != KEPT, -counts[reason], reason))
    rows = [(reason, counts[reason], *_words(reason, rules)) for reason in ordered]
    return pandas.DataFrame(rows, columns=["reason", "clips", "setting", "why"]).set_index("reason")


def _words(reason: str, rules: dict[str, Rule]) -> tuple[str, str]:
    if reason == KEPT:
        return "", "In the training set."
    if reason in rules:
        return rules[reason].setting, rules[reason].explanation
    return "", "The source has a fault there; the column `detail` of clips.csv says where."
