"""One way to read a corpus, whether it is the sample, a Common Voice folder or a data set on the hub."""

import csv
import glob
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import datasets
import pandas
from datasets import Audio, IterableDataset, load_dataset
from datasets import Dataset as ArrowDataset
from datasets.exceptions import DatasetsError

from kurdtts_lib.audio import header
from kurdtts_lib.errors import AudioError, CorpusError
from kurdtts_lib.settings import CorpusSettings

TEXT_COLUMNS = ("client_id", "sentence", "age", "gender")


@dataclass(frozen=True)
class SourceClip:
    """One clip as the corpus gives it, nothing decoded yet."""

    number: int
    """Its row in the source, from 0."""
    name: str
    audio: bytes | Path
    client_id: str
    sentence: str
    up_votes: int
    down_votes: int
    age: str
    gender: str
    fault: str = ""
    """Why the source itself cannot give this clip (`no text`, `path outside the corpus` ...), to count by; empty if it
    can."""


def read_corpus(settings: CorpusSettings, with_audio: bool = True) -> Iterator[SourceClip]:
    """Yield the source's clips one by one: memory does not grow with the corpus.

    Raises CorpusError, saying what to do, if the source cannot be read or has other columns.
    """
    folder = Path(settings.source)
    if (folder / "validated.tsv").is_file():
        clips = _read_common_voice(folder)
    elif folder.is_dir():
        clips = _read_rows(_open_parquet(folder))
    else:
        clips = _read_rows(_open_hub(settings))
    return islice(clips, settings.max_samples)


def corpus_table(settings: CorpusSettings) -> pandas.DataFrame:
    """One row a clip: number, name, columns of the corpus, seconds, channels; NaN seconds where audio is damaged."""
    rows = []
    for clip in read_corpus(settings):
        try:
            seconds, _, channels = header(clip.audio)
        except AudioError:  # shown as damaged in the table; preparation counts it by its reason
            seconds, channels = float("nan"), 0
        columns = {name: value for name, value in vars(clip).items() if name != "audio"}  # gigabytes on the hub's
        rows.append({**columns, "seconds": seconds, "channels": channels})
    if not rows:
        raise CorpusError(f"{settings.source} holds no clips.")
    return pandas.DataFrame(rows)


def find_clips(settings: CorpusSettings, numbers: Iterable[int]) -> list[SourceClip]:
    """The source's clips with these numbers, in their order, in one pass. Raises CorpusError if one is missing."""
    wanted = list(numbers)
    found: dict[int, SourceClip] = {}
    for clip in islice(read_corpus(settings), max(wanted, default=-1) + 1):
        if clip.number in wanted:
            found[clip.number] = clip
    missing = [str(number) for number in wanted if number not in found]
    if missing:
        raise CorpusError(f"{settings.source} has no clip number {', '.join(missing)}.")
    return [found[number] for number in wanted]


def _open_parquet(folder: Path) -> ArrowDataset:
    files = sorted(glob.escape(str(path)) for path in folder.rglob("*.parquet"))
    if not files:
        raise CorpusError(
            f"{folder} holds neither Parquet files nor a Common Voice `validated.tsv`. Choose another folder."
        )
    datasets.disable_progress_bars()  # local files open in a moment
    try:
        return load_dataset("parquet", data_files=files, split="train")
    except (OSError, ValueError, DatasetsError) as error:
        raise CorpusError(f"The Parquet files in {folder} cannot be read: {error}") from error
    finally:
        datasets.enable_progress_bars()


def _open_hub(settings: CorpusSettings) -> ArrowDataset | IterableDataset:
    try:
        return load_dataset(settings.source, split="train", streaming=settings.max_samples is not None)
    except (OSError, ValueError, DatasetsError) as error:
        raise CorpusError(
            f"{settings.source!r} is neither a folder here nor a data set that the hub gives: {error}\n"
            "Check the spelling and the network; for a local copy, give its folder."
        ) from error


def _read_rows(rows: Any) -> Iterator[SourceClip]:
    audio_column = _audio_column(rows)
    # Undecoded: the library's own decoding needs torchcodec, which breaks on many machines.
    for number, row in enumerate(rows.cast_column(audio_column, Audio(decode=False))):
        audio = row[audio_column] or {}
        path = audio.get("path") or f"row-{number}"
        content = audio.get("bytes")
        yield _clip(number, Path(path).name, content if content is not None else Path(path), row)


def _audio_column(rows: Any) -> str:
    features = rows.features or {}
    columns = [name for name, feature in features.items() if isinstance(feature, Audio)]
    missing = [name for name in ("sentence", "client_id") if name not in features]
    if len(columns) != 1 or missing:
        raise CorpusError(
            f"This data set has the columns {', '.join(features)}. One audio column, `sentence` and `client_id` "
            "are needed, as in Common Voice."
        )
    return columns[0]


def _read_common_voice(folder: Path) -> Iterator[SourceClip]:
    table = folder / "validated.tsv"
    with table.open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
        missing = {"path", "sentence", "client_id"} - set(reader.fieldnames or ())
        if missing:
            raise CorpusError(f"{table} has no column {', '.join(sorted(missing))}. Is it a Common Voice table?")
        for number, row in enumerate(reader):
            name = row["path"] or ""
            if Path(name).name != name or not name:
                raise CorpusError(f"{table}, row {number + 2}: {name!r} is not a file name inside `clips`.")
            yield _clip(number, name, folder / "clips" / name, row)


def _clip(number: int, name: str, audio: bytes | Path, row: dict) -> SourceClip:
    texts = {column: str(row.get(column) or "") for column in TEXT_COLUMNS}
    return SourceClip(
        number=number,
        name=name,
        audio=audio,
        # A data set without votes was checked by others: its clips count as accepted.
        up_votes=_votes(row.get("up_votes"), 2),
        down_votes=_votes(row.get("down_votes"), 0),
        **texts,
    )


def _votes(value: Any, missing: int) -> int:
    return missing if value is None or pandas.isna(value) or value == "" else int(float(value))
