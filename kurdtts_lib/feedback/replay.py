"""Which corrections teach and which only judge, and the sentences that are heard or read beside them."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import cycle, islice

from kurdtts_lib.core.errors import TextError
from kurdtts_lib.core.settings import CorpusSettings
from kurdtts_lib.data.dataset import Clip, part_of, sampled, sentence_hash
from kurdtts_lib.data.sources import read_corpus
from kurdtts_lib.text import normalize

REPLAY_CLIPS = 100
"""Ordinary recordings that take part at least, where there are so many: with few corrections these are repeated."""


def hold_out(clips: Sequence[Clip], share: float) -> tuple[list[Clip], list[Clip]]:
    """Those to learn from and those held out, by the hash of the sentence, at least one of each if there are two.

    Where the hash alone gives both sides something, a sentence that was learned never becomes a held-out one when
    corrections are added.
    """
    order = sorted({clip.text for clip in clips}, key=sentence_hash)
    held = {text for text in order if part_of(text, share) != "train"}
    if not held and len(order) > 1:
        held = {order[0]}
    if len(held) == len(order):
        held -= {order[-1]}
    return [clip for clip in clips if clip.text not in held], [clip for clip in clips if clip.text in held]


def mix(corrections: Sequence[Clip], base: Sequence[Clip], base_share: float) -> list[Clip]:
    """All corrections, and ordinary clips of `base` until these are `base_share` of the list, to half a clip.

    Few corrections are repeated until about `REPLAY_CLIPS` ordinary clips stand beside them; for many corrections
    `base` is gone through again where it does not suffice. Without `base`, or with a share of 0, only the corrections.
    """
    if not base or base_share <= 0:
        return list(corrections)
    ordinary = base_share / (1 - base_share)  # for each correction that is heard
    times = max(1, round(min(REPLAY_CLIPS, len(base)) / (ordinary * len(corrections))))
    heard = [*corrections] * times
    return heard + list(islice(cycle(sampled(base, None)), round(ordinary * len(heard))))


def ordinary_sentences(count: int) -> list[str]:
    """Sentences of the bundled sample that are certain, as they are said, each once, chosen by their hash."""
    return sorted({spoken for _, spoken in _certain()}, key=sentence_hash)[:count]


def sentences_to_read() -> list[str]:
    """The same sentences as they are written, all of them, each once."""
    return list({spoken: written for written, spoken in _certain()}.values())


def _certain() -> Iterator[tuple[str, str]]:
    """Written and spoken."""
    for clip in read_corpus(CorpusSettings(), with_audio=False):
        with suppress(TextError):  # the sample has such sentences on purpose
            normalized = normalize(clip.sentence)
            if not normalized.uncertain():
                yield clip.sentence.strip(), normalized.text
