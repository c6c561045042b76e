"""All filters: each reason for leaving out a clip, with its setting. Reasons of its text are `errors.TextReason`.

`filtering` applies them; what a figure such as `clipped_share` is stands at the fields of `dataset.Clip`.
"""

from collections.abc import Callable
from enum import StrEnum
from operator import gt, lt
from typing import Any

SOURCE_FAULT = "The source has a fault there; the column `detail` of clips.csv says where."


class Reason(StrEnum):
    """A reason as tables and reports show it, its explanation, and the setting of its filter.

    A filter on one column also names that column, the comparison of its value with the setting that leaves a clip out,
    and the format string of `detail`, which takes the value and the setting.
    """

    explanation: str
    setting: str
    """Field of `CorpusSettings`; empty if the filter cannot be configured."""
    column: str
    outside: Callable[[Any, Any], Any]
    """Of two numbers, or of a table's column and a number."""
    detail: str

    NO_TEXT = "no text"
    NO_AUDIO = "no audio"
    NO_SPEAKER = "no speaker"
    NOT_UTF8 = "text is not UTF-8"
    OUTSIDE = "path outside the corpus"
    DAMAGED_LINE = "damaged line"  # more or fewer cells than columns, broken quotation marks
    NO_VOTES = "votes are not numbers"

    # fmt: off
    VOTED_DOWN = ("voted down", "Listeners said that the sentence is not read as it is written.",
                  "max_down_votes", "down_votes", gt, "votes against: {}")
    TOO_FEW_VOTES = ("too few votes", "Too few listeners have checked it.",
                     "min_up_votes", "up_votes", lt, "votes for: {}")
    TEXT_TOO_LONG = ("text too long", "Nobody can read so much in the longest clip that is allowed.", "max_seconds")
    UNCERTAIN = ("uncertain reading", "People read it differently; nobody knows what this one said.",
                 "leave_out_uncertain")
    ANOTHER_SPEAKER = "another speaker", "Not a speaker of this voice.", "speaker"

    CANNOT_READ = "cannot be read", "The file is missing, or the system does not give it."
    CANNOT_DECODE = "cannot be decoded", "The file is damaged, or of a kind that cannot be decoded."
    CUT_OFF = "cut off", "The file ends before the length that it states: it did not arrive whole."
    EMPTY = "empty", "The file holds no sound at all."
    FAR_TOO_LONG = "far too long", "A recording of many minutes is no sentence; it is not decoded."
    SAME_SOUND = ("same sound as another clip",
                  "The same recording stands for two sentences; only the first can be right.")

    SILENT = ("silent", "No voice: even the loudest moment is silence or hiss.",
              "silence_db", "peak_level_db", lt, "loudest moment {:.0f} dB, below {:g}")
    CLIPPED = ("clipped", "Recorded too loud: the waves are cut off, and a voice would learn the crackle.",
               "max_clipped_share", "clipped_share", gt, "{:.2%} of the samples at full scale")
    NOISE = ("mostly noise", "As loud between the words as in them: noise, a hum or music.",
             "min_level_range_db", "level_range_db", lt, "{:.1f} dB between loud and quiet")
    TOO_SHORT = ("too short", "After trimming there is hardly a word.",
                 "min_seconds", "seconds", lt, "{:.1f} s, shorter than {:g} s")
    TOO_LONG = ("too long", "It would fill the memory of the graphics card.",
                "max_seconds", "seconds", gt, "{:.1f} s, longer than {:g} s")
    TEXT_LONGER_THAN_SOUND = ("text too long for its sound",
                              "More letters than moments of sound: it was cut, or the text is wrong.")
    PACE = "pace too far from the usual", "Words are missing in the sound or in the text.", "pace_mads"
    READ_BETTER = ("sentence read better in another clip", "The same speaker read it again, and better.",
                   "one_clip_per_sentence")
    # fmt: on

    def __new__(cls, reason: str, explanation: str = SOURCE_FAULT, setting: str = "", *rule: Any) -> "Reason":
        member = str.__new__(cls, reason)
        member._value_, member.explanation, member.setting = reason, explanation, setting
        member.column, member.outside, member.detail = rule or ("", gt, "")
        return member


VOTES = (Reason.VOTED_DOWN, Reason.TOO_FEW_VOTES)
LENGTH = (Reason.TOO_SHORT, Reason.TOO_LONG)
SOUND = (Reason.SILENT, Reason.CLIPPED, Reason.NOISE, *LENGTH)
"""In the order of filtering: the first that applies is the reason."""
