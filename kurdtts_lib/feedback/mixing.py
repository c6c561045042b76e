"""Which corrections teach and which only judge, and the sentences that are heard or read beside them."""

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import islice

from kurdtts_lib.corpus.clips import Clip, part_of
from kurdtts_lib.corpus.sources import read_corpus
from kurdtts_lib.errors import TextError
from kurdtts_lib.settings import CorpusSettings
from kurdtts_lib.text import normalize


def hold_out(clips: Sequence[Clip], share: float) -> tuple[list[Clip], list[Clip]]:
    """Those to learn from and those held out, by the hash of the sentence, at least one of each if there are two.

    Where the hash alone gives both sides something, a sentence that was learned never becomes a held-out one when
    corrections are added.
    """
    order = sorted({clip.text for clip in clips}, key=lambda text: hashlib.sha256(text.encode("utf-8")).hexdigest())
    held = {text for text in order if part_of(text, share) != "train"}
    if not held and len(order) > 1:
        held = {order[0]}
    if len(held) == len(order):
        held -= {order[-1]}
    return [clip for clip in clips if clip.text not in held], [clip for clip in clips if clip.text in held]


def mix(corrections: Sequence[Clip], base: Sequence[Clip], base_share: float) -> list[Clip]:
    """All of both; the corrections are repeated until `base` is about `base_share` of the list.

    Without `base`, or with a share of 0, only the corrections.
    """
    if not base or base_share <= 0:
        return list(corrections)
    times = max(1, round(len(base) * (1 - base_share) / (base_share * len(corrections))))
    return [*corrections] * times + list(base)


def ordinary_sentences(count: int) -> list[str]:
    """The first sentences of the bundled sample that are certain, as they are said, each once."""
    return list(islice(dict.fromkeys(spoken for _, spoken in _certain()), count))


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
