"""A prepared corpus: WAV files, `metadata.csv` as `file|text`, and its split."""

import csv
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from kurdtts_lib.core.errors import CorpusError
from kurdtts_lib.core.files import atomic_path


@dataclass(frozen=True)
class Clip:
    """One sentence and its recording: a mono WAV at the voice's sampling rate."""

    path: Path
    text: str
    """As it is said: what `text.normalize` made of the sentence, with the corrections of that time."""


class Parts(NamedTuple):
    """A corpus's clips by what they are for. No sentence is in two of them."""

    train: list[Clip]
    """What the voice learns from."""
    validation: list[Clip]
    """Chooses the best voice of a training and when to stop: figures of these sentences would flatter the voice."""
    test: list[Clip]
    """Chooses nothing: every published figure comes from these."""


def part_of(text: str, held_out_share: float) -> str:
    """Which of `Parts` a sentence belongs to; half of what is held out is `validation`, half is `test`.

    Decided by the sentence alone, so that no sentence is ever in two parts, whoever reads it and however the corpus
    grows. A larger share takes sentences from the training and moves none between the other two.
    """
    digest = sentence_hash(text)
    if int.from_bytes(digest[:8], "big") >= held_out_share * 2**64:
        return "train"
    return "test" if digest[8] < 128 else "validation"


def sentence_hash(text: str) -> bytes:
    """The same for the same sentence on every machine, and otherwise as good as random."""
    return hashlib.sha256(text.encode("utf-8")).digest()


def sampled(clips: Iterable[Clip], count: int | None) -> list[Clip]:
    """At most `count` of the clips (None: all), in the order of their sentences' hashes.

    Not the first ones: a corpus is often sorted by speaker. A larger `count` adds clips and takes none away.
    """
    return sorted(clips, key=lambda clip: sentence_hash(clip.text))[:count]


def alignment_sizes(text: str, seconds: float, sampling_rate: int, hop_length: int) -> tuple[int, int]:
    """(positions of a spoken text, frames of its sound).

    A VITS alignment gives each letter and each blank between letters one frame at least, so there must be as many.
    """
    return 2 * len(text) + 1, int(seconds * sampling_rate) // hop_length


def write_metadata(target: Path, rows: Iterable[tuple[str, str]]) -> None:
    """Write (file, text) rows as `file|text`, UTF-8, no header: the form that every TTS program reads."""
    with atomic_path(target) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, delimiter="|", quoting=csv.QUOTE_NONE, lineterminator="\n").writerows(rows)


def read_metadata(folder: Path) -> list[Clip]:
    """The clips of a prepared folder. Raises CorpusError for a missing file or a line of another form."""
    table = folder / "metadata.csv"
    if not table.is_file():
        raise CorpusError(f"{table} does not exist. Prepare the data first: notebook 3, or `kurdtts prepare`.")
    clips = []
    with table.open(encoding="utf-8", newline="") as file:
        for number, row in enumerate(csv.reader(file, delimiter="|", quoting=csv.QUOTE_NONE), 1):
            if len(row) != 2:
                raise CorpusError(f"{table}, line {number}: expected `file|text`, got {len(row)} columns.")
            clips.append(Clip(folder / row[0], row[1]))
    return clips


def split(clips: Iterable[Clip], held_out_share: float) -> Parts:
    """The clips in three parts, each in its given order; see `part_of`."""
    parts = Parts([], [], [])
    for clip in clips:
        getattr(parts, part_of(clip.text, held_out_share)).append(clip)
    return parts
