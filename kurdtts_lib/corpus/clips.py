"""A prepared corpus: WAV files, `metadata.csv` as `file|text`, and its split."""

import csv
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from kurdtts_lib.errors import CorpusError
from kurdtts_lib.files import atomic_path


@dataclass(frozen=True)
class Clip:
    """One sentence and its recording: a mono WAV at the voice's sampling rate."""

    path: Path
    text: str


def is_held_out(text: str, share: float) -> bool:
    """Whether a sentence belongs to the validation part.

    Decided by the sentence alone, so that no sentence is ever in both parts, whoever reads it and however the
    corpus grows.
    """
    digest = hashlib.sha256(text.encode("utf-8")).digest()
    return int.from_bytes(digest[:8], "big") < share * 2**64


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


def split(clips: Iterable[Clip], validation_share: float) -> tuple[list[Clip], list[Clip]]:
    """(training, validation)."""
    parts: tuple[list[Clip], list[Clip]] = ([], [])
    for clip in clips:
        parts[is_held_out(clip.text, validation_share)].append(clip)
    return parts
