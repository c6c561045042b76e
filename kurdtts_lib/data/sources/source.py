"""What all forms of a corpus have in common: rows that become clips, and columns that are found by their names."""

import re
import unicodedata
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from kurdtts_lib.core.errors import CorpusError
from kurdtts_lib.core.settings import CorpusSettings
from kurdtts_lib.data.dataset import KEPT, Clip
from kurdtts_lib.data.filters import Reason

ONE_SPEAKER = "one speaker"
"""The `client_id` of every clip of a corpus without speaker labels."""
# In order of preference. Names in one group are synonyms: two of them in one table are ambiguous, which is an error.
TEXT_NAMES = (
    ("sentence",),
    ("text", "transcription", "transcript"),
    ("raw_text", "original_text", "text_original"),
    ("normalized_text", "text_normalized", "normalized_transcription"),
)
SPEAKER_NAMES = (("client_id",), ("speaker_id",), ("speaker",), ("speaker_name",), ("reader_id",))
FILE_NAMES = (("file_name", "file", "filename"), ("path", "audio_path", "audio", "audio_file", "wav"))
Row = tuple[Mapping[str, Any], str]
"""Values by column, and a fault (a `Reason`) or an empty string."""


@dataclass(frozen=True)
class Source:
    """An opened corpus."""

    rows: Callable[[], Iterable[Row]]
    """All rows in the corpus's order. Raises CorpusError if reading fails on the way."""
    columns: Mapping[str, str]
    """The column of `audio`, of `sentence`, and of what else the corpus says: `client_id`, `age`, `gender`, votes.

    Audio is {bytes, path}, bytes, or the name of a file; a sentence is text, or the path of a text file.
    """
    folder: Path | None
    """Where files are looked up; None: names of files are of no use, as in a data set on the hub."""
    places: Sequence[str] = ("{}",)
    """Where below the folder a file may be, the likeliest place first."""
    licence: str = ""
    """Of the recordings, where the form implies it."""
    take: Callable[[list[int]], Iterable[Row]] | None = None
    """The rows with these ascending numbers, if the corpus can be read at any place."""

    def clips(self, numbers: Collection[int] | None = None) -> Iterator[Clip]:
        """The clips with these numbers (None: all) in the corpus's order; numbers beyond its end are ignored."""
        if numbers is None:
            chosen: Iterable[tuple[int, Row]] = enumerate(self.rows())
        elif self.take:
            chosen = zip(ordered := sorted(numbers), self.take(ordered), strict=False)
        else:
            rows = enumerate(islice(self.rows(), max(numbers, default=-1) + 1))
            chosen = (row for row in rows if row[0] in numbers)
        for number, (row, fault) in chosen:
            yield self._clip(number, row, fault)

    def _clip(self, number: int, row: Mapping[str, Any], fault: str) -> Clip:
        """A clip; never raises: a defect of the row becomes the clip's `reason`.

        A row without votes counts as accepted (two votes for it): such a corpus was checked by its makers.
        """
        values = {key: row.get(column) for key, column in self.columns.items()}
        audio, name, no_audio = self._audio(values["audio"])
        unreadable = ""
        if isinstance(values["sentence"], Path):
            values["sentence"], unreadable = _read_text(values["sentence"])
        texts = {key: _text(values.get(key)) for key in ("client_id", "sentence", "age", "gender")}
        if "client_id" not in self.columns:
            texts["client_id"] = ONE_SPEAKER
        up_votes, down_votes = _votes(values.get("up_votes"), 2), _votes(values.get("down_votes"), 0)
        faults = {  # in order: the first that applies
            Reason.NO_TEXT: not texts["sentence"].strip(),
            Reason.NOT_UTF8: any(_storable(text) != text for text in texts.values()),
            Reason.NO_SPEAKER: not texts["client_id"].strip(),
            Reason.NO_VOTES: up_votes is None or down_votes is None,
        }
        reason = fault or unreadable or no_audio or next((one for one, holds in faults.items() if holds), KEPT)
        name = _storable(name or f"row-{number}")
        stored: dict[str, Any] = {key: _storable(text) for key, text in texts.items()}
        return Clip(
            number=number,
            name=name,
            audio=audio,
            up_votes=up_votes or 0,
            down_votes=down_votes or 0,
            reason=reason,
            detail="" if reason == KEPT else name,
            **stored,
        )

    def _audio(self, value: Any) -> tuple[bytes | Path, str, str]:
        """(audio, name, fault or empty)."""
        if isinstance(value, bytes):
            return value, "", ""
        content, path = (value.get("bytes"), value.get("path")) if isinstance(value, dict) else (None, value)
        path = path if isinstance(path, str) else _text(path)
        if content is not None:
            return content, path.replace("\\", "/").rsplit("/", 1)[-1], ""
        if not path or self.folder is None:
            return b"", path, Reason.NO_AUDIO
        if not _is_inside(path):
            return b"", path, Reason.OUTSIDE
        # File names may be in NFD (macOS) where the table is in NFC, or the reverse.
        forms = dict.fromkeys([path, *(unicodedata.normalize(form, path) for form in ("NFC", "NFD"))])
        candidates = (self.folder / place.format(form) for form in forms for place in self.places)
        found = next(filter(_is_file, candidates), None)
        return (found, path, "") if found else (b"", path, Reason.NO_AUDIO)


