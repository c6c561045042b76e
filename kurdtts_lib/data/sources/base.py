"""Common base of all corpus formats: clips with the faults of their rows, and the lookup of columns."""

import re
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from kurdtts_lib.core.errors import CorpusError
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


@dataclass(frozen=True)
class SourceClip:
    """One clip as the corpus provides it, its audio not yet decoded."""

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
    """Why the clip cannot be used: a `Reason`, such as `no text`, or empty. With a fault, `audio` may be `b""` where a
    usable clip has audio."""


class Source(ABC):
    """An opened corpus."""

    licence = ""
    """Licence of the recordings, where the format implies it; otherwise empty."""

    @abstractmethod
    def _entries(self) -> Iterator[Any]:
        """Raw entries, one per clip, in the corpus's order; skipping entries is cheap.

        Raises CorpusError if reading fails on the way.
        """

    @abstractmethod
    def _clip(self, number: int, entry: Any) -> SourceClip:
        """The clip of an entry. Never raises: a defect of the entry becomes the clip's `fault`."""

    def clips(self) -> Iterator[SourceClip]:
        """All clips in the corpus's order, numbered from 0. Raises CorpusError if reading fails on the way."""
        for number, entry in enumerate(self._entries()):
            yield self._clip(number, entry)

    def pick(self, numbers: Collection[int]) -> Iterator[SourceClip]:
        """The clips with these numbers, in the corpus's order; numbers beyond its end are ignored."""
        for number, entry in enumerate(islice(self._entries(), max(numbers, default=-1) + 1)):
            if number in numbers:
                yield self._clip(number, entry)


def make_clip(number: int, name: str, audio: bytes | Path, row: Mapping[str, Any], fault: str = "") -> SourceClip:
    """A clip from a row with the keys `sentence` and `client_id`, and optionally Common Voice's votes, age and gender.

    A row without votes counts as accepted (two votes for it): such a corpus was checked by its makers.
    """
    texts = {key: _text(row.get(key)) for key in ("client_id", "sentence", "age", "gender")}
    up_votes, down_votes = _votes(row.get("up_votes"), 2), _votes(row.get("down_votes"), 0)
    if not fault:
        if not texts["sentence"].strip():
            fault = Reason.NO_TEXT
        elif not all(map(is_unicode, texts.values())):
            fault = Reason.NOT_UTF8
        elif not texts["client_id"].strip():
            fault = Reason.NO_SPEAKER
        elif up_votes is None or down_votes is None:
            fault = Reason.NO_VOTES
    return SourceClip(
        number,
        _storable(name),
        audio,
        up_votes=up_votes or 0,
        down_votes=down_votes or 0,
        fault=fault,
        **{key: _storable(text) for key, text in texts.items()},
    )


def _storable(text: str) -> str:
    """`text` with question marks for characters that UTF-8 cannot encode."""
    return text.encode("utf-8", errors="replace").decode("utf-8")


def _text(value: Any) -> str:
    if value is None or value != value:  # pandas writes NaN for a missing text
        return ""
    # A lone carriage return or NUL would break the CSV tables that are written later.
    return str(value).replace("\r", " ").replace("\0", " ")


def _votes(value: Any, missing: int) -> int | None:
    """The number of votes: `missing` for an empty value, None for a value that is not a number."""
    if _text(value) == "":
        return missing
    try:
        return int(float(value))
    except (TypeError, ValueError, OverflowError):
        return None


def is_unicode(text: str) -> bool:
    """False for lone surrogates, which JSON can contain and UTF-8 cannot encode."""
    return not any("\ud800" <= character <= "\udfff" for character in text)


def is_inside(name: str) -> bool:
    """Whether a file name from a table is valid and stays below its folder on every system."""
    if name.startswith("/") or "\\" in name or re.match("[A-Za-z]:", name) or ".." in name.split("/"):
        return False
    return is_unicode(name) and not any(ord(character) < 32 for character in name)


def is_file(path: Path) -> bool:
    """`path.is_file()`, but False for a name that the system refuses, such as one of 300 characters."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def find_column(columns: Sequence[str], wanted: str, groups: Iterable[Sequence[str]], setting: str, where: str) -> str:
    """The column called `wanted`, or the first of the usual names that exists; empty if none does.

    where: the table's name for errors. Raises CorpusError if `wanted` is missing, or if two names of a group exist.
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


def needed(column: str, columns: Sequence[str], kind: str, setting: str, where: str) -> str:
    """`column`, or CorpusError if it is empty."""
    if not column:
        raise CorpusError(
            f"{where} has no column that looks like its {kind}. {has_columns(columns)} "
            f"Name the right one in the setting `{setting}`."
        )
    return column


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
