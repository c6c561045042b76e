"""Readers for all supported corpus formats. `CorpusSettings.source` is one of these:

- **A folder with Parquet files** (all of them are one table), or **the name of a data set on the hub**, of which the
  part `train` is downloaded. Audio: a column of {bytes, path}, of bytes, or of paths below the folder.
- **A Common Voice release**: the folder with `validated.tsv` and `clips`, or one of the two folders
  above it.
- **A folder with `metadata.csv`**: lines of `file|text` without a header, or with a header that names the columns,
  separated by `|` or `,`. Files are looked up as named, in `wavs`, and with `.wav` added.
- **A folder of audio files with text files beside them** (`a.wav`, `a.txt`), subfolders included. Hidden files are
  ignored.

A folder that fits several formats is read as the first of: `validated.tsv`, `metadata.csv`, Common Voice below it,
Parquet, pairs. Columns have usual names or are named in the settings; without a speaker column every
clip has `one speaker`; without votes every clip is accepted. The order is that of the table or of the file names, the
same on every system.

An unusable row is a clip with a `reason`, which is counted. Only a source that cannot be used at all is an error.
"""

import hashlib
import math
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from itertools import islice
from pathlib import Path

import pandas

from kurdtts_lib.audio.io import header
from kurdtts_lib.core.cards import CC0, UNKNOWN_LICENCE
from kurdtts_lib.core.errors import AudioError, CorpusError
from kurdtts_lib.core.settings import CorpusSettings
from kurdtts_lib.data.dataset import KEPT, Clip, table_of
from kurdtts_lib.data.sources.folders import open_folder
from kurdtts_lib.data.sources.parquet import open_hub
from kurdtts_lib.data.sources.source import Source, readable

CC0_NAMES = ("amedcj/kurmanji-commonvoice",)
"""Data sets on the hub that are copies of Common Voice."""
SOURCE_COLUMNS = ["number", "name", "speaker", "sentence", "up_votes", "down_votes", "age", "gender", "reason"]
SOURCE_COLUMNS += ["source_seconds", "channels"]


def read_corpus(settings: CorpusSettings, numbers: Collection[int] | None = None) -> Iterator[Clip]:
    """Yield the source's clips one by one, numbered from 0 without gaps: memory does not grow with the corpus.

    numbers: only the clips with these numbers, in the source's order; those beyond its end are ignored.
    Raises CorpusError if the source cannot be read or lacks the needed columns.
    """
    end = math.inf if settings.max_samples is None else settings.max_samples
    wanted = None if numbers is None else {int(number) for number in numbers if 0 <= number < end}
    for clip in islice(_open(settings).clips(wanted), settings.max_samples):
        clip.speaker = speaker_name(clip.speaker)
        yield clip


def speaker_name(client_id: str) -> str:
    """A name made from the id, such as `speaker-3f9a1c20b7`.

    The same id gives the same name in every corpus and on every machine. The name can be recomputed from a known or
    guessed id, but the id cannot be recovered from the name.
    """
    return "speaker-" + hashlib.sha256(f"kurdtts speaker {client_id}".encode()).hexdigest()[:10]


def _open(settings: CorpusSettings) -> Source:
    if not settings.source.strip():
        raise CorpusError("No source is given. Name a folder, or a data set on the hub.")
    path = Path(settings.source)
    with readable(path):  # the name of a hub data set may be too long for a path
        is_folder, is_file = path.is_dir(), path.is_file()
    if is_file:
        raise CorpusError(f"{path} is a file. Give its folder; unpack an archive first: tar -xf {path.name}")
    if is_folder:
        return open_folder(path, settings)
    # Names on the hub are `owner/name` or `name`; everything else can only be a path.
    if not re.fullmatch(r"[\w-][\w.-]*(/[\w-][\w.-]*)?", settings.source):
        raise CorpusError(f"There is no file or folder {path.absolute()}. Check the spelling, or the disk it is on.")
    return open_hub(settings)


def licence_of(settings: CorpusSettings) -> str:
    """The recordings' licence: from the settings, or inferred from the corpus's format or name; otherwise unknown."""
    if settings.licence:
        return settings.licence
    path = Path(settings.source)
    if settings.source in CC0_NAMES or path.resolve() == Path(CorpusSettings().source).resolve():
        return CC0
    return (_open(settings).licence if path.exists() else "") or UNKNOWN_LICENCE


def clips_with_lengths(settings: CorpusSettings) -> Iterator[Clip]:
    """The source's clips with the length, rate and channels that their audio states, and without the audio.

    They stay NaN where the audio is damaged, and for a row with a fault, whose audio is not read.
    """
    for clip in read_corpus(settings):
        if clip.reason == KEPT:
            with suppress(AudioError):  # preparation counts it by its reason
                clip.source_seconds, clip.source_rate, clip.channels = header(clip.audio)
        clip.audio = b""  # all of them may be gigabytes
        yield clip


def source_table(clips: Iterable[Clip]) -> pandas.DataFrame:
    """One row per clip: what the corpus says of it, the length of its audio in seconds, and the channels."""
    return table_of(clips)[SOURCE_COLUMNS].rename(columns={"source_seconds": "seconds"})


def corpus_table(settings: CorpusSettings) -> pandas.DataFrame:
    """The `source_table` of all clips. Raises CorpusError if there are none."""
    table = source_table(clips_with_lengths(settings))
    if table.empty:
        raise CorpusError(f"{settings.source} holds no clips.")
    return table


def read_again(settings: CorpusSettings, sentences: Mapping[int, str]) -> Iterator[Clip]:
    """The clips with these numbers, in the source's order.

    sentences: what an earlier pass found at each number; CorpusError if it is not there any more.
    """
    changed = CorpusError(
        f"{settings.source} changed while it was read. Wait until nobody writes to it, then run the same again."
    )
    left = dict(sentences)
    for clip in read_corpus(settings, sentences):
        if (KEPT, left.pop(clip.number)) != (clip.reason, clip.sentence):
            raise changed  # its audio would get another clip's text
        yield clip
    if left:
        raise changed


def find_clips(settings: CorpusSettings, numbers: Iterable[int]) -> list[Clip]:
    """The source's clips in the order of `numbers`. Raises CorpusError if one is missing.

    By random access if the source allows it; text tables and streams are read up to the last of the numbers.
    """
    wanted = list(numbers)
    found = {clip.number: clip for clip in read_corpus(settings, wanted)}
    missing = [str(number) for number in wanted if number not in found]
    if missing:
        raise CorpusError(f"{settings.source} has no clip number {', '.join(missing)}.")
    return [found[number] for number in wanted]
