"""Corpora with one table of texts beside their audio files: Common Voice, `metadata.csv`, `metadata.jsonl`.

Tables are read as lines of bytes that end at a line feed only, so that a damaged line (invalid UTF-8, NUL, a lone
carriage return, an unmatched quotation mark) does not affect its neighbours. Empty lines are skipped.
"""

import csv
import json
import unicodedata
from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from kurdtts_lib.core.cards import CC0
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
    readable,
)

BOM = b"\xef\xbb\xbf"


class Table(Source):
    """A table whose rows contain a text and the name of an audio file."""

    def __init__(self, table: Path, settings: CorpusSettings) -> None:
        self.table, self.settings = table, settings

    @abstractmethod
    def _entries(self) -> Iterator[tuple[dict[str, Any], str]]:
        """(row with the keys `file`, `sentence` and optionally `client_id` and others, fault or empty) of each line."""

    def _clip(self, number: int, entry: tuple[dict[str, Any], str]) -> SourceClip:
        row, fault = entry
        name = str(row.get("file") or "")
        audio, no_audio = self._find(name) if name else (b"", Reason.MISSING_COLUMNS)
        return make_clip(number, name or f"row-{number}", audio, {"client_id": ONE_SPEAKER, **row}, fault or no_audio)

    def _find(self, name: str) -> tuple[bytes | Path, str]:
        """(path, "") of an audio file, or (b"", fault)."""
        if not is_inside(name):
            return b"", Reason.OUTSIDE
        # File names may be in NFD (macOS) where the table is in NFC, or the reverse.
        forms = dict.fromkeys([name, *(unicodedata.normalize(form, name) for form in ("NFC", "NFD"))])
        candidates = (self.table.parent / place for form in forms for place in self._candidates(form))
        found = next(filter(is_file, candidates), None)
        return (found, "") if found else (b"", Reason.NO_AUDIO_FILE)

    def _candidates(self, name: str) -> Sequence[str]:
        """Candidate paths for a file name, the likeliest first. LJSpeech's tables name files without a suffix."""
        return name, f"wavs/{name}", f"{name}.wav", f"wavs/{name}.wav"

    def _lines(self) -> Iterator[bytes]:
        with readable(self.table), self.table.open("rb") as file:
            for number, line in enumerate(file):
                content = line.removeprefix(BOM) if number == 0 else line
                if content := content.removesuffix(b"\n").removesuffix(b"\r"):
                    yield content

    def _first_line(self) -> str:
        """Empty for an empty table. Raises CorpusError if the line is not UTF-8."""
        try:
            return next(self._lines(), b"").decode("utf-8")
        except UnicodeDecodeError as error:
            raise CorpusError(
                f"{self.table} does not begin with UTF-8 text ({error}). Save it as UTF-8, then try again."
            ) from error


class CommonVoice(Table):
    """`validated.tsv` of a Common Voice release, audio in `clips`: tab-separated, without quoting."""

    licence = CC0

    def __init__(self, table: Path, settings: CorpusSettings) -> None:
        super().__init__(table, settings)
        self._names = self._first_line().split("\t")
        self._columns = {
            "file": settings.audio_column or "path",
            "sentence": settings.text_column or "sentence",
            "client_id": settings.speaker_column or "client_id",
        }
        if missing := sorted(set(self._columns.values()) - set(self._names)):
            raise CorpusError(
                f"{table} has no column {', '.join(missing)}. Is it a Common Voice table? {has_columns(self._names)}"
            )

    def _entries(self) -> Iterator[tuple[dict[str, Any], str]]:
        return _cells(islice(self._lines(), 1, None), self._names, self._columns, lambda line: line.split("\t"))

    def _candidates(self, name: str) -> Sequence[str]:
        return (f"clips/{name}",)


