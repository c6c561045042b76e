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
    """Normalised text: the output of `text.normalize`, with the lexicon as it was at preparation."""


class Parts(NamedTuple):
    """The split of a corpus. No sentence is in two parts."""

    train: list[Clip]
    """Clips that the voice is trained on."""
    validation: list[Clip]
    """Chooses the best checkpoint and when to stop, so metrics on these clips would be optimistic."""
    test: list[Clip]
    """Used for no choice: all published metrics are computed on these."""


def part_of(text: str, held_out_share: float) -> str:
    """Which of `Parts` a sentence belongs to; half of what is held out is `validation`, half is `test`.

    Depends on the text alone: the same sentence is in the same part for every speaker, and stays there when the corpus
    grows. A larger share moves sentences out of `train` and none between the other two.
    """
    digest = sentence_hash(text)
    if int.from_bytes(digest[:8], "big") >= held_out_share * 2**64:
        return "train"
    return "test" if digest[8] < 128 else "validation"


def sentence_hash(text: str) -> bytes:
    """SHA-256 of the text: the same on every machine, and as good as random for sampling and splitting."""
    return hashlib.sha256(text.encode("utf-8")).digest()


def sampled(clips: Iterable[Clip], count: int | None) -> list[Clip]:
    """At most `count` of the clips (None: all), ordered by the hash of their sentences.

    Not the first ones, because a corpus is often sorted by speaker. A larger `count` only adds clips.
    """
    return sorted(clips, key=lambda clip: sentence_hash(clip.text))[:count]


def alignment_sizes(text: str, seconds: float, sampling_rate: int, hop_length: int) -> tuple[int, int]:
    """(token positions of a normalised text with its blanks, frames of its audio).

    Monotonic alignment gives each position at least one frame, so positions must not exceed frames.
    """
    return 2 * len(text) + 1, int(seconds * sampling_rate) // hop_length


def write_metadata(target: Path, rows: Iterable[tuple[str, str]]) -> None:
    """Write (file, text) rows as `file|text`, UTF-8, no header: the format that most TTS toolkits read."""
    with atomic_path(target) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, delimiter="|", quoting=csv.QUOTE_NONE, lineterminator="\n").writerows(rows)


def read_metadata(folder: Path) -> list[Clip]:
    """The clips of a prepared folder. Raises CorpusError for a missing file or a malformed line."""
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
    """The clips in three parts, each in the given order; see `part_of`."""
    parts = Parts([], [], [])
    for clip in clips:
        getattr(parts, part_of(clip.text, held_out_share)).append(clip)
    return parts
