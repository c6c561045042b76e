"""A clip, from the corpus to the batch; the tables that hold clips, and the split of a training set."""

import hashlib
import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import cycle, islice
from pathlib import Path
from typing import Annotated, Any, NamedTuple, get_type_hints

import pandas

from kurdtts_lib.core.errors import CorpusError
from kurdtts_lib.core.files import write_text
from kurdtts_lib.text import without_marks

KEPT = "kept"


def _unknown() -> Any:
    """The default of a statistic: NaN until it is measured, and no part of what makes two clips equal."""
    return field(default=math.nan, compare=False)


@dataclass(kw_only=True)
class Clip:
    """One sentence and its recording.

    A source sets what the corpus says, and `reason` where a row has a fault; preparation adds the rest in the order of
    the fields. The annotated fields are the columns of the tables. The last step, training, needs `path` and `text`.
    """

    path: Path = field(default=Path(), kw_only=False)
    """Mono WAV at the voice's sampling rate; set for the clips of a training set."""
    audio: bytes | Path = field(default=b"", repr=False)
    """As the corpus has it, not yet decoded; empty in tables, and where `reason` is a fault of the source."""
    digest: str = field(default="", compare=False)
    """Of the audio and of how it is preprocessed."""
    number: Annotated[int, "row of the clip in the source, from 0"] = 0
    name: Annotated[str, "the clip's name in the source"] = ""
    speaker: Annotated[str, "who read it: a name made from the source's id"] = ""
    age: Annotated[str, "as the source says"] = ""
    gender: Annotated[str, "as the source says"] = ""
    up_votes: Annotated[int, "listeners who found it right"] = 0
    down_votes: Annotated[int, "listeners who found it wrong"] = 0
    sentence: Annotated[str, "as it is written"] = ""
    text: Annotated[str, "as it is said, with its marks: what the voice learns"] = field(default="", kw_only=False)
    reason: Annotated[str, "`kept`, or why it was left out"] = KEPT
    detail: Annotated[str, "where, or how far"] = ""
    mended: Annotated[str, "what was mended in its text or sound"] = ""
    source_seconds: Annotated[float, "length of the source"] = _unknown()
    source_rate: Annotated[float, "sampling rate of the source, Hz"] = _unknown()
    channels: Annotated[float, "channels of the source"] = _unknown()
    dc_offset: Annotated[float, "constant offset of the source, full scale is 1"] = _unknown()
    clipped_share: Annotated[float, "share of the source's samples at full scale"] = _unknown()
    seconds: Annotated[float, "length after trimming"] = _unknown()
    peak_level_db: Annotated[float, "level of the loudest 50 ms before the gain, dB of full scale"] = _unknown()
    level_range_db: Annotated[
        float, "from quiet moments (10 % of 50 ms are quieter) to loud ones (5 % are louder), dB"
    ] = _unknown()
    source_lufs: Annotated[float, "loudness before the gain, LUFS"] = _unknown()
    gain_db: Annotated[float, "what was added to the loudness, dB"] = _unknown()
    lufs: Annotated[float, "loudness of the result, LUFS"] = _unknown()
    letters_per_second: Annotated[float, "pace"] = _unknown()
    part: Annotated[str, "`train`, `validation` or `test`"] = ""
    file: Annotated[str, "the sound"] = ""

    def leave_out(self, reason: str, detail: str = "") -> None:
        """Write the reason, which later filters do not change."""
        self.reason, self.detail = reason, detail


_HINTS = get_type_hints(Clip, include_extras=True)
COLUMNS = {name: hint.__metadata__[0] for name, hint in _HINTS.items() if hasattr(hint, "__metadata__")}
"""Columns of the tables of clips, each with what it says."""


class Parts(NamedTuple):
    """The split of a corpus. No sentence is in two parts."""

    train: list[Clip]
    """Clips that the voice is trained on."""
    validation: list[Clip]
    """Chooses the best checkpoint and when to stop, so metrics on these clips would be optimistic."""
    test: list[Clip]
    """Used for no choice: all published metrics are computed on these."""


def kept(clips: Iterable[Clip]) -> list[Clip]:
    return [clip for clip in clips if clip.reason == KEPT]


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
    """SHA-256 of the text's words: the same on every machine, and as good as random for sampling and splitting."""
    return hashlib.sha256(without_marks(text).encode("utf-8")).digest()


def sampled(clips: Iterable[Clip], count: int | None) -> list[Clip]:
    """At most `count` of the clips (None: all), ordered by the hash of their sentences.

    Not the first ones, because a corpus is often sorted by speaker. A larger `count` only adds clips.
    """
    return sorted(clips, key=lambda clip: sentence_hash(clip.text))[:count]


def balanced(clips: Sequence[Clip]) -> list[Clip]:
    """The clips, with those of speakers with fewer ones repeated: the square root of the imbalance stays.

    So a speaker with a hundredth of the clips of another is read a tenth as often: neither drowned, nor learned by
    heart. The order and the repeated clips depend on the sentences' hashes.
    """
    speakers = Counter(clip.speaker for clip in clips)
    most = max(speakers.values(), default=0)
    found: list[Clip] = []
    for speaker, count in speakers.items():
        own = sampled((clip for clip in clips if clip.speaker == speaker), None)
        found += islice(cycle(own), round(math.sqrt(count * most)))
    return found


def alignment_sizes(text: str, seconds: float, sampling_rate: int, hop_length: int) -> tuple[int, int]:
    """(token positions of a normalised text with its blanks, frames of its audio).

    Monotonic alignment gives each position at least one frame, so positions must not exceed frames.
    """
    return 2 * len(text) + 1, int(seconds * sampling_rate) // hop_length


def table_of(clips: Iterable[Clip]) -> pandas.DataFrame:
    """One row per clip, with `COLUMNS` in order; statistics that were not measured are NaN."""
    rows = [[getattr(clip, name) for name in COLUMNS] for clip in clips]
    return pandas.DataFrame(rows, columns=list(COLUMNS)).astype({name: _HINTS[name].__origin__ for name in COLUMNS})


def write_metadata(target: Path, rows: Iterable[tuple[str, str]]) -> None:
    """Write (file, text) rows as `file|text`, UTF-8, no header: the format that most TTS toolkits read."""
    write_text(target, "".join(f"{file}|{text}\n" for file, text in rows))


def read_parts(folder: Path) -> Parts:
    """The clips of a training set in its three parts, as `metadata.parquet` has them. Raises CorpusError without it."""
    if not (folder / "metadata.parquet").is_file():
        raise CorpusError(f"{folder} is not prepared. Prepare the data first: notebook 3, or `kurdtts prepare`.")
    table = pandas.read_parquet(folder / "metadata.parquet")
    parts = Parts([], [], [])
    for row in table[[name for name in COLUMNS if name in table]].to_dict("records"):
        getattr(parts, row["part"]).append(Clip(folder / row["file"], **row))
    return parts