def _read_text(path: Path) -> tuple[str, str]:
    """(text, fault or empty)."""
    try:
        return path.read_bytes().decode("utf-8-sig").strip(), ""
    except UnicodeDecodeError:
        return "", Reason.NOT_UTF8
    except OSError:
        return "", Reason.CANNOT_READ


def _text(value: Any) -> str:
    """Empty for what is no text and no number; pandas writes NaN for a missing text."""
    if not isinstance(value, str | int | float) or value != value:
        return ""
    # A lone carriage return or NUL would break the CSV tables that are written later.
    return str(value).replace("\r", " ").replace("\0", " ")


def _votes(value: Any, missing: int) -> int | None:
    """The number of votes: `missing` for an empty value, None for a value that is not a number."""
    try:
        return missing if _text(value) == "" else int(float(value))
    except (ValueError, OverflowError):
        return None


def _storable(text: str) -> str:
    """`text` with question marks for what UTF-8 cannot encode: lone surrogates, which JSON can contain."""
    return text.encode("utf-8", errors="replace").decode("utf-8")


def _is_inside(name: str) -> bool:
    """Whether a file name from a table is valid and stays below its folder on every system."""
    if name.startswith("/") or "\\" in name or re.match("[A-Za-z]:", name) or ".." in name.split("/"):
        return False
    return name == _storable(name) and not any(ord(character) < 32 for character in name)


def _is_file(path: Path) -> bool:
    """`path.is_file()`, but False for a name that the system refuses, such as one of 300 characters."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def find_columns(names: Sequence[str], settings: CorpusSettings, where: str, audio: str = "") -> dict[str, str]:
    """`Source.columns` by the settings or by usual names. audio: its column if it is known already.

    where: the table's name for errors. Raises CorpusError if audio or text is not found, or is not clear.
    """
    audio = audio or find_column(names, settings.audio_column, FILE_NAMES, "audio_column", where)
    others = [name for name in names if name != audio]
    text = find_column(others, settings.text_column, TEXT_NAMES, "text_column", where)
    speaker = find_column(others, settings.speaker_column, SPEAKER_NAMES, "speaker_column", where)
    for column, kind, setting in ((audio, "sound", "audio_column"), (text, "text", "text_column")):
        if not column:
            raise CorpusError(
                f"{where} has no column that looks like its {kind}. {has_columns(names)} "
                f"Name the right one in the setting `{setting}`."
            )
    found = {name: name for name in ("age", "gender", "up_votes", "down_votes") if name in others}
    return found | {"audio": audio, "sentence": text} | ({"client_id": speaker} if speaker else {})


def find_column(columns: Sequence[str], wanted: str, groups: Iterable[Sequence[str]], setting: str, where: str) -> str:
    """The column called `wanted`, or the first of the usual names that exists; empty if none does.

    Raises CorpusError if `wanted` is missing, or if two names of a group exist.
    """
    if wanted:
        if wanted not in columns:
            raise CorpusError(f"{where} has no column {wanted!r}, which `{setting}` names. {has_columns(columns)}")
        return wanted
    for group in groups:
        found = [name for name in group if name in columns]
        if len(found) > 1:
            raise CorpusError(
                f"{where} has {' and '.join(found)}: which one is meant? Name it in the setting `{setting}`. "
                f"{has_columns(columns)}"
            )
        if found:
            return found[0]
    return ""


def has_columns(columns: Iterable[str]) -> str:
    names = [name if len(name) <= 40 else f"{name[:40]}…" for name in columns]
    return f"Its columns are: {', '.join(names[:30])}{' …' if len(names) > 30 else ''}."


@contextmanager
def readable(path: Path) -> Iterator[None]:
    """Convert OSError while reading `path` into CorpusError."""
    try:
        yield
    except OSError as error:
        raise CorpusError(f"{path} cannot be read: {error}. Check the disk and your rights to the file.") from error
