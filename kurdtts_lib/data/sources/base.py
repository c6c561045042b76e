"""What every form of corpus gives: clips, with the faults of its own rows, and the names of its columns."""

import re
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from kurdtts_lib.core.errors import CorpusError
from kurdtts_lib.data.reasons import Reason

ONE_SPEAKER = "one speaker"
"""The `client_id` of every clip of a corpus that tells no speakers apart."""

# In the order of trust. Names of one group mean the same: two of them in one table are a question to the user.
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
    can. Its `audio` may be empty then."""


class Source(ABC):
    """A corpus that was found and opened."""

    licence = ""
    """Of its recordings, where the form itself tells it."""

    @abstractmethod
    def _entries(self) -> Iterator[Any]:
        """What each clip is made from, in the corpus's order, cheap to step over.

        Raises CorpusError if the source breaks on the way.
        """

    @abstractmethod
    def _clip(self, number: int, entry: Any) -> SourceClip:
        """The clip of an entry. Never raises: what is wrong with the entry is the clip's fault."""

    def clips(self) -> Iterator[SourceClip]:
        """Every clip in the corpus's order, numbered from 0. Raises CorpusError if the source breaks on the way."""
        for number, entry in enumerate(self._entries()):
            yield self._clip(number, entry)

    def pick(self, numbers: Collection[int]) -> Iterator[SourceClip]:
        """The clips with these numbers, as far as there are such, in the corpus's order."""
        for number, entry in enumerate(islice(self._entries(), max(numbers, default=-1) + 1)):
            if number in numbers:
                yield self._clip(number, entry)


def make_clip(number: int, name: str, audio: bytes | Path, row: Mapping[str, Any], fault: str = "") -> SourceClip:
    """A clip from a row with the keys `sentence` and `client_id`, and those of Common Voice if it has them.

    A row without votes was checked by others and counts as accepted.
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
    """`text` with a question mark for what no file can hold."""
    return text.encode("utf-8", errors="replace").decode("utf-8")


def _text(value: Any) -> str:
    if value is None or value != value:  # pandas writes NaN for a missing text
        return ""
    # A lone carriage return or NUL would break the tables that others read.
    return str(value).replace("\r", " ").replace("\0", " ")


def _votes(value: Any, missing: int) -> int | None:
    """None if it is not a number."""
    if _text(value) == "":
        return missing
    try:
        return int(float(value))
    except (TypeError, ValueError, OverflowError):
        return None


def is_unicode(text: str) -> bool:
    """False for half a surrogate pair, which JSON can smuggle in and no file can hold."""
    return not any("\ud800" <= character <= "\udfff" for character in text)


def is_inside(name: str) -> bool:
    """Whether a file name from a table stays below its folder on every system, and can be a file name at all."""
    if name.startswith("/") or "\\" in name or re.match("[A-Za-z]:", name) or ".." in name.split("/"):
        return False
    return is_unicode(name) and not any(ord(character) < 32 for character in name)


def is_file(path: Path) -> bool:
    """As `path.is_file()`, and False for a name that the system refuses, such as one of 300 letters."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def find_column(columns: Sequence[str], wanted: str, groups: Iterable[Sequence[str]], setting: str, where: str) -> str:
    """The column called `wanted`, or the first of the usual names that is there; empty if none is.

    where: names the table in errors. Raises CorpusError if `wanted` is not there, or if two usual names compete.
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
    """Turn the system's refusal to read into CorpusError."""
    try:
        yield
    except OSError as error:
        raise CorpusError(f"{path} cannot be read: {error}. Check the disk and your rights to the file.") from error
