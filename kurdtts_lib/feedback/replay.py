"""Which corrections are trained on and which are held out, their replay mix, and ordinary sentences to read."""

from collections.abc import Sequence
from contextlib import suppress
from itertools import cycle, islice

from kurdtts_lib.core.errors import TextError
from kurdtts_lib.core.settings import CorpusSettings
from kurdtts_lib.data.dataset import Clip, part_of, sampled, sentence_hash
from kurdtts_lib.data.sources import read_corpus
from kurdtts_lib.text import normalize, without_marks

REPLAY_CLIPS = 100
"""Ordinary recordings to replay at least, if there are that many: few corrections are repeated to keep the ratio."""


def hold_out(clips: Sequence[Clip], share: float) -> tuple[list[Clip], list[Clip]]:
    """Clips to train on and clips held out, by the hash of the sentence; at least one of each for two sentences.

    Where the hash alone fills both, adding corrections never turns a training sentence into a held-out one.
    """
    order = sorted({without_marks(clip.text) for clip in clips}, key=sentence_hash)
    held = {text for text in order if part_of(text, share) != "train"}
    if not held and len(order) > 1:
        held = {order[0]}
    if len(held) == len(order):
        held -= {order[-1]}
    parts: tuple[list[Clip], list[Clip]] = [], []
    for clip in clips:
        parts[without_marks(clip.text) in held].append(clip)
    return parts


def mix(corrections: Sequence[Clip], base: Sequence[Clip], base_share: float) -> list[Clip]:
    """All corrections, and ordinary clips of `base` that make up `base_share` of the list, to the nearest clip.

    Few corrections are repeated until about `REPLAY_CLIPS` ordinary clips accompany them; for many corrections `base`
    is repeated where it does not suffice. Without `base`, or with a share of 0, only the corrections.
    """
    if not base or base_share <= 0:
        return list(corrections)
    ordinary = base_share / (1 - base_share)  # clips for each clip of a correction
    times = max(1, round(min(REPLAY_CLIPS, len(base)) / (ordinary * len(corrections))))
    repeated = [*corrections] * times
    return repeated + list(islice(cycle(sampled(base, None)), round(ordinary * len(repeated))))


def ordinary_sentences(count: int) -> list[str]:
    """Up to `count` sentences of the bundled sample with a certain reading, as spoken, each once, chosen by hash."""
    return sorted(certain_sentences(), key=sentence_hash)[:count]


def certain_sentences() -> dict[str, str]:
    """The bundled sample's sentences with a certain reading: the written form, by the spoken one."""
    found = {}
    for clip in read_corpus(CorpusSettings()):
        with suppress(TextError):  # the sample has sentences without a reading on purpose
            normalized = normalize(clip.sentence, marks=True)
            if not normalized.uncertain():
                found[normalized.text] = clip.sentence.strip()
    return found