class MetadataCsv(Table):
    """`metadata.csv`: lines of `file|text`, or a header that names the columns, separated by `|` or `,`.

    With `|` there is no quoting; with `,` cells may be quoted, as spreadsheets write them.
    """

    def __init__(self, table: Path, settings: CorpusSettings) -> None:
        super().__init__(table, settings)
        first = self._first_line()
        self._split = _split_commas if "," in first and "|" not in first else _split_bars
        self._names = [name.strip() for name in self._split(first) or ()]
        self._columns = _find_columns(self._names, settings, str(table))
        self._has_names = bool(self._columns)
        if not self._has_names:
            if len(self._names) != 2 or self._split is _split_commas:
                raise CorpusError(
                    f"The first line of {table} is neither `file|text` nor names of columns such as `file_name` and "
                    f"`text`: {first[:80]!r}. Without a line of names two columns are expected, divided by `|`."
                )
            self._names = ["file", "sentence"]
            self._columns = {name: name for name in self._names}

    def _entries(self) -> Iterator[tuple[dict[str, Any], str]]:
        return _cells(islice(self._lines(), int(self._has_names), None), self._names, self._columns, self._split)


class MetadataJsonl(Table):
    """`metadata.jsonl`: one object per line; the keys of file, text and speaker are found in the first object."""

    def __init__(self, table: Path, settings: CorpusSettings) -> None:
        super().__init__(table, settings)
        first = next((row for row, fault in map(_parse, self._lines()) if not fault), None)
        if first is None:
            raise CorpusError(f"{table} holds no line with a JSON object.")
        self._columns = _find_columns(list(first), settings, str(table))
        if not self._columns:
            raise CorpusError(
                f"{table} names no file or no text. {has_columns(first)} Name the right ones in the settings "
                "`audio_column` and `text_column`."
            )

    def _entries(self) -> Iterator[tuple[dict[str, Any], str]]:
        for row, fault in map(_parse, self._lines()):
            complete = all(isinstance(row.get(column), str | int | float) for column in self._columns.values())
            yield _with_keys(row, self._columns), fault or ("" if complete else Reason.MISSING_COLUMNS)


def _find_columns(names: Sequence[str], settings: CorpusSettings, where: str) -> dict[str, str]:
    """Columns for the keys `file`, `sentence` and `client_id` (optional); empty if file or text is not found."""
    file = find_column(names, settings.audio_column, FILE_NAMES, "audio_column", where)
    others = [name for name in names if name != file]
    text = find_column(others, settings.text_column, TEXT_NAMES, "text_column", where)
    speaker = find_column(others, settings.speaker_column, SPEAKER_NAMES, "speaker_column", where)
    if not file or not text:
        return {}
    return {"file": file, "sentence": text, **({"client_id": speaker} if speaker else {})}


def _with_keys(row: dict[str, Any], columns: dict[str, str]) -> dict[str, Any]:
    return {**row, **{key: row[column] for key, column in columns.items() if column in row}}


def _cells(
    lines: Iterable[bytes], names: Sequence[str], columns: dict[str, str], split: Callable[[str], list[str] | None]
) -> Iterator[tuple[dict[str, Any], str]]:
    """(row, fault or empty) of each line of a delimited table; a faulty row has the cells that could be read."""
    for line in lines:
        text = line.decode("utf-8", errors="replace")
        cells = split(text)
        fault = ""
        if cells is None:
            fault, cells = Reason.DAMAGED_QUOTES, []
        elif len(cells) != len(names):
            fault = Reason.MISSING_COLUMNS if len(cells) < len(names) else Reason.MORE_COLUMNS
        if not _is_utf8(line):
            fault = Reason.NOT_UTF8
        yield _with_keys(dict(zip(names, cells, strict=False)), columns), fault


def _is_utf8(line: bytes) -> bool:
    try:
        line.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _split_bars(line: str) -> list[str]:
    return line.split("|")


def _split_commas(line: str) -> list[str] | None:
    """None for unmatched quotation marks: the cell may continue on the next line, and its text would be truncated."""
    usual = csv.field_size_limit()  # 131,072 characters
    csv.field_size_limit(max(usual, len(line)))
    try:
        return next(csv.reader([line], strict=True), [])
    except csv.Error:
        return None
    finally:
        csv.field_size_limit(usual)


def _parse(line: bytes) -> tuple[dict[str, Any], str]:
    """(object, fault or empty) of a line of JSON."""
    if not _is_utf8(line):
        return {}, Reason.NOT_UTF8
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):  # deeply nested brackets
        return {}, Reason.NOT_JSON
    return (row, "") if isinstance(row, dict) else ({}, Reason.NOT_JSON)
