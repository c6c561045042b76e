"""Whether a corrected word is said as it was corrected: measured on the word alone, in sentences not trained on."""

import re
from collections.abc import Iterable

import numpy as np
import pandas

from kurdtts_lib.core.errors import EvaluationError
from kurdtts_lib.core.settings import AudioSettings
from kurdtts_lib.evaluation.metrics import mel_cepstral_distance
from kurdtts_lib.speech import stream
from kurdtts_lib.vits.voice import Voice

FIXED = 0.6
"""A word is right where its distance to the right form is at most this share of its distance to the wrong one."""
FIXED_SENTENCES = 0.75
"""Share of the sentences in which a fixed word is right."""
MARGIN_SECONDS = 0.02
"""Kept around a word: the neighbouring phones change with it, and the shortest words are shorter than a window."""


def word_changes(
    before: Voice, after: Voice, word: str, said: str, sentences: Iterable[str], audio: AudioSettings
) -> pandas.DataFrame:
    """How `after` says `word`, between how `before` says it (wrong) and how `before` says `said` (right).

    word, said: one written word each. One row per sentence, MCD in dB: `to wrong`, `to right`, `between` the two forms,
    and `others`, how far the other words moved in the mean. Raises EvaluationError for a sentence without the word.
    """
    pattern, rows = re.compile(rf"(?<!\w){re.escape(word)}(?!\w)", re.IGNORECASE), {}
    for sentence in sentences:
        wrong, now = spoken_words(before, sentence), spoken_words(after, sentence)
        place = next((place for place, (text, _) in enumerate(wrong) if pattern.search(text)), None)
        if place is None:
            raise EvaluationError(f"The word {word!r} is not in the sentence {sentence!r}.")
        right = spoken_words(before, pattern.sub(said, sentence))[place][1]
        moved = [mel_cepstral_distance(was, is_now, audio)[0] for (_, was), (_, is_now) in zip(wrong, now, strict=True)]
        rows[sentence] = {
            "to wrong": moved.pop(place),
            "to right": mel_cepstral_distance(right, now[place][1], audio)[0],
            "between": mel_cepstral_distance(wrong[place][1], right, audio)[0],
            "others": np.mean(moved) if moved else np.nan,
        }
    return pandas.DataFrame.from_dict(rows, orient="index")


def is_fixed(changes: pandas.DataFrame) -> bool:
    """Whether the word of `word_changes` is said right in enough sentences."""
    return bool((changes["to right"] <= FIXED * changes["to wrong"]).mean() >= FIXED_SENTENCES)


def spoken_words(voice: Voice, sentence: str) -> list[tuple[str, np.ndarray]]:
    """Each word as written, and its sound cut out: (samples,), float32, at the voice's sampling rate."""
    rate, found = voice.sampling_rate, []
    for clause in stream(voice, sentence, level=False):
        for text, start, end in clause.words:
            first = max(0, round((start - clause.start - MARGIN_SECONDS) * rate))
            found.append((text, clause.waveform[first : round((end - clause.start + MARGIN_SECONDS) * rate)]))
    return found
