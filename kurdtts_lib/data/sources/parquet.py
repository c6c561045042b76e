"""Data sets of the `datasets` library: Parquet files in a folder, and data sets on the hub."""

import glob
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import datasets
import pyarrow
from datasets import Audio, Dataset, Features, IterableDataset
from datasets.exceptions import DatasetsError

from kurdtts_lib.core.errors import CorpusError
from kurdtts_lib.core.settings import CorpusSettings
from kurdtts_lib.data.filters import Reason
from kurdtts_lib.data.sources.base import (
    FILE_NAMES,
    ONE_SPEAKER,
    SPEAKER_NAMES,
    TEXT_NAMES,
    Source,
    SourceClip,
    find_column,
    has_columns,
    is_file,
    is_inside,
    make_clip,
    needed,
)


def open_parquet(folder: Path, files: Iterable[Path], settings: CorpusSettings, with_audio: bool) -> Source:
    """All `files` of the folder as one table, in their order. Raises CorpusError if they cannot be read."""
    had_bars = not datasets.are_progress_bars_disabled()
    datasets.disable_progress_bars()  # local files open in a moment
    try:
        with _explained(folder):
            # not `load_dataset`, which contacts the hub first: seconds of waiting without a network
            data = Dataset.from_parquet([glob.escape(str(path)) for path in files])
    finally:
        if had_bars:
            datasets.enable_progress_bars()
    return Rows(data, settings, f"The table in {folder}", lambda: _explained(folder), folder, with_audio)


@contextmanager
def _explained(folder: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError, DatasetsError, pyarrow.ArrowException) as error:
        causes = f"{error} ({error.__cause__})" if error.__cause__ else str(error)
        raise CorpusError(
            f"The Parquet files in {folder} cannot be read: {causes}\nGet the damaged file anew; if the disk is full, "
            "make room: their content is kept once more, in the cache of the `datasets` library."
        ) from error


@dataclass(frozen=True)
class _Columns:
    audio: str
    kind: str
    """`struct` ({bytes, path}, as of the feature Audio), `bytes` or `path`."""
    text: str
    speaker: str
    """Empty: one speaker."""


class Rows(Source):
    """Rows of a `datasets` data set, which never decodes the audio: that needs torchcodec, which often breaks."""

    def __init__(
        self,
        data: Dataset | IterableDataset,
        settings: CorpusSettings,
        where: str,
        explained: Callable[[], AbstractContextManager[None]],
        folder: Path | None = None,
        with_audio: bool = True,
    ) -> None:
        """folder: the base of paths in the table; None for a data set on the hub, whose paths are unusable."""
        features = data.features or Features()
        self._columns = columns = _find_columns(features, settings, where)
        self._folder, self._explained, self._with_audio = folder, explained, with_audio
        optional = [name for name in ("age", "gender", "up_votes", "down_votes") if name in features]
        names = list(dict.fromkeys([columns.audio, columns.text, *filter(None, [columns.speaker]), *optional]))
        data = data.select_columns(names)
        if isinstance(features[columns.audio], Audio):
            data = data.cast_column(columns.audio, Audio(decode=False))
        self._has_bytes: Any = None
        if not with_audio and isinstance(data, Dataset) and columns.kind != "path":
            data = self._without_audio(data)
        self._data = data

    def _without_audio(self, data: Dataset) -> Dataset:
        """Drop the audio column, so that it stays unread; keep whether each row has audio, and the file name."""
        audio = self._columns.audio
        if self._columns.kind == "struct":
            data, audio = data.flatten(), f"{audio}.bytes"
        self._has_bytes = data.data.column(audio).is_valid().to_numpy()
        return data.remove_columns(audio)

    def _entries(self) -> Iterator[dict]:
        with self._explained():
            yield from self._data

    def pick(self, numbers: Collection[int]) -> Iterator[SourceClip]:
        if not isinstance(self._data, Dataset):
            yield from super().pick(numbers)
            return
        known = sorted(number for number in numbers if 0 <= number < len(self._data))
        with self._explained():
            yield from map(self._clip, known, self._data.select(known))

    def _clip(self, number: int, entry: dict) -> SourceClip:
        columns = self._columns
        content, path = self._audio(number, entry)
        values = {**entry, "sentence": entry[columns.text]}
        values["client_id"] = entry[columns.speaker] if columns.speaker else ONE_SPEAKER
        name = path.replace("\\", "/").rsplit("/", 1)[-1] or f"row-{number}"
        if content is not None:
            return make_clip(number, name, content if self._with_audio else b"", values)
        if self._folder is None or not path:
            return make_clip(number, name, b"", values, Reason.NO_AUDIO)
        if not is_inside(path):
            return make_clip(number, name, b"", values, Reason.OUTSIDE)
        file = self._folder / path
        return make_clip(number, name, file, values, "" if is_file(file) else Reason.NO_AUDIO)

    def _audio(self, number: int, row: dict) -> tuple[bytes | None, str]:
        """(audio content or None, path or empty) of a row."""
        columns = self._columns
        if self._has_bytes is not None:
            path = row.get(f"{columns.audio}.path") if columns.kind == "struct" else None
            return (b"" if self._has_bytes[number] else None), path or ""
        value = row[columns.audio]
        if columns.kind == "struct":
            value = value or {}
            return value.get("bytes"), value.get("path") or ""
        return (value, "") if columns.kind == "bytes" else (None, value or "")


def _find_columns(features: Features, settings: CorpusSettings, where: str) -> _Columns:
    names = list(features)
    audio = _audio_column(features, settings.audio_column, where)
    others = [name for name in names if name != audio]
    text = find_column(others, settings.text_column, TEXT_NAMES, "text_column", where)
    speaker = find_column(others, settings.speaker_column, SPEAKER_NAMES, "speaker_column", where)
    return _Columns(audio, _kind(features[audio]), needed(text, names, "text", "text_column", where), speaker)


def _audio_column(features: Features, wanted: str, where: str) -> str:
    if wanted:
        if not _kind(features.get(wanted)):
            raise CorpusError(
                f"{where} has no sound in the column {wanted!r}, which `audio_column` names. {has_columns(features)}"
            )
        return wanted
    by_kind: dict[str, list[str]] = {}
    for name, feature in features.items():
        by_kind.setdefault("audio" if isinstance(feature, Audio) else _kind(feature), []).append(name)
    for kind in ("audio", "struct", "bytes"):
        found = by_kind.get(kind, [])
        if "audio" in found:
            return "audio"
        if len(found) > 1:
            raise CorpusError(
                f"{where} has sound in {' and '.join(found)}: which one is meant? Name it in the setting "
                f"`audio_column`. {has_columns(features)}"
            )
        if found:
            return found[0]
    audio = find_column(by_kind.get("path", []), "", FILE_NAMES, "audio_column", where)
    return needed(audio, list(features), "sound", "audio_column", where)


def _kind(feature: Any) -> str:
    """How a column can hold audio: `struct`, `bytes` or `path`; empty if it cannot."""
    if isinstance(feature, Audio) or (isinstance(feature, dict) and "bytes" in feature):
        return "struct"
    kinds = {"binary": "bytes", "large_binary": "bytes", "string": "path", "large_string": "path"}
    return kinds.get(getattr(feature, "dtype", ""), "")
